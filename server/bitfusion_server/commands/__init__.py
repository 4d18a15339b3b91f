"""Commands that are run on a server, by root or the manager's user."""
