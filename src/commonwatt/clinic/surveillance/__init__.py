"""Is it still good? Monitors whose false-alarm probability is bounded, not tuned.

A monitor watches labels against scores, overall, by subgroup and by site,
inside one error budget. What needs no label is only ever a marked companion.
"""

from commonwatt.clinic.surveillance.days import watch_days
from commonwatt.clinic.surveillance.labelfree import label_free_auc
from commonwatt.clinic.surveillance.plan import ALTERNATIVES, MonitorPlan
from commonwatt.clinic.surveillance.rows import Watched, watch

__all__ = ["ALTERNATIVES", "MonitorPlan", "Watched", "label_free_auc", "watch", "watch_days"]
