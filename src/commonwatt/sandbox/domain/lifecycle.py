"""Which states there are, which moves lead between them, and who may make them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeVar

from commonwatt.core.messages import Message
from commonwatt.sandbox.domain.errors import ProjectError


class ProjectRole(StrEnum):
    """What a person is in a project, as enrolled in the ledger."""

    CUSTODIAN = "data-custodian"
    LEAD = "project-lead"
    RESEARCHER = "researcher"
    CHECKER = "output-checker"
    AUDITOR = "auditor"


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
    """An output leaves only along waiting, approved, released."""

    STOPPED = "stopped"
    WAITING = "waiting"
    APPROVED = "approved"
    REJECTED = "rejected"
    RELEASED = "released"


PROJECT_MOVES: Final[dict[ProjectState, frozenset[ProjectState]]] = {
    ProjectState.OPEN: frozenset({ProjectState.CLOSED}),
    # Only a closed project can be deleted, so that deletion is never one slip away from work in
    # progress.
    ProjectState.CLOSED: frozenset({ProjectState.OPEN, ProjectState.DELETED}),
    ProjectState.DELETED: frozenset(),
}
DATASET_MOVES: Final[dict[DatasetState, frozenset[DatasetState]]] = {
    # What was imported is never signed: researchers reach the de-identified copy and nothing
    # else.
    DatasetState.IMPORTED: frozenset({DatasetState.DELETED}),
    DatasetState.DEIDENTIFIED: frozenset({DatasetState.SIGNED, DatasetState.DELETED}),
    DatasetState.SIGNED: frozenset({DatasetState.DELETED}),
    DatasetState.DELETED: frozenset(),
}
OUTPUT_MOVES: Final[dict[OutputState, frozenset[OutputState]]] = {
    # Final: no vote overrules a check. Who disagrees runs a job whose output passes.
    OutputState.STOPPED: frozenset(),
    OutputState.WAITING: frozenset({OutputState.APPROVED, OutputState.REJECTED}),
    OutputState.APPROVED: frozenset({OutputState.RELEASED, OutputState.REJECTED}),
    OutputState.REJECTED: frozenset(),
    OutputState.RELEASED: frozenset(),
}

# Keys are the words of ledger entries (`sandbox.<step>`), which records in use hold; they do not
# follow later renamings.
STEP_ROLES: Final[dict[str, frozenset[str]]] = {
    "open": frozenset({ProjectRole.CUSTODIAN}),
    "close": frozenset({ProjectRole.CUSTODIAN}),
    "import": frozenset({ProjectRole.CUSTODIAN}),
    "deidentify": frozenset({ProjectRole.CUSTODIAN}),
    "sign-risk": frozenset({ProjectRole.CUSTODIAN}),
    "delete": frozenset({ProjectRole.CUSTODIAN}),
    "delete-room": frozenset({ProjectRole.CUSTODIAN}),
    "opt-out": frozenset({ProjectRole.CUSTODIAN}),
    "erase": frozenset({ProjectRole.CUSTODIAN}),
    "lane": frozenset({ProjectRole.CUSTODIAN}),
    "grant-budget": frozenset({ProjectRole.CUSTODIAN}),
    "submit": frozenset({ProjectRole.RESEARCHER, ProjectRole.LEAD}),
    "ask": frozenset({ProjectRole.RESEARCHER, ProjectRole.LEAD}),
    "twin": frozenset({ProjectRole.RESEARCHER, ProjectRole.LEAD}),
    "vote": frozenset({ProjectRole.CHECKER}),
    "release": frozenset({ProjectRole.CUSTODIAN}),
}
"""Who may make a step. An auditor may make none, and reads everything in the ledger."""

VOTES_NEEDED: Final = 2


S = TypeVar("S", bound=StrEnum)


def check_lifecycle_move(state: S, to: S, moves: Mapping[S, frozenset[S]], where: str) -> None:
    """Raise unless the table of moves leads from `state` to `to`.

    Raises:
        ProjectError: It does not; the error names the moves that exist.
    """
    allowed = moves[state]
    if to not in allowed:
        raise ProjectError(
            where,
            found=Message("{state}, from which {to} cannot follow", {"state": state, "to": to}),
            wanted=Message("one of {moves}", {"moves": ", ".join(sorted(allowed)) or "–"}),
        )
