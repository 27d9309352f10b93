"""Open a project, import, assess, submit, review, release, ask: one call a step."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from commonwatt.core.errors import UsageError
from commonwatt.core.messages import Message
from commonwatt.ledger import Ledger
from commonwatt.ledger.usecases import with_ledger
from commonwatt.sandbox.domain.job import JobLanguage, JobLimits, OutputKind
from commonwatt.sandbox.domain.lifecycle import RecallReason
from commonwatt.sandbox.engines.airlock.cohort import Cohort
from commonwatt.sandbox.engines.airlock.training import ProjectTrainingDeclaration, TrainingFeature
from commonwatt.sandbox.engines.attacks.judge import run_isolation_attacks
from commonwatt.sandbox.engines.deidentify.dicom import deidentify_dicom_and_count_blanked_lines
from commonwatt.sandbox.engines.isolation.handover import RemoteJobRunner
from commonwatt.sandbox.engines.isolation.node import prove_node
from commonwatt.sandbox.engines.privacy import account, measures
from commonwatt.sandbox.engines.synthetic.domains import load_synthetic_table_plans_by_name
from commonwatt.sandbox.io.imports.dataset import Dataset, load_dataset
from commonwatt.sandbox.io.imports.genomes import FORM as GENOMIC
from commonwatt.sandbox.io.imports.sources import ImportSources, import_dataset_as
from commonwatt.sandbox.io.store.opt_outs import ConsentScope
from commonwatt.sandbox.io.store.people_tables import people_in_tables
from commonwatt.sandbox.io.store.wipe import WipeProof
from commonwatt.sandbox.usecases.projects.activity import (
    ActivityThresholds,
    project_activity_report_by_part,
)
from commonwatt.sandbox.usecases.projects.context import ProjectContext
from commonwatt.sandbox.usecases.projects.erasure import (
    ErasureResult,
    erase_person,
    erasure_result_as_plain_values,
)
from commonwatt.sandbox.usecases.projects.project import JobSubmission, Project, ProjectFacts

T = TypeVar("T")


def with_project_of_context(context: ProjectContext, use: Callable[[Project], T]) -> T:
    """Return what `use` makes of the project."""
    folder = context.projects_folder / context.project
    return with_ledger(context.ledger, lambda ledger: use(Project(ledger, folder, context.project)))


def open_project(context: ProjectContext, facts: ProjectFacts) -> dict[str, Any]:
    """Open a new project."""

    def open_project_in_ledger(ledger: Ledger) -> Project:
        folder = context.projects_folder / context.project
        return Project.open(ledger, folder, facts, by=context.key, at=context.now)

    project = with_ledger(context.ledger, open_project_in_ledger)
    return asdict(facts) | {"folder": str(project.folder)}


def import_project_dataset_and_report_rules(
    context: ProjectContext, form: str, sources: list[Path], name: str, *, schema: str | Path | None
) -> dict[str, Any]:
    """Import sources in one of the `FORMS` as the dataset `name`; report on every rule."""

    def import_into_project(project: Project) -> Dataset:
        clean = partial(deidentify_dicom_and_count_blanked_lines, key=project.key)
        import_sources = ImportSources(paths=sources, clean=clean, schema=schema)
        read = partial(import_dataset_as, form, import_sources, name=name)
        return project.import_dataset(read, by=context.key, at=context.now)

    dataset = with_project_of_context(context, import_into_project)
    return {"dataset": name, "rows": dataset.rows, "set_aside": dataset.quarantined,
            "derived": dataset.derived, "sealed": dataset.sealed,
            "rules": dataset.rules}  # fmt: skip


def deidentify_dataset_and_report_risk(
    context: ProjectContext, source: str, name: str
) -> dict[str, Any]:
    """De-identify a dataset and return the report that the custodian signs.

    Of genomes only counts of alleles are made.
    """

    def deidentify_and_assess_dataset(project: Project) -> dict[str, Any]:
        genomic = load_dataset(project.store / source).form == GENOMIC
        make = project.count_alleles if genomic else project.deidentify
        _, report = make(source, name, by=context.key, at=context.now)
        return asdict(report) | {"report_sha256": report.sha256}

    return with_project_of_context(context, deidentify_and_assess_dataset)


def sign_risk_report(context: ProjectContext, name: str, sha256: str) -> dict[str, Any]:
    """Sign a dataset's risk report."""
    with_project_of_context(
        context,
        lambda project: project.sign_dataset_risk_report(
            name, sha256, by=context.key, at=context.now
        ),
    )
    return {"dataset": name, "signed_sha256": sha256}


def submit_isolated_job_and_report_outputs(
    context: ProjectContext,
    job_file: Path,
    node_folder: Path,
    cluster: RemoteJobRunner | None = None,
) -> dict[str, Any]:
    """Run the job that a TOML file describes and return what became of its outputs.

    It runs on this machine, or on the cluster that the caller hands in.
    """
    request = load_isolated_job_submission_toml(job_file)
    # Proved at every start: a kernel, a setting or a package may have changed since the last job.
    node = prove_node(node_folder) if cluster is None else cluster
    submission = with_project_of_context(
        context, lambda project: project.submit(node, request, by=context.key, at=context.now)
    )
    return {
        "job": submission.job,
        "ending": submission.outcome.ending.value,
        "wall_s": round(submission.outcome.wall_s, 3),
        "memory_peak_bytes": submission.outcome.memory_peak_bytes,
        "kept_in": {refusal.value: count for refusal, count in submission.outcome.refusals.items()},
        "outputs": [
            {
                "name": output.name,
                "sha256": output.sha256,
                "state": submission.states[output.name].value,
                "stops": [f"{stop.rule}: {stop.why}" for stop in submission.stops[output.name]],
            }
            for output in submission.outcome.outputs
        ],
    }


def load_isolated_job_submission_toml(path: Path) -> JobSubmission:
    """Return the job that a TOML file describes; its code lies beside it.

    Raises:
        UsageError: The file is no such description.
    """
    try:
        facts = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        cohorts = {
            name: _parse_sandbox_training_cohort(fields)
            for name, fields in facts.get("cohorts", {}).items()
        }
        training = facts.get("training")
        return JobSubmission(
            code=(path.parent / facts["code"]).read_text(encoding="utf-8-sig"),
            dataset=facts["dataset"],
            tables=tuple(facts["tables"]),
            outputs={name: OutputKind(kind) for name, kind in facts["outputs"].items()},
            cohorts=cohorts,
            training=_parse_training_declaration(training) if training else None,
            language=JobLanguage(facts.get("language", "python")),
            limits=JobLimits(**facts.get("limits", {})),
        )
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise UsageError(
            path.name,
            # The kind of error alone: a parser's own words quote the line that it could not read.
            found=type(error).__name__,
            wanted=Message("code, dataset, tables, outputs and, for counts, cohorts"),
        ) from None


def _parse_sandbox_training_cohort(fields: Mapping[str, Any]) -> Cohort:
    return Cohort(
        table=fields["table"],
        by=tuple(fields.get("by", ())),
        where=tuple((c, how, value) for c, how, value in fields.get("where", ())),
    )


def _parse_training_declaration(fields: Mapping[str, Any]) -> ProjectTrainingDeclaration:
    """Return a declared training: features as "column", "column=value" or a named cohort."""
    outcome = fields["outcome"]
    return ProjectTrainingDeclaration(
        table=fields["table"],
        features=tuple(_parse_training_feature(feature) for feature in fields["features"]),
        outcome=outcome if isinstance(outcome, str) else _parse_sandbox_training_cohort(outcome),
        held_out=float(fields.get("held_out", 0.4)),
    )


def _parse_training_feature(declared: str | Mapping[str, Any]) -> TrainingFeature:
    if not isinstance(declared, str):
        return TrainingFeature(
            name=declared["name"], cohort=_parse_sandbox_training_cohort(declared)
        )
    column, is_value, value = declared.partition("=")
    return TrainingFeature(name=declared, column=column, equals=value if is_value else None)


def close_data_project(context: ProjectContext) -> dict[str, Any]:
    """Close a project."""
    with_project_of_context(context, lambda project: project.close(by=context.key, at=context.now))
    return {"room": context.project, "state": "closed"}


def delete_project_data_and_return_proof(
    context: ProjectContext, dataset: str | None
) -> dict[str, Any]:
    """Delete a dataset, or all that a closed project holds, and return the proof."""

    def delete_dataset_or_project(project: Project) -> WipeProof:
        if dataset is None:
            return project.delete_project(by=context.key, at=context.now)
        return project.delete_dataset(dataset, by=context.key, at=context.now)

    return {"deleted": dataset or context.project} | with_project_of_context(
        context, delete_dataset_or_project
    ).wipe_proof_ledger_body()


def record_person_opt_out_and_list_models(
    context: ProjectContext, person: str, scope: str, *, out: bool
) -> dict[str, Any]:
    """Record that a person opted out, or back in, and return what it reaches."""

    def opt_out_and_list_models(project: Project) -> list[dict[str, Any]]:
        project.opt_out(person, ConsentScope(scope), out=out, by=context.key, at=context.now)
        return [model for model in project.status()["models"] if model["opted_out_since"]]

    models = with_project_of_context(context, opt_out_and_list_models)
    return {"scope": scope, "out": out, "models_to_train_again": [m["output"] for m in models]}


def erase_person_from_project_and_report(
    context: ProjectContext, person: str, *, delete_copies: bool
) -> dict[str, Any]:
    """Erase a person from a project and return what became of their data."""

    def erase(project: Project) -> ErasureResult:
        return erase_person(
            project, person, delete_copies=delete_copies, by=context.key, at=context.now
        )

    return erasure_result_as_plain_values(with_project_of_context(context, erase))


def set_preapproved_release(context: ProjectContext, largest_epsilon: float) -> dict[str, Any]:
    """Set up to which cost answers are released unseen."""
    with_project_of_context(
        context,
        lambda project: project.set_preapproved_release(
            largest_epsilon, by=context.key, at=context.now
        ),
    )
    return {"room": context.project, "lane_largest_epsilon": largest_epsilon}


def synthesize_project_tables_and_report_files(
    context: ProjectContext,
    dataset: str,
    to: Path,
    *,
    tables: tuple[str, ...],
    domains: Path | None,
    rows: int,
    epsilon: float,
) -> dict[str, Any]:
    """Write synthetic data of a dataset's tables into a folder."""
    domains_by_table = (
        load_synthetic_table_plans_by_name(domains, rows=rows)
        if domains
        else load_synthetic_table_plans_by_name(rows=rows)
    )
    table_names = tables or ("Patient",)
    if missing := sorted(set(table_names) - set(domains_by_table)):
        raise UsageError(
            ", ".join(missing),
            found=Message("no domains for this table"),
            wanted=Message("one of {names}", {"names": ", ".join(sorted(domains_by_table))}),
        )
    synthetic_tables = {name: domains_by_table[name] for name in table_names}
    # No secret: privacy comes from the noise of the histograms, and the seed only draws rows from
    # them.
    seed = int(context.now.timestamp())
    paths = with_project_of_context(
        context,
        lambda project: project.synthesize(
            dataset, synthetic_tables, epsilon, to, seed=seed, by=context.key, at=context.now
        ),
    )
    return {"epsilon": epsilon, "files": {name: str(path) for name, path in paths.items()}}


def data_project_activity_report(context: ProjectContext, keep_days: int) -> dict[str, Any]:
    """Return the auditor's view of a project."""
    limits = ActivityThresholds(keep_days=keep_days)
    return with_project_of_context(
        context,
        lambda project: project_activity_report_by_part(
            project.ledger, project.folder, project.name, context.now, limits
        ),
    )


def reviewed_output_bytes(context: ProjectContext, output: str) -> bytes:
    """Return the bytes that a checker reviews."""
    return with_project_of_context(context, lambda project: project.stored_output_bytes(output))


def vote_on_project_output_and_report_state(
    context: ProjectContext, output: str, *, approve: bool
) -> dict[str, Any]:
    """Vote on an output."""
    state = with_project_of_context(
        context,
        lambda project: project.vote(output, approve=approve, by=context.key, at=context.now),
    )
    return {"output": output, "state": state.value}


def release_project_output(context: ProjectContext, output: str, to: Path) -> dict[str, Any]:
    """Release an approved output into a folder."""
    path = with_project_of_context(
        context, lambda project: project.release(output, to, by=context.key, at=context.now)
    )
    return {"output": output, "file": str(path)}


def recall_project_output_and_report_state(
    context: ProjectContext, output: str, reason: str
) -> dict[str, Any]:
    """Take an approved output back before it leaves."""
    state = with_project_of_context(
        context,
        lambda project: project.recall_output(
            output, RecallReason(reason), by=context.key, at=context.now
        ),
    )
    return {"output": output, "state": state.value, "reason": reason}


def project_privacy_budget_facts(context: ProjectContext, person: str) -> dict[str, Any]:
    """Return a project's budget, or a person's in it."""

    def read_privacy_budget(project: Project) -> dict[str, Any]:
        with project.ledger.reading() as tx:
            balance = account.privacy_budget_balance(tx, project.name, person)
        return {"limit_epsilon": balance.limit, "spent_epsilon": balance.spent,
                "left_epsilon": balance.epsilon_left}  # fmt: skip

    return with_project_of_context(context, read_privacy_budget)


def set_project_privacy_budget_epsilon(
    context: ProjectContext, epsilon: float, person: str
) -> dict[str, Any]:
    """Set a budget."""
    with_project_of_context(
        context,
        lambda project: project.set_privacy_budget(
            epsilon, person=person, by=context.key, at=context.now
        ),
    )
    return project_privacy_budget_facts(context, person)


def spend_budget_on_noisy_people_count(
    context: ProjectContext, dataset: str, table: str, epsilon: float
) -> dict[str, Any]:
    """Ask for a noisy count of the people in a table, paid for with `epsilon`."""

    def query_people_with_noise(project: Project) -> dict[str, Any]:
        def count_people_with_noise(
            signed: Dataset, excluded: frozenset[str]
        ) -> measures.NoisyAnswer:
            people = people_in_tables([signed.table_path(table)]) - excluded
            return measures.noisy_count_query(len(people)).answer(epsilon)

        query_result = project.query(
            dataset, count_people_with_noise, epsilon, tables=(table,), purpose=f"count {table}",
            by=context.key, at=context.now,
        )  # fmt: skip
        facts = {
            "output": query_result.output,
            "state": query_result.state.value,
            "epsilon": epsilon,
        }
        if query_result.answer is None:
            return facts | {"people": None, "noise_scale": None}
        return facts | {
            "people": query_result.answer.values[0],
            "noise_scale": query_result.answer.scale,
        }

    return with_project_of_context(context, query_people_with_noise)


def isolation_attack_verdicts(folder: Path) -> dict[str, Any]:
    """Attack this machine's isolation with every program and return the verdicts."""
    node = prove_node(folder)
    bait = folder / "bait"
    # Open to everybody: an attack that failed for want of a file permission would prove nothing
    # about the isolation.
    bait.mkdir(mode=0o755)
    verdicts = list(run_isolation_attacks(node, bait))
    return {
        "attacks": len(verdicts),
        "stopped": sum(verdict.stopped for verdict in verdicts),
        "escaped": [verdict.attack.name for verdict in verdicts if not verdict.stopped],
        "layers": [
            {"attack": v.attack.name, "layer": v.attack.layer, "stopped": v.stopped}
            for v in verdicts
        ],
    }
