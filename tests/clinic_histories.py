"""Histories of a clinic as lists of steps: played by the desk, or written past it.

A step is (kind, name, body), or ("move", name of the deployment, status). Names stand
without the prefix under which a history is played, so that many share one ledger.
"""

import re
from typing import Any

from commonwatt.clinic.domain.errors import RulesError, StatusMoveError
from commonwatt.clinic.engines.gateway import AdviceGate
from commonwatt.clinic.io.registry import DeploymentStatus, RegistryWriter
from commonwatt.ledger import EntryDraft
from tests import clinic_factories
from tests.clinic_factories import BODIES, BY, DIGEST, KEYS, NAMES, NOW

Step = tuple[str, str, Any]
GOOD = clinic_factories.GOOD
MOVER = {"approved": "committee-chair", "live": "clinical-lead", "paused": "safety-officer",
         "retired": "clinical-lead"}  # fmt: skip
INSIDE = {"kinds": ["retrain"], "metrics": {"auc": 0.9}, "dataset_sha256": DIGEST,
          "threshold_shift": 0.0}  # fmt: skip
_NAMED = re.compile(rf"({'|'.join([*NAMES, 'disclosure'])})/(.*)")


def step(kind: str, name: str = "", **changes: Any) -> Step:
    """Return a record's step; what is not said is as in the smallest legal clinic."""
    return kind, name or NAMES[kind], BODIES[kind] | changes


def to(status: str, name: str = "x") -> Step:
    return "move", name, status


def decided(name: str, outcome: str = "approved", **changes: Any) -> Step:
    return step("determination", name, outcome=outcome, **changes)


PRODUCT, VERSION, USE, RULING, EVIDENCE, APPROVAL, DEPLOYMENT = (step(kind) for kind in NAMES)
BASIS = [PRODUCT, VERSION, USE, RULING, EVIDENCE, APPROVAL]
START = [to("approved"), to("live")]
LEGAL = [*BASIS, DEPLOYMENT, *START]


def prefixed(body: Any, prefix: str) -> Any:
    """Return a body whose references bear the prefix."""
    return {
        name: _NAMED.sub(rf"\1/{prefix}\2", value) if isinstance(value, str) else value
        for name, value in body.items()
    }


def signed_by(entry: Step, role: str) -> Step:
    """Return a record's step as somebody in another role signs it."""
    kind, name, body = entry
    return f"{kind}@{role}", name, body


def kind_and_signer(kind: str) -> tuple[str, str]:
    """Return the kind of a record's step, and the role that signs it."""
    kind, _, role = kind.partition("@")
    return kind, role or BY[kind]


def write(writer: RegistryWriter, entry: Step, prefix: str = "") -> None:
    """Put a step on record past the desk's checks, as another program might."""
    kind, name, body = entry
    signer = ""
    if kind == "move":
        draft = EntryDraft(
            kind="clinic.move",
            subject=f"deployment/{prefix}{name}",
            body={"to": body, "reason": "test"},
        )
    else:
        kind, signer = kind_and_signer(kind)
        subject = f"{kind}/{prefix}{name}"
        draft = EntryDraft(kind=f"clinic.{kind}", subject=subject, body=prefixed(body, prefix))
    by = KEYS[MOVER[body] if kind == "move" else signer]
    with writer.transaction() as tx:
        writer.registry.apply_ledger_entries(writer.ledger.append(tx, [draft], by=by, at=NOW))


def ask_desk(writer: RegistryWriter, entry: Step, prefix: str = "") -> bool:
    """Return whether the desk lets a step through; if so, it is on record."""
    kind, name, body = entry
    size = writer.ledger.head().size
    try:
        with writer.transaction() as tx:
            if kind == "move":
                named, status = f"deployment/{prefix}{name}", DeploymentStatus(body)
                writer.move_deployment(
                    tx, named, status, by=KEYS[MOVER[body]], at=NOW, reason="test"
                )
            else:
                kind, signer = kind_and_signer(kind)
                named, record = f"{prefix}{name}", prefixed(body, prefix)
                writer.write_registry_record(tx, kind, named, record, by=KEYS[signer], at=NOW)
    except (StatusMoveError, RulesError):
        assert writer.ledger.head().size == size
        return False
    return True


def gate_of(writer: RegistryWriter, prefix: str = "") -> AdviceGate:
    """Return a gate whose patient `e` was told."""
    name = f"deployment/{prefix}x"
    return AdviceGate(writer, "qmh", {name: lambda _: 0.4}, by=KEYS["gateway"], salt=b"s")


def tell(writer: RegistryWriter, gate: AdviceGate, prefix: str = "") -> None:
    body = {
        "deployment": "deployment/x",
        "encounter": gate.encounter_pseudonym("e"),
        "language": "en",
    }
    write(writer, ("disclosure", "told", body), prefix)
