"""Checkpoints: the size and root of the ledger, signed, for an outsider to pin.

The text is a signed note as C2SP describes it (tlog-checkpoint and
signed-note, Ed25519 signatures of type 0x01), so that witnesses of other logs
can read ours.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from commonwatt.core.messages import Message
from commonwatt.ledger.errors import LedgerError
from commonwatt.ledger.keys import Signer, actor_signature_holds


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What the ledger was at one moment; `note` is the signed text."""

    origin: str
    size: int
    root: bytes
    note: str = ""


def sign_ledger_checkpoint(origin: str, size: int, root: bytes, by: Signer) -> Checkpoint:
    """Return the checkpoint signed by `by`."""
    body = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"
    signed = _ledger_checkpoint_key_id(origin, by.public_key) + by.sign(body.encode())
    note = f"{body}\n\u2014 {origin} {base64.b64encode(signed).decode()}\n"
    return Checkpoint(origin=origin, size=size, root=root, note=note)


def parse_ledger_checkpoint_note(note: str) -> Checkpoint:
    """Return the checkpoint in `note`; its signature is not checked here.

    Raises:
        LedgerError: The text is not a checkpoint.
    """
    try:
        origin, size, root = note.split("\n\n", maxsplit=1)[0].split("\n")[:3]
        return Checkpoint(
            origin=origin, size=int(size), root=base64.b64decode(root, validate=True), note=note
        )
    except (ValueError, binascii.Error):
        raise LedgerError(
            "checkpoint",
            wanted=Message("three lines (origin, size, root) and a signature"),
        ) from None


def is_checkpoint_signed_by(checkpoint: Checkpoint, public_key: bytes) -> bool:
    """Return whether one of the signatures of a checkpoint is that of `public_key`."""
    body, _, rest = checkpoint.note.partition("\n\n")
    wanted = _ledger_checkpoint_key_id(checkpoint.origin, public_key)
    signatures = [_ledger_checkpoint_signature_or_empty(line) for line in rest.splitlines()]
    message = (body + "\n").encode()
    return any(
        s[:4] == wanted and actor_signature_holds(public_key, s[4:], message) for s in signatures
    )


def _ledger_checkpoint_signature_or_empty(note_line: str) -> bytes:
    try:
        return base64.b64decode(note_line.rsplit(" ", 1)[-1], validate=True)
    except (ValueError, binascii.Error):
        return b""


def _ledger_checkpoint_key_id(origin: str, public_key: bytes) -> bytes:
    # C2SP signed-note: four bytes that say whose signature a line holds. They only choose which key
    # to try; the signature decides.
    return hashlib.sha256(origin.encode() + b"\n\x01" + public_key).digest()[:4]
