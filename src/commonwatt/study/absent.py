"""The parts of a study that could not be computed: which, why, and what would mend it.

A part that is not there must not look like one that nobody wanted, nor like a nought. Each
stands in the report in its place, in the answer as JSON, and, where the programme asks for it,
in the exit code.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from commonwatt.core.errors import CommonwattError
from commonwatt.core.messages import Message
from commonwatt.report import ReportSection
from commonwatt.siting.io.cells import cost_library_site_names
from commonwatt.study.errors import AbsentPartError
from commonwatt.study.programme.faults import ErrorSentence
from commonwatt.study.programme.reader import Programme
from commonwatt.study.programme.schema import SitePart
from commonwatt.study.result import StudyResult
from commonwatt.study.stages.sites import built_sites_without_cells_or_rent

COST, PLACEMENT, ALTERNATIVES, FUNDING = "cost", "placement", "alternatives", "funding"
TITLES: Final = {
    COST: Message("Place it: what a GPU-hour costs"),
    PLACEMENT: Message("Place it: which site runs what"),
    ALTERNATIVES: Message("Choose: the alternatives side by side"),
    FUNDING: Message("Pay for it: the bonds and the public debt"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AbsentPart:
    """A part of a study that is not there.

    Args:
        part: Its name; that of its section in the report, or `alternatives.NAME` for one of
            them.
        title: What the report calls it.
        reason: Why it could not be computed.
        remedy: What would make it.
        is_asked_for: Whether the programme asks for it; its absence is then no success.
    """

    part: str
    title: Message
    reason: Message
    remedy: Message
    is_asked_for: bool

    def as_dict(self) -> dict[str, object]:
        """Return it for `--json`, in English, as scripts match on its words."""
        return {
            "part": self.part,
            "reason": str(self.reason),
            "remedy": str(self.remedy),
            "asked_for": self.is_asked_for,
        }

    def sentence(self, language: str) -> str:
        """Return reason and remedy as sentences."""
        values = {
            "reason": self.reason.translate(language).rstrip(".。"),
            "remedy": self.remedy.translate(language),
        }
        return Message("Not computed: {reason}. {remedy}", values).translate(language)

    def section(self, language: str) -> ReportSection:
        """Return what stands in the report in its place."""
        return ReportSection(
            name=self.part,
            title=self.title.translate(language),
            lede=self.sentence(language),
        )


@dataclass(frozen=True, slots=True)
class _EveryPart(Message):
    """The absent parts, one after the other, in the language that is asked for."""

    parts: tuple[AbsentPart, ...] = ()

    def translate(self, language: str) -> str:
        lines = [
            f"  {names}\n    {why}"
            for names, why in absent_part_titles_with_shared_sentence(self.parts, language)
        ]
        values = {"parts": "\n".join(lines).rstrip(".。")}
        return Message("parts that were asked for are absent:\n{parts}", values).translate(language)

    def __str__(self) -> str:
        return self.translate("en")


def absent_part_titles_with_shared_sentence(
    parts: Sequence[AbsentPart], language: str
) -> list[tuple[str, str]]:
    """Return names and sentence of absent parts; those absent for one reason share a line."""
    names: dict[str, list[str]] = {}
    for each in parts:
        title = f"{each.title.translate(language)} ({each.part})"
        names.setdefault(each.sentence(language), []).append(title)
    return [("; ".join(titles), sentence) for sentence, titles in names.items()]


def absent_parts_that_leave_answer_unwhole(parts: Sequence[AbsentPart]) -> list[AbsentPart]:
    """Return the absent parts without which a study's answer is not whole.

    Which site runs what, hour by hour, is none of them: price, choice and debt hold without it.
    """
    return [each for each in parts if each.part != PLACEMENT]


def absent_parts_error(where: str, parts: Sequence[AbsentPart]) -> AbsentPartError | None:
    """Return the error of a study that lacks what was asked for, or None where it lacks nothing.

    Args:
        where: The programme.
        parts: Its absent parts.
    """
    requested = tuple(each for each in parts if each.is_asked_for)
    if not requested:
        return None
    remedy = Message("The report is kept without them, and says so.")
    return AbsentPartError(where, found=_EveryPart("", {}, requested), remedy=remedy)


def absent_study_parts(programme: Programme, study: StudyResult) -> Iterator[AbsentPart]:
    """Yield the parts that are not in a study, in the order of the report.

    Args:
        programme: The programme.
        study: What was computed of it.
    """
    file = programme.file
    wants_costs = (
        any(site.cost_cells or site.rent for site in file.sites)
        or file.funding is not None
        or bool(file.alternatives)
    )
    uncosted = built_sites_without_cells_or_rent(programme)
    if study.cost is None:
        yield _absent_part_for_uncosted_sites(COST, uncosted, is_asked_for=wants_costs)
    if study.placement is None:
        yield _absent_placement_part(study, uncosted)
    if file.alternatives and study.cost is None:
        yield _absent_part_for_uncosted_sites(ALTERNATIVES, uncosted, is_asked_for=True)
    else:
        yield from _absent_alternative_parts(programme)
    if file.funding is None:
        yield _absent_part_of_messages(
            FUNDING,
            Message("the programme has no table funding"),
            Message("Write [funding] with country, currency_per_usd, first_year and source."),
        )
    elif study.funding is None:
        yield _absent_part_for_uncosted_sites(FUNDING, uncosted, is_asked_for=True)


def _absent_part_of_messages(
    part: str, reason: Message, remedy: Message, *, is_asked_for: bool = False
) -> AbsentPart:
    return AbsentPart(
        part=part,
        title=TITLES[part.split(".", maxsplit=1)[0]],
        reason=reason,
        remedy=remedy,
        is_asked_for=is_asked_for,
    )


def _absent_part_for_uncosted_sites(
    part: str, uncosted: Sequence[SitePart], *, is_asked_for: bool
) -> AbsentPart:
    names = ", ".join(site.name for site in uncosted)
    return _absent_part_of_messages(
        part,
        Message("nothing says what a GPU-hour costs at {sites}", {"sites": names}),
        Message(
            "Write cost_cells or a table rent at each of these sites; cost_cells is one of "
            "{names}.",
            {"names": ", ".join(cost_library_site_names())},
        ),
        is_asked_for=is_asked_for,
    )


def _absent_placement_part(study: StudyResult, uncosted: Sequence[SitePart]) -> AbsentPart:
    if study.placement_error is not None:
        return _absent_part_of_wing_error(PLACEMENT, study.placement_error)
    if uncosted:
        # Nobody asks for it by a key of its own; whoever asked for costs reads of those.
        return _absent_part_for_uncosted_sites(PLACEMENT, uncosted, is_asked_for=False)
    return _absent_part_of_messages(
        PLACEMENT,
        Message("the trace is shorter than a week"),
        Message("Give a trace of seven days or more."),
    )


def _absent_part_of_wing_error(part: str, error: CommonwattError) -> AbsentPart:
    reason = CommonwattError(error.where, found=error.found, wanted=error.wanted)
    remedy = error.remedy or Message("Loosen a limit that it names.")
    return _absent_part_of_messages(
        part,
        ErrorSentence("", {}, reason),
        remedy if isinstance(remedy, Message) else Message(remedy),
        is_asked_for=True,
    )


def _absent_alternative_parts(programme: Programme) -> Iterator[AbsentPart]:
    names = list(programme.file.alternatives)
    if not names:
        yield _absent_part_of_messages(
            ALTERNATIVES,
            Message("the programme has no alternatives"),
            Message("Write two or more tables [alternatives.NAME]."),
        )
    else:
        yield from _absent_parts_of_uncosted_alternatives(programme, names)


def _absent_parts_of_uncosted_alternatives(
    programme: Programme, names: Sequence[str]
) -> Iterator[AbsentPart]:
    absent = [
        _absent_part_for_uncosted_sites(f"{ALTERNATIVES}.{name}", uncosted, is_asked_for=True)
        for name in names
        if (uncosted := built_sites_without_cells_or_rent(programme.alternative(name)))
    ]
    yield from absent
    left = len(names) - len(absent)
    if absent and left < 2:
        yield _absent_part_of_messages(
            ALTERNATIVES,
            Message(
                "{left} of {all} can be costed, and a comparison takes two",
                {"left": str(left), "all": str(len(names))},
            ),
            absent[0].remedy,
            is_asked_for=True,
        )
