"""The lecture's own demonstrations, computed with the equations of `pipeline.network`.

Convention: modules compute and return arrays; `figures` draws them. `published` holds the
lecture's own numbers. `docs/lecture.md` maps slides to code.
"""
