"""Watch day by day, from sketches: no row leaves a hospital.

Within a day the order of rows does not matter, because ratios multiply. A
score is known only to half a bin, so the band is widened by as much and the
bound holds as it does for rows.

Rows of one day may share a disturbance u ~ N(0, sigma^2) of the logit. Then the
product of a day's ratios has an expectation above one. It is tempered and divided
by the largest expectation that it can have,

    L_d = (prod_i L_i)^lambda / max_{s in {0, sigma}} E_{u ~ N(0, s^2), |u| <= z sigma} prod_i
          E[L_i^lambda | u]

with every row at the edge of the band that favours the alternative. For small
effects lambda = 1 / (1 + I sigma^2), with I the information of the day, makes L_d the
likelihood ratio of the day itself; for any lambda its expectation is at most one. Where
events are seldom and days busy the far tail of u rules the expectation: then lambda is
halved as long as the alternative expects more of it, which hangs on the scores alone.
That no day lies beyond z sigma within twenty years is paid for by the error of the day effects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from commonwatt.clinic.domain.errors import MonitorError
from commonwatt.clinic.engines.evidence.sketch import BINS, STEP, model_score_bin_middle_logits
from commonwatt.clinic.engines.monitor.day_effects import learned_day_effect_sds
from commonwatt.clinic.engines.monitor.plan import MonitorPlan, calibration_test_log_ratios_by_label
from commonwatt.clinic.engines.monitor.rows import (
    NO_ALARM,
    MonitorResult,
    monitor_result_with_stream_verdicts,
)
from commonwatt.core.jit import njit
from commonwatt.core.messages import Message

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
_STEP_SD: Final = 0.5  # of the integral over u; the integrand is no narrower than 0.4 sigma
_HALVINGS: Final = 6
_ENOUGH: Final = 0.7  # of what small effects would give, from which no other power is tried


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyScoreCells:
    """Counts of scores that are not zero, by day, stream, label and bin.

    Ten years of a thousand sites would fill a hundred gigabytes as a full table; as cells they
    take what their rows take.

    Args:
        day: Number of the day, shape (cells,).
        stream: Number of the stream, shape (cells,).
        label: 0 or 1, shape (cells,).
        score_bin: Bin of the score, shape (cells,).
        rows: Rows of the cell, at least 1, shape (cells,).
        days: How many days there are.
        streams: How many streams there are.
    """

    day: I64
    stream: I64
    label: I64
    score_bin: I64
    rows: I64
    days: int
    streams: int

    def in_stream_order(self) -> DailyScoreCells:
        """Return the cells ordered by stream, day, bin and label."""
        order = np.lexsort((self.label, self.score_bin, self.day, self.stream))
        return self._daily_cells_at(np.asarray(order, np.int64))

    def first_days(self, days: int) -> DailyScoreCells:
        """Return the cells of the first `days` days."""
        return self._daily_cells_at(np.flatnonzero(self.day < days))

    def of_stream(self, stream: int) -> DailyScoreCells:
        """Return the cells of one stream."""
        return self._daily_cells_at(np.flatnonzero(self.stream == stream))

    def row_counts_by_label_and_bin(self, first: int, end: int) -> I64:
        """Return rows by label and bin over some days of all cells, shape (2, BINS)."""
        chosen = (self.day >= first) & (self.day < end)
        counts = np.zeros((2, BINS), np.int64)
        np.add.at(counts, (self.label[chosen], self.score_bin[chosen]), self.rows[chosen])
        return counts

    def rows_by_stream_and_label(self, *, informative: bool = False) -> I64:
        """Return rows by stream and label, shape (streams, 2).

        Args:
            informative: Leave out the outermost bins, whose scores are not known.
        """
        inside = (self.score_bin > 0) & (self.score_bin < BINS - 1)
        rows = np.where(inside, self.rows, 0) if informative else self.rows
        counts = np.bincount(self.stream * 2 + self.label, weights=rows, minlength=self.streams * 2)
        return counts.reshape(self.streams, 2).astype(np.int64)

    def _daily_cells_at(self, index: I64) -> DailyScoreCells:
        return DailyScoreCells(
            day=self.day[index], stream=self.stream[index], label=self.label[index],
            score_bin=self.score_bin[index], rows=self.rows[index], days=self.days,
            streams=self.streams,
        )  # fmt: skip


def monitor_result_of_daily_counts(counts: npt.ArrayLike, plan: MonitorPlan) -> MonitorResult:
    """Return what a monitor over daily sketches says.

        M_0 = r,   M_d = (M_{d−1} + n_d) · L_d,   E M_d ≤ r + rows up to d

    Args:
        counts: Rows by day, stream, label and bin, shape (days, streams, 2, BINS).
        plan: What was agreed; the horizon is in rows.

    Raises:
        MonitorError: The counts are not of this shape.
    """
    n = np.asarray(counts)
    if n.ndim != 4 or n.shape[2:] != (2, BINS):
        raise MonitorError("sketch", wanted=Message("counts by day, stream, label and bin"))
    day, stream, label, score_bin = (axis.astype(np.int64) for axis in np.nonzero(n))
    cells = DailyScoreCells(
        day=day, stream=stream, label=label, score_bin=score_bin,
        rows=n[day, stream, label, score_bin].astype(np.int64), days=n.shape[0],
        streams=n.shape[1],
    )  # fmt: skip
    return monitor_result_of_daily_cells(cells, plan)


def monitor_result_of_daily_cells(
    cells: DailyScoreCells, plan: MonitorPlan, *, streams: int | None = None
) -> MonitorResult:
    """Return what a monitor over cells of daily sketches says.

    Args:
        cells: The counts; stream 0 holds every row, and the day effects are learned from it.
        plan: What was agreed; the horizon is in rows.
        streams: How many streams share the error, where the plan has more than the cells.
    """
    ordered = cells.in_stream_order()
    # Within a day the product of ratios is a product whatever the order, so a day's counts are
    # enough, and no row has to leave a hospital.
    without_event, with_event = calibration_test_log_ratios_by_label(
        model_score_bin_middle_logits(), plan, slack=STEP / 2
    )
    without_event[:, [0, -1]] = with_event[:, [0, -1]] = (
        0.0  # the outermost bins have no width that is known
    )
    limit = float(np.log(plan.monitor_alarm_limit(streams or cells.streams)))
    sds = learned_day_effect_sds(*day_squares_and_variances(cells, plan.band), plan)
    alarm, peak = _monitor_alarms_and_peaks(ordered, without_event, with_event, sds, limit, plan)
    return monitor_result_with_stream_verdicts(
        alarm,
        peak,
        cells.rows_by_stream_and_label(),
        plan,
        informative=cells.rows_by_stream_and_label(informative=True),
        day_effect_sd=float(sds[-1]) if len(sds) else plan.day_effect_sd,
    )


def day_squares_and_variances(cells: DailyScoreCells, band: float) -> tuple[F64, F64]:
    """Return what the stream of all rows shows of day effects, both of shape (days,).

    The square of each day's sum of label less chance, and the least that its variance can be
    within the band.
    """
    first = cells.of_stream(0)
    x = model_score_bin_middle_logits()[first.score_bin]
    inside = (first.score_bin > 0) & (first.score_bin < BINS - 1)
    rows = np.where(inside, first.rows, 0)
    chance = 1 / (1 + np.exp(-x))
    edges = np.stack([x - band, x + band])
    least = (1 / (2 + np.exp(edges) + np.exp(-edges))).min(axis=0)
    excess: F64 = np.zeros(cells.days)
    variance: F64 = np.zeros(cells.days)
    np.add.at(excess, first.day, rows * (first.label - chance))
    np.add.at(variance, first.day, rows * least)
    return excess**2, variance


def _monitor_alarms_and_peaks(
    cells: DailyScoreCells,
    without_event: F64,
    with_event: F64,
    sds: F64,
    limit: float,
    plan: MonitorPlan,
) -> tuple[I64, F64]:
    """Return the day of each stream's alarm and its largest statistic over the limit."""
    nodes, log_weights = _day_effect_nodes_and_log_weights(plan)
    with np.errstate(divide="ignore"):
        shares = np.log(np.array([weight for _, _, weight in plan.alternatives]))
        head = float(np.log(np.float64(plan.head_start_statistic_rows)))
    alarm = np.full(cells.streams, NO_ALARM, np.int64)
    # On a day without rows the statistic stands where it began.
    begun = np.isin(np.arange(cells.streams), cells.stream[cells.day == 0])
    peak = np.where(begun | (cells.days == 0), -np.inf, head)
    logits = model_score_bin_middle_logits()
    _daily_alarm_kernel(
        cells.stream, cells.day, cells.label, cells.score_bin, cells.rows.astype(np.float64),
        without_event, with_event, shares, sds, 1 / (2 + np.exp(logits) + np.exp(-logits)),
        np.exp(_band_edges_that_favour(logits, plan)), _chances_of_alternatives(logits, plan),
        nodes, log_weights,
        limit, head, alarm, peak,
    )  # fmt: skip
    return alarm, np.exp(np.minimum(peak - limit, 700.0))


def _day_effect_nodes_and_log_weights(plan: MonitorPlan) -> tuple[F64, F64]:
    """Return nodes of u over sigma up to the cut, and the logarithms of their weights."""
    cut = plan.day_effect_range_in_standard_deviations
    count = int(np.ceil(cut / _STEP_SD))
    nodes = np.linspace(-cut, cut, 2 * count + 1)
    density = -0.5 * nodes**2
    # Summed to one: what lies beyond the cut is paid for elsewhere, and to leave it in is safe.
    return nodes, density - float(np.logaddexp.reduce(density))


def _alternative_logits(logits: F64, plan: MonitorPlan) -> F64:
    shift = np.array([a for a, _, _ in plan.alternatives])[:, None]
    slope = np.array([b for _, b, _ in plan.alternatives])[:, None]
    return np.asarray(plan.middle + shift + slope * (logits - plan.middle), np.float64)


def _chances_of_alternatives(logits: F64, plan: MonitorPlan) -> F64:
    """Return the chance of the event under each alternative, shape (alternatives, BINS)."""
    return np.asarray(1 / (1 + np.exp(-_alternative_logits(logits, plan))), np.float64)


def _band_edges_that_favour(logits: F64, plan: MonitorPlan) -> F64:
    """Return the logit in the band nearest to each alternative, shape (alternatives, BINS)."""
    width = plan.band + STEP / 2
    q = _alternative_logits(logits, plan)
    return np.asarray(np.where(q > logits, logits + width, logits - width), np.float64)


@njit(cache=True)
def _daily_alarm_kernel(
    stream: I64,
    day: I64,
    label: I64,
    score_bin: I64,
    rows: F64,
    without_event: F64,
    with_event: F64,
    shares: F64,
    sds: F64,
    information: F64,
    edge_odds: F64,
    expected: F64,
    nodes: F64,
    log_weights: F64,
    limit: float,
    head: float,
    alarm: I64,
    peak: F64,
) -> None:
    state = np.empty(len(shares))
    bins = np.empty(len(rows), np.int64)
    totals = np.empty(len(rows))
    room = np.empty((2, len(rows)))
    current, begin = -1, 0
    while begin < len(rows):
        end = begin
        while end < len(rows) and stream[end] == stream[begin] and day[end] == day[begin]:
            end += 1
        g, sd = stream[begin], float(sds[day[begin]])
        if g != current:
            current = g
            state[:] = head
        if alarm[g] < 0:
            used = _write_informative_bins_and_count(
                score_bin, rows, begin, end, len(information), bins, totals
            )
            known = 0.0
            for k in range(used):
                known += totals[k] * information[bins[k]]
            power = 1.0 / (1.0 + known * sd * sd)
            count = np.log(rows[begin:end].sum())
            for j in range(len(shares)):
                gain = 0.0
                for i in range(begin, end):
                    ratios = with_event if label[i] == 1 else without_event
                    gain += rows[i] * ratios[j, score_bin[i]]
                if sd > 0.0:
                    gain = _tempered_log_ratio_of_day(
                        gain, power, sd, bins[:used], totals[:used], without_event[j],
                        with_event[j], edge_odds[j], expected[j], nodes, log_weights, room,
                    )  # fmt: skip
                state[j] = _log_sum_of_two_exponentials(state[j], count) + gain
            reached = -np.inf
            for j in range(len(shares)):
                reached = _log_sum_of_two_exponentials(reached, state[j] + shares[j])
            peak[g] = max(peak[g], reached)
            if reached >= limit:
                alarm[g] = day[begin]
        begin = end


@njit(cache=True)
def _log_sum_of_two_exponentials(a: float, b: float) -> float:
    """Return log(exp a + exp b)."""
    # In logarithms: the ratio of one busy day alone can lie below or above what a double can hold.
    top = max(a, b)
    if top == -np.inf:
        return top
    return top + np.log(np.exp(a - top) + np.exp(b - top))


@njit(cache=True)
def _write_informative_bins_and_count(
    score_bin: I64, rows: F64, begin: int, end: int, bin_count: int, bins: I64, totals: F64
) -> int:
    """Write the bins of a day that tell something, and their rows, and return how many they are."""
    used = 0
    for i in range(begin, end):
        b = score_bin[i]
        if b == 0 or b == bin_count - 1:
            continue
        if used > 0 and bins[used - 1] == b:
            totals[used - 1] += rows[i]
        else:
            bins[used], totals[used] = b, rows[i]
            used += 1
    return used


@njit(cache=True)
def _tempered_log_ratio_of_day(
    gain: float,
    power: float,
    sd: float,
    bins: I64,
    totals: F64,
    without_event: F64,
    with_event: F64,
    edge_odds: F64,
    expected: F64,
    nodes: F64,
    log_weights: F64,
    room: F64,
) -> float:
    """Return the logarithm of a day's ratio that allows for a day effect of `sd`."""
    hoped = 0.0
    for k in range(len(bins)):
        b = bins[k]
        hoped += totals[k] * (expected[b] * with_event[b] + (1.0 - expected[b]) * without_event[b])
    ideal, best, chosen = power * hoped, 0.0, 0.0
    for _ in range(_HALVINGS):
        for k in range(len(bins)):
            room[0, k] = np.exp(power * without_event[bins[k]])
            room[1, k] = np.exp(power * with_event[bins[k]])
        largest = _largest_log_expectation(
            bins, totals, room[0], room[1], edge_odds, sd, nodes, log_weights
        )
        if power * hoped - largest > best:
            best, chosen = power * hoped - largest, power * gain - largest
        elif best > 0.0:
            break
        if best >= _ENOUGH * ideal:
            break
        power *= 0.5
    # Where no power is worth it the day says nothing of this alternative, which is always safe.
    return chosen


@njit(cache=True)
def _largest_log_expectation(
    bins: I64,
    totals: F64,
    low: F64,
    high: F64,
    edge_odds: F64,
    sd: float,
    nodes: F64,
    log_weights: F64,
) -> float:
    """Return the larger of log E prod E[L^lambda | u] for no day effect and for sd."""
    still, total = 0.0, -np.inf
    for n in range(len(nodes)):
        shifted, g = np.exp(sd * nodes[n]), 0.0
        for k in range(len(bins)):
            odds = edge_odds[bins[k]] * shifted
            g += totals[k] * np.log(low[k] + odds / (1.0 + odds) * (high[k] - low[k]))
        if n == len(nodes) // 2:
            still = g
        total = _log_sum_of_two_exponentials(total, log_weights[n] + g)
    return max(still, total)
