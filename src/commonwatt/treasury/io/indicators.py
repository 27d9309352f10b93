"""Indicators that a user gives in a file, for rules whose inputs no projection holds."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from commonwatt.core.messages import Message
from commonwatt.treasury.domain.errors import RuleError
from commonwatt.treasury.io.country.folder import read_toml

INDICES = ("debt_fanchart_index", "gfn_financeability_index", "medium_term_index")
LARGEST_RATIO = 5.0  # a ratio beyond this was surely given in percent


def is_indicator_file(subject: str) -> bool:
    """Return whether `subject` names a TOML file with an `indicators` table."""
    path = Path(subject)
    return path.is_file() and "[indicators]" in path.read_text(encoding="utf-8")


def read_indicators(path: Path) -> dict[str, float]:
    """Return the indicators of a file; shares, but for the indices of the SRDSF.

    Raises:
        RuleError: A value is no number, or a ratio is given in percent.
    """
    found: dict[str, Any] = read_toml(path, RuleError)["indicators"]
    return {name: _checked(path, name, value) for name, value in found.items()}


def _checked(path: Path, name: str, value: object) -> float:
    where = f"{path.name}, indicators.{name}"
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise RuleError(where, found=str(value)[:40], wanted=Message("a number"))
    if name not in INDICES and abs(value) > LARGEST_RATIO:
        raise RuleError(
            where,
            found=f"{value:g}",
            wanted=Message("a share, not a percentage"),
            remedy=Message("Write 0.05 for five per cent."),
        )
    return float(value)
