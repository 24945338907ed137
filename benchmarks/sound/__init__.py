"""Bits per sample of sound, and nats of piano rolls."""
