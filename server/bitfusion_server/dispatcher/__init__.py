"""The dispatcher: admits data connections of known sessions and hands each to the worker of its client process."""
