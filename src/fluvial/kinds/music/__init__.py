"""Music: piano rolls of any length."""
