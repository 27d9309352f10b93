"""The basis of a whole study: what its stages wrote, once for each simulated run, and by whom."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from commonwatt.runs import StageResult
from commonwatt.study.alternatives import Comparison
from commonwatt.study.result import BaseCase, StudyResult
from commonwatt.study.stages.basis import study_basis_with_run_column
from commonwatt.study.tables import BASIS, BASIS_EFFECTS, BASIS_RUNS, FLEET_BASIS, PROGRAMME

_FLEET_TABLES = tuple(table.name for table in FLEET_BASIS)


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyBasis:
    """The tables that figures are evaluated over.

    Args:
        tables: By name, as they are written.
        stages: The stages behind each of these tables, each stage once.
    """

    tables: Mapping[str, pl.DataFrame]
    stages: Mapping[str, tuple[StageResult, ...]]


def study_basis_tables_and_stages(result: StudyResult, compared: Comparison | None) -> StudyBasis:
    """Return the basis of a study and of its alternatives."""
    frames: dict[str, list[pl.DataFrame]] = defaultdict(list)
    stages: dict[str, dict[str, StageResult]] = defaultdict(dict)

    def add_study_basis_frame_and_stages(name: str, frame: pl.DataFrame, *by: StageResult) -> None:
        frames[name].append(frame)
        stages[name] |= {stage.key: stage for stage in by}

    runs: dict[str, str] = {}
    for variant, base in _variant_names_with_base_cases(result, compared):
        # A change of price moves no job, so variants often share one fleet run; written once it
        # cannot differ from itself.
        run = runs.setdefault(base.fleet.key, variant)
        add_study_basis_frame_and_stages(
            BASIS_RUNS.name, BASIS_RUNS.build_frame(variant=[variant], run=[run]), base.fleet
        )
        if run == variant:
            own = {name: base.fleet.tables[name] for name in _FLEET_TABLES}
            for name, frame in study_basis_with_run_column(own, run).items():
                add_study_basis_frame_and_stages(name, frame, base.fleet)
        if base.variant_stage is not None:
            for name, frame in base.variant_stage.tables.items():
                add_study_basis_frame_and_stages(name, frame, base.variant_stage)
        if base.effect_stage is not None:
            drawn = base.effect_stage.tables[BASIS_EFFECTS.name]
            add_study_basis_frame_and_stages(
                BASIS_EFFECTS.name,
                drawn.with_columns(variant=pl.lit(variant)),
                base.effect_stage,
            )
    for alternative in compared.alternatives if compared else []:
        for name, frame in alternative.cost_stage.tables.items():
            of_variant = frame.with_columns(variant=pl.lit(alternative.name))
            add_study_basis_frame_and_stages(name, of_variant, alternative.cost_stage)
    for stage in (result.cost, result.placement, result.funding):
        if stage is not None:
            for name, frame in stage.tables.items():
                add_study_basis_frame_and_stages(name, frame, stage)
    # In the order of the declarations, which is the order that the run lists them in.
    return StudyBasis(
        tables={name: pl.concat(frames[name]) for name in BASIS if frames[name]},
        stages={name: tuple(stage_by_key.values()) for name, stage_by_key in stages.items()},
    )


def _variant_names_with_base_cases(
    result: StudyResult, compared: Comparison | None
) -> Iterator[tuple[str, BaseCase]]:
    yield PROGRAMME, result.base_case
    for alternative in compared.alternatives if compared else []:
        yield alternative.name, alternative.base_case
