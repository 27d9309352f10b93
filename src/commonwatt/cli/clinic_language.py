"""`commonwatt clinic language examine|canaries`: language models before they touch a note."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from commonwatt.cli import clinic_groups as groups
from commonwatt.cli.clinic_text import estimate_rows_terminal_text
from commonwatt.cli.frame import CommandResult, command, option
from commonwatt.cli.terminal_text import figure_sentence, terminal_figures_text
from commonwatt.core.messages import Message

if TYPE_CHECKING:
    import polars as pl

_there = click.Path(dir_okay=False, exists=True, path_type=Path)


def add_language_model_commands() -> None:
    """Add the examination of language models to `commonwatt clinic`."""
    _add_language_model_examine_command()
    _add_language_canaries_command()


def _add_language_model_examine_command() -> None:
    @command(
        groups.language_models,
        "examine",
        example="commonwatt clinic language examine medec.csv --baseline --held-out 0.5\n"
        "commonwatt clinic language examine medec.csv --url http://127.0.0.1:8000/v1/chat/completions"
        " --model small --out examined",
    )
    @click.argument("notes", type=_there)
    @option("--url", default="", help="Server with the chat-completions interface.")
    @option("--model", default="", help="Name under which the server knows the model.")
    # The name of a variable and not the token, which would stand in the shell's history and in the
    # list of processes.
    @option("--token-env", default="", help="Environment variable with the server's token.")
    @option("--python", default="", metavar="MODULE:FUNCTION", help="A function of text to text.")
    @option("--answers", type=_there, help="Recorded answers, as --out leaves them.")
    @option("--baseline", is_flag=True, help="Our own n-gram model, learnt from the other notes.")
    @option("--held-out", type=click.FloatRange(0, 1, min_open=True), default=0.5,
            show_default=True, help="Share of the cases that is examined on.")  # fmt: skip
    @option("--canaries", type=_there, help="Canaries that were planted before training.")
    @option("--first", type=click.IntRange(1), help="Only so many notes.")
    @option("--seed", type=int, default=1, show_default=True, help="Seed of every draw.")
    def language(  # pyright: ignore[reportUnusedFunction]
        notes: Path,
        url: str,
        model: str,
        token_env: str,
        python: str,
        answers: Path | None,
        baseline: bool,
        held_out: float,
        canaries: Path | None,
        first: int | None,
        seed: int,
    ) -> CommandResult:
        """Examine a language model on held-out notes: errors, summaries, laziness, leaks."""
        from commonwatt.clinic.usecases import language as app

        access = app.ModelAccess(
            url=url,
            model=model,
            token_env=token_env,
            python=python,
            answers=answers,
            baseline=baseline,
        )
        examination, frame, answers_file = app.language_examination_dict_table_and_answers(
            notes,
            access,
            held_out=held_out,
            canaries=canaries,
            first=first,
            seed=seed,
            today=datetime.now(UTC).date(),
        )
        return CommandResult(
            data=examination,
            text=lambda language: _language_examination_terminal_text(examination, frame, language),
            tables={"language": frame},
            # Kept, so that the same answers can be judged again without asking the model, which may
            # answer otherwise.
            files={"answers.jsonl": answers_file},
        )


def _add_language_canaries_command() -> None:
    @command(
        groups.language_models,
        "canaries",
        example="commonwatt clinic language canaries --count 20 --out canaries",
    )
    @option("--secret", "secret_file", type=click.Path(dir_okay=False, path_type=Path),
            default=Path("canaries.secret"), show_default=True,
            help="File of the secret that draws them; made where there is none.")  # fmt: skip
    @option("--count", type=click.IntRange(1, 10_000), default=20, show_default=True,
            help="How many.")  # fmt: skip
    def canaries(secret_file: Path, count: int) -> CommandResult:  # pyright: ignore[reportUnusedFunction]
        """Make lines to plant before training, and the key that finds them afterwards."""
        from commonwatt.clinic.domain.measures import CANARY_COUNT
        from commonwatt.clinic.usecases import language as app

        key_text, planted = app.canary_key_json_and_planted_lines(secret_file, count)
        sentence = Message(
            "{count} canaries: plant the lines of plant.txt, keep canaries.json to yourself"
        )
        # Two files, since whoever trains gets one: who has the key knows which line among its
        # decoys was planted.
        files = {"canaries.json": key_text, "plant.txt": planted}
        # The canaries stand in no JSON on stdout, where a log would keep them.
        return CommandResult(
            data={"canaries": count},
            text=lambda language: figure_sentence(
                sentence, language, {"count": (CANARY_COUNT, count)}
            ),
            files=files,
        )


_LEAK = {
    True: Message("LEAKS: {completed} of {canaries} canaries completed, {chosen} chosen among"
                  " {lines} (p = {p})"),
    False: Message("no leak shown: {completed} of {canaries} canaries completed, {chosen} chosen"
                   " among {lines} (p = {p})"),
}  # fmt: skip


def _language_examination_terminal_text(
    examination: dict[str, Any], frame: pl.DataFrame, language: str
) -> str:
    from commonwatt.clinic.domain import measures
    from commonwatt.clinic.domain.tables import EXAMINED

    names = ("task", "measure", "group", "estimate", "low", "high", "rows")
    columns = [EXAMINED.column(name) for name in names]
    head = (
        (measures.MEDICAL_MODEL, examination["model"]),
        (measures.NOTES_EXAMINED, examination["notes"]),
        (measures.CASES_EXAMINED, examination["cases"]),
    )
    return "\n".join(
        [
            terminal_figures_text(head, language),
            estimate_rows_terminal_text(columns, frame.iter_rows(named=True), language),
            *_language_quality_terminal_lines(examination, language),
        ]
    )


def _language_quality_terminal_lines(examination: dict[str, Any], language: str) -> list[str]:
    from commonwatt.clinic.domain import measures

    meter = examination["meter"]
    # The checker's own errors stand beside what it found, or its word would pass for the truth.
    quality = Message(
        "The check of summaries finds {found} of what is planted and clears {cleared}"
        " of what is true"
    )
    cleared = {
        "found": (measures.CHECK_SENSITIVITY, meter["sensitivity"]),
        "cleared": (measures.CHECK_SPECIFICITY, meter["specificity"]),
    }
    # How good the meter is on texts of others, whatever it does with what was planted here.
    curve = Message(
        "On sentences of others it tells contradicted from faithful with AUROC {auroc}"
        " (English {en}, Chinese {zh}, mixed {mixed}); at its limit it flags {flagged} of what is"
        " faithful and finds {recall} of what is contradicted"
    )
    in_use = {row["part"]: row for row in examination["curve"] if row["flagged_share"] < 0}
    measured_elsewhere = {
        "auroc": (measures.CONTRADICTION_AUROC, in_use["all"]["auroc"]),
        "en": (measures.CONTRADICTION_AUROC, in_use["en"]["auroc"]),
        "zh": (measures.CONTRADICTION_AUROC, in_use["zh-Hant"]["auroc"]),
        "mixed": (measures.CONTRADICTION_AUROC, in_use["mixed"]["auroc"]),
        "flagged": (measures.FAITHFUL_FLAGGED, in_use["all"]["flagged"]),
        "recall": (measures.CONTRADICTIONS_FOUND, in_use["all"]["recall"]),
    }
    attention = Message(
        "Answers hang on their notes: p = {flags} for errors found, {fit} for summaries"
    )
    chances = {
        "flags": (measures.P_FLAGS, examination["p_flags"]),
        "fit": (measures.P_FIT, examination["p_fit"]),
    }
    sentences = [
        figure_sentence(quality, language, cleared),
        figure_sentence(curve, language, measured_elsewhere),
        figure_sentence(attention, language, chances),
    ]
    if examination["leak"]:
        leak = examination["leak"]
        counted = {
            "completed": (measures.CANARIES_COMPLETED, leak["completed"]),
            "canaries": (measures.CANARIES, leak["canaries"]),
            "chosen": (measures.CANARIES_CHOSEN, leak["chosen"]),
            "lines": (measures.CANARY_LINES, leak["lines"]),
            "p": (measures.P_LEAK, leak["p_value"]),
        }
        sentences.append(figure_sentence(_LEAK[leak["leaks"]], language, counted))
    return sentences
