"""What commands cost from file to file, start-up, reading, encoding and writing included."""
