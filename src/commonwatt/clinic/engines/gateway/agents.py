"""Pathways of agents: a plan may call only what its pathway lists, and each call is judged anew.

Everything is denied that no rule allows. A human step is a yes that a person in the
right role signed with their own key, lately, for this plan, this step, this deployment
and the digest of this encounter and these facts. A signed no is on record and lets
nothing through. What an agent says of itself is never evidence.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple, cast

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
from commonwatt.ledger.store import verified_ledger_entries_by_connection

AGENT_CALL: Final = "agent.call"
RULES: Final = (
    "agent.malformed",
    "agent.budget-spent",
    "agent.tool-not-listed",
    "agent.human-step-missing",
    "agent.statement-of-another-call",
    "agent.signature-false",
    "agent.statement-used",
    "agent.signer-unknown",
    "agent.signer-wrong-role",
    "agent.statement-expired",
    "agent.human-refused",
)
HUMAN_STEP_MISSING: Final = "agent.human-step-missing"
_UNCOUNTED: Final = ("agent.malformed", "agent.budget-spent")
STATEMENT_MINUTES: Final = 30
"""How long a signed answer holds unless the pathway says otherwise."""
_CLOCKS_APART: Final = timedelta(minutes=5)


class HumanAnswer(StrEnum):
    """What a person may answer to a step; a sentence is no answer."""

    YES = "yes"
    NO = "no"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pathway:
    """What a committee allowed agents to do.

    Args:
        name: Of the pathway.
        deployments: What may be called.
        needs_human: Before which of them a signed human step stands.
        roles: Who may take a human step.
        most_calls: Calls that one plan may make.
        statement_minutes: How long a signed answer holds.
    """

    name: str
    deployments: frozenset[str]
    needs_human: frozenset[str]
    roles: frozenset[str]
    most_calls: int
    statement_minutes: int = STATEMENT_MINUTES


class AgentCall(NamedTuple):
    """What an agent asks for: a model, about an encounter, on some facts."""

    deployment: str
    encounter: str
    facts: Mapping[str, str]

    def subject_sha256(self) -> str:
        """Return the digest of encounter and facts, letter by letter as they are sent."""
        # As sent and not as read: "50" and "50 years" are one age, and what a person saw on the
        # screen is one of the two.
        text = json.dumps([self.encounter, dict(self.facts)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDecision:
    """A person's signed answer to one call of one step of one plan.

    Args:
        plan_id: Of the agent.
        step: Its number in the plan, from 0.
        deployment: Which model may be asked.
        subject_sha256: Digest of encounter and facts.
        answer: "yes" or "no".
        signed_at: When, in ISO 8601 with a zone.
        public_key: Of whoever signed.
        signature: Over all of the above but the key.
    """

    plan_id: str
    step: int
    deployment: str
    subject_sha256: str
    answer: str
    signed_at: str
    public_key: bytes
    signature: bytes

    def signed_message(self) -> bytes:
        """Return what the person signed."""
        # Lengths stand before the texts, so that no text can run into the next and give two
        # statements one signature.
        texts = (self.plan_id, f"{self.step}", self.deployment, self.subject_sha256, self.answer,
                 self.signed_at)  # fmt: skip
        lines = [f"{len(text)}:{text}" for text in texts]
        return ("commonwatt human step v2\n" + "\n".join(lines)).encode("utf-8", "surrogatepass")

    def as_dict(self) -> dict[str, Any]:
        """Return it as an agent carries it."""
        return {
            "plan_id": self.plan_id, "step": self.step, "deployment": self.deployment,
            "subject_sha256": self.subject_sha256, "answer": self.answer,
            "signed_at": self.signed_at, "public_key": self.public_key.hex(),
            "signature": self.signature.hex(),
        }  # fmt: skip


def sign_human_step(
    plan_id: str, step: int, call: AgentCall, answer: str, by: Signer, *, at: datetime
) -> StepDecision:
    """Return the answer to a call, signed by `by`.

    Raises:
        ValueError: The answer is neither "yes" nor "no".
    """
    unsigned = StepDecision(
        plan_id=plan_id, step=step, deployment=call.deployment,
        subject_sha256=call.subject_sha256(), answer=HumanAnswer(answer).value,
        signed_at=at.astimezone(UTC).isoformat(timespec="seconds"), public_key=by.public_key,
        signature=b"",
    )  # fmt: skip
    return replace(unsigned, signature=by.sign(unsigned.signed_message()))


def parse_human_step_decision_or_none(supplied: Any) -> StepDecision | None:
    """Return the statement that an agent carries; one that is not of the form is as good as none.

    Exactly its members: what it says further was not signed.
    """
    if not isinstance(supplied, dict):
        return None
    members = cast("dict[str, Any]", supplied)
    texts = ("plan_id", "deployment", "subject_sha256", "answer", "signed_at", "public_key",
             "signature")  # fmt: skip
    if set(members) != {"step", *texts} or type(members["step"]) is not int:
        return None
    if not all(isinstance(members[name], str) and len(members[name]) <= 500 for name in texts):
        return None
    try:
        public_key, signature = (
            bytes.fromhex(members[name]) for name in ("public_key", "signature")
        )
    except ValueError:
        return None
    signed: dict[str, Any] = members | {"public_key": public_key, "signature": signature}
    return StepDecision(**signed)


class PathwayRunner:
    """One plan of an agent on its way through a pathway.

    A plan goes on where the record says that it stopped: a new runner of the same
    plan has neither its calls back nor its signatures.
    """

    def __init__(self, gate: AdviceGate, pathway: Pathway, plan_id: str) -> None:
        self.gate, self.pathway, self.plan_id = gate, pathway, plan_id
        self.calls, self.steps, self._entries_read = 0, 0, 0
        self._statement_used, self._human_answer = "", dict[str, str]()
        self._statements_used = set[str]()
        with gate.writer.ledger.reading() as connection:
            self._apply_recorded_calls_and_used_statements(connection)

    def _apply_recorded_calls_and_used_statements(self, connection: sa.Connection) -> set[str]:
        """Take in what this pathway's runners put on record since; return what they signed."""
        signed = set[str]()
        subject = f"pathway/{self.pathway.name}"
        for entry in verified_ledger_entries_by_connection(
            connection, self._entries_read, kind=AGENT_CALL, subject=subject
        ):
            self._entries_read = entry.index + 1
            # Every plan's statements count as used, not only this one's: a signature must not work
            # twice under another plan's name.
            signed.add(str(entry.body.get("statement", "")))
            # The record holds no longer name than this; comparing the whole one would never find
            # the plan again.
            if entry.body["plan"] == self.plan_id[:200]:
                # What waits for a person is the same step once more when it is signed.
                if entry.body["rule"] != HUMAN_STEP_MISSING:
                    self.steps = max(self.steps, int(entry.body["step"]) + 1)
                self.calls += entry.body["rule"] not in _UNCOUNTED
        self._statements_used |= signed
        return signed

    def judge_and_record_pathway_steps(
        self, steps: Sequence[Any], statements: Mapping[int, StepDecision], *, at: datetime
    ) -> list[GateVerdict]:
        """Return a verdict for each step, and stop at the first refusal."""
        verdicts: list[GateVerdict] = []
        for number, step in enumerate(steps):
            verdicts.append(
                self.judge_and_record_pathway_step(number, step, statements.get(number), at=at)
            )
            if not verdicts[-1].allows_advice:
                break
        return verdicts

    def judge_and_record_pathway_step(
        self, number: int, step: Any, statement: StepDecision | None, *, at: datetime
    ) -> GateVerdict:
        """Return the verdict on one step; the call is on record whatever it is."""
        self._statement_used, self._human_answer = "", {}
        # Outside the transaction, because it may call a model; what could have changed meanwhile is
        # judged again inside.
        judged = self._judge_agent_call(number, step, statement, at)
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
        signed = self._apply_recorded_calls_and_used_statements(tx)
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
        outcome = self.gate.record_prepared_advice_in_transaction(
            tx, prepared, at=at, note=lambda verdict: [self._agent_call_entry(number, verdict)]
        )
        if isinstance(outcome, CommonwattError):
            raise outcome
        return outcome

    def _agent_call_entry(self, number: int, verdict: GateVerdict) -> EntryDraft:
        body: dict[str, Any] = {"plan": self.plan_id[:200], "step": number, "rule": verdict.rule}
        if self._statement_used:
            body["statement"] = self._statement_used
            # Who said yes or no, in their role, stands beside what came of it.
            body |= self._human_answer
        return EntryDraft(kind=AGENT_CALL, subject=f"pathway/{self.pathway.name}", body=body)

    def _judge_agent_call(
        self, number: int, step: Any, statement: StepDecision | None, at: datetime
    ) -> GateVerdict | PreparedAdvice:
        """Return the rule of the pathway that a step breaks, or the gate's question."""
        call = _parse_agent_call(step)
        if call is None:
            return GateVerdict(rule="agent.malformed", deployment="")
        deployment = call.deployment
        # Before the gate is asked: an agent in a loop must not keep a model busy.
        if self.calls >= self.pathway.most_calls:
            return GateVerdict(rule="agent.budget-spent", deployment=deployment)
        # Refused calls count, or a budget could be spent on guessing what a pathway lists.
        self.calls += 1
        if deployment not in self.pathway.deployments:
            return GateVerdict(rule="agent.tool-not-listed", deployment=deployment)
        if deployment in self.pathway.needs_human:
            fault = self._use_human_statement_returning_broken_rule(number, call, statement, at)
            if fault:
                # A person can sign only what is named to them.
                step_named = f"plan {self.plan_id[:200]}, step {number}"
                return GateVerdict(rule=fault, deployment=deployment, detail=step_named)
        question = AdviceRequest(
            deployment=deployment, encounter_id=call.encounter, facts=call.facts, asker="agent"
        )
        return self.gate.prepare_advice(question)

    def _use_human_statement_returning_broken_rule(
        self, number: int, call: AgentCall, statement: StepDecision | None, at: datetime
    ) -> str:
        """Return the rule that a human step breaks; empty if it stands."""
        fault = self._rule_broken_by_statement_subject(number, call, statement)
        if fault or statement is None:
            return fault
        message = statement.signed_message()
        name = self.gate.keyed_digest_hex(message + statement.public_key)
        if not actor_signature_holds(statement.public_key, statement.signature, message):
            fault = "agent.signature-false"
        elif name in self._statements_used:
            fault = "agent.statement-used"
        else:
            fault = self._rule_broken_by_human_signer(statement)
        if not fault and not self._is_human_statement_signed_lately(statement, at):
            fault = "agent.statement-expired"
        if fault:
            return fault
        self._statements_used.add(name)
        self._statement_used = name
        signer = actor_id_of(statement.public_key)
        self._human_answer = {"answer": statement.answer, "signer": signer}
        return "" if statement.answer == HumanAnswer.YES else "agent.human-refused"

    def _rule_broken_by_statement_subject(
        self, number: int, call: AgentCall, statement: StepDecision | None
    ) -> str:
        """Return the rule by which a statement is not one on this call."""
        # A statement for another step is as good as none, however well it is signed: a person
        # agreed to something else.
        if statement is None or (statement.plan_id, statement.step) != (self.plan_id, number):
            return HUMAN_STEP_MISSING
        if statement.answer not in {answer.value for answer in HumanAnswer}:
            return HUMAN_STEP_MISSING
        # What is compared is computed from the call itself; the agent's word for it is not read.
        subject = (statement.deployment, statement.subject_sha256)
        computed = (call.deployment, call.subject_sha256())
        return "" if subject == computed else "agent.statement-of-another-call"

    def _is_human_statement_signed_lately(self, statement: StepDecision, at: datetime) -> bool:
        try:
            signed_at = datetime.fromisoformat(statement.signed_at)
        except ValueError:
            return False
        if signed_at.tzinfo is None:
            return False
        # Yesterday's consent was to yesterday's patient, whatever stands in the facts.
        longest = timedelta(minutes=self.pathway.statement_minutes)
        return -_CLOCKS_APART <= at - signed_at <= longest

    def _rule_broken_by_human_signer(self, statement: StepDecision) -> str:
        try:
            with self.gate.writer.ledger.reading() as connection:
                actor = find_ledger_actor(connection, actor_id_of(statement.public_key))
        except (ActorError, LedgerError):
            return "agent.signer-unknown"
        # The same answer as for an unknown key: an agent learns nothing of who left the hospital.
        if actor.revoked_in is not None:
            return "agent.signer-unknown"
        return "" if actor.person.role in self.pathway.roles else "agent.signer-wrong-role"


def _parse_agent_call(agent_step: Any) -> AgentCall | None:
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
    return AgentCall(members["deployment"], members["encounter"], facts)


# A rule of that name would let its refusal through.
assert ALLOWED not in RULES
