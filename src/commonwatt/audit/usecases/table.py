"""An audit as a table and as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import polars as pl

from commonwatt.audit.engines.findings import Finding
from commonwatt.audit.engines.judge import Audited
from commonwatt.catalogue.tables import Column, Table
from commonwatt.core.messages import Message, translate

TABLE: Final = Table(
    "audit",
    "One row per finding; a claim may have several, gravest first",
    (
        Column("claim", "text", "", "id of the claim"),
        Column("claimed", "text", "", "what is claimed"),
        Column("region", "text", "", "where"),
        Column("period", "text", "", "when, as the claim says"),
        Column("verdict", "text", "", "verdict over all findings of the claim"),
        Column("kind", "text", "", "kind of this finding"),
        Column("finding", "text", "", "the finding in a sentence"),
        Column("arithmetic", "text", "", "the figures that it rests on"),
        Column("factor_ratio", "number", "ratio", "claim over reference, where wrong by a factor"),
        Column("other_claim", "text", "", "the claim that it disagrees with"),
        Column("source", "text", "", "source of the reference, with its date"),
        Column("reference_year", "text", "", "what the reference speaks of"),
        Column("confidence", "text", "", "how far the reference may be trusted"),
    ),
)


def audit_frame(audited: Sequence[Audited], language: str = "en") -> pl.DataFrame:
    """Return one row per finding."""
    rows = [_row(each, finding, language) for each in audited for finding in each.findings]
    names = [column.name for column in TABLE.columns]
    return TABLE.frame(**{name: [row[name] for row in rows] for name in names})


def _row(each: Audited, finding: Finding, language: str) -> dict[str, Any]:
    claim = each.claim
    return {
        "claim": claim.id,
        "claimed": f"{claim.quantity}: {claim.value} {claim.unit.text}".replace("None", "").strip(),
        "region": "/".join(claim.regions),
        "period": claim.period,
        "verdict": each.verdict(language),
        "kind": str(finding.kind),
        "finding": finding.text.say(language),
        "arithmetic": finding.arithmetic,
        "factor_ratio": None if finding.factor != finding.factor else finding.factor,
        "other_claim": finding.other,
        "source": finding.source,
        "reference_year": finding.year,
        "confidence": finding.confidence,
    }


def audit_text(audited: Sequence[Audited], language: str) -> str:
    """Return every claim with its verdict, findings, arithmetic and sources."""
    blocks = [_block(each, language) for each in audited]
    return "\n\n".join([*blocks, _tally(audited, language)])


def _block(each: Audited, language: str) -> str:
    claim = each.claim
    figure = f" {claim.value} {claim.unit.text}" if claim.value is not None else ""
    head = f"{claim.id}  {claim.quantity}:{figure} ({'/'.join(claim.regions)}, {claim.period})"
    lines = [head, f"    → {each.verdict(language)}"]
    for finding in each.findings:
        lines.append(f"      · {finding.text.say(language)}")
        if finding.source:
            lines.append(f"        {finding.arithmetic}")
            trust = translate(finding.confidence, language)
            lines.append(f"        [{finding.source}; {finding.year}; {trust}]")
    return "\n".join(lines)


def _tally(audited: Sequence[Audited], language: str) -> str:
    counts = Counter(str(each.kind) for each in audited)
    parts = [f"{translate(kind, language)} {count}" for kind, count in counts.most_common()]
    form = Message(
        "{total} claims: {parts}.", {"total": str(len(audited)), "parts": ", ".join(parts)}
    )
    return form.say(language)
