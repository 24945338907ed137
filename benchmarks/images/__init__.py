"""Bits per dimension of images, and pictures."""
