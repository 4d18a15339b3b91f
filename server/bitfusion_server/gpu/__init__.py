"""What the server knows of its GPUs."""
