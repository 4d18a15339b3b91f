"""The GPU server: manager, dispatcher and workers."""
