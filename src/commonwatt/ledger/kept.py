"""What a reader keeps of a ledger in their own folder of state, apart from the database.

The last verified head lies there, so that the next program need not verify a million entries
anew, and the newest checkpoints that were written or read here. Both are of the place of the
ledger: whoever cuts it, forks it or lays an older copy there is found out by them. The head is
sealed under a secret that only this user can read; a head whose seal is broken is not used.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from commonwatt.core.files import save_bytes
from commonwatt.ledger.state import ChainState
from commonwatt.ledger.walk import KindFold, VerifiedHead
from commonwatt.stores.engine import is_memory_database

_SEAL_KEY_FILE: Final = "secret"
_HEAD: Final = "head.json"
_LEDGER: Final = "ledger.txt"


def ledger_state_folder_or_none() -> Path | None:
    """Return where this user's memory of ledgers lies; None where there is no home."""
    home = os.environ.get("HOME")
    state = os.environ.get("XDG_STATE_HOME") or (f"{home}/.local/state" if home else "")
    return Path(state) / "commonwatt" / "ledgers" if state else None


def ledger_location_of_engine(engine: sa.Engine) -> str:
    """Return how a database is told from others, without its password; "" in memory."""
    url = engine.url
    if is_memory_database(url):
        return ""
    if url.get_backend_name() == "sqlite":
        return str(Path(str(url.database)).resolve())
    host = url.host or url.query.get("host", "")
    return f"postgresql://{host}:{url.port or 5432}/{url.database}"


@dataclass(frozen=True, slots=True)
class KeptState:
    """The folder of one ledger's place.

    Args:
        folder: Where its files lie.
    """

    folder: Path

    @property
    def witness_folder(self) -> Path:
        """Return where the checkpoints of this place lie."""
        return self.folder / "witness"

    def first_link_hex_last_seen_here(self) -> str:
        """Return the first link of the ledger last seen at this place; "" if none was."""
        try:
            return (self.folder / _LEDGER).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            return ""

    def begin(self, first_link: bytes) -> None:
        """Forget what stood here before: another ledger begins at this place."""
        with suppress(OSError):
            for path in (*self.witness_folder.glob("*.note"), self.folder / _HEAD):
                path.unlink(missing_ok=True)
            save_bytes(first_link.hex().encode(), self.folder / _LEDGER, synced=False)

    def set_aside(self) -> Path | None:
        """Lay what was remembered of this place beside it; return where, None if nothing was."""
        place = self.folder.with_name(f"{self.folder.name}.aside-{secrets.token_hex(4)}")
        try:
            return self.folder.rename(place)
        except FileNotFoundError:
            return None

    def put_back(self, place: Path) -> None:
        """Take back what was laid aside."""
        shutil.rmtree(self.folder, ignore_errors=True)
        place.rename(self.folder)

    def save_head(self, head: VerifiedHead) -> None:
        """Keep a verified head; that it cannot be kept costs time and no safety."""
        body = json.dumps(_verified_head_as_json_dict(head), sort_keys=True)
        with suppress(OSError):
            seal = _seal(body, self._secret())
            text = json.dumps({"head": body, "seal": seal})
            save_bytes(text.encode(), self.folder / _HEAD, mode=0o600, synced=False)
            if not self.first_link_hex_last_seen_here():
                save_bytes(head.first_link.hex().encode(), self.folder / _LEDGER, synced=False)

    def load_head(self) -> VerifiedHead | None:
        """Return the head that was kept, its state still empty; None if none is sealed."""
        try:
            sealed = json.loads((self.folder / _HEAD).read_bytes())
            if not hmac.compare_digest(_seal(sealed["head"], self._secret()), sealed["seal"]):
                return None
            return _verified_head_of_json_dict(json.loads(sealed["head"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _secret(self) -> bytes:
        path = self.folder.parent / _SEAL_KEY_FILE
        with suppress(OSError):
            return path.read_bytes()
        with suppress(FileExistsError):
            save_bytes(secrets.token_bytes(32), path, mode=0o600, replace=False)
        return path.read_bytes()


def kept_ledger_state_or_none(engine: sa.Engine) -> KeptState | None:
    """Return the folder for a database's place; None in memory and without a home."""
    location, state = ledger_location_of_engine(engine), ledger_state_folder_or_none()
    if not location or state is None:
        return None
    name = hashlib.sha256(location.encode()).hexdigest()[:32]
    return KeptState(state / name)


def _seal(body: str, secret: bytes) -> str:
    return hmac.new(secret, body.encode(), hashlib.sha256).hexdigest()


def _verified_head_as_json_dict(head: VerifiedHead) -> dict[str, Any]:
    return {
        "origin": head.origin,
        "size": head.size,
        "first_link": head.first_link.hex(),
        "link": head.link.hex(),
        "at": head.at,
        "peaks": [peak.hex() for peak in head.peaks],
        "kinds": {kind: [fold.count, fold.digest.hex()] for kind, fold in head.kinds.items()},
    }


def _verified_head_of_json_dict(body: Mapping[str, Any]) -> VerifiedHead:
    return VerifiedHead(
        origin=body["origin"],
        size=body["size"],
        first_link=bytes.fromhex(body["first_link"]),
        link=bytes.fromhex(body["link"]),
        at=body["at"],
        peaks=tuple(bytes.fromhex(peak) for peak in body["peaks"]),
        kinds={k: KindFold(count, bytes.fromhex(d)) for k, (count, d) in body["kinds"].items()},
        # Folded anew from the entries, which are few and verified by the folds above.
        state=ChainState(),
    )
