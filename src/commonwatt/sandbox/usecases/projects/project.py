"""Carry out the moves of a room: each checks, records and changes as one step."""

from __future__ import annotations

import hashlib
import io
import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl
import sqlalchemy as sa

import commonwatt.sandbox.io.imports.genomes as genomes
import commonwatt.sandbox.io.store.opt_outs as consent
import commonwatt.sandbox.io.store.records as records
import commonwatt.sandbox.io.store.schema as schema
from commonwatt.core.messages import Message
from commonwatt.ledger import Ledger, Signer, actor_id_of
from commonwatt.ledger.store import lock_head
from commonwatt.sandbox.domain.errors import RoleError, RoomError
from commonwatt.sandbox.domain.job import Job, Kind, Language
from commonwatt.sandbox.domain.lifecycle import (
    DATASET_MOVES,
    OUTPUT_MOVES,
    ROOM_MOVES,
    VOTES_NEEDED,
    DatasetState,
    OutputState,
    RoomState,
    check_move,
)
from commonwatt.sandbox.engines.airlock.checks import Stop
from commonwatt.sandbox.engines.airlock.review import Behind, Judged, differences, judge
from commonwatt.sandbox.engines.airlock.training import held_out, training_table
from commonwatt.sandbox.engines.deidentify.tables import deidentify, token
from commonwatt.sandbox.engines.isolation.collect import Output
from commonwatt.sandbox.engines.isolation.node import Ended
from commonwatt.sandbox.engines.privacy import account
from commonwatt.sandbox.engines.privacy.measures import Answer
from commonwatt.sandbox.engines.risk.report import RiskReport, assess_risk
from commonwatt.sandbox.engines.synthetic.tables import TwinTable, make_twins
from commonwatt.sandbox.io.imports.dataset import Dataset, load_dataset
from commonwatt.sandbox.io.store.records import Kept, Use
from commonwatt.sandbox.io.store.wipe import Wiped, wipe
from commonwatt.sandbox.usecases.projects.base import KEY, RoomBase
from commonwatt.sandbox.usecases.projects.requests import Asked, Facts, Request, Runner, Submitted

TRAIN: Final = "train"
"""The name under which a job that makes a model sees its training rows."""


class Room(RoomBase):
    """One room; every method is one move by one person at one time."""

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
        with room.moving() as tx:
            records.add_room(tx, row)
            room.enter(tx, "open", {"scope": facts.scope.value}, by=by, at=at)
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
            with suppress(FileExistsError), (folder / KEY).open("xb") as file:
                (folder / KEY).chmod(0o600)
                file.write(secrets.token_bytes(32))
        return room

    def close(self, *, by: Signer, at: datetime) -> None:
        """Close the room: nothing can be submitted, asked or released."""
        self._move_room(RoomState.CLOSED, "close", by=by, at=at)

    def reopen(self, *, by: Signer, at: datetime) -> None:
        """Open a closed room again."""
        self._move_room(RoomState.OPEN, "open", by=by, at=at)

    def take_in(self, read: Callable[[Path], Dataset], *, by: Signer, at: datetime) -> Dataset:
        """Import a dataset: `read` gets the room's store and returns what it wrote.

        What `read` wrote is usable only once it is on record.
        """
        self.check(by, at, "import")
        dataset = read(self.store)
        with self.moving() as tx:
            records.add_dataset(tx, self.name, dataset.name, DatasetState.IMPORTED, source="")
            body = {"files": dataset.files, "rows": dataset.rows, "set-aside": dataset.set_aside}
            self.enter(tx, "import", body, by=by, at=at, of=f"dataset/{dataset.name}")
        return dataset

    def deidentify(
        self, source: str, name: str, *, by: Signer, at: datetime
    ) -> tuple[Dataset, RiskReport]:
        """De-identify a dataset under a new name and measure what risk is left."""
        self.check(by, at, "deidentify")
        raw = self.dataset(source, {DatasetState.IMPORTED})
        people = pl.read_parquet(raw.table("Patient"))["patient_id"].to_list()
        leave_out = self._those(people, self.left_out())
        done = deidentify(raw, self.store, name, key=self.key, leave_out=leave_out)
        report = assess_risk(raw, done, key=self.key)
        with self.moving() as tx:
            records.add_dataset(
                tx, self.name, name, DatasetState.DEIDENTIFIED, source=source, risk=report.sha256
            )
            body = {"files": done.files, "k": report.risk.k, "risk": report.sha256}
            self.enter(tx, "deidentify", body, by=by, at=at, of=f"dataset/{name}")
        return done, report

    def count_alleles(
        self, source: str, name: str, *, by: Signer, at: datetime
    ) -> tuple[Dataset, genomes.GenomeReport]:
        """Make of genomes all that may be used: counts of alleles over enough people.

        Who opted out of the room's use or of genomics is not among them.
        """
        self.check(by, at, "deidentify")
        raw = self.dataset(source, {DatasetState.IMPORTED})
        with self.ledger.reading() as tx:
            gone = self.gone(tx) | consent.left_out(tx, self.name, consent.Scope.GENOMICS)
        leave_out = self._those(genomes.people_of(raw), gone)
        done, report = genomes.count_alleles(raw, self.store, name, leave_out=leave_out)
        with self.moving() as tx:
            records.add_dataset(
                tx, self.name, name, DatasetState.DEIDENTIFIED, source=source, risk=report.sha256
            )
            body = {"files": done.files, "k": report.least_people, "risk": report.sha256}
            self.enter(tx, "deidentify", body, by=by, at=at, of=f"dataset/{name}")
        return done, report

    def _those(self, people: list[str], tokens: frozenset[str]) -> list[str]:
        """Return the people whose tokens in this room are among `tokens`."""
        return [person for person in people if token(self.key, person) in tokens]

    def sign_risk(self, name: str, sha256: str, *, by: Signer, at: datetime) -> None:
        """Let jobs use a dataset, by signing the report of that digest.

        Raises:
            RoomError: The digest is not that of the dataset's report.
        """
        with self.moving() as tx:
            row = records.dataset(tx, self.name, name)
            if row.risk_sha256 != sha256:
                raise RoomError(name, wanted=Message("the digest of its own risk report"))
            state = DatasetState(row.state)
            check_move(state, DatasetState.SIGNED, DATASET_MOVES, name)
            records.set_dataset(tx, self.name, name, DatasetState.SIGNED)
            body = {"risk": sha256}
            self.enter(tx, "sign-risk", body, by=by, at=at, of=f"dataset/{name}")

    def delete(self, name: str, *, by: Signer, at: datetime) -> Wiped:
        """Delete a dataset for good, with every copy made of it, and prove it.

        1. From one transaction on nobody can use it. 2. Files are overwritten and
        removed. 3. The proof goes on record. Called again after a crash, it goes on.
        """
        with self.moving() as tx:
            state = DatasetState(records.dataset(tx, self.name, name).state)
            if state is not DatasetState.DELETED:
                check_move(state, DatasetState.DELETED, DATASET_MOVES, name)
                records.set_dataset(tx, self.name, name, DatasetState.DELETED)
                files = load_dataset(self.store / name).files
                self.enter(tx, "delete", {"files": files}, by=by, at=at, of=f"dataset/{name}")
        wiped = wipe([self.store / name, self.folder / "views"])
        with self.moving() as tx:
            self.enter(tx, "delete", wiped.as_body(), by=by, at=at, of=f"dataset/{name}")
        return wiped

    def delete_room(self, *, by: Signer, at: datetime) -> Wiped:
        """Delete everything that a closed room holds, its key last, and prove it.

        Without the key no token can be led back to a person, whatever copy of a
        table or of this database is left somewhere. Decisions stay in the ledger.
        """
        with self.moving() as tx:
            state = RoomState(records.room(tx, self.name).state)
            if state is not RoomState.DELETED:
                check_move(state, RoomState.DELETED, ROOM_MOVES, self.name)
                records.set_room(tx, self.name, RoomState.DELETED)
                self.enter(tx, "delete-room", {"state": "begun"}, by=by, at=at)
        wiped = wipe(self.folder / name for name in (*_FOLDERS, KEY))
        with self.moving() as tx:
            for table in (schema.cells, schema.models, schema.opt_outs):
                tx.execute(table.delete().where(table.c.room == self.name))
            body = wiped.as_body() | {"key": "destroyed", "state": "done"}
            self.enter(tx, "delete-room", body, by=by, at=at)
        return wiped

    def opt_out(
        self, person: str, scope: consent.Scope, *, out: bool = True, by: Signer, at: datetime
    ) -> None:
        """Record that a person, named by their id in the source, opted out or back in.

        The state keeps their token and the ledger only the scope. Filtered copies
        made for earlier jobs hold the person still, so they go.
        """
        self.check_exists()
        who = token(self.key, person)
        with self.moving() as tx:
            consent.record(tx, self.name, who, scope, out=out)
            self.enter(tx, "opt-out", {"scope": scope.value, "out": out}, by=by, at=at)
        wipe([self.folder / "views"])

    def submit(self, node: Runner, request: Request, *, by: Signer, at: datetime) -> Submitted:
        """Run a job on `node` and check each output.

        1. Check person, room and dataset. 2. Record that it starts. 3. Run it on
        tables without those who opted out. 4. Check the outputs. 5. Record how it
        ended and the outputs' states in one transaction; until then none exists.
        Who opts out while it runs stops all that it leaves.
        """
        self.check(by, at, "submit")
        dataset = self.dataset(request.dataset, {DatasetState.SIGNED})
        behind = self._behind(dataset, request)
        number = self._start(node, request, behind, by=by, at=at)
        kept = self.folder / "outputs"
        kept.mkdir(exist_ok=True)
        ended = node.run(self._job(request, behind), to=kept)
        self._keep_log(number, ended.log)
        with self.ledger.reading() as tx:
            released = records.released_cells(tx, self.name)
        judged = {output.name: judge(output, behind, released) for output in ended.outputs}
        states = self._settle(number, ended, behind, judged, by=by, at=at)
        stops = {name: one.stops for name, one in judged.items()}
        return Submitted(job=number, ended=ended, states=states, stops=stops)

    def bytes_of(self, output: str) -> bytes:
        """Return the exact bytes that a checker reviews, proved by their name.

        Raises:
            RoomError: They are not the bytes that were collected.
        """
        with self.ledger.reading() as tx:
            records.output(tx, self.name, output)
        data = (self.folder / "outputs" / output).read_bytes()
        if hashlib.sha256(data).hexdigest() != output:
            raise RoomError(output[:12], found=Message("bytes other than those collected"))
        return data

    def vote(self, output: str, *, approve: bool, by: Signer, at: datetime) -> OutputState:
        """Vote on an output, blind to other votes; two approvals approve, one refusal rejects.

        Raises:
            RoleError: The author votes on their own output, or a checker votes twice.
        """
        self.check(by, at, "vote")
        checker = actor_id_of(by.public_key)
        with self.moving() as tx:
            row = records.output(tx, self.name, output)
            state = OutputState(row.state)
            check_move(state, OutputState.APPROVED, OUTPUT_MOVES, output[:12])
            if row.author == checker:
                raise RoleError(output[:12], wanted=Message("a checker who is not the author"))
            votes = records.votes(tx, self.name, output)
            if checker in votes:
                raise RoleError(output[:12], found=Message("a vote of this checker already"))
            records.add_vote(tx, self.name, output, checker, approves=approve)
            if not approve:
                state = OutputState.REJECTED
            elif sum(votes.values()) + 1 >= VOTES_NEEDED:
                state = OutputState.APPROVED
            records.set_output(tx, self.name, output, state)
            body = {"approves": approve, "state": state.value}
            self.enter(tx, "vote", body, by=by, at=at, of=f"output/{output}")
        return state

    def release(self, output: str, to: Path, *, by: Signer, at: datetime) -> Path:
        """Release an approved output into the folder `to`, byte for byte as reviewed.

        The guard looks once more at everything released meanwhile. The move is on
        record before a byte leaves; called again, it delivers the same bytes again.

        Raises:
            RoomError: The output is not approved, together with others tells too
                much, or is a model of people of whom one has opted out.
        """
        self.check(by, at, "release")
        data = self.bytes_of(output)
        with self.moving() as tx:
            row = records.output(tx, self.name, output)
            if row.state != OutputState.RELEASED.value:
                state = OutputState(row.state)
                check_move(state, OutputState.RELEASED, OUTPUT_MOVES, output[:12])
                self._look_again(tx, output)
                records.set_output(tx, self.name, output, OutputState.RELEASED)
                body = {"bytes": len(data), "kind": row.kind}
                self.enter(tx, "release", body, by=by, at=at, of=f"output/{output}")
        place = to / f"{row.job}-{row.name}"
        to.mkdir(parents=True, exist_ok=True)
        draft = place.with_name(f".{place.name}.draft")
        draft.write_bytes(data)
        draft.replace(place)
        return place

    def grant(self, epsilon: float, *, person: str = "", by: Signer, at: datetime) -> None:
        """Set the privacy budget of the room, or of one person in it by their actor id."""
        with self.moving() as tx:
            account.grant(tx, self.name, epsilon, person=person)
            self.enter(tx, "grant-budget", {"epsilon": str(epsilon)}, by=by, at=at)

    def set_lane(self, largest_epsilon: float, *, by: Signer, at: datetime) -> None:
        """Open the fast lane: noisy answers that cost at most this leave without a vote.

        Zero closes it. Every answer that leaves so is in the ledger like any other.
        """
        micro = account.micro(largest_epsilon) if largest_epsilon else 0
        self.check(by, at, "lane")
        with self.moving() as tx:
            records.set_lane(tx, self.name, micro)
            self.enter(tx, "lane", {"largest-epsilon": str(largest_epsilon)}, by=by, at=at)

    def ask(
        self,
        dataset: str,
        measure: Callable[[Dataset, frozenset[str]], Answer],
        epsilon: float,
        *,
        tables: Iterable[str] = (),
        purpose: str,
        by: Signer,
        at: datetime,
    ) -> Asked:
        """Ask a question under differential privacy; its cost is on record before its answer.

        Where the fast lane is open and covers the cost, the answer is released at
        once. Else it waits for two votes like any output.

        Args:
            dataset: A signed dataset.
            measure: Our own measure; gets the dataset and whom to leave out.
            epsilon: What it costs.
            tables: What it reads, for the record of uses.
            purpose: A word for the record.
            by: Who asks.
            at: When.
        """
        self.check(by, at, "ask")
        found = self.dataset(dataset, {DatasetState.SIGNED})
        number = f"ask-{secrets.token_hex(6)}"
        gone = self._pay(number, "ask", found, epsilon, tuple(tables), purpose, by=by, at=at)
        answer = measure(found, gone)
        body = {"dataset": dataset, "purpose": purpose, "ask": number} | asdict(answer)
        data = (json.dumps(body, sort_keys=True) + "\n").encode()
        output = self._keep_output(data)
        with self.moving() as tx:
            unseen = account.micro(epsilon) <= records.lane(tx, self.name)
            state = OutputState.RELEASED if unseen else OutputState.WAITING
            row = Kept(
                sha256=output, name="answer.json", kind=Kind.JSON.value, job=number,
                author=actor_id_of(by.public_key), state=state,
            )  # fmt: skip
            records.add_output(tx, self.name, row, {})
            told = {"output": output, "state": state.value, "lane": unseen}
            self.enter(tx, "ask", told, by=by, at=at, of=f"ask/{number}")
        return Asked(output=output, state=state, answer=answer if unseen else None)

    def twin(
        self,
        dataset: str,
        tables: Mapping[str, TwinTable],
        epsilon: float,
        to: Path,
        *,
        seed: int,
        by: Signer,
        at: datetime,
    ) -> dict[str, Path]:
        """Write a dummy twin of tables into `to`, for writing code outside; it costs `epsilon`.

        It is made of noisy answers alone, so it leaves by the fast lane and by
        nothing else.

        Raises:
            RoomError: The fast lane is closed or does not cover the cost.
        """
        self.check(by, at, "twin")
        found = self.dataset(dataset, {DatasetState.SIGNED})
        with self.ledger.reading() as tx:
            if account.micro(epsilon) > records.lane(tx, self.name):
                raise RoomError(
                    self.name,
                    found=Message("no fast lane open for this cost"),
                    remedy=Message("Ask the custodian to open it."),
                )
        number = f"twin-{secrets.token_hex(6)}"
        names = tuple(sorted(tables))
        gone = self._pay(number, "twin", found, epsilon, names, "twin", by=by, at=at)
        views = self.folder / "views"
        frames = {
            name: pl.read_parquet(consent.view(found.table(name), gone, views)) for name in names
        }
        made = make_twins(frames, tables, epsilon=epsilon, seed=seed)
        files = {name: _parquet_bytes(frame) for name, frame in made.items()}
        with self.moving() as tx:
            digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
            self.enter(tx, "twin", {"files": digests}, by=by, at=at, of=f"ask/{number}")
        to.mkdir(parents=True, exist_ok=True)
        places = {name: to / name.lower() for name in files}
        for name, data in files.items():
            places[name].write_bytes(data)
        return places

    def status(self) -> dict[str, Any]:
        """Return the room's state, datasets, outputs and models; no value of a record."""
        with self.ledger.reading() as tx:
            found = records.room(tx, self.name)
            return {
                "room": self.name, "state": found.state, "scope": found.scope,
                "expires_on": found.expires_on,
                "lane_largest_epsilon": records.lane(tx, self.name) / account.MILLION,
                "datasets": records.rows_of(tx, self.name, schema.datasets),
                "outputs": records.rows_of(tx, self.name, schema.outputs),
                "models": records.models(tx, self.name),
            }  # fmt: skip

    # What the moves are made of.

    def _move_room(self, to: RoomState, step: str, *, by: Signer, at: datetime) -> None:
        with self.moving() as tx:
            state = RoomState(records.room(tx, self.name).state)
            check_move(state, to, ROOM_MOVES, self.name)
            records.set_room(tx, self.name, to)
            self.enter(tx, step, {}, by=by, at=at)

    def _behind(self, dataset: Dataset, request: Request) -> Behind:
        held: frozenset[str] = frozenset()
        if request.training is not None:
            held = held_out(self.key, dataset, request.training)
        return Behind(
            dataset=dataset, cohorts=request.cohorts, training=request.training,
            gone=self.left_out(), held=held,
        )  # fmt: skip

    def _start(
        self, node: Runner, request: Request, behind: Behind, *, by: Signer, at: datetime
    ) -> str:
        """Put on record that a job starts, on whose rows, and on what it runs."""
        code = hashlib.sha256(request.code.encode()).hexdigest()
        number = f"{code[:8]}-{secrets.token_hex(3)}"
        tables = [behind.dataset.table(table) for table in request.tables]
        body = {
            "code": code, "dataset": behind.dataset.name, "left-out": len(behind.gone),
            "kept-back": len(behind.held), "state": "started",
            "inputs": {name: behind.dataset.files[f"{name}.parquet"] for name in request.tables},
            "environment": dict(node.environment(request.language)),
        }  # fmt: skip
        use = Use(
            name=number, step="submit", actor=actor_id_of(by.public_key),
            dataset=behind.dataset.name, tables=request.tables,
            people=consent.people_of(tables) - behind.unseen, at=at,
        )  # fmt: skip
        with self.moving() as tx:
            records.add_use(tx, self.name, use)
            self.enter(tx, "submit", body, by=by, at=at, of=f"job/{number}")
        return number

    def _job(self, request: Request, behind: Behind) -> Job:
        """Return the job with the tables that it may see."""
        views = self.folder / "views"
        inputs = {
            table.lower(): consent.view(behind.dataset.table(table), behind.unseen, views)
            for table in request.tables
        }
        if request.training is not None:
            training = request.training
            words = [TRAIN, repr(training), behind.dataset.name, *sorted(behind.unseen)]
            rows = training_table(behind.dataset, training, behind.unseen)
            inputs[TRAIN] = consent.keep_view(views, words, rows.write_parquet)
        if request.language is Language.R:
            inputs = {name: consent.as_csv(path, views) for name, path in inputs.items()}
        return Job(
            code=request.code, inputs=inputs, outputs=request.outputs, limits=request.limits,
            language=request.language,
        )  # fmt: skip

    def _settle(
        self,
        number: str,
        ended: Ended,
        behind: Behind,
        judged: Mapping[str, Judged],
        *,
        by: Signer,
        at: datetime,
    ) -> dict[str, OutputState]:
        """Put a job's end, its outputs and its models on record as one; return their states."""
        author, end = actor_id_of(by.public_key), at + timedelta(seconds=ended.wall_s)
        with self.moving() as tx:
            self._stop_for_opt_outs(tx, behind, judged)
            states = {name: _first_state(one) for name, one in judged.items()}
            for output in ended.outputs:
                one = judged[output.name]
                kept = _kept(output, number, author, one)
                records.add_output(tx, self.name, kept, one.cells)
                if one.attack_auc is not None:
                    people, auc = one.trained_on, one.attack_auc
                    records.add_model(
                        tx, self.name, output.sha256, behind.dataset.name, people, auc
                    )
            self.enter(tx, "submit", _end_body(ended, states), by=by, at=end, of=f"job/{number}")
        return states

    def _stop_for_opt_outs(
        self, tx: sa.Connection, behind: Behind, judged: Mapping[str, Judged]
    ) -> None:
        """Stop everything that a job left if somebody opted out while it ran."""
        if self.gone(tx) <= behind.gone:
            return
        why = Message("Somebody opted out while the job ran; run it again.")
        for one in judged.values():
            one.stops.append(Stop("opt-out", why))

    def _keep_log(self, number: str, log: bytes) -> None:
        """Keep what the job printed in the room; it may hold records and never leaves."""
        logs = self.folder / "logs"
        logs.mkdir(exist_ok=True)
        (logs / number).write_bytes(log)

    def _keep_output(self, data: bytes) -> str:
        """Keep bytes of our own making under their SHA-256, which is returned."""
        output = hashlib.sha256(data).hexdigest()
        folder = self.folder / "outputs"
        folder.mkdir(exist_ok=True)
        draft = folder / f".{output}.draft"
        draft.write_bytes(data)
        draft.chmod(0o600)
        draft.replace(folder / output)
        return output

    def _look_again(self, tx: sa.Connection, output: str) -> None:
        """Raise if what happened since the checks keeps an output from leaving."""
        cells = records.cells_of(tx, self.name, output)
        if stops := differences(cells, records.released_cells(tx, self.name)):
            raise RoomError(output[:12], found=stops[0].why)
        model = records.model(tx, self.name, output)
        if model is not None and model["opted_out_since"]:
            raise RoomError(
                output[:12],
                found=Message("a model of people of whom one has opted out since"),
                remedy=Message("Train it again; the room leaves them out."),
            )

    def _pay(
        self,
        number: str,
        step: str,
        dataset: Dataset,
        epsilon: float,
        tables: tuple[str, ...],
        purpose: str,
        *,
        by: Signer,
        at: datetime,
    ) -> frozenset[str]:
        """Take a cost from the budgets and put the use on record; return whom it must not see."""
        actor = actor_id_of(by.public_key)
        people = consent.people_of(dataset.table(table) for table in tables)
        with self.moving() as tx:
            gone = self.gone(tx)
            account.spend(tx, self.name, actor, epsilon, purpose=purpose)
            use = Use(
                name=number, step=step, actor=actor, dataset=dataset.name, tables=tables,
                people=people - gone, at=at,
            )  # fmt: skip
            records.add_use(tx, self.name, use)
            body = {"epsilon": str(epsilon), "purpose": purpose, "dataset": dataset.name}
            self.enter(tx, step, body, by=by, at=at, of=f"ask/{number}")
        return gone


_FOLDERS: Final = ("datasets", "views", "outputs", "logs")


def prepare(ledger: Ledger) -> None:
    """Make the tables of rooms and budgets in the ledger's database."""
    with ledger.transaction() as tx:
        lock_head(tx)  # two who prepare at once would each find the tables missing
        schema.metadata.create_all(tx)
        account.metadata.create_all(tx)


def _first_state(judged: Judged) -> OutputState:
    return OutputState.STOPPED if judged.stops else OutputState.WAITING


def _kept(output: Output, job: str, author: str, judged: Judged) -> Kept:
    return Kept(
        sha256=output.sha256, name=output.name, kind=output.kind.value, job=job, author=author,
        state=_first_state(judged),
        stops=tuple((stop.rule, str(stop.why)) for stop in judged.stops),
    )  # fmt: skip


def _parquet_bytes(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def _end_body(ended: Ended, states: Mapping[str, OutputState]) -> dict[str, Any]:
    return {
        "state": ended.ending.value,
        "outputs": {output.sha256: states[output.name].value for output in ended.outputs},
        "kept-in": {refusal.name.lower(): count for refusal, count in ended.refusals.items()},
        "cpu-ms": round(ended.cpu_s * 1000),
    }
