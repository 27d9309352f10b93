"""How full a fleet gets, and what stays free in pieces, while jobs only arrive.

The arrived-load protocol of the FGD paper: jobs in chance order, each placed once,
none released. `kernel` is the fast engine, `reference` the slow and obvious one.
"""

from commonwatt.fleet.engines.packing.protocol import place_arrived_load
from commonwatt.fleet.engines.packing.result import PackingResult

__all__ = ["PackingResult", "place_arrived_load"]
