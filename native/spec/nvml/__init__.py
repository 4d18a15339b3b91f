"""NVML's entry points, one module an area; each has ROWS."""
