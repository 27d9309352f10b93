"""Which figure each key of a study's headline is, and of what extent it speaks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import commonwatt.catalogue.shared as shared
import commonwatt.fleet.domain.measures as fleet
import commonwatt.siting.domain.measures as siting
import commonwatt.study.measures as study
from commonwatt.catalogue.measures import Measure
from commonwatt.core.messages import Message

if TYPE_CHECKING:
    from commonwatt.runs import Run
    from commonwatt.web.request_context import RequestContext

BEYOND_RULES: Final = Message("GPU-hours beyond a rule")

_MEASURES: Final[Mapping[str, Measure]] = {
    "jobs": fleet.JOBS_SUBMITTED,
    "jobs_finished": fleet.JOBS_FINISHED,
    "gpus": shared.GPUS,
    "utilisation_share": shared.UTILISATION,
    "makespan_utilisation_share": fleet.UTILISATION_MAKESPAN,
    "mean_queue_delay_s": shared.QUEUE_DELAY_MEAN,
    "p95_queue_delay_s": fleet.QUEUE_DELAY_P95,
    "energy_kwh": shared.ENERGY,
    "energy_cost_usd": shared.POWER_BILL,
    "carbon_kg": shared.CARBON,
    "mean_rtt_ms": study.ROUND_TRIP,
    "cost_usd_per_gpu_hour": shared.GPU_HOUR_COST_P50,
    "placement_cost_usd": siting.PLACEMENT_COST,
    "placement_gap": siting.PLACEMENT_GAP,
    "debt_with_gdp_share": study.DEBT_GDP_WITH,
    "debt_without_gdp_share": study.DEBT_GDP_WITHOUT,
    "alternative_cheapest": study.ALTERNATIVE,
    "alternative_cheaper_share": study.CHEAPEST_CHEAPER,
    "alternative_cost_usd_per_gpu_hour": shared.GPU_HOUR_COST,
}
_WHOLE: Final = frozenset({"capital", "debt_with_gdp_share", "debt_without_gdp_share"})
_BY_HOUR: Final = frozenset({"cost_usd_per_gpu_hour", "alternative_cost_usd_per_gpu_hour"})
_PLACED: Final = frozenset({"placement_cost_usd", "placement_gap"})


@dataclass(frozen=True, slots=True)
class HeadlineFigure:
    """One figure of a headline.

    Args:
        key: Its key; the part after a full stop names a site or an alternative.
        measure: What the catalogue says of it; None for a key that no catalogue holds.
        value: The figure.
        currency: The country's own money, where the figure is in it.
    """

    key: str
    measure: Measure | None
    value: Any
    currency: str = ""

    @property
    def subject(self) -> str:
        """Whose figure it is: a site or an alternative; empty for the whole fleet."""
        return self.key.partition(".")[2]


def page_headline_figures_of_run(headline: Mapping[str, Any]) -> Iterator[HeadlineFigure]:
    """Yield every figure of a headline, those by site or alternative one by one."""
    for key, value in headline.items():
        measure, currency = _headline_measure_and_currency(key)
        if isinstance(value, Mapping):
            parts = cast("Mapping[str, Any]", value)
            yield from (HeadlineFigure(f"{key}.{part}", measure, parts[part]) for part in parts)
        else:
            yield HeadlineFigure(key, measure, value, currency)


def _headline_measure_and_currency(key: str) -> tuple[Measure | None, str]:
    if key.startswith("capital_") and key.endswith("_bn"):
        # The currency stands in the key, as no other key of the headline names it.
        return study.BORROWING, key.removeprefix("capital_").removesuffix("_bn").upper()
    return _MEASURES.get(key), ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyExtent:
    """Of how many GPUs and how long a study's figures speak.

    Args:
        slice_gpus: GPUs that were simulated.
        arrival_days: From the first to the last arrival of the trace [d].
        makespan_days: From the first arrival to the last end [d].
        programme_gpus: GPUs of the whole programme; None where nobody borrows for it.
        first_year: First year of the debt path; empty where there is none.
        last_year: Its last year.
    """

    slice_gpus: int
    arrival_days: float
    makespan_days: float
    programme_gpus: float | None = None
    first_year: str = ""
    last_year: str = ""

    @property
    def use_extent_note(self) -> Message:
        """The extent of use and waits: the slice, while jobs arrived."""
        return self._slice_and_days_extent_note(self.arrival_days)

    @property
    def energy_extent_note(self) -> Message:
        """The extent of energy, bill and carbon: the slice, until the last job ended."""
        return self._slice_and_days_extent_note(self.makespan_days)

    @property
    def gpu_hour_cost_extent_note(self) -> Message:
        """The extent of a levelised cost: one GPU-hour, over the life of the machines."""
        return Message("each GPU-hour, over the life of the machines")

    @property
    def capital_extent_note(self) -> Message:
        """The extent of capital: every GPU that the programme builds."""
        values = {"gpus": f"{self.programme_gpus or 0:,.0f}"}
        return Message("whole programme, {gpus} GPUs, all building years", values)

    @property
    def debt_extent_note(self) -> Message:
        """The extent of debt: the whole government with the whole programme."""
        values = {"gpus": f"{self.programme_gpus or 0:,.0f}", "year": self.last_year}
        return Message("whole government with the whole programme, {gpus} GPUs, end of {year}",
                       values)  # fmt: skip

    @property
    def debt_without_note(self) -> Message:
        """The extent of the debt that stands without the programme: the whole government."""
        return Message("whole government without the programme, end of {year}",
                       {"year": self.last_year})  # fmt: skip

    def extent_note_of_headline_key(self, key: str) -> Message:
        """Return the extent of the headline's figure under `key`."""
        name = key.partition(".")[0]
        if name in _BY_HOUR:
            return self.gpu_hour_cost_extent_note
        if name.startswith("capital_"):
            return self.capital_extent_note
        if name in _WHOLE:
            return (
                self.debt_without_note
                if name == "debt_without_gdp_share"
                else self.debt_extent_note
            )
        if name in _PLACED:
            return self.placement_extent_note
        if name in {"alternative_cheapest", "alternative_cheaper_share"}:
            return Message("whole comparison, over the life of the machines")
        at_end = {"energy_kwh", "energy_cost_usd", "carbon_kg", "makespan_utilisation_share"}
        return self.energy_extent_note if name in at_end else self.use_extent_note

    @property
    def use_and_debt_extent_note(self) -> Message:
        """The extent of a table that sets the slice's use beside the whole programme's debt."""
        values = {
            "gpus": f"{self.slice_gpus:,}",
            "days": f"{self.arrival_days:.1f}",
            "all": f"{self.programme_gpus or 0:,.0f}",
        }
        return Message(
            "Cost: each GPU-hour, over the life of the machines. Use, waits and carbon: {gpus} "
            "GPUs, {days} days. Borrowing and debt: the whole programme, {all} GPUs.",
            values,
        )

    @property
    def placement_extent_note(self) -> Message:
        """The extent of a placement: the slice, in the first week that is planned."""
        values = {"gpus": f"{self.slice_gpus:,}"}
        if self._is_slice_of_programme:
            return Message("slice of {gpus} GPUs, its first week", values)
        return Message("all {gpus} GPUs, the first week", values)

    @property
    def _is_slice_of_programme(self) -> bool:
        # Without a funding part the file says nothing of a larger programme: what was simulated is
        # all there is.
        return self.programme_gpus is not None and round(self.programme_gpus) > self.slice_gpus

    def _slice_and_days_extent_note(self, days: float) -> Message:
        values = {"gpus": f"{self.slice_gpus:,}", "days": f"{days:.1f}"}
        if self._is_slice_of_programme:
            return Message("slice of {gpus} GPUs, {days} days", values)
        return Message("all {gpus} GPUs, {days} days", values)


def study_extent(context: RequestContext, run: Run) -> StudyExtent:
    """Return the extent of a study's figures, read from its own tables."""
    runs = context.services.runs
    # Reductions of two large tables; a sealed run never changes, so they are made once.
    arrival_s, end_s = context.services.cache.cached_text(
        f"run/{run.run_id}/extent", lambda: _arrival_span_and_makespan_s_text(context, run)
    ).split()
    sized = runs.has(run, "funding_capital")
    sizes: list[float] = runs.frame(run, "funding_capital")["gpus"].to_list() if sized else []
    years = (
        runs.frame(run, "funding_years")["fiscal_year"].to_list()
        if runs.has(run, "funding_years")
        else []
    )
    return StudyExtent(
        slice_gpus=run.headline["gpus"],
        arrival_days=float(arrival_s) / 86_400,
        makespan_days=float(end_s) / 86_400,
        programme_gpus=sum(sizes) or None,
        first_year=str(years[0]) if years else "",
        last_year=str(years[-1]) if years else "",
    )


def _arrival_span_and_makespan_s_text(context: RequestContext, run: Run) -> str:
    jobs = context.services.runs.frame(run, "fleet_jobs", "submit_s", "end_s")
    first = float(jobs["submit_s"].min() or 0.0)  # pyright: ignore[reportArgumentType]
    last = float(jobs["submit_s"].max() or 0.0)  # pyright: ignore[reportArgumentType]
    end = float(jobs["end_s"].max() or 0.0)  # pyright: ignore[reportArgumentType]
    return f"{last - first} {end - first}"
