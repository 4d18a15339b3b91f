"""Leases from the request to the end of the session."""
