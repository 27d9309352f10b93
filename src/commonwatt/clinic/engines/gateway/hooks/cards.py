"""Cards of CDS Hooks from what the gate says.

An advice card can be answered by what the standard has: a suggestion to agree, or one of the
guide's reasons to override. Where a clinician can mend what refuses (the patient was not told
yet, the doctor is asked first) there is a card for it, too, whose suggestions are the answers.
Every other refusal gives no card: there is then no decision support for this patient.

Source: HL7 CDS Hooks 2.0, card attributes, suggestion, reasons for rejecting a card.
"""

from __future__ import annotations

import re
import uuid
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from commonwatt.clinic.domain.guides import DepartmentGuide
from commonwatt.clinic.domain.measures import ADVICE, DEPLOYMENT, THRESHOLD
from commonwatt.clinic.engines.gateway.gate import GateVerdict
from commonwatt.clinic.engines.gateway.hooks.requests import EXTENSION
from commonwatt.core.messages import Message

LONGEST_SUMMARY: Final = 139  # letters: "<140-character"
SOURCE_LABEL: Final = "Commonwatt clinic"
NOT_DISCLOSED: Final = "gate.not-disclosed"
ESTIMATE_FIRST: Final = "gate.own-estimate-first"
_MOST_OPEN_CARDS: Final = 20_000
_OPEN_FOR: Final = timedelta(hours=12)
_TELL_FIRST: Final = Message("Tell the patient that a computer model is used; then it may advise.")
_AGREE: Final = Message("I have read this and agree")
_ASK_FIRST: Final = Message("Give your own estimate of the chance; then the advice is shown.")
_TOLD: Final[Mapping[str, str]] = {
    "en": "The patient was told in English",
    "zh-Hant": "已以繁體中文告知病人",
    "zh-Hans": "已以简体中文告知病人",
    "other": "The patient was told in another language",
}
_NAME: Final = re.compile(r"advice/([0-9a-f]{20})-(\d{1,12})")
_PLACES: Final = 42  # bits for a place in the ledger; 80 are the encounter's
_VERSION_AND_VARIANT: Final = (4 << 76) | (2 << 62)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCard:
    """A card that waits for a clinician, and is no record.

    Args:
        deployment: Whose service showed it.
        encounter: The hospital's name of it; it stands in memory only.
        user: Who was shown it.
        rule: What it may mend.
        answers: What an accepted suggestion says, by its id.
        expires_at: After which it must be asked for anew.
    """

    deployment: str
    encounter: str
    user: str
    rule: str
    answers: Mapping[str, str]
    expires_at: datetime


class OpenCards:
    """Cards that wait, the oldest of which go first when there are too many."""

    def __init__(self) -> None:
        self._cards: OrderedDict[str, OpenCard] = OrderedDict()

    def add(self, card_uuid: str, card: OpenCard) -> None:
        """Hold a card until it is answered or expires."""
        self._cards[card_uuid] = card
        while len(self._cards) > _MOST_OPEN_CARDS:
            self._cards.popitem(last=False)

    def card(self, card_uuid: str, at: datetime) -> OpenCard | None:
        """Return a card that still waits."""
        card = self._cards.get(card_uuid)
        return card if card is not None and at < card.expires_at else None


def advice_card_uuid(advice: str) -> str:
    """Return the uuid of the card of an advice, which can be turned back.

    So a card is known after a restart, and on another gateway of the same ledger.

    >>> advice_card_uuid("advice/0123456789abcdef0123-77")
    '01234567-89ab-4cde-bc04-8c000000004d'
    """
    parts = _NAME.fullmatch(advice)
    # Names of advice are made by the gate, and only there.
    assert parts is not None, advice
    packed = (int(parts[1], 16) << _PLACES) | int(parts[2])
    # RFC 9562: 48 bits, the version, 12 bits, the variant, 62 bits.
    high, middle, low = packed >> 74, (packed >> 62) & 0xFFF, packed & ((1 << 62) - 1)
    return str(uuid.UUID(int=(high << 80) | (middle << 64) | low | _VERSION_AND_VARIANT))


def advice_name_of_card_uuid_or_empty(card_uuid: str) -> str:
    """Return the advice that a card's uuid names; empty if it can name none.

    >>> advice_name_of_card_uuid_or_empty("01234567-89ab-4cde-bc04-8c000000004d")
    'advice/0123456789abcdef0123-77'
    """
    try:
        number = uuid.UUID(card_uuid).int
    except ValueError:
        return ""
    middle, low = (number >> 64) & 0xFFF, number & ((1 << 62) - 1)
    packed = ((number >> 80) << 74) | (middle << 62) | low
    return f"advice/{packed >> _PLACES:020x}-{packed & ((1 << _PLACES) - 1)}"


def card_suggestion_uuid(card_uuid: str, answer: str) -> str:
    """Return the uuid of one suggestion of a card."""
    return str(uuid.uuid5(uuid.UUID(card_uuid), answer))


def cds_cards_of_verdict(
    verdict: GateVerdict, guide: DepartmentGuide | None, language: str
) -> list[dict[str, Any]]:
    """Return the cards that a verdict gives: one, or none."""
    if guide is None:
        return []
    if verdict.allows_advice:
        return [] if verdict.score is None else [_advice_card(verdict, guide, language)]
    if verdict.rule == NOT_DISCLOSED:
        answers = _TOLD
        notice = guide.notice.get(language) or guide.notice["en"]
        return [_question_card(guide, _TELL_FIRST.translate(language), answers, notice, language)]
    if verdict.rule == ESTIMATE_FIRST:
        # Tenths, by their middle: the standard has no place for a number that somebody types.
        answers = {f"{low / 100 + 0.05:.2f}": f"{low}–{low + 10} %" for low in range(0, 100, 10)}
        return [_question_card(guide, _ASK_FIRST.translate(language), answers, "", language)]
    return []


def open_card_of(
    card: Mapping[str, Any], verdict: GateVerdict, encounter: str, user: str, at: datetime
) -> OpenCard:
    """Return what must be known of a question card to understand its answer."""
    answers = card["extension"][EXTENSION]["answers"]
    return OpenCard(
        deployment=verdict.deployment,
        encounter=encounter,
        user=user,
        rule=verdict.rule,
        answers={identifier: answer for answer, identifier in answers.items()},
        expires_at=at + _OPEN_FOR,
    )


def _advice_card(verdict: GateVerdict, guide: DepartmentGuide, language: str) -> dict[str, Any]:
    words = verdict.words.get(language) or verdict.words["en"]
    card_uuid = advice_card_uuid(verdict.advice)
    return {
        "uuid": card_uuid,
        "summary": truncated_cds_card_summary(words),
        # Never "warning" or "critical": a score is not an alarm.
        "indicator": "info",
        "detail": _advice_detail_markdown(verdict, guide, words, language),
        "source": _cds_card_source(guide, language),
        "suggestions": [
            {"label": _AGREE.translate(language), "uuid": card_suggestion_uuid(card_uuid, "agree")}
        ],
        "selectionBehavior": "at-most-one",
        "overrideReasons": [_override_reason(guide, code) for code in guide.override_reasons],
    }  # fmt: skip


def _question_card(
    guide: DepartmentGuide, summary: str, answers: Mapping[str, str], detail: str, language: str
) -> dict[str, Any]:
    card_uuid = str(uuid.uuid4())
    ids = {answer: card_suggestion_uuid(card_uuid, answer) for answer in answers}
    card: dict[str, Any] = {"uuid": card_uuid, "summary": truncated_cds_card_summary(summary),
                            "indicator": "info"}  # fmt: skip
    if detail:
        card["detail"] = card_text_escaped_for_github_markdown(detail)
    return card | {
        "source": _cds_card_source(guide, language),
        "suggestions": [{"label": label, "uuid": ids[code]} for code, label in answers.items()],
        "selectionBehavior": "at-most-one",
        "extension": {EXTENSION: {"answers": ids}},
    }


def _advice_detail_markdown(
    verdict: GateVerdict, guide: DepartmentGuide, words: str, language: str
) -> str:
    wanted = Message("yes") if verdict.sign_off else Message("no")
    rows: Sequence[tuple[Message, str]] = (
        (Message("Score"), f"{verdict.score:.4f}"),
        (THRESHOLD.label, f"{verdict.threshold:.4f}"),
        (Message("Guide"), guide.guide_id),
        (DEPLOYMENT.label, verdict.deployment.removeprefix("deployment/")),
        (ADVICE.label, verdict.advice),
        (Message("Signed decision wanted"), wanted.translate(language)),
    )
    table = "\n".join(
        f"| {label.translate(language)} | {card_text_escaped_for_github_markdown(text)} |"
        for label, text in rows
    )
    participation = card_text_escaped_for_github_markdown(guide.participation)
    escaped = card_text_escaped_for_github_markdown(words)
    return f"{escaped}\n\n{participation}\n\n| | |\n| --- | --- |\n{table}"


def _cds_card_source(guide: DepartmentGuide, language: str) -> dict[str, Any]:
    topic = {"system": "urn:commonwatt:guides", "code": guide.guide_id,
             "display": guide.names.get(language) or guide.names["en"]}  # fmt: skip
    return {"label": SOURCE_LABEL, "topic": topic}


def override_reasons_code_system_urn(guide_id: str) -> str:
    """Return the code system of a guide's reasons to override."""
    return f"urn:commonwatt:guide:{guide_id}:override-reasons"


def _override_reason(guide: DepartmentGuide, code: str) -> dict[str, str]:
    display = code.replace("-", " ").capitalize()
    return {
        "code": code,
        "system": override_reasons_code_system_urn(guide.guide_id),
        "display": display,
    }


def truncated_cds_card_summary(words: str) -> str:
    """Return words for a card's summary, which has less than 140 letters.

    >>> truncated_cds_card_summary("short"), len(truncated_cds_card_summary("long " * 40))
    ('short', 139)
    """
    return words if len(words) <= LONGEST_SUMMARY else f"{words[: LONGEST_SUMMARY - 1]}…"


def card_text_escaped_for_github_markdown(text: str) -> str:
    r"""Return a text as GitHub Flavored Markdown that shows just it.

    >>> card_text_escaped_for_github_markdown("a*b <script> | c")
    'a\\*b &lt;script&gt; \\| c'
    """
    escaped = re.sub(r"([\\`*_\[\]|#~])", r"\\\1", text)
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
