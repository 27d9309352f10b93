"""An entry: one line of JSON whose bytes are what is hashed, chained and signed.

The members stand in a fixed order, so that the line can be checked against its
columns, and by a verifier that knows nothing of us, without parsing it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from commonwatt.core.identifiers import QUALIFIED_PATH
from commonwatt.core.messages import Message
from commonwatt.ledger.errors import EntryError

_KIND: Final = re.compile(r"[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)*")
_ENCODER: Final = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
)
LONGEST_NAME: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryDraft:
    """What somebody wants to put on record.

    Args:
        kind: What happened, wing first: `sandbox.release`, `clinic.decision`.
        subject: What it happened to, as a path: `project/42`, `deployment/chest-ct`.
        body: Plain JSON values; never a value of a person's record.
    """

    kind: str
    subject: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """What stands on record; `text` is the line that was hashed and signed."""

    index: int
    at: datetime
    actor_id: str
    kind: str
    subject: str
    body: Mapping[str, Any]
    text: str
    link: bytes


def checked_ledger_entry_body_json(draft: EntryDraft) -> str:
    """Return the body of `draft` as canonical JSON, or say what is wrong with it.

    Raises:
        EntryError: A name has letters that it may not have, or the body is not JSON.

    >>> draft = EntryDraft(kind="demo.step", subject="thing/1", body={"b": 1, "a": "字"})
    >>> checked_ledger_entry_body_json(draft)
    '{"a":"字","b":1}'
    """
    _check_ledger_entry_name("kind", draft.kind, _KIND)
    _check_ledger_entry_name("subject", draft.subject, QUALIFIED_PATH)
    try:
        body = _ENCODER.encode(dict(draft.body))
        body.encode()
    except (TypeError, ValueError, UnicodeEncodeError) as error:
        raise EntryError(
            f"{draft.kind}, body",
            found=type(error).__name__,
            wanted=Message("plain JSON values, no NaN, text in Unicode"),
        ) from None
    return body


@lru_cache(4096)  # a few names recur in most entries
def _check_ledger_entry_name(field: str, name: str, form: re.Pattern[str]) -> None:
    if len(name) > LONGEST_NAME or not form.fullmatch(name):
        raise EntryError(
            field,
            found=repr(name[:LONGEST_NAME]),
            wanted=Message("letters, digits and . _ : / @ + - only"),
        )


def ledger_entry_line(
    *, index: int, previous: str, at: str, actor_id: str, kind: str, subject: str, body: str
) -> str:
    """Return the line of an entry; names were checked, so none needs quoting."""
    # Written by hand and not by the JSON encoder: the order of members is part of the format, and
    # the body is already canonical.
    return (
        ledger_entry_line_prefix(index, previous, at, actor_id, kind, subject) + f'"body":{body}}}'
    )


def ledger_entry_line_prefix(
    index: int, previous: str, at: str, actor_id: str, kind: str, subject: str
) -> str:
    """Return how the line of such an entry must begin."""
    return (
        f'{{"index":{index},"previous":"{previous}","at":"{at}","actor":"{actor_id}",'
        f'"kind":"{kind}","subject":"{subject}",'
    )


def merkle_leaf_hash(data: bytes) -> bytes:
    """Return SHA-256(0x00 || data), the leaf hash of RFC 6962, section 2.1.

    >>> merkle_leaf_hash(b"").hex()[:16]
    '6e340b9cffb37a98'
    """
    return hashlib.sha256(b"\x00" + data).digest()


def ledger_genesis_link(origin: str) -> bytes:
    """Return what the first entry names as its predecessor."""
    return hashlib.sha256(f"commonwatt ledger v1\n{origin}\n".encode()).digest()


# Always six decimals and always Z, so that instants sort as text and a verifier need not parse one.
def ledger_instant_text(at: datetime) -> str:
    """Return an instant in UTC with microseconds.

    Raises:
        EntryError: The instant has no time zone.

    >>> ledger_instant_text(datetime(2026, 11, 22, 8, tzinfo=UTC))
    '2026-11-22T08:00:00.000000Z'
    """
    if at.tzinfo is None:
        raise EntryError("at", found=at.isoformat(), wanted=Message("an instant with a time zone"))
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_ledger_entry(text: str, link: bytes) -> LedgerEntry:
    """Return the entry that `text` is."""
    line = json.loads(text)
    return LedgerEntry(
        index=line["index"],
        at=datetime.strptime(line["at"], "%Y-%m-%dT%H:%M:%S.%f%z"),
        actor_id=line["actor"],
        kind=line["kind"],
        subject=line["subject"],
        body=line["body"],
        text=text,
        link=link,
    )
