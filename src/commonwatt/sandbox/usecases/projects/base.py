"""What every move of a project is made of: one transaction, one entry, one check."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

import commonwatt.sandbox.io.store.opt_outs as consent
import commonwatt.sandbox.io.store.records as records
from commonwatt.core.messages import Message
from commonwatt.governance.lifecycle import F, Lifecycle, S, raise_move_refusal
from commonwatt.governance.moves import MoveRequest, make_governed_move
from commonwatt.ledger import ActorError, EntryDraft, Ledger, Signer
from commonwatt.ledger.store import lock_chain_head, permitted_ledger_signer
from commonwatt.sandbox.domain.errors import ProjectError, ProjectRoleError
from commonwatt.sandbox.domain.lifecycle import (
    PROJECT_LIFECYCLE,
    STEP_ROLES,
    STEPS_OF_OPEN_PROJECT,
    DatasetState,
    ProjectStanding,
    ProjectState,
    project_work_refusal_or_none,
)
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

    def opted_out_person_tokens(self) -> frozenset[str]:
        """Return the tokens of those whom no use of this project may see now."""
        with self.ledger.reading() as tx:
            return self.opted_out_tokens_in_transaction(tx)

    @contextmanager
    def transaction(self) -> Generator[sa.Connection]:
        """Give a transaction that waits until no other move is under way."""
        # The ledger's head is the one lock of all projects: moves are rare and short, and an
        # order of several locks is where deadlocks come from.
        with self.ledger.transaction() as tx:
            lock_chain_head(tx)
            yield tx

    def record_project_step(
        self,
        tx: sa.Connection,
        step: str,
        body: Mapping[str, Any],
        *,
        by: Signer,
        at: datetime,
        of: str = "",
    ) -> None:
        """Put a step on record, if the project is open where the step needs that."""
        # Asked here, where every step comes by, and under the lock that a closing takes: what was
        # true before the lock is no longer known to be true.
        if step in STEPS_OF_OPEN_PROJECT:
            self.check_project_open_and_unexpired(tx, at)
        self.record_project_step_end(tx, step, body, by=by, at=at, of=of)

    def record_project_step_end(
        self,
        tx: sa.Connection,
        step: str,
        body: Mapping[str, Any],
        *,
        by: Signer,
        at: datetime,
        of: str = "",
    ) -> None:
        """Put on record how a step ended that was let in while the project was open."""
        draft = self._step_entry(step, body, of)
        at = _project_step_time_not_before_head(tx, at)
        self.ledger.append(tx, [draft], by=by, at=at, roles=STEP_ROLES[step])

    def make_recorded_lifecycle_move(
        self,
        tx: sa.Connection,
        lifecycle: Lifecycle[S, F],
        origin: S | None,
        to: S,
        step: str,
        *,
        facts: F,
        save: Callable[[], None],
        body: Mapping[str, Any],
        by: Signer,
        at: datetime,
        of: str = "",
        where: str = "",
    ) -> None:
        """Make a move of a table: checked, saved and put on record as one."""
        request = MoveRequest[S, F](
            where=where or self.name, origin=origin, to=to, step=step, facts=facts,
            entries=[self._step_entry(step, body, of)],
        )  # fmt: skip
        at = _project_step_time_not_before_head(tx, at)
        make_governed_move(self.ledger, tx, lifecycle, request, by=by, at=at, save=save)

    def _step_entry(self, step: str, body: Mapping[str, Any], of: str) -> EntryDraft:
        subject = f"room/{self.name}" + (f"/{of}" if of else "")
        return EntryDraft(kind=f"sandbox.{step}", subject=subject, body=dict(body))

    def project_standing(self, tx: sa.Connection, at: datetime) -> ProjectStanding:
        """Return what decides whether people may work in the project, as `tx` sees it."""
        row = records.data_project_row(tx, self.name)
        return ProjectStanding(
            state=ProjectState(row.state), expires_on=row.expires_on, today=at.date().isoformat()
        )

    def check_project_open_and_unexpired(self, tx: sa.Connection, at: datetime) -> None:
        """Raise unless the project is open and has not expired.

        Raises:
            ProjectError: It is closed, deleted or expired.
        """
        if refusal := project_work_refusal_or_none(self.project_standing(tx, at)):
            raise_move_refusal(PROJECT_LIFECYCLE, refusal, self.name)

    def check_may_make_project_step(self, by: Signer, at: datetime, step: str) -> None:
        """Raise unless the project is open today and `by` may make `step`.

        Only to spare people minutes of work that would be refused at its end; what decides is
        asked once more in the transaction that acts.
        """
        with self.ledger.reading() as tx:
            self.check_may_make_project_step_now(tx, by, at, step)

    def check_may_make_project_step_now(
        self, tx: sa.Connection, by: Signer, at: datetime, step: str
    ) -> None:
        """Raise unless the project is open and `by` may make `step`, as `tx` sees both."""
        self.check_project_open_and_unexpired(tx, at)
        roles = self.signer_project_roles(tx, by)
        if roles.isdisjoint(STEP_ROLES[step]):
            raise ProjectRoleError(
                f"{self.name}, {step}",
                found=Message("role {role}", {"role": ", ".join(roles) or "–"}),
                wanted=Message("one of {roles}", {"roles": ", ".join(sorted(STEP_ROLES[step]))}),
            )

    def signer_project_roles(self, tx: sa.Connection, by: Signer) -> frozenset[str]:
        """Return the role of whoever signs; nothing where the key is unknown or revoked."""
        # A revoked key loses its role at once, though the entries it signed before stay valid.
        try:
            return frozenset({permitted_ledger_signer(tx, by, None, "").person.role})
        except ActorError:
            return frozenset()

    # No check of the state here: an opt-out must be taken in a project that is closed or has
    # expired, too.
    def check_project_exists(self) -> None:
        """Raise unless the project exists."""
        with self.ledger.reading() as tx:
            records.data_project_row(tx, self.name)

    def opted_out_tokens_in_transaction(self, tx: sa.Connection) -> frozenset[str]:
        """Return the tokens of those whom no use of this project may see, as `tx` sees it."""
        return consent.opted_out_tokens_for_use(tx, self.name, records.consent_scope(tx, self.name))

    def dataset(self, name: str, states: set[DatasetState]) -> Dataset:
        """Return a dataset that is in one of `states`.

        Raises:
            ProjectError: It is in another.
        """
        with self.ledger.reading() as tx:
            self.check_project_dataset_state(tx, name, states)
        return load_dataset(self.store / name)

    def check_project_dataset_state(
        self, tx: sa.Connection, name: str, states: set[DatasetState]
    ) -> None:
        """Raise unless a dataset is in one of `states`, as `tx` sees it.

        Raises:
            ProjectError: It is in another.
        """
        state = records.project_dataset_row(tx, self.name, name).state
        if state not in states:
            raise ProjectError(
                name,
                found=Message("a dataset that is {state}", {"state": state}),
                wanted=Message("one that is {state}", {"state": ", ".join(sorted(states))}),
            )


def _project_step_time_not_before_head(tx: sa.Connection, at: datetime) -> datetime:
    """Return `at`, or the instant of the last entry where a faster step came between."""
    last = lock_chain_head(tx).at
    # A step measures its time before it waits for the lock, so a faster one may be on record with
    # a later time; the ledger takes no entry that is older than the last. A gap of more than a day
    # is a wrong clock and is left for the ledger to refuse.
    if last and timedelta() < datetime.fromisoformat(last) - at < _LONG_STEP:
        return datetime.fromisoformat(last)
    return at
