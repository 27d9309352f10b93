"""What must be true before a version advises anybody, and for as long as it does.

One table, asked twice: by the registry writer inside the transaction of every step towards a
patient, and by the gate at every question. An approval that stood when a deployment
went live may be withdrawn a minute later, and an entry may reach the ledger by another
way than this writer; a regulator asks what was in force when the patient was advised,
not when somebody moved the deployment.

What is not on record, or was put there after the record that names it, counts as
missing: otherwise a second record under an old name would change what was approved.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from itertools import pairwise
from operator import attrgetter
from typing import Final

from commonwatt.clinic.domain.errors import RulesError, StatusMoveError
from commonwatt.clinic.domain.registry.evidence import evidence_shortfall, evidence_standard
from commonwatt.clinic.domain.registry.independence import is_attested, own_approval_name
from commonwatt.clinic.domain.registry.lifecycle import DEPLOYMENT_LIFECYCLE, DeploymentStatus
from commonwatt.clinic.domain.registry.plan import (
    ModelChange,
    change_plan_faults,
    change_plan_form_fault,
    change_plan_of_determination,
    model_change_between_versions,
    monitor_plan_form_fault_or_none,
)
from commonwatt.clinic.domain.registry.rulings import (
    institution_risk_class_of_product,
    is_ruling_by_rules_held_here,
    place_law_gives_product_route,
    product_ruling_on_day,
    rule_book_of_this_process,
    ruling_difference_from_rules_on_day,
)
from commonwatt.clinic.domain.registry.state import DeploymentMove, Registry, RegistryRecord
from commonwatt.clinic.domain.registry.steps import (
    DETERMINE,
    EXAMINE,
    PROPOSE,
    RETIRE,
    RULE,
    RegistryStep,
)
from commonwatt.clinic.domain.rules.book import INSTITUTION
from commonwatt.core.messages import Message
from commonwatt.governance.lifecycle import MoveRefusal

PROHIBITED: Final = "prohibited"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalBasis:
    """What a deployment, or an approval about to be given, rests on.

    Args:
        version: What runs.
        determination: The approval.
        approved: The version that the approval names.
        ruling: What the approval cites.
        product: On which the ruling is, through its intended use.
        use: The intended use that the ruling is on.
        contrary: Other decisions on either version that may end the approval, in order.
        contrary_places: The place of each of these; empty if it is not known.
        evidence: Evidence by version, in order.
        holder: The deployment, or the approval that is about to be given.
        moves: How the deployment moved; empty for what is not on record yet.
        registry: With everybody who was enrolled, of whom no entry can change anything.
        on: The day on which it is to hold.
    """

    version: RegistryRecord
    determination: RegistryRecord
    approved: RegistryRecord
    ruling: RegistryRecord
    use: RegistryRecord
    product: str
    contrary: tuple[RegistryRecord, ...]
    contrary_places: tuple[str, ...]
    evidence: Mapping[str, list[RegistryRecord]]
    holder: RegistryRecord
    moves: tuple[DeploymentMove, ...]
    registry: Registry
    on: date

    @property
    def jurisdiction(self) -> str:
        """Whose law the approval rests on."""
        return str(self.ruling.body.get("jurisdiction", ""))

    @property
    def deployment(self) -> RegistryRecord | None:
        """The deployment, unless only an approval is asked about."""
        return self.holder if self.holder.kind == "deployment" else None

    @property
    def approved_on(self) -> date:
        """The day of the approval, whose law it was given under."""
        return self.determination.at.date()

    @property
    def product_route(self) -> str:
        """By which route the ruling lets the product be used."""
        return str(self.ruling.body.get("route", ""))

    def records_read(self) -> tuple[object, ...]:
        """Return the day and all on record that a row may read, to compare two questions.

        Evidence by how much there is: a ledger only adds to it.
        """
        on_versions = (self.evidence.get(each.name, ()) for each in (self.version, self.approved))
        return (
            self.holder, self.version, self.determination, self.approved, self.ruling, self.use,
            self.product, self.contrary, self.contrary_places, self.moves, self.on,
            *map(len, on_versions),
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Precondition:
    """One row of the table.

    Args:
        rule: By which the gate refuses.
        sentence: Says to whoever asked what is wrong.
        wanted: Says to whoever moves what is wanted instead.
        step: By which it is mended, and who takes it: what is broken waits for that role.
        broken: Returns the name of the record at fault; empty where the row holds.
        why: Returns what is wrong in particular.
    """

    rule: str
    sentence: Message
    wanted: Message
    step: RegistryStep
    broken: Callable[[ApprovalBasis], str]
    why: Callable[[ApprovalBasis], Message] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PreconditionFault:
    """The first precondition that does not hold, the record at fault, and who mends it how."""

    rule: str
    sentence: Message
    wanted: Message
    step: RegistryStep
    where: str
    why: Message | None = None


class _MissingError(Exception):
    """A record rests on one that is missing; its name is the argument."""


def fault_of_deployment(
    registry: Registry, deployment: RegistryRecord, on: date
) -> PreconditionFault | None:
    """Return the first precondition that a deployment, on record or about to be, breaks on a day.

    Args:
        registry: What is on record.
        deployment: The deployment.
        on: The day on which it is to advise: an approval may be for a time.
    """
    return JudgedDeployments().fault_of_deployment(registry, deployment, on)


class JudgedDeployments:
    """The preconditions of deployments, gone through again where something they read has changed.

    At every question all that the rows read is gathered from the registry as it is then, and
    compared with what it was when the rows were last gone through. The rules and the standards
    of evidence, which they read besides, are those of the process.
    """

    def __init__(self) -> None:
        self._judged: dict[
            tuple[str, date], tuple[tuple[object, ...], PreconditionFault | None]
        ] = {}

    def fault_of_deployment(
        self, registry: Registry, deployment: RegistryRecord, on: date
    ) -> PreconditionFault | None:
        """Return the first precondition that a deployment, on record or not, breaks on a day."""
        try:
            determination = _registry_record_referred_to(registry, deployment, "determination")
            version = _registry_record_referred_to(registry, deployment, "version")
            basis = _approval_basis(registry, deployment, version, determination, on)
        except _MissingError as missing:
            return _unmet_deployment_precondition_fault(_UNKNOWN, str(missing))
        records_read = basis.records_read()
        before, fault = self._judged.get((deployment.name, on), ((), None))
        if records_read != before:
            fault = _first_broken_precondition(basis)
            self._judged[deployment.name, on] = records_read, fault
        return fault


def refusing_rule_or_none_by_live_deployment(
    registry: Registry, on: date, deployments: Iterable[str] | None = None
) -> dict[str, str | None]:
    """Return each live deployment, with the rule that it may not advise by; None where it may.

    Args:
        registry: With all that a precondition reads.
        on: The day of the question.
        deployments: Of which it is asked; all by default.
    """
    refused: dict[str, str | None] = {}
    for name in registry.by_kind["deployment"] if deployments is None else deployments:
        if registry.deployment_status(name) is DeploymentStatus.LIVE:
            fault = fault_of_deployment(registry, registry.records[name], on)
            refused[name] = fault.rule if fault else None
    return refused


def fault_of_approval(
    registry: Registry, determination: RegistryRecord, on: date
) -> PreconditionFault | None:
    """Return the first precondition that an approval, given or about to be, breaks on a day."""
    try:
        version = _registry_record_referred_to(registry, determination, "version")
        basis = _approval_basis(registry, determination, version, determination, on)
    except _MissingError as missing:
        return _unmet_deployment_precondition_fault(_UNKNOWN, str(missing))
    return _first_broken_precondition(basis)


def model_change_and_plan_faults_since_approval(
    registry: Registry, approval: RegistryRecord, version: RegistryRecord, on: date
) -> tuple[ModelChange, list[Message]] | None:
    """Return in what a version differs from the approved one, and how it leaves the plan.

    Args:
        registry: What is on record.
        approval: The determination whose version it is held against.
        version: The other version.
        on: The day.

    Returns:
        The change and the faults of the plan; None where the approval rests on what is missing.
    """
    try:
        basis = _approval_basis(registry, approval, version, approval, on)
    except _MissingError:
        return None
    return _model_change_of_running_version(basis), _change_plan_faults_of_running_version(basis)


def advice_move_refusal(fault: PreconditionFault | None) -> MoveRefusal | None:
    """Return a broken precondition as what a move is refused with."""
    if fault is None:
        return None
    return MoveRefusal(
        where=fault.where, found=fault.why or "", wanted=fault.wanted, remedy=fault.sentence
    )


def check_no_broken_advice_precondition(fault: PreconditionFault | None) -> None:
    """Refuse a step towards a patient of which a precondition does not hold.

    Raises:
        StatusMoveError: The record at fault is named, and what is wrong with it.
    """
    if fault:
        raise StatusMoveError(fault.where, found=fault.why or "", wanted=fault.wanted,
                        remedy=fault.sentence)  # fmt: skip


@cache
def regulatory_product_routes_by_place() -> Mapping[str, frozenset[str]]:
    """Return, by place, the routes by which some rule there lets a product be used.

    A place without a rule on routes, such as the IMDRF, which is no law, permits none.

    >>> (
    ...     sorted(regulatory_product_routes_by_place()["hk"]),
    ...     sorted(regulatory_product_routes_by_place()["imdrf"]),
    ... )
    (['approval', 'exempt'], [])
    """
    # The book by which rulings are computed: to read it once more would take a second.
    book = rule_book_of_this_process()
    # Read from the rules rather than listed here: a place whose law gains a route must not wait for
    # a release of ours.
    return {
        name: frozenset({rule.route for rule in place.rules} - {"", PROHIBITED})
        for name, place in book.places.items()
    }


def _first_broken_precondition(basis: ApprovalBasis) -> PreconditionFault | None:
    for row in PRECONDITIONS:
        where = row.broken(basis)
        if where:
            return _unmet_deployment_precondition_fault(
                row, where, row.why(basis) if row.why else None
            )
    return None


def _unmet_deployment_precondition_fault(
    precondition: Precondition, where: str, why: Message | None = None
) -> PreconditionFault:
    return PreconditionFault(
        rule=precondition.rule,
        sentence=precondition.sentence,
        wanted=precondition.wanted,
        step=precondition.step,
        where=where,
        why=why,
    )


def _approval_basis(
    registry: Registry,
    holder: RegistryRecord,
    version: RegistryRecord,
    determination: RegistryRecord,
    on: date,
) -> ApprovalBasis:
    ruling = _registry_record_referred_to(registry, determination, "ruling")
    use = _registry_record_referred_to(registry, ruling, "intended-use")
    approved = _registry_record_referred_to(registry, determination, "version")
    for each in {version.name: version, approved.name: approved}.values():
        _registry_record_referred_to(registry, each, "product")
    contrary = _committee_decisions_that_may_overrule(registry, version, determination)
    return ApprovalBasis(
        version=version,
        determination=determination,
        approved=approved,
        ruling=ruling,
        use=use,
        product=_registry_record_referred_to(registry, use, "product").name,
        contrary=contrary,
        contrary_places=tuple(_jurisdiction_of_decision(registry, each) for each in contrary),
        evidence=registry.evidence_on,
        holder=holder,
        moves=tuple(registry.moves.get(holder.name, ())),
        registry=registry,
        on=on,
    )


def _registry_record_referred_to(
    registry: Registry, holder: RegistryRecord, kind: str
) -> RegistryRecord:
    """Return the record that `holder` names, which must have been there before it."""
    name = str(holder.body.get(kind.replace("-", "_"), ""))
    record = registry.records.get(name)
    if record is None or record.kind != kind or record.index >= holder.index:
        raise _MissingError(name or f"{holder.name}, {kind}")
    return record


def _committee_decisions_that_may_overrule(
    registry: Registry, version: RegistryRecord, determination: RegistryRecord
) -> tuple[RegistryRecord, ...]:
    """Return later decisions on either version, and the last one on the version that runs.

    An update that was refused by name stays refused, even if a later plan would cover it.
    """
    on_approved = registry.decisions_on.get(determination.body["version"], [])
    on_running = registry.decisions_on.get(version.name, [])
    # By index, because both lists hold the same decisions when the approved version is the one that
    # runs.
    decisions = {d.index: d for d in (*on_approved, *on_running) if d.index > determination.index}
    if version.name != determination.body["version"]:
        decisions |= {d.index: d for d in on_running[-1:]}
    return tuple(decisions[index] for index in sorted(decisions))


def _jurisdiction_of_decision(registry: Registry, decision: RegistryRecord) -> str:
    ruling = registry.records.get(str(decision.body.get("ruling", "")))
    return str(ruling.body.get("jurisdiction", "")) if ruling else ""


def _committee_decision_name_finder(outcome: str) -> Callable[[ApprovalBasis], str]:
    """Return what finds a decision of that outcome on either version.

    One of any place counts: whoever withdraws for a fault seen abroad means every patient.
    """

    def decision_record_name(basis: ApprovalBasis) -> str:
        decisions = (basis.determination, *basis.contrary)
        return next((d.name for d in decisions if d.body.get("outcome") == outcome), "")

    return decision_record_name


def _unapproved_determination_name(basis: ApprovalBasis) -> str:
    approved = basis.determination.body.get("outcome") == "approved"
    return "" if approved else basis.determination.name


def _later_committee_approval_name(basis: ApprovalBasis) -> str:
    """Return a later approval for the same place: its conditions are those in force."""
    determination = basis.determination
    decisions = zip(basis.contrary, basis.contrary_places, strict=True)
    later = ((d.name, place) for d, place in decisions if d.index > determination.index)
    return next((name for name, place in later if place in (basis.jurisdiction, "")), "")


def _expired_approval_name(basis: ApprovalBasis) -> str:
    last = last_day_of_approval(basis.determination)
    return basis.determination.name if last is not None and basis.on > last else ""


def last_day_of_approval(determination: RegistryRecord) -> date | None:
    """Return the last day on which an approval holds; None where it was given without end."""
    until = determination.body.get("valid_until")
    return date.fromisoformat(str(until)) if until else None


def _approved_version_name_if_not_previous(basis: ApprovalBasis) -> str:
    version, approved = basis.version, basis.approved
    if version.name == approved.name:
        return ""
    # The previous version must be the approved one itself: changes do not add up.
    made_from_it = version.body.get("previous") == approved.name and approved.index < version.index
    return "" if made_from_it else approved.name


def _version_name_outside_change_plan(basis: ApprovalBasis) -> str:
    if basis.version.name == basis.approved.name:
        return ""
    # Without any evidence on it there is nothing to measure a change by; a later row says so.
    if _evidence_on_running_version(basis) is None:
        return ""
    return basis.version.name if _change_plan_faults_of_running_version(basis) else ""


def _change_plan_faults_of_running_version(basis: ApprovalBasis) -> list[Message]:
    stated = basis.determination.body.get("plan")
    if stated is None:
        return [Message("no plan of changes was approved")]
    # Asked again here: an entry may have come past the desk, and a plan that says nothing
    # certain covers nothing.
    if fault := change_plan_form_fault(stated):
        return [fault]
    return change_plan_faults(
        _model_change_of_running_version(basis), change_plan_of_determination(stated)
    )


def _model_change_of_running_version(basis: ApprovalBasis) -> ModelChange:
    return model_change_between_versions(
        basis.approved,
        basis.version,
        approved_evidence=_evidence_weighed_by_approval(basis),
        evidence=_evidence_on_running_version(basis),
    )


def _other_product_ruling_name(basis: ApprovalBasis) -> str:
    products = {basis.version.body["product"], basis.approved.body["product"]}
    return "" if products == {basis.product} else basis.ruling.name


def _prohibiting_ruling_name(basis: ApprovalBasis) -> str:
    return basis.ruling.name if basis.product_route == PROHIBITED else ""


def _use_name_prohibited_by_institution(basis: ApprovalBasis) -> str:
    """Return an intended use that the institution forbids itself, whatever the law allows."""
    try:
        facts = basis.use.body.get("facts", {})
        route = product_ruling_on_day(facts, INSTITUTION, basis.approved_on).route
    except RulesError:
        return ""  # facts that no rule knows are found by the rows on the ruling
    return basis.use.name if route == PROHIBITED else ""


def _ruling_name_without_permitted_route(basis: ApprovalBasis) -> str:
    permitted = basis.product_route in regulatory_product_routes_by_place().get(
        basis.jurisdiction, frozenset[str]()
    )
    return "" if permitted else basis.ruling.name


def _evidence_weighed_by_approval(basis: ApprovalBasis) -> RegistryRecord | None:
    """Return the last evidence before an approval; what comes later was not weighed."""
    approved = basis.approved
    return _last_sufficient_or_else_last_evidence(
        basis, approved.name, after=approved.index, before=basis.determination.index
    )


def _evidence_on_running_version(basis: ApprovalBasis) -> RegistryRecord | None:
    """Return the last evidence on what runs, at the threshold that it runs with if there is any."""
    version, deployment = basis.version, basis.deployment
    if deployment is not None:
        threshold = deployment.body.get("threshold")
        # A version may have been examined at several.
        at_threshold = _last_sufficient_or_else_last_evidence(
            basis,
            version.name,
            after=version.index,
            counts=lambda record: record.body.get("threshold") == threshold,
        )
        if at_threshold is not None:
            return at_threshold
    return _last_sufficient_or_else_last_evidence(basis, version.name, after=version.index)


def _last_sufficient_or_else_last_evidence(
    basis: ApprovalBasis,
    version: str,
    *,
    after: int,
    before: int | None = None,
    counts: Callable[[RegistryRecord], bool] = lambda _: True,
) -> RegistryRecord | None:
    """Return the last record that counts and is enough for the class, or else the last one.

    From the end, and found by halving, because the gate asks at every question and evidence
    grows for years.

    Args:
        basis: With the evidence on each version, in the order of the ledger.
        version: Name of the version that is looked up.
        after: Index of the entry after which evidence counts.
        before: Index of the entry before which it counts; None for up to the end.
        counts: Which of it counts.
    """
    records = basis.evidence.get(version, ())
    index = attrgetter("index")
    end = len(records) if before is None else bisect_left(records, before, key=index)
    last: RegistryRecord | None = None
    for place in range(end - 1, bisect_right(records, after, key=index) - 1, -1):
        record = records[place]
        if counts(record):
            if _evidence_shortfall_for_approved_class(basis, record) is None:
                return record
            last = last or record
    return last


def _evidence_shortfall_for_approved_class(
    basis: ApprovalBasis, record: RegistryRecord
) -> Message | None:
    try:
        standard = evidence_standard(
            institution_risk_class_of_product(basis.use, basis.approved_on)
        )
    except RulesError as error:
        return Message("{fault}", {"fault": str(error)})
    return evidence_shortfall(record, standard, attested=is_attested(basis.registry, record))


def _name_of_approval_of_own_work(basis: ApprovalBasis) -> str:
    """Return the determination or the deployment that somebody approved who is a part of it."""
    examined = (_evidence_weighed_by_approval(basis), _evidence_on_running_version(basis))
    own = [basis.approved, basis.version, basis.use, *filter(None, examined)]
    approvals = [(basis.determination.name, basis.determination.actor_id)]
    if deployment := basis.deployment:
        own.append(deployment)
        approvals += [
            (deployment.name, move.actor_id)
            for move in basis.moves
            if move.status is DeploymentStatus.APPROVED
        ]
    return own_approval_name(basis.registry, approvals, own)


def _approval_name_without_prior_evidence(basis: ApprovalBasis) -> str:
    return "" if _evidence_weighed_by_approval(basis) else basis.determination.name


def _model_version_name_without_evidence(basis: ApprovalBasis) -> str:
    return "" if _evidence_on_running_version(basis) else basis.version.name


def _insufficient_evidence_record_or_none(basis: ApprovalBasis) -> RegistryRecord | None:
    """Return the evidence, of the approval or of what runs, that is not enough for the class."""
    for record in (_evidence_weighed_by_approval(basis), _evidence_on_running_version(basis)):
        if record is not None and _evidence_shortfall_for_approved_class(basis, record) is not None:
            return record
    return None


def _weak_evidence_name(basis: ApprovalBasis) -> str:
    record = _insufficient_evidence_record_or_none(basis)
    return record.name if record else ""


def _weak_evidence_shortfall(basis: ApprovalBasis) -> Message:
    record = _insufficient_evidence_record_or_none(basis)
    return (_evidence_shortfall_for_approved_class(basis, record) if record else None) or Message(
        ""
    )


def _ruling_name_by_rules_not_held(basis: ApprovalBasis) -> str:
    """Return a ruling by rules that stand nowhere here: nobody could compute it again."""
    return "" if is_ruling_by_rules_held_here(basis.ruling) else basis.ruling.name


def _digest_of_rules_not_held_message(basis: ApprovalBasis) -> Message:
    gaps = {
        "place": basis.jurisdiction,
        "digest": str(basis.ruling.body.get("rule_set_sha256"))[:16],
    }
    return Message("rules of {place} with the digest {digest}…", gaps)


def _wrongly_computed_ruling_name(basis: ApprovalBasis) -> str:
    return basis.ruling.name if _ruling_fault_of_basis_on_day(basis, basis.ruling.at.date()) else ""


def _outdated_ruling_name(basis: ApprovalBasis) -> str:
    """Return a ruling that the law on the day of the approval would not give any more."""
    return basis.ruling.name if _ruling_fault_of_basis_on_day(basis, basis.approved_on) else ""


def _ruling_fault_of_basis_on_day(basis: ApprovalBasis, on: date) -> Message | None:
    return ruling_difference_from_rules_on_day(basis.ruling, basis.use, on)


def _ruling_name_of_another_place(basis: ApprovalBasis) -> str:
    """Return a ruling under the law of another place than that of the deployment.

    The institution's own rules stand in only where the law of the place says nothing.
    """
    deployment = basis.deployment
    if deployment is None or "place" not in deployment.body:
        return ""  # recorded before a deployment said where it stands
    place = str(deployment.body["place"])
    if basis.jurisdiction == place:
        return ""
    try:
        stands_in = basis.jurisdiction == INSTITUTION and not place_law_gives_product_route(
            basis.use, place, basis.approved_on
        )
    except RulesError:  # a place without rules, or facts that no rule knows
        return basis.ruling.name
    return "" if stands_in else basis.ruling.name


def _deployment_name_with_other_guide(basis: ApprovalBasis) -> str:
    deployment = basis.deployment
    if deployment is None or deployment.body.get("guide") == basis.use.body.get("guide"):
        return ""
    return deployment.name


def _deployment_name_with_unexamined_threshold(basis: ApprovalBasis) -> str:
    deployment, evidence = basis.deployment, _evidence_on_running_version(basis)
    if deployment is None or evidence is None:
        return ""
    same = evidence.body.get("threshold") == deployment.body.get("threshold")
    return "" if same else deployment.name


def _unexamined_threshold_sentence(basis: ApprovalBasis) -> Message:
    deployment, evidence = basis.deployment, _evidence_on_running_version(basis)
    return Message(
        "{found}, where the evidence is at {examined}",
        {
            "found": str(deployment.body.get("threshold") if deployment else None),
            "examined": str(evidence.body.get("threshold") if evidence else None),
        },
    )


def _deployment_name_without_monitor_plan(basis: ApprovalBasis) -> str:
    deployment = basis.deployment
    if (
        deployment is None
        or monitor_plan_form_fault_or_none(deployment.body.get("monitor")) is None
    ):
        return ""
    return deployment.name


def _deployment_name_with_forbidden_move(basis: ApprovalBasis) -> str:
    steps = [move.status for move in basis.moves]
    # Every deployment was proposed by its own record, and nothing moves to proposed, so a
    # move that was written before the record is found here, too.
    by_table = all(DEPLOYMENT_LIFECYCLE.has_move(*pair) for pair in pairwise(steps))
    return "" if by_table else basis.holder.name


_IN_FORCE: Final = Message("an approval in force")
_A_ROUTE: Final = Message("a route that the rules of the place permit")
_EVIDENCE: Final = Message("evidence on this version")
_COMPUTED: Final = Message("a ruling that was computed from the product's facts")

_UNKNOWN: Final = Precondition(
    rule="gate.unknown-reference",
    sentence=Message("The approval rests on a record that is missing or came after it."),
    wanted=Message("a record that was there before"),
    step=PROPOSE,
    broken=lambda _: "",  # found while the basis is gathered, before any row can be asked
)
PRECONDITIONS: Final[tuple[Precondition, ...]] = (
    _UNKNOWN,
    Precondition(
        rule="gate.approval-withdrawn",
        sentence=Message("The approval was withdrawn."),
        wanted=_IN_FORCE,
        step=RETIRE,
        broken=_committee_decision_name_finder("withdrawn"),
    ),
    Precondition(
        rule="gate.approval-refused",
        sentence=Message("The committee refused this version."),
        wanted=_IN_FORCE,
        step=RETIRE,
        broken=_committee_decision_name_finder("refused"),
    ),
    Precondition(
        rule="gate.not-approved",
        sentence=Message("The committee's decision is no approval."),
        wanted=_IN_FORCE,
        step=DETERMINE,
        broken=_unapproved_determination_name,
    ),
    Precondition(
        rule="gate.approval-superseded",
        sentence=Message("A later approval has taken the place of this one."),
        wanted=_IN_FORCE,
        step=PROPOSE,
        broken=_later_committee_approval_name,
    ),
    Precondition(
        rule="gate.approval-expired",
        sentence=Message("The approval was for a time that is over."),
        wanted=_IN_FORCE,
        step=DETERMINE,
        broken=_expired_approval_name,
        why=lambda basis: Message(
            "an approval until {day}", {"day": str(basis.determination.body.get("valid_until"))}
        ),
    ),
    Precondition(
        rule="gate.approval-of-another-version",
        sentence=Message("The approval is of another version."),
        wanted=Message("a version made from the approved one"),
        step=DETERMINE,
        broken=_approved_version_name_if_not_previous,
    ),
    Precondition(
        rule="gate.update-outside-plan",
        sentence=Message(
            "The update is outside the approved plan; it needs a determination of its own."
        ),
        wanted=Message("a change inside the plan"),
        step=DETERMINE,
        broken=_version_name_outside_change_plan,
        why=lambda basis: _change_plan_faults_of_running_version(basis)[0],
    ),
    Precondition(
        rule="gate.ruling-of-another-product",
        sentence=Message("The ruling behind the approval is on another product."),
        wanted=Message("a ruling on this product"),
        step=DETERMINE,
        broken=_other_product_ruling_name,
    ),
    Precondition(
        rule="gate.route-prohibited",
        sentence=Message("The ruling prohibits this product."),
        wanted=_A_ROUTE,
        step=RETIRE,
        broken=_prohibiting_ruling_name,
    ),
    Precondition(
        rule="gate.prohibited-by-institution",
        sentence=Message("The institution's own rules prohibit this product."),
        wanted=_A_ROUTE,
        step=RETIRE,
        broken=_use_name_prohibited_by_institution,
    ),
    Precondition(
        rule="gate.route-not-permitted",
        sentence=Message("The rules of the ruling's place have no such route."),
        wanted=_A_ROUTE,
        step=RULE,
        broken=_ruling_name_without_permitted_route,
    ),
    Precondition(
        rule="gate.rules-not-held",
        sentence=Message(
            "The ruling is by rules that are not held here: name their folder in"
            " COMMONWATT_CLINIC_RULES, or compute the ruling anew."
        ),
        wanted=Message("a ruling by rules that this process holds"),
        step=RULE,
        broken=_ruling_name_by_rules_not_held,
        why=_digest_of_rules_not_held_message,
    ),
    Precondition(
        rule="gate.ruling-not-computed",
        sentence=Message("The ruling is not what the rules give for this product."),
        wanted=_COMPUTED,
        step=RULE,
        broken=_wrongly_computed_ruling_name,
        why=lambda basis: (
            _ruling_fault_of_basis_on_day(basis, basis.ruling.at.date()) or Message("")
        ),
    ),
    Precondition(
        rule="gate.ruling-outdated",
        sentence=Message("The law changed between the ruling and the approval."),
        wanted=_COMPUTED,
        step=RULE,
        broken=_outdated_ruling_name,
        why=lambda basis: _ruling_fault_of_basis_on_day(basis, basis.approved_on) or Message(""),
    ),
    Precondition(
        rule="gate.ruling-of-another-place",
        sentence=Message("The ruling is under the law of another place."),
        wanted=Message("a ruling under the law of the deployment's place"),
        step=RULE,
        broken=_ruling_name_of_another_place,
    ),
    Precondition(
        rule="gate.approval-without-evidence",
        sentence=Message("The approval was given before there was evidence on the version."),
        wanted=_EVIDENCE,
        step=DETERMINE,
        broken=_approval_name_without_prior_evidence,
    ),
    Precondition(
        rule="gate.no-evidence",
        sentence=Message("There is no evidence on the version that runs."),
        wanted=_EVIDENCE,
        step=EXAMINE,
        broken=_model_version_name_without_evidence,
    ),
    Precondition(
        rule="gate.evidence-too-weak",
        sentence=Message("The evidence is not enough for the class of this product."),
        wanted=Message("evidence as the standard for the class asks"),
        step=EXAMINE,
        broken=_weak_evidence_name,
        why=_weak_evidence_shortfall,
    ),
    Precondition(
        rule="gate.approved-by-its-maker",
        sentence=Message("Whoever made, examined or proposed it approved it, too."),
        wanted=Message("an approval by another person than who made, examined or proposed it"),
        step=DETERMINE,
        broken=_name_of_approval_of_own_work,
    ),
    Precondition(
        rule="gate.guide-of-another-use",
        sentence=Message("The deployment is under another guide than the intended use."),
        wanted=Message("the guide of the intended use"),
        step=PROPOSE,
        broken=_deployment_name_with_other_guide,
    ),
    Precondition(
        rule="gate.threshold-not-examined",
        sentence=Message("The deployment advises from a score that no evidence is at."),
        wanted=Message("the threshold of the evidence"),
        step=PROPOSE,
        broken=_deployment_name_with_unexamined_threshold,
        why=_unexamined_threshold_sentence,
    ),
    Precondition(
        rule="gate.no-monitor-plan",
        sentence=Message("The deployment has no plan by which it is watched."),
        wanted=Message("a monitor with band and alpha, and what an alarm does"),
        step=PROPOSE,
        broken=_deployment_name_without_monitor_plan,
        why=lambda basis: (
            (
                monitor_plan_form_fault_or_none(basis.deployment.body.get("monitor"))
                if basis.deployment
                else None
            )
            or Message("")
        ),
    ),
    Precondition(
        rule="gate.move-not-permitted",
        sentence=Message("The deployment was moved in a way that the table of moves has not."),
        wanted=Message("a deployment that moved by the table"),
        step=PROPOSE,
        broken=_deployment_name_with_forbidden_move,
    ),
)
