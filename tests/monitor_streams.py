"""Streams of a model that is right, or goes wrong on a day, as hospitals have them."""

from dataclasses import dataclass

import numpy as np

from commonwatt.clinic.engines.evidence.sketch import model_score_bin_index
from commonwatt.clinic.engines.monitor import (
    DailyScoreCells,
    MonitorPlan,
    monitor_result_of_daily_cells,
)


@dataclass(frozen=True, kw_only=True)
class StreamShape:
    """Days, rows a day on average, and what makes the stream hard.

    Args:
        shift: Where in the band the truth lies, on the logit scale.
        batch_days: Labels arrive together every so many days.
        steps: Scores are rounded to so many values of the logit a unit, so that they tie; 0: not.
        sites: Streams beside the whole.
        repeats: Most rows of one patient, all with one label.
        day_sd: What the rows of a day share, on the logit scale.
        late_days: Longest wait for a label; events are known sooner than non-events.
        change_day: The day from which the truth is off by `change`.
        change: Shift and slope of the truth against the score, about `mean`.
        at_edge_of: Half width of a band, at whose edge nearest to the change the truth lies.
    """

    days: int
    rows_a_day: float
    mean: float = -1.5
    spread: float = 1.2
    shift: float = 0.0
    batch_days: int = 1
    steps: int = 0
    sites: int = 0
    repeats: int = 1
    day_sd: float = 0.0
    late_days: int = 0
    change_day: int | None = None
    change: tuple[float, float] = (0.0, 1.0)
    at_edge_of: float = 0.0


@dataclass(frozen=True, kw_only=True)
class DrawnRows:
    """The rows of one stream, in order of their day."""

    logit: np.ndarray
    label: np.ndarray
    day: np.ndarray
    site: np.ndarray
    patient: np.ndarray
    known_on: np.ndarray


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def changed(x, shape):
    return shape.mean + shape.change[0] + shape.change[1] * (x - shape.mean)


def draw_rows(chance, shape: StreamShape) -> DrawnRows:
    """Return one stream of rows."""
    per_day = chance.poisson(shape.rows_a_day, shape.days)
    count = int(per_day.sum())
    day = np.repeat(np.arange(shape.days), per_day)
    x = shape.mean + shape.spread * chance.standard_normal(count)
    if shape.steps:
        x = np.round(x * shape.steps) / shape.steps
    patient = np.arange(count)
    if shape.repeats > 1:
        # One patient for as many rows as the lot says, within some days of one another.
        sizes = chance.integers(1, shape.repeats + 1, count)
        order = np.argsort(np.arange(count) + chance.random(count) * 10 * shape.rows_a_day)
        patient = np.empty(count, np.int64)
        patient[order] = np.repeat(np.arange(count), sizes)[:count]
        x = x[patient]  # the same patient, the same score, the same fate
    truth = x + shape.shift + (shape.day_sd * chance.standard_normal(shape.days))[day]
    if shape.at_edge_of:
        truth = np.clip(changed(x, shape), x - shape.at_edge_of, x + shape.at_edge_of)
    if shape.change_day is not None:
        truth = np.where(day >= shape.change_day, changed(x, shape), truth)
    drawn = chance.random(count)
    label = drawn[patient] < sigmoid(truth)
    wait = np.zeros(count, np.int64)
    if shape.late_days:
        # Deaths are known within days, survival at the end of the wait.
        soon = chance.integers(0, shape.late_days // 3 + 1, count)
        late = chance.integers(shape.late_days // 2, shape.late_days + 1, count)
        wait = np.where(label, soon, late)
    site = chance.integers(0, max(shape.sites, 1), count)
    return DrawnRows(logit=x, label=label.astype(np.int64), day=day, site=site, patient=patient,
                     known_on=day + wait)  # fmt: skip


def cells_of_rows(rows: DrawnRows, shape: StreamShape, *, keep=None, on=None) -> DailyScoreCells:
    """Return the cells of some rows, counted on the days `on`."""
    keep = np.ones(len(rows.day), bool) if keep is None else keep
    day = (rows.day if on is None else on)[keep]
    day = -(-(day + 1) // shape.batch_days) * shape.batch_days - 1
    bins, label = model_score_bin_index(sigmoid(rows.logit[keep])), rows.label[keep]
    days = int(day.max(initial=0)) + 1
    codes = [np.zeros(len(day), np.int64)]
    if shape.sites:
        codes.append(1 + rows.site[keep])
    streams = 1 + shape.sites
    key = np.concatenate([((code * days + day) * 2 + label) * 4096 + bins for code in codes])
    key, counts = np.unique(key, return_counts=True)
    rest, bins = np.divmod(key, 4096)
    rest, label = np.divmod(rest, 2)
    stream, day = np.divmod(rest, days)
    return DailyScoreCells(day=day, stream=stream, label=label, score_bin=bins, rows=counts,
                           days=days, streams=streams)  # fmt: skip


def alarm_days(
    shape: StreamShape, plan: MonitorPlan, count: int, seed: int = 1, *, protected: bool = True
) -> np.ndarray:
    """Return the first day on which any stream rang in each of `count` draws, or -1.

    Args:
        shape: What is drawn.
        plan: By which it is watched.
        count: How many streams.
        seed: Of the draws.
        protected: One row a patient, and the same wait for every outcome.
    """
    chance, first = np.random.default_rng(seed), []
    for _ in range(count):
        rows = draw_rows(chance, shape)
        keep, on = None, None
        if shape.repeats > 1 and protected:
            keep = np.zeros(len(rows.day), bool)
            keep[np.unique(rows.patient, return_index=True)[1]] = True
        if shape.late_days:
            on = rows.day + shape.late_days if protected else rows.known_on
        cells = cells_of_rows(rows, shape, keep=keep, on=on)
        alarms = monitor_result_of_daily_cells(cells, plan).alarm_at
        first.append(int(alarms[alarms >= 0].min(initial=10**9)) if (alarms >= 0).any() else -1)
    return np.array(first)


def cusum_that_knows(rows: DrawnRows, change: tuple[float, float], band: float, mean=-1.5):
    """Return the CUSUM of the change itself against the edge of the band, after each row.

    Source: Page (1954), Biometrika 41, 100.
    """
    x, q = rows.logit, mean + change[0] + change[1] * (rows.logit - mean)
    p = np.clip(q, x - band, x + band)
    with_event = np.logaddexp(0, -p) - np.logaddexp(0, -q)
    without = np.logaddexp(0, p) - np.logaddexp(0, q)
    total = np.cumsum(np.where(rows.label == 1, with_event, without))
    return total - np.minimum.accumulate(np.concatenate([[0.0], total]))[1:]


def first_day_over(statistic, limit: float, rows: DrawnRows, begin: int) -> int:
    """Return after how many days from `begin` a statistic stood at its limit at a day's end."""
    after = np.flatnonzero((statistic >= limit) & (rows.day >= begin))
    return int(rows.day[after[0]]) - begin + 1 if len(after) else int(rows.day[-1])
