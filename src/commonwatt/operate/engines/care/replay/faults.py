"""Faults for a replay: whole histories of real nodes, or counts by cause.

A history keeps what counts: which nodes fail again, what failed, and how long a repair
took. What a fault shows to telemetry and what heals it follows from its class by the
table below, which is our reading of the classes and the replay's main assumption.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from commonwatt.core.messages import Message
from commonwatt.core.seeds import named_random_stream
from commonwatt.core.spreadsheets import read_spreadsheet_csv
from commonwatt.operate.domain.care.errors import CareSettingsError
from commonwatt.operate.domain.care.findings import Component
from commonwatt.operate.domain.care.lifecycle import CareStage

DAY_S: Final = 86_400.0
COLUMNS: Final = ("node", "start_day", "end_day", "class", "desc")
SELF_HEALED_DAYS: Final = 0.25
"""A real repair shorter than this was no exchange of parts: a reset or reboot did it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Symptom:
    """What a fault shows, and whether it stops a gang at once.

    Args:
        component: Which part.
        signal: What telemetry sees.
        stops: Whether the gang stops at its first moment.
    """

    component: Component
    signal: str
    stops: bool = True


SYMPTOMS: Final[dict[str, Symptom]] = {
    "GPU": Symptom(component=Component.GPU, signal="xid"),
    "memory": Symptom(component=Component.MEMORY, signal="double-bit"),
    "Parameter Plane Cable": Symptom(component=Component.LINK, signal="link-down"),
    "NIC": Symptom(component=Component.NIC, signal="link-down"),
    "Power Supply": Symptom(component=Component.POWER, signal="check"),
    "Fan": Symptom(component=Component.COOLING, signal="hot", stops=False),
    "software": Symptom(component=Component.SOFTWARE, signal="none"),
}
"""By class of the trace; every other class is found by a failed check of the node."""
OTHER: Final = Symptom(component=Component.HOST, signal="check")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFault:
    """One fault of one node.

    Args:
        at_s: When it begins [s from the start of the replay].
        node: Number of the node; -1 where the program and no node is at fault.
        symptom: What it shows.
        repair_s: How long a person takes to repair it [s].
        heals: First aid that heals it; none where it needs a person.
    """

    at_s: float
    node: int
    symptom: Symptom
    repair_s: float
    heals: frozenset[CareStage]


def node_faults_drawn_from_trace(
    path: Path, *, nodes: int, days: float, watched: int, seed: int
) -> list[NodeFault]:
    """Return faults of a fleet whose nodes live histories drawn from a real fleet's.

    Each node draws one of the `watched` nodes of the trace, most of which never failed,
    and begins at its own instant of the trace's length, going on from its start.

    Args:
        path: Table with the columns node, start_day, end_day, class and desc.
        nodes: Nodes of the fleet.
        days: Length of the replay [days].
        watched: Nodes that the trace watched, those without faults included.
        seed: Of the draw.

    Raises:
        CareSettingsError: A column is missing, or there is no fault.
    """
    frame = pl.read_parquet(path) if path.suffix == ".parquet" else read_spreadsheet_csv(path)
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing or frame.is_empty():
        names = ", ".join(missing) or "-"
        raise CareSettingsError(str(path), wanted=Message("the columns {names}", {"names": names}))
    chance = named_random_stream(seed, "care.histories")
    length = float(frame["start_day"].max())  # pyright: ignore[reportArgumentType]
    histories: list[list[dict[str, Any]]] = [
        frame.filter(pl.col("node") == node).to_dicts() for node in frame["node"].unique().sort()
    ]
    history_of = chance.integers(0, watched, nodes)
    begins = chance.uniform(0, length, nodes)
    faults: list[NodeFault] = []
    for node in np.flatnonzero(history_of < len(histories)).tolist():
        for row in histories[int(history_of[node])]:
            # The history is taken as a ring: a node that began near its end goes on from its
            # start, and the rate of faults stays that of the trace.
            at_day = (float(row["start_day"]) - float(begins[node])) % length
            if at_day < days:
                faults.append(_node_fault_of_trace_row(row, node, at_day))
    return sorted(faults, key=lambda fault: (fault.at_s, fault.node))


def node_faults_of_counts(
    counts: Mapping[str, int], *, nodes: int, days: float, seed: int
) -> list[NodeFault]:
    """Return faults spread evenly over time and nodes, so many of each cause.

    Causes are those of Llama Team (2024), "The Llama 3 Herd of Models", table 5; those of
    software concern no node.
    """
    chance = named_random_stream(seed, "care.counts")
    faults: list[NodeFault] = []
    for cause, count in counts.items():
        symptom = CAUSES.get(cause, OTHER)
        at_s = chance.uniform(0, days * DAY_S, count)
        where = chance.integers(0, nodes, count)
        # Drawn for each fault and not for each cause: the table of counts does not say how long
        # which repair took.
        lasting = chance.random(count) < _NEEDS_A_PERSON
        for i in range(count):
            faults.append(
                NodeFault(
                    at_s=float(at_s[i]),
                    node=-1 if symptom.component is Component.SOFTWARE else int(where[i]),
                    symptom=symptom,
                    repair_s=DAY_S if lasting[i] else 0.0,
                    heals=frozenset() if lasting[i] else _AID,
                )
            )
    return sorted(faults, key=lambda fault: (fault.at_s, fault.node))


CAUSES: Final[dict[str, Symptom]] = {
    "faulty_gpu": SYMPTOMS["GPU"],
    "gpu_hbm3": SYMPTOMS["memory"],
    "gpu_sram": SYMPTOMS["GPU"],
    "gpu_system_processor": SYMPTOMS["GPU"],
    "gpu_thermal_interface_or_sensor": Symptom(component=Component.COOLING, signal="check"),
    "silent_data_corruption": SYMPTOMS["GPU"],
    "network_switch_or_cable": SYMPTOMS["Parameter Plane Cable"],
    "nic": SYMPTOMS["NIC"],
    "software_bug": SYMPTOMS["software"],
    "nccl_watchdog_timeout": SYMPTOMS["software"],
    "dependency": SYMPTOMS["software"],
}
_AID: Final = frozenset({CareStage.RESET, CareStage.REBOOT})
_NEEDS_A_PERSON: Final = 0.7
"""Share of faults by count that need a person; seven in ten repairs of the trace took a
quarter of a day or more."""


def _node_fault_of_trace_row(row: Mapping[str, Any], node: int, at_day: float) -> NodeFault:
    kind = str(row["class"])
    # The trace files memory faults under GPU; care treats them by other first aid.
    if kind == "GPU" and "ECC" in str(row["desc"]):
        kind = "memory"
    lasted = float(row["end_day"]) - float(row["start_day"])
    return NodeFault(
        at_s=at_day * DAY_S,
        node=node,
        symptom=SYMPTOMS.get(kind, OTHER),
        repair_s=lasted * DAY_S,
        heals=_AID if lasted < SELF_HEALED_DAYS else frozenset(),
    )
