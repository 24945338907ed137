"""Side-by-side measurements against peers, and the records they made."""
