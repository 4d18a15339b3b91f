"""What people change: clients, tokens, users, settings, certificates. Every change is written to the audit log."""
