"""What a person calls a run: its programme, and in a what-if what was changed in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from commonwatt.core.messages import Message

WHAT_IF_PARAMETER: Final = "what_if"  # of a run's recipe, and of the form that asks for one
_CHANGE: Final = re.compile(r"\s*([^=]+?)\s*=\s*(.+?)\s*")
_SHARE: Final = re.compile(r"([+-])(\d+(?:\.\d*)?)\s*%")
_TIMES: Final = re.compile(r"[x*×]\s*(\d+(?:\.\d*)?)")


def changed_title_message(title: str, changes: Sequence[str]) -> Message:
    """Return a title that says what was changed; without changes the title itself.

    >>> str(changed_title_message("Harbour", ["sites.west.power_price=+50%", "fleet.order=qssf"]))
    'Harbour, with sites.west.power_price +50 % and fleet.order = qssf'
    >>> str(changed_title_message("Harbour", []))
    'Harbour'
    """
    if not changes:
        # Not the name as a text of its own: it is no sentence that somebody translates.
        return Message(title)
    *others, last = [run_change_text(change) for change in changes]
    if not others:
        return Message("{title}, with {change}", {"title": title, "change": last})
    values = {"title": title, "changes": ", ".join(others), "last": last}
    return Message("{title}, with {changes} and {last}", values)


def run_change_text(change: str) -> str:
    """Return one change as people write it, its factor parted from the name.

    >>> run_change_text("sites.west.pue=x1.1"), run_change_text("sites.west.pue=-5%")
    ('sites.west.pue × 1.1', 'sites.west.pue −5 %')
    """
    parts = _CHANGE.fullmatch(change)
    # A line that no reader took makes no run; whatever stands in an old manifest is shown as it is.
    if parts is None:
        return change
    name, value = parts.groups()
    if share := _SHARE.fullmatch(value):
        # The sign of mathematics: a hyphen would be read as a part of the name.
        sign = {"+": "+", "-": "−"}[share[1]]
        return f"{name} {sign}{share[2]} %"
    if times := _TIMES.fullmatch(value):
        return f"{name} × {times[1]}"
    return f"{name} = {value}"


def run_recipe_change_texts(parameters: Mapping[str, Any]) -> list[str]:
    """Return the changes that a run's parameters hold, as a list or as one text."""
    changes: str | list[str] = parameters.get(WHAT_IF_PARAMETER) or ""
    return changes.split() if isinstance(changes, str) else list(changes)


def run_title_message(title: str, parameters: Mapping[str, Any]) -> Message:
    """Return what a run is called in a list, so that a what-if is told from its base."""
    return changed_title_message(title, run_recipe_change_texts(parameters))
