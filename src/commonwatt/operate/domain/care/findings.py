"""What detectors say: which component of which node, how bad, and on what evidence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Component(StrEnum):
    """Which part is at fault; the first aid depends on it."""

    GPU = "gpu"
    MEMORY = "memory"
    LINK = "link"
    NIC = "nic"
    HOST = "host"
    POWER = "power"
    COOLING = "cooling"
    STORAGE = "storage"
    SOFTWARE = "software"
    MONITOR = "monitor"
    UNKNOWN = "unknown"


class Severity(StrEnum):
    """How sure and how bad, which decides the first move."""

    FATAL = "fatal"
    """The node cannot go on: it is given up now and its jobs start elsewhere."""
    DEGRADED = "degraded"
    """It happened often enough to count: the node takes no new job."""
    SUSPECT = "suspect"
    """Odd, and no more: the node is watched and stays in service."""


@dataclass(frozen=True, slots=True)
class TelemetrySample:
    """One value of one signal.

    Args:
        at_s: When [s since 1970].
        node: Which node.
        signal: What was measured, by its field's name.
        value: The value in the unit of the signal.
        device: Which GPU, port or disk of the node; empty for the node itself.
    """

    at_s: float
    node: str
    signal: str
    value: float
    device: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFinding:
    """What a detector says about a node.

    Args:
        node: Which node.
        component: Which part.
        severity: How bad.
        rule: Which rule or detector.
        first_s: First piece of evidence that counted [s since 1970].
        last_s: Last piece of evidence [s since 1970].
        count: Pieces of evidence that counted.
        evidence: What they were, for a person to read; at most a few.
    """

    node: str
    component: Component
    severity: Severity
    rule: str
    first_s: float
    last_s: float
    count: int = 1
    evidence: tuple[str, ...] = ()


RANK = {Severity.SUSPECT: 0, Severity.DEGRADED: 1, Severity.FATAL: 2}
"""Order of severities, the worst last."""


def worst_node_finding(findings: list[NodeFinding]) -> NodeFinding:
    """Return the finding that decides: the most severe, of these the first to be seen."""
    return min(findings, key=lambda f: (-RANK[f.severity], f.first_s, f.rule))
