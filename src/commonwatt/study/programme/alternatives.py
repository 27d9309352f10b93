"""What the alternatives of a programme share, and no line of one may change.

They are set side by side in one table: of one demand, at one scale, against one public debt over
the same years. A column of another demand or scale would stand under words that are not true of
it, and one of another country is compared with a debt that it never had.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from commonwatt.core.messages import Message
from commonwatt.study.programme.changes import key_path_of_programme_change
from commonwatt.study.programme.faults import ProgrammeFault

_OF_COMPARISON: Final = Message("what all alternatives are compared by")
_OF_REPORT: Final = Message("no part of a way to build, and the comparison does not read it")
# By the first key of a change, or by its first two.
_SHARED: Final[Mapping[tuple[str, ...], Message]] = {
    ("demand",): _OF_COMPARISON,
    ("seed",): _OF_COMPARISON,
    ("funding", "country"): _OF_COMPARISON,
    ("funding", "scale"): _OF_COMPARISON,
    ("funding", "years"): _OF_COMPARISON,
    ("funding", "paths"): _OF_COMPARISON,
    ("title",): _OF_REPORT,
    ("summary",): _OF_REPORT,
    ("compare",): _OF_REPORT,
    ("alternatives",): _OF_REPORT,
    ("rooms",): _OF_REPORT,
    ("models",): _OF_REPORT,
}


def alternative_shared_key_change_faults(lines: Iterable[str]) -> Iterator[ProgrammeFault]:
    """Yield a fault for each line of an alternative that changes what all of them share."""
    for line in lines:
        try:
            path = tuple(key_path_of_programme_change(line))
        # Told with its place once the change is made.
        except ValueError:
            continue
        for key in (path[:1], path[:2]):
            if key in _SHARED:
                yield ProgrammeFault(
                    where=".".join(path),
                    found=_SHARED[key],
                    wanted=Message("sites, machines, limits or a policy of this alternative"),
                    remedy=Message(
                        "Take the line out; ask with --what-if {line}, of all alternatives at "
                        "once, or write a programme of its own.",
                        {"line": shlex.quote(line)},
                    ),
                )
