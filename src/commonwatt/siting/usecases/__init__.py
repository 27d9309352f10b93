"""Use cases of the siting wing: cost by site, placement, planning from day to day.

The command line, the study and the API call these; answers are plain rows whose
names carry their units.
"""

from commonwatt.siting.usecases.cost import (
    CASES,
    cost_of_run,
    cost_result,
    load_library_cells,
    map_rows,
    sites_comparison,
    with_run,
)
from commonwatt.siting.usecases.place import PlacementOptions, day_ahead_rows, placement_result
from commonwatt.siting.usecases.report import comparison_section, cost_section, page, place_section

__all__ = [
    "CASES",
    "PlacementOptions",
    "comparison_section",
    "cost_of_run",
    "cost_result",
    "cost_section",
    "day_ahead_rows",
    "load_library_cells",
    "map_rows",
    "page",
    "place_section",
    "placement_result",
    "sites_comparison",
    "with_run",
]
