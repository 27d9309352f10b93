"""Projects, datasets and outputs: their states, their moves, who may and what must be true first.

Three tables for the one engine of `governance`. Every precondition is asked in the
transaction that moves; what it is asked of is read there, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from commonwatt.core.messages import Message
from commonwatt.governance.lifecycle import (
    Lifecycle,
    LifecycleMove,
    MovePrecondition,
    MoveRefusal,
)
from commonwatt.ledger.errors import ActorError
from commonwatt.ledger.roles import LedgerRole
from commonwatt.sandbox.domain.errors import ProjectError, ProjectRoleError


class ProjectRole(StrEnum):
    """What a person is in a project, as enrolled in the ledger."""

    CUSTODIAN = LedgerRole.DATA_CUSTODIAN.value
    LEAD = LedgerRole.PROJECT_LEAD.value
    RESEARCHER = LedgerRole.RESEARCHER.value
    CHECKER = LedgerRole.OUTPUT_CHECKER.value
    AUDITOR = LedgerRole.AUDITOR.value


class ProjectState(StrEnum):
    """A project is open for work, closed, or its data are deleted."""

    OPEN = "open"
    CLOSED = "closed"
    DELETED = "deleted"


class DatasetState(StrEnum):
    """A dataset may be used by jobs only once its risk report is signed."""

    IMPORTED = "imported"
    DEIDENTIFIED = "de-identified"
    SIGNED = "signed"
    DELETED = "deleted"


class OutputState(StrEnum):
    """An output leaves only along waiting, approved, released; what is approved can be recalled."""

    STOPPED = "stopped"
    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"
    RELEASED = "released"


_CUSTODIAN: Final = frozenset({LedgerRole.DATA_CUSTODIAN})
_RESEARCHERS: Final = frozenset({LedgerRole.RESEARCHER, LedgerRole.PROJECT_LEAD})
_CHECKER: Final = frozenset({LedgerRole.OUTPUT_CHECKER})

# Keys are the words of ledger entries (`sandbox.<step>`), which records in use hold; they do not
# follow later renamings.
STEP_ROLES: Final[Mapping[str, frozenset[LedgerRole]]] = {
    "open": _CUSTODIAN,
    "close": _CUSTODIAN,
    "import": _CUSTODIAN,
    "deidentify": _CUSTODIAN,
    "sign-risk": _CUSTODIAN,
    "delete": _CUSTODIAN,
    "delete-room": _CUSTODIAN,
    "opt-out": _CUSTODIAN,
    "erase": _CUSTODIAN,
    "lane": _CUSTODIAN,
    "grant-budget": _CUSTODIAN,
    "submit": _RESEARCHERS,
    "ask": _RESEARCHERS,
    "twin": _RESEARCHERS,
    "vote": _CHECKER,
    "release": _CUSTODIAN,
    # To stop is open to more people than to let go: whoever approved and sees a risk too late must
    # not have to find the custodian first.
    "recall": _CUSTODIAN | _CHECKER,
}
"""Who may make a step. An auditor may make none, and reads everything in the ledger."""

STEPS_OF_OPEN_PROJECT: Final = frozenset(
    {"import", "deidentify", "sign-risk", "lane", "submit", "ask", "twin", "vote", "release"}
)
"""Steps that need a project which is open and has not expired.

The others stop, end or take back: an opt-out, a deletion or a recall must be possible
in a project that is closed, and a budget can be lowered there.
"""

VOTES_NEEDED: Final = 2


class RecallReason(StrEnum):
    """Why an approved output is taken back; a closed list, so that no record enters the ledger."""

    DISCLOSURE_RISK = "disclosure-risk"
    MISTAKEN_VOTE = "mistaken-vote"
    WRONG_FIGURES = "wrong-figures"
    CONSENT = "consent"
    NOT_WANTED = "not-wanted"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectStanding:
    """What decides whether people may work in a project.

    Args:
        state: Where the project stands.
        expires_on: Its last day, as 2027-12-31.
        today: The day of the step, in the same form.
    """

    state: ProjectState
    expires_on: str
    today: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetFacts:
    """What is asked of a dataset about to move.

    Args:
        project: Of which project.
        source: Where the dataset stands that it was made from; None where it was brought in.
        risk_sha256: The digest of its risk report.
        signed_sha256: The digest that is about to be signed.
    """

    project: ProjectStanding
    source: DatasetState | None = None
    risk_sha256: str = ""
    signed_sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFacts:
    """What is asked of an output about to move.

    Args:
        project: Of which project.
        author: Whose job it left, by actor id.
        checker: Who votes, by actor id.
        voters: Who voted before.
        approvals: Votes for it, the one about to be given among them.
        stopped: Whether a check stopped it.
        preapproved: Whether its cost is pre-approved to leave without a vote.
        differencing: What it would tell together with what left before; empty if nothing.
        opted_out_since: Whether it is a model of people of whom one has opted out since.
    """

    project: ProjectStanding
    author: str = ""
    checker: str = ""
    voters: frozenset[str] = frozenset()
    approvals: int = 0
    stopped: bool = False
    preapproved: bool = False
    differencing: Message | str = ""
    opted_out_since: bool = False


def _closed_project_refusal(standing: ProjectStanding) -> MoveRefusal | None:
    if standing.state is ProjectState.OPEN:
        return None
    return MoveRefusal(found=Message("a project that is not open"), error=ProjectError)


def _expired_project_refusal(standing: ProjectStanding) -> MoveRefusal | None:
    # Dates in ISO form order as text; the last day itself still counts.
    if standing.today <= standing.expires_on:
        return None
    return MoveRefusal(found=Message("a project that expired"), error=ProjectError)


PROJECT_OPEN: Final = MovePrecondition[ProjectStanding](
    name="project-open",
    sentence=Message("The project is open."),
    refusal=_closed_project_refusal,
)
PROJECT_IN_TERM: Final = MovePrecondition[ProjectStanding](
    name="project-in-term",
    sentence=Message("The project has not expired."),
    refusal=_expired_project_refusal,
)
WORKING_PROJECT: Final = (PROJECT_OPEN, PROJECT_IN_TERM)


def project_work_refusal_or_none(standing: ProjectStanding) -> MoveRefusal | None:
    """Return why nobody may work in a project now, if so."""
    return next((refusal for need in WORKING_PROJECT if (refusal := need.refusal(standing))), None)


PROJECT_LIFECYCLE: Final = Lifecycle[ProjectState, ProjectStanding](
    name="project",
    states=ProjectState,
    moves=(
        LifecycleMove(origin=None, to=ProjectState.OPEN, step="open", who=STEP_ROLES["open"]),
        LifecycleMove(
            origin=ProjectState.OPEN, to=ProjectState.CLOSED, step="close",
            who=STEP_ROLES["close"],
        ),
        LifecycleMove(
            origin=ProjectState.CLOSED, to=ProjectState.OPEN, step="open", who=STEP_ROLES["open"]
        ),
        # Only a closed project can be deleted, so that deletion is never one slip away from work
        # in progress.
        LifecycleMove(
            origin=ProjectState.CLOSED, to=ProjectState.DELETED, step="delete-room",
            who=STEP_ROLES["delete-room"],
        ),
    ),
    error=ProjectError,
    role_error=ActorError,
)  # fmt: skip


_DATASET_PROJECT: Final = (
    MovePrecondition[DatasetFacts](
        name=PROJECT_OPEN.name,
        sentence=PROJECT_OPEN.sentence,
        refusal=lambda facts: PROJECT_OPEN.refusal(facts.project),
    ),
    MovePrecondition[DatasetFacts](
        name=PROJECT_IN_TERM.name,
        sentence=PROJECT_IN_TERM.sentence,
        refusal=lambda facts: PROJECT_IN_TERM.refusal(facts.project),
    ),
)


def _vanished_source_refusal(facts: DatasetFacts) -> MoveRefusal | None:
    if facts.source is DatasetState.IMPORTED:
        return None
    return MoveRefusal(
        found=Message("a dataset that is {state}", {"state": facts.source or "–"}),
        wanted=Message("one that is {state}", {"state": DatasetState.IMPORTED}),
    )


def _wrong_risk_report_digest_refusal(facts: DatasetFacts) -> MoveRefusal | None:
    if facts.risk_sha256 == facts.signed_sha256:
        return None
    return MoveRefusal(wanted=Message("the digest of its own risk report"))


# Asked where the copy becomes usable and not only where it is begun: a source deleted meanwhile
# must leave no copy behind.
SOURCE_IMPORTED: Final = MovePrecondition[DatasetFacts](
    name="source-imported",
    sentence=Message("The dataset that it was made from is still there."),
    refusal=_vanished_source_refusal,
)
# The custodian signs what they read: a report that was made anew since has another digest, and the
# old signature must not cover it.
OWN_REPORT: Final = MovePrecondition[DatasetFacts](
    name="own-report",
    sentence=Message("The digest is that of its own risk report."),
    refusal=_wrong_risk_report_digest_refusal,
)

DATASET_LIFECYCLE: Final = Lifecycle[DatasetState, DatasetFacts](
    name="dataset",
    states=DatasetState,
    moves=(
        LifecycleMove(
            origin=None, to=DatasetState.IMPORTED, step="import", who=STEP_ROLES["import"],
            needs=_DATASET_PROJECT,
        ),
        LifecycleMove(
            origin=None, to=DatasetState.DEIDENTIFIED, step="deidentify",
            who=STEP_ROLES["deidentify"], needs=(*_DATASET_PROJECT, SOURCE_IMPORTED),
        ),
        # What was imported is never signed: researchers reach the de-identified copy and nothing
        # else.
        LifecycleMove(
            origin=DatasetState.DEIDENTIFIED, to=DatasetState.SIGNED, step="sign-risk",
            who=STEP_ROLES["sign-risk"], needs=(*_DATASET_PROJECT, OWN_REPORT),
        ),
        *(
            LifecycleMove[DatasetState, DatasetFacts](
                origin=origin, to=DatasetState.DELETED, step="delete", who=STEP_ROLES["delete"]
            )
            for origin in (
                DatasetState.IMPORTED, DatasetState.DEIDENTIFIED, DatasetState.SIGNED
            )
        ),
    ),
    error=ProjectError,
    role_error=ActorError,
)  # fmt: skip


_OUTPUT_PROJECT: Final = (
    MovePrecondition[OutputFacts](
        name=PROJECT_OPEN.name,
        sentence=PROJECT_OPEN.sentence,
        refusal=lambda facts: PROJECT_OPEN.refusal(facts.project),
    ),
    MovePrecondition[OutputFacts](
        name=PROJECT_IN_TERM.name,
        sentence=PROJECT_IN_TERM.sentence,
        refusal=lambda facts: PROJECT_IN_TERM.refusal(facts.project),
    ),
)


def _author_votes_on_output_refusal(facts: OutputFacts) -> MoveRefusal | None:
    if facts.author != facts.checker:
        return None
    return MoveRefusal(wanted=Message("a checker who is not the author"), error=ProjectRoleError)


def _second_output_vote_refusal(facts: OutputFacts) -> MoveRefusal | None:
    if facts.checker not in facts.voters:
        return None
    return MoveRefusal(found=Message("a vote of this checker already"), error=ProjectRoleError)


def _too_few_output_approvals_refusal(facts: OutputFacts) -> MoveRefusal | None:
    if facts.approvals >= VOTES_NEEDED:
        return None
    return MoveRefusal(
        found=Message("{count} approvals", {"count": str(facts.approvals)}),
        wanted=Message("{count} of two checkers", {"count": str(VOTES_NEEDED)}),
    )


def _output_not_stopped_refusal(facts: OutputFacts) -> MoveRefusal | None:
    return None if facts.stopped else MoveRefusal(wanted=Message("an output that a check stopped"))


def _stopped_output_refusal(facts: OutputFacts) -> MoveRefusal | None:
    return MoveRefusal(found=Message("an output that a check stopped")) if facts.stopped else None


def _unpriced_output_refusal(facts: OutputFacts) -> MoveRefusal | None:
    if facts.preapproved:
        return None
    return MoveRefusal(
        found=Message("no pre-approved release of this cost"),
        remedy=Message("Ask the custodian to pre-approve it."),
    )


def _output_differencing_refusal(facts: OutputFacts) -> MoveRefusal | None:
    return MoveRefusal(found=facts.differencing) if facts.differencing else None


def _opted_out_people_output_refusal(facts: OutputFacts) -> MoveRefusal | None:
    if not facts.opted_out_since:
        return None
    return MoveRefusal(
        found=Message("a model of people of whom one has opted out since"),
        remedy=Message("Train it again; the project leaves them out."),
    )


# Separation of duties, as SATRE asks: nobody checks an output of their own.
NOT_AUTHOR: Final = MovePrecondition[OutputFacts](
    name="not-author",
    sentence=Message("The checker is not the author."),
    refusal=_author_votes_on_output_refusal,
)
FIRST_VOTE: Final = MovePrecondition[OutputFacts](
    name="first-vote",
    sentence=Message("The checker has not voted on it before."),
    refusal=_second_output_vote_refusal,
)
TWO_APPROVALS: Final = MovePrecondition[OutputFacts](
    name="two-approvals",
    sentence=Message("Two checkers approve it."),
    refusal=_too_few_output_approvals_refusal,
)
CHECK_FAILED: Final = MovePrecondition[OutputFacts](
    name="check-failed",
    sentence=Message("A check stopped it."),
    refusal=_output_not_stopped_refusal,
)
CHECKS_PASSED: Final = MovePrecondition[OutputFacts](
    name="checks-passed", sentence=Message("Every check passed."), refusal=_stopped_output_refusal
)
PREAPPROVED: Final = MovePrecondition[OutputFacts](
    name="preapproved",
    sentence=Message("Its cost is pre-approved to leave without a vote."),
    refusal=_unpriced_output_refusal,
)
# Two outputs may each have passed alone and tell too much together; the second is compared under
# the lock in which it leaves.
HARMLESS_TOGETHER: Final = MovePrecondition[OutputFacts](
    name="harmless-together",
    sentence=Message("With everything that left before it tells of no small group."),
    refusal=_output_differencing_refusal,
)
NOBODY_OPTED_OUT: Final = MovePrecondition[OutputFacts](
    name="nobody-opted-out",
    sentence=Message("Nobody whom a model was trained on has opted out since."),
    refusal=_opted_out_people_output_refusal,
)
VOTE_NEEDS: Final = (*_OUTPUT_PROJECT, NOT_AUTHOR, FIRST_VOTE)

OUTPUT_LIFECYCLE: Final = Lifecycle[OutputState, OutputFacts](
    name="output",
    states=OutputState,
    moves=(
        # A job that ends after its project closed still leaves its outputs on record, or files
        # would lie in the project that no row names; there they wait, and nobody can vote.
        LifecycleMove(
            origin=None, to=OutputState.STOPPED, step="submit", who=_RESEARCHERS,
            needs=(CHECK_FAILED,),
        ),
        LifecycleMove(
            origin=None, to=OutputState.WAITING, step="submit", who=_RESEARCHERS,
            needs=(CHECKS_PASSED,),
        ),
        LifecycleMove(origin=None, to=OutputState.WAITING, step="ask", who=_RESEARCHERS),
        LifecycleMove(
            origin=None, to=OutputState.RELEASED, step="ask", who=_RESEARCHERS,
            needs=(*_OUTPUT_PROJECT, PREAPPROVED),
        ),
        LifecycleMove(
            origin=OutputState.WAITING, to=OutputState.APPROVED, step="vote", who=_CHECKER,
            needs=(*VOTE_NEEDS, TWO_APPROVALS),
        ),
        # One refusal is final: a checker who saw a risk cannot be outvoted by two who did not.
        LifecycleMove(
            origin=OutputState.WAITING, to=OutputState.REJECTED, step="vote", who=_CHECKER,
            needs=VOTE_NEEDS,
        ),
        LifecycleMove(
            origin=OutputState.APPROVED, to=OutputState.RELEASED, step="release", who=_CUSTODIAN,
            needs=(*_OUTPUT_PROJECT, HARMLESS_TOGETHER, NOBODY_OPTED_OUT),
        ),
        LifecycleMove(
            origin=OutputState.APPROVED, to=OutputState.REJECTED, step="recall",
            who=STEP_ROLES["recall"],
        ),
        # The law asks for the erasure of a person whatever the checkers have said so far.
        LifecycleMove(
            origin=OutputState.WAITING, to=OutputState.REJECTED, step="erase",
            who=STEP_ROLES["erase"],
        ),
        LifecycleMove(
            origin=OutputState.APPROVED, to=OutputState.REJECTED, step="erase",
            who=STEP_ROLES["erase"],
        ),
    ),
    error=ProjectError,
    role_error=ProjectRoleError,
    remedies={
        # Final: no vote overrules a check.
        OutputState.STOPPED: Message("Run a job whose output passes the checks."),
        OutputState.REJECTED: Message("It stays in the project; run a job that makes another."),
        OutputState.WAITING: Message("Two approvals of checkers are needed; one refusal rejects."),
        OutputState.RELEASED: Message(
            "It has left the project and cannot be called back from here: ask whoever received it "
            "to destroy it; the ledger says who released it and when."
        ),
    },
)  # fmt: skip
