"""Read entries of a verified chain: what is given was compared with what was verified.

Entries of some kinds are folded again and compared with the fold of each kind, so that
none is changed, hidden or added. A stretch up to the end of the chain must chain to its last
link. Where a long ledger is asked for one subject or a short stretch, each row is proved by the
Merkle tree; that the database hid none of those, `verify` alone finds out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

import sqlalchemy as sa

import commonwatt.ledger.schema as schema
from commonwatt.core.messages import Message
from commonwatt.ledger.entries import LedgerEntry, parse_ledger_entry
from commonwatt.ledger.errors import TamperedError
from commonwatt.ledger.inclusion import check_rows_included, checked_ledger_link_of_row
from commonwatt.ledger.verified import verified_head
from commonwatt.ledger.walk import KindFold, VerifiedHead

_PAGE: Final = 10_000
MOST_HELD: Final = 50_000
"""So many rows are compared before the first is given; of more, the end shows it."""


def verified_ledger_entries_by_connection(
    connection: sa.Connection,
    first: int = 0,
    *,
    kind: str = "",
    subject: str = "",
    limit: int | None = None,
) -> Iterator[LedgerEntry]:
    """Yield verified entries as one connection sees them; see `Ledger.entries`.

    Raises:
        TamperedError: A row is not what was verified, or one is missing.
    """
    head = verified_head(connection)
    stretch = max(0, head.size - first)
    count = sum(fold.count for of, fold in head.kinds.items() if _is_below(of, kind, "."))
    if kind and count <= max(stretch, 1) and (count <= MOST_HELD or not subject):
        rows = _checked_ledger_rows_of_kind(connection, head, kind)
    elif stretch <= MOST_HELD or not (subject or limit):
        rows = _checked_ledger_rows_to_end(connection, head, first)
    else:
        rows = _ledger_rows_proved_in_tree(connection, head, first, kind, subject, limit)
    wanted = (
        row
        for row in rows
        if row[0] >= first and _is_ledger_row_of_kind_and_subject(row, kind, subject)
    )
    for row in islice(wanted, limit):
        yield parse_ledger_entry(row[5], bytes(row[6]))


def _is_ledger_row_of_kind_and_subject(row: Sequence[Any], kind: str, subject: str) -> bool:
    return _is_below(row[3], kind, ".") and _is_below(row[4], subject, "/")


def _is_below(name: str, wanted: str, mark: str) -> bool:
    """Return whether a name is the one wanted, or below it where that ends in `mark`."""
    if not wanted:
        return True
    return name.startswith(wanted) if wanted.endswith(mark) else name == wanted


def _checked_ledger_rows_of_kind(
    connection: sa.Connection, head: VerifiedHead, kind: str
) -> Iterator[Any]:
    """Yield all rows of a kind, or of all below it, which must fold as they did."""
    wanted = {of: fold for of, fold in head.kinds.items() if _is_below(of, kind, ".")}
    folds: dict[str, KindFold] = {}

    def fold_row(row: Sequence[Any]) -> None:
        folds[row[3]] = folds.get(row[3], KindFold()).with_link(checked_ledger_link_of_row(row))

    def check_folds() -> None:
        if folds != wanted:
            raise TamperedError(
                "ledger_entries",
                found=Message(
                    "other entries of the kind {kind} than were verified", {"kind": kind}
                ),
                remedy=_RESTORE,
            )

    # By the kinds that there are: an index serves that, and no comparison by a beginning.
    condition = schema.entries.c.kind.in_(wanted)
    count = sum(fold.count for fold in wanted.values())
    yield from _checked_ledger_rows(connection, head, [condition], count, fold_row, check_folds)


def _checked_ledger_rows_to_end(
    connection: sa.Connection, head: VerifiedHead, first: int
) -> Iterator[Any]:
    """Yield the rows from `first` on, which must chain to the last link."""
    last: list[Any] = [first, b""]

    def chain_row(row: Sequence[Any]) -> None:
        link = checked_ledger_link_of_row(row)
        previous = row[5][row[5].find('"previous":"') + 12 :][:64]
        if row[0] != last[0] or (last[1] and previous != last[1].hex()):
            raise _changed_ledger_row_error(last[0])
        last[0], last[1] = row[0] + 1, link

    def check_end() -> None:
        if last[0] != max(head.size, first) or (last[1] and last[1] != head.link):
            raise _changed_ledger_row_error(last[0])

    condition = schema.entries.c.position >= first
    count = max(0, head.size - first)
    yield from _checked_ledger_rows(connection, head, [condition], count, chain_row, check_end)


def _checked_ledger_rows(
    connection: sa.Connection,
    head: VerifiedHead,
    conditions: list[sa.ColumnElement[bool]],
    count: int,
    take: Callable[[Sequence[Any]], None],
    finish: Callable[[], None],
) -> Iterator[Any]:
    """Yield rows; up to `MOST_HELD` all are taken and the end is checked before the first."""
    table = schema.entries
    query = sa.select(table).where(*conditions, table.c.position < head.size)
    rows = connection.execute(query.order_by(table.c.position))
    if count <= MOST_HELD:
        held = rows.all()
        for row in held:
            take(row)
        finish()
        yield from held
        return
    for row in rows.yield_per(_PAGE):
        take(row)
        yield row
    finish()


def _ledger_rows_proved_in_tree(
    connection: sa.Connection, head: VerifiedHead, first: int, kind: str, subject: str,
    limit: int | None,
) -> Iterator[Any]:  # fmt: skip
    """Yield rows that are each in the tree of the head."""
    table = schema.entries
    conditions: list[sa.ColumnElement[bool]] = []
    if kind:
        conditions.append(table.c.kind.in_([k for k in head.kinds if _is_below(k, kind, ".")]))
    if subject.endswith("/"):
        conditions.append(table.c.subject.startswith(subject, autoescape=True))
    elif subject:
        conditions.append(table.c.subject == subject)
    query = sa.select(table).where(
        table.c.position >= first, table.c.position < head.size, *conditions
    )
    rows = connection.execute(query.order_by(table.c.position).limit(limit)).all()
    if rows:
        check_rows_included(connection, head, rows)
    yield from rows


def _changed_ledger_row_error(position: int) -> TamperedError:
    return TamperedError(
        f"entry {position:,}",
        found=Message("a row that was changed after it was verified"),
        remedy=_RESTORE,
    )


_RESTORE: Final = Message("Restore the ledger from a copy that agrees with a kept checkpoint.")
