"""Sharing a result as one zip file, and taking somebody else's in.

A share holds records, what was given with them (parameters, lock files, code, licence), and what
is computed from those: results, report, model card, README and RO-Crate metadata. Whoever checks
one computes all of that again, with the code that lies here. Nothing in a share is ever run.
"""
