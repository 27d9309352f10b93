"""Evidence computed, not typed: how well a model does, for whom, and how sure that is.

Scores are counted into a sketch that can leave a hospital and be added to
others; every metric and interval comes from the sketch.
"""

from commonwatt.clinic.engines.evidence.joint import (
    ClinicianModelComparison,
    compare_clinician_and_model,
)
from commonwatt.clinic.engines.evidence.metrics import (
    ESTIMATES,
    evaluate_score_sketch,
    model_net_benefit_by_group,
)
from commonwatt.clinic.engines.evidence.recalibrate import score_recalibration_of_group
from commonwatt.clinic.engines.evidence.sketch import ScoreSketch, sketch_model_scores

__all__ = [
    "ESTIMATES",
    "ClinicianModelComparison",
    "ScoreSketch",
    "compare_clinician_and_model",
    "evaluate_score_sketch",
    "model_net_benefit_by_group",
    "score_recalibration_of_group",
    "sketch_model_scores",
]
