"""The page on which a student draws a digit and sees what the trained networks make of it."""
