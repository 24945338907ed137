"""Series: numbers that are measured again and again, at regular times."""
