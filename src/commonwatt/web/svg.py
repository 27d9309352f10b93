"""Charts as SVG, drawn on the server: what stands on the page without script.

Colours are classes, so that a chart is right in light, dark and print.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from commonwatt.web.page_view import ChartForm

# Units of the drawing, not pixels: the viewBox is scaled to any width of page or paper.
WIDTH, HEIGHT = 720, 260
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 12, 34
BAR_HEIGHT = 30  # height of a bar's row
LETTER_WIDTH = 6.4  # width of a letter at 11 px; a Chinese one is nearly twice as wide

Data = dict[str, Any]


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
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        """Return the place of a value."""
        low, high = self.low, self.high
        if self.logarithmic:
            # Nought has no logarithm; it stands at the foot of the axis.
            low, high, value = math.log10(low), math.log10(high), math.log10(max(value, self.low))
        # One value alone has no range; it stands in the middle.
        share = (value - low) / (high - low) if high > low else 0.5
        # A tenth of a pixel cannot be seen, and each digit more is paid for six hundred times a
        # line.
        return round(self.first + share * (self.last - self.first), 1)


def console_chart_svg(data: Data) -> str:
    """Return the SVG of a chart's data, as `drawn.drawn` made them."""
    if not _has_console_chart_points(data):
        return ""
    return _DRAWERS[ChartForm(data["form"])](data)


def console_svg_axis_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return round numbers that cover the range from `low` to `high`.

    >>> console_svg_axis_ticks(0, 93)
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


def console_chart_tick_number_text(value: float) -> str:
    """Return a tick's number, short.

    >>> tuple(console_chart_tick_number_text(value) for value in (1500, 0.25, 2e6, -0.0))
    ('1,500', '0.25', '2M', '0')
    """
    # -0.0 + 0.0 is 0.0; otherwise the tick would read "-0".
    value = value + 0.0
    for size, letter in ((1e9, "G"), (1e6, "M")):
        if abs(value) >= size:
            return f"{value / size:,.4g}{letter}"
    return f"{value:,.0f}" if value == round(value) else f"{value:,.4g}"


def _has_console_chart_points(data: Data) -> bool:
    values = [v for series in data["series"] for v in series.get("values", ())]
    cells = [cell[2] for series in data["series"] for cell in series.get("cells", ())]
    return any(v is not None for v in [*values, *cells])


def _console_svg_element(body: str, data: Data, height: float = HEIGHT) -> str:
    # A screen reader takes the drawing as one picture and needs words for it (WCAG 2.2, 1.1.1); the
    # numbers stand in the chart's table.
    label = escape(f"{data['title']}. {data['caption']}", quote=True)
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{label}" '
        f'class="chart-svg" preserveAspectRatio="xMidYMid meet">{body}</svg>'
    )


def _console_svg_chart_values(data: Data, *roles: str) -> list[float]:
    every = [*data["series"], *([data["line"]] if data.get("line") else [])]
    wanted = roles or ("values", "low", "high")
    return [v for series in every for role in wanted for v in series.get(role, ()) if v is not None]


def _console_svg_value_scale_and_ticks(
    data: Data, values: Sequence[float], first: float, last: float
) -> tuple[AxisScale, list[float]]:
    if data["logarithmic"]:
        low = 10 ** math.floor(math.log10(max(min(values), 1e-9)) + 1e-9)
        high = 10 ** math.ceil(math.log10(max(values)) - 1e-9)
        high = high if high > low else low * 10
        marks = [low * 10**i for i in range(round(math.log10(high / low)) + 1)]
        return AxisScale(low, high, first, last, logarithmic=True), marks
    # Length and height are read as amounts, so their axis holds zero; a fan, a range or a point is
    # read by its place.
    zero = data["form"] not in {ChartForm.FAN.value, ChartForm.RANGES.value, ChartForm.POINTS.value}
    low, high = min(values), max(values)
    low, high = (min(low, 0.0), max(high, 0.0)) if zero else (low, high)
    marks = console_svg_axis_ticks(low, high)
    return AxisScale(marks[0], marks[-1], first, last), marks


def _console_svg_y_axis(data: Data, y: AxisScale, marks: Sequence[float]) -> str:
    lines = "".join(f'<path class="grid" d="M{LEFT} {y(m)}H{WIDTH - RIGHT}"/>' for m in marks)
    texts = "".join(
        f'<text class="tick" x="{LEFT - 7}" y="{y(m) + 4:g}" text-anchor="end">'
        f"{_console_svg_tick_text(m, data)}</text>"
        for m in marks
    )
    return lines + texts


def _console_svg_tick_text(value: float, data: Data) -> str:
    return f"{value * 100:,.3g}%" if data["unit"] == "%" else console_chart_tick_number_text(value)


def _console_svg_x_tick_text(x: float, text: str, anchor: str = "middle") -> str:
    return (
        f'<text class="tick" x="{x:g}" y="{HEIGHT - BOTTOM + 16}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )


def _svg_x_axis_label(data: Data) -> str:
    if not data["x_label"]:
        return ""
    return (
        f'<text class="axis" x="{(WIDTH + LEFT) / 2:g}" y="{HEIGHT - 4}" '
        f'text-anchor="middle">{escape(data["x_label"])}</text>'
    )


def _svg_number_axis(data: Data) -> tuple[AxisScale, str]:
    low, high = data["x"][0], data["x"][-1]
    x = AxisScale(low, high, LEFT, WIDTH - RIGHT)
    marks = [m for m in console_svg_axis_ticks(low, high, 8) if low <= m <= high]
    return x, "".join(
        _console_svg_x_tick_text(x(m), console_chart_tick_number_text(m)) for m in marks
    ) + _svg_x_axis_label(data)


def _console_svg_name_places_and_axis(data: Data) -> tuple[Callable[[int], float], str]:
    names, width = data["x"], WIDTH - RIGHT - LEFT
    step = width / max(len(names), 1)

    def place_of_name(i: int) -> float:
        return round(LEFT + (i + 0.5) * step, 1)

    longest = max(_console_text_width_in_letters(name) for name in names)
    # Where names would run into each other every second, third … one is written.
    every = max(1, math.ceil(longest * LETTER_WIDTH * 1.15 / step))
    labels = [
        _console_svg_x_tick_text(place_of_name(i), name)
        for i, name in enumerate(names)
        if i % every == 0
    ]
    return place_of_name, "".join(labels) + _svg_x_axis_label(data)


def _console_text_width_in_letters(text: str) -> float:
    """Return how wide a text is, in Latin letters."""
    # From U+2E80 on stand the scripts of East Asia, whose letters are nearly twice as wide.
    return sum(1.8 if ord(letter) > 0x2E80 else 1.0 for letter in text)


def _console_svg_path_of_points(points: Sequence[tuple[float, float] | None]) -> str:
    """Return a path through points; a missing one breaks it."""
    out: list[str] = []
    broken = True
    for point in points:
        if point is not None:
            out.append(f"{'M' if broken else 'L'}{point[0]:g} {point[1]:g}")
        broken = point is None
    return "".join(out)


def _console_svg_path_of_values(
    data: Data, values: Sequence[float | None], x: AxisScale, y: AxisScale
) -> str:
    pairs = zip(data["x"], values, strict=True)
    return _console_svg_path_of_points([None if v is None else (x(at), y(v)) for at, v in pairs])


def _console_svg_line_chart(data: Data) -> str:
    y, marks = _console_svg_value_scale_and_ticks(
        data, _console_svg_chart_values(data), HEIGHT - BOTTOM, TOP
    )
    x, axis = _svg_number_axis(data)
    body = "".join(
        f'<path class="line s{i}" d="{_console_svg_path_of_values(data, series["values"], x, y)}"/>'
        for i, series in enumerate(data["series"])
    )
    return _console_svg_element(
        _console_svg_y_axis(data, y, marks) + axis + body + _console_svg_dashed_limit(data, x, y),
        data,
    )


def _console_svg_dashed_limit(data: Data, x: AxisScale, y: AxisScale) -> str:
    line = data.get("line")
    return (
        f'<path class="limit" d="{_console_svg_path_of_values(data, line["values"], x, y)}"/>'
        if line
        else ""
    )


def _svg_area_chart(data: Data) -> str:
    y, marks = _console_svg_value_scale_and_ticks(
        data, _console_svg_chart_values(data), HEIGHT - BOTTOM, TOP
    )
    x, axis = _svg_number_axis(data)
    below: list[float] = [0.0] * len(data["x"])
    parts: list[str] = []
    for i, series in enumerate(data["series"]):
        top = [v or 0.0 for v in series["values"]]
        up = _console_svg_path_of_values(data, top, x, y)
        pairs = zip(reversed(data["x"]), reversed(below), strict=True)
        back = "".join(f"L{x(at):g} {y(v):g}" for at, v in pairs)
        parts.append(f'<path class="area s{i}" d="{up}{back}Z"/>')
        # The next area comes back along this line, so areas never lie over each other.
        below = top
    return _console_svg_element(
        _console_svg_y_axis(data, y, marks)
        + axis
        + "".join(parts)
        + _console_svg_dashed_limit(data, x, y),
        data,
    )


def _console_svg_fan_chart(data: Data) -> str:
    y, marks = _console_svg_value_scale_and_ticks(
        data, _console_svg_chart_values(data), HEIGHT - BOTTOM, TOP
    )
    place, axis = _console_svg_name_places_and_axis(data)
    # All bands before all medians, or a later band would cover an earlier median.
    body = "".join(
        _console_svg_fan_band(series, i, place, y) for i, series in enumerate(data["series"])
    )
    body += "".join(
        _console_svg_median_line(series, i, place, y) for i, series in enumerate(data["series"])
    )
    return _console_svg_element(
        _console_svg_y_axis(data, y, marks)
        + axis
        + body
        + _console_svg_limit_over_names(data, place, y),
        data,
    )


def _console_svg_fan_band(series: Data, i: int, place: Callable[[int], float], y: AxisScale) -> str:
    if "low" not in series:
        return ""
    up = [(place(k), y(v)) for k, v in enumerate(series["high"]) if v is not None]
    down = [(place(k), y(v)) for k, v in enumerate(series["low"]) if v is not None]
    return f'<path class="band s{i}" d="{_console_svg_path_of_points([*up, *reversed(down)])}Z"/>'


def _console_svg_median_line(
    series: Data, i: int, place: Callable[[int], float], y: AxisScale
) -> str:
    points = [None if v is None else (place(k), y(v)) for k, v in enumerate(series["values"])]
    return f'<path class="line s{i}" d="{_console_svg_path_of_points(points)}"/>'


def _console_svg_limit_over_names(data: Data, place: Callable[[int], float], y: AxisScale) -> str:
    if not data.get("line"):
        return ""
    values = enumerate(data["line"]["values"])
    # A limit of nought is a limit: `v and …` would give the number itself.
    points = [None if v is None else (place(k), y(v)) for k, v in values]
    return f'<path class="limit" d="{_console_svg_path_of_points(points)}"/>'


def _console_svg_column_chart(data: Data) -> str:
    sums = _console_svg_stacked_bar_part_ends(data)
    line: list[float | None] = data["line"]["values"] if data.get("line") else []
    heights = [*sums, *(v for v in line if v is not None)]
    y, marks = _console_svg_value_scale_and_ticks(data, heights, HEIGHT - BOTTOM, TOP)
    place, axis = _console_svg_name_places_and_axis(data)
    # The greatest width is that of `console.js`, so that columns keep it when the chart comes
    # alive.
    wide = min(56.0, (WIDTH - LEFT - RIGHT) / len(data["x"]) * 0.66)
    parts = [
        f'<rect class="bar s{i}" x="{place(k) - wide / 2:g}" y="{min(y(a), y(b)):g}" '
        f'width="{wide:g}" height="{abs(y(a) - y(b)):g}"/>'
        for i, k, a, b in _console_svg_stacked_bar_parts(data)
    ]
    body = "".join(parts) + _console_svg_limit_over_names(data, place, y)
    return _console_svg_element(_console_svg_y_axis(data, y, marks) + axis + body, data)


def _svg_bar_chart(data: Data) -> str:
    left, height = _svg_left_margin(data), _console_svg_height_of_rows(data)
    x, axis = _console_svg_value_scale_and_x_axis(
        data, _console_svg_stacked_bar_part_ends(data), left, height
    )
    parts = [
        f'<rect class="bar s{i}" x="{min(x(a), x(b)):g}" y="{TOP + k * BAR_HEIGHT + 6}" '
        f'width="{abs(x(b) - x(a)):g}" height="{BAR_HEIGHT - 12}"/>'
        for i, k, a, b in _console_svg_stacked_bar_parts(data)
    ]
    return _console_svg_element(
        axis + _console_svg_row_name_labels(data, left) + "".join(parts), data, height
    )


def _svg_range_chart(data: Data) -> str:
    left, height = _svg_left_margin(data), _console_svg_height_of_rows(data)
    x, axis = _console_svg_value_scale_and_x_axis(
        data, _console_svg_chart_values(data), left, height
    )
    parts: list[str] = []
    for i, series in enumerate(data["series"]):
        for k in range(len(data["x"])):
            parts.append(_console_svg_range_bar(series, i, k, x))
    return _console_svg_element(
        axis + _console_svg_row_name_labels(data, left) + "".join(parts), data, height
    )


def _console_svg_range_bar(series: Data, i: int, k: int, x: AxisScale) -> str:
    low, high = series.get("low", series["values"])[k], series.get("high", series["values"])[k]
    mark = series["values"][k]
    middle = TOP + (k + 0.5) * BAR_HEIGHT
    bar = ""
    if low is not None and high is not None and low != high:
        bar = (
            f'<rect class="bar s{i} pale" x="{min(x(low), x(high)):g}" y="{middle - 6:g}" '
            f'width="{abs(x(high) - x(low)):g}" height="12" rx="2"/>'
        )
    dot = (
        "" if mark is None else f'<circle class="dot s{i}" cx="{x(mark)}" cy="{middle:g}" r="4.5"/>'
    )
    return bar + dot


def _console_svg_heat_map(data: Data) -> str:
    left = _console_svg_margin_of_names(data["y"])
    # A pair without a value stays blank, which is not the same as the palest colour.
    cells = [c for c in data["series"][0]["cells"] if c[2] is not None]
    most = max((c[2] for c in cells), default=1.0) or 1.0
    wide = (WIDTH - left - RIGHT) / len(data["x"])
    tall = min(BAR_HEIGHT, 220 / len(data["y"]))
    height = TOP + tall * len(data["y"]) + BOTTOM
    parts = [
        # Ten classes of colour: the policy for contents forbids a style on a cell.
        f'<rect class="heat h{min(9, int(10 * v / most))}" x="{left + i * wide:.1f}" '
        f'y="{TOP + j * tall:.1f}" width="{wide + 0.2:.1f}" height="{tall:.1f}"/>'
        for i, j, v in cells
    ]
    names = _console_svg_row_name_labels(data | {"x": data["y"]}, left, tall)
    every = max(1, math.ceil(len(data["x"]) / 12))
    below = "".join(
        f'<text class="tick" x="{left + (i + 0.5) * wide:.1f}" y="{height - 18:g}" '
        f'text-anchor="middle">{escape(name)}</text>'
        for i, name in enumerate(data["x"])
        if i % every == 0
    )
    label = (
        f'<text class="axis" x="{(left + WIDTH) / 2:g}" y="{height - 3:g}" '
        f'text-anchor="middle">{escape(data["x_label"])}</text>'
    )
    return _console_svg_element("".join(parts) + names + below + label, data, height)


def _console_svg_value_scale_and_x_axis(
    data: Data, values: Sequence[float], left: float, height: float
) -> tuple[AxisScale, str]:
    x, marks = _console_svg_value_scale_and_ticks(data, values, left, WIDTH - RIGHT - 8)
    foot = height - BOTTOM + 2
    lines = "".join(f'<path class="grid" d="M{x(m)} {TOP}V{foot:g}"/>' for m in marks)
    texts = "".join(
        f'<text class="tick" x="{x(m)}" y="{foot + 14:g}" text-anchor="middle">'
        f"{_console_svg_tick_text(m, data)}</text>"
        for m in marks
    )
    label = (
        f'<text class="axis" x="{(left + WIDTH) / 2:g}" y="{height - 3:g}" '
        f'text-anchor="middle">{escape(data["x_label"])}</text>'
    )
    return x, lines + texts + label


def _console_svg_row_name_labels(data: Data, left: float, tall: float = BAR_HEIGHT) -> str:
    return "".join(
        f'<text class="tick" x="{left - 8:g}" y="{TOP + (k + 0.5) * tall + 4:g}" '
        f'text-anchor="end">{escape(_console_svg_truncated_row_name(name))}</text>'
        for k, name in enumerate(data["x"])
    )


def _console_svg_truncated_row_name(name: str) -> str:
    # Longer names would leave the bars too little room; the chart's table has them whole.
    return name if len(name) <= 34 else name[:33] + "…"


def _svg_left_margin(data: Data) -> float:
    return _console_svg_margin_of_names(data["x"])


def _console_svg_margin_of_names(names: Sequence[str]) -> float:
    return min(
        260.0,
        max(_console_text_width_in_letters(_console_svg_truncated_row_name(name)) for name in names)
        * LETTER_WIDTH
        + 16,
    )


def _console_svg_height_of_rows(data: Data) -> float:
    return TOP + BAR_HEIGHT * len(data["x"]) + BOTTOM + 6


def _console_svg_stacked_bar_parts(data: Data) -> list[tuple[int, int, float, float]]:
    """Return series, name, start and end of each part; negative ones stack downwards."""
    out: list[tuple[int, int, float, float]] = []
    up, down = [0.0] * len(data["x"]), [0.0] * len(data["x"])
    for i, series in enumerate(data["series"]):
        for k, value in enumerate(series["values"]):
            # One pile for both signs would hide a negative part behind the positive ones.
            side = up if (value or 0.0) >= 0 else down
            out.append((i, k, side[k], side[k] + (value or 0.0)))
            side[k] += value or 0.0
    return out


def _console_svg_stacked_bar_part_ends(data: Data) -> list[float]:
    return [0.0, *(end for _, _, _, end in _console_svg_stacked_bar_parts(data))]


_DRAWERS: dict[ChartForm, Callable[[Data], str]] = {
    ChartForm.LINES: _console_svg_line_chart,
    ChartForm.AREAS: _svg_area_chart,
    ChartForm.FAN: _console_svg_fan_chart,
    ChartForm.BARS: _svg_bar_chart,
    ChartForm.COLUMNS: _console_svg_column_chart,
    ChartForm.RANGES: _svg_range_chart,
    ChartForm.POINTS: _svg_range_chart,
    ChartForm.HEAT: _console_svg_heat_map,
    # Before the first sample there is nothing to draw, and without script no sample ever comes.
    ChartForm.LIVE: lambda _: "",
}
