"""What people meet: the command line, scikit-learn, the report."""
