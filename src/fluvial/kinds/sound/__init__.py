"""Sound: recordings of any length, as codes of 8 or 16 bits, given their labels."""
