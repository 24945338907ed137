"""Images: grids of whole numbers, given their labels."""
