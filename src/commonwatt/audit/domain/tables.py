"""The table that an audit writes."""

from __future__ import annotations

from typing import Final

from commonwatt.audit.domain.measures import (
    ARITHMETIC,
    CLAIM,
    CLAIM_PERIOD,
    CLAIM_REGION,
    CLAIM_TEXT,
    CLAIM_VERDICT,
    FACTOR,
    FINDING,
    FINDING_KIND,
    OTHER_CLAIM,
    REFERENCE_WHEN,
)
from commonwatt.catalogue.measures import TableColumn
from commonwatt.catalogue.shared import CONFIDENCE, SOURCE
from commonwatt.catalogue.tables import TableSchema

AUDIT: Final = TableSchema(
    "audit",
    "One row per finding; a claim may have several, gravest first",
    (
        TableColumn.of(CLAIM),
        TableColumn.of(CLAIM_TEXT, "claimed"),
        TableColumn.of(CLAIM_REGION, "region"),
        TableColumn.of(CLAIM_PERIOD, "period"),
        TableColumn.of(CLAIM_VERDICT, "verdict"),
        TableColumn.of(FINDING_KIND, "kind"),
        TableColumn.of(FINDING),
        TableColumn.of(ARITHMETIC, "arithmetic"),
        TableColumn.of(FACTOR, "factor_ratio"),
        TableColumn.of(OTHER_CLAIM),
        TableColumn.of(SOURCE, meaning="Source of the reference, with its date"),
        TableColumn.of(REFERENCE_WHEN, "reference_year"),
        TableColumn.of(CONFIDENCE),
    ),
)
