"""Pathways of agents: a plan may call only what its pathway lists, and each call is judged anew.

Everything is denied that no rule allows. A human step is an answer that a
person in the right role signed with their own key, for this plan and this step
and no other. What an agent says of itself is never evidence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

import sqlalchemy as sa

from commonwatt.clinic.engines.gateway.gate import (
    ALLOWED,
    AdviceGate,
    AdviceRequest,
    GateVerdict,
    PreparedAdvice,
)
from commonwatt.core.errors import CommonwattError
from commonwatt.ledger import EntryDraft, LedgerError, Signer
from commonwatt.ledger.actors import find_ledger_actor
from commonwatt.ledger.errors import ActorError
from commonwatt.ledger.keys import actor_id_of, actor_signature_holds
from commonwatt.ledger.store import ledger_entries_on

AGENT_CALL: Final = "agent.call"
RULES: Final = (
    "agent.malformed",
    "agent.budget-spent",
    "agent.tool-not-listed",
    "agent.human-step-missing",
    "agent.signature-false",
    "agent.signer-unknown",
    "agent.signer-wrong-role",
    "agent.statement-used",
)
_UNCOUNTED: Final = ("agent.malformed", "agent.budget-spent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pathway:
    """What a committee allowed agents to do.

    Args:
        name: Of the pathway.
        deployments: What may be called.
        needs_human: Before which of them a signed human step stands.
        roles: Who may take a human step.
        most_calls: Calls that one plan may make.
    """

    name: str
    deployments: frozenset[str]
    needs_human: frozenset[str]
    roles: frozenset[str]
    most_calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDecision:
    """A person's signed answer to one step of one plan."""

    plan_id: str
    step: int
    answer: str
    public_key: bytes
    signature: bytes


def human_step_message(plan_id: str, step: int, answer: str) -> bytes:
    """Return what a person signs."""
    # Lengths stand before the texts, so that no plan's name can run into the answer and give two
    # statements one signature.
    parts = (f"{len(plan_id)}:{plan_id}", str(step), f"{len(answer)}:{answer}")
    return ("commonwatt human step v1\n" + "\n".join(parts)).encode()


def sign_human_step(plan_id: str, step: int, answer: str, by: Signer) -> StepDecision:
    """Return the answer signed by `by`."""
    signature = by.sign(human_step_message(plan_id, step, answer))
    return StepDecision(
        plan_id=plan_id, step=step, answer=answer, public_key=by.public_key, signature=signature
    )


class PathwayRunner:
    """One plan of an agent on its way through a pathway.

    A plan goes on where the record says that it stopped: a new runner of the same
    plan has neither its calls back nor its signatures.
    """

    def __init__(self, gate: AdviceGate, pathway: Pathway, plan_id: str) -> None:
        self.gate, self.pathway, self.plan_id = gate, pathway, plan_id
        self.calls, self.steps, self._entries_read, self._statement_used = 0, 0, 0, ""
        self._statements_used = set[str]()
        with gate.writer.ledger.reading() as connection:
            self._read_recorded_agent_calls(connection)

    def _read_recorded_agent_calls(self, connection: sa.Connection) -> set[str]:
        """Take in what this pathway's runners put on record since; return what they signed."""
        signed = set[str]()
        subject = f"pathway/{self.pathway.name}"
        for entry in ledger_entries_on(
            connection, self._entries_read, kind=AGENT_CALL, subject=subject
        ):
            self._entries_read = entry.index + 1
            # Every plan's statements count as used, not only this one's: a signature must not work
            # twice under another plan's name.
            signed.add(str(entry.body.get("statement", "")))
            # The record holds no longer name than this; comparing the whole one would never find
            # the plan again.
            if entry.body["plan"] == self.plan_id[:200]:
                self.steps = max(self.steps, int(entry.body["step"]) + 1)
                self.calls += entry.body["rule"] not in _UNCOUNTED
        self._statements_used |= signed
        return signed

    def run_pathway_steps(
        self, steps: Sequence[Any], statements: Mapping[int, StepDecision], *, at: datetime
    ) -> list[GateVerdict]:
        """Return a verdict for each step, and stop at the first refusal."""
        verdicts: list[GateVerdict] = []
        for number, step in enumerate(steps):
            verdicts.append(self.call_pathway_step(number, step, statements.get(number), at=at))
            if not verdicts[-1].allows_advice:
                break
        return verdicts

    def call_pathway_step(
        self, number: int, step: Any, statement: StepDecision | None, *, at: datetime
    ) -> GateVerdict:
        """Return the verdict on one step; the call is on record whatever it is."""
        self._statement_used = ""
        # Outside the transaction, because it may call a model; what could have changed meanwhile is
        # judged again inside.
        judged = self._judge_agent_call(number, step, statement)
        writer = self.gate.writer
        with writer.transaction() as tx:
            late = self._judge_agent_call_again(tx, judged)
            if isinstance(late, GateVerdict):
                verdict = self._record_refused_call(tx, number, late, at)
            else:
                verdict = self._record_answered_call(tx, number, late, at)
            self._entries_read = writer.registry.entries_applied
        return verdict

    def _record_refused_call(
        self, tx: sa.Connection, number: int, verdict: GateVerdict, at: datetime
    ) -> GateVerdict:
        """Put a call that the pathway refuses on record."""
        writer, drafts = self.gate.writer, [self._agent_call_entry(number, verdict)]
        writer.registry.apply_ledger_entries(
            writer.ledger.append(tx, drafts, by=self.gate.by, at=at)
        )
        return verdict

    def _judge_agent_call_again(
        self, tx: sa.Connection, judged: GateVerdict | PreparedAdvice
    ) -> GateVerdict | PreparedAdvice:
        """Refuse what another runner of the same plan has used up since it was judged."""
        signed = self._read_recorded_agent_calls(tx)
        if isinstance(judged, GateVerdict):
            return judged
        deployment = judged.question.deployment
        if self._statement_used and self._statement_used in signed:
            return GateVerdict(rule="agent.statement-used", deployment=deployment)
        if self.calls > self.pathway.most_calls:
            return GateVerdict(rule="agent.budget-spent", deployment=deployment)
        return judged

    def _record_answered_call(
        self, tx: sa.Connection, number: int, prepared: PreparedAdvice, at: datetime
    ) -> GateVerdict:
        """Put the gate's answer and the call under one signature on record."""
        outcome = self.gate.record_prepared_advice_on(
            tx, prepared, at=at, note=lambda verdict: [self._agent_call_entry(number, verdict)]
        )
        if isinstance(outcome, CommonwattError):
            raise outcome
        return outcome

    def _agent_call_entry(self, number: int, verdict: GateVerdict) -> EntryDraft:
        body: dict[str, Any] = {"plan": self.plan_id[:200], "step": number, "rule": verdict.rule}
        if self._statement_used:
            body["statement"] = self._statement_used
        return EntryDraft(kind=AGENT_CALL, subject=f"pathway/{self.pathway.name}", body=body)

    def _judge_agent_call(
        self, number: int, step: Any, statement: StepDecision | None
    ) -> GateVerdict | PreparedAdvice:
        """Return the rule of the pathway that a step breaks, or the gate's question."""
        call = _agent_deployment_encounter_facts(step)
        if call is None:
            return GateVerdict(rule="agent.malformed", deployment="")
        deployment, encounter, facts = call
        # Before the gate is asked: an agent in a loop must not keep a model busy.
        if self.calls >= self.pathway.most_calls:
            return GateVerdict(rule="agent.budget-spent", deployment=deployment)
        # Refused calls count, or a budget could be spent on guessing what a pathway lists.
        self.calls += 1
        if deployment not in self.pathway.deployments:
            return GateVerdict(rule="agent.tool-not-listed", deployment=deployment)
        if deployment in self.pathway.needs_human:
            fault = self._human_step_fault(number, statement)
            if fault:
                return GateVerdict(rule=fault, deployment=deployment)
        question = AdviceRequest(
            deployment=deployment, encounter_id=encounter, facts=facts, asker="agent"
        )
        return self.gate.prepare_advice(question)

    def _human_step_fault(self, number: int, statement: StepDecision | None) -> str:
        """Return the rule that a human step breaks; empty if it stands."""
        # A statement for another step is as good as none, however well it is signed: a person
        # agreed to something else.
        if statement is None or (statement.plan_id, statement.step) != (self.plan_id, number):
            return "agent.human-step-missing"
        message = human_step_message(statement.plan_id, statement.step, statement.answer)
        if not actor_signature_holds(statement.public_key, statement.signature, message):
            return "agent.signature-false"
        name = hashlib.sha256(message + statement.public_key).hexdigest()
        if name in self._statements_used:
            return "agent.statement-used"
        fault = self._human_signer_fault(statement)
        if not fault:
            self._statements_used.add(name)
            self._statement_used = name
        return fault

    def _human_signer_fault(self, statement: StepDecision) -> str:
        try:
            with self.gate.writer.ledger.reading() as connection:
                actor = find_ledger_actor(connection, actor_id_of(statement.public_key))
        except (ActorError, LedgerError):
            return "agent.signer-unknown"
        # The same answer as for an unknown key: an agent learns nothing of who left the hospital.
        if actor.revoked_in is not None:
            return "agent.signer-unknown"
        return "" if actor.person.role in self.pathway.roles else "agent.signer-wrong-role"


def _agent_deployment_encounter_facts(agent_step: Any) -> tuple[str, str, dict[str, str]] | None:
    if not isinstance(agent_step, dict):
        return None
    members = cast("dict[Any, Any]", agent_step)
    # Exactly these members: what an agent says of itself in a further one is never evidence, and
    # must not look like it.
    if set(members) != {"deployment", "encounter", "facts"} or not isinstance(
        members["facts"], dict
    ):
        return None
    facts = cast("dict[Any, Any]", members["facts"])
    texts = [members["deployment"], members["encounter"], *facts, *facts.values()]
    if not all(isinstance(text, str) and len(text) <= 500 for text in texts):
        return None
    return members["deployment"], members["encounter"], facts


# A rule of that name would let its refusal through.
assert ALLOWED not in RULES
