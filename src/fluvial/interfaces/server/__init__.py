"""Fitted tables behind a door: ``fluvial serve``."""
