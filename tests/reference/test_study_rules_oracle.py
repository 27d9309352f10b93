"""A rule is a rule in every stage: random programmes beside a judge written by another hand."""

import copy
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from commonwatt.core.errors import InputError
from commonwatt.runs import RunStore, StageStore
from commonwatt.study.alternatives import compute_alternative_base_case
from commonwatt.study.check import study_run_fault_messages
from commonwatt.study.programme.reader import load_programme
from commonwatt.study.result import BaseCase, compute_programme_base_case
from commonwatt.study.usecases import run_study
from tests.programme_oracle import (
    WRITTEN,
    DrawnProgramme,
    Fault,
    Rule,
    Verdict,
    draw_programme,
    faults_of_pieces,
    faults_of_rows,
    judge,
)
from tests.proofs import PROOFS

LEAST_FEASIBLE_SHARE = 0.6
# How the product's sentence names each rule, with the place in the programme or the job.
SENTENCES = {
    Rule.NOTHING_BUILT: r"sites: no site has a node with a GPU{place}",
    Rule.RESIDENCY: r"tenants\.{place}\.sites: found no node at",
    Rule.ROUND_TRIP_MISSING: r"tenants\.{place}\.latency: found the round trip .* is not given",
    Rule.LATENCY: r"tenants\.{place}\.latency: no built site lies within",
    Rule.JOB_RESIDENCY: r"jobs\.csv, job {place}, column sites: ",
    Rule.GPU_TYPE: r"jobs\.csv, job {place}, column gpu_types: ",
    Rule.NODE_SIZE: r"jobs\.csv, job {place}(, column (cpu_milli|memory_mib))?: ",
    Rule.GANG: r"jobs\.csv, job {place}, column gpus: ",
}


def _named(fault: Fault, sentence: str) -> bool:
    pattern = SENTENCES[fault.rule].format(place=re.escape(str(fault.place)))
    return re.search(pattern, sentence) is not None


def _silent(_: object) -> None:
    """Report nothing: ten thousand studies have nobody who reads along."""


def _base_cases(drawn: DrawnProgramme, folder: Path) -> Iterator[tuple[str, BaseCase]]:
    """Yield the programme's run and that of each alternative, as a study computes them."""
    programme, stages = load_programme(drawn.write(folder)), StageStore(folder)
    yield WRITTEN, compute_programme_base_case(programme, stages, _silent)
    for name in programme.file.alternatives:
        yield name, compute_alternative_base_case(programme, name, stages, _silent)


def _check_run_breaks_no_rule(
    drawn: DrawnProgramme, way: str, tables: dict[str, pl.DataFrame], beyond_gpu_h: float
) -> None:
    document = dict(drawn.ways())[way]
    rows = tables["fleet_jobs"].to_dicts()
    assert faults_of_rows(document, drawn.jobs, rows) == []
    nodes, pieces = (tables[name].to_dicts() for name in ("basis_nodes", "basis_pieces"))
    assert faults_of_pieces(document, drawn.jobs, rows, nodes, pieces) == []
    assert beyond_gpu_h == 0


def _check_refusal_names_the_rule(verdicts: list[Verdict], error: InputError) -> None:
    """Check that the first way with a fault is refused for it, by its place, and by all at once.

    Faults of the file come first, of whichever way: all lines are read before any job runs.
    """
    sentence = str(error)
    at_fault = [verdict for verdict in verdicts if verdict.faults]
    assert at_fault, f"refused by no rule: {sentence}"
    first = next((verdict for verdict in at_fault if verdict.of_the_file), at_fault[0])
    named = [fault for fault in first.faults if _named(fault, sentence)]
    assert named, (first, sentence)
    if first.of_the_file:
        assert set(named) == first.of_the_file, sentence
        assert error.where.startswith("drawn.toml")
    if first.way != WRITTEN:
        assert error.where.startswith(f"drawn.toml, alternatives.{first.way}")


@pytest.mark.prove
def test_what_no_site_allows_is_refused_by_its_rule_and_all_else_runs_within_the_rules(tmp_path):
    """The draws of the suite are the first of those of the full proof."""
    seen: Counter[str] = Counter()
    programmes = PROOFS.size(60, 10_000)
    for number in range(programmes):
        drawn = draw_programme(random.Random(number))
        verdicts, folder = judge(drawn), tmp_path / str(number % 100)
        folder.mkdir(exist_ok=True)
        seen.update({fault.rule for verdict in verdicts for fault in verdict.faults})
        try:
            runs = dict(_base_cases(drawn, folder))
        except InputError as error:
            _check_refusal_names_the_rule(verdicts, error)
            continue
        assert not any(verdict.faults for verdict in verdicts), (number, verdicts)
        for way, run in runs.items():
            fleet = run.fleet
            _check_run_breaks_no_rule(
                drawn, way, dict(fleet.tables), fleet.data["gpu_hours_beyond_rules"]
            )
        seen["feasible"] += 1
        seen["alternatives"] += len(runs) - 1
    shown = f"{programmes} programmes: {dict(seen)}"
    sys.stderr.write(f"\n{shown}\n")
    assert seen["feasible"] >= LEAST_FEASIBLE_SHARE * programmes, shown
    assert sum(seen[rule] > 0 for rule in Rule) >= (len(Rule) if PROOFS.full else 6), shown


def _with_costs(drawn: DrawnProgramme) -> DrawnProgramme:
    """Return a programme of which a study computes every stage but the debt."""
    document = copy.deepcopy(drawn.document)
    for site in document["sites"]:
        if "rent" not in site:
            site["cost_cells"] = "hong-kong"
    ways = document.setdefault("alternatives", {"plain": {"label": "As written"}})
    ways.setdefault("again", {"label": "Again"})
    return DrawnProgramme(document, drawn.jobs)


@pytest.mark.prove
def test_a_whole_study_writes_rows_that_break_no_rule(tmp_path):
    written, number = 0, 0
    while written < PROOFS.size(1, 60):
        number += 1
        drawn = _with_costs(draw_programme(random.Random(f"whole {number}")))
        if any(verdict.faults for verdict in judge(drawn)):
            continue
        folder = tmp_path / str(number)
        folder.mkdir()
        study = run_study(drawn.write(folder), RunStore(folder / "runs"))
        tables = {
            name: pl.read_parquet(study.folder / "tables" / f"{name}.parquet")
            for name in ("fleet_jobs", "basis_nodes", "basis_pieces")
        }
        tables = {
            name: table.filter(pl.col("run") == "programme") if "run" in table.columns else table
            for name, table in tables.items()
        }
        beyond = study.run.headline["gpu_hours_beyond_rules"]
        _check_run_breaks_no_rule(drawn, WRITTEN, tables, beyond)
        assert study.run.headline["alternative_cheapest"]
        # A site or a window on which nothing ran is no fault of the run either.
        assert [str(fault) for fault in study_run_fault_messages(study.folder)] == []
        written += 1
