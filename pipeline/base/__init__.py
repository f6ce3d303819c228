"""What every other package may import: configuration, paths, files, errors and git."""
