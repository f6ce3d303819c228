"""The lecture's dense network: forward, backward, cost and descent, in NumPy alone.

Convention of the whole room: rows are samples, so a batch is X of shape (b, n) and the
lecture's h = f(W x + b) reads H = f(X Wᵀ + b). Symbols are the lecture's; equation numbers are
its slides'. Nothing here knows a file, a configuration object or a progress bar.
"""
