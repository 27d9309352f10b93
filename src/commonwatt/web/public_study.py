"""The study that the console opens with: the one that was pinned, else the newest.

Which study is pinned is what the newest entry of the ledger about it says; there is no
second place that could say something else.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Final

from commonwatt.core.errors import RunNotFoundError
from commonwatt.core.messages import Message
from commonwatt.ledger import LedgerEntry
from commonwatt.web.errors import TaskError

if TYPE_CHECKING:
    from commonwatt.runs import Run
    from commonwatt.web.services import Services

STUDY: Final = "study"
_PIN: Final = "public-study"
_SUBJECT: Final = "console/public-study"


def pinned_study_id_or_blank(services: Services) -> str:
    """Return the id of the study that was pinned; empty where none is."""
    return _newest_pinned_run_id_or_blank(services.ledger.entries(kind=f"console.{_PIN}"))


def public_study(services: Services) -> Run | None:
    """Return the study that is shown where none is named: never a what-if."""
    pinned = pinned_study_id_or_blank(services)
    if pinned:
        try:
            return services.runs.find_run_or_newest_of_kind(pinned, STUDY)
        # A run may have been removed from the store since; what is left is shown then.
        except RunNotFoundError:
            pass
    return services.runs.find_run_or_newest_of_kind("", STUDY)


def pin_public_study(services: Services, run_id: str, account: str, *, now: datetime) -> None:
    """Make a study the public one, with its entry in the ledger; again changes nothing.

    Raises:
        RunNotFoundError: There is no such run.
        TaskError: It is a what-if, or no study at all.
    """
    run = services.runs.get(run_id)
    if run.kind != STUDY:
        raise TaskError(
            run_id,
            found=Message("a run of the kind {kind}", {"kind": run.kind}),
            wanted=Message("a study of a programme as it is written"),
            remedy=Message("Write the change into the programme, run it, and pin that study."),
        )
    _record_public_study_pin(services, run_id, account, now)


def unpin_public_study(services: Services, run_id: str, account: str, *, now: datetime) -> None:
    """Make the newest study the public one again.

    Raises:
        TaskError: That study is not pinned.
    """
    if pinned_study_id_or_blank(services) != run_id:
        raise TaskError(run_id, found=Message("a study that is not pinned"))
    _record_public_study_pin(services, "", account, now)


def _record_public_study_pin(services: Services, run_id: str, account: str, now: datetime) -> None:
    from commonwatt.ledger.store import lock_chain_head, verified_ledger_entries_by_connection

    with services.ledger.transaction() as tx:
        # Asked under the lock in which it is written, so that two people never pin at once.
        lock_chain_head(tx)
        if (
            _newest_pinned_run_id_or_blank(
                verified_ledger_entries_by_connection(tx, kind=f"console.{_PIN}")
            )
            == run_id
        ):
            return
        body = {"run": run_id, "by": account}
        services.entry_writer.record(tx, _PIN, _SUBJECT, body, at=now)


def _newest_pinned_run_id_or_blank(entries: Iterable[LedgerEntry]) -> str:
    # A handful in the life of a console: all of them are read.
    pinned = ""
    for entry in entries:
        pinned = str(entry.body.get("run", ""))
    return pinned
