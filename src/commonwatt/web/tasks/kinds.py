"""What can be run from the console: one line a kind, what it asks, and what it does."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from commonwatt.core.messages import Message
from commonwatt.web.errors import ParameterError
from commonwatt.web.parameters import Options, PageParameter, ParameterKind, parse_values

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

    def check(self, parameters: Mapping[str, str]) -> dict[str, str]:
        """Return the parameters of a work, checked.

        Raises:
            ParameterError: One is out of bounds or not of the form.
        """
        given_text = dict(parse_values(self.parameters, parameters).given_text)
        for parameter in self.parameters:
            known = [value for value, _ in parameter.options(None)] if parameter.options else None
            if known is not None and given_text[parameter.name] not in known:
                names = Message("one of {names}", {"names": ", ".join(known)})
                raise ParameterError(parameter.name, wanted=names)
        changes_of(given_text.get("what_if", ""))
        return given_text


def changes_of(text: str) -> list[str]:
    """Return the changes of a what-if; a change names numbers and words, never files.

    Raises:
        ParameterError: One is not of the form.

    >>> changes_of("sites.west.power_price=+50%  policy.order=qssf")
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


def _programmes(_: Any) -> Options:
    from commonwatt.study.programme.reader import shipped_programmes

    return [(name, name.capitalize()) for name in shipped_programmes()]


def _study(store: Path, given: Mapping[str, str], tell: ReportProgress) -> str:
    from commonwatt.runs import RunStore
    from commonwatt.study.usecases import run_study

    done = run_study(
        given["programme"],
        RunStore(store),
        language=given["language"],
        what_if=changes_of(given["what_if"]),
        report_progress=tell,
    )
    return done.run.run_id


def _explain(store: Path, given: Mapping[str, str], tell: ReportProgress) -> str:
    import polars as pl

    from commonwatt.fleet.usecases.explain import explanation_result
    from commonwatt.study.programme.reader import load_programme
    from commonwatt.study.stages.demand import policies_of, programme_inputs

    programme = load_programme(given["programme"])
    inputs, policy = programme_inputs(programme), policies_of(programme)[0]
    tell(Message("Simulating {policy}", {"policy": policy.name}))
    quotas = programme.quotas(inputs.workload.tenant_names)
    seed = programme.file.seed
    explanation = explanation_result(inputs, policy, given["job"], seed=seed, quotas=quotas)
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
    return _sealed(store, "fleet-explain", given, programme, headline, tables)


def _compare(store: Path, given: Mapping[str, str], tell: ReportProgress) -> str:
    from commonwatt.fleet.usecases.compare import comparison_rows
    from commonwatt.fleet.usecases.policy_names import parse_policy_word
    from commonwatt.fleet.usecases.simulate import run_fleet
    from commonwatt.study.programme.reader import load_programme
    from commonwatt.study.stages.demand import programme_inputs

    programme = load_programme(given["programme"])
    inputs = programme_inputs(programme)
    quotas = programme.quotas(inputs.workload.tenant_names)
    runs: list[Any] = []
    for word in given["policies"].split():
        policy = parse_policy_word(word)
        tell(Message("Simulating {policy}", {"policy": policy.name}))
        runs.append(run_fleet(inputs, policy, seed=programme.file.seed, quotas=quotas))
    headline = {"policies": len(runs)}
    return _sealed(
        store,
        "fleet-compare",
        given,
        programme,
        headline,
        {"fleet_policies": comparison_rows(runs)},
    )


def _sealed(
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
        inputs=[RunInput.of(file.path, file.name) for file in programme.inputs],
    )
    draft = runs.draft(recipe)
    for name, frame in tables.items():
        draft.add_table(name, frame)
    return runs.complete_run(draft, headline=headline).run_id


_PROGRAMME: Final = PageParameter(
    name="programme",
    label=Message("Programme"),
    meaning=Message("The programme file that is run."),
    default="harbour",
    kind=ParameterKind.CHOICE,
    options=_programmes,
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
            run=_study,
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
            run=_compare,
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
            run=_explain,
        ),
    )
}
