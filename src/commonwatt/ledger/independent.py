#!/usr/bin/env python3
"""Check an exported Commonwatt ledger with Python's standard library alone.

    python3 verify_ledger.py FOLDER [CHECKPOINT [ROOT_KEY]]

FOLDER holds entries.jsonl, signatures.jsonl and checkpoint.txt. CHECKPOINT is a
note that you kept yourself; without it, a record whose end was cut off and whose
checkpoint was replaced by somebody who holds an enrolled key is not told apart.
ROOT_KEY is the public key (64 hexadecimal digits) that must have signed first.
Checked: every line's hash and place in the chain, every signature (RFC 8032),
who was enrolled or revoked when, the clock, and the Merkle root (RFC 6962).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
from pathlib import Path
from typing import NamedTuple, NoReturn

LINE = re.compile(
    rb'\{"index":(\d+),"previous":"([0-9a-f]{64})","at":"([0-9T:.Z-]{27})",'
    rb'"actor":"([0-9a-f]{16})","kind":"([a-z0-9._-]+)","subject":"([^"\\]+)","body":\{.*\}\}'
)


class CheckpointNote(NamedTuple):
    """A checkpoint and the signatures below it."""

    origin: str
    size: int
    root: bytes
    message: bytes
    signatures: list[bytes]


class ChainReader:
    """What the lines read so far amount to."""

    def __init__(self, origin: str) -> None:
        self.origin, self.size, self.at = origin, 0, b""
        self.link = hashlib.sha256(f"commonwatt ledger v1\n{origin}\n".encode()).digest()
        self.peaks: list[bytes] = []
        self.keys: dict[str, bytes] = {}
        self.revoked: set[str] = set()

    def add_entry_line(self, raw: bytes, actor: bytes) -> None:
        """Add one line, which must follow from the one before it."""
        line = LINE.fullmatch(raw, 0, len(raw) - 1)
        if not line or raw[-1:] != b"\n":
            fail_ledger_verification(self.size, "it is not a line of a ledger")
        index, previous, at, who, kind, subject = line.groups()
        if index != b"%d" % self.size or previous != self.link.hex().encode():
            fail_ledger_verification(self.size, "it does not follow from the one before it")
        if at < self.at or who != actor:
            fail_ledger_verification(
                self.size, "its clock went back, or its actor is not the signer"
            )
        if kind in (b"ledger.enrol", b"ledger.revoke"):
            self.learn_actor_key(kind, subject.decode().removeprefix("actor/"), raw)
        self.link, self.at = hashlib.sha256(b"\x00" + raw[:-1]).digest(), at
        leaf, position, sha256 = self.link, self.size, hashlib.sha256
        while position & 1:
            leaf, position = sha256(b"\x01" + self.peaks.pop() + leaf).digest(), position >> 1
        self.peaks.append(leaf)
        self.size += 1

    def learn_actor_key(self, kind: bytes, name: str, raw: bytes) -> None:
        """Take note of who may sign from now on."""
        if kind == b"ledger.revoke":
            self.revoked.add(name)
            return
        key = bytes.fromhex(json.loads(raw)["body"]["public_key"])
        if hashlib.sha256(key).hexdigest()[:16] != name or name in self.keys:
            fail_ledger_verification(self.size, "a key under a name that is not its own")
        self.keys[name] = key

    def check_batch_signature(self, first: int, actor: str, signature: str) -> None:
        """Check the signature over the lines from `first` to the last one taken."""
        last = self.size - 1
        message = f"commonwatt ledger v1\n{self.origin}\n{first}\n{last}\n{self.link.hex()}\n"
        key = self.keys.get(actor, b"")
        if not ed25519_signature_holds(key, bytes.fromhex(signature), message.encode()):
            fail_ledger_verification(last, "the signature does not hold")

    def merkle_root(self) -> bytes:
        """Return the Merkle root over the lines so far."""
        root = self.peaks[-1] if self.peaks else hashlib.sha256(b"").digest()
        for peak in reversed(self.peaks[:-1]):
            root = merkle_parent_hash(peak, root)
        return root


def fail_ledger_verification(where: object, fault: str) -> NoReturn:
    """Stop: the record is not whole."""
    place = f"entry {where}" if isinstance(where, int) else where
    raise SystemExit(f"NOT WHOLE: {place}: {fault}")


def merkle_parent_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of two nodes (RFC 6962, section 2.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def read_checkpoint_note(path: Path) -> CheckpointNote:
    """Read a checkpoint."""
    body, _, rest = path.read_bytes().decode().partition("\n\n")
    origin, size, root = body.split("\n")
    *lines, end = rest.split("\n")
    signatures = [base64.b64decode(line.split(" ")[-1], validate=True) for line in lines]
    again = [f"\u2014 {origin} {base64.b64encode(s).decode()}" for s in signatures]
    if lines != again or end:
        raise ValueError
    return CheckpointNote(
        origin, int(size), base64.b64decode(root), (body + "\n").encode(), signatures
    )


def is_checkpoint_signed(note: CheckpointNote, keys: list[bytes]) -> bool:
    """Return whether one of `keys` signed the checkpoint."""
    for key in keys:
        key_id = hashlib.sha256(note.origin.encode() + b"\n\x01" + key).digest()[:4]
        for signature in note.signatures:
            if signature[:4] == key_id and ed25519_signature_holds(
                key, signature[4:], note.message
            ):
                return True
    return False


def check_exported_ledger(
    folder: Path, notes: list[CheckpointNote], root_key: str
) -> tuple[int, int, str]:
    """Walk through lines and signatures in step; return their numbers and the root."""
    record, signed = ChainReader(notes[0].origin), 0
    owed = {note.size: note.root for note in notes}
    if any(owed[n.size] != n.root or n.origin != record.origin for n in notes):
        fail_ledger_verification("checkpoints", "they contradict each other")
    seals = (folder / "signatures.jsonl").open("rb")
    with (folder / "entries.jsonl").open("rb") as lines, seals:
        for row in seals:
            first, last, actor, signature = json.loads(row)
            if row.decode() != json.dumps([first, last, actor, signature.lower()]) + "\n":
                fail_ledger_verification("signatures", "a line that is not of the form")
            if first != record.size or last < first or actor in record.revoked:
                fail_ledger_verification(record.size, "signed out of order, or with a revoked key")
            if first and actor not in record.keys:
                fail_ledger_verification(record.size, "signed by somebody who is not enrolled")
            who = actor.encode()
            for _ in range(first, last + 1):
                record.add_entry_line(lines.readline(), who)
                if record.size in owed and owed[record.size] != record.merkle_root():
                    fail_ledger_verification(
                        record.size - 1, "another past than the checkpoint says"
                    )
            record.check_batch_signature(first, actor, signature)
            signed += 1
        if lines.read(1) or record.size != notes[0].size or max(owed) > record.size:
            fail_ledger_verification(folder, "more or fewer entries than were signed or promised")
    if notes[0].root != record.merkle_root() or not record.keys:
        fail_ledger_verification(folder, "the root is another, or the record is empty")
    if root_key and next(iter(record.keys.values())).hex() != root_key:
        fail_ledger_verification(0, "another key than yours signed first")
    if not all(is_checkpoint_signed(note, list(record.keys.values())) for note in notes):
        fail_ledger_verification(folder, "the checkpoint is not signed by anybody enrolled")
    return record.size, signed, record.merkle_root().hex()


# Ed25519 (RFC 8032, section 5.1) in extended coordinates. It verifies public
# data only, so it need not run in constant time.

Point = tuple[int, int, int, int]
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)


def add_curve_points(p: Point, q: Point) -> Point:
    """Return the sum of two points of the curve."""
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def decode_curve_point(data: bytes) -> Point | None:
    """Return the point that 32 bytes stand for, or None."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    u, v = y * y - 1, D * y * y + 1
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    if (v * x * x - u) % P:
        x = x * ROOT_OF_MINUS_1 % P
    if y >= P or (v * x * x - u) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


def ed25519_signature_holds(key: bytes, signature: bytes, message: bytes) -> bool:
    """Return whether s B = R + k A, computed as s B - k A = R."""
    if len(key) != 32 or len(signature) != 64:
        return False
    a, r, s = (
        decode_curve_point(key),
        decode_curve_point(signature[:32]),
        int.from_bytes(signature[32:], "little"),
    )
    base = decode_curve_point(bytes.fromhex("58" + "66" * 31))
    if a is None or r is None or base is None or s >= L:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    minus_a = P - a[0], a[1], 1, P - a[3]
    table = (base, base, minus_a, add_curve_points(base, minus_a))
    total = (0, 1, 1, 0)
    for i in range(252, -1, -1):
        total = add_curve_points(total, total)
        which = (s >> i & 1) | (k >> i & 1) << 1
        if which:
            total = add_curve_points(total, table[which])
    return (total[0] - r[0] * total[2]) % P == 0 and (total[1] - r[1] * total[2]) % P == 0


def verify_exported_ledger(arguments: list[str]) -> None:
    """Check a folder and say what was found."""
    folder = Path(arguments[0])
    try:
        notes = [
            read_checkpoint_note(p) for p in (folder / "checkpoint.txt", *map(Path, arguments[1:2]))
        ]
        size, signed, root = check_exported_ledger(folder, notes, "".join(arguments[2:3]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        fail_ledger_verification(folder, f"not of the form of an export ({type(error).__name__})")
    sys.stdout.write(f"Whole: {size} entries, {signed} signatures, root {root}\n")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    verify_exported_ledger(sys.argv[1:])
