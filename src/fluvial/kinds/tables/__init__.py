"""Tables: rows of numbers, labels, times and gaps."""
