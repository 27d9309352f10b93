"""What each figure of a study is a figure of: its scale, its period and its basis.

A figure of 496 GPUs in ten days and one of 19,840 GPUs over ten years stood in one table, and
a footnote said so. The extent is therefore part of a figure as its unit is: it is read here
from the tables of the run, stands in the manifest, and is shown with the figure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

import polars as pl

from commonwatt.core.messages import Message
from commonwatt.siting.domain.cells import PRICE_YEAR
from commonwatt.study.formulas.declared import FORMULAS
from commonwatt.study.formulas.evaluate import FormulaUse

Tables = Mapping[str, pl.DataFrame]
DAY_S: Final = 86_400


class FigureExtent(StrEnum):
    """How much a figure is of, and of which time."""

    SLICE_WINDOW = "slice-window"
    SLICE_MAKESPAN = "slice-makespan"
    SLICE_WEEK = "slice-week"
    GPU_HOUR = "gpu-hour"
    PROGRAMME_BUILDING = "programme-building"
    PROGRAMME_YEARLY = "programme-yearly"
    PROGRAMME_LAST_YEAR = "programme-last-year"


class FigureBasis(StrEnum):
    """How the figure was come by, where two of one name would differ."""

    SIMULATED = "simulated"
    MEDIAN_INPUTS = "median-inputs"
    DRAWS = "draws"
    PLANNED = "planned"
    PATHS = "paths"
    LEAST_COST = "least-cost"


BASIS_TEXT: Final[Mapping[FigureBasis, Message]] = {
    FigureBasis.SIMULATED: Message("simulated"),
    FigureBasis.MEDIAN_INPUTS: Message("every input at its median"),
    FigureBasis.DRAWS: Message("over draws of the inputs"),
    FigureBasis.PLANNED: Message("planned path"),
    FigureBasis.PATHS: Message("over the stochastic paths"),
    FigureBasis.LEAST_COST: Message("least-cost plan"),
}
EXTENT_TEXT: Final[Mapping[FigureExtent, Message]] = {
    FigureExtent.SLICE_WINDOW: Message("Slice of {gpus} GPUs, {days} days of arrivals"),
    FigureExtent.SLICE_MAKESPAN: Message("Slice of {gpus} GPUs, {days} days to the last end"),
    FigureExtent.SLICE_WEEK: Message("Load of the slice's first week"),
    FigureExtent.GPU_HOUR: Message("One GPU-hour at the slice's use, money of {prices}"),
    FigureExtent.PROGRAMME_BUILDING: Message(
        "Whole programme of {whole} GPUs, once, money of {prices}"
    ),
    FigureExtent.PROGRAMME_YEARLY: Message(
        "Whole programme of {whole} GPUs, each year, money of {prices}"
    ),
    FigureExtent.PROGRAMME_LAST_YEAR: Message("Whole programme of {whole} GPUs, end of {year}"),
}
Face = tuple[FigureExtent, FigureBasis]

# By the last part of a figure's name: the programme and its alternatives have the same figures.
_WINDOW: Final[Face] = (FigureExtent.SLICE_WINDOW, FigureBasis.SIMULATED)
_TO_THE_END: Final[Face] = (FigureExtent.SLICE_MAKESPAN, FigureBasis.SIMULATED)
_WEEK: Final[Face] = (FigureExtent.SLICE_WEEK, FigureBasis.LEAST_COST)
_OF_DRAWS: Final[Face] = (FigureExtent.GPU_HOUR, FigureBasis.DRAWS)
_BUILDING: Final[Face] = (FigureExtent.PROGRAMME_BUILDING, FigureBasis.MEDIAN_INPUTS)
_LAST_PLANNED: Final[Face] = (FigureExtent.PROGRAMME_LAST_YEAR, FigureBasis.PLANNED)
_LAST_DRAWN: Final[Face] = (FigureExtent.PROGRAMME_LAST_YEAR, FigureBasis.PATHS)
_SIDES: Final = ("gross_debt_effect", "reserves_effect", "net_debt_effect")
_FACES: Final[Mapping[str, Face]] = {
    **dict.fromkeys(("jobs", "gpus", "utilisation_share", "fragmented_gpu_share"), _WINDOW),
    **dict.fromkeys(("mean_queue_delay_s", "p95_queue_delay_s", "mean_queue_delay_h"), _WINDOW),
    **dict.fromkeys(("kwh_per_gpu_hour", "carbon_g_per_gpu_hour"), _WINDOW),
    **dict.fromkeys(("makespan_utilisation_share", "mean_rtt_ms"), _TO_THE_END),
    **dict.fromkeys(("energy_kwh", "energy_cost_usd", "carbon_kg"), _TO_THE_END),
    **dict.fromkeys(("cost_usd", "carbon_t", "gap_share"), _WEEK),
    **dict.fromkeys(("usd_per_gpu_hour", "cheaper_share"), _OF_DRAWS),
    **dict.fromkeys(("cost_p5_usd_per_gpu_hour", "cost_p95_usd_per_gpu_hour"), _OF_DRAWS),
    "cost_usd_per_gpu_hour": (FigureExtent.GPU_HOUR, FigureBasis.MEDIAN_INPUTS),
    **dict.fromkeys(("capital_bn", "capital_usd_mn", "borrowing_bn"), _BUILDING),
    "running_usd_mn_a_year": (FigureExtent.PROGRAMME_YEARLY, FigureBasis.MEDIAN_INPUTS),
    **dict.fromkeys(("debt_with_gdp_share", "debt_without_gdp_share"), _LAST_PLANNED),
    **dict.fromkeys(("debt_gdp_share", "debt_running_borrowed_gdp_share"), _LAST_PLANNED),
    **dict.fromkeys(("fan_with_gdp_share", "fan_without_gdp_share"), _LAST_DRAWN),
    "ceiling_probability": _LAST_DRAWN,
    **{f"{side}_{unit}": _LAST_PLANNED for side in _SIDES for unit in ("bn", "gdp_share")},
    **{f"{side}_{level}_gdp_share": _LAST_DRAWN for side in _SIDES for level in ("p5", "p95")},
}
# Of every formula, when the module is loaded: one without would be noticed on a reader's page.
FACES: Final[Mapping[str, Face]] = {
    name: _FACES[name.rsplit(".", maxsplit=1)[1]] for name in FORMULAS
}


def study_figure_scale_and_period_message(use: FormulaUse, tables: Tables) -> Message:
    """Return scale and period of a figure, read from the tables of its run."""
    extent, _ = FACES[use.formula.name]
    run, variant = use.bound["run"], use.bound.get("variant", "programme")
    values: dict[str, Callable[[], str]] = {
        "gpus": lambda: (
            f"{_study_gpu_count_of_run_or_site(tables, run, use.bound.get('site')):,.0f}"
        ),
        "days": lambda: study_day_count_text(_days(tables, run, extent)),
        "whole": lambda: (
            f"{_study_gpu_count_at_programme_scale(tables, variant, use.bound.get('site')):,.0f}"
        ),
        "year": lambda: str(tables["basis_accounts"].sort("year")["fiscal_year"][-1]),
        "prices": lambda: str(PRICE_YEAR),
    }
    text = EXTENT_TEXT[extent].text
    # Only what the text names: a programme without funding has no last year.
    return Message(text, {key: make() for key, make in values.items() if f"{{{key}}}" in text})


def study_figure_basis_message(use: FormulaUse) -> Message:
    """Return how a figure was come by."""
    return BASIS_TEXT[FACES[use.formula.name][1]]


def study_figure_extent_and_basis_text(use: FormulaUse, tables: Tables, language: str) -> str:
    """Return scale, period and basis of a figure, as they stand beside its value."""
    extent = study_figure_scale_and_period_message(use, tables).translate(language)
    return f"{extent}; {study_figure_basis_message(use).translate(language)}"


def study_day_count_text(days: float) -> str:
    """Return a number of days; of a few, the tenth as well.

    >>> study_day_count_text(10.3), study_day_count_text(0.41)
    ('10', '0.4')
    """
    return f"{days:.0f}" if days >= 9.5 else f"{days:.1f}"


def study_gpu_count_or_range_text(counts: Sequence[float]) -> str:
    """Return a count of GPUs, or its range where alternatives differ.

    >>> study_gpu_count_or_range_text([496, 496]), study_gpu_count_or_range_text([64, 1024])
    ('496', '64 – 1,024')
    """
    low, high = min(counts), max(counts)
    return f"{low:,.0f}" if low == high else f"{low:,.0f} – {high:,.0f}"


def _study_gpu_count_of_run_or_site(tables: Tables, run: str, site: str | None) -> float:
    nodes = tables["basis_nodes"].filter(run=run)
    return _number((nodes if site is None else nodes.filter(site=site))["gpus"].sum())


def _study_gpu_count_at_programme_scale(tables: Tables, variant: str, site: str | None) -> float:
    costs = tables["basis_costs"].filter(variant=variant)
    rows = costs if site is None else costs.filter(site=site)
    return _number((rows["gpus"] * rows["scale"]).sum())


def _days(tables: Tables, run: str, extent: FigureExtent) -> float:
    jobs = tables["basis_jobs"].filter(run=run)
    last = jobs["submit_s"].max()
    if extent is FigureExtent.SLICE_MAKESPAN:
        last = max(_number(last), _number(jobs["end_s"].max()))
    return (_number(last) - _number(jobs["submit_s"].min())) / DAY_S


def _number(value: Any) -> float:
    # A column without a single value has no largest one.
    return 0.0 if value is None else float(value)
