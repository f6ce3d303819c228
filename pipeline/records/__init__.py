"""What a training run leaves, and how anyone can tell that it is what it says.

A record is a folder named by the hash of everything that determines its content: the resolved
experiment, the seed, the data, the numerical code and the numeric environment.
"""
