"""Erase a person from a project beside a record that only grows.

What was imported is written anew without the person. What was made from it and signed
is deleted by the move that exists for that, because a signature must not cover bytes that
its signer never saw. The ledger says that and when somebody was erased, and of whom no word.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

import commonwatt.sandbox.io.store.opt_outs as consent
import commonwatt.sandbox.io.store.records as records
import commonwatt.sandbox.io.store.schema as schema
from commonwatt.core.messages import Message
from commonwatt.ledger import Signer
from commonwatt.ledger.backups.listing import BackupRecord, ledger_backup_records_of_enclosing_homes
from commonwatt.sandbox.domain.errors import ProjectError
from commonwatt.sandbox.domain.lifecycle import (
    DatasetState,
    OutputFacts,
    OutputState,
)
from commonwatt.sandbox.engines.deidentify.tables import pseudonym
from commonwatt.sandbox.io.imports.dataset import load_dataset
from commonwatt.sandbox.io.imports.erase import (
    RewrittenDataset,
    dataset_has_row_of_person,
    finish_killed_dataset_rewrite,
    rewrite_dataset_without_person,
    tables_with_rows_of_no_person,
)
from commonwatt.sandbox.io.store.wipe import WipeProof, wipe
from commonwatt.sandbox.usecases.projects.project import Project
from commonwatt.stores.migrate import migration_copy_paths_of_database
from commonwatt.stores.rebuild import vacuum_database_and_tell_if_complete

STAYS: Final = (
    Message("what left the project already: counts over many people, noisy answers, models"),
    Message("entries of the ledger, which name nobody, and digests of files that are gone"),
    Message("a token in the list of opt-outs, so that a later import leaves the person out"),
    Message("the files that were imported, where they came from"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureResult:
    """What became of a person's data.

    Args:
        rewritten: Datasets that were written anew without the person.
        deleted: Copies made from data of the person, by name, with the dataset to make each
            anew from; "" where that is gone.
        wiped_outputs: Outputs that had not left and may hold the person.
        wiped_migration_copies: Names of what migrations had left beside the database.
        released_outputs: Outputs that left before.
        models: Models to train again.
        synthetic: Synthetic data that were made from tables with the person.
        unfinished_jobs: Jobs on those tables whose end is not on record.
        unlinked_tables: Tables whose rows lead to nobody and may be the person's.
        backups: Backups that hold the person still.
    """

    rewritten: list[str]
    deleted: dict[str, str]
    wiped_outputs: list[str]
    wiped_migration_copies: list[str]
    released_outputs: list[str]
    models: list[str]
    synthetic: list[str]
    unfinished_jobs: list[str]
    unlinked_tables: list[str]
    backups: list[BackupRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class _ErasurePlan:
    """What holds the person: imported datasets, copies with their source, jobs on either."""

    imported: list[str]
    copies: dict[str, str]
    jobs: list[dict[str, Any]]
    unlinked: list[str]


def erase_person(
    project: Project, person: str, *, delete_copies: bool, by: Signer, at: datetime
) -> ErasureResult:
    """Erase a person, named by their id in the source, from all that a project holds.

    1. Opt them out of everything, on record. 2. Wipe outputs that have not left, logs and
    filtered copies. 3. Delete the copies made from their data. 4. Write what was imported
    anew. 5. Put a stand-in for them into sets of people. 6. Record what was done. Killed in
    between, it is called again: each step finds what is left to do, the last one comes last.

    Args:
        project: Where.
        person: Their id, as it stood in what was imported.
        delete_copies: Delete even copies that cannot be made anew.
        by: A custodian.
        at: The time.

    Raises:
        ProjectError: A copy cannot be made anew, or somebody reads the database too long.
    """
    project.check_project_exists()
    token = pseudonym(project.key, person)
    _finish_killed_rewrites(project)
    plan = _erasure_plan(project, frozenset({person, token}))
    _check_copies_can_be_made_anew(project, plan, delete_copies=delete_copies)
    with project.transaction() as tx:
        consent.add_opt_out_or_withdrawal_row(
            tx, project.name, token, consent.ConsentScope.ALL, out=True
        )
        project.record_project_step(tx, "erase", {"state": "begun"}, by=by, at=at)
    wiped, left_before, proof = _wipe_unreleased_and_list_released_outputs(
        project, plan.jobs, by=by, at=at
    )
    for copy in plan.copies:
        project.delete_dataset(copy, by=by, at=at)
    rewritten = {
        name: rewrite_dataset_without_person(
            load_dataset(project.store / name), frozenset({person, token})
        )
        for name in plan.imported
    }
    with project.transaction() as tx:
        sets = records.replace_person_in_sets_and_count(tx, project.name, token)
    _rebuild_project_database(project)
    migration_copies = migration_copy_paths_of_database(project.ledger.engine)
    copies_proof = wipe(migration_copies)
    with project.transaction() as tx:
        models = [
            model["output"]
            for model in records.trained_model_rows(tx, project.name)
            if model["opted_out_since"]
        ]
        body = _erasure_entry_body(plan, rewritten, [proof, copies_proof], wiped, sets)
        project.record_project_step(tx, "erase", body, by=by, at=at)
    return ErasureResult(
        rewritten=list(rewritten), deleted=plan.copies, wiped_outputs=wiped,
        wiped_migration_copies=[path.name for path in migration_copies],
        released_outputs=left_before, models=models,
        synthetic=[job["use"] for job in plan.jobs if job["step"] == "twin"],
        unfinished_jobs=_unfinished_job_numbers(project, plan.jobs), unlinked_tables=plan.unlinked,
        backups=ledger_backup_records_of_enclosing_homes(project.folder),
    )  # fmt: skip


def _finish_killed_rewrites(project: Project) -> None:
    with project.ledger.reading() as tx:
        rows = records.project_table_rows(tx, project.name, schema.datasets)
    for row in rows:
        finish_killed_dataset_rewrite(project.store / row["dataset"])


def _erasure_plan(project: Project, names: frozenset[str]) -> _ErasurePlan:
    with project.ledger.reading() as tx:
        rows = records.project_table_rows(tx, project.name, schema.datasets)
        uses = records.project_table_rows(tx, project.name, schema.uses)
    states = {row["dataset"]: row["state"] for row in rows}
    sources = {row["dataset"]: row["source"] for row in rows}
    # A deletion that was killed leaves files of a dataset that is deleted on record.
    present = [name for name in states if (project.store / name).is_dir()]
    datasets = {name: load_dataset(project.store / name) for name in present}
    holding = {name for name in present if dataset_has_row_of_person(datasets[name], names)}
    # Counts hold no row of anybody and the person all the same, so what was made from a table with
    # the person is affected whatever stands in it.
    affected = [
        name for name in present if {name, *_dataset_ancestor_names(name, sources)} & holding
    ]
    return _ErasurePlan(
        imported=[name for name in affected if not sources[name]],
        copies={
            name: "" if states.get(sources[name]) == DatasetState.DELETED else sources[name]
            for name in affected
            if sources[name]
        },
        # Of a dataset that is gone nobody can say whom it held; a job that ended after the erasure
        # of its dataset is met here when the person is erased again.
        jobs=[
            use
            for use in uses
            if use["dataset"] in affected or states.get(use["dataset"]) == DatasetState.DELETED
        ],
        unlinked=[
            f"{name}/{table}"
            for name in affected
            for table in tables_with_rows_of_no_person(datasets[name])
        ],
    )


def _dataset_ancestor_names(name: str, sources: dict[str, str]) -> Iterable[str]:
    while name := sources.get(name, ""):
        yield name


def _check_copies_can_be_made_anew(
    project: Project, plan: _ErasurePlan, *, delete_copies: bool
) -> None:
    last = [name for name, source in plan.copies.items() if not source]
    if last and not delete_copies:
        raise ProjectError(
            f"{project.name}, {', '.join(last)}",
            found=Message("a copy whose source is gone, so that it cannot be made anew"),
            remedy=Message("Import the source again, or give --delete-copies."),
        )


def _wipe_unreleased_and_list_released_outputs(
    project: Project, jobs: list[dict[str, Any]], *, by: Signer, at: datetime
) -> tuple[list[str], list[str], WipeProof]:
    """Wipe what jobs left that has not gone out; return that, what went out, and the proof."""
    numbers = {job["use"] for job in jobs}
    with project.transaction() as tx:
        outputs = [
            row
            for row in records.project_table_rows(tx, project.name, schema.outputs)
            if row["job"] in numbers
        ]
        inside = [row for row in outputs if row["state"] != OutputState.RELEASED]
        for row in inside:
            _reject_output_unless_settled(project, tx, row, by=by, at=at)
    # Nobody can say of a file that it does not hold the person: a stopped output may be the very
    # table, and a log holds what a job printed.
    paths = [project.folder / "outputs" / row["output"] for row in inside]
    paths += [project.folder / "logs" / number for number in sorted(numbers)]
    proof = wipe([*paths, project.folder / "views"])
    released = [row["output"] for row in outputs if row["state"] == OutputState.RELEASED]
    return [row["output"] for row in inside], released, proof


def _reject_output_unless_settled(
    project: Project, tx: sa.Connection, row: dict[str, Any], *, by: Signer, at: datetime
) -> None:
    if OutputState(row["state"]) not in (OutputState.WAITING, OutputState.APPROVED):
        return
    output = records.project_output_row(tx, project.name, row["output"])
    facts = OutputFacts(project=project.project_standing(tx, at))
    body = {"state": OutputState.REJECTED.value}
    project.move_output_state_with_entry(
        tx, output, OutputState.REJECTED, "erase", facts, body, by=by, at=at
    )


def _rebuild_project_database(project: Project) -> None:
    tables = (schema.cells.name, schema.models.name)
    if not vacuum_database_and_tell_if_complete(project.ledger.engine, tables):
        raise ProjectError(
            project.name,
            found=Message("somebody who reads an older state of the database"),
            remedy=Message("Erase again when nobody does; what was done stays done."),
        )


def _unfinished_job_numbers(project: Project, jobs: list[dict[str, Any]]) -> list[str]:
    return [
        job["use"]
        for job in jobs
        if job["step"] == "submit" and not _is_job_end_on_record(project, job["use"])
    ]


def _is_job_end_on_record(project: Project, number: str) -> bool:
    entries = project.ledger.entries(subject=f"room/{project.name}/job/{number}")
    return any(entry.body.get("state") != "started" for entry in entries)


def _erasure_entry_body(
    plan: _ErasurePlan,
    rewritten: dict[str, RewrittenDataset],
    proofs: list[WipeProof],
    outputs: list[str],
    sets: int,
) -> dict[str, Any]:
    """Return counts and digests; a number of rows would tell how often the person was ill."""
    wiped = [*proofs, *(dataset.proof for dataset in rewritten.values())]
    return {
        "state": "done",
        "datasets": {
            name: {"before": dataset.before, "after": dataset.after}
            for name, dataset in rewritten.items()
        },
        "deleted-copies": sorted(plan.copies),
        "outputs": sorted(outputs),
        "sets-of-people": sets,
        "overwritten-bytes": sum(proof.overwritten_bytes for proof in wiped),
        "left": sum(proof.left for proof in wiped),
    }


def erasure_result_as_plain_values(result: ErasureResult) -> dict[str, Any]:
    """Return what became of a person's data as plain values."""
    return {
        "rewritten": result.rewritten,
        "deleted_copies": [
            {"dataset": name, "make_anew_from": source} for name, source in result.deleted.items()
        ],
        "wiped_outputs": result.wiped_outputs,
        "wiped_migration_copies": result.wiped_migration_copies,
        "released_outputs_that_stay": result.released_outputs,
        "models_to_train_again": result.models,
        "synthetic_data_made_before": result.synthetic,
        "jobs_without_an_end": result.unfinished_jobs,
        "tables_not_linked_to_people": result.unlinked_tables,
        "backups_that_hold_the_person": [
            {"at": record.at, "archive": record.archive} for record in result.backups
        ],
        "stays": list(STAYS),
    }
