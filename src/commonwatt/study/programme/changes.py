"""Changes to a programme file, one line each: `sites.west.power_price=+50%`.

The same line serves `--what-if` and the alternatives inside a file. A change is made to
the document before it is checked, so that a bad value is told like any other fault.
"""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Iterable
from typing import Any, cast

from commonwatt.study.programme.quantities import scaled_quantity

Document = dict[str, Any]
ALIASES = {"fleet": "policy"}  # people say fleet.order; the file says policy.order
WHOLE_NUMBER_KEYS = (
    "nodes",
    "gpus_per_node",
    "quota_gpus",
    "defer_h",
    "paths",
)  # rounded after a factor

# A figure and the range that stands beside it are one statement of the file: half as dear
# again, the tariff's least and most are half as dear again, too. By name of the figure.
RANGES_BESIDE = {
    "power_price": ("price_range",),
    "pue": ("pue_range",),
    "price": ("low", "high"),
    "value": ("low", "high"),
}

_LINE = re.compile(r"\s*([A-Za-z0-9 _-]+(?:\.[A-Za-z0-9 _-]+)+)\s*=\s*(.+?)\s*")
_SHARE = re.compile(r"([+-]\d+(?:\.\d*)?)\s*%")
_TIMES = re.compile(r"[x*×]\s*(\d+(?:\.\d*)?)")


def apply_changes(document: Document, lines: Iterable[str]) -> Document:
    """Return a copy of `document` with each change made, in order.

    Raises:
        ValueError: A line cannot be read, or names what is not there; the text says which.

    >>> apply_changes({"sites": [{"name": "west", "pue": 1.2}]}, ["sites.west.pue=+50%"])
    {'sites': [{'name': 'west', 'pue': 1.8}]}
    >>> apply_changes({}, ["fleet.order=qssf"])
    {'policy': {'order': 'qssf'}}
    """
    made = copy.deepcopy(document)
    for line in lines:
        _make(made, line)
    return made


def _make(document: Document, line: str) -> None:
    change = _LINE.fullmatch(line)
    if change is None:
        raise ValueError(f"{line!r} is not of the form sites.west.power_price=+50%")
    first, *steps = change[1].split(".")
    path = [ALIASES.get(first, first), *steps]
    if path[0] == "sites" and path[-1] == "nodes" and len(path) == 3:
        path[-1:] = ["pools", _only_pool(document, path, line), "nodes"]
    *way, last = path
    _set(_walk(document, way, line), last, change[2], line)


def _walk(document: Document, way: list[str], line: str) -> Any:
    at: Any = document
    for step in way:
        at = _list_step(at, step, line) if isinstance(at, list) else _table_step(at, step, line)
    return at


def _list_step(at: Any, step: str, line: str) -> Any:
    parts = cast("list[Any]", at)
    for part in parts:
        if isinstance(part, dict) and cast("Document", part).get("name") == step:
            return cast("Document", part)
    if step.isdigit() and int(step) < len(parts):
        return parts[int(step)]
    names = ", ".join(_name(part, i) for i, part in enumerate(parts))
    raise ValueError(f"{line!r}: there is no {step!r}, only {names}")


def _name(part: Any, i: int) -> str:
    return str(cast("Document", part).get("name", i)) if isinstance(part, dict) else str(i)


def _table_step(at: Any, step: str, line: str) -> Any:
    if not isinstance(at, dict):
        raise ValueError(f"{line!r}: there is nothing below, to hold {step!r}")
    return cast("Document", at).setdefault(step, {})


def _only_pool(document: Document, path: list[str], line: str) -> str:
    site = _walk(document, path[:2], line)
    pools = site.get("pools", [])
    if len(pools) != 1:
        raise ValueError(f"{line!r}: name the pool, as in sites.{path[1]}.pools.0.nodes=30")
    return "0"


def _set(table: Any, key: str, text: str, line: str) -> None:
    if isinstance(table, list):
        raise ValueError(f"{line!r}: {key!r} stands in a list and has no value of its own")
    if not isinstance(table, dict):
        raise ValueError(f"{line!r}: there is nothing below, to hold {key!r}")
    table = cast("Document", table)
    factor = _factor(text)
    if factor is None:
        table[key] = _value(text)
        return
    table[key] = _scaled(table.get(key), factor, line, key)
    for beside in RANGES_BESIDE.get(key, ()):
        if beside in table:
            table[beside] = _scaled(table[beside], factor, line, beside)


def _factor(text: str) -> float | None:
    """Return the factor of `+50%` or `x1.5`, or None for a plain value."""
    if (share := _SHARE.fullmatch(text)) is not None:
        return 1 + float(share[1]) / 100
    times = _TIMES.fullmatch(text)
    return None if times is None else float(times[1])


def _scaled(now: Any, factor: float, line: str, key: str) -> Any:
    """Return what stands there times `factor`, whatever way it is written."""
    if isinstance(now, dict) or (now is None and ".cells." in line):
        table = cast("Document", now or {})
        return table | {"times": _as_written(float(table.get("times", 1.0)) * factor)}
    if isinstance(now, list):
        return [_scaled(bound, factor, line, key) for bound in cast("list[Any]", now)]
    if isinstance(now, str):
        return scaled_quantity(now, factor)
    if isinstance(now, int | float) and not isinstance(now, bool):
        return round(now * factor) if key in WHOLE_NUMBER_KEYS else _as_written(now * factor)
    raise ValueError(f"{line!r}: the file gives no {key} to change by a factor; name a value")


def _as_written(value: float) -> float:
    """Return a figure to the twelve digits that a person would write into the file.

    The edited file says 0.0924; what a product leaves behind them is no part of the change.
    """
    return float(f"{value:.12g}")


def _value(text: str) -> Any:
    """Return a number, a truth value or a list as TOML reads it, and else the text itself.

    >>> _value("30"), _value("0.08 USD/kWh"), _value("qssf")
    (30, '0.08 USD/kWh', 'qssf')
    """
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
