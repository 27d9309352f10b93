"""The table of licences: where each shipped file comes from and under what terms.

python -m commonwatt.core.licences     # prints the notices, as they stand in NOTICE
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

PACKAGE: Final = Path(__file__).parents[1]
# Terms that reach over to what is made with the file; such files stand in a package of their own.
SHARE_ALIKE: Final = ("ODbL", "CC-BY-SA", "GPL", "AGPL", "LGPL", "MPL", "EUPL", "CC-BY-NC")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLicence:
    """One row of the table.

    Args:
        paths: Paths below the package, or patterns of them (`*` within a folder, `**` through).
        licence: Identifiers of SPDX joined by `AND`; our own begin with `LicenseRef-`.
        source: Where the files come from.
        notice: What whoever passes them on must keep; empty where nothing is asked.
    """

    paths: tuple[str, ...]
    licence: str
    source: str
    notice: str = ""

    @property
    def identifiers(self) -> tuple[str, ...]:
        """The licences of the row, each by its identifier."""
        return tuple(self.licence.split(" AND "))


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenceTable:
    """Every row, and the name and text of each licence by its identifier."""

    rows: tuple[FileLicence, ...]
    names: Mapping[str, str]
    texts: Mapping[str, str]

    def rows_of_file(self, path: str) -> Sequence[FileLicence]:
        """Return the rows that speak of a path below the package; a sound table has one.

        A row that names the path itself goes before patterns, so that an exception can
        stand beside its folder.
        """
        exact = [row for row in self.rows if path in row.paths]
        return exact or [
            row for row in self.rows if _matches_licensed_path_pattern(path, row.paths)
        ]

    def identifiers(self) -> tuple[str, ...]:
        """Return every licence that some file is under, in alphabetical order."""
        return tuple(sorted({each for row in self.rows for each in row.identifiers}))


def load_package_licence_table(package: Path = PACKAGE) -> LicenceTable:
    """Return the table of a package's folder.

    >>> load_package_licence_table().rows_of_file("data/traces/examples/philly.csv")[0].licence
    'CC-BY-4.0'
    """
    path = next(p for p in (package / "data", package) if (p / "licences.toml").is_file())
    table: dict[str, Any] = tomllib.loads((path / "licences.toml").read_text(encoding="utf-8"))
    licences = table["licences"]
    return LicenceTable(
        rows=tuple(_file_licence_of_row(row) for row in table["file"]),
        names={name: each["name"] for name, each in licences.items()},
        texts={name: each["text"] for name, each in licences.items()},
    )


def shipped_non_code_file_names(package: Path = PACKAGE) -> tuple[str, ...]:
    """Return each file of a package that is not program code, below its folder."""
    files = (path for path in package.rglob("*") if path.is_file())
    return tuple(
        sorted(
            path.relative_to(package).as_posix()
            for path in files
            # Compiled code and numba's cache are made on the user's machine and never shipped.
            if path.suffix not in {".py", ".pyc", ".nbi", ".nbc"}
        )
    )


def licence_notices_text(table: LicenceTable, title: str) -> str:
    """Return what whoever passes the package on must keep, each notice once, as plain text."""
    lines = [title, ""]
    by_notice: dict[tuple[str, str], list[str]] = {}
    for row in table.rows:
        if row.notice:
            by_notice.setdefault((row.notice, row.licence), []).extend(row.paths)
    for (notice, licence), paths in by_notice.items():
        lines += [notice, f"  {licence}", *(f"  {path}" for path in paths), ""]
    return "\n".join(lines)


NOTICE_TITLE: Final = """Commonwatt

The program is under the Apache License 2.0. These files in its package are of others,
or hold what others made; licences.toml in the package gives source and licence of each file."""


def _file_licence_of_row(row: Mapping[str, Any]) -> FileLicence:
    paths = row["path"]
    return FileLicence(
        paths=(paths,) if isinstance(paths, str) else tuple(paths),
        licence=row["licence"],
        source=row["source"],
        notice=row.get("notice", ""),
    )


def _matches_licensed_path_pattern(path: str, patterns: Iterable[str]) -> bool:
    return any(_licensed_path_regex(pattern).fullmatch(path) for pattern in patterns)


@lru_cache
def _licensed_path_regex(pattern: str) -> re.Pattern[str]:
    """Return a pattern of paths as a regular expression; `fnmatch` lets `*` cross folders."""
    parts = re.split(r"(\*\*/|\*)", pattern)
    words = {"**/": "(?:.*/)?", "*": "[^/]*"}
    return re.compile("".join(words.get(part, re.escape(part)) for part in parts))


if __name__ == "__main__":
    sys.stdout.write(licence_notices_text(load_package_licence_table(), NOTICE_TITLE))
