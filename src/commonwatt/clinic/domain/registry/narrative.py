"""What an incident's narrative must not hold: whatever could point to a person.

The ledger keeps every word for ever and is shown to auditors, so that a name that got
into it cannot be taken out. Obvious identifiers are refused by their form; that nothing
else slipped in stays with whoever signs.
"""

from __future__ import annotations

import re
from typing import Final

from commonwatt.core.messages import Message

_DAY: Final = r"\d{1,2}"
_MONTH: Final = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_IDENTIFIERS: Final[tuple[tuple[Message, re.Pattern[str]], ...]] = (
    (Message("an e-mail address"), re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")),
    # Hong Kong: one or two letters, six digits, a check digit in brackets or not.
    (
        Message("a number of an identity card"),
        re.compile(r"\b[A-Z]{1,2}\s?\d{6}\s?[(（]?[0-9A][)）]?(?![0-9A-Za-z])", re.IGNORECASE),
    ),
    (
        Message("a number of a record"),
        re.compile(
            r"\b(?:mrn|hn|nhs|hkid|ssn|passport|patient\s*(?:id|no|number)|record\s*(?:no|number)|"
            r"case\s*(?:no|number))\b\W{0,3}\w*\d|病歷號|身[份分]證",
            re.IGNORECASE,
        ),
    ),
    (
        Message("a date"),
        re.compile(
            rf"\b\d{{4}}[-/.年]\s?{_DAY}[-/.月]\s?{_DAY}|\b{_DAY}[-/.]{_DAY}[-/.]\d{{2,4}}\b|"
            rf"\b{_DAY}(?:st|nd|rd|th)?\s+{_MONTH}\s+\d{{4}}\b|\b{_MONTH}\s+{_DAY},?\s+\d{{4}}\b|"
            rf"{_DAY}月{_DAY}日|\b(?:born|dob)\b|出生",
            re.IGNORECASE,
        ),
    ),
    # Long numbers are telephones and records; a dose or a count has fewer digits.
    (Message("a long number"), re.compile(r"(?:\d[ -]?){7,}")),
    (
        Message("a name"),
        # A case-sensitive capital after the title: "the ms that it took" is no name.
        re.compile(
            r"\b(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Professor|Sister|Nurse)\b\.?\s+[A-Z][a-z]+|"
            r"\b[Pp]atient(?:'s name is|,? named| called)\s+[A-Z]|"
            r"[\u4e00-\u9fff]{1,4}(?:先生|女士|小姐|太太|醫生|姑娘)"
        ),
    ),
)


def personal_data_in_narrative(text: str) -> Message | None:
    """Return what in a text could point to a person; `None` where nothing obvious does.

    >>> personal_data_in_narrative("Missed a nodule of 8 mm in the left upper lobe.") is None
    True
    >>> str(personal_data_in_narrative("Mr Chan's nodule was missed."))
    'a name'
    """
    for identifier, pattern in _IDENTIFIERS:
        if pattern.search(text):
            return identifier
    return None
