"""Copies of records and results in MLflow; the store can be rebuilt from the files at any time."""
