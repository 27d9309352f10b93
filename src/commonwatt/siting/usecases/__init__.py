"""Use cases of the siting wing: cost by site, placement, planning from day to day.

The command line, the study and the API call these; answers are plain rows whose
names carry their units.
"""

from commonwatt.siting.usecases.cost import (
    CASES,
    contest_answer,
    cost_answer,
    cost_of_run,
    library,
    map_rows,
    with_run,
)
from commonwatt.siting.usecases.place import PlaceChoices, day_ahead_rows, place_answer
from commonwatt.siting.usecases.report import contest_section, cost_section, page, place_section

__all__ = [
    "CASES",
    "PlaceChoices",
    "contest_answer",
    "contest_section",
    "cost_answer",
    "cost_of_run",
    "cost_section",
    "day_ahead_rows",
    "library",
    "map_rows",
    "page",
    "place_answer",
    "place_section",
    "with_run",
]
