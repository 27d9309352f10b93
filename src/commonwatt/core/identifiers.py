"""One id space: what a tenant, a project, a site … may be called, from programme file to ledger.

Each kind has one spelling and all share one check, so that what one wing took no other wing
refuses. Case counts, and nothing is folded or trimmed: a name comes back as it was given, or is
refused. A place that can take less, such as the name of a file, states a `NarrowerSpelling`
with its reason; it asks for the kind's own spelling first and so cannot be wider.

Names are checked where they are given, never where they are read: what stands on record or in a
stored file was legal when it was written and stays readable.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from commonwatt.core.errors import IdentifierError
from commonwatt.core.messages import Message

LONGEST_IDENTIFIER: Final = 100
"""Letters of the longest name of any kind; a ledger's subject of 200 holds two and their kinds."""


class IdentifierKind(StrEnum):
    """What a name stands for; the value goes before the name where names of several kinds meet."""

    TENANT = "tenant"
    PROJECT = "project"
    SITE = "site"
    """A data centre, never a hospital: that is an institution."""
    INSTITUTION = "institution"
    """Who answers for patients or staff: a hospital, a university."""
    DATASET = "dataset"
    ARTEFACT = "artefact"
    """What a model, an output or a record of the clinic's registry is called."""
    PERSON = "person"
    """A member of staff or a service. A patient is none: pseudonyms have rules of their own."""


@dataclass(frozen=True, slots=True)
class IdentifierSpelling:
    """How the names of a kind are spelled.

    Args:
        pattern: The whole name, of at most `LONGEST_IDENTIFIER` letters.
        wanted: The same in words.
    """

    pattern: re.Pattern[str]
    wanted: Message

    def fits(self, name: str) -> bool:
        """Return whether `name` is spelled so."""
        return (
            len(name) <= LONGEST_IDENTIFIER
            and self.pattern.fullmatch(name) is not None
            # Two spellings of one letter would be two names that nobody can tell apart.
            and unicodedata.is_normalized("NFC", name)
            # Directions, joiners and exotic blanks show nothing and make two of one name.
            and name.isprintable()
        )

    @property
    def anchored_pattern(self) -> str:
        """The pattern as pydantic and OpenAPI want it, which search rather than match."""
        return f"^{self.pattern.pattern}$"


_SIGNS: Final = "._@+:-"
_PLAIN: Final = IdentifierSpelling(
    re.compile(f"[A-Za-z0-9][A-Za-z0-9{_SIGNS}]*"),
    Message("1 to 100 of A to Z, a to z, 0 to 9 and . _ - @ + :, a letter or digit first"),
)
# Programme files and traces have had blanks in such names from the first release on.
SPELLING_WITH_BLANKS: Final = IdentifierSpelling(
    re.compile(f"[A-Za-z0-9][A-Za-z0-9 {_SIGNS}]*"),
    Message("1 to 100 of A to Z, a to z, 0 to 9, blanks and . _ - @ + :, a letter or digit first"),
)
# A person is called as their organisation's directory has it, in any script.
_DIRECTORY_NAME: Final = IdentifierSpelling(
    re.compile(r"[^\W_](?:[^/\\]*[^/\\\s])?"),
    Message(
        "1 to 100 letters, digits, blanks and signs but / and \\ in composed Unicode (NFC), a"
        " letter or digit first, no blank last"
    ),
)

SPELLINGS: Final[Mapping[IdentifierKind, IdentifierSpelling]] = {
    IdentifierKind.TENANT: SPELLING_WITH_BLANKS,
    IdentifierKind.PROJECT: _PLAIN,
    IdentifierKind.SITE: SPELLING_WITH_BLANKS,
    IdentifierKind.INSTITUTION: _PLAIN,
    IdentifierKind.DATASET: _PLAIN,
    IdentifierKind.ARTEFACT: _PLAIN,
    IdentifierKind.PERSON: _DIRECTORY_NAME,
}


QUALIFIED_PATH: Final = re.compile(f"[A-Za-z0-9][A-Za-z0-9/{_SIGNS}]*")
"""Names of plain spelling with their kinds before them, one after the other."""


def can_be_identifier(kind: IdentifierKind, name: str) -> bool:
    """Return whether something of `kind` may be called `name`.

    >>> can_be_identifier(IdentifierKind.SITE, "hong-kong"), can_be_identifier("site", "../hk")
    (True, False)
    """
    return SPELLINGS[kind].fits(name)


def identifier_checked_valid(kind: IdentifierKind, name: str, where: str) -> str:
    """Return `name`, which something of `kind` may be called.

    Args:
        kind: What is named.
        name: As it was given.
        where: Option, file or field that gave it.

    Raises:
        IdentifierError: It may not be called so; place, name and the right form are told.

    >>> identifier_checked_valid(IdentifierKind.PROJECT, "heart", "NAME")
    'heart'
    """
    if can_be_identifier(kind, name):
        return name
    raise IdentifierError(
        where,
        found=_shortened_identifier_repr(name),
        wanted=SPELLINGS[kind].wanted,
        remedy=_REMEDIES[kind],
    )


def qualified_identifier(kind: IdentifierKind, name: str) -> str:
    """Return `kind/name`, as names of several kinds stand beside each other in the ledger.

    >>> qualified_identifier(IdentifierKind.INSTITUTION, "qmh")
    'institution/qmh'
    """
    return f"{kind.value}/{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NarrowerSpelling:
    """What a place takes of the names of a kind, because it can take no more.

    Args:
        kind: Whose spelling holds first.
        pattern: What must hold as well.
        longest: Most letters.
        reason: Why this place takes less.
    """

    kind: IdentifierKind
    pattern: re.Pattern[str]
    longest: int
    reason: str

    def fits(self, name: str) -> bool:
        """Return whether the place takes `name`."""
        return (
            can_be_identifier(self.kind, name)
            and len(name) <= self.longest
            and self.pattern.fullmatch(name) is not None
        )


OPERATOR_NAME: Final = NarrowerSpelling(
    kind=IdentifierKind.ARTEFACT,
    pattern=re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*"),
    longest=100,
    reason=(
        "Jobs and nodes become folders, Slurm's names, Ray's actors and fields of a log: what none"
        " of them reads as a path, an option or a pattern."
    ),
)
DATASET_FOLDER: Final = NarrowerSpelling(
    kind=IdentifierKind.DATASET,
    pattern=re.compile(r"[a-z][a-z0-9-]*"),
    longest=40,
    reason="It becomes a folder, and jobs see it as one on machines that fold case.",
)
JOB_FILE: Final = NarrowerSpelling(
    kind=IdentifierKind.ARTEFACT,
    pattern=re.compile(r"[a-z][a-z0-9_-]{0,39}(\.[a-z0-9]{1,8})?"),
    longest=49,
    reason=(
        "Names of files leave a project with the outputs, and a longer or freer one could carry"
        " a record."
    ),
)
ACCOUNT: Final = NarrowerSpelling(
    kind=IdentifierKind.PERSON,
    pattern=re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]*"),
    longest=60,
    reason="It is typed at each sign-in and stands in subjects of the ledger.",
)
NARROWER_SPELLINGS: Final = (OPERATOR_NAME, DATASET_FOLDER, JOB_FILE, ACCOUNT)


def _shortened_identifier_repr(name: str) -> str:
    return repr(name[:LONGEST_IDENTIFIER])


_REMEDIES: Final[Mapping[IdentifierKind, Message]] = {
    IdentifierKind.TENANT: Message("Name the tenant so wherever it is named."),
    IdentifierKind.PROJECT: Message("Name the project so wherever it is named."),
    IdentifierKind.SITE: Message("Name the site so wherever it is named."),
    IdentifierKind.INSTITUTION: Message(
        "Give the institution a short code, such as qmh, and use it wherever it is named."
    ),
    IdentifierKind.DATASET: Message("Name the dataset so wherever it is named."),
    IdentifierKind.ARTEFACT: Message("Name it so wherever it is named."),
    IdentifierKind.PERSON: Message("Write the name as the organisation's directory has it."),
}
