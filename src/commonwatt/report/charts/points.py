"""From a chart and its table to what is drawn: reduced once, the same for drawings and scripts."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from commonwatt.catalogue.measures import (
    measure_cell_text,
    measure_heading,
    measure_value_in_heading_unit,
    shown_measure_unit_text,
)
from commonwatt.core.messages import Message, translated_text
from commonwatt.report.charts.reduce import F64, chart_x_and_series_reduced_to_most
from commonwatt.report.charts.specification import Chart, ChartForm, ChartSeries

if TYPE_CHECKING:
    import polars as pl

    from commonwatt.catalogue.measures import Measure, TableColumn

ALONG_X = frozenset({ChartForm.BARS, ChartForm.RANGES, ChartForm.POINTS})
REDUCED_FORMS = frozenset({ChartForm.LINES, ChartForm.AREAS})
Values = list[float | None]
NARROW_POINTS = 200  # of a line in the narrow drawing, which is about as many pixels wide


@dataclass(slots=True, kw_only=True)
class SeriesPoints:
    """One series as it is drawn; lists are as long as the chart's `x`, gaps are None.

    Args:
        label: What the legend says.
        values: Values over `x`.
        low: Lower edges of a range or band; empty where there is none.
        high: Upper edges.
        inner_low: Lower edges of a band within the band.
        inner_high: Its upper edges.
        texts: Values as the catalogue writes them.
        cells: For a map: column, row and value.
        names: Names written beside the marks.
    """

    label: str
    values: Values = field(default_factory=list[float | None])
    low: Values = field(default_factory=list[float | None])
    high: Values = field(default_factory=list[float | None])
    inner_low: Values = field(default_factory=list[float | None])
    inner_high: Values = field(default_factory=list[float | None])
    texts: list[str] = field(default_factory=list[str])
    cells: list[tuple[int, int, float | None]] = field(
        default_factory=list[tuple[int, int, float | None]]
    )
    names: list[str] = field(default_factory=list[str])

    def has_series_value_at_place(self, place: int) -> bool:
        """Return whether a value stands at a place of the axis."""
        return bool(self.values) and self.values[place] is not None


@dataclass(slots=True, kw_only=True)
class CurvePoints:
    """A thin curve over the horizontal axis."""

    x: list[float]
    values: Values
    is_dashed: bool


@dataclass(slots=True, kw_only=True)
class ChartPoints:
    """Everything that a drawing needs, in the reader's language and units.

    Args:
        form: How it is drawn.
        heading: What is to be seen, or what it is of.
        caption: What is drawn.
        unit: Unit of the values; "%" where they are shares that axes write in percent.
        x_label: Label of the horizontal axis.
        y_label: What the vertical axis holds.
        x: Places on a number axis, or names.
        rows: Names of the rows of a map.
        series: What is drawn.
        line: A dashed line.
        limit: A level and its name.
        verticals: Places of vertical lines, and what they are called.
        curves: Thin curves.
        absent: What stands where a mark has no value.
        logarithmic: Whether values stand on a logarithmic axis.
        x_logarithmic: Whether the horizontal axis is logarithmic.
        step: Whether a value holds until the next.
        dots: Whether marks stand in place of lines.
        middle: Where the two colours of a map meet.
        are_values_written: Whether values are written beside their marks.
        plot_height: Height of an upright chart between its axes.
        feed: Address of new points.
    """

    form: ChartForm
    heading: str
    caption: str
    unit: str
    x_label: str
    y_label: str
    x: list[Any] = field(default_factory=list[Any])
    rows: list[str] = field(default_factory=list[str])
    series: list[SeriesPoints] = field(default_factory=list[SeriesPoints])
    line: SeriesPoints | None = None
    limit: tuple[float, str] | None = None
    verticals: tuple[list[float], str] | None = None
    curves: list[CurvePoints] = field(default_factory=list[CurvePoints])
    absent: str = ""
    logarithmic: bool = False
    x_logarithmic: bool = False
    step: bool = False
    dots: bool = False
    middle: float | None = None
    are_values_written: bool = False
    plot_height: float = 200.0
    feed: str = ""

    def as_data(self) -> dict[str, Any]:
        """Return it as plain values, which JSON can hold."""
        return asdict(self)


def chart_points(chart: Chart, frame: pl.DataFrame, language: str) -> ChartPoints:
    """Return what a drawing of a chart needs.

    Args:
        chart: What is drawn.
        frame: The whole table behind it.
        language: Of its labels.
    """
    if chart.prepare is not None and not frame.is_empty():
        frame = chart.prepare(frame, language)
    heading, caption = _chart_heading_and_caption(chart, frame, language)
    points = ChartPoints(
        form=chart.form,
        heading=heading,
        caption=caption,
        unit=_chart_unit_label(chart, language),
        x_label=_chart_horizontal_axis_label(chart, language),
        y_label=_chart_label_above_upright_values(chart, language),
        limit=(
            _shown(chart, chart.limit.value, language),
            translated_text(chart.limit.label, language),
        )
        if chart.limit
        else None,
        verticals=(list(chart.verticals.places), translated_text(chart.verticals.label, language))
        if chart.verticals and chart.verticals.places
        else None,
        absent=translated_text(chart.absent, language) if chart.absent else "",
        logarithmic=chart.logarithmic,
        x_logarithmic=chart.x_logarithmic,
        step=chart.step,
        dots=chart.dots,
        middle=None if chart.middle is None else _shown(chart, chart.middle, language),
        are_values_written=chart.are_values_written,
        plot_height=chart.plot_height,
        feed=chart.feed,
    )
    # Points come from the feed once the page is open; what was measured before is asked for from
    # row 0 on.
    if chart.form is ChartForm.LIVE:
        points.series = [
            SeriesPoints(label=translated_text(each.label, language)) for each in chart.series
        ]
        return points
    written = frame if chart.are_values_written else None
    frame = _chart_frame_in_shown_unit(chart, frame, language)
    if chart.form in REDUCED_FORMS:
        _set_line_chart_x_and_series(points, chart, frame, language)
    elif chart.form is ChartForm.HEAT:
        _set_heat_map_names_and_cells(points, chart, frame, language)
    elif chart.form is ChartForm.SCATTER:
        _set_scatter_chart_x_and_series(points, chart, frame, language)
    else:
        _set_category_chart_names_and_series(points, chart, frame, language, written)
    return points


def thinned_line_chart_points(points: ChartPoints) -> ChartPoints:
    """Return a long series in as many points as a narrow drawing can show, spikes kept."""
    if points.form not in REDUCED_FORMS or points.dots or len(points.x) <= NARROW_POINTS:
        return points
    every = [*points.series, *([points.line] if points.line else [])]
    columns = [np.array(each.values, dtype=np.float64) for each in every]
    x, columns = chart_x_and_series_reduced_to_most(np.array(points.x), columns, NARROW_POINTS)
    thinned = [
        replace(each, values=_chart_values_six_digits_or_none(values))
        for each, values in zip(every, columns, strict=True)
    ]
    line = thinned.pop() if points.line else None
    return replace(points, x=_chart_values_six_digits_or_none(x), series=thinned, line=line)


def _chart_heading_and_caption(chart: Chart, frame: pl.DataFrame, language: str) -> tuple[str, str]:
    """Return what stands above a chart: what is to be seen in it, and what it is of."""
    title, caption = chart.title.translate(language), chart.caption.translate(language)
    finding = None if chart.finding is None or frame.is_empty() else chart.finding(frame, language)
    if finding is None:
        return title, caption
    both = Message("{title}. {caption}", {"title": title, "caption": caption})
    return finding.translate(language), both.translate(language)


def _chart_unit_label(chart: Chart, language: str) -> str:
    if chart.measure is None:
        return chart.unit
    unit = shown_measure_unit_text(chart.measure, language, currency=chart.currency)
    return "%" if _is_chart_in_percent(chart) else unit


def _chart_horizontal_axis_label(chart: Chart, language: str) -> str:
    """Return the label of the horizontal axis: the values' own, where they lie along it."""
    label = translated_text(chart.x_label, language)
    if chart.measure is None or chart.form not in ALONG_X or label:
        return label
    return _values_axis_label(chart, chart.measure, language)


def _chart_label_above_upright_values(chart: Chart, language: str) -> str:
    """Return what stands above a chart whose values go upwards; empty where they lie along x."""
    if chart.y_label:
        return translated_text(chart.y_label, language)
    if chart.form in ALONG_X or chart.form is ChartForm.HEAT:
        return ""
    if chart.measure is None:
        return chart.unit
    return _values_axis_label(chart, chart.measure, language)


def _values_axis_label(chart: Chart, measure: Measure | TableColumn, language: str) -> str:
    heading = measure_heading(measure, language, currency=chart.currency)
    # A logarithmic axis has no nought and makes twice as much look like a little more.
    note = chart.axis_note or (Message("logarithmic") if chart.logarithmic else None)
    if note is None:
        return heading
    values = {"figure": heading, "note": note.translate(language)}
    return Message("{figure}, {note}", values).translate(language)


def _shown(chart: Chart, value: float, language: str) -> float:
    if chart.measure is None or _is_chart_in_percent(chart):
        return value
    return measure_value_in_heading_unit(value, chart.measure, language, currency=chart.currency)


def _chart_frame_in_shown_unit(chart: Chart, frame: pl.DataFrame, language: str) -> pl.DataFrame:
    """Return the table with the drawn columns in the unit that people are shown."""
    if frame.is_empty():
        return frame
    # A unit is a factor here: no measure of ours is a temperature.
    factor = _shown(chart, 1.0, language)
    every = [*chart.series, chart.line] if chart.line else list(chart.series)
    drawn = {
        name
        for each in every
        for name in (each.column, each.low, each.high, each.inner_low, each.inner_high)
        if name
    } | {curve.column for curve in chart.curves}
    frame = frame.with_columns(frame[name] * factor for name in sorted(drawn)) if drawn else frame
    if chart.least is None:
        return frame
    least = chart.least * factor
    return frame.with_columns(frame[name].clip(lower_bound=least) for name in sorted(drawn))


def _is_chart_in_percent(chart: Chart) -> bool:
    # Axes write a share in percent themselves, so that a script and the server agree on its ticks.
    if chart.measure is None:
        return chart.unit == "%"
    return shown_measure_unit_text(chart.measure, currency=chart.currency).startswith("%")


def _set_line_chart_x_and_series(
    points: ChartPoints, chart: Chart, frame: pl.DataFrame, language: str
) -> None:
    every = [*chart.series, chart.line] if chart.line else list(chart.series)
    x = _chart_x_values_rising(chart, frame, every)
    lines = [
        _chart_column_at_x_or_nan(x, _frame_rows_of_chart_series(frame, each), chart.x, each.column)
        for each in every
    ]
    if chart.form is ChartForm.AREAS:
        # Stacked before they are reduced: the parts have their peaks at different instants, so
        # reduced parts would not add up.
        lines[: len(chart.series)] = _chart_lines_as_running_sums(lines[: len(chart.series)])
    x, lines = chart_x_and_series_reduced_to_most(x, lines)
    series = [
        SeriesPoints(
            label=translated_text(each.label, language),
            values=_chart_values_six_digits_or_none(values),
        )
        for each, values in zip(every, lines, strict=True)
    ]
    # The dashed line was the last of `every`, so that it went through the same places as the
    # series.
    points.line = series.pop() if chart.line else None
    points.x, points.series = _chart_values_six_digits_or_none(x), series


def _chart_x_values_rising(chart: Chart, frame: pl.DataFrame, every: list[ChartSeries]) -> F64:
    """Return all places that any series has, rising."""
    if all(each.where is None for each in every):
        return _chart_column_numbers_null_as_nan(frame[chart.x])
    return np.unique(_chart_column_numbers_null_as_nan(frame[chart.x]))


def _chart_lines_as_running_sums(lines: list[F64]) -> list[F64]:
    """Return running sums, so that every area stands on the one before it."""
    parts = np.stack(lines)
    # A part without a value adds nothing where others have one; only where none has is there a gap.
    sums = np.cumsum(np.nan_to_num(parts), axis=0)
    return list(np.where(np.isnan(parts).all(axis=0), np.nan, sums))


def _set_category_chart_names_and_series(
    points: ChartPoints,
    chart: Chart,
    frame: pl.DataFrame,
    language: str,
    written: pl.DataFrame | None,
) -> None:
    # In the order of the table, which its maker chose; without `maintain_order` Polars promises
    # none.
    names = frame[chart.x].cast(str).unique(maintain_order=True).to_list()
    every = [*chart.series, chart.line] if chart.line else list(chart.series)
    series = [
        _category_series_in_name_order(each, frame, chart.x, names, language) for each in every
    ]
    points.line = series.pop() if chart.line else None
    points.x, points.series = names, series
    if written is not None and chart.measure is not None:
        for each, drawn in zip(chart.series, series, strict=True):
            drawn.texts = _category_value_texts_in_name_order(each, written, chart, names, language)


def _category_series_in_name_order(
    series: ChartSeries, frame: pl.DataFrame, x: str, names: list[str], language: str
) -> SeriesPoints:
    part = _frame_rows_of_chart_series(frame, series)
    keys = part[x].cast(str).to_list()

    def category_values_of_column(column: str) -> Values:
        if not column:
            return []
        value_of_name = dict(
            zip(
                keys,
                _chart_values_six_digits_or_none(_chart_column_numbers_null_as_nan(part[column])),
                strict=True,
            )
        )
        # A series may lack a name that another has; it gets a gap there and its later values do
        # not slip to the left.
        return [value_of_name.get(name) for name in names]

    return SeriesPoints(
        label=translated_text(series.label, language),
        values=category_values_of_column(series.column) or [None] * len(names),
        low=category_values_of_column(series.low),
        high=category_values_of_column(series.high),
        inner_low=category_values_of_column(series.inner_low),
        inner_high=category_values_of_column(series.inner_high),
    )


def _category_value_texts_in_name_order(
    series: ChartSeries, frame: pl.DataFrame, chart: Chart, names: list[str], language: str
) -> list[str]:
    measure: Measure | TableColumn | None = chart.measure
    part = _frame_rows_of_chart_series(frame, series)
    if measure is None or not series.column:
        return []
    text_of_name = {
        name: measure_cell_text(value, measure, language, currency=chart.currency)
        for name, value in zip(part[chart.x].cast(str), part[series.column], strict=True)
        if value is not None
    }
    return [text_of_name.get(name, "") for name in names]


def _set_heat_map_names_and_cells(
    points: ChartPoints, chart: Chart, frame: pl.DataFrame, language: str
) -> None:
    names = frame[chart.x].cast(str).unique(maintain_order=True).to_list()
    rows = frame[chart.y].cast(str).unique(maintain_order=True).to_list()
    place, height = ({name: i for i, name in enumerate(every)} for every in (names, rows))
    series = chart.series[0]
    cells = [
        (place[str(a)], height[str(b)], value)
        for a, b, value in zip(
            frame[chart.x],
            frame[chart.y],
            _chart_values_six_digits_or_none(
                _chart_column_numbers_null_as_nan(frame[series.column])
            ),
            strict=True,
        )
    ]
    points.x, points.rows = names, rows
    points.series = [SeriesPoints(label=translated_text(series.label, language), cells=cells)]


def _set_scatter_chart_x_and_series(
    points: ChartPoints, chart: Chart, frame: pl.DataFrame, language: str
) -> None:
    points.x = _chart_values_six_digits_or_none(_chart_column_numbers_null_as_nan(frame[chart.x]))
    for series in chart.series:
        values = _chart_values_six_digits_or_none(
            _chart_column_numbers_null_as_nan(frame[series.column])
        )
        if series.where is not None:
            column, wanted = series.where
            here = (frame[column].cast(str) == wanted).fill_null(value=False).to_list()
            values = [v if at else None for v, at in zip(values, here, strict=True)]
        names = (
            [name or "" for name in frame[chart.names].cast(str).to_list()] if chart.names else []
        )
        label = translated_text(series.label, language)
        points.series.append(SeriesPoints(label=label, values=values, names=names))
    for curve in chart.curves:
        values = _chart_values_six_digits_or_none(
            _chart_column_numbers_null_as_nan(frame[curve.column])
        )
        points.curves.append(CurvePoints(x=points.x, values=values, is_dashed=curve.is_dashed))


def _frame_rows_of_chart_series(frame: pl.DataFrame, series: ChartSeries) -> pl.DataFrame:
    if series.where is None:
        return frame
    column, value = series.where
    return frame.filter(frame[column].cast(str) == value)


def _chart_column_at_x_or_nan(x: F64, part: pl.DataFrame, x_column: str, column: str) -> F64:
    """Return a column over the places `x`; a place that the part lacks has no value."""
    own, values = (
        _chart_column_numbers_null_as_nan(part[x_column]),
        _chart_column_numbers_null_as_nan(part[column]),
    )
    if len(own) == len(x) and np.array_equal(own, x):
        return values
    out = np.full(len(x), np.nan)
    # Some series of a long table have fewer instants than others; they must not be drawn against
    # places that are not theirs.
    at = np.searchsorted(x, own)
    # An instant after the last of `x` is found at len(x), which is no place; the second test alone
    # would fail on it.
    known = (at < len(x)) & (x[np.minimum(at, len(x) - 1)] == own)
    out[at[known]] = values[known]
    return out


def _chart_column_numbers_null_as_nan(column: pl.Series) -> F64:
    return column.cast(float).fill_null(float("nan")).to_numpy()


def _chart_values_six_digits_or_none(values: F64) -> Values:
    """Return numbers of six significant digits, which is more than a screen shows."""
    # JSON has no NaN. Python would write the word all the same, and a browser's parser refuses it.
    return [float(f"{v:.6g}") if np.isfinite(v) else None for v in values.tolist()]
