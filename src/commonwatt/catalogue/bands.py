"""Bands around an uncertain figure: their bounds and name, the same in every drawing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from commonwatt.core.messages import Message


@dataclass(frozen=True, slots=True)
class Band:
    """A band between two percentiles.

    Args:
        low: Lower percentile.
        high: Upper percentile.
        label: What it is called.
        note: The same with its bounds, as a note under a figure.

    >>> (
    ...     BAND_90.measure_quantile_column_names,
    ...     BAND_90.measure_interval_note("1.20", "2.31").translate("en"),
    ... )
    (('q05', 'q95'), '90 % interval 1.20 to 2.31')
    """

    low: int
    high: int
    label: Message
    note: Message

    @property
    def measure_quantile_column_names(self) -> tuple[str, str]:
        """The columns of a table of quantiles that hold its bounds."""
        return f"q{self.low:02d}", f"q{self.high:02d}"

    def measure_interval_note(self, low: str, high: str) -> Message:
        """Return the band with its bounds as people read them."""
        return Message(self.note.text, {"low": low, "high": high})


BAND_50: Final = Band(25, 75, Message("50 % interval"), Message("50 % interval {low} to {high}"))
# One band for report and console: the one drew 80 % where the other drew 90 %.
BAND_90: Final = Band(5, 95, Message("90 % interval"), Message("90 % interval {low} to {high}"))
