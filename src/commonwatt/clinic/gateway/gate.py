"""The gate: deny unless every rule lets the call through, and name the first that does not.

Order of the rules, as `RULES` has it: is it live at this site; are the facts
there; is the encounter inside the guide's indications and outside its
contraindications; was the patient told. Then the model is asked, and its
advice is on record before anybody is shown it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

import sqlalchemy as sa

from commonwatt.clinic.gateway.guides import Guide, load_guide
from commonwatt.clinic.registry import Desk, Status
from commonwatt.clinic.rules.predicate import Compare, Predicate, leaves
from commonwatt.ledger import Draft, Signer

RULES: Final = (
    "gate.unknown-deployment",
    "gate.wrong-site",
    "gate.not-live",
    "gate.missing-fact",
    "gate.outside-indications",
    "gate.contraindicated",
    "gate.not-disclosed",
    "gate.no-model",
)
ALLOWED: Final = "gate.allowed"
REFUSAL: Final = "gate.refusal"


class Model(Protocol):
    """Whatever gives a score: a local function, or an adapter to a server."""

    def __call__(self, facts: Mapping[str, str]) -> float:
        """Return the chance of the event, 0 to 1."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the gate says; `score` and `advice` only where it is allowed and shown."""

    rule: str
    deployment: str
    detail: str = ""
    words: Mapping[str, str] = field(default_factory=dict[str, str])
    score: float | None = None
    advice: str = ""
    sign_off: bool = False

    @property
    def allowed(self) -> bool:
        """Whether the model may advise."""
        return self.rule == ALLOWED


class Gate:
    """The gate of one site."""

    def __init__(
        self, desk: Desk, site: str, models: Mapping[str, Model], *, by: Signer, salt: bytes
    ) -> None:
        self.desk, self.site, self.models, self.by, self._salt = desk, site, models, by, salt

    def opaque(self, encounter_id: str) -> str:
        """Return the name under which an encounter is on record; it cannot be turned back."""
        return hashlib.sha256(self._salt + encounter_id.encode()).hexdigest()[:20]

    def check(self, deployment: str, encounter: str, facts: Mapping[str, str]) -> Verdict:
        """Return whether the model may be asked; nothing is written."""
        fault = self._standing_fault(deployment)
        if fault:
            return Verdict(rule=fault, deployment=deployment)
        registry = self.desk.registry
        record = registry.records[deployment]
        guide = load_guide(record.body["guide"])
        outside = outside_guide(guide, facts)
        if outside:
            rule, detail, words = outside
            return Verdict(rule=rule, deployment=deployment, detail=detail, words=words)
        if (deployment, encounter) not in registry.disclosed and record.body["mode"] != "shadow":
            return Verdict(rule="gate.not-disclosed", deployment=deployment, words=guide.notice)
        if deployment not in self.models:
            return Verdict(rule="gate.no-model", deployment=deployment)
        return Verdict(rule=ALLOWED, deployment=deployment)

    def _standing_fault(self, deployment: str) -> str:
        registry = self.desk.registry
        record = registry.records.get(deployment)
        if record is None or record.kind != "deployment":
            return "gate.unknown-deployment"
        if record.body["site"] != self.site:
            return "gate.wrong-site"
        return "" if registry.status(deployment) is Status.LIVE else "gate.not-live"

    def ask(
        self,
        deployment: str,
        encounter_id: str,
        facts: Mapping[str, str],
        *,
        at: datetime,
        own_estimate: float | None = None,
    ) -> Verdict:
        """Return the model's advice, or the rule that refuses it; either is on record first."""
        encounter = self.opaque(encounter_id)
        with self.desk.transaction() as tx:
            verdict = self.check(deployment, encounter, facts)
            if not verdict.allowed:
                self._note_refusal(tx, verdict, at)
                return verdict
            return self._advise(tx, deployment, encounter, facts, at, own_estimate)

    def _advise(
        self,
        tx: sa.Connection,
        deployment: str,
        encounter: str,
        facts: Mapping[str, str],
        at: datetime,
        own_estimate: float | None,
    ) -> Verdict:
        record = self.desk.registry.records[deployment]
        guide, mode = load_guide(record.body["guide"]), record.body["mode"]
        score = self.models[deployment](facts)
        shown = mode != "shadow"
        body: dict[str, object] = {"deployment": deployment, "encounter": encounter}
        body |= {"score": score, "shown": shown}
        if own_estimate is not None:
            body["own_estimate"] = own_estimate
        name = f"{encounter}-{self.desk.registry.seen}"
        self.desk.record(tx, "advice", name, body, by=self.by, at=at)
        said = {
            language: text.format(score=f"{score:.2f}") for language, text in guide.wording.items()
        }
        return Verdict(
            rule=ALLOWED,
            deployment=deployment,
            words=said if shown else {},
            score=score if shown else None,
            advice=f"advice/{name}",
            sign_off=mode in guide.sign_off,
        )

    def _note_refusal(self, tx: sa.Connection, verdict: Verdict, at: datetime) -> None:
        body = {"rule": verdict.rule, "detail": verdict.detail}
        draft = Draft(kind=REFUSAL, subject=f"site/{self.site}", body=body)
        self.desk.registry.apply(self.desk.ledger.append(tx, [draft], by=self.by, at=at))


def outside_guide(
    guide: Guide, facts: Mapping[str, str]
) -> tuple[str, str, Mapping[str, str]] | None:
    """Return rule, detail and words if the encounter is outside the guide, else `None`."""
    predicates = [guide.indications, *(one.when for one in guide.contraindications)]
    missing = sorted({name for predicate in predicates for name in _lacking(predicate, facts)})
    if missing:
        return "gate.missing-fact", ", ".join(missing), {}
    if not guide.indications.holds(facts):
        return "gate.outside-indications", guide.guide_id, {}
    for one in guide.contraindications:
        if one.when.holds(facts):
            return "gate.contraindicated", one.name, one.words
    return None


def _lacking(predicate: Predicate, facts: Mapping[str, str]) -> list[str]:
    return [
        leaf.fact
        for leaf in leaves(predicate)
        if leaf.fact not in facts or (isinstance(leaf, Compare) and not _number(facts[leaf.fact]))
    ]


def _number(text: str) -> bool:
    try:
        return float(text) == float(text)
    except ValueError:
        return False
