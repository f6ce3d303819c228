"""Sharing a result as one zip file (a share), and importing somebody else's.

A share holds records, what was given with them (parameters, lock files, code, licence), and what
is computed from those: results, report, model card, README and RO-Crate metadata. A check computes
all of that again, with the code of the checker's own checkout. Nothing in a share is ever run.
"""
