"""The words of a study's report that a reader of a budget may not know, in a sentence each."""

from __future__ import annotations

from typing import Final

from commonwatt.core.messages import Message
from commonwatt.report import ReportStatement

_TERMS: Final = (
    (
        Message("Useful GPU-hour"),
        Message("One GPU working for a tenant for an hour; idle and broken hours are paid by it."),
    ),
    (
        Message("Slice and whole programme"),
        Message(
            "The demand of some days is simulated on a slice of the GPUs; capital, running cost "
            "and debt are those of the whole programme, the slice times its scale."
        ),
    ),
    (
        Message("Use of the slice"),
        Message(
            "Allocated GPU time over available GPU time on the slice. With less demand it is "
            "lower and the cost of each hour higher."
        ),
    ),
    (
        Message("Planned path and median"),
        Message(
            "The planned path follows the government's own plan. Over many drawn economies the "
            "median lies beside it, because growth and interest vary. The effect of the programme "
            "is the difference with and without it."
        ),
    ),
    (
        Message("90 % interval"),
        Message("One in twenty draws lies below it, and one in twenty above."),
    ),
    (
        Message("Gross debt, reserves, net effect"),
        Message(
            "Bonds of the programme that fall due are repaid from reserves where the plan fixes "
            "what is issued. Debt then rises by less than was spent, and reserves fall; the net "
            "effect is both together."
        ),
    ),
    (
        Message("In the year and ever"),
        Message(
            "A chance in a year is that of this year alone. The chance that something ever "
            "happens is larger, and is not shown here."
        ),
    ),
)


def study_glossary_statements(language: str) -> list[ReportStatement]:
    """Return the terms with their meaning, in the reader's language."""
    return [
        ReportStatement(label=term.translate(language), text=meaning.translate(language))
        for term, meaning in _TERMS
    ]
