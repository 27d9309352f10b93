"""A programme file with what each key means beside it: one writer for the template and `new`.

Meaning, unit, bounds and default stand in the schema alone and are printed from there, so that
neither a template nor a started programme can say anything else than the reader does. A key is
explained where it comes first; what is known of one value, its source or that it is an
assumption, is a remark of whoever writes the file.
"""

from __future__ import annotations

import json
import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final, Literal, cast, get_args, get_origin

from pydantic import BaseModel

from commonwatt.core.errors import BugError
from commonwatt.core.messages import Message, translate
from commonwatt.core.shipped import DATA
from commonwatt.study.programme.localised import LocalisedText
from commonwatt.study.programme.quantities import programme_schema_field_unit
from commonwatt.study.programme.schema import ProgrammeFile, SeriesPart

Document = Mapping[str, Any]
Model = type[BaseModel]

EXAMPLE: Final = DATA / "programmes" / "template" / "example.toml"
# In place of a value, where a whole table may stand: hour by hour from a file.
SERIES_EXAMPLE: Final[Document] = {"file": "hours.csv", "column": "hall", "times": 1.0}
_COLUMNS: Final = 96
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
# Units of plain numbers, by the name of the key: the schema's types carry those of quantities.
_UNIT_OF_KEY: Final[Mapping[str, str]] = {
    "seed": "whole number",
    "quota_gpus": "GPUs",
    "defer_h": "hours",
    "memory_gib": "GiB",
    "slices": "count",
    "nodes": "nodes",
    "gpus_per_node": "GPUs of a node",
    "cpu_cores": "cores",
    "times": "factor",
    "value": "unit of the input",
    "low": "unit of the input",
    "high": "unit of the input",
    "pue": "ratio",
    "pue_range": "ratio",
    "currency_per_usd": "units of the currency for a US dollar",
    "scale": "factor",
    "first_year": "calendar year",
    "build_years": "years",
    "steepness": "number",
    "years": "years",
    "paths": "count",
}
_SIGN_OF_BOUND: Final = {"≥": "ge", ">": "gt", "≤": "le", "<": "lt"}
_LARGEST_SHOWN: Final = 2**53
_KIND_OF_TYPE: Final[Mapping[type, str]] = {
    str: "text",
    bool: "flag, true or false",
    int: "whole number",
    float: "number",
    date: "date",
    LocalisedText: "text, or a table with en and zh-Hant",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgrammeKey:
    """One key of the programme file, as its reference says it.

    Args:
        path: Where it stands, without names of tables: `sites.rent.price`.
        meaning: What it is, in a sentence.
        unit: Its unit, or its kind where it counts nothing; empty for a table.
        bounds: Least and most that it may be, in signs.
        required: Whether it must be there.
        default: What holds where it is absent; None where nothing does.
    """

    path: str
    meaning: str
    unit: str
    bounds: str
    required: bool
    default: object

    def remark(self, language: str) -> str:
        """Return meaning, unit and default in a line, in the reader's language."""
        unit = translate(self.unit, language)
        if self.required:
            state = translate("required", language)
        elif isinstance(self.default, str | int | float) and self.default != "":
            value = {"value": programme_toml_value_text(self.default)}
            state = Message("default {value}", value).translate(language)
        else:
            state = translate("may be absent", language)
        aside = ", ".join(part for part in (unit, self.bounds, state) if part)
        return f"{translate(self.meaning, language)} [{aside}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgrammeRemarks:
    """What whoever writes a programme knows of its values.

    Args:
        header: Lines at the top.
        before: Lines above a key or a table, by its path with the names of tables, as a change
            names it: `sites.home.pue`.
        after: Lines below a table's keys, by the table's path.
    """

    header: Sequence[str] = ()
    before: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    after: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])


def programme_keys(model: Model = ProgrammeFile, path: str = "") -> Iterator[ProgrammeKey]:
    """Yield every key of a table of the programme file and of the tables in it."""
    for name in model.model_fields:
        below = f"{path}.{name}".lstrip(".")
        yield replace(_programme_key(model, name), path=below)
        for part in _programme_models_of_key(model, name):
            yield from programme_keys(part, below)


def programme_tables_named_in_annotation(annotation: object) -> list[Model]:
    """Return the tables that a field's type names, in order."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [
        model
        for part in get_args(annotation)
        for model in programme_tables_named_in_annotation(part)
    ]


def annotated_programme_template(language: str = "en") -> str:
    """Return a programme that uses every key of the schema, each with meaning, unit and example."""
    example = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))
    header = [
        translate(line, language)
        for line in (
            "A programme file with every key that there is.",
            "Above each stands what it means, its unit and whether it is required;"
            " the values are examples.",
            "Take out what you do not need: what may be absent is not missed.",
        )
    ]
    return annotated_programme_toml_text(
        example, remarks=ProgrammeRemarks(header=header), language=language, every_key=True
    )


def annotated_programme_toml_text(
    document: Document,
    *,
    remarks: ProgrammeRemarks,
    language: str = "en",
    every_key: bool = False,
) -> str:
    """Return a programme as TOML with the meaning of each key above its first use.

    Args:
        document: The programme, as `tomllib` reads it; its order is kept, tables last.
        remarks: What is known of single values.
        language: The language of the comments.
        every_key: Whether the keys of a table that may stand for a value are shown, too.

    Raises:
        BugError: A key that the schema does not know.
    """
    writer = _AnnotatedProgrammeWriter(remarks=remarks, language=language, every_key=every_key)
    lines = [
        *_sentences_as_toml_comment_lines(remarks.header),
        *writer.programme_table_toml_lines(ProgrammeFile, document, _TOP),
    ]
    return "\n".join(_toml_lines_without_doubled_blanks(lines)).strip() + "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class _TablePlace:
    """Where a table stands.

    Args:
        named: As a change names it, elements of a list by their name: `sites.home.rent`.
        spelled: As a header of TOML spells it: `sites.rent`, quoted where need be.
        schema: As the schema spells it, without any name.
    """

    named: str = ""
    spelled: str = ""
    schema: str = ""

    def programme_table_place_below(
        self, key: str, name: str = "", *, spelled: bool = False
    ) -> _TablePlace:
        """Return the place of a table in this one, or of an element of a list or a table."""
        named = ".".join(part for part in (self.named, key, name) if part)
        parts = (
            self.spelled,
            programme_toml_key_text(key),
            programme_toml_key_text(name) if spelled else "",
        )
        schema = f"{self.schema}.{key}".lstrip(".")
        return _TablePlace(named=named, spelled=".".join(filter(None, parts)), schema=schema)


_TOP: Final = _TablePlace()


@dataclass(slots=True, kw_only=True)
class _AnnotatedProgrammeWriter:
    """Writes tables in turn, and remembers what it has explained."""

    remarks: ProgrammeRemarks
    language: str
    every_key: bool
    explained: set[str] = field(default_factory=set[str])

    def programme_table_toml_lines(
        self, model: Model, table: Document, place: _TablePlace, header: str = ""
    ) -> Iterator[str]:
        """Yield a table: what it is, its header, its values, then the tables in it."""
        yield ""
        if header:
            yield from self._programme_table_opening_comment_lines(place.schema)
            yield from _sentences_as_toml_comment_lines(self.remarks.before.get(place.named, ()))
            yield header
        inner: list[tuple[str, Any]] = []
        for key, value in table.items():
            if key not in model.model_fields:
                raise BugError(f"{place.named}.{key}", found=Message("no key of a programme"))
            # TOML wants the values of a table before the tables in it.
            if _is_programme_value_written_as_table(model, key, value):
                inner.append((key, value))
            else:
                yield from self._programme_key_toml_lines(model, key, value, place)
        yield from _sentences_as_toml_comment_lines(self.remarks.after.get(place.named, ()))
        for key, value in inner:
            yield from self._programme_inner_table_toml_lines(model, key, value, place)

    def _programme_table_opening_comment_lines(self, schema_path: str) -> Iterator[str]:
        """Yield what a table is and what the key that holds it says, once."""
        if schema_path in self.explained:
            return
        self.explained.add(schema_path)
        model, key = _programme_model_and_key_of_path(schema_path)
        [part, *_] = _programme_models_of_key(model, key)
        about, own = (part.__doc__ or "").split("\n\n")[0], _programme_key(model, key)
        yield from _sentences_as_toml_comment_lines(
            [f"== {schema_path}: {translate(about, self.language)}"]
        )
        if own.meaning != about:
            yield from _sentences_as_toml_comment_lines([own.remark(self.language)])

    def _programme_key_toml_lines(
        self, model: Model, key: str, value: object, place: _TablePlace
    ) -> Iterator[str]:
        schema_path = f"{place.schema}.{key}".lstrip(".")
        if schema_path not in self.explained:
            self.explained.add(schema_path)
            yield from _sentences_as_toml_comment_lines(
                [_programme_key(model, key).remark(self.language)]
            )
            if self.every_key and SeriesPart in _programme_models_of_key(model, key):
                yield from self._programme_series_alternative_comment_lines(key)
        yield from _sentences_as_toml_comment_lines(
            self.remarks.before.get(f"{place.named}.{key}".lstrip("."), ())
        )
        yield f"{programme_toml_key_text(key)} = {programme_toml_value_text(value)}"

    def _programme_series_alternative_comment_lines(self, key: str) -> Iterator[str]:
        """Yield, as comments, the table that may stand in place of a value."""
        yield from _sentences_as_toml_comment_lines(
            [
                translate("Or hour by hour, from a file:", self.language),
                f"{key} = {programme_toml_value_text(SERIES_EXAMPLE)}",
                *(
                    f"{name}: {_programme_key(SeriesPart, name).remark(self.language)}"
                    for name in SERIES_EXAMPLE
                ),
            ]
        )

    def _programme_inner_table_toml_lines(
        self, model: Model, key: str, value: Any, place: _TablePlace
    ) -> Iterator[str]:
        [part, *_] = _programme_models_of_key(model, key)
        below = place.programme_table_place_below(key)
        if isinstance(value, list):
            for number, element in enumerate(cast("list[Document]", value)):
                name = element.get("name") or "-".join(element.get("between", ())) or str(number)
                where = place.programme_table_place_below(key, str(name))
                yield from self.programme_table_toml_lines(
                    part, element, where, f"[[{where.spelled}]]"
                )
        elif _is_programme_key_table_of_tables(model, key):
            for name, element in cast("Mapping[str, Document]", value).items():
                where = place.programme_table_place_below(key, name, spelled=True)
                yield from self.programme_table_toml_lines(
                    part, element, where, f"[{where.spelled}]"
                )
        else:
            yield from self.programme_table_toml_lines(part, value, below, f"[{below.spelled}]")


def programme_toml_key_text(key: str) -> str:
    """Return a key as TOML spells it.

    >>> programme_toml_key_text("hong-kong"), programme_toml_key_text("rent a third")
    ('hong-kong', '"rent a third"')
    """
    return key if _BARE.fullmatch(key) else programme_toml_value_text(key)


def programme_toml_value_text(value: object) -> str:
    r"""Return a value as TOML spells it, a table in one line.

    >>> programme_toml_value_text({"en": 'A "hall"', "on": date(2026, 3, 1), "n": [1, 2.5, True]})
    '{ en = "A \\"hall\\"", on = 2026-03-01, n = [1, 2.5, true] }'
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # JSON's escapes are TOML's, but for DEL, which TOML takes only escaped.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        table = cast("Document", value)
        return (
            "{ "
            + ", ".join(
                f"{programme_toml_key_text(k)} = {programme_toml_value_text(v)}"
                for k, v in table.items()
            )
            + " }"
        )
    if isinstance(value, list):
        return (
            "["
            + ", ".join(programme_toml_value_text(each) for each in cast("list[object]", value))
            + "]"
        )
    return value.isoformat() if isinstance(value, date) else repr(value)


def _sentences_as_toml_comment_lines(sentences: Sequence[str]) -> Iterator[str]:
    for sentence in sentences:
        yield from (f"# {line}".rstrip() for line in _comment_lines_wrapped_by_width(sentence))


def _comment_lines_wrapped_by_width(sentence: str) -> Iterator[str]:
    """Yield a sentence in lines of at most `_COLUMNS` columns; Chinese may break anywhere."""
    line, width = "", 0
    for word in re.findall(r"[\u2e80-\uffee]|[^\s\u2e80-\uffee]+\s*|\s+", sentence):
        columns = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in word.rstrip())
        # A mark that closes must not begin a line.
        if line and width + columns > _COLUMNS and word not in "，。；：、）」":
            yield line.rstrip()
            line, width = "", 0
        line += word
        width += sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in word)
    yield line.rstrip()


def _toml_lines_without_doubled_blanks(lines: Sequence[str]) -> Iterator[str]:
    for before, line in zip(["", *lines], lines, strict=False):
        if before or line:
            yield line


def _programme_key(model: Model, name: str) -> ProgrammeKey:
    about = model.model_fields[name]
    required = about.is_required()
    return ProgrammeKey(
        path=name,
        meaning=about.description or "",
        unit=_programme_key_unit_or_empty(name, about.annotation, about.metadata),
        bounds=_programme_key_bounds_text(about.annotation, about.metadata),
        required=required,
        default=None if required else about.get_default(call_default_factory=True),
    )


def _programme_key_unit_or_empty(name: str, annotation: Any, metadata: Sequence[object]) -> str:
    if set(programme_tables_named_in_annotation(annotation)) - {SeriesPart}:
        return ""
    if unit := programme_schema_field_unit(annotation, metadata):
        return unit
    if name in _UNIT_OF_KEY:
        return _UNIT_OF_KEY[name]
    kinds = [
        _KIND_OF_TYPE[kind]
        for kind in _types_within_programme_annotation(annotation)
        if kind in _KIND_OF_TYPE
    ]
    listed = any(get_origin(part) is list for part in (annotation, *get_args(annotation)))
    return f"list of {kinds[0]}" if kinds and listed else (kinds[0] if kinds else "")


def _programme_key_bounds_text(annotation: Any, metadata: Sequence[object]) -> str:
    # Those of a field stand beside its type, those of a named type within it.
    known = [
        *metadata,
        *(each for part in _annotation_metadata_outside_lists(annotation) for each in part),
    ]
    signed = [
        f"{sign} {limit:g}" if isinstance(limit, float) else f"{sign} {limit}"
        for sign, name in _SIGN_OF_BOUND.items()
        for each in known
        # Of the largest whole number that TOML promises nobody wants to read.
        if isinstance(limit := getattr(each, name, None), int | float) and limit < _LARGEST_SHOWN
    ]
    return " ".join(dict.fromkeys(signed))


def _annotation_metadata_outside_lists(annotation: Any) -> Iterator[Sequence[object]]:
    if metadata := getattr(annotation, "__metadata__", None):
        yield [inner for each in metadata for inner in getattr(each, "metadata", [each])]
    if get_origin(annotation) is not list:
        for part in get_args(annotation):
            yield from _annotation_metadata_outside_lists(part)


def _types_within_programme_annotation(annotation: Any) -> Iterator[type]:
    if get_origin(annotation) is Literal:
        yield str
    elif isinstance(annotation, type):
        yield annotation
    for part in get_args(annotation):
        yield from _types_within_programme_annotation(part)


def _programme_model_and_key_of_path(schema_path: str) -> tuple[Model, str]:
    *above, key = schema_path.split(".")
    model: Model = ProgrammeFile
    for name in above:
        [model, *_] = _programme_models_of_key(model, name)
    return model, key


def _programme_models_of_key(model: Model, key: str) -> list[Model]:
    return programme_tables_named_in_annotation(model.model_fields[key].annotation)


def _is_programme_key_table_of_tables(model: Model, key: str) -> bool:
    return get_origin(model.model_fields[key].annotation) is dict


def _is_programme_value_written_as_table(model: Model, key: str, value: object) -> bool:
    """Say whether a value is a table of its own; a text in two languages and a series are not."""
    if not isinstance(value, dict | list):
        return False
    return bool(set(_programme_models_of_key(model, key)) - {SeriesPart})
