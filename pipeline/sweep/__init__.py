"""One job a seed: which jobs a command means, running one, watching all, and telling the end.

Hydra's sweeper multiplies configurations and seeds, and its launcher runs the jobs: processes
on this machine, SLURM, Ray. This room is what they run and what stands around them.
"""
