"""How well unusual rows are found: beside pyod's detectors, at the false-alarm rates asked for, by the right cell."""
