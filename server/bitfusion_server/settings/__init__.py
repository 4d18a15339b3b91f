"""Settings: where the values of a start come from, and what administrators change while the server runs."""
