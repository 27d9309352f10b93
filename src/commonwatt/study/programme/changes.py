"""Changes to a programme file, one line each: `sites.west.power_price=+50%`.

The same line serves `--what-if` and the alternatives inside a file. A change is made to
the document before it is checked, so that a bad value is told like any other fault.
"""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Iterable
from typing import Any, Final, cast

from commonwatt.study.programme.quantities import scaled_programme_quantity
from commonwatt.study.programme.schema import whole_number_programme_key_names

Document = dict[str, Any]
ALIASES = {"fleet": "policy"}  # people say fleet.order; the file says policy.order
# Rounded after a factor, as read in the schema itself: a key that a list forgot would take 4.5
# years and be refused, where the nodes beside it take 4.
WHOLE_NUMBER_KEYS: Final = whole_number_programme_key_names()

# A figure and the range that stands beside it are one statement of the file: half as dear
# again, the tariff's least and most are half as dear again, too. By name of the figure.
RANGES_BESIDE = {
    "power_price": ("price_range",),
    "pue": ("pue_range",),
    "price": ("low", "high"),
    "value": ("low", "high"),
}

# A name with a dot stands in quotes, as TOML has it: sites."eu.north".pue.
_STEP = re.compile(r'\s*(?:"([^"]+)"|([A-Za-z0-9_@+:-][A-Za-z0-9 _@+:-]*?))\s*\.')
_LINE = re.compile(r'((?:"[^"]+"|[^="])+)=\s*(.+?)\s*')
_SHARE = re.compile(r"([+-]\d+(?:\.\d*)?)\s*%")
# Two more, or two in all: half of those who write +2 would get the other.
_PLUS = re.compile(r"\+\s*\.?\d")
_TIMES = re.compile(r"[x*×]\s*(\d+(?:\.\d*)?)")


def apply_programme_changes(document: Document, change_lines: Iterable[str]) -> Document:
    """Return a copy of `document` with each change made, in order.

    Raises:
        ValueError: A line cannot be read, or names what is not there; the text says which.

    >>> apply_programme_changes({"sites": [{"name": "west", "pue": 1.2}]}, ["sites.west.pue=+50%"])
    {'sites': [{'name': 'west', 'pue': 1.8}]}
    >>> apply_programme_changes({}, ["fleet.order=qssf"])
    {'policy': {'order': 'qssf'}}
    """
    # The document serves again for the programme as written, which the what-if is compared with.
    made = copy.deepcopy(document)
    for line in change_lines:
        _make_programme_change_in_document(made, line)
    return made


def _make_programme_change_in_document(document: Document, change_line: str) -> None:
    change = _LINE.fullmatch(change_line)
    if change is None:
        raise _programme_change_form_error(change_line)
    path = key_path_of_programme_change(change_line)
    # People speak of the nodes of a site; the file has them in pools, of which most sites have one.
    if path[0] == "sites" and path[-1] == "nodes" and len(path) == 3:
        path[-1:] = [
            "pools",
            _only_pool_index_text_of_programme_site(document, path, change_line),
            "nodes",
        ]
    *way, last = path
    # A whole table or list has no figure to change; the seed and the title have no table.
    if not way and isinstance(document.get(last), dict | list):
        raise _programme_change_form_error(change_line)
    _set_programme_value(
        _programme_part_made_if_absent(document, way, change_line), last, change[2], change_line
    )


def _programme_change_form_error(change_line: str) -> ValueError:
    return ValueError(f"{change_line!r} is not of the form sites.west.power_price=+50%")


def _steps_of_programme_change_path(path: str, change_line: str) -> list[str]:
    # Names may hold spaces, so that only those around them are none of theirs.
    steps, at = list[str](), 0
    # Each step then ends with a dot, and one that is missing before a dot is not of the form.
    path += "."
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            raise _programme_change_form_error(change_line)
        steps.append(step[1] or step[2])
        at = step.end()
    return steps


def _programme_part_made_if_absent(document: Document, path: list[str], change_line: str) -> Any:
    at: Any = document
    for step in path:
        if at is document.get("alternatives") and isinstance(at, dict) and step not in at:
            # Made, it would be the programme once more under a mistyped name.
            names = ", ".join(cast("Document", at))
            raise ValueError(f"{change_line!r}: there is no {step!r}, only {names}")
        at = (
            _programme_list_part_by_name_or_index(at, step, change_line)
            if isinstance(at, list)
            else _programme_table_part_made_if_absent(at, step, change_line)
        )
    return at


def _programme_list_part_by_name_or_index(list_part: Any, step: str, change_line: str) -> Any:
    parts = cast("list[Any]", list_part)
    # A name goes before a place, as somebody may call a site "2".
    named = [i for i, part in enumerate(parts) if step in _names_of_programme_part(part)]
    if len(named) > 1:
        # "home-b" with "c" and "home" with "b-c" are two links of one name.
        places = ", ".join(map(str, named))
        raise ValueError(f"{change_line!r}: {step!r} is the name of each of {places}; write which")
    if named:
        return cast("Document", parts[named[0]])
    if step.isdigit() and int(step) < len(parts):
        return parts[int(step)]
    names = ", ".join(_programme_part_name_or_index(part, i) for i, part in enumerate(parts))
    raise ValueError(f"{change_line!r}: there is no {step!r}, only {names}")


def _names_of_programme_part(part: Any) -> list[str]:
    """Return what a part of a list may be called: its name, or the two sites that it joins."""
    if not isinstance(part, dict):
        return []
    table = cast("Document", part)
    if "name" in table:
        return [str(table["name"])]
    # A link has no direction. The lineage calls it by the order of the file.
    ends = table.get("between")
    if not isinstance(ends, list) or len(cast("list[object]", ends)) != 2:
        return []
    first, other = map(str, cast("list[object]", ends))
    return [f"{first}-{other}", f"{other}-{first}"]


def _programme_part_name_or_index(part: Any, i: int) -> str:
    return next(iter(_names_of_programme_part(part)), str(i))


def _programme_table_part_made_if_absent(table_part: Any, step: str, change_line: str) -> Any:
    if not isinstance(table_part, dict):
        raise ValueError(f"{change_line!r}: there is nothing below, to hold {step!r}")
    # What is absent is made, such as `cells` of a site without any; a key that nobody knows is
    # refused by the check of the whole file.
    return cast("Document", table_part).setdefault(step, {})


def _only_pool_index_text_of_programme_site(
    document: Document, path: list[str], change_line: str
) -> str:
    site = _programme_part_made_if_absent(document, path[:2], change_line)
    pools = site.get("pools", [])
    if len(pools) != 1:
        raise ValueError(f"{change_line!r}: name the pool, as in sites.{path[1]}.pools.0.nodes=30")
    return "0"


def _set_programme_value(table: Any, key: str, text: str, change_line: str) -> None:
    if isinstance(table, list):
        raise ValueError(f"{change_line!r}: {key!r} stands in a list and has no value of its own")
    if not isinstance(table, dict):
        raise ValueError(f"{change_line!r}: there is nothing below, to hold {key!r}")
    table = cast("Document", table)
    factor = _programme_change_factor_or_none(text)
    if factor is None:
        if _PLUS.match(text):
            raise _programme_change_ambiguous_plus_error(text, table.get(key), change_line)
        table[key] = _toml_value_or_text_of_change(text)
        return
    table[key] = _scaled_programme_value(table.get(key), factor, change_line, key)
    for beside in RANGES_BESIDE.get(key, ()):
        if beside in table:
            table[beside] = _scaled_programme_value(table[beside], factor, change_line, beside)


def _programme_change_ambiguous_plus_error(
    text: str, written_value: Any, change_line: str
) -> ValueError:
    """Return an error that gives the two spellings of a number with a plus before it."""
    plain = text.removeprefix("+").strip()
    more = "a share such as +50% for a rise"
    try:
        total = written_value + float(plain)
        more = f"{total:.12g} or {100 * (total / written_value - 1):+.4g}% for {plain} more"
    # A quantity with its unit, a list, or nothing that the file gives has no sum to name.
    except (TypeError, ValueError, ZeroDivisionError):
        pass
    return ValueError(
        f"{change_line!r}: {text} may be a rise or a value; write {plain} for the value, and {more}"
    )


def key_path_of_programme_change(change_line: str) -> list[str]:
    """Return the keys that a change names, from the top of the file.

    Raises:
        ValueError: The line cannot be read.

    >>> key_path_of_programme_change("fleet.order=qssf")
    ['policy', 'order']
    """
    change = _LINE.fullmatch(change_line)
    if change is None:
        raise _programme_change_form_error(change_line)
    first, *steps = _steps_of_programme_change_path(change[1], change_line)
    return [ALIASES.get(first, first), *steps]


def _programme_change_factor_or_none(text: str) -> float | None:
    """Return the factor of `+50%` or `x1.5`, or None for a plain value."""
    if (share := _SHARE.fullmatch(text)) is not None:
        return 1 + float(share[1]) / 100
    times = _TIMES.fullmatch(text)
    return None if times is None else float(times[1])


def _scaled_programme_value(written_value: Any, factor: float, change_line: str, key: str) -> Any:
    """Return what stands there times `factor`, whatever way it is written."""
    # An hourly series and a cell of the library have no number here to multiply; their factor is
    # kept beside them.
    if isinstance(written_value, dict) or (written_value is None and ".cells." in change_line):
        table = cast("Document", written_value or {})
        return table | {
            "times": _programme_figure_of_twelve_digits(float(table.get("times", 1.0)) * factor)
        }
    if isinstance(written_value, list):
        return [
            _scaled_programme_value(bound, factor, change_line, key)
            for bound in cast("list[Any]", written_value)
        ]
    if isinstance(written_value, str):
        return scaled_programme_quantity(written_value, factor)
    # True is an int in Python, and a switch has no half.
    if isinstance(written_value, int | float) and not isinstance(written_value, bool):
        return (
            round(written_value * factor)
            if key in WHOLE_NUMBER_KEYS
            else _programme_figure_of_twelve_digits(written_value * factor)
        )
    raise ValueError(
        f"{change_line!r}: the file gives no {key} to change by a factor; name a value"
    )


def _programme_figure_of_twelve_digits(value: float) -> float:
    """Return a figure to the twelve digits that a person would write into the file.

    The edited file says 0.0924; what a product leaves behind them is no part of the change.
    """
    return float(f"{value:.12g}")


def _toml_value_or_text_of_change(text: str) -> Any:
    """Return a number, a truth value or a list as TOML reads it, and else the text itself.

    >>> tuple(_toml_value_or_text_of_change(text) for text in ("30", "0.08 USD/kWh", "qssf"))
    (30, '0.08 USD/kWh', 'qssf')
    """
    try:
        # TOML's own reader, so that a change reads a value just as the edited file would.
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
