"""The kinds of data there are: a room for each, and what all have in common."""
