"""Forecasts of series beside those of others."""
