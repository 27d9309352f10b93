"""What can be run from the console: one line a kind, what it asks, and what it does."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from commonwatt.core.messages import Message
from commonwatt.web.errors import ParameterError
from commonwatt.web.parameters import Options, PageParameter, ParameterKind, parse_page_values

if TYPE_CHECKING:
    import polars as pl

    from commonwatt.study.programme.reader import Programme

ReportProgress = Callable[[Message], None]
_CHANGE: Final = re.compile(r"[A-Za-z0-9_.-]+=[A-Za-z0-9_.+%-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskKind:
    """One kind of run.

    Args:
        name: Its name in addresses and in the database.
        title: What the form calls it.
        parameters: What it asks.
        run: Does it, in the store of that folder, and returns the run's id.
    """

    name: str
    title: Message
    parameters: tuple[PageParameter, ...]
    run: Callable[[Path, Mapping[str, str], ReportProgress], str]

    def checked_console_task_parameters(
        self, parameters: Mapping[str, str], store: Path
    ) -> dict[str, str]:
        """Return the parameters of a work, checked.

        Args:
            parameters: What was asked for.
            store: Folder of the run store, where programmes lie that were handed in.

        Raises:
            ParameterError: One is out of bounds or not of the form.
        """
        given_text = dict(parse_page_values(self.parameters, parameters).given_text)
        for parameter in self.parameters:
            known = [value for value, _ in parameter.options(store)] if parameter.options else None
            if known is not None and given_text[parameter.name] not in known:
                names = Message("one of {names}", {"names": ", ".join(known)})
                raise ParameterError(parameter.name, wanted=names)
        parse_console_what_if_changes(given_text.get("what_if", ""))
        return given_text


def parse_console_what_if_changes(text: str) -> list[str]:
    """Return the changes of a what-if; a change names numbers and words, never files.

    Raises:
        ParameterError: One is not of the form.

    >>> parse_console_what_if_changes("sites.west.power_price=+50%  policy.order=qssf")
    ['sites.west.power_price=+50%', 'policy.order=qssf']
    """
    changes = text.split()
    wrong = next(
        (change for change in changes if not _CHANGE.fullmatch(change) or ".." in change), None
    )
    if wrong is not None:
        wanted = Message("changes such as sites.west.power_price=+50%, separated by spaces")
        raise ParameterError("what_if", wanted=wanted)
    return changes


def console_submitted_programmes_folder(store: Path) -> Path:
    """Return where programmes lie that were handed in at the console."""
    # Its dot keeps it apart from the runs, of which each is a folder of the store, too.
    return store / ".programmes"


def console_task_programme_options(store: Path) -> Options:
    """Return the programmes that can be run: those that come with the program, then one's own."""
    from commonwatt.study.programme.shipped import shipped_programme_names

    shipped: Options = [(name, name.capitalize()) for name in shipped_programme_names()]
    folder = console_submitted_programmes_folder(store)
    # The reader of programmes takes a tenth of a second to load, which a console without one
    # of its own need not wait for.
    if not folder.is_dir():
        return shipped
    from commonwatt.study.programme.submitted import submitted_programmes_newest_first

    own = submitted_programmes_newest_first(folder)
    return [*shipped, *((each.key, f"{each.title} · {each.key}") for each in own)]


def console_task_programme_title(store: Path, key: str) -> str:
    """Return what people call a programme of the list."""
    own = dict(console_task_programme_options(store))
    title = own.get(key, key)
    return str(title).partition(" · ")[0] if "@" in key else key.capitalize()


def console_task_programme_name_or_file(store: Path, key: str) -> str | Path:
    """Return the shipped name or the file that a programme of the list stands for.

    Raises:
        ProgrammeError: It was handed in, and its files are gone or were changed since.
    """
    from commonwatt.study.programme.submitted import submitted_programme_with_digest_checked

    if "@" not in key:
        return key
    return submitted_programme_with_digest_checked(
        console_submitted_programmes_folder(store), key
    ).path


def _run_study_task_returning_run_id(
    store: Path, given: Mapping[str, str], report_progress: ReportProgress
) -> str:
    from commonwatt.runs import RunStore
    from commonwatt.study.usecases import run_study

    done = run_study(
        console_task_programme_name_or_file(store, given["programme"]),
        RunStore(store),
        language=given["language"],
        what_if=parse_console_what_if_changes(given["what_if"]),
        report_progress=report_progress,
    )
    return done.run.run_id


def _explain_job_wait_returning_run_id(
    store: Path, given: Mapping[str, str], report_progress: ReportProgress
) -> str:
    import polars as pl

    from commonwatt.fleet.usecases.explain import job_wait_explanation
    from commonwatt.study.programme.reader import load_programme
    from commonwatt.study.stages.demand import (
        fleet_inputs_of_programme,
        programme_scheduling_policies,
    )

    programme = load_programme(console_task_programme_name_or_file(store, given["programme"]))
    inputs, policy = (
        fleet_inputs_of_programme(programme),
        programme_scheduling_policies(programme)[0],
    )
    report_progress(Message("Simulating {policy}", {"policy": policy.name}))
    quotas = programme.quota_gpus_by_tenant_or_none(inputs.workload.tenant_names)
    seed = programme.file.seed
    explanation = job_wait_explanation(inputs, policy, given["job"], seed=seed, quotas=quotas)
    sentences = pl.DataFrame(
        [
            (tongue, sentence)
            for tongue, every in explanation["sentences"].items()
            for sentence in every
        ],
        schema=["language", "sentence"],
        orient="row",
    )
    blockers = pl.DataFrame(explanation["blockers"], schema_overrides={"job_id": pl.String})
    tables = {"sentences": sentences, "blockers": blockers}
    headline = {name: explanation[name] for name in ("job", "policy", "state", "queue_delay_s")}
    return _save_console_task_run_returning_id(
        store, "fleet-explain", given, programme, headline, tables
    )


def _run_policy_comparison_returning_run_id(
    store: Path, given: Mapping[str, str], report_progress: ReportProgress
) -> str:
    from commonwatt.fleet.usecases.compare import fleet_run_comparison_table
    from commonwatt.fleet.usecases.policy_names import parse_scheduling_policy_word
    from commonwatt.fleet.usecases.simulate import run_fleet_simulation
    from commonwatt.study.programme.reader import load_programme
    from commonwatt.study.stages.demand import fleet_inputs_of_programme

    programme = load_programme(console_task_programme_name_or_file(store, given["programme"]))
    inputs = fleet_inputs_of_programme(programme)
    quotas = programme.quota_gpus_by_tenant_or_none(inputs.workload.tenant_names)
    runs: list[Any] = []
    for word in given["policies"].split():
        policy = parse_scheduling_policy_word(word)
        report_progress(Message("Simulating {policy}", {"policy": policy.name}))
        runs.append(run_fleet_simulation(inputs, policy, seed=programme.file.seed, quotas=quotas))
    headline = {"policies": len(runs)}
    return _save_console_task_run_returning_id(
        store,
        "fleet-compare",
        given,
        programme,
        headline,
        {"fleet_policies": fleet_run_comparison_table(runs)},
    )


def _save_console_task_run_returning_id(
    store: Path,
    kind: str,
    given: Mapping[str, str],
    programme: Programme,
    headline: Mapping[str, Any],
    tables: Mapping[str, pl.DataFrame],
) -> str:
    """Keep a run that was made from a programme, whole or not at all."""
    from commonwatt.runs import RunInput, RunRecipe, RunStore

    runs = RunStore(store)
    recipe = RunRecipe(
        kind=kind,
        title=str(programme.file.title),
        seed=programme.file.seed,
        parameters=dict(given),
        inputs=[RunInput.from_path(file.path, file.name) for file in programme.inputs],
    )
    draft = runs.draft(recipe)
    for name, frame in tables.items():
        draft.add_table(name, frame)
    return runs.complete_run_draft(draft, headline=headline).run_id


_PROGRAMME: Final = PageParameter(
    name="programme",
    label=Message("Programme"),
    meaning=Message("The programme file that is run."),
    default="harbour",
    kind=ParameterKind.CHOICE,
    options=console_task_programme_options,
)

KINDS: Final[Mapping[str, TaskKind]] = {
    kind.name: kind
    for kind in (
        TaskKind(
            name="study",
            title=Message("Study of a programme"),
            parameters=(
                _PROGRAMME,
                PageParameter(
                    name="what_if",
                    label=Message("What if"),
                    meaning=Message(
                        "Changes such as sites.west.power_price=+50%, separated by spaces; "
                        "the study then says every figure before and after."
                    ),
                    longest=400,
                ),
                PageParameter(
                    name="language",
                    label=Message("Language of the report"),
                    meaning=Message("Language in which the report is written."),
                    default="en",
                    kind=ParameterKind.CHOICE,
                    options=lambda _: [("en", "English"), ("zh-Hant", "繁體中文")],
                ),
            ),
            run=_run_study_task_returning_run_id,
        ),
        TaskKind(
            name="compare",
            title=Message("Comparison of policies"),
            parameters=(
                _PROGRAMME,
                PageParameter(
                    name="policies",
                    label=Message("Policies"),
                    meaning=Message(
                        "Policies in a word each, such as fifo+easy qssf fair-share, "
                        "separated by spaces."
                    ),
                    default="fifo+easy qssf sjf+easy fair-share",
                    longest=300,
                ),
            ),
            run=_run_policy_comparison_returning_run_id,
        ),
        TaskKind(
            name="explain",
            title=Message("Why a job waited"),
            parameters=(
                _PROGRAMME,
                PageParameter(
                    name="job",
                    label=Message("Job"),
                    meaning=Message("The job's name in the trace."),
                    default="",
                    longest=200,
                ),
            ),
            run=_explain_job_wait_returning_run_id,
        ),
    )
}
