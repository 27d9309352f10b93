"""Witnesses: places outside the database that hold the newest signed checkpoint.

After each write the writer signs size and root and pushes the note to each place; at each
opening the notes are read back. A ledger whose tail was cut, that was forked, or that is an
older backup contradicts them. A place is a folder, or an address that takes a note by POST
and gives the newest by GET.
"""

from __future__ import annotations

import os
import urllib.parse
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import sqlalchemy as sa

from commonwatt.core.files import save_bytes
from commonwatt.core.messages import Message
from commonwatt.ledger.checkpoints import (
    Checkpoint,
    is_checkpoint_signed_by,
    parse_ledger_checkpoint_note,
)
from commonwatt.ledger.errors import LedgerError, TamperedError
from commonwatt.ledger.inclusion import stored_merkle_root_at_size
from commonwatt.ledger.walk import VerifiedHead

WITNESS_ENVIRONMENT: Final = "COMMONWATT_LEDGER_WITNESS"
_NOTES_KEPT: Final = 16
_TIMEOUT_S: Final = 5.0
_MOST_BYTES: Final = 10_000
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class WitnessPlace(Protocol):
    """Where notes are pushed to and read from."""

    @property
    def name(self) -> str:
        """Folder or address."""
        ...

    def push(self, checkpoint: Checkpoint) -> None:
        """Hand over a note.

        Raises:
            OSError: The place cannot be reached.
        """
        ...

    def newest_note(self) -> str:
        """Return the newest note; "" if there is none yet.

        Raises:
            OSError: The place cannot be reached.
        """
        ...


@dataclass(frozen=True, slots=True)
class WitnessFolder:
    """A folder with a file for each of the newest notes, named by its size."""

    folder: Path

    @property
    def name(self) -> str:
        """Return the folder."""
        return str(self.folder)

    def push(self, checkpoint: Checkpoint) -> None:
        """Write the note beside the older ones, and remove the oldest."""
        # One file a size: two writers never write one file, and an older note cannot come to lie
        # over a newer one.
        path = self.folder / f"{checkpoint.size:015d}.note"
        save_bytes(checkpoint.note.encode(), path, synced=False)
        # By name: to make a path of each takes longer than to write the note.
        names = (name for name in os.listdir(self.folder) if name.endswith(".note"))
        for old in sorted(names)[:-_NOTES_KEPT]:
            with suppress(OSError):
                (self.folder / old).unlink()

    def newest_note(self) -> str:
        """Return the note of the largest size."""
        names = sorted(self.folder.glob("*.note"))
        return names[-1].read_text(encoding="utf-8", errors="replace") if names else ""


@dataclass(frozen=True, slots=True)
class WitnessAddress:
    """An address that takes a note by POST and gives the newest by GET."""

    url: str

    @property
    def name(self) -> str:
        """Return the address."""
        return self.url

    def push(self, checkpoint: Checkpoint) -> None:
        """Send the note."""
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        self._answer(checkpoint.note.encode(), headers)

    def newest_note(self) -> str:
        """Ask for the newest note."""
        return self._answer(None, {})

    def _answer(self, data: bytes | None, headers: Mapping[str, str]) -> str:
        # Slow to load, and most ledgers have no witness at an address.
        import ssl
        import urllib.error
        import urllib.request

        context = ssl.create_default_context() if self.url.startswith("https:") else None
        request = urllib.request.Request(self.url, data=data, headers=dict(headers))  # noqa: S310
        try:
            answer = urllib.request.urlopen(request, timeout=_TIMEOUT_S, context=context)  # noqa: S310
        except urllib.error.HTTPError as error:
            if error.code == 404 and data is None:
                return ""
            raise
        with answer:
            return answer.read(_MOST_BYTES).decode("utf-8", errors="replace")


def check_witness_folder_or_address(name: str) -> None:
    """Refuse what is neither a whole path of a folder nor an address that is safe to ask.

    Raises:
        LedgerError: It is not.
    """
    if "://" not in name:
        if Path(name).is_absolute():
            return
        wanted = Message("the whole path of a folder")
    else:
        url = urllib.parse.urlsplit(name)
        if url.scheme == "https" or (url.scheme == "http" and url.hostname in _LOOPBACK):
            return
        wanted = Message("an address that begins with https://")
    raise LedgerError("witness", found=repr(name), wanted=wanted)


def named_witness_places(names: Iterable[str], first_link: bytes) -> list[WitnessPlace]:
    """Return the places of one ledger under the names of folders and addresses."""
    ledger = first_link.hex()[:16]
    return [
        WitnessAddress(f"{name.rstrip('/')}/{ledger}")
        if "://" in name
        else WitnessFolder(Path(name) / ledger)
        for name in dict.fromkeys(names)
    ]


def witness_names_of_environment() -> tuple[str, ...]:
    """Return the places that this machine names, parted by spaces."""
    names = tuple(os.environ.get(WITNESS_ENVIRONMENT, "").split())
    for name in names:
        check_witness_folder_or_address(name)
    return names


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessReport:
    """What a witness says.

    Args:
        name: Folder or address.
        size: How many entries its newest note speaks for; 0 if it has none.
        reached: Whether it could be asked.
    """

    name: str
    size: int
    reached: bool


def checked_witness_reports(
    connection: sa.Connection,
    head: VerifiedHead,
    places: Sequence[WitnessPlace],
    goes_further: Callable[[sa.Connection, int], bool],
) -> list[WitnessReport]:
    """Return what each witness says of the chain that ends in `head`.

    Args:
        connection: Sees the chain.
        head: Its end, verified.
        places: Whom to ask.
        goes_further: Says whether the database holds so many entries by now.

    Raises:
        TamperedError: The newest note of one contradicts the chain.
    """
    reports: list[WitnessReport] = []
    for place in places:
        try:
            note = place.newest_note()
        except OSError:
            # A witness that is away proves nothing, either way; `ledger witness` names it.
            reports.append(WitnessReport(name=place.name, size=0, reached=False))
            continue
        size = 0
        if note:
            checkpoint = _checkpoint_of_witness(note, place.name)
            size = checkpoint.size
            # Written between the beginning of our transaction and now: to be checked next time.
            if size <= head.size or not goes_further(connection, size):
                _check_witness_checkpoint(connection, head, checkpoint, place.name)
        reports.append(WitnessReport(name=place.name, size=size, reached=True))
    return reports


def _checkpoint_of_witness(note: str, where: str) -> Checkpoint:
    try:
        return parse_ledger_checkpoint_note(note)
    except LedgerError:
        raise _witness_error(where, Message("a note that is no checkpoint")) from None


def _check_witness_checkpoint(
    connection: sa.Connection, head: VerifiedHead, checkpoint: Checkpoint, where: str
) -> None:
    if checkpoint.size > head.size:
        gaps = {"known": f"{checkpoint.size:,}", "here": f"{head.size:,}"}
        raise _witness_error(
            where, Message("a checkpoint of {known} entries, where the ledger has {here}", gaps)
        )
    is_whole = checkpoint.size == head.size
    root = (
        head.merkle_root() if is_whole else stored_merkle_root_at_size(connection, checkpoint.size)
    )
    if checkpoint.origin != head.origin or checkpoint.root != root:
        gaps = {"known": f"{checkpoint.size:,}"}
        raise _witness_error(
            where, Message("another past of the first {known} entries than the ledger has", gaps)
        )
    keys = [actor.public_key for actor in head.state.actors.values()]
    if not any(is_checkpoint_signed_by(checkpoint, key) for key in keys):
        raise _witness_error(where, Message("a checkpoint that nobody enrolled has signed"))


def _witness_error(where: str, found: Message) -> TamperedError:
    return TamperedError(
        f"witness {where}",
        found=found,
        remedy=Message(
            "The tail was cut, the ledger forked, or an older copy restored: restore one that holds"
            " what the witness knows. If entries are lost for good, let the registrar put that on"
            " record: commonwatt ledger witness --accept-loss --by KEY.pem --reason TEXT."
        ),
    )
