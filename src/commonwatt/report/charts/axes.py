"""Axes of a chart: from values to places, round ticks, and labels that have their room."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from commonwatt.report.charts.points import ChartPoints
from commonwatt.report.charts.specification import ChartForm
from commonwatt.report.charts.text_width import report_text_lines_within_width, text_width

TYPE_SIZE = 12.0  # of every text in a chart, in the units of its drawing
LINE_HEIGHT = 15.0
EDGE = 4.0  # nothing is drawn nearer to the edge of the drawing
TICK_ROOM = 22.0  # a row of tick labels
ABOUT_TICKS = 5
LABEL_DROP = 19.0  # of a tick's base line below the axis: clear of the lowest tick beside it
LABEL_GAP = 8.0  # between two labels of one axis
MOST_LABEL_SHARE = 0.3  # of the width, for a name that is wider than its column

PlaceOf = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class AxisScale:
    """A straight or logarithmic way from values to places.

    >>> AxisScale(0, 10, 100, 200)(5)
    150.0
    """

    low: float
    high: float
    first: float
    last: float
    is_logarithmic: bool = False

    def __call__(self, value: float) -> float:
        """Return the place of a value."""
        low, high = self.low, self.high
        if self.is_logarithmic:
            # Nought has no logarithm; it stands at the foot of the axis.
            low, high, value = math.log10(low), math.log10(high), math.log10(max(value, self.low))
        # One value alone has no range; it stands in the middle.
        share = (value - low) / (high - low) if high > low else 0.5
        # A tenth of a pixel cannot be seen, and each digit more is paid for six hundred times a
        # line.
        return round(self.first + share * (self.last - self.first), 1)


def linear_axis_tick_values(low: float, high: float, about: int = ABOUT_TICKS) -> list[float]:
    """Return round numbers that cover the range from `low` to `high`.

    >>> linear_axis_tick_values(0, 93)
    [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]
    """
    span = (high - low) or abs(high) or 1.0
    raw = span / about
    power = 10.0 ** math.floor(math.log10(raw))
    # A little less than `raw`, or a rounding error would take the next wider step.
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
    # 0.3 / 0.1 is a hair below 3; without the margins the axis would gain an empty stretch.
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 12) for i in range(first, max(last, first + 1) + 1)]


def logarithmic_axis_tick_values(low: float, high: float, about: int = ABOUT_TICKS) -> list[float]:
    """Return powers of ten that cover a range, with the steps 2 and 5 where it is short.

    >>> logarithmic_axis_tick_values(0.3, 40)
    [0.1, 1.0, 10.0, 100.0]
    >>> logarithmic_axis_tick_values(1.2, 7)
    [1.0, 2.0, 5.0, 10.0]
    """
    first = math.floor(math.log10(max(low, 1e-12)) + 1e-9)
    last = max(math.ceil(math.log10(max(high, 1e-12)) - 1e-9), first + 1)
    if last - first == 1:
        return [round(m * 10.0**first, 12) for m in (1, 2, 5, 10)]
    every = max(1, math.ceil((last - first) / max(about, 1)))
    return [float(f"{10.0**power:.12g}") for power in range(first, last + every, every)]


def chart_tick_number_text(value: float) -> str:
    """Return a tick's number, short.

    >>> tuple(chart_tick_number_text(value) for value in (1500, 0.25, 2e6, -0.0, 1e-5))
    ('1,500', '0.25', '2M', '0', '0.00001')
    """
    # -0.0 + 0.0 is 0.0; otherwise the tick would read "-0".
    value = value + 0.0
    for size, letter in ((1e9, "G"), (1e6, "M")):
        if abs(value) >= size:
            return f"{value / size:,.4g}{letter}"
    if value == round(value):
        return f"{value:,.0f}"
    # A reader of a newspaper knows 0.00001 and not 1e-05.
    return f"{value:,.4g}" if abs(value) >= 1e-4 else f"{value:.12f}".rstrip("0")


def value_axis_tick_text(value: float, points: ChartPoints) -> str:
    """Return what stands at a tick of the values' axis."""
    return f"{value * 100:,.3g}%" if points.unit == "%" else chart_tick_number_text(value)


def value_axis_tick_values(
    points: ChartPoints, values: Sequence[float], about: int = ABOUT_TICKS
) -> list[float]:
    """Return the ticks of the axis that holds the values."""
    low, high = min(values), max(values)
    if points.logarithmic:
        return logarithmic_axis_tick_values(low, high, about)
    # Length and height are read as amounts, so their axis holds zero; a fan, a range or a point is
    # read by its place.
    if points.form in _FROM_ZERO and not points.dots:
        low, high = min(low, 0.0), max(high, 0.0)
    return linear_axis_tick_values(low, high, about)


_FROM_ZERO = frozenset({ChartForm.LINES, ChartForm.AREAS, ChartForm.BARS, ChartForm.COLUMNS})


@dataclass(frozen=True, slots=True)
class PlotBox:
    """Where values are drawn, in the units of the drawing."""

    left: float
    right: float
    top: float
    bottom: float


def report_chart_svg_text_line(
    x: float, y: float, text: str, anchor: str = "start", kind: str = "tick"
) -> str:
    """Return a line of text; `y` is its base line."""
    return f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(text)}</text>'


def report_chart_svg_text_and_height(
    x: float, y: float, text: str, width: float, *, anchor: str = "start", kind: str = "axis"
) -> tuple[str, float]:
    """Return a text in lines of at most a width, and the height that it takes.

    Args:
        x: Where its lines start, or their middle or end, as `anchor` says.
        y: The upper edge of the first line.
        text: What is written.
        width: Room of a line.
        anchor: "start", "middle" or "end".
        kind: Its class in the styles.
    """
    if not text:
        return "", 0.0
    lines = report_text_lines_within_width(text, width, TYPE_SIZE)
    drawn = "".join(
        report_chart_svg_text_line(x, round(y + TYPE_SIZE + i * LINE_HEIGHT, 1), line, anchor, kind)
        for i, line in enumerate(lines)
    )
    return drawn, LINE_HEIGHT * len(lines)


def horizontal_grid_lines_and_labels_svg(
    points: ChartPoints, y: PlaceOf, ticks: Sequence[float], box: PlotBox
) -> str:
    """Return lines and labels of a vertical axis of values."""
    lines = "".join(f'<path class="grid" d="M{box.left:g} {y(t)}H{box.right:g}"/>' for t in ticks)
    return lines + "".join(
        report_chart_svg_text_line(box.left - 7, y(t) + 4, value_axis_tick_text(t, points), "end")
        for t in ticks
    )


def vertical_grid_lines_and_labels_svg(
    x: PlaceOf, texts: Sequence[tuple[float, str]], box: PlotBox
) -> str:
    """Return lines and labels of a horizontal axis of values."""
    lines = "".join(
        f'<path class="grid" d="M{x(t)} {box.top:g}V{box.bottom:g}"/>' for t, _ in texts
    )
    return lines + horizontal_axis_number_labels_svg(x, texts, box)


def horizontal_axis_number_labels_svg(
    x: PlaceOf, texts: Sequence[tuple[float, str]], box: PlotBox
) -> str:
    """Return the labels of a horizontal axis of numbers."""
    return "".join(
        report_chart_svg_text_line(x(t), box.bottom + LABEL_DROP, text, "middle")
        for t, text in texts
    )


def horizontal_axis_tick_values_that_fit(
    low: float, high: float, room: float, *, is_logarithmic: bool = False
) -> list[float]:
    """Return as many round places of a horizontal axis as have room for their labels."""
    for about in range(8, 1, -1):
        make = logarithmic_axis_tick_values if is_logarithmic else linear_axis_tick_values
        ticks = make(low, high, about)
        widest = max(text_width(chart_tick_number_text(tick), TYPE_SIZE) for tick in ticks)
        if len(ticks) * (widest + 10) <= room:
            return ticks
    ends = (
        logarithmic_axis_tick_values(low, high, 1)
        if is_logarithmic
        else linear_axis_tick_values(low, high, 1)
    )
    return [ends[0], ends[-1]]


def value_axis_tick_values_that_fit(
    points: ChartPoints, values: Sequence[float], room: float
) -> list[float]:
    """Return as many ticks of the values' axis as have room beside each other."""
    ticks = value_axis_tick_values(points, values, 2)
    for about in range(6, 1, -1):
        ticks = value_axis_tick_values(points, values, about)
        widest = max(text_width(value_axis_tick_text(tick, points), TYPE_SIZE) for tick in ticks)
        if len(ticks) * (widest + 10) <= room:
            return ticks
    # Where not even a few have room, the two ends of the axis say how far it goes.
    return [ticks[0], ticks[-1]]


def name_axis_labels_svg_and_height(
    names: Sequence[str], place: Callable[[int], float], top: float, width: float
) -> tuple[str, float]:
    """Return names below their places, in lines, and the height that they take.

    The last is always written, as the one that a reader looks for; of the others those that have
    room before the next.

    Args:
        names: The names, in order.
        place: From the order of a name to its place.
        top: Upper edge of the first line.
        width: Of the whole drawing.
    """
    step = abs(place(1) - place(0)) if len(names) > 1 else width
    room = max(step - LABEL_GAP, width * MOST_LABEL_SHARE)
    drawn: list[str] = []
    lowest, free = 0.0, width - EDGE
    for i in range(len(names) - 1, -1, -1):
        lines = report_text_lines_within_width(names[i], room, TYPE_SIZE)
        half = max(text_width(line, TYPE_SIZE) for line in lines) / 2
        # A wide name at the edge of the drawing moves inwards.
        middle = min(max(place(i), EDGE + half), width - EDGE - half)
        if middle + half > free:
            continue
        drawn += [
            report_chart_svg_text_line(
                round(middle, 1), round(top + TYPE_SIZE + k * LINE_HEIGHT, 1), line, "middle"
            )
            for k, line in enumerate(lines)
        ]
        free = middle - half - LABEL_GAP
        lowest = max(lowest, LINE_HEIGHT * len(lines))
    return "".join(drawn), lowest
