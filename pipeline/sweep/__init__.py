"""Sweeps: list the jobs of a command, launch those without a complete record, and watch them.

A job is one seed of one configuration. Hydra composes it, and its launchers run it: processes on
this machine, SLURM, Ray.
"""
