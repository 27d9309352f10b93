"""What telemetry sees of a fault, and what it sees where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from commonwatt.core.seeds import named_random_stream
from commonwatt.operate.domain.care.findings import TelemetrySample
from commonwatt.operate.engines.care.detect.rules import XID
from commonwatt.operate.engines.care.replay.faults import DAY_S, NodeFault
from commonwatt.operate.engines.care.replay.setting import ReplaySetting

_DOUBLE = "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL"
_SINGLE = "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL"
_TEMP = "DCGM_FI_DEV_GPU_TEMP"


def telemetry_signs_of_node_fault(
    fault: NodeFault, node: str, phase: float, setting: ReplaySetting
) -> list[TelemetrySample]:
    """Return what telemetry reads from a fault's first moment until it is a finding.

    Args:
        fault: The fault.
        node: Its node's name.
        phase: Where in its period the node is read (0 to 1).
        setting: How often nodes are read.
    """
    at = _next_telemetry_reading_at_s(fault.at_s, setting.scrape_s, phase)
    period = setting.scrape_s
    match fault.symptom.signal:
        case "xid":
            return [TelemetrySample(at, node, XID, 79.0, "0")]
        case "double-bit":
            return [
                TelemetrySample(at - period, node, _DOUBLE, 0.0),
                TelemetrySample(at, node, _DOUBLE, 1.0),
            ]
        case "link-down":
            return [TelemetrySample(at + i * period, node, "link_up", 0.0, "p0") for i in range(4)]
        case "hot":
            return [TelemetrySample(at + i * period, node, _TEMP, 95.0, "0") for i in range(5)]
        case "check":
            checked = _next_telemetry_reading_at_s(fault.at_s, setting.check_s, phase)
            return [TelemetrySample(checked, node, "check_failed", 1.0)]
        case _:
            return []


def false_telemetry_instants_nodes_and_kinds(
    setting: ReplaySetting,
) -> Iterator[tuple[float, int, str]]:
    """Yield instant, node and kind of every false sign, in order of time."""
    chance = named_random_stream(setting.seed, "care.noise")
    signs: list[tuple[float, int, str]] = []
    rates: dict[str, float] = asdict(setting.noise)
    for kind, rate in rates.items():
        count = int(chance.poisson(rate * setting.nodes * setting.days))
        at_s = chance.uniform(0, setting.days * DAY_S, count)
        where = chance.integers(0, setting.nodes, count)
        signs += [(float(at_s[i]), int(where[i]), kind) for i in range(count)]
    yield from sorted(signs)


def telemetry_samples_of_false_fault(  # noqa: PLR0911  one per kind
    kind: str, node: str, at_s: float, count: int
) -> list[TelemetrySample]:
    """Return what telemetry reads of a false sign; `count` makes counters rise."""
    match kind:
        case "flap":
            values = (1.0, 0.0, 1.0)
            return [
                TelemetrySample(at_s + 15 * i, node, "link_up", v, "p1")
                for i, v in enumerate(values)
            ]
        case "application":
            return [
                TelemetrySample(at_s, node, XID, 31.0, "1"),
                TelemetrySample(at_s + 15, node, XID, 0.0, "1"),
            ]
        case "single_bit":
            return [TelemetrySample(at_s, node, _SINGLE, float(count))]
        case "spike":
            return [TelemetrySample(at_s, node, _TEMP, 92.0, "1")]
        case "unusual":
            return [TelemetrySample(at_s + 60 * i, node, "anomaly_score", 1.2) for i in range(3)]
        case "slow":
            return [TelemetrySample(at_s, node, "peer_score", 7.0)]
        case _:
            return [TelemetrySample(at_s, node, "check_failed", 1.0)]


def _next_telemetry_reading_at_s(at_s: float, period_s: float, phase: float) -> float:
    """Return the first reading after `at_s`."""
    offset = phase * period_s
    return at_s + period_s - ((at_s - offset) % period_s)
