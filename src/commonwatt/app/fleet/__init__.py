"""What people do with a fleet: simulate, compare, sweep, explain.

`inputs` reads what the user names, `simulation` runs it and gathers the figures,
`sweep` runs many on a pool of processes, and `section` tells it in a report.
"""
