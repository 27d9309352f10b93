"""What every move of a project is made of: one transaction, one entry, one check."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

import commonwatt.sandbox.io.store.opt_outs as consent
import commonwatt.sandbox.io.store.records as records
from commonwatt.core.messages import Message
from commonwatt.ledger import EntryDraft, Ledger, Signer, actor_id_of
from commonwatt.ledger.store import lock_chain_head
from commonwatt.sandbox.domain.errors import ProjectError, ProjectRoleError
from commonwatt.sandbox.domain.lifecycle import STEP_ROLES, DatasetState, ProjectState
from commonwatt.sandbox.io.imports.dataset import Dataset, load_dataset

KEY: Final = "room.key"
_LONG_STEP: Final = timedelta(days=1)


class ProjectBase:
    """A project's place, its secret, and the parts of its moves."""

    def __init__(self, ledger: Ledger, folder: Path, name: str) -> None:
        self.ledger, self.folder, self.name = ledger, folder, name

    @property
    def store(self) -> Path:
        """Return the folder of datasets."""
        return self.folder / "datasets"

    @property
    def key(self) -> bytes:
        """Return the project's secret.

        Raises:
            ProjectError: The project was deleted, and its secret with it.
        """
        try:
            return (self.folder / KEY).read_bytes()
        except FileNotFoundError:
            raise ProjectError(self.name, found=Message("a project without its key")) from None

    def excluded_tokens(self) -> frozenset[str]:
        """Return the tokens of those whom no use of this project may see now."""
        with self.ledger.reading() as tx:
            return self.opted_out_people(tx)

    @contextmanager
    def transaction(self) -> Generator[sa.Connection]:
        """Give a transaction that waits until no other move is under way."""
        # The ledger's head is the one lock of all projects: moves are rare and short, and an
        # order of several locks is where deadlocks come from.
        with self.ledger.transaction() as tx:
            lock_chain_head(tx)
            yield tx

    def record_step(
        self,
        tx: sa.Connection,
        step: str,
        body: Mapping[str, Any],
        *,
        by: Signer,
        at: datetime,
        of: str = "",
    ) -> None:
        """Put a step on record, not before the entry of a step that overtook it."""
        subject = f"room/{self.name}" + (f"/{of}" if of else "")
        draft = EntryDraft(kind=f"sandbox.{step}", subject=subject, body=dict(body))
        last = lock_chain_head(tx).at
        # A step measures its time before it waits for the lock, so a faster one may be on record
        # with a later time; the ledger takes no entry that is older than the last. A gap of more
        # than a day is a wrong clock and is left for the ledger to refuse.
        if last and timedelta() < datetime.fromisoformat(last) - at < _LONG_STEP:
            at = datetime.fromisoformat(last)
        self.ledger.append(tx, [draft], by=by, at=at, roles=STEP_ROLES[step])

    def check_may_step(self, by: Signer, at: datetime, step: str) -> None:
        """Raise unless the project is open today and `by` may make `step`."""
        with self.ledger.reading() as tx:
            row = records.data_project_row(tx, self.name)
        if row.state != ProjectState.OPEN.value:
            raise ProjectError(self.name, found=Message("a project that is not open"))
        # Dates in ISO form order as text; the last day itself still counts.
        if at.date().isoformat() > row.expires_on:
            raise ProjectError(self.name, found=Message("a project that expired"))
        actor = actor_id_of(by.public_key)
        # A revoked key loses its role at once, though the entries it signed before stay valid.
        active = (enrolled for enrolled in self.ledger.actors() if enrolled.revoked_in is None)
        roles = {enrolled.actor_id: enrolled.person.role for enrolled in active}
        if roles.get(actor) not in STEP_ROLES[step]:
            raise ProjectRoleError(
                f"{self.name}, {step}",
                found=Message("role {role}", {"role": roles.get(actor, "–")}),
                wanted=Message("one of {roles}", {"roles": ", ".join(sorted(STEP_ROLES[step]))}),
            )

    # No check of the state here: an opt-out must be taken in a project that is closed or has
    # expired, too.
    def check_exists(self) -> None:
        """Raise unless the project exists."""
        with self.ledger.reading() as tx:
            records.data_project_row(tx, self.name)

    def opted_out_people(self, tx: sa.Connection) -> frozenset[str]:
        """Return the tokens of those whom no use of this project may see, as `tx` sees it."""
        return consent.excluded_people(tx, self.name, records.consent_scope(tx, self.name))

    def dataset(self, name: str, states: set[DatasetState]) -> Dataset:
        """Return a dataset that is in one of `states`.

        Raises:
            ProjectError: It is in another.
        """
        with self.ledger.reading() as tx:
            state = records.project_dataset_row(tx, self.name, name).state
        if state not in states:
            raise ProjectError(
                name,
                found=Message("a dataset that is {state}", {"state": state}),
                wanted=Message("one that is {state}", {"state": ", ".join(sorted(states))}),
            )
        return load_dataset(self.store / name)
