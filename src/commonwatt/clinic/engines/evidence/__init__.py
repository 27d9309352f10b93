"""Evidence computed, not typed: how well a model does, for whom, and how sure that is.

Scores are counted into a sketch that can leave a hospital and be added to
others; every metric and interval comes from the sketch.
"""

from commonwatt.clinic.engines.evidence.joint import Joint, joint
from commonwatt.clinic.engines.evidence.metrics import ESTIMATES, evaluate, net_benefit
from commonwatt.clinic.engines.evidence.recalibrate import recalibrate
from commonwatt.clinic.engines.evidence.sketch import Sketch, sketch_of

__all__ = [
    "ESTIMATES",
    "Joint",
    "Sketch",
    "evaluate",
    "joint",
    "net_benefit",
    "recalibrate",
    "sketch_of",
]
