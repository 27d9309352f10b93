"""How often a gang should save its work: advice, and a simulation to check it by.

Sources: Young (1974), "A first order approximation to the optimum checkpoint interval",
    CACM 17(9); Daly (2006), "A higher order estimate of the optimum checkpoint interval
    for restart dumps", FGCS 22(3), equations 20 and 37.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from commonwatt.core.messages import Message
from commonwatt.core.seeds import named_random_stream
from commonwatt.operate.domain.care.errors import CareSettingsError


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointAdvice:
    """How often to save, and what that costs.

    Args:
        interval_s: Work between the ends of two saves [s].
        young_s: The same by Young's first order.
        productive_share: Expected share of time that is work which is kept.
        gang_mtbf_s: Mean time between interruptions of the whole gang [s].
    """

    interval_s: float
    young_s: float
    productive_share: float
    gang_mtbf_s: float


def care_young_checkpoint_interval_s(save_s: float, mtbf_s: float) -> float:
    """Return Young's interval between saves, sqrt(2 δ M).

    >>> care_young_checkpoint_interval_s(50.0, 10_000.0)
    1000.0
    """
    return math.sqrt(2 * save_s * mtbf_s)


def care_daly_checkpoint_interval_s(save_s: float, mtbf_s: float) -> float:
    """Return Daly's interval between saves.

        τ = sqrt(2 δ M) (1 + (1/3) sqrt(δ/2M) + (1/9) (δ/2M)) - δ   for δ < 2M, else M

    Args:
        save_s: Time that the gang stands still for a save, δ [s].
        mtbf_s: Mean time between interruptions of the gang, M [s].

    >>> round(care_daly_checkpoint_interval_s(50.0, 10_000.0), 1)
    966.9
    >>> care_daly_checkpoint_interval_s(50.0, 20.0)
    20.0
    """
    # Daly's series holds for δ < 2M; beyond it he takes M itself, for a save then seldom ends
    # before the next failure.
    if save_s >= 2 * mtbf_s:
        return mtbf_s
    ratio = save_s / (2 * mtbf_s)
    return (
        care_young_checkpoint_interval_s(save_s, mtbf_s) * (1 + math.sqrt(ratio) / 3 + ratio / 9)
        - save_s
    )


def care_gang_productive_share(
    interval_s: float, save_s: float, restart_s: float, mtbf_s: float
) -> float:
    """Return the expected share of time that is kept work, failures being exponential.

        share = (τ / M) / (e^(R/M) (e^((τ+δ)/M) - 1))

    It is Daly's equation for the run time, turned over. Restarts may fail, too.

    >>> round(care_gang_productive_share(966.9, 50.0, 120.0, 10_000.0), 4)
    0.8925
    """
    # expm1, because for a sound gang (τ + δ) / M is small and e^x - 1 would lose its digits.
    wasted = math.exp(restart_s / mtbf_s) * math.expm1((interval_s + save_s) / mtbf_s)
    return interval_s / mtbf_s / wasted


def care_gang_checkpoint_advice(
    *, nodes: int, node_mtbf_s: float, save_s: float, restart_s: float
) -> CheckpointAdvice:
    """Return how often a gang should save.

    Args:
        nodes: Nodes of the gang; any one of them interrupts it.
        node_mtbf_s: Mean time between interruptions by one node [s].
        save_s: Time that the gang stands still for a save [s].
        restart_s: From the interruption to work again [s].

    Raises:
        CareSettingsError: A number is not positive.
    """
    inputs = {"nodes": nodes, "node_mtbf_s": node_mtbf_s, "save_s": save_s}
    for name, number in inputs.items():
        if not number > 0:
            raise CareSettingsError(name, found=f"{number:g}", wanted=Message("a number above 0"))
    # Any node stops the gang and failures are taken as independent: a switch that takes forty
    # nodes along at once is one failure here, too few of them counted.
    mtbf_s = node_mtbf_s / nodes
    interval_s = care_daly_checkpoint_interval_s(save_s, mtbf_s)
    return CheckpointAdvice(
        interval_s=interval_s,
        young_s=care_young_checkpoint_interval_s(save_s, mtbf_s),
        productive_share=care_gang_productive_share(interval_s, save_s, restart_s, mtbf_s),
        gang_mtbf_s=mtbf_s,
    )


def simulated_care_gang_productive_share(
    interval_s: float, save_s: float, restart_s: float, mtbf_s: float, *, failures: int, seed: int
) -> float:
    """Return the share of kept work over simulated failures, by which advice is checked."""
    gaps = named_random_stream(seed, "care.checkpoints").exponential(mtbf_s, failures)
    kept_s = wall_s = 0.0
    for gap in gaps.tolist():
        working_s = max(gap - restart_s, 0.0)
        kept_s += interval_s * np.floor(working_s / (interval_s + save_s))
        wall_s += gap
    return float(kept_s / wall_s)
