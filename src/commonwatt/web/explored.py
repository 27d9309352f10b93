"""A country's debt under a change, made in a process of its own and handed back as JSON.

The first path that a process draws loads a compiler and a library of numbers, which takes
seconds and holds the interpreter meanwhile: a worker of the console that did so would let every
other page wait. A process beside it takes the other core, and gives its memory back.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from commonwatt.treasury.usecases.explore import CountryChange

_WAIT_S: Final = 120.0
_NICENESS: Final = 3  # half as much of a processor as a page that wants it, too
_FIELDS: Final = ("years", "bridge", "fan", "chances", "ceiling")


def console_explored_country_json(name: str, change: CountryChange) -> str:
    """Return what a change does to a country's debt, as JSON.

    Args:
        name: A shipped country.
        change: What differs from the plan.

    Raises:
        CommonwattError: It cannot be projected.
    """
    # What the process would load is loaded here already: then the path is a matter of milliseconds.
    if "numba" in sys.modules:
        return _explored_country_json_in_this_process(name, change)
    from commonwatt.core.errors import ProcessError
    from commonwatt.processes.spawn import ProcessKind, run_process

    question = json.dumps({"name": name, "change": asdict(change)}).encode()
    argv = [sys.executable, "-m", "commonwatt.web.explored"]
    try:
        child = run_process(argv, ProcessKind.CONSOLE_RESULT, timeout_s=_WAIT_S, data=question)
    except ProcessError:  # no room for another process, or a machine that is very busy
        return _explored_country_json_in_this_process(name, change)
    # What failed there fails here, too, and says why.
    return (
        child.stdout.decode()
        if child.exit_code == 0
        else _explored_country_json_in_this_process(name, change)
    )


def _explored_country_json_in_this_process(name: str, change: CountryChange) -> str:
    from commonwatt.treasury.usecases.explore import explore_country_debt_change

    explored = explore_country_debt_change(name, change)
    return json.dumps({field: getattr(explored, field) for field in _FIELDS})


def main() -> None:
    """Read what is question from the standard input, and write the answer."""
    from commonwatt.treasury.engines.projection import AccountingTreatment
    from commonwatt.treasury.usecases.explore import CountryChange

    # Who waits for the path reads meanwhile that it is being made; who waits for a page reads
    # nothing.
    os.nice(_NICENESS)
    # The process ends before there is garbage to speak of; going through all that it loads takes
    # a fifth of its time.
    gc.disable()
    question = json.load(sys.stdin)
    change = question["change"] | {
        "treatment": AccountingTreatment(**question["change"]["treatment"])
    }
    sys.stdout.write(
        _explored_country_json_in_this_process(question["name"], CountryChange(**change))
    )


if __name__ == "__main__":
    main()
