"""Plan, pay for, run and govern public AI compute.

The rooms are drawn in ``docs/explanation/house.md``: ``fleet`` simulates which
jobs run where, ``siting`` costs and places the machines, ``treasury`` shows
what paying for them does to the public debt. The Python API of each wing is
its package; this module only carries the version, so that importing it is free.
"""

__version__ = "0.1.0"
