"""Programmes that people hand in: kept in a folder, whole or not at all, and never changed.

Whoever hands one in sits at a browser and must not be able to name a file of the server.
So every file that such a programme names is one that the program ships, or one that was
handed in with it; this holds for each of its alternatives, too. A programme is kept under
its name and the digest of its bytes: what was checked is what runs.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import shutil
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from commonwatt.core.errors import ProgrammeError
from commonwatt.core.files import folder_draft
from commonwatt.core.messages import Message
from commonwatt.core.shipped import DATA, SHIPPED
from commonwatt.study.programme.faults import ProgrammeFault, programme_faults_error
from commonwatt.study.programme.reader import (
    Programme,
    load_programme,
    read_programme_file,
)
from commonwatt.study.programme.schema import ProgrammeFile, SeriesPart
from commonwatt.study.programme.shipped import shipped_programme_names
from commonwatt.treasury.io.country.folder import COUNTRIES

LARGEST_BYTES: Final = 200_000
"""Of a programme with all files that come with it; a form cannot hold more."""
MOST_PROGRAMMES: Final = 500
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_FILE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}\.(csv|parquet|toml)")
_KEY: Final = re.compile(rf"({_NAME.pattern})@([0-9a-f]{{16}})")


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmittedProgramme:
    """A programme that somebody handed in.

    Args:
        key: Its name and digest, by which it is asked for: `mine@0123456789abcdef`.
        path: Its file.
        title: Its title in English.
    """

    key: str
    path: Path
    title: str

    @property
    def name(self) -> str:
        """The name under which it was handed in."""
        return self.key.partition("@")[0]

    @property
    def files(self) -> list[Path]:
        """Its file and those that came with it, in order of their names."""
        return sorted(self.path.parent.iterdir())


def check_and_keep_submitted_programme(
    folder: Path,
    name: str,
    text: bytes,
    attached: Mapping[str, bytes] | None = None,
    *,
    check: Callable[[Programme], object] = lambda _: None,
) -> SubmittedProgramme:
    """Check a programme as every programme is checked, and keep it; again gives the same.

    Args:
        folder: Where programmes are kept.
        name: What it shall be called.
        text: The file.
        attached: Files that it names, by their names.
        check: Asked of the whole programme besides; raises where it cannot be run.

    Raises:
        ProgrammeError: The programme holds faults, is too large, or names a file that is neither
            shipped nor attached; nothing is kept.
    """
    files = dict(attached or {})
    _check_submitted_names_and_total_bytes(name, text, files)
    files[f"{name}.toml"] = text
    key = f"{name}@{_submitted_files_digest_hex(files)}"
    target = folder / key
    if not target.is_dir():
        if len(submitted_programmes_newest_first(folder)) >= MOST_PROGRAMMES:
            raise ProgrammeError(
                name,
                found=Message("{count} programmes already", {"count": f"{MOST_PROGRAMMES:,}"}),
                remedy=Message("Ask whoever keeps the server to remove some."),
            )
        # Somebody else may hand in the same bytes at this moment; both are then the same programme.
        with suppress(FileExistsError), folder_draft(target) as draft:
            for file_name, data in files.items():
                (draft / file_name).write_bytes(data)
            check(_load_submitted_programme_checked(draft / f"{name}.toml", frozenset(files)))
    return submitted_programme_with_digest_checked(folder, key)


def submitted_programmes_newest_first(folder: Path) -> list[SubmittedProgramme]:
    """Return the programmes that were handed in, the newest first."""
    if not folder.is_dir():
        return []
    folders = [path for path in folder.iterdir() if _KEY.fullmatch(path.name)]
    folders.sort(key=lambda path: (-path.stat().st_mtime_ns, path.name))
    return [_submitted_programme_in_folder(path) for path in folders]


def submitted_programme_with_digest_checked(folder: Path, key: str) -> SubmittedProgramme:
    """Return a programme that was handed in, its bytes compared with its digest.

    Raises:
        ProgrammeError: There is none of that key, or its files were changed since.
    """
    path = _submitted_programme_folder(folder, key)
    files = {each.name: each.read_bytes() for each in path.iterdir()}
    if _submitted_files_digest_hex(files) != key.partition("@")[2]:
        raise ProgrammeError(
            key,
            found=Message("files that were changed since they were checked"),
            remedy=Message("Hand the programme in again."),
        )
    return _submitted_programme_in_folder(path)


@contextmanager
def removed_submitted_programme(folder: Path, key: str) -> Generator[None]:
    """Take a programme that was handed in off the list; it comes back where what is inside fails.

    Runs that were made of it stay as they are: each holds what it needs. A programme whose files
    were changed since can be taken off, too.

    Args:
        folder: Where programmes are kept.
        key: The programme.

    Raises:
        ProgrammeError: There is none of that key.
    """
    path = _submitted_programme_folder(folder, key)
    # A name that is no key, so that no list shows it while it goes; where the machine stops before
    # the entry is written, whoever looks after it finds the programme there by its key.
    leaving = folder / f".removed-{key}-{secrets.token_hex(8)}"
    try:
        path.rename(leaving)
    except FileNotFoundError:  # somebody else was quicker
        raise _no_such_programme_error(key) from None
    try:
        yield
    except BaseException:
        leaving.rename(path)
        raise
    shutil.rmtree(leaving)


def _submitted_programme_folder(folder: Path, key: str) -> Path:
    path = folder / key
    # The form first: a key comes from a browser and must not become a path to anywhere.
    if not _KEY.fullmatch(key) or not path.is_dir():
        raise _no_such_programme_error(key)
    return path


def _no_such_programme_error(key: str) -> ProgrammeError:
    return ProgrammeError(
        key[:60],
        found=Message("no such programme"),
        wanted=Message("a programme of the list"),
    )


def submitted_programme_of_run_inputs_or_none(
    folder: Path, inputs: list[dict[str, Any]]
) -> SubmittedProgramme | None:
    """Return the programme that a run's inputs show to have been run, if it was handed in."""
    known = {(each["name"], each["sha256"]) for each in inputs}
    for programme in submitted_programmes_newest_first(folder):
        own = {(path.name, hashlib.sha256(path.read_bytes()).hexdigest())
               for path in programme.files}  # fmt: skip
        if own <= known:
            return programme
    return None


def submitted_programme_forbidden_file_faults(
    file: ProgrammeFile, attached: frozenset[str]
) -> Iterator[ProgrammeFault]:
    """Yield a fault for every file that a programme names and may not.

    Args:
        file: The programme.
        attached: Names of the files that came with it.
    """
    for where, name in _programme_keys_with_named_files(file):
        if name.startswith(SHIPPED):
            if name.removeprefix(SHIPPED) not in _shipped_programme_data_file_names():
                yield ProgrammeFault(
                    where=where,
                    found=Message("{name} is no shipped file", {"name": repr(name)}),
                    wanted=Message("one that the program carries"),
                )
        elif name not in attached:
            yield ProgrammeFault(
                where=where,
                found=Message("{name} did not come with the programme", {"name": repr(name)}),
                wanted=Message(
                    'the name of an attached file, or "{shipped}NAME"', {"shipped": SHIPPED}
                ),
            )
    if file.funding is not None and file.funding.country not in COUNTRIES.names():
        yield ProgrammeFault(
            where="funding.country",
            found=Message("{name} is no shipped country", {"name": repr(file.funding.country)}),
            wanted=Message("one of {names}", {"names": ", ".join(COUNTRIES.names())}),
        )


@lru_cache(maxsize=1)
def _shipped_programme_data_file_names() -> frozenset[str]:
    """Return the names of all files that the program carries, by their way from its data."""
    # Compared with names and never opened by them: `shipped:../x` is no name of the list.
    return frozenset(
        path.relative_to(DATA).as_posix() for path in DATA.rglob("*") if path.is_file()
    )


def _programme_keys_with_named_files(file: ProgrammeFile) -> Iterator[tuple[str, str]]:
    yield "demand.trace", file.demand.trace
    if file.demand.mapping:
        yield "demand.mapping", file.demand.mapping
    for i, site in enumerate(file.sites):
        for key, part in (("power_price", site.power_price), ("carbon", site.carbon)):
            if isinstance(part, SeriesPart):
                yield f"sites.{i}.{key}.file", part.file


def _check_submitted_names_and_total_bytes(
    name: str, text: bytes, attached: Mapping[str, bytes]
) -> None:
    if not _NAME.fullmatch(name) or name in shipped_programme_names():
        taken = ", ".join(shipped_programme_names())
        raise ProgrammeError(
            "name",
            found=repr(name[:60]),
            wanted=Message(
                "1 to 40 of a to z, 0 to 9 and -, and none of {names}", {"names": taken}
            ),
        )
    size = len(text) + sum(map(len, attached.values()))
    if not text.strip() or size > LARGEST_BYTES:
        raise ProgrammeError(
            f"{name}.toml",
            found=Message("{size} bytes", {"size": f"{size:,}"}),
            wanted=Message(
                "a programme of 1 to {most} bytes, with the files that come with it",
                {"most": f"{LARGEST_BYTES:,}"},
            ),
            remedy=Message("Run a larger one where its files lie: commonwatt study PROGRAMME.toml"),
        )
    for file_name in attached:
        if not _FILE.fullmatch(file_name) or file_name == f"{name}.toml":
            raise ProgrammeError(
                "attached",
                found=repr(file_name[:60]),
                wanted=Message(
                    "a name such as jobs.csv, of letters, digits, - and _, that ends in .csv, "
                    ".parquet or .toml, and is not that of the programme"
                ),
            )


def _load_submitted_programme_checked(path: Path, attached: frozenset[str]) -> Programme:
    """Return a programme; its faults, and those of each alternative, come before other files."""
    file = read_programme_file(path)
    changed = [read_programme_file(path, part.change) for part in file.alternatives.values()]
    faults: list[ProgrammeFault] = []
    for each in (file, *changed):
        # What the programme names, its alternatives name, too; once is enough.
        faults += [
            f for f in submitted_programme_forbidden_file_faults(each, attached) if f not in faults
        ]
    if faults:
        raise programme_faults_error(path.name, faults)
    return load_programme(path)


def _submitted_files_digest_hex(files: Mapping[str, bytes]) -> str:
    """Return a digest of names and bytes, in which no two sets of files meet."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\0{hashlib.sha256(files[name]).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


def _submitted_programme_in_folder(folder: Path) -> SubmittedProgramme:
    path = folder / f"{folder.name.partition('@')[0]}.toml"
    return SubmittedProgramme(key=folder.name, path=path, title=_submitted_programme_title(path))


@lru_cache(maxsize=2 * MOST_PROGRAMMES)
def _submitted_programme_title(path: Path) -> str:
    # Once a process: under its digest a file never changes, and a list names hundreds.
    return str(read_programme_file(path).title)
