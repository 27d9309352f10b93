"""Replay: real faults on a simulated cluster, under the caretaker that will run live.

The cluster speaks the same protocol as Slurm and Ray do, so that a policy of care is
tried in minutes on two months of faults before it is trusted with a fleet.
"""
