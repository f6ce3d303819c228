"""What every room may use: the configuration, paths, files, errors, and what git says."""
