"""Scenario guides as data: indications, contraindications, wording, notices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

import yaml

from commonwatt.clinic.domain.errors import RulesError
from commonwatt.clinic.domain.rules.predicate import Predicate, parse_rule_predicate
from commonwatt.core.messages import Message
from commonwatt.core.shipped import DATA

FOLDER: Final = DATA / "clinic" / "guides"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contraindication:
    """Where the model may not be used, and what is said then."""

    name: str
    when: Predicate
    words: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DepartmentGuide:
    """How a department bounds the use of a model.

    A doctor's signed decision is wanted on advice in the modes of `sign_off`, and of
    devices in the classes of `sign_off_classes`, whatever the mode.
    """

    guide_id: str
    names: Mapping[str, str]
    indications: Predicate
    contraindications: tuple[Contraindication, ...]
    participation: str
    sign_off: frozenset[str]
    sign_off_classes: frozenset[str]
    wording: Mapping[str, str]
    notice: Mapping[str, str]
    override_reasons: tuple[str, ...]
    subgroups: tuple[str, ...]


@cache
def load_department_guide(guide_id: str, folder: Path = FOLDER) -> DepartmentGuide:
    """Return a guide.

    Raises:
        RulesError: There is no such guide, or it is not of the form.

    >>> load_department_guide("imaging").names["zh-Hant"]
    '醫學影像'
    """
    path = folder / f"{guide_id}.yaml"
    # Looked up among the names and never joined into a path unseen: the name may come from a
    # record.
    if guide_id not in {file_of_guide.stem for file_of_guide in folder.glob("*.yaml")}:
        raise RulesError(f"guide {guide_id}", wanted=Message("the name of a guide"))
    file = cast("dict[str, Any]", yaml.safe_load(path.read_text(encoding="utf-8")))
    return DepartmentGuide(
        guide_id=guide_id,
        names=file["name"],
        indications=parse_rule_predicate(file["indications"], f"{guide_id}, indications"),
        contraindications=tuple(
            _parse_contraindication(guide_id, entry) for entry in file["contraindications"]
        ),
        participation=file["participation"],
        sign_off=frozenset(file["sign_off"]),
        sign_off_classes=frozenset(file["sign_off_classes"]),
        wording=file["wording"],
        notice=file["notice"],
        override_reasons=tuple(file["override_reasons"]),
        subgroups=tuple(file["subgroups"]),
    )


def load_department_guides(folder: Path = FOLDER) -> dict[str, DepartmentGuide]:
    """Return every guide by name."""
    return {
        path.stem: load_department_guide(path.stem, folder)
        for path in sorted(folder.glob("*.yaml"))
    }


def _parse_contraindication(guide_id: str, entry: Mapping[str, Any]) -> Contraindication:
    where = f"{guide_id}, {entry['id']}"
    words = {language: entry[language] for language in ("en", "zh-Hant")}
    return Contraindication(
        name=entry["id"], when=parse_rule_predicate(entry["when"], where), words=words
    )
