"""The lecture's dense network: forward, backward, cost and descent, in NumPy alone.

Convention: rows are samples, so a batch X has shape (b, n), and the lecture's h = f(W x + b)
becomes H = f(X Wᵀ + b). Symbols and equation numbers are the lecture's. No module here reads or
writes files, or prints.
"""
