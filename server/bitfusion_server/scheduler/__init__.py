"""Who gets which GPUs, and when. Pure: values in, decisions out; time is an argument."""
