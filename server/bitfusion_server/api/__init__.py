"""The HTTP API: HTTP in and out, nothing else."""
