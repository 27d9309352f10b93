"""What an earlier study of the same programme left: the run itself, and its quoted figures.

A study again is the run that the store holds, and a what-if is set beside the quoted figures
of the programme as written. Neither needs one of the stages behind it. Both are cached as
stages are: under the hash of all that decides them, in a folder that may be deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from commonwatt.core.messages import Message, translations_sha256
from commonwatt.runs import InputFile, Run, RunStore, StageStore
from commonwatt.runs.check import is_stored_run_whole
from commonwatt.study.absent import AbsentPart
from commonwatt.study.programme.reader import Programme

ReportProgress = Callable[[Message], None]
Row = dict[str, Any]
_QUOTED_FIGURES: Final = "quoted-figures"
_STUDY_ANSWER: Final = "study-answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotedFigures:
    """The figures that people quote of a programme, and what a reader must know before them.

    Args:
        facts: The figures by name.
        warnings: Text and values of each warning of its fleet run.
    """

    facts: Mapping[str, Any]
    warnings: Sequence[Row]

    def report_study_warnings(self, report_progress: ReportProgress) -> None:
        """Report each warning."""
        for warning in self.warnings:
            report_progress(Message(warning["text"], warning["values"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class _QuotedFigureInputs:
    """What decides the quoted figures of a programme: its files and the changes to the first."""

    files: tuple[InputFile, ...]
    changes: tuple[str, ...]

    @classmethod
    def of(cls, programme: Programme) -> _QuotedFigureInputs:
        return cls(files=programme.inputs, changes=programme.changes)


def earlier_study_quoted_figures_or_none(
    programme: Programme, stages: StageStore
) -> QuotedFigures | None:
    """Return the quoted figures that an earlier study found of a programme, or None."""
    cached = stages.cached_run_stage_summary_or_none(
        _QUOTED_FIGURES, _QuotedFigureInputs.of(programme)
    )
    return None if cached is None else QuotedFigures(**cached)


def save_study_quoted_figures(
    programme: Programme, figures: QuotedFigures, stages: StageStore, *, since: int
) -> None:
    """Keep the quoted figures of a programme.

    Args:
        programme: The programme.
        figures: Its figures.
        stages: The stages that they were found with.
        since: How many stages had been opened before.
    """
    inputs = _QuotedFigureInputs.of(programme)
    stages.save_summary(_QUOTED_FIGURES, inputs, asdict(figures), since=since)


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyAnswer:
    """What a study answers.

    Args:
        run: The run as the store keeps it.
        what_if: Figures before and after the changes, in a what-if.
        warnings: Text and values of each warning that was reported.
        absent: The parts that could not be computed, and why.
    """

    run: Run
    what_if: list[Row]
    warnings: list[Row]
    absent: list[AbsentPart]


@dataclass(frozen=True, slots=True, kw_only=True)
class _AnswerInputs:
    """What decides an answer: its run's id, a hash of all that went in, and the words.

    Args:
        run_id: The run.
        translations: Digest of the words of the reader's language, which are no part of the id.
    """

    run_id: str
    translations: str


def earlier_study_answer_or_none(
    run_id: str, language: str, store: RunStore, stages: StageStore
) -> StudyAnswer | None:
    """Return the answer of an earlier study, or None where it or a byte of its run is not there."""
    if not is_stored_run_whole(store.root, run_id):
        return None
    inputs = _AnswerInputs(run_id=run_id, translations=translations_sha256(language))
    cached = stages.cached_run_stage_summary_or_none(_STUDY_ANSWER, inputs)
    if cached is None:
        return None
    return StudyAnswer(
        run=store.read(run_id),
        what_if=cached["what_if"],
        warnings=cached["warnings"],
        absent=[_absent_part_of_saved_data(part) for part in cached["absent"]],
    )


def save_study_answer(answer: StudyAnswer, language: str, stages: StageStore) -> None:
    """Keep the answer of a study, unless a reason in it is more than a sentence and its values."""
    messages = [m for part in answer.absent for m in (part.title, part.reason, part.remedy)]
    # An error in another error's words cannot be written as a sentence: such a study is asked
    # for anew each time.
    if any(type(message) is not Message for message in messages):
        return
    inputs = _AnswerInputs(run_id=answer.run.run_id, translations=translations_sha256(language))
    stages.save_summary(
        _STUDY_ANSWER,
        inputs,
        {
            "what_if": answer.what_if,
            "warnings": answer.warnings,
            "absent": [asdict(part) for part in answer.absent],
        },
    )


def _absent_part_of_saved_data(row: Mapping[str, Any]) -> AbsentPart:
    messages = {key: Message(**row[key]) for key in ("title", "reason", "remedy")}
    return AbsentPart(part=row["part"], is_asked_for=row["is_asked_for"], **messages)
