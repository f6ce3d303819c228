"""The files of a training run, its record, and the checks that a record is complete and unchanged.

A record is a folder named by the hash of everything that determines its content: the resolved
experiment, the seed, the data files, the split and the fitted preprocessor, the code, and the
arithmetic.
"""
