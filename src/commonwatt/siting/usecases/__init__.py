"""Use cases of the siting wing: cost by site, placement, planning from day to day.

The command line, the study and the API call these; answers are plain rows whose
names carry their units. Sections and charts stand in `report` and `charts`, which take longer to
load and are imported from there.
"""

from commonwatt.siting.usecases.cost import (
    CASES,
    break_even_map_rows,
    gpu_hour_cost_result,
    load_library_cost_cells,
    site_cost_cells_with_measured_use,
    site_cost_comparison,
    site_gpu_hour_cost_at_measured_use,
)
from commonwatt.siting.usecases.place import (
    PlacementOptions,
    day_ahead_placement_rows,
    placement_result,
)

__all__ = [
    "CASES",
    "PlacementOptions",
    "break_even_map_rows",
    "day_ahead_placement_rows",
    "gpu_hour_cost_result",
    "load_library_cost_cells",
    "placement_result",
    "site_cost_cells_with_measured_use",
    "site_cost_comparison",
    "site_gpu_hour_cost_at_measured_use",
]
