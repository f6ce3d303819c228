"""The mirror of records and results in MLflow: files are the truth, the store can be made again."""
