"""The main job: one programme through every wing, into one run and one report.

Each stage is fed by the measured output of the one before: use and energy give the cost
and the placement, the cost gives the capital, the capital gives the debt path. `run` leads.
"""
