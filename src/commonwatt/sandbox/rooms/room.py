"""Carry out the moves of a room: each checks, records and changes as one step."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import polars as pl
import sqlalchemy as sa

import commonwatt.sandbox.rooms.consent as consent
import commonwatt.sandbox.rooms.schema as schema
from commonwatt.core.messages import Message
from commonwatt.ledger import Draft, Ledger, Signer, actor_id_of
from commonwatt.sandbox.airlock.checks import OutputRules, Stop, check_output
from commonwatt.sandbox.airlock.cohort import Cohort, check_counts, people_by_cell
from commonwatt.sandbox.airlock.differencing import Guard
from commonwatt.sandbox.airlock.tables import has_counts, parse_number, read_csv
from commonwatt.sandbox.deidentify.tables import deidentify, token
from commonwatt.sandbox.errors import RoleError, RoomError
from commonwatt.sandbox.imports.dataset import Dataset, delete_dataset, load_dataset
from commonwatt.sandbox.isolate.collect import Output
from commonwatt.sandbox.isolate.job import Job, Kind, Limits
from commonwatt.sandbox.isolate.node import Ended, Node
from commonwatt.sandbox.privacy import account
from commonwatt.sandbox.privacy.measures import Answer
from commonwatt.sandbox.risk.report import RiskReport, assess_risk
from commonwatt.sandbox.rooms.moves import (
    DATASET_MOVES,
    MAY,
    OUTPUT_MOVES,
    ROOM_MOVES,
    VOTES_NEEDED,
    DatasetState,
    OutputState,
    RoomState,
    check_move,
)

_KEY: Final = "room.key"
Cells = dict[tuple[str, ...], list[str]]
"""People by the labels of a cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a room is for; fixed when it opens."""

    name: str
    purpose: str
    legal_basis: str
    scope: consent.Scope
    expires_on: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A job as a researcher hands it in.

    Args:
        dataset: A signed dataset of the room.
        tables: Tables to read, which the job sees as `/data/<table in small letters>`.
        cohorts: For each output that counts people, the people that it counts.
    """

    code: str
    dataset: str
    tables: tuple[str, ...]
    outputs: dict[str, Kind]
    cohorts: dict[str, Cohort] = field(default_factory=dict[str, Cohort])
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """How a job ended, and what the checks said of each output."""

    job: str
    ended: Ended
    states: dict[str, OutputState]
    stops: dict[str, list[Stop]]


class Room:
    """One room; every method is one move by one person at one time."""

    def __init__(self, ledger: Ledger, folder: Path, name: str) -> None:
        self.ledger, self.folder, self.name = ledger, folder, name

    @property
    def store(self) -> Path:
        """Return the folder of datasets."""
        return self.folder / "datasets"

    @property
    def key(self) -> bytes:
        """Return the room's secret."""
        return (self.folder / _KEY).read_bytes()

    @classmethod
    def open(cls, ledger: Ledger, folder: Path, facts: Facts, *, by: Signer, at: datetime) -> Room:
        """Open a new room in `folder`, which only its owner may enter.

        Raises:
            RoomError: A room of that name exists.
        """
        prepare(ledger)
        room = cls(ledger, folder, facts.name)
        row = {
            "room": facts.name, "state": RoomState.OPEN.value, "purpose": facts.purpose,
            "legal_basis": facts.legal_basis, "scope": facts.scope.value,
            "expires_on": facts.expires_on,
        }  # fmt: skip
        with ledger.transaction() as tx:
            if room._row(tx) is not None:
                raise RoomError(facts.name, found=Message("a room of that name already"))
            tx.execute(schema.rooms.insert().values(row))
            room._enter(tx, "open", {"scope": facts.scope.value}, by=by, at=at)
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
            with suppress(FileExistsError), (folder / _KEY).open("xb") as file:
                (folder / _KEY).chmod(0o600)
                file.write(secrets.token_bytes(32))
        return room

    def close(self, *, by: Signer, at: datetime) -> None:
        """Close the room: nothing can be submitted, asked or released."""
        with self.ledger.transaction() as tx:
            state = RoomState(self._found(tx).state)
            check_move(state, RoomState.CLOSED, ROOM_MOVES, self.name)
            this = schema.rooms.c.room == self.name
            tx.execute(schema.rooms.update().where(this).values(state=RoomState.CLOSED.value))
            self._enter(tx, "close", {}, by=by, at=at)

    def take_in(self, read: Callable[[Path], Dataset], *, by: Signer, at: datetime) -> Dataset:
        """Import a dataset: `read` gets the room's store and returns what it wrote.

        What `read` wrote is usable only once it is on record.
        """
        self._check(by, at, "import")
        dataset = read(self.store)
        with self.ledger.transaction() as tx:
            self._add_dataset(tx, dataset, DatasetState.IMPORTED, source="")
            body = {"files": dataset.files, "rows": dataset.rows, "set-aside": dataset.set_aside}
            self._enter(tx, "import", body, by=by, at=at, of=f"dataset/{dataset.name}")
        return dataset

    def deidentify(
        self, source: str, name: str, *, by: Signer, at: datetime
    ) -> tuple[Dataset, RiskReport]:
        """De-identify a dataset under a new name and measure what risk is left."""
        self._check(by, at, "deidentify")
        raw = self._dataset(source, {DatasetState.IMPORTED})
        with self.ledger.reading() as tx:
            gone = consent.left_out(tx, self.name, self._scope(tx))
        people = pl.read_parquet(raw.table("Patient"))["patient_id"].to_list()
        leave_out = [person for person in people if token(self.key, person) in gone]
        done = deidentify(raw, self.store, name, key=self.key, leave_out=leave_out)
        report = assess_risk(raw, done, key=self.key)
        with self.ledger.transaction() as tx:
            self._add_dataset(
                tx, done, DatasetState.DEIDENTIFIED, source=source, risk=report.sha256
            )
            body = {"files": done.files, "k": report.risk.k, "risk": report.sha256}
            self._enter(tx, "deidentify", body, by=by, at=at, of=f"dataset/{name}")
        return done, report

    def sign_risk(self, name: str, sha256: str, *, by: Signer, at: datetime) -> None:
        """Let jobs use a dataset, by signing the report of that digest.

        Raises:
            RoomError: The digest is not that of the dataset's report.
        """
        with self.ledger.transaction() as tx:
            row = self._dataset_row(tx, name)
            if row.risk_sha256 != sha256:
                raise RoomError(name, wanted=Message("the digest of its own risk report"))
            state = DatasetState(row.state)
            check_move(state, DatasetState.SIGNED, DATASET_MOVES, name)
            self._set_dataset(tx, name, DatasetState.SIGNED)
            body = {"risk": sha256}
            self._enter(tx, "sign-risk", body, by=by, at=at, of=f"dataset/{name}")

    def delete(self, name: str, *, by: Signer, at: datetime) -> None:
        """Delete a dataset for good and record the digests of what is gone."""
        with self.ledger.transaction() as tx:
            state = DatasetState(self._dataset_row(tx, name).state)
            check_move(state, DatasetState.DELETED, DATASET_MOVES, name)
            self._set_dataset(tx, name, DatasetState.DELETED)
            files = load_dataset(self.store / name).files
            self._enter(tx, "delete", {"files": files}, by=by, at=at, of=f"dataset/{name}")
        delete_dataset(load_dataset(self.store / name))

    def opt_out(
        self, person: str, scope: consent.Scope, *, out: bool = True, by: Signer, at: datetime
    ) -> None:
        """Record that a person, named by their id in the source, opted out or back in.

        The state keeps their token and the ledger only the scope.
        """
        self._found_now()
        who = token(self.key, person)
        with self.ledger.transaction() as tx:
            consent.record(tx, self.name, who, scope, out=out)
            self._enter(tx, "opt-out", {"scope": scope.value, "out": out}, by=by, at=at)

    def submit(self, node: Node, request: Request, *, by: Signer, at: datetime) -> Submitted:
        """Run a job on `node` and check each output.

        1. Check person, room and dataset. 2. Record that it starts. 3. Run it on
        tables without those who opted out. 4. Check the outputs. 5. Record how it
        ended and the outputs' states in one transaction; until then none exists.
        """
        self._check(by, at, "submit")
        dataset = self._dataset(request.dataset, {DatasetState.SIGNED})
        code = hashlib.sha256(request.code.encode()).hexdigest()
        number = f"{code[:8]}-{secrets.token_hex(3)}"
        gone = self._start(number, request, dataset, code, by=by, at=at)
        views = self.folder / "views"
        inputs = {
            table.lower(): consent.view(dataset.table(table), gone, views)
            for table in request.tables
        }
        job = Job(code=request.code, inputs=inputs, outputs=request.outputs, limits=request.limits)
        kept = self.folder / "outputs"
        kept.mkdir(exist_ok=True)
        ended = node.run(job, to=kept)
        self._keep_log(number, ended.log)
        cells = {
            output.name: self._cells(dataset, request.cohorts[output.name], gone)
            for output in ended.outputs
            if output.name in request.cohorts
        }
        stops = {output.name: self._stops(output, request, cells) for output in ended.outputs}
        states = {
            name: OutputState.STOPPED if found else OutputState.WAITING
            for name, found in stops.items()
        }
        with self.ledger.transaction() as tx:
            for output in ended.outputs:
                self._add_output(tx, number, output, states, stops, cells, by)
            self._enter(tx, "submit", _end_body(ended, states), by=by, at=at, of=f"job/{number}")
        return Submitted(job=number, ended=ended, states=states, stops=stops)

    def bytes_of(self, output: str) -> bytes:
        """Return the exact bytes that a checker reviews, proved by their name.

        Raises:
            RoomError: They are not the bytes that were collected.
        """
        data = (self.folder / "outputs" / output).read_bytes()
        if hashlib.sha256(data).hexdigest() != output:
            raise RoomError(output[:12], found=Message("bytes other than those collected"))
        return data

    def vote(self, output: str, *, approve: bool, by: Signer, at: datetime) -> OutputState:
        """Vote on an output, blind to other votes; two approvals approve, one refusal rejects.

        Raises:
            RoleError: The author votes on their own output, or a checker votes twice.
        """
        self._check(by, at, "vote")
        checker = actor_id_of(by.public_key)
        with self.ledger.transaction() as tx:
            row = self._output(tx, output)
            state = OutputState(row.state)
            check_move(state, OutputState.APPROVED, OUTPUT_MOVES, output[:12])
            if row.author == checker:
                raise RoleError(output[:12], wanted=Message("a checker who is not the author"))
            votes = self._votes(tx, output)
            if checker in votes:
                raise RoleError(output[:12], found=Message("a vote of this checker already"))
            row = {"room": self.name, "output": output, "checker": checker, "approves": approve}
            tx.execute(schema.votes.insert().values(row))
            if not approve:
                state = OutputState.REJECTED
            elif sum(votes.values()) + 1 >= VOTES_NEEDED:
                state = OutputState.APPROVED
            self._set_output(tx, output, state)
            body = {"approves": approve, "state": state.value}
            self._enter(tx, "vote", body, by=by, at=at, of=f"output/{output}")
        return state

    def release(self, output: str, to: Path, *, by: Signer, at: datetime) -> Path:
        """Release an approved output into the folder `to`, byte for byte as reviewed.

        The guard looks once more at everything released meanwhile. The move is on
        record before a byte leaves; called again, it delivers the same bytes again.

        Raises:
            RoomError: The output is not approved, or together with others tells too much.
        """
        self._check(by, at, "release")
        data = self.bytes_of(output)
        with self.ledger.transaction() as tx:
            row = self._output(tx, output)
            if row.state != OutputState.RELEASED.value:
                state = OutputState(row.state)
                check_move(state, OutputState.RELEASED, OUTPUT_MOVES, output[:12])
                self._guard_again(tx, output)
                self._set_output(tx, output, OutputState.RELEASED)
                body = {"bytes": len(data), "kind": row.kind}
                self._enter(tx, "release", body, by=by, at=at, of=f"output/{output}")
        place = to / f"{row.job}-{row.name}"
        to.mkdir(parents=True, exist_ok=True)
        draft = place.with_name(f".{place.name}.draft")
        draft.write_bytes(data)
        draft.replace(place)
        return place

    def grant(self, epsilon: float, *, person: str = "", by: Signer, at: datetime) -> None:
        """Set the privacy budget of the room, or of one person in it by their actor id."""
        with self.ledger.transaction() as tx:
            account.grant(tx, self.name, epsilon, person=person)
            self._enter(tx, "grant-budget", {"epsilon": str(epsilon)}, by=by, at=at)

    def ask(
        self,
        dataset: str,
        measure: Callable[[Dataset, frozenset[str]], Answer],
        epsilon: float,
        *,
        purpose: str,
        by: Signer,
        at: datetime,
    ) -> Answer:
        """Answer a question under differential privacy, after its cost is on record.

        Args:
            dataset: A signed dataset.
            measure: Our own measure; gets the dataset and whom to leave out.
            epsilon: What it costs.
            purpose: A word for the record.
            by: Who asks.
            at: When.
        """
        self._check(by, at, "ask")
        found = self._dataset(dataset, {DatasetState.SIGNED})
        with self.ledger.transaction() as tx:
            gone = consent.left_out(tx, self.name, self._scope(tx))
            account.spend(tx, self.name, actor_id_of(by.public_key), epsilon, purpose=purpose)
            body = {"epsilon": str(epsilon), "purpose": purpose}
            self._enter(tx, "ask", body, by=by, at=at, of=f"dataset/{dataset}")
        return measure(found, gone)

    def status(self) -> dict[str, Any]:
        """Return the room's state, datasets and outputs; no value of a record."""
        with self.ledger.reading() as tx:
            found = self._found(tx)
            return {
                "room": self.name, "state": found.state, "scope": found.scope,
                "expires_on": found.expires_on,
                "datasets": [dict(row) for row in self._all(tx, schema.datasets)],
                "outputs": [dict(row) for row in self._all(tx, schema.outputs)],
            }  # fmt: skip

    # What the moves are made of.

    def _enter(
        self,
        tx: sa.Connection,
        step: str,
        body: Mapping[str, Any],
        *,
        by: Signer,
        at: datetime,
        of: str = "",
    ) -> None:
        subject = f"room/{self.name}" + (f"/{of}" if of else "")
        draft = Draft(kind=f"sandbox.{step}", subject=subject, body=dict(body))
        self.ledger.append(tx, [draft], by=by, at=at, roles=MAY[step])

    def _check(self, by: Signer, at: datetime, step: str) -> None:
        """Raise unless the room is open today and `by` may make `step`."""
        with self.ledger.reading() as tx:
            found = self._found(tx)
        if found.state != RoomState.OPEN.value:
            raise RoomError(self.name, found=Message("a room that is not open"))
        if at.date().isoformat() > found.expires_on:
            raise RoomError(self.name, found=Message("a room that expired"))
        actor = actor_id_of(by.public_key)
        active = (one for one in self.ledger.actors() if one.revoked_in is None)
        roles = {one.actor_id: one.person.role for one in active}
        if roles.get(actor) not in MAY[step]:
            raise RoleError(
                f"{self.name}, {step}",
                found=Message("role {role}", {"role": roles.get(actor, "–")}),
                wanted=Message("one of {roles}", {"roles": ", ".join(sorted(MAY[step]))}),
            )

    def _row(self, tx: sa.Connection) -> sa.Row[Any] | None:
        return tx.execute(sa.select(schema.rooms).where(schema.rooms.c.room == self.name)).first()

    def _found(self, tx: sa.Connection) -> sa.Row[Any]:
        row = self._row(tx)
        if row is None:
            raise RoomError(self.name, found=Message("no such room"))
        return row

    def _found_now(self) -> None:
        """Raise unless the room exists."""
        with self.ledger.reading() as tx:
            self._found(tx)

    def _scope(self, tx: sa.Connection) -> consent.Scope:
        return consent.Scope(self._found(tx).scope)

    def _add_dataset(
        self,
        tx: sa.Connection,
        dataset: Dataset,
        state: DatasetState,
        *,
        source: str,
        risk: str = "",
    ) -> None:
        row = {"room": self.name, "dataset": dataset.name, "state": state.value,
               "source": source, "risk_sha256": risk}  # fmt: skip
        tx.execute(schema.datasets.insert().values(row))

    def _dataset_row(self, tx: sa.Connection, name: str) -> sa.Row[Any]:
        table = schema.datasets
        query = sa.select(table).where(table.c.room == self.name, table.c.dataset == name)
        row = tx.execute(query).first()
        if row is None:
            raise RoomError(name, found=Message("no such dataset in this room"))
        return row

    def _set_dataset(self, tx: sa.Connection, name: str, state: DatasetState) -> None:
        table = schema.datasets
        this = (table.c.room == self.name, table.c.dataset == name)
        tx.execute(table.update().where(*this).values(state=state.value))

    def _dataset(self, name: str, states: set[DatasetState]) -> Dataset:
        with self.ledger.reading() as tx:
            state = self._dataset_row(tx, name).state
        if state not in states:
            raise RoomError(
                name,
                found=Message("a dataset that is {state}", {"state": state}),
                wanted=Message("one that is {state}", {"state": ", ".join(sorted(states))}),
            )
        return load_dataset(self.store / name)

    def _start(
        self,
        number: str,
        request: Request,
        dataset: Dataset,
        code: str,
        *,
        by: Signer,
        at: datetime,
    ) -> frozenset[str]:
        with self.ledger.transaction() as tx:
            gone = consent.left_out(tx, self.name, self._scope(tx))
            digests = {table: dataset.files[f"{table}.parquet"] for table in request.tables}
            body = {"code": code, "inputs": digests, "left-out": len(gone), "state": "started"}
            self._enter(tx, "submit", body, by=by, at=at, of=f"job/{number}")
        return gone

    def _keep_log(self, number: str, log: bytes) -> None:
        """Keep what the job printed in the room; it may hold records and never leaves."""
        logs = self.folder / "logs"
        logs.mkdir(exist_ok=True)
        (logs / number).write_bytes(log)

    def _cells(self, dataset: Dataset, cohort: Cohort, gone: frozenset[str]) -> Cells:
        found = people_by_cell(dataset, cohort)
        return {label: [p for p in people if p not in gone] for label, people in found.items()}

    def _stops(
        self,
        output: Output,
        request: Request,
        cells: Mapping[str, Cells],
    ) -> list[Stop]:
        rules = OutputRules()
        stops = check_output(output, rules)
        if output.kind is Kind.JSON and has_counts(output.path.read_bytes()):
            why = Message("Counts of people belong in a CSV output with a cohort.")
            return [*stops, Stop("declaration", why)]
        table = read_csv(output.path.read_bytes()) if output.kind is Kind.CSV else None
        if table is None or not table.counts:
            return stops
        if output.name not in cells:
            why = Message("It counts people, and no cohort says which; the guard cannot compare.")
            return [*stops, Stop("declaration", why)]
        by = request.cohorts[output.name].by
        if any(column not in table.header for column in by):
            why = Message("The table lacks a column by which its cohort is split.")
            return [*stops, Stop("declaration", why)]
        places = [table.header.index(column) for column in by]
        shown = {
            tuple(row[i] for i in places): parse_number(row[table.counts[0]]) or 0.0
            for row in table.rows
        }
        stops += check_counts(shown, cells[output.name], round_to=rules.round_to)
        with self.ledger.reading() as tx:
            return stops + self._differences(tx, _named(output.name, cells[output.name]))

    def _differences(self, tx: sa.Connection, cells: Mapping[str, list[str]]) -> list[Stop]:
        """Return a stop if `cells` and what was released tell about too few people."""
        released = self._released(tx)
        everyone = {p for people in (*released.values(), *cells.values()) for p in people}
        guard = Guard(sorted(everyone))
        guard.remember({name: guard.bits(people) for name, people in released.items()})
        pairs = guard.check({name: guard.bits(people) for name, people in cells.items()})
        if not pairs:
            return []
        why = Message(
            "Compared with what is released, {n} pairs of cells differ in too few people.",
            {"n": str(len(pairs))},
        )
        return [Stop("differencing", why)]

    def _released(self, tx: sa.Connection) -> dict[str, list[str]]:
        out, cell = schema.outputs, schema.cells
        query = (
            sa.select(cell.c.output, cell.c.cell, cell.c.people)
            .join(out, (out.c.room == cell.c.room) & (out.c.output == cell.c.output))
            .where(cell.c.room == self.name, out.c.state == OutputState.RELEASED.value)
        )
        return {f"{row.output}/{row.cell}": json.loads(row.people) for row in tx.execute(query)}

    def _guard_again(self, tx: sa.Connection, output: str) -> None:
        table = schema.cells
        query = sa.select(table).where(table.c.room == self.name, table.c.output == output)
        cells = {row.cell: json.loads(row.people) for row in tx.execute(query)}
        if cells and (stops := self._differences(tx, cells)):
            raise RoomError(output[:12], found=stops[0].why)

    def _add_output(
        self,
        tx: sa.Connection,
        number: str,
        output: Output,
        states: Mapping[str, OutputState],
        stops: Mapping[str, list[Stop]],
        cells: Mapping[str, Cells],
        by: Signer,
    ) -> None:
        """Add an output and its cells; the same bytes offered again keep their state."""
        table = schema.outputs
        known = sa.select(table.c.output).where(
            table.c.room == self.name, table.c.output == output.sha256
        )
        if tx.execute(known).first():
            return
        told = [{"rule": stop.rule, "why": str(stop.why)} for stop in stops[output.name]]
        row = {
            "room": self.name, "output": output.sha256, "job": number, "name": output.name,
            "kind": output.kind.value, "author": actor_id_of(by.public_key),
            "state": states[output.name].value, "stops": json.dumps(told),
        }  # fmt: skip
        tx.execute(table.insert().values(row))
        for cell, people in _named(output.name, cells.get(output.name, {})).items():
            row = {"room": self.name, "output": output.sha256, "cell": cell,
                   "people": json.dumps(people)}  # fmt: skip
            tx.execute(schema.cells.insert().values(row))

    def _output(self, tx: sa.Connection, output: str) -> sa.Row[Any]:
        table = schema.outputs
        query = sa.select(table).where(table.c.room == self.name, table.c.output == output)
        row = tx.execute(query).first()
        if row is None:
            raise RoomError(output[:12], found=Message("no such output in this room"))
        return row

    def _set_output(self, tx: sa.Connection, output: str, state: OutputState) -> None:
        table = schema.outputs
        this = (table.c.room == self.name, table.c.output == output)
        tx.execute(table.update().where(*this).values(state=state.value))

    def _votes(self, tx: sa.Connection, output: str) -> dict[str, bool]:
        table = schema.votes
        query = sa.select(table).where(table.c.room == self.name, table.c.output == output)
        return {row.checker: row.approves for row in tx.execute(query)}

    def _all(self, tx: sa.Connection, table: sa.Table) -> list[sa.RowMapping]:
        query = sa.select(table).where(table.c.room == self.name).order_by(*table.primary_key)
        return list(tx.execute(query).mappings())


def prepare(ledger: Ledger) -> None:
    """Make the tables of rooms and budgets in the ledger's database."""
    with ledger.transaction() as tx:
        schema.metadata.create_all(tx)
        account.metadata.create_all(tx)


def _named(name: str, cells: Cells) -> dict[str, list[str]]:
    return {"|".join((name, *label)): people for label, people in cells.items()}


def _end_body(ended: Ended, states: Mapping[str, OutputState]) -> dict[str, Any]:
    return {
        "state": ended.ending.value,
        "outputs": {output.sha256: states[output.name].value for output in ended.outputs},
        "kept-in": {refusal.name.lower(): count for refusal, count in ended.refusals.items()},
        "cpu-ms": round(ended.cpu_s * 1000),
    }
