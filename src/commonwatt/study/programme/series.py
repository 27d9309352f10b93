"""Whether an hourly series of a site can be: its unit is known, and nothing in the file says it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from commonwatt.core.messages import Message
from commonwatt.fleet.domain.machines import F64
from commonwatt.study.programme.faults import ProgrammeFault
from commonwatt.study.programme.plausible import RANGES, programme_quantity_plausible_range_message


def programme_hourly_series_mean_faults(
    where: str, hourly: F64, unit: str
) -> Iterator[ProgrammeFault]:
    """Yield the fault of a series whose mean cannot be, or that is below its least.

    A single hour may be far from the mean: prices rise a hundredfold in an hour of need.

    Args:
        where: Path of the series in the programme.
        hourly: One value an hour, in `unit`.
        unit: What the hours of a file are counted in.
    """
    if not len(hourly):
        yield ProgrammeFault(
            where=where,
            found=Message("a series without an hour"),
            wanted=Message("a value for every hour"),
            remedy=Message("Write a row for each hour below the headings of the file."),
        )
        return
    bounds = RANGES[unit]
    # The mean size: hours below nought and hours above it may cancel.
    mean, least = float(np.abs(hourly).mean()), float(hourly.min())
    if bounds.holds(mean) and (bounds.low < 0 or least >= bounds.low):
        return
    factor = next((f for f in (1000.0, 0.001) if bounds.is_usual_plausible_size(mean * f)), None)
    shown = mean if not bounds.holds(mean) else least
    yield ProgrammeFault(
        where=where,
        found=Message("hours of {value} {unit}", {"value": f"{shown:.4g}", "unit": unit}),
        wanted=programme_quantity_plausible_range_message(unit),
        remedy=Message("The hours of a file are read in {unit}; write them in it.", {"unit": unit})
        if factor is None
        else Message(
            "The hours of a file are read in {unit}; write times = {factor} beside column if they "
            "are in another.",
            {"unit": unit, "factor": f"{factor:g}"},
        ),
    )


def programme_hourly_price_range_faults(
    where: str, price_range: Sequence[float], hourly: F64
) -> Iterator[ProgrammeFault]:
    """Yield the fault of a range that is reversed, or that holds no hour of its series."""
    low, high = price_range
    least, most = float(hourly.min()), float(hourly.max())
    if low <= high and low <= most and least <= high:
        return
    right = [f'"{bound / 1000:.6g} USD/kWh"' for bound in (least, most)]
    yield ProgrammeFault(
        where=where,
        found=Message(
            "{low} to {high} {unit}",
            {"low": f"{low / 1000:g}", "high": f"{high / 1000:g}", "unit": "USD/kWh"},
        ),
        wanted=Message("a range, the smaller first, that holds hours of the series"),
        remedy=Message(
            "Write for example [{low}, {high}]; a change by a factor moves value and range.",
            {"low": right[0], "high": right[1]},
        ),
    )
