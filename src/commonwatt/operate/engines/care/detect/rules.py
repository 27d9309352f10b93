"""Rules: a signal that passes a test so often within a window is a finding.

A single flap, spike or correctable error is no finding unless its rule says so. A node
that fell silent is one, too: no news is not good news.

Sources: NVIDIA, "XID Errors", catalogue and actions; NVIDIA, "DCGM field identifiers";
    the counts and windows are our own defaults, to be set for each fleet.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from commonwatt.operate.domain.care.findings import (
    Component,
    NodeFinding,
    Severity,
    TelemetrySample,
)


class SampleTest(StrEnum):
    """What makes a sample count."""

    ABOVE = "above"
    BELOW = "below"
    RISE = "rise"
    """It is higher than the sample before it of the same device, as an error counter."""
    DROP = "drop"
    """It is lower than the sample before it of the same device, as a link that went down."""
    CODE = "code"
    """It is one of the codes, and another one than before."""
    SILENCE = "silence"
    """Nothing was heard from the node for the whole window; the signal says of what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionRule:
    """So many samples that pass a test within a window are a finding.

    Args:
        name: Name of the rule.
        signal: Which signal.
        test: What makes a sample count.
        limit: Bound of the tests above and below.
        codes: Codes of the test code.
        count: How many must count.
        window_s: Within how long [s].
        component: Which part is then at fault.
        severity: How bad that is.
    """

    name: str
    signal: str
    test: SampleTest
    limit: float = 0.0
    codes: frozenset[int] = frozenset()
    count: int = 1
    window_s: float = 60.0
    component: Component = Component.UNKNOWN
    severity: Severity = Severity.SUSPECT


FATAL_XIDS: Final = frozenset({46, 48, 61, 62, 64, 74, 79, 95, 109, 110, 119, 120, 136, 140, 143})
"""Codes after which a GPU must be reset or exchanged."""
APPLICATION_XIDS: Final = frozenset({13, 31, 43, 45})
"""Codes that a faulty program causes on a sound GPU."""
XID: Final = "DCGM_FI_DEV_XID_ERRORS"
HEARD_SIGNAL: Final = "heard"
"""Signal of the rules of silence: any sample of the node."""

DEFAULT_RULES: Final = (
    DetectionRule(
        name="xid-fatal",
        signal=XID,
        test=SampleTest.CODE,
        codes=FATAL_XIDS,
        component=Component.GPU,
        severity=Severity.FATAL,
    ),
    DetectionRule(
        name="xid-application",
        signal=XID,
        test=SampleTest.CODE,
        codes=APPLICATION_XIDS,
        count=3,
        window_s=3600.0,
        component=Component.SOFTWARE,
        severity=Severity.SUSPECT,
    ),
    DetectionRule(
        name="ecc-double-bit",
        signal="DCGM_FI_DEV_ECC_DBE_VOL_TOTAL",
        test=SampleTest.RISE,
        component=Component.MEMORY,
        severity=Severity.FATAL,
    ),
    DetectionRule(
        name="row-remap-failed",
        signal="DCGM_FI_DEV_ROW_REMAP_FAILURE",
        test=SampleTest.ABOVE,
        component=Component.MEMORY,
        severity=Severity.FATAL,
    ),
    DetectionRule(
        name="ecc-single-bit-burst",
        signal="DCGM_FI_DEV_ECC_SBE_VOL_TOTAL",
        test=SampleTest.RISE,
        count=10,
        window_s=3600.0,
        component=Component.MEMORY,
        severity=Severity.DEGRADED,
    ),
    DetectionRule(
        name="gpu-hot",
        signal="DCGM_FI_DEV_GPU_TEMP",
        test=SampleTest.ABOVE,
        limit=90.0,
        count=5,
        window_s=300.0,
        component=Component.COOLING,
        severity=Severity.DEGRADED,
    ),
    DetectionRule(
        name="link-flapping",
        signal="link_up",
        test=SampleTest.DROP,
        count=3,
        window_s=3600.0,
        component=Component.LINK,
        severity=Severity.DEGRADED,
    ),
    DetectionRule(
        name="link-down",
        signal="link_up",
        test=SampleTest.BELOW,
        limit=0.5,
        count=4,
        window_s=75.0,
        component=Component.LINK,
        severity=Severity.FATAL,
    ),
    DetectionRule(
        name="check-failed",
        signal="check_failed",
        test=SampleTest.ABOVE,
        component=Component.HOST,
        severity=Severity.FATAL,
    ),
    DetectionRule(
        name="slower-than-peers",
        signal="peer_score",
        test=SampleTest.ABOVE,
        limit=6.0,
        count=3,
        window_s=1800.0,
        component=Component.UNKNOWN,
        severity=Severity.DEGRADED,
    ),
    DetectionRule(
        name="unusual",
        signal="anomaly_score",
        test=SampleTest.ABOVE,
        limit=1.0,
        count=3,
        window_s=600.0,
        component=Component.UNKNOWN,
        severity=Severity.SUSPECT,
    ),
    DetectionRule(
        name="silent",
        signal=HEARD_SIGNAL,
        test=SampleTest.SILENCE,
        window_s=300.0,
        component=Component.MONITOR,
        severity=Severity.SUSPECT,
    ),
)
"""Rules that are used unless a fleet has its own."""

_MOST_EVIDENCE = 3
_Key = tuple[str, str]


class DetectionRuleBook:
    """Counts samples under rules; holds no more than each rule's count of each node."""

    def __init__(self, rules: Sequence[DetectionRule] = DEFAULT_RULES) -> None:
        self.rules = tuple(rules)
        self._of_signal: dict[str, list[DetectionRule]] = {}
        for rule in self.rules:
            self._of_signal.setdefault(rule.signal, []).append(rule)
        self._before: dict[tuple[str, str, str], float] = {}
        self._counted: dict[_Key, deque[TelemetrySample]] = {}
        self._heard: dict[str, float] = {}

    def expect_telemetry_of_nodes(self, nodes: Iterable[str], at_s: float) -> None:
        """Say which nodes ought to be heard from, so that one that never spoke is missed."""
        for node in nodes:
            self._heard.setdefault(node, at_s)

    def forget_node_samples(self, node: str) -> None:
        """Drop what counted against a node, as after a repair; silence goes on counting."""
        for rule in self.rules:
            self._counted.pop((rule.name, node), None)

    def observe_telemetry(self, samples: Iterable[TelemetrySample]) -> list[NodeFinding]:
        """Take samples in, in order of time, and return what became a finding by them."""
        return [
            finding for sample in samples for finding in self._node_findings_after_sample(sample)
        ]

    def silent_node_findings(self, at_s: float) -> list[NodeFinding]:
        """Return the nodes that were not heard from for the window of a rule of silence."""
        rules = [rule for rule in self.rules if rule.test is SampleTest.SILENCE]
        return [
            _silent_node_finding(rule, node, last_s, at_s)
            for rule in rules
            for node, last_s in self._heard.items()
            if at_s - last_s >= rule.window_s
        ]

    def telemetry_heard_at_s(self, node: str) -> float | None:
        """Return when a node was last heard from."""
        return self._heard.get(node)

    def _node_findings_after_sample(self, sample: TelemetrySample) -> list[NodeFinding]:
        # Samples of several exporters come out of order; the newest is what silence is counted
        # from.
        self._heard[sample.node] = max(sample.at_s, self._heard.get(sample.node, sample.at_s))
        rules = self._of_signal.get(sample.signal)
        if not rules:
            return []
        key = (sample.node, sample.device, sample.signal)
        before = self._before.get(key)
        self._before[key] = sample.value
        findings = [
            self._count_sample_and_find_if_in_window(rule, sample)
            for rule in rules
            if sample_passes_detection_rule(rule, sample, before)
        ]
        return [finding for finding in findings if finding]

    def _count_sample_and_find_if_in_window(
        self, rule: DetectionRule, sample: TelemetrySample
    ) -> NodeFinding | None:
        counted = self._counted.setdefault((rule.name, sample.node), deque(maxlen=rule.count))
        counted.append(sample)
        # The deque holds as many samples as the rule asks for, so its oldest is the first of
        # the window and nothing else needs to be remembered.
        full = len(counted) == rule.count
        if not full or sample.at_s - counted[0].at_s > rule.window_s:
            return None
        return _node_finding_of_samples(rule, tuple(counted))


def sample_passes_detection_rule(
    rule: DetectionRule, sample: TelemetrySample, before: float | None
) -> bool:
    """Return whether a sample passes a rule's test, given the one before it."""
    match rule.test:
        case SampleTest.ABOVE:
            return sample.value > rule.limit
        case SampleTest.BELOW:
            return sample.value < rule.limit
        case SampleTest.RISE:
            return before is not None and sample.value > before
        case SampleTest.DROP:
            return before is not None and sample.value < before
        case SampleTest.CODE:
            # DCGM shows the last code until another comes: without the second test one event
            # would count at every scrape.
            return int(sample.value) in rule.codes and sample.value != before
        case SampleTest.SILENCE:
            return False


def reference_node_findings(
    rules: Sequence[DetectionRule], samples: Sequence[TelemetrySample]
) -> list[NodeFinding]:
    """Return what a `DetectionRuleBook` finds, recounted at every sample: its reference."""
    findings: list[NodeFinding] = []
    for i, sample in enumerate(samples):
        for rule in rules:
            if sample.signal == rule.signal and _sample_at_passes_rule(rule, samples, i):
                recent = [
                    s
                    for j, s in enumerate(samples[: i + 1])
                    if s.node == sample.node
                    and s.signal == rule.signal
                    and _sample_at_passes_rule(rule, samples, j)
                ][-rule.count :]
                lasted_s = sample.at_s - recent[0].at_s
                if len(recent) == rule.count and lasted_s <= rule.window_s:
                    findings.append(_node_finding_of_samples(rule, tuple(recent)))
    return findings


def _sample_at_passes_rule(rule: DetectionRule, samples: Sequence[TelemetrySample], i: int) -> bool:
    sample = samples[i]
    earlier = [
        s.value
        for s in samples[:i]
        if (s.node, s.device, s.signal) == (sample.node, sample.device, sample.signal)
    ]
    return sample_passes_detection_rule(rule, sample, earlier[-1] if earlier else None)


def _node_finding_of_samples(
    rule: DetectionRule, counted: tuple[TelemetrySample, ...]
) -> NodeFinding:
    evidence = [
        f"{s.signal}={s.value:g}" + (f" at {s.device}" if s.device else "") for s in counted
    ]
    return NodeFinding(
        node=counted[-1].node,
        component=rule.component,
        severity=rule.severity,
        rule=rule.name,
        first_s=counted[0].at_s,
        last_s=counted[-1].at_s,
        count=len(counted),
        evidence=tuple(evidence[-_MOST_EVIDENCE:]),
    )


def _silent_node_finding(rule: DetectionRule, node: str, last_s: float, at_s: float) -> NodeFinding:
    return NodeFinding(
        node=node,
        component=rule.component,
        severity=rule.severity,
        rule=rule.name,
        first_s=last_s,
        last_s=at_s,
        evidence=(f"nothing heard for {at_s - last_s:.0f} s",),
    )
