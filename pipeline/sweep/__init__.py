"""Sweeps: which jobs a command means, launching those that no record has, and watching them.

A job is one seed of one configuration. Hydra composes it, and its launchers run it: processes on
this machine, SLURM, Ray.
"""
