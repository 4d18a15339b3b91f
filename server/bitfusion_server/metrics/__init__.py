"""What is measured: collected, rolled up, kept, and shown to people and to Prometheus. The table is `bitfusion_core.metrics`."""
