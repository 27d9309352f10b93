"""Open a room, import, assess, submit, review, release, ask: one call a step."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from commonwatt.core.errors import UsageError
from commonwatt.core.messages import Message
from commonwatt.ledger import Key, Ledger
from commonwatt.ledger.usecases import with_ledger
from commonwatt.sandbox.domain.job import Kind, Language, Limits
from commonwatt.sandbox.engines.airlock.cohort import Cohort
from commonwatt.sandbox.engines.airlock.training import Feature, Training
from commonwatt.sandbox.engines.attacks.judge import judge
from commonwatt.sandbox.engines.deidentify.dicom import deidentify_dicom
from commonwatt.sandbox.engines.isolation.handover import Elsewhere
from commonwatt.sandbox.engines.isolation.node import open_node
from commonwatt.sandbox.engines.privacy import account, measures
from commonwatt.sandbox.engines.synthetic.domains import load_domains
from commonwatt.sandbox.io.imports.dataset import Dataset, load_dataset
from commonwatt.sandbox.io.imports.genomes import FORM as GENOMIC
from commonwatt.sandbox.io.imports.sources import Sources, import_as
from commonwatt.sandbox.io.store.opt_outs import Scope, people_of
from commonwatt.sandbox.io.store.wipe import Wiped
from commonwatt.sandbox.usecases.projects.activity import Thresholds, report
from commonwatt.sandbox.usecases.projects.project import Facts, Request, Room

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a room is and who acts in it now.

    Args:
        ledger: Path or URL of the ledger.
        rooms: Folder of all rooms.
        room: The room's name.
        key_file: Key of who acts; none to look only.
        now: The time.
    """

    ledger: str
    rooms: Path
    room: str
    key_file: Path | None
    now: datetime

    @property
    def key(self) -> Key:
        """Return the key of who acts."""
        if self.key_file is None:
            raise UsageError("--key", wanted=Message("the key file of who acts"))
        return Key.load(self.key_file)


def in_room(place: Place, use: Callable[[Room], T]) -> T:
    """Return what `use` makes of the room."""
    folder = place.rooms / place.room
    return with_ledger(place.ledger, lambda ledger: use(Room(ledger, folder, place.room)))


def open_room(place: Place, facts: Facts) -> dict[str, Any]:
    """Open a new room."""

    def use(ledger: Ledger) -> Room:
        folder = place.rooms / place.room
        return Room.open(ledger, folder, facts, by=place.key, at=place.now)

    room = with_ledger(place.ledger, use)
    return asdict(facts) | {"folder": str(room.folder)}


def take_in(
    place: Place, form: str, sources: list[Path], name: str, *, schema: Path | None
) -> dict[str, Any]:
    """Import sources in one of the `FORMS` as the dataset `name`; report on every rule."""

    def use(room: Room) -> Dataset:
        clean = partial(deidentify_dicom, key=room.key)
        given = Sources(paths=sources, clean=clean, schema=schema)
        read = partial(import_as, form, given, name=name)
        return room.take_in(read, by=place.key, at=place.now)

    dataset = in_room(place, use)
    return {"dataset": name, "rows": dataset.rows, "set_aside": dataset.set_aside,
            "derived": dataset.derived, "sealed": dataset.sealed,
            "rules": dataset.rules}  # fmt: skip


def assess(place: Place, source: str, name: str) -> dict[str, Any]:
    """De-identify a dataset and return the report that the custodian signs.

    Of genomes only counts of alleles are made.
    """

    def use(room: Room) -> dict[str, Any]:
        genomic = load_dataset(room.store / source).form == GENOMIC
        make = room.count_alleles if genomic else room.deidentify
        _, report = make(source, name, by=place.key, at=place.now)
        return asdict(report) | {"report_sha256": report.sha256}

    return in_room(place, use)


def sign(place: Place, name: str, sha256: str) -> dict[str, Any]:
    """Sign a dataset's risk report."""
    in_room(place, lambda room: room.sign_risk(name, sha256, by=place.key, at=place.now))
    return {"dataset": name, "signed_sha256": sha256}


def submit(
    place: Place, job_file: Path, node_folder: Path, cluster: Elsewhere | None = None
) -> dict[str, Any]:
    """Run the job that a TOML file describes and return what became of its outputs.

    It runs on this machine, or on the cluster that the caller hands in.
    """
    request = load_request(job_file)
    node = open_node(node_folder) if cluster is None else cluster
    done = in_room(place, lambda room: room.submit(node, request, by=place.key, at=place.now))
    return {
        "job": done.job,
        "ending": done.ended.ending.value,
        "wall_s": round(done.ended.wall_s, 3),
        "memory_peak_bytes": done.ended.memory_peak_bytes,
        "kept_in": {refusal.value: count for refusal, count in done.ended.refusals.items()},
        "outputs": [
            {
                "name": output.name,
                "sha256": output.sha256,
                "state": done.states[output.name].value,
                "stops": [f"{stop.rule}: {stop.why}" for stop in done.stops[output.name]],
            }
            for output in done.ended.outputs
        ],
    }


def load_request(path: Path) -> Request:
    """Return the job that a TOML file describes; its code lies beside it.

    Raises:
        UsageError: The file is no such description.
    """
    try:
        facts = tomllib.loads(path.read_text(encoding="utf-8"))
        cohorts = {name: _cohort(given) for name, given in facts.get("cohorts", {}).items()}
        training = facts.get("training")
        return Request(
            code=(path.parent / facts["code"]).read_text(encoding="utf-8"),
            dataset=facts["dataset"],
            tables=tuple(facts["tables"]),
            outputs={name: Kind(kind) for name, kind in facts["outputs"].items()},
            cohorts=cohorts,
            training=_training(training) if training else None,
            language=Language(facts.get("language", "python")),
            limits=Limits(**facts.get("limits", {})),
        )
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise UsageError(
            path.name,
            found=type(error).__name__,
            wanted=Message("code, dataset, tables, outputs and, for counts, cohorts"),
        ) from None


def _cohort(given: Mapping[str, Any]) -> Cohort:
    return Cohort(
        table=given["table"],
        by=tuple(given.get("by", ())),
        where=tuple((c, how, value) for c, how, value in given.get("where", ())),
    )


def _training(given: Mapping[str, Any]) -> Training:
    """Return a declared training: features as "column", "column=value" or a named cohort."""
    outcome = given["outcome"]
    return Training(
        table=given["table"],
        features=tuple(_feature(one) for one in given["features"]),
        outcome=outcome if isinstance(outcome, str) else _cohort(outcome),
        held_out=float(given.get("held_out", 0.4)),
    )


def _feature(given: str | Mapping[str, Any]) -> Feature:
    if not isinstance(given, str):
        return Feature(name=given["name"], cohort=_cohort(given))
    column, is_value, value = given.partition("=")
    return Feature(name=given, column=column, equals=value if is_value else None)


def close(place: Place) -> dict[str, Any]:
    """Close a room."""
    in_room(place, lambda room: room.close(by=place.key, at=place.now))
    return {"room": place.room, "state": "closed"}


def delete(place: Place, dataset: str | None) -> dict[str, Any]:
    """Delete a dataset, or all that a closed room holds, and return the proof."""

    def use(room: Room) -> Wiped:
        if dataset is None:
            return room.delete_room(by=place.key, at=place.now)
        return room.delete(dataset, by=place.key, at=place.now)

    return {"deleted": dataset or place.room} | in_room(place, use).as_body()


def opt_out(place: Place, person: str, scope: str, *, out: bool) -> dict[str, Any]:
    """Record that a person opted out, or back in, and return what it reaches."""

    def use(room: Room) -> list[dict[str, Any]]:
        room.opt_out(person, Scope(scope), out=out, by=place.key, at=place.now)
        return [one for one in room.status()["models"] if one["opted_out_since"]]

    touched = in_room(place, use)
    return {"scope": scope, "out": out, "models_to_train_again": [m["output"] for m in touched]}


def set_lane(place: Place, largest_epsilon: float) -> dict[str, Any]:
    """Open or close the fast lane."""
    in_room(place, lambda room: room.set_lane(largest_epsilon, by=place.key, at=place.now))
    return {"room": place.room, "lane_largest_epsilon": largest_epsilon}


def twin(
    place: Place,
    dataset: str,
    to: Path,
    *,
    tables: tuple[str, ...],
    domains: Path | None,
    rows: int,
    epsilon: float,
) -> dict[str, Any]:
    """Write a dummy twin of a dataset's tables into a folder."""
    known = load_domains(domains, rows=rows) if domains else load_domains(rows=rows)
    chosen = tables or ("Patient",)
    if missing := sorted(set(chosen) - set(known)):
        raise UsageError(
            ", ".join(missing),
            found=Message("no domains for this table"),
            wanted=Message("one of {names}", {"names": ", ".join(sorted(known))}),
        )
    given = {name: known[name] for name in chosen}
    seed = int(place.now.timestamp())
    places = in_room(
        place,
        lambda room: room.twin(dataset, given, epsilon, to, seed=seed, by=place.key, at=place.now),
    )
    return {"epsilon": epsilon, "files": {name: str(path) for name, path in places.items()}}


def watch(place: Place, keep_days: int) -> dict[str, Any]:
    """Return the auditor's view of a room."""
    limits = Thresholds(keep_days=keep_days)
    return in_room(
        place, lambda room: report(room.ledger, room.folder, room.name, place.now, limits)
    )


def status(place: Place) -> dict[str, Any]:
    """Return the state of a room, its datasets and its outputs."""
    return in_room(place, lambda room: room.status())


def show(place: Place, output: str) -> bytes:
    """Return the bytes that a checker reviews."""
    return in_room(place, lambda room: room.bytes_of(output))


def vote(place: Place, output: str, *, approve: bool) -> dict[str, Any]:
    """Vote on an output."""
    state = in_room(
        place, lambda room: room.vote(output, approve=approve, by=place.key, at=place.now)
    )
    return {"output": output, "state": state.value}


def release(place: Place, output: str, to: Path) -> dict[str, Any]:
    """Release an approved output into a folder."""
    left = in_room(place, lambda room: room.release(output, to, by=place.key, at=place.now))
    return {"output": output, "file": str(left)}


def budget(place: Place, person: str) -> dict[str, Any]:
    """Return a room's budget, or a person's in it."""

    def use(room: Room) -> dict[str, Any]:
        with room.ledger.reading() as tx:
            found = account.balance(tx, room.name, person)
        return {"limit_epsilon": found.limit, "spent_epsilon": found.spent,
                "left_epsilon": found.left}  # fmt: skip

    return in_room(place, use)


def grant(place: Place, epsilon: float, person: str) -> dict[str, Any]:
    """Set a budget."""
    in_room(place, lambda room: room.grant(epsilon, person=person, by=place.key, at=place.now))
    return budget(place, person)


def ask_count(place: Place, dataset: str, table: str, epsilon: float) -> dict[str, Any]:
    """Ask for a noisy count of the people in a table, paid for with `epsilon`."""

    def use(room: Room) -> dict[str, Any]:
        def measure(found: Dataset, gone: frozenset[str]) -> measures.Answer:
            people = people_of([found.table(table)]) - gone
            return measures.count(len(people)).answer(epsilon)

        asked = room.ask(
            dataset, measure, epsilon, tables=(table,), purpose=f"count {table}",
            by=place.key, at=place.now,
        )  # fmt: skip
        told = {"output": asked.output, "state": asked.state.value, "epsilon": epsilon}
        if asked.answer is None:
            return told | {"people": None, "noise_scale": None}
        return told | {"people": asked.answer.values[0], "noise_scale": asked.answer.scale}

    return in_room(place, use)


def prove(folder: Path) -> dict[str, Any]:
    """Attack this machine's isolation with every program and return the verdicts."""
    node = open_node(folder)
    bait = folder / "bait"
    bait.mkdir(mode=0o755)
    verdicts = list(judge(node, bait))
    return {
        "attacks": len(verdicts),
        "stopped": sum(verdict.stopped for verdict in verdicts),
        "escaped": [verdict.attack.name for verdict in verdicts if not verdict.stopped],
        "layers": [
            {"attack": v.attack.name, "layer": v.attack.layer, "stopped": v.stopped}
            for v in verdicts
        ],
    }
