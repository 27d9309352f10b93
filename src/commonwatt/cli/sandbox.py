"""`commonwatt sandbox`: data projects, in which data are used and not seen."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import commonwatt.sandbox.domain.tables as answers
from commonwatt.cli.databases import ledger_option
from commonwatt.cli.frame import (
    CommandResult,
    LazyGroup,
    command,
    option,
    raise_click_usage_error,
    refuse_click_option_without_partner,
    refuse_click_options_not_read,
)
from commonwatt.cli.options import DataPath
from commonwatt.cli.sandbox_text import (
    imported_dataset_terminal_text,
    isolation_attacks_terminal_text,
    project_activity_terminal_text,
    project_answer_terminal_text,
    project_status_terminal_text,
    risk_report_terminal_text,
    synthetic_files_terminal_text,
)
from commonwatt.core.files import save_bytes
from commonwatt.core.messages import Message

if TYPE_CHECKING:
    from commonwatt.catalogue.tables import TableSchema
    from commonwatt.sandbox.usecases.projects.context import ProjectContext

sandbox = LazyGroup(
    name="sandbox",
    help="Use sensitive data in a project without seeing them.",
    example="commonwatt sandbox init heart --key custodian.pem --purpose 'Heart failure'\n"
    "commonwatt sandbox import heart raw patients/ --key custodian.pem",
    # Names are a contract: scripts that still use an old one are told the new one, with exit code
    # 2.
    renamed={
        "twin": "sandbox synthesize",
        "watch": "sandbox activity",
        "lane": "sandbox project preapprove",
        "opt-out": "sandbox project opt-out",
        "close": "sandbox project close",
        "delete": "sandbox project delete",
    },
)
project = LazyGroup(
    name="project",
    help="What is decided of a project: pre-approval, recalls, opt-outs, its end.",
    example="commonwatt sandbox project close heart --key custodian.pem",
)
sandbox.add_command(project)

_path = click.Path(path_type=Path)
_file = click.Path(dir_okay=False, path_type=Path)
_rooms = option(
    "--rooms", type=_path, default=Path("rooms"), show_default=True, help="Folder of all projects."
)
_key = option("--key", "key_file", type=_file, required=True, help="Key file of who acts.")
_room = click.argument("room")
_WHERE_AND_WHO = frozenset({"room", "where", "rooms", "key_file"})
_node = option(
    "--node", type=_path, default=Path("/run/commonwatt"), show_default=True,
    help="Folder for locks and stages of jobs.",
)  # fmt: skip


@command(
    sandbox, "init", example="commonwatt sandbox init heart --key custodian.pem --purpose 'Stroke'"
)
@_room
@ledger_option
@_rooms
@_key
@option("--purpose", required=True, help="What the project is for.")
# "not stated" goes on record as it is: a reader of the ledger must see that nobody named a basis.
@option("--legal-basis", default="not stated", help="What allows the use.")
@option(
    "--scope", type=click.Choice(["research", "ai-training", "genomics"]), default="research",
    help="What the project does, for opt-outs.",
)  # fmt: skip
# A date in any case, because every project ends; a far one where nobody said when.
@option("--expires", default="2099-12-31", help="Last day of work, as 2027-12-31.")
def sandbox_init_command(
    room: str, purpose: str, legal_basis: str, scope: str, expires: str, **who: Any
) -> CommandResult:
    """Open a data project."""
    from commonwatt.sandbox.io.store.opt_outs import ConsentScope
    from commonwatt.sandbox.usecases import steps
    from commonwatt.sandbox.usecases.projects.project import ProjectFacts

    facts = ProjectFacts(
        name=room,
        purpose=purpose,
        legal_basis=legal_basis,
        scope=ConsentScope(scope),
        expires_on=expires,
    )
    return _project_command_result(
        answers.OPENED, steps.open_project(_project_context_of_click_options(room, who), facts)
    )


@command(
    sandbox, "import", example="commonwatt sandbox import heart raw patients/ --key custodian.pem"
)
@_room
@click.argument("dataset")
@click.argument("sources", type=DataPath(), nargs=-1, required=True)
@ledger_option
@_rooms
@_key
@option(
    "--format", "form", type=click.Choice(["fhir", "omop", "csv", "dicom", "vcf"]), default="fhir",
    show_default=True, help="What the sources are.",
)  # fmt: skip
@option(
    "--schema",
    help="Fields of a plain table: a JSON file or a shipped schema's name (default: a guess).",
)  # fmt: skip
def import_dataset(
    room: str, dataset: str, sources: tuple[Path, ...], form: str, schema: str | None, **who: Any
) -> CommandResult:
    """Import data, and quarantine broken records."""
    from commonwatt.sandbox.usecases import steps

    place = _project_context_of_click_options(room, who)
    data = steps.import_project_dataset_and_report_rules(
        place, form, list(sources), dataset, schema=schema
    )
    return CommandResult(data=data, text=partial(imported_dataset_terminal_text, data))


@command(sandbox, "risk", example="commonwatt sandbox risk heart raw safe --key custodian.pem")
@_room
@click.argument("dataset")
@click.argument("name")
@ledger_option
@_rooms
@_key
# By the digest that the custodian has read, so that no other report can be signed in its place.
@option("--sign", "digest", help="Sign the report of this digest, so that jobs may use NAME.")
def sandbox_risk_command(
    room: str, dataset: str, name: str, digest: str | None, **who: Any
) -> CommandResult:
    """De-identify DATASET as NAME, attack what is left, and sign the report."""
    from commonwatt.sandbox.usecases import steps

    place = _project_context_of_click_options(room, who)
    if digest:
        return _project_command_result(answers.SIGNED, steps.sign_risk_report(place, name, digest))
    data = steps.deidentify_dataset_and_report_risk(place, dataset, name)
    return CommandResult(data=data, text=partial(risk_report_terminal_text, data))


@command(sandbox, "submit", example="commonwatt sandbox submit heart job.toml --key researcher.pem")
@_room
@click.argument("job", type=_file)
@ledger_option
@_rooms
@_key
@_node
@option(
    "--on",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="COMMONWATT_SANDBOX_ON",
    help="Home of the controller on whose cluster it runs; on this machine where not given.",
)
def sandbox_submit_command(
    room: str, job: Path, node: Path, on: Path | None, **who: Any
) -> CommandResult:
    """Run a job inside the project, isolated, and check its outputs."""
    from commonwatt.joins.job_to_cluster import cluster_runner_of_isolated_jobs
    from commonwatt.sandbox.usecases import steps

    cluster = None if on is None else cluster_runner_of_isolated_jobs(on, node)
    return _project_command_result(
        answers.SUBMITTED,
        steps.submit_isolated_job_and_report_outputs(
            _project_context_of_click_options(room, who), job, node, cluster
        ),
    )


@command(
    sandbox,
    "synthesize",
    example="commonwatt sandbox synthesize heart safe twin/ --key researcher.pem",
)
@_room
@click.argument("dataset")
@click.argument("to", type=click.Path(file_okay=False, path_type=Path))
@ledger_option
@_rooms
@_key
@option(
    "--table", "tables", multiple=True, help="Table to make; again for more.  [default: Patient]"
)
@option("--domains", type=_file, help="What columns may hold, as TOML; FHIR's by default.")
@option("--rows", type=int, default=500, show_default=True, help="People to make up.")
@option(
    "--epsilon",
    type=float,
    default=1.0,
    show_default=True,
    help="What the synthetic data may cost.",
)
def sandbox_synthesize_command(
    room: str, dataset: str, to: Path, tables: tuple[str, ...], domains: Path | None, rows: int,
    epsilon: float, **who: Any,
) -> CommandResult:  # fmt: skip
    """Write synthetic data: tables of the same shape, nobody in them, to write code on outside."""
    from commonwatt.sandbox.usecases import steps

    place = _project_context_of_click_options(room, who)
    data = steps.synthesize_project_tables_and_report_files(
        place, dataset, to, tables=tables, domains=domains, rows=rows, epsilon=epsilon
    )
    return CommandResult(data=data, text=partial(synthetic_files_terminal_text, data))


@command(sandbox, "status", example="commonwatt sandbox status heart")
@_room
@ledger_option
@_rooms
def status(room: str, **who: Any) -> CommandResult:
    """Show a project's datasets and outputs."""
    from commonwatt.sandbox.usecases.projects.status import data_project_status

    data = data_project_status(_project_context_of_click_options(room, who))
    return CommandResult(data=data, text=partial(project_status_terminal_text, data))


@command(
    sandbox, "review",
    example="commonwatt sandbox review heart 9c65… --save seen.csv --key checker.pem\n"
    "commonwatt sandbox review heart 9c65… --approve --key checker.pem",
)  # fmt: skip
@_room
@click.argument("output")
@ledger_option
@_rooms
@_key
@option("--save", type=_file, help="Write the exact bytes here to look at them.")
# Neither is the default: without a word this only looks.
@option("--approve/--reject", default=None, help="Vote; two approvals are needed.")
def sandbox_review_command(
    room: str, output: str, save: Path | None, approve: bool | None, **who: Any
) -> CommandResult:
    """Look at the bytes that would leave, and vote on them."""
    from commonwatt.sandbox.usecases import steps

    place = _project_context_of_click_options(room, who)
    if approve is not None:
        # Who votes has looked before: a vote that also wrote a file would be two acts in one.
        refuse_click_options_not_read(
            "--approve" if approve else "--reject",
            {"approve", "output", *_WHERE_AND_WHO},
        )
        return _project_command_result(
            answers.OUTPUT_MOVED,
            steps.vote_on_project_output_and_report_state(place, output, approve=approve),
        )
    data = steps.reviewed_output_bytes(place, output)
    if save is not None:
        # The bytes and never a rendering of them: what is approved is what leaves.
        save_bytes(data, save)
    return _project_command_result(
        answers.OUTPUT_MOVED,
        # A count of bytes and no content: what waits in the airlock must not appear on a terminal.
        {"output": output, "bytes": len(data), "saved": fspath(save) if save else ""},
    )


@command(
    sandbox, "release", example="commonwatt sandbox release heart 9c65… out/ --key custodian.pem"
)
@_room
@click.argument("output")
@click.argument("to", type=click.Path(file_okay=False, path_type=Path))
@ledger_option
@_rooms
@_key
def release(room: str, output: str, to: Path, **who: Any) -> CommandResult:
    """Release an approved output, byte for byte as reviewed."""
    from commonwatt.sandbox.usecases import steps

    return _project_command_result(
        answers.OUTPUT_MOVED,
        steps.release_project_output(_project_context_of_click_options(room, who), output, to),
    )


@command(
    sandbox, "budget",
    example="commonwatt sandbox budget heart --grant 3 --key custodian.pem\n"
    "commonwatt sandbox budget heart --count safe/Patient --epsilon 0.1 --key researcher.pem",
)  # fmt: skip
@_room
@ledger_option
@_rooms
# Optional, as looking at a budget needs nobody's signature; granting and spending ask for it.
@option("--key", "key_file", type=_file, help="Key file of who acts.")
@option("--person", default="", help="Actor id, for one person's budget.")
@option("--grant", type=float, help="Set the budget to this epsilon.")
@option("--count", "counted", help="Count the people of DATASET/TABLE with noise.")
@option("--epsilon", type=float, default=0.1, show_default=True, help="What the count may cost.")
def budget(
    room: str, person: str, grant: float | None, counted: str | None, epsilon: float, **who: Any
) -> CommandResult:
    """Show, set or spend the privacy budget."""
    from commonwatt.sandbox.usecases import steps

    place = _project_context_of_click_options(room, who)
    refuse_click_option_without_partner("epsilon", "--count", given=counted is not None)
    if grant is not None:
        refuse_click_options_not_read("--grant", {"grant", "person", *_WHERE_AND_WHO})
        return _project_command_result(
            answers.PRIVACY_BUDGET, steps.set_project_privacy_budget_epsilon(place, grant, person)
        )
    if counted is not None:
        refuse_click_options_not_read("--count", {"counted", "epsilon", *_WHERE_AND_WHO})
        dataset, _, table = counted.partition("/")
        return _project_command_result(
            answers.NOISY_COUNT,
            steps.spend_budget_on_noisy_people_count(place, dataset, table, epsilon),
        )
    return _project_command_result(
        answers.PRIVACY_BUDGET, steps.project_privacy_budget_facts(place, person)
    )


@command(
    project,
    "preapprove",
    example="commonwatt sandbox project preapprove heart --open 0.5 --key custodian.pem",
)
@_room
@ledger_option
@_rooms
@_key
@option("--open", "largest", type=float, help="Let noisy answers up to this epsilon leave unseen.")
@option("--close", "closes", is_flag=True, help="Pre-approve no release any more.")
def sandbox_project_preapprove_command(
    room: str, largest: float | None, closes: bool, **who: Any
) -> CommandResult:
    """Pre-approve noisy answers up to a cost, or none, to leave without a vote."""
    from commonwatt.sandbox.usecases import steps

    # True where both or neither are given: a custodian has to say one of them in words.
    if (largest is None) is not closes:
        raise_click_usage_error(Message("Give one of --open and --close."))
    return _project_command_result(
        answers.PROJECT_MOVED,
        # Up to nothing is the same as closed.
        steps.set_preapproved_release(_project_context_of_click_options(room, who), largest or 0.0),
    )


@command(
    project,
    "recall",
    example="commonwatt sandbox project recall heart 9c65… --because disclosure-risk"
    " --key checker.pem",
)
@_room
@click.argument("output")
@ledger_option
@_rooms
@_key
@option(
    "--because", "reason", required=True,
    type=click.Choice(
        ["disclosure-risk", "mistaken-vote", "wrong-figures", "consent", "not-wanted"]
    ),
    help="Why; a word of a list, so that no record enters the ledger.",
)  # fmt: skip
def sandbox_project_recall_command(
    room: str, output: str, reason: str, **who: Any
) -> CommandResult:
    """Take an approved output back before it leaves; it is rejected then, for good."""
    from commonwatt.sandbox.usecases import steps

    return _project_command_result(
        answers.OUTPUT_MOVED,
        steps.recall_project_output_and_report_state(
            _project_context_of_click_options(room, who), output, reason
        ),
    )


@command(
    project, "opt-out",
    example="commonwatt sandbox project opt-out heart PATIENT --scope ai-training"
    " --key custodian.pem",
)  # fmt: skip
@_room
@click.argument("person")
@ledger_option
@_rooms
@_key
@option(
    "--scope", type=click.Choice(["all", "research", "ai-training", "genomics"]), default="all",
    show_default=True, help="What the person said no to.",
)  # fmt: skip
# Recorded and not deleted: what was left out while the person was out stays explained.
@option("--back-in", is_flag=True, help="The person took it back.")
def opt_out(room: str, person: str, scope: str, back_in: bool, **who: Any) -> CommandResult:
    """Keep a person out of every use from now on, named by their id in the source."""
    from commonwatt.sandbox.usecases import steps

    return _project_command_result(
        answers.OPT_OUT,
        steps.record_person_opt_out_and_list_models(
            _project_context_of_click_options(room, who), person, scope, out=not back_in
        ),
    )


@command(
    project, "erase",
    example="commonwatt sandbox project erase heart PATIENT --key custodian.pem",
)  # fmt: skip
@_room
@click.argument("person")
@ledger_option
@_rooms
@_key
@option("--delete-copies", is_flag=True, help="Delete even copies that cannot be made anew.")
def sandbox_project_erase_command(
    room: str, person: str, delete_copies: bool, **who: Any
) -> CommandResult:
    """Erase a person from a project, named by their id in the source, and say what stays."""
    from commonwatt.sandbox.usecases import steps

    return _project_command_result(
        answers.ERASED,
        steps.erase_person_from_project_and_report(
            _project_context_of_click_options(room, who), person, delete_copies=delete_copies
        ),
    )


@command(sandbox, "activity", example="commonwatt sandbox activity heart --json")
@_room
@ledger_option
@_rooms
@option(
    "--keep-days", type=int, default=90, show_default=True,
    help="Days from a project's expiry to the deletion of what it holds.",
)  # fmt: skip
def sandbox_activity_command(room: str, keep_days: int, **who: Any) -> CommandResult:
    """Show who did what on which rows when, what is unusual, and what is due."""
    from commonwatt.sandbox.usecases import steps

    data = steps.data_project_activity_report(
        _project_context_of_click_options(room, who), keep_days
    )
    return CommandResult(data=data, text=partial(project_activity_terminal_text, data))


@command(project, "close", example="commonwatt sandbox project close heart --key custodian.pem")
@_room
@ledger_option
@_rooms
@_key
def close(room: str, **who: Any) -> CommandResult:
    """Close a project: nothing can be submitted, asked or released."""
    from commonwatt.sandbox.usecases import steps

    return _project_command_result(
        answers.PROJECT_MOVED,
        steps.close_data_project(_project_context_of_click_options(room, who)),
    )


@command(
    project, "delete",
    example="commonwatt sandbox project delete heart --dataset raw --key custodian.pem\n"
    "commonwatt sandbox project delete heart --key custodian.pem",
)  # fmt: skip
@_room
@ledger_option
@_rooms
@_key
@option("--dataset", help="Only this dataset; else all that a closed project holds, its key too.")
def delete(room: str, dataset: str | None, **who: Any) -> CommandResult:
    """Delete for good, and put the proof on record."""
    from commonwatt.sandbox.usecases import steps

    return _project_command_result(
        answers.WIPED,
        steps.delete_project_data_and_return_proof(
            _project_context_of_click_options(room, who), dataset
        ),
    )


@command(sandbox, "prove", example="commonwatt sandbox prove")
@_node
def sandbox_prove_command(node: Path) -> CommandResult:
    """Attack this machine's isolation with every known program."""
    from commonwatt.sandbox.usecases import steps

    data = steps.isolation_attack_verdicts(node)
    return CommandResult(data=data, text=partial(isolation_attacks_terminal_text, data))


def _project_context_of_click_options(room: str, who: dict[str, Any]) -> ProjectContext:
    from commonwatt.sandbox.usecases.projects.context import ProjectContext

    return ProjectContext(
        ledger=who["where"], projects_folder=who["rooms"], project=room,
        # Some commands only look and declare no key.
        key_file=who.get("key_file"), now=datetime.now(UTC),
    )  # fmt: skip


def _project_command_result(answer: TableSchema, data: dict[str, Any]) -> CommandResult:
    """Return an answer whose fields are those of a table of the catalogue."""
    return CommandResult(
        data=data, text=lambda language: project_answer_terminal_text(answer, data, language)
    )
