"""Guides in folders: those that ship, and those of an institution, which may replace them.

One file that is not of the form never takes the others down: it is named as unavailable, and
whatever is used under it refuses by a rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from commonwatt.clinic.domain.errors import RulesError
from commonwatt.clinic.domain.guides import DepartmentGuide, parse_department_guide
from commonwatt.core.errors import InputError
from commonwatt.core.messages import Message
from commonwatt.core.shipped import DATA

FOLDER: Final = DATA / "clinic" / "guides"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
_LARGEST: Final = 1 << 20  # bytes; a guide is some kilobytes, and a log file is none


@dataclass(frozen=True, slots=True, kw_only=True)
class GuideLibrary:
    """The guides that are in force somewhere.

    Args:
        guides: By name.
        faults: Why a file is no guide, by the name that it would have had.
    """

    guides: Mapping[str, DepartmentGuide]
    faults: Mapping[str, RulesError]

    def guide(self, name: str, where: str = "") -> DepartmentGuide:
        """Return a guide.

        Args:
            name: Of the guide.
            where: Who names it, for the error.

        Raises:
            RulesError: There is no such guide, or its file is at fault.

        >>> shipped_clinic_guide_library().guide("imaging").names["zh-Hant"]
        '醫學影像'
        """
        if name in self.faults:
            raise self.faults[name]
        if name not in self.guides:
            wanted = Message("one of the guides {values}", {"values": ", ".join(self.guides)})
            remedy = Message(
                "Name the folder of your own guides: guides in the institution file, or --guides."
            )  # fmt: skip
            raise RulesError(
                where or f"guide {name[:60]}", found=repr(name[:60]), wanted=wanted, remedy=remedy
            )
        return self.guides[name]


def load_clinic_guide_library(folders: Iterable[Path] = ()) -> GuideLibrary:
    """Return the shipped guides, with those in `folders` beside them or in their place.

    Raises:
        InputError: A folder cannot be read.
    """
    shipped, own = shipped_clinic_guide_library(), _read_clinic_guide_folders(folders)
    # A guide of the institution's own that is at fault does not fall back to the shipped one of its
    # name: nobody at the institution approved that.
    guides = {name: guide for name, guide in shipped.guides.items() if name not in own.faults}
    return GuideLibrary(
        guides=dict(sorted((guides | dict(own.guides)).items())),
        faults=dict(shipped.faults) | dict(own.faults),
    )


@cache
def shipped_clinic_guide_library() -> GuideLibrary:
    """Return the guides that ship with the program."""
    return _read_clinic_guide_folders([FOLDER])


def _read_clinic_guide_folders(folders: Iterable[Path]) -> GuideLibrary:
    guides: dict[str, DepartmentGuide] = {}
    faults: dict[str, RulesError] = {}
    for folder in folders:
        try:
            # `.yml` too: a file that is passed over in silence is a guide that nobody misses.
            paths = sorted(p for p in folder.iterdir() if p.suffix in (".yaml", ".yml"))
        except OSError:
            raise InputError(str(folder), wanted=Message("a folder of guides")) from None
        for path in paths:
            name = path.stem
            if name in guides or name in faults:
                guides.pop(name, None)
                faults[name] = RulesError(str(path), wanted=Message("one guide of this name"))
                continue
            try:
                guides[name] = _read_department_guide_file(path)
            except RulesError as error:
                faults[name] = error
    return GuideLibrary(guides=guides, faults=faults)


def _read_department_guide_file(path: Path) -> DepartmentGuide:
    if not _NAME.fullmatch(path.stem):
        raise RulesError(str(path), wanted=Message("a name of small letters, digits and -"))
    try:
        if path.stat().st_size > _LARGEST:
            raise RulesError(str(path), wanted=Message("a file of at most 1 MiB"))
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError):
        raise RulesError(str(path), wanted=Message("a readable text in UTF-8")) from None
    return parse_department_guide(path.stem, text)
