"""What a clinician did with a card, as a record system reports it.

A comment in free text is taken and dropped: it would soon hold a name, and the record has no
place for one.

Source: HL7 CDS Hooks 2.0, feedback.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from commonwatt.clinic.engines.gateway.hooks.requests import (
    CdsRequestError,
    check_no_empty_cds_members,
    checked_cds_json_object,
)

ACCEPTED: Final = "accepted"
OVERRIDDEN: Final = "overridden"
OWN_REASON: Final = "reason-of-the-record-system"
"""Stands for a reason that is none of the guide's."""
_MOST_CARDS: Final = 100
_LONGEST: Final = 200
_UTC_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]00:00)", re.ASCII
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFeedback:
    """One report on one card.

    Args:
        where: Its place in the request, for errors.
        card: The uuid of the card.
        outcome: `accepted` or `overridden`.
        suggestions: The accepted ones, by uuid.
        reason: The coding that was picked, as (system, code); `None` where none was.
        acted_at: When the clinician acted, in UTC, as it was sent.
    """

    where: str
    card: str
    outcome: str
    suggestions: tuple[str, ...]
    reason: tuple[str, str] | None
    acted_at: str


def parse_cds_feedback(body: Mapping[str, Any]) -> list[CardFeedback]:
    """Return the reports of a request.

    Raises:
        CdsRequestError: One is not of the form; its place is named.
    """
    listed = body.get("feedback")
    reports = cast("list[Any]", listed) if isinstance(listed, list) else []
    if not 0 < len(reports) <= _MOST_CARDS:
        raise CdsRequestError("feedback", f"a list of 1 to {_MOST_CARDS} reports")
    return [_parse_card_feedback_report(each, f"feedback[{i}]") for i, each in enumerate(reports)]


def _parse_card_feedback_report(entry: Any, where: str) -> CardFeedback:
    report = checked_cds_json_object(entry, where)
    check_no_empty_cds_members(report, f"{where}.", unless=frozenset({"extension"}))
    outcome = report.get("outcome")
    if outcome not in (ACCEPTED, OVERRIDDEN):
        raise CdsRequestError(f"{where}.outcome", f"{ACCEPTED} or {OVERRIDDEN}")
    suggestions = _parse_accepted_suggestion_ids(report.get("acceptedSuggestions", []), where)
    if outcome == ACCEPTED and not suggestions:
        raise CdsRequestError(f"{where}.acceptedSuggestions", "at least one, as it was accepted")
    acted_at = _text(report.get("outcomeTimestamp"), f"{where}.outcomeTimestamp")
    if not _UTC_TIME.fullmatch(acted_at) or not _is_feedback_instant_text(acted_at):
        wanted = "a time in UTC such as 1985-04-12T23:20:50.52Z"
        raise CdsRequestError(f"{where}.outcomeTimestamp", wanted)
    return CardFeedback(
        where=where,
        card=_text(report.get("card"), f"{where}.card"),
        outcome=outcome,
        suggestions=suggestions if outcome == ACCEPTED else (),
        reason=_parse_override_reason_system_and_code(
            report.get("overrideReason"), f"{where}.overrideReason"
        ),
        acted_at=acted_at,
    )


def _parse_accepted_suggestion_ids(listed: Any, where: str) -> tuple[str, ...]:
    where = f"{where}.acceptedSuggestions"
    if not isinstance(listed, list):
        raise CdsRequestError(where, "a list")
    entries: Sequence[Any] = cast("list[Any]", listed)
    return tuple(
        _text(checked_cds_json_object(each, f"{where}[{i}]").get("id"), f"{where}[{i}].id")
        for i, each in enumerate(entries)
    )


def _parse_override_reason_system_and_code(entry: Any, where: str) -> tuple[str, str] | None:
    if entry is None:
        return None
    reason = checked_cds_json_object(entry, where)
    if not isinstance(reason.get("userComment", ""), str):
        raise CdsRequestError(f"{where}.userComment", "a text")
    if "reason" not in reason:
        return None
    coding = checked_cds_json_object(reason["reason"], f"{where}.reason")
    return tuple(_text(coding.get(name), f"{where}.reason.{name}") for name in ("system", "code"))  # pyright: ignore[reportReturnType]  two, as the names are


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST:
        raise CdsRequestError(where, f"a text of 1 to {_LONGEST} letters")
    return value


def _is_feedback_instant_text(text: str) -> bool:
    try:
        datetime.fromisoformat(text.upper())
    except ValueError:
        return False
    return True
