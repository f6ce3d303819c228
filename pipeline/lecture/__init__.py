"""The lecture's own demonstrations, computed with the equations of the other rooms.

Convention: modules compute and return arrays; `figures` draws them. What the lecture printed or
drew is in `published`. `docs/lecture.md` puts the slides beside the code.
"""
