"""What the columns of an audit are."""

from __future__ import annotations

from typing import Final

from commonwatt.catalogue.measures import COUNT, NUMBER, TEXT, Measure
from commonwatt.core.messages import Message

CLAIM: Final = Measure("claim", Message("Claim"), "", Message("Id of the claim in its file"), TEXT)
CLAIM_TEXT: Final = Measure(
    "claim_text",
    Message("What is claimed"),
    "",
    Message("The quantity with its figure and unit, as written"),
    TEXT,
)
CLAIM_REGION: Final = Measure(
    "claim_region",
    Message("Region of the claim"),
    "",
    Message("Where the claim holds, or the two regions that it compares"),
    TEXT,
)
CLAIM_PERIOD: Final = Measure(
    "claim_period",
    Message("Period of the claim"),
    "",
    Message("When the claim holds, as it is written"),
    TEXT,
)
CLAIM_VERDICT: Final = Measure(
    "claim_verdict",
    Message("Verdict on the claim"),
    "",
    Message("Every grave finding of the claim in a line, or that it is in line"),
    TEXT,
)
FINDING_KIND: Final = Measure(
    "finding_kind",
    Message("Kind of finding"),
    "",
    Message(
        "What the finding says: wrong by a factor, inconsistent, misdated, other basis, in line"
    ),
    TEXT,
)
FINDING: Final = Measure(
    "finding", Message("Finding"), "", Message("The finding in a sentence"), TEXT
)
ARITHMETIC: Final = Measure(
    "finding_arithmetic",
    Message("Arithmetic of the finding"),
    "",
    Message("The figures that the finding rests on"),
    TEXT,
)
FACTOR: Final = Measure(
    "finding_factor",
    Message("Claim over reference"),
    "ratio",
    Message("The claimed figure over the reference, where it is wrong by a factor"),
    NUMBER.with_digits(2),
)
OTHER_CLAIM: Final = Measure(
    "other_claim",
    Message("Claim that it disagrees with"),
    "",
    Message("Id of the other claim, where two contradict each other"),
    TEXT,
)
REFERENCE_WHEN: Final = Measure(
    "reference_when",
    Message("Period of the reference"),
    "",
    Message("What the reference speaks of, as its source writes it"),
    TEXT,
)
CLAIM_COUNT: Final = Measure(
    "claim_count",
    Message("Claims audited"),
    "",
    Message("Claims that are shown, by verdict"),
    COUNT,
)
