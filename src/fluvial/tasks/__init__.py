"""What people do with a density: fit it to a table, score, sample, save and load it."""
