"""What must survive a restart, behind one interface."""
