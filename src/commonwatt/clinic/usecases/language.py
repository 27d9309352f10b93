"""Language models from outside: make canaries, examine a model, keep its answers."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from commonwatt.clinic.engines.gateway.institution import load_or_make_clinic_institution_secret
from commonwatt.clinic.engines.gateway.models import load_medical_model_function
from commonwatt.clinic.engines.language import (
    ChatModel,
    ClinicalNote,
    LanguageExamination,
    LocalModel,
    RecordingModel,
    TextModel,
    examine_clinic_language_model,
    learning_and_held_out_notes,
    load_medec_clinic_notes,
    make_clinic_model_canaries,
)
from commonwatt.clinic.engines.language.baseline import NgramBaseline
from commonwatt.clinic.engines.language.canaries import (
    clinical_canaries_json,
    load_clinical_canaries,
)
from commonwatt.clinic.engines.language.meaning.measured import shipped_clinic_note_fidelity_roc
from commonwatt.clinic.engines.language.models import (
    load_recorded_language_model,
    recorded_model_answers_json_lines,
)
from commonwatt.core.errors import UsageError
from commonwatt.core.hashes import file_sha256
from commonwatt.core.messages import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAccess:
    """Which model is examined, and how it is reached; exactly one way is given.

    Args:
        url: Of a server with the chat-completions interface.
        model: The name under which the server knows it.
        token_env: Name of the environment variable that holds the server's token.
        python: A function as `module:function`.
        answers: A file of recorded answers.
        baseline: Our own n-gram model.
    """

    url: str = ""
    model: str = ""
    token_env: str = ""
    python: str = ""
    answers: Path | None = None
    baseline: bool = False


def language_examination_dict_table_and_answers(
    path: Path,
    access: ModelAccess,
    *,
    held_out: float,
    canaries: Path | None,
    first: int | None,
    seed: int,
    today: date,
) -> tuple[dict[str, Any], pl.DataFrame, str]:
    """Return how a model did, the table of it, and its answers as the lines of a file.

    Raises:
        EvidenceError: Notes, canaries or answers cannot be read, or the model does not answer.
        UsageError: Not exactly one way to the model is given.
    """
    learnt, held = learning_and_held_out_notes(load_medec_clinic_notes(path), held_out)
    model = RecordingModel(_open_clinic_language_model(access, learnt, seed))
    planted = load_clinical_canaries(canaries) if canaries else []
    examination = examine_clinic_language_model(model, held[:first], canaries=planted, seed=seed)
    source = f"MEDEC notes {file_sha256(path)[:12]}, held-out share {held_out:g}, seed {seed}"
    provenance = {"model": model.name, "recorded_on": today.isoformat(), "source": source}
    answers = recorded_model_answers_json_lines(provenance | {"licence": _LICENCE}, model.answers)
    return (
        _clinic_language_examination_dict(examination)
        | {"dataset_sha256": file_sha256(path), "seed": seed},
        examination.table,
        answers,
    )


_LICENCE = "that of the model's maker for its answers; prompts are not kept"


def _clinic_language_examination_dict(examination: LanguageExamination) -> dict[str, Any]:
    return {
        "model": examination.model,
        "notes": examination.notes,
        "cases": examination.cases,
        "estimates": examination.table.to_dicts(),
        "meter": asdict(examination.meter)
        | {
            "sensitivity": examination.meter.sensitivity,
            "specificity": examination.meter.specificity,
        },
        "curve": [point._asdict() for point in shipped_clinic_note_fidelity_roc()],
        "p_flags": examination.p_flags,
        "p_fit": examination.p_fit,
        "leak": asdict(examination.leak) | {"leaks": examination.leak.clinic_model_leaks_canaries}
        if examination.leak
        else None,
    }


def _open_clinic_language_model(
    access: ModelAccess, learnt: list[ClinicalNote], seed: int
) -> TextModel:
    ways = [access.url, access.python, access.answers, access.baseline]
    if sum(bool(way) for way in ways) != 1:
        wanted = Message("exactly one of --url, --python, --answers and --baseline")
        raise UsageError("clinic language", wanted=wanted)
    if access.baseline:
        return NgramBaseline(learnt)
    if access.answers:
        return load_recorded_language_model(access.answers)
    if access.python:
        return LocalModel(access.python, load_medical_model_function(access.python, "--python"))
    token = os.environ.get(access.token_env, "") if access.token_env else ""
    return ChatModel(url=access.url, model=access.model or "model", token=token, seed=seed)


def canary_key_json_and_planted_lines(secret_file: Path, count: int) -> tuple[str, str]:
    """Return the key of some canaries, and the lines to be planted.

    Raises:
        InputError: The secret cannot be read.
    """
    canaries = make_clinic_model_canaries(
        load_or_make_clinic_institution_secret(secret_file), count
    )
    return clinical_canaries_json(canaries), "".join(
        f"{canary.planted_clinic_note_line}\n" for canary in canaries
    )
