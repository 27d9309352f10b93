"""Indicators that a user gives in a file, for rules whose inputs no projection holds."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from commonwatt.core.messages import Message
from commonwatt.treasury.domain.errors import RuleError
from commonwatt.treasury.io.country.folder import read_treasury_toml

INDICES = ("debt_fanchart_index", "gfn_financeability_index", "medium_term_index")
LARGEST_RATIO = 5.0  # a ratio beyond this was surely given in percent


def is_debt_indicator_file(path: Path) -> bool:
    """Return whether `path` is a TOML file with an `indicators` table."""
    # By content, not by suffix: a country's own TOML file is a subject, too.
    return path.is_file() and "[indicators]" in path.read_text(encoding="utf-8")


def read_debt_indicators(path: Path) -> dict[str, float]:
    """Return the indicators of a file; shares, but for the indices of the SRDSF.

    Raises:
        RuleError: A value is no number, or a ratio is given in percent.
    """
    indicators: dict[str, Any] = read_treasury_toml(path, RuleError)["indicators"]
    return {name: _parse_debt_indicator(path, name, cell) for name, cell in indicators.items()}


def _parse_debt_indicator(path: Path, indicator_name: str, cell: object) -> float:
    where = f"{path.name}, indicators.{indicator_name}"
    if not isinstance(cell, int | float) or not math.isfinite(cell):
        raise RuleError(where, found=str(cell)[:40], wanted=Message("a number"))
    if indicator_name not in INDICES and abs(cell) > LARGEST_RATIO:
        raise RuleError(
            where,
            found=f"{cell:g}",
            wanted=Message("a share, not a percentage"),
            remedy=Message("Write 0.05 for five per cent."),
        )
    return float(cell)
