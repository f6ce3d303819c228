"""Data sets: finding, reading, splitting and preprocessing them."""
