"""Likelihoods of tables of numbers."""
