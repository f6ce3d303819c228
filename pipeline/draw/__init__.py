"""The page on which a student draws a digit and sees how the trained networks classify it."""
