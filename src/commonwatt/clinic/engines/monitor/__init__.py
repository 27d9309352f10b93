"""Is it still good? Monitors whose false-alarm probability is bounded, not tuned.

A monitor watches labels against scores, overall, by subgroup and by institution,
inside one error budget. What needs no label is only ever a marked companion.
"""

from commonwatt.clinic.engines.monitor.days import (
    DailyScoreCells,
    monitor_result_of_daily_cells,
    monitor_result_of_daily_counts,
)
from commonwatt.clinic.engines.monitor.labelfree import label_free_auc
from commonwatt.clinic.engines.monitor.plan import ALTERNATIVES, MonitorPlan
from commonwatt.clinic.engines.monitor.rows import MonitorResult, monitor_result_of_scored_rows

__all__ = [
    "ALTERNATIVES",
    "DailyScoreCells",
    "MonitorPlan",
    "MonitorResult",
    "label_free_auc",
    "monitor_result_of_daily_cells",
    "monitor_result_of_daily_counts",
    "monitor_result_of_scored_rows",
]
