"""What a replay assumes, in one table: how fast things are seen, saved and restarted."""

from __future__ import annotations

from dataclasses import dataclass, field

from commonwatt.operate.domain.care.policy import CarePolicy
from commonwatt.operate.engines.care.replay.cluster import Timings


@dataclass(frozen=True, slots=True, kw_only=True)
class FalseSignRates:
    """False signs on sound nodes, events per node and day.

    Args:
        flap: A link that goes down once and comes back.
        application: A GPU code that a program caused.
        single_bit: A corrected memory error.
        spike: One reading of a high temperature.
        unusual: A false episode of the learned detector, as measured on labelled servers.
        slow: One reading of being slower than its peers.
        check: A fatal check that fails on a sound node.
    """

    flap: float = 0.2
    application: float = 0.05
    single_bit: float = 0.5
    spike: float = 0.1
    unusual: float = 0.1
    slow: float = 0.1
    check: float = 0.0002


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySetting:
    """A fleet with one gang on it, and how fast things go.

    Args:
        gang: Nodes of the gang.
        spares: Further nodes of the same kind.
        gpus: GPUs of a node.
        days: Length of the replay [days].
        scrape_s: Time between two readings of a node's telemetry [s].
        check_s: Time between two health checks of a node [s].
        observe_every_s: Time between two observations of care where something is amiss [s].
        save_s: Time that the gang stands still for one save [s].
        restart_s: From a start of the gang to its first step of work [s].
        crash_s: From a crash by the program to the restart [s].
        noise: False signs.
        timings: How long reboots and tests take.
        policy: The bounds of care.
        seed: Of everything that is drawn.
    """

    gang: int = 2048
    spares: int = 96
    gpus: int = 8
    days: float = 54.0
    scrape_s: float = 15.0
    check_s: float = 30.0
    observe_every_s: float = 10.0
    save_s: float = 0.5
    restart_s: float = 75.0
    crash_s: float = 15.0
    noise: FalseSignRates = field(default_factory=FalseSignRates)
    timings: Timings = field(default_factory=Timings)
    policy: CarePolicy = field(default_factory=CarePolicy)
    seed: int = 1

    @property
    def nodes(self) -> int:
        """Nodes of the fleet."""
        return self.gang + self.spares
