"""The basis of a whole study: what its stages wrote, once for each simulated run, and by whom."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from commonwatt.runs import StageResult
from commonwatt.study.alternatives import Comparison
from commonwatt.study.result import BaseCase, StudyResult
from commonwatt.study.stages.basis import accounts_basis, cost_basis, terms_basis, with_run
from commonwatt.study.stages.funding import need_of, with_running
from commonwatt.study.tables import (
    BASIS,
    BASIS_ACCOUNTS,
    BASIS_COSTS,
    BASIS_INPUTS,
    BASIS_RUNS,
    BASIS_TERMS,
    FLEET_BASIS,
    PROGRAMME,
)
from commonwatt.treasury.engines.projection import project
from commonwatt.treasury.usecases.countries import open_country

WITH, RUNNING = "with", "running"
_FLEET_TABLES = frozenset(table.name for table in FLEET_BASIS)


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyBasis:
    """The tables that figures are evaluated over.

    Args:
        tables: By name, as they are written.
        stages: The stages behind each of these tables, each stage once.
    """

    tables: Mapping[str, pl.DataFrame]
    stages: Mapping[str, tuple[StageResult, ...]]


def basis_of(result: StudyResult, compared: Comparison | None) -> StudyBasis:
    """Return the basis of a study and of its alternatives."""
    frames: dict[str, list[pl.DataFrame]] = defaultdict(list)
    stages: dict[str, dict[str, StageResult]] = defaultdict(dict)

    def add(name: str, frame: pl.DataFrame, *by: StageResult) -> None:
        frames[name].append(frame)
        stages[name] |= {stage.key: stage for stage in by}

    runs: dict[str, str] = {}
    for variant, base in _variants(result, compared):
        run = runs.setdefault(base.fleet.key, variant)
        add(BASIS_RUNS.name, BASIS_RUNS.frame(variant=[variant], run=[run]), base.fleet)
        if run == variant:
            own = {n: t for n, t in base.fleet.tables.items() if n in _FLEET_TABLES}
            for name, frame in with_run(own, run).items():
                add(name, frame, base.fleet)
        for name, frame in _costs(variant, base).items():
            add(name, frame, base.fleet)
        for name, frame in _accounts(variant, base):
            add(name, frame, base.fleet)
    for stage in (result.cost, result.placement, result.funding):
        for name, frame in (stage.tables if stage is not None else {}).items():
            assert stage is not None
            add(name, frame, stage)
    # In the order of the declarations, which is the order that the run lists them in.
    return StudyBasis(
        tables={name: pl.concat(frames[name]) for name in BASIS if frames[name]},
        stages={name: tuple(found.values()) for name, found in stages.items()},
    )


def _variants(result: StudyResult, compared: Comparison | None) -> Iterator[tuple[str, BaseCase]]:
    yield PROGRAMME, result.base_case
    for one in compared.alternatives if compared else []:
        yield one.name, one.base_case


def _costs(variant: str, base: BaseCase) -> dict[str, pl.DataFrame]:
    if base.sites is None:
        return {}
    funding = base.programme.file.funding
    tables = cost_basis(variant, base.sites, funding.scale if funding else 1.0)
    return {name: tables[name] for name in (BASIS_COSTS.name, BASIS_INPUTS.name)}


def _accounts(variant: str, base: BaseCase) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield terms and paths of an alternative; those of the programme are its own stage's."""
    part = base.programme.file.funding
    if part is None or variant == PROGRAMME or not base.capital:
        return
    country = open_country(base.programme.country)
    need = need_of(base.capital, part)
    running = with_running(need, base.capital, part)
    for path, borrowed in ((WITH, need), (RUNNING, running)):
        projection = project(country, years=part.years, extra_need=borrowed)
        accounts = accounts_basis(variant, path, projection, borrowed, country.currency)
        yield BASIS_ACCOUNTS.name, accounts
    ceiling = math.inf if country.ceiling is None else country.ceiling
    yield BASIS_TERMS.name, terms_basis(variant, part, ceiling)
