"""Parts of stacked bars and columns."""

from __future__ import annotations

from commonwatt.report.charts.points import ChartPoints


def stacked_part_series_name_start_end(points: ChartPoints) -> list[tuple[int, int, float, float]]:
    """Return series, name, start and end of each part; negative ones stack downwards."""
    out: list[tuple[int, int, float, float]] = []
    up, down = [0.0] * len(points.x), [0.0] * len(points.x)
    for i, series in enumerate(points.series):
        for k, value in enumerate(series.values):
            # A part that is not there is no part of nought.
            if value is None:
                continue
            # One pile for both signs would hide a negative part behind the positive ones.
            side = up if value >= 0 else down
            out.append((i, k, side[k], side[k] + value))
            side[k] += value
    return out
