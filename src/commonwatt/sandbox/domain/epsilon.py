"""Costs of privacy as they are stored: whole millionths of epsilon, so that sums are exact."""

from __future__ import annotations

from typing import Final

MILLION: Final = 1_000_000
"""Stored units in one epsilon."""
