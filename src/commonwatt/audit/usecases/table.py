"""An audit as a table and as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import polars as pl

from commonwatt.audit.domain.measures import CLAIM_COUNT
from commonwatt.audit.domain.tables import AUDIT
from commonwatt.audit.engines.findings import ClaimFinding
from commonwatt.audit.engines.judge import AuditedClaim
from commonwatt.catalogue.measures import measure_cell_text
from commonwatt.core.messages import Message, translate


def audit_finding_frame(audited: Sequence[AuditedClaim], language: str = "en") -> pl.DataFrame:
    """Return one row per finding."""
    return AUDIT.frame_from_rows(
        _claim_finding_row(each, finding, language) for each in audited for finding in each.findings
    )


def _claim_finding_row(each: AuditedClaim, finding: ClaimFinding, language: str) -> dict[str, Any]:
    claim = each.claim
    return {
        "claim": claim.id,
        "claimed": f"{claim.quantity}: {claim.value} {claim.unit_text}".replace("None", "").strip(),
        "region": "/".join(claim.regions),
        "period": claim.period,
        "verdict": each.verdict(language),
        "kind": str(finding.kind),
        "finding": finding.text.translate(language),
        "arithmetic": finding.arithmetic,
        # NaN alone differs from itself; a table holds it as no value.
        "factor_ratio": None if finding.factor != finding.factor else finding.factor,
        "other_claim": finding.other,
        "source": finding.source,
        "reference_year": finding.year,
        "confidence": finding.confidence,
    }


def audit_text(audited: Sequence[AuditedClaim], language: str) -> str:
    """Return every claim with its verdict, findings, arithmetic and sources."""
    blocks = [_audited_claim_text(each, language) for each in audited]
    return "\n\n".join([*blocks, _claim_verdict_count_text(audited, language)])


def _audited_claim_text(each: AuditedClaim, language: str) -> str:
    claim = each.claim
    figure = f" {claim.value} {claim.unit_text}" if claim.value is not None else ""
    title = Message(
        "{id}  {quantity}:{figure} ({regions}, {period})",
        {"id": claim.id, "quantity": claim.quantity, "figure": figure,
         "regions": "/".join(claim.regions), "period": claim.period},
    )  # fmt: skip
    lines = [title.translate(language), f"    → {each.verdict(language)}"]
    for finding in each.findings:
        lines.append(f"      · {finding.text.translate(language)}")
        # A finding between two claims has no source: its arithmetic stands in its sentence.
        if finding.source:
            lines.append(f"        {finding.arithmetic}")
            trust = translate(finding.confidence, language)
            lines.append(f"        [{finding.source}; {finding.year}; {trust}]")
    return "\n".join(lines)


def _claim_verdict_count_text(audited: Sequence[AuditedClaim], language: str) -> str:
    counts = Counter(each.kind.value for each in audited)
    parts = [
        " ".join([translate(kind, language), measure_cell_text(count, CLAIM_COUNT, language)])
        for kind, count in counts.most_common()
    ]
    total = measure_cell_text(len(audited), CLAIM_COUNT, language)
    form = Message("{total} claims: {parts}.", {"total": total, "parts": ", ".join(parts)})
    return form.translate(language)
