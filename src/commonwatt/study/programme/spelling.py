"""Where a programme file is no TOML: the line, what stands there, and what was probably meant.

The reader of TOML says where it stopped and not why people write so: a comma before decimals, a
text without quotes, quotes that a word processor has bent.
"""

from __future__ import annotations

import re
import tomllib
from typing import Final

from commonwatt.core.messages import Message
from commonwatt.study.programme.faults import ProgrammeFault

_PLACE: Final = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_SHOWN: Final = 80  # letters of a line that an error shows
# In this order: a line that has two of them is mended from the first.
_SLIPS: Final = (
    (
        re.compile("[\u201c\u201d\u2018\u2019\u00ab\u00bb\u300c\u300d\uff02]"),
        Message("Write straight quotes about a text."),
    ),
    (
        re.compile("[\uff1d\u00a0\u3000\uff0c\uff3b\uff3d]"),
        Message("Write the signs and blanks of a keyboard in English: = , [ ] and plain blanks."),
    ),
    (
        re.compile(r"=\s*[-+]?[\d_]+,\d"),
        Message("Write a point before decimals and nothing between thousands, as in 1.3 or 1000."),
    ),
    (
        re.compile(r"=\s*[-+]?[\d._]+\s*%"),
        Message("Write a share as a number, as in 0.03 for 3%."),
    ),
    (
        re.compile(r"=\s*0\d"),
        Message("Write the number without a nought before it."),
    ),
    (
        re.compile(r"""^[\w"'. -]+:\s"""),
        Message("Write = between a key and its value."),
    ),
    (
        re.compile(r"=\s*[^\W\d]"),
        Message("Write a text in quotes."),
    ),
)
_ELSE: Final = Message("Write key = value, a text in quotes, a table as [name] or [[name]].")


def programme_toml_fault(text: str, error: tomllib.TOMLDecodeError) -> ProgrammeFault:
    """Return why a text is no TOML, as a fault at its line.

    Args:
        text: The whole file.
        error: What the reader of TOML said.

    >>> try: tomllib.loads("pue = 1,3")
    ... except tomllib.TOMLDecodeError as error: fault = programme_toml_fault("pue = 1,3", error)
    >>> fault.where, str(fault.remedy)[:30]
    ('line 1', 'Write a point before decimals ')
    """
    sentence = str(error)
    place = _PLACE.search(sentence)
    # Without a place of its own the reader of TOML speaks of the end, or of a number.
    lines = text.rstrip().split("\n")
    number = int(place[1]) if place and place[1] else len(lines)
    line = lines[min(number, len(lines)) - 1].strip()
    reason = _PLACE.sub("", sentence)
    return ProgrammeFault(
        where=f"line {number}",
        found=Message("{line}: {reason}", {"line": line[:_SHOWN] or "''", "reason": reason}),
        wanted=Message("TOML in UTF-8"),
        remedy=_programme_toml_slip_remedy(line, reason),
    )


def _programme_toml_slip_remedy(line: str, reason: str) -> Message:
    if "twice" in reason or "overwrite" in reason:
        return Message("Take one of the two out.")
    return next((remedy for slip, remedy in _SLIPS if slip.search(line)), _ELSE)
