"""Likelihoods of rows of bits."""
