"""The client: command line, launcher and what talks to a server's manager."""
