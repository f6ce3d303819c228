"""Measurements, each a script that prints a table; no test ever asserts a time."""
