"""What older entries and files call an institution, read in this one place.

The clinic once called a hospital its `site`, which in a programme is a data centre. Entries of
that time were signed with the old word and keep it, byte for byte; whoever reads them from here
on sees `institution`. A record or a file that is given today with the old word is taken, with a
notice to whoever gave it, and the new word is what goes on record.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from commonwatt.core.errors import InputError
from commonwatt.core.identifiers import IdentifierKind, qualified_identifier
from commonwatt.core.messages import Message
from commonwatt.core.notices import send_notice_to_collector

INSTITUTION_FIELD: Final = IdentifierKind.INSTITUTION.value
OLD_INSTITUTION_FIELD: Final = "site"
OLD_SECRET_FILE: Final = "site.secret"  # noqa: S105  a name, no secret
"""What the secret of a gate was called where nobody named it."""


def deployment_body_in_todays_words(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the body of a deployment, or a gate's file, with the institution under its own name.

    >>> deployment_body_in_todays_words({"site": "qmh", "mode": "shadow"})
    {'institution': 'qmh', 'mode': 'shadow'}
    """
    if OLD_INSTITUTION_FIELD not in body:
        return body
    return {
        INSTITUTION_FIELD if field == OLD_INSTITUTION_FIELD else field: content
        for field, content in body.items()
    }


def deployment_input_in_todays_words_with_notice(
    body: Mapping[str, Any], where: str
) -> Mapping[str, Any]:
    """Return what somebody gave now, in today's words, and tell them of an old one.

    Args:
        body: A deployment that is to be recorded, or what a gate's file holds.
        where: The record or file, for notice and error.

    Raises:
        InputError: Both words are given, and nothing says which of them is meant.
    """
    if OLD_INSTITUTION_FIELD not in body:
        return body
    old, new = f'"{OLD_INSTITUTION_FIELD}"', f'"{INSTITUTION_FIELD}"'
    if INSTITUTION_FIELD in body:
        raise InputError(
            where,
            found=Message("both {old} and {new}", {"old": old, "new": new}),
            wanted=new,
            remedy=Message("Leave {old} out; it is the older word for the same.", {"old": old}),
        )
    send_notice_to_collector(
        Message("{where}: {old} is called {new} now.", {"where": where, "old": old, "new": new})
    )
    return deployment_body_in_todays_words(body)


def is_subject_of_institution(subject: str, institution: str) -> bool:
    """Return whether a gate's entry is about `institution`, in today's words or the old ones.

    >>> [is_subject_of_institution(s, "qmh") for s in ("institution/qmh", "site/qmh", "site/pmh")]
    [True, True, False]
    """
    return subject in (
        qualified_identifier(IdentifierKind.INSTITUTION, institution),
        f"{OLD_INSTITUTION_FIELD}/{institution}",
    )
