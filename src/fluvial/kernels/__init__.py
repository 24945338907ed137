"""The hot loops behind the univariate maps and the conditioners."""
