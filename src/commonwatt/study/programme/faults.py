"""What is wrong with a programme file: place, found, wanted and remedy, each apart.

Faults are gathered and raised together, because a file with ten of them is not to be run ten
times. Pydantic's own words are English; ours are said in the reader's language.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from commonwatt.core.errors import CommonwattError, ProgrammeError
from commonwatt.core.identifiers import SPELLING_WITH_BLANKS
from commonwatt.core.messages import Message

_OF_NAMES = ("string_pattern_mismatch", "string_too_long")
# Pydantic speaks of dictionaries and instances; a file has tables.
_FORMS: Mapping[str, Message] = {
    "model_type": Message("a table"),
    "model_attributes_type": Message("a table"),
    "dict_type": Message("a table"),
    "list_type": Message("a list"),
}
_NOT_A_NUMBER_OR_TEXT = ("model_type", "model_attributes_type", "dict_type")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgrammeFault:
    """One fault of a programme file.

    Args:
        where: Path of the key in the file, as `sites.0.pue`.
        found: What stands there.
        wanted: What is wanted instead.
        remedy: What to write; where it quotes a text, that text is accepted.
    """

    where: str
    found: str | Message = ""
    wanted: str | Message = ""
    remedy: str | Message = ""

    def programme_error_in_file(self, file_name: str) -> ProgrammeError:
        """Return the fault as an error, its place within the file behind the file's name."""
        place = f"{file_name}, {self.where}" if self.where else file_name
        return ProgrammeError(place, found=self.found, wanted=self.wanted, remedy=self.remedy)

    def translate(self, language: str) -> str:
        """Return the fault as a sentence, without the name of the file."""
        error = ProgrammeError(self.where, found=self.found, wanted=self.wanted, remedy=self.remedy)
        return error.translate(language)


class ProgrammeValueError(ValueError):
    """A value of a programme file cannot be; pydantic adds the path.

    Args:
        found: What stands there.
        wanted: What is wanted instead.
        remedy: What to write.
    """

    def __init__(
        self, found: str | Message, wanted: str | Message = "", remedy: str | Message = ""
    ) -> None:
        self.found, self.wanted, self.remedy = found, wanted, remedy
        fault = ProgrammeFault(where="", found=found, wanted=wanted, remedy=remedy)
        super().__init__(fault.translate("en").removeprefix(": "))


@dataclass(frozen=True, slots=True)
class ErrorSentence(Message):
    """The sentence of another error, in the language that is asked for."""

    error: CommonwattError | None = None

    def translate(self, language: str) -> str:
        """Return the error's sentence without the full stop, which its new place gives."""
        return "" if self.error is None else self.error.translate(language).rstrip(".。")

    def __str__(self) -> str:
        return self.translate("en")


@dataclass(frozen=True, slots=True)
class _FaultList(Message):
    """Many faults, a line each."""

    faults: tuple[ProgrammeFault, ...] = ()

    def translate(self, language: str) -> str:
        lines = "\n".join(f"  {fault.translate(language)}" for fault in self.faults)
        values = {"count": str(len(self.faults)), "faults": lines.rstrip(".。")}
        return Message("{count} faults:\n{faults}", values).translate(language)

    def __str__(self) -> str:
        return self.translate("en")


def programme_faults_error(file_name: str, faults: Sequence[ProgrammeFault]) -> ProgrammeError:
    """Return one error for all faults of a file."""
    # The parts of a single fault stay apart, for whoever reads the error as JSON.
    if len(faults) == 1:
        return faults[0].programme_error_in_file(file_name)
    return ProgrammeError(file_name, found=_FaultList("", {}, tuple(faults)))


def programme_faults_of_error(error: CommonwattError) -> list[ProgrammeFault]:
    """Return the faults that an error of a programme file lists, each apart; one at the least."""
    if isinstance(error.found, _FaultList):
        return list(error.found.faults)
    return [
        ProgrammeFault(
            # The file's name goes before a place within it, and stands alone without one.
            where=error.where.partition(", ")[2] or error.where,
            found=error.found,
            wanted=error.wanted,
            remedy=error.remedy,
        )
    ]


def closest_name_remedy_or_empty(name: str, known: Sequence[str]) -> Message | str:
    """Return which name was probably meant, or nothing where none is near."""
    near = get_close_matches(name, known, n=1)
    return Message('Did you mean "{name}"?', {"name": near[0]}) if near else ""


def programme_validation_faults(
    errors: Sequence[Mapping[str, Any]], model: type[BaseModel]
) -> list[ProgrammeFault]:
    """Return pydantic's errors as faults, each place once.

    Args:
        errors: As `ValidationError.errors` lists them.
        model: The model that was read.
    """
    return [
        _programme_fault_of_validation_error(error, model)
        for error in errors
        if not _is_validation_error_of_unchosen_form(error)
    ]


def _is_validation_error_of_unchosen_form(error: Mapping[str, Any]) -> bool:
    """Return whether the error is of a form that the writer did not choose.

    A price may be a text or a table of a series. Whoever wrote a text made one fault, and not
    also that of writing no table.
    """
    loc = error["loc"]
    is_table = isinstance(error["input"], dict)
    if any(str(step) == "SeriesPart" for step in loc):
        return not is_table and error["type"] in _NOT_A_NUMBER_OR_TEXT
    return is_table and any(str(step).startswith("function-") for step in loc)


def _programme_fault_of_validation_error(
    error: Mapping[str, Any], model: type[BaseModel]
) -> ProgrammeFault:
    # Pydantic puts the kind of a validator and the form of a price into the path; neither stands
    # in anybody's file.
    path = [
        step
        for step in error["loc"]
        if step != "SeriesPart" and not str(step).startswith("function-")
    ]
    where = ".".join(str(step) for step in path)
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, ProgrammeValueError):
        return ProgrammeFault(
            where=where, found=cause.found, wanted=cause.wanted, remedy=cause.remedy
        )
    if error["type"] in _OF_NAMES:
        # Of the key of a table pydantic adds a step that stands in no file.
        return ProgrammeFault(
            where=where.removesuffix(".[key]"),
            found=repr(str(error["input"])[:40]),
            wanted=SPELLING_WITH_BLANKS.wanted,
            remedy=Message("Write a short name in these letters; label takes any text."),
        )
    if str(error["type"]).startswith("date_"):
        return ProgrammeFault(
            where=where,
            found=_shown_kind_of_given_value(error["input"]),
            wanted=Message("a day"),
            remedy=Message("Write for example {example}.", {"example": '"2026-03-02"'}),
        )
    if (wanted := _FORMS.get(error["type"])) is not None:
        return ProgrammeFault(
            where=where,
            found=_shown_kind_of_given_value(error["input"]),
            wanted=wanted,
            remedy=_programme_value_form_remedy(error, path, model),
        )
    return ProgrammeFault(
        where=where,
        found=_programme_validation_fault_sentence(error["msg"], error["input"]),
        remedy=_programme_validation_error_remedy(error, path, model),
    )


def _shown_kind_of_given_value(given: object) -> str | Message:
    if isinstance(given, Mapping):
        return Message("a table")
    return Message("a list") if isinstance(given, list) else repr(given)[:40]


def _programme_value_form_remedy(
    error: Mapping[str, Any], path: list[int | str], model: type[BaseModel]
) -> str | Message:
    """Return how a table, a list of tables or a list of values is written at a path."""
    _, field = _programme_table_and_field_at_path(model, path)
    if field is None or not path:
        return ""
    key, spelled = str(path[-1]), ".".join(str(step) for step in path if isinstance(step, str))
    part, is_named = _table_in_annotation_and_is_by_name(field.annotation)
    if part is None:
        given = error["input"]
        # A text that stands alone is the list's one member, written without its brackets.
        return (
            Message(
                "Write for example {example}.",
                {"example": json.dumps([given], ensure_ascii=False)},
            )
            if isinstance(given, str) and not _requires_more_than_one_member(field)
            else Message(
                "Write {key} as it is meant: {meaning}.",
                {"key": key, "meaning": (field.description or key).removesuffix(".")},
            )
        )
    if error["type"] == "list_type":
        return Message("Write [[{path}]] above its keys, once for each.", {"path": spelled})
    if is_named:
        # At one of the parts the path ends in its name already.
        spelled = spelled if error["type"] == "dict_type" else spelled.rpartition(".")[0]
        return Message("Write a table [{path}.NAME] for each.", {"path": spelled})
    return Message("Write [{path}] above its keys, in single brackets.", {"path": spelled})


def _requires_more_than_one_member(field: FieldInfo) -> bool:
    """Return whether a list must have more than one member, wherever its type says so."""
    infos = [*field.metadata, *_programme_field_metadata_of_type(field.annotation)]
    return any((getattr(info, "min_length", 0) or 0) > 1 for info in infos)


def _programme_field_metadata_of_type(annotation: Any) -> list[object]:
    own = [
        part
        for info in getattr(annotation, "__metadata__", ())
        for part in getattr(info, "metadata", (info,))
    ]
    return own + [
        part for below in get_args(annotation) for part in _programme_field_metadata_of_type(below)
    ]


def _programme_validation_fault_sentence(message: str, given_value: object) -> str:
    # Pydantic puts these words before the message of every ValueError of ours.
    sentence = message.removeprefix("Value error, ")
    shown = _shown_kind_of_given_value(given_value)
    if isinstance(shown, Message) and sentence.startswith("Input should"):
        return f"{sentence} (found {shown})"
    plain = isinstance(given_value, str | int | float) and repr(given_value) not in sentence
    return f"{sentence} (found {str(given_value)[:40]!r})" if plain else sentence


def _undeclared_programme_key_remedy(
    key: str, table: type[BaseModel], model: type[BaseModel]
) -> Message:
    """Return where a key belongs that its table has not, or what was meant by it."""
    # A key of another table is rather misplaced than mistyped.
    if homes := [home for home in _programme_table_paths_with_key(model, key) if home]:
        return Message(
            "Take it out; {key} stands in {tables}.",
            {"key": key, "tables": ", ".join(f"[{home}]" for home in homes)},
        )
    if key in model.model_fields:
        return Message("Take it out; {key} stands at the top of the file.", {"key": key})
    known = list(table.model_fields)
    near = closest_name_remedy_or_empty(key, known)
    return (
        near
        if isinstance(near, Message)
        else Message("Take it out; this table takes {names}.", {"names": ", ".join(known)})
    )


def _programme_validation_error_remedy(
    error: Mapping[str, Any], path: list[int | str], model: type[BaseModel]
) -> str | Message:
    table, field = _programme_table_and_field_at_path(model, path)
    if not path or table is None:
        return ""
    key = str(next(step for step in reversed(path) if isinstance(step, str)))
    if error["type"] == "extra_forbidden":
        return _undeclared_programme_key_remedy(key, table, model)
    if field is None:
        return ""
    bounds, meaning = _programme_field_bounds_text(field), field.description or key
    values = {"key": key, "bounds": bounds, "meaning": meaning.removesuffix(".")}
    if error["type"] == "missing":
        is_table = _table_in_annotation_and_is_by_name(field.annotation)[0] is not None
        return (
            Message("Write a table {key} into the file.", {"key": key})
            if is_table
            else Message("Write a line {key} = … there ({meaning}).", values)
        )
    return (
        Message("Write {key} {bounds} ({meaning}).", values)
        if bounds
        else Message("Write {key} as it is meant: {meaning}.", values)
    )


def _programme_field_bounds_text(field: FieldInfo) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    bounds = (
        (sign, getattr(each, name, None)) for each in field.metadata for name, sign in signs.items()
    )
    return ", ".join(
        # A date takes no comma between thousands.
        f"{sign} {bound:,}" if isinstance(bound, int | float) else f"{sign} {bound}"
        for sign, bound in bounds
        if bound is not None
    )


def _programme_table_and_field_at_path(
    model: type[BaseModel], path: Sequence[int | str]
) -> tuple[type[BaseModel] | None, FieldInfo | None]:
    """Return the table that a path ends in, and the field there; None where it has none."""
    table: type[BaseModel] | None = model
    below: type[BaseModel] | None = model
    field, is_named = None, False
    for step in path:
        if isinstance(step, int):
            continue
        if is_named:  # the name of a part, such as an alternative's
            is_named = False
            continue
        table, field = below, None
        if table is None or step not in table.model_fields:
            return table, None
        field = table.model_fields[step]
        below, is_named = _table_in_annotation_and_is_by_name(field.annotation)
    return table, field


def _programme_table_paths_with_key(model: type[BaseModel], key: str, path: str = "") -> list[str]:
    """Return the paths of the tables of a model that have a key."""
    paths = [path] if key in model.model_fields else []
    for name, field in model.model_fields.items():
        part, _ = _table_in_annotation_and_is_by_name(field.annotation)
        if part is not None:
            paths += _programme_table_paths_with_key(part, key, f"{path}.{name}".lstrip("."))
    return paths


def _table_in_annotation_and_is_by_name(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """Return the table that a field holds, and whether it holds several by their names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    is_named = get_origin(annotation) is dict
    for part in get_args(annotation):
        below, deeper = _table_in_annotation_and_is_by_name(part)
        if below is not None:
            return below, is_named or deeper
    return None, False
