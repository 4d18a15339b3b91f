"""Who is asking, and how both ends know each other."""
