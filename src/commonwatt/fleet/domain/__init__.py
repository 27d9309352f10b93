"""Words of the fleet: workload, machines, policies and the outcome of a run.

Policies stand here because they are pure functions of arrays: the simulator calls them
with simulated state, a live controller with the state of its cluster.
"""
