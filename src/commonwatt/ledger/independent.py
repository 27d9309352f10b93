"""Check an exported Commonwatt ledger with Python's standard library alone.

    python3 verify_ledger.py FOLDER [CHECKPOINT [ROOT_KEY]]

CHECKPOINT is a note that you kept; without it, nothing tells of an end that a key holder cut off.
ROOT_KEY is the public key (hexadecimal) that must have signed first. What is checked, and the whole
format, stand in docs/reference/ledger.md.
"""

import base64
import json
import re
import sys
import unicodedata
from datetime import datetime, timedelta, timezone
from hashlib import sha256, sha512
from pathlib import Path
from typing import Any, NoReturn

LINE = re.compile(
    rb'\{"index":(\d+),"previous":"([0-9a-f]{64})","at":"([\d-]{10}T(?!24)[\d:]{8}\.\d{6}Z)",'
    rb'"actor":"([0-9a-f]{16})",("kind":"([a-z0-9._-]+)","subject":"([^"\\]+)","body":\{.*\}\})'
)
Point = tuple[int, int, int, int]
Note = tuple[str, int, bytes, bytes, list[bytes]]


def _fail(where: object, fault: str) -> NoReturn:
    raise SystemExit(f"NOT WHOLE: {where}: {fault}")


class _Chain:
    def __init__(self, origin: str) -> None:
        self.origin, self.size, self.times, self.peaks = origin, 0, bytearray(b" " * 27), [b""][1:]
        self.link = sha256(f"commonwatt ledger v1\n{origin}\n".encode()).digest()
        self.keys: dict[str, bytes] = {}
        self.people: dict[str, tuple[str, str]] = {}  # role and name of each key in force
        self.table: dict[str, Any] = {}
        self.consents: dict[str, set[str]] = {}

    def add(self, raw: bytes, signer: str) -> None:
        line = LINE.fullmatch(raw, 0, len(raw) - 1)
        if not line or raw[-1:] != b"\n":
            _fail(self.size, "it is not a line of a ledger")
        index, previous, at, actor, says, kind, subject = line.groups()
        datetime.fromisoformat(at[:-1].decode())  # raises where it is none, as in 2026-11-31
        due = (b"%d" % self.size, self.link.hex().encode(), signer.encode())
        if (index, previous, actor) != due or (at < self.times[-27:] and kind != b"ledger.clock"):
            _fail(self.size, "it does not follow from the one before it, or from its signature")
        own = kind.startswith(b"ledger.")
        body: dict[str, Any] = json.loads(raw)["body"] if own or b'"to":' in says else {}
        digest = sha256(says).hexdigest() if own else ""
        founding, name = not self.size and kind == b"ledger.enrol", subject.decode()[6:]
        if founding:  # the key that a chain begins with is enrolled by the entry that it signs
            self._change(kind, name, body, signer, at)
        if not self._may(signer, kind.decode(), body, digest):
            _fail(self.size, f"{kind.decode()} written by somebody who may not")
        if own and not founding:
            self._change(kind, name, body, signer, at)
        self.consents.pop(digest, None)
        self.link = leaf = sha256(b"\x00" + raw[:-1]).digest()
        self.times += at
        position, self.size = self.size, self.size + 1
        while position & 1:
            leaf, position = sha256(b"\x01" + self.peaks.pop() + leaf).digest(), position >> 1
        self.peaks.append(leaf)

    def _may(self, signer: str, kind: str, body: dict[str, Any], digest: str) -> bool:
        role, name = self.people.get(signer, ("", ""))
        committee = self.table.get("committee", [])
        if not role or kind == "ledger.consent":
            return bool(role) and role in committee
        if kind.startswith("ledger."):
            people = {self.people.get(o, ("", name))[1] for o in self.consents.get(digest, ())}
            return role == "registrar" or (role in committee and bool(people - {name}))
        prefixes = [kind[: dot.end()] for dot in re.finditer(r"\.", kind)][::-1]
        roles = self.table.get("roles")
        for key in (f"{kind}>{body.get('to')}", kind, *prefixes):
            if roles is not None and key in roles:
                return role in roles[key] or "*" in roles[key]
        return roles is None  # a chain of a version that did not yet say who may

    def _change(self, kind: bytes, name: str, body: dict[str, Any], signer: str, at: bytes) -> None:
        if kind == b"ledger.enrol":
            key = bytes.fromhex(body["public_key"])
            if sha256(key).hexdigest()[:16] != name or name in self.keys:
                _fail(self.size, "a key under a name that is not its own")
            person = " ".join(unicodedata.normalize("NFKC", body["name"]).casefold().split())
            self.keys[name], self.people[name] = key, (body["role"], person)
            self.table = self.table if self.size else body.get("permissions", {})
        elif kind == b"ledger.revoke":
            del self.people[name]
        elif kind == b"ledger.permissions":
            self.table = {"roles": body["roles"], "committee": body["committee"]}
        elif kind == b"ledger.consent":
            self.consents.setdefault(body["entry"], set()).add(signer)
        elif kind == b"ledger.clock":
            after = body["after"]  # the time of line n stands at 27 (n + 1)
            if not 0 <= after < self.size or at < self.times[27 * after + 27 : 27 * after + 54]:
                _fail(self.size, "its clock goes back before the entry that it follows")
        elif kind != b"ledger.witness":
            _fail(self.size, "a kind of entry that the ledger does not have")

    def root(self) -> bytes:
        root = self.peaks[-1] if self.peaks else sha256(b"").digest()
        for peak in reversed(self.peaks[:-1]):
            root = sha256(b"\x01" + peak + root).digest()
        return root


def _read_note(path: Path) -> Note:
    body, _, rest = path.read_bytes().decode().partition("\n\n")
    origin, size, root = body.split("\n")
    *lines, end = rest.split("\n")
    signatures = [base64.b64decode(line.split(" ")[-1], validate=True) for line in lines]
    if lines != [f"\u2014 {origin} {base64.b64encode(s).decode()}" for s in signatures] or end:
        raise ValueError
    return origin, int(size), base64.b64decode(root), (body + "\n").encode(), signatures


def _check_export(folder: Path, notes: list[Note], root_key: str) -> str:
    chain = _Chain(notes[0][0])
    owed = {size: root for _, size, root, *_ in notes}
    if any(owed[size] != root or origin != chain.origin for origin, size, root, *_ in notes):
        _fail("checkpoints", "they contradict each other")
    seals = (folder / "signatures.jsonl").read_text("utf-8").splitlines(keepends=True)
    with (folder / "entries.jsonl").open("rb") as lines:
        for row in seals:
            first, last, actor, signature = json.loads(row)
            form = json.dumps([first, last, actor, signature.lower()]) + "\n"
            if row != form or first != chain.size or last < first:
                _fail(chain.size, "signed out of order, or in another form")
            for _ in range(first, last + 1):
                chain.add(lines.readline(), actor)
                if chain.size in owed and owed[chain.size] != chain.root():
                    _fail(chain.size - 1, "another past than the checkpoint says")
            message = f"commonwatt ledger v1\n{chain.origin}\n{first}\n{last}\n{chain.link.hex()}\n"
            if not signature_holds(chain.keys[actor], bytes.fromhex(signature), message.encode()):
                _fail(last, "the signature does not hold")
        if lines.read(1) or chain.size != notes[0][1] or max(owed) > chain.size or not chain.size:
            _fail(folder, "more or fewer entries than were signed or promised")
    ahead = (datetime.now(timezone.utc) + timedelta(minutes=5)).isoformat().encode()  # noqa: UP017
    if chain.times[-27:] > ahead or root_key not in ("", next(iter(chain.keys.values())).hex()):
        _fail(0, "another key than yours signed first, or the last entry lies in the future")
    for origin, _, _, message, signatures in notes:
        ids = {sha256(origin.encode() + b"\n\x01" + k).digest()[:4]: k for k in chain.keys.values()}
        if not any(signature_holds(ids.get(s[:4], b""), s[4:], message) for s in signatures):
            _fail(folder, "the checkpoint is not signed by anybody enrolled")
    return f"{chain.size} entries, {len(seals)} signatures, root {chain.root().hex()}"


P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D, ROOT_OF_MINUS_1 = -121665 * pow(121666, P - 2, P) % P, pow(2, (P - 1) // 4, P)


def _add_points(p: Point, q: Point) -> Point:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _decode_point(data: bytes) -> Point | None:
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    u, v = y * y - 1, D * y * y + 1
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    x = x * ROOT_OF_MINUS_1 % P if (v * x * x - u) % P else x
    if y >= P or (v * x * x - u) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


def signature_holds(key: bytes, signature: bytes, message: bytes) -> bool:
    """Return whether s B = R + k A (RFC 8032, 5.1), computed as s B - k A = R in variable time."""
    s = int.from_bytes(signature[32:], "little")
    a, r, base = map(_decode_point, (key, signature[:32], bytes.fromhex("58" + "66" * 31)))
    if len(key) != 32 or len(signature) != 64 or s >= L or not a or not r or not base:
        return False
    k = int.from_bytes(sha512(signature[:32] + key + message).digest(), "little") % L
    minus_a, total = (P - a[0], a[1], 1, P - a[3]), (0, 1, 1, 0)
    table = total, base, minus_a, _add_points(base, minus_a)
    for i in range(252, -1, -1):
        total = _add_points(_add_points(total, total), table[(s >> i & 1) | (k >> i & 1) << 1])
    return (total[0] - r[0] * total[2]) % P == 0 and (total[1] - r[1] * total[2]) % P == 0


def verify_exported_ledger(arguments: list[str]) -> None:
    """Check a folder and say what was found."""
    folder = Path(arguments[0])
    try:
        notes = [_read_note(p) for p in (folder / "checkpoint.txt", *map(Path, arguments[1:2]))]
        sys.stdout.write(f"Whole: {_check_export(folder, notes, ''.join(arguments[2:3]))}\n")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        _fail(folder, f"not of the form of an export ({type(error).__name__})")


if __name__ == "__main__":
    verify_exported_ledger(sys.argv[1:] or sys.exit(__doc__))
