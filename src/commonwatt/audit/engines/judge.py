"""From a claim to its findings: convert, compare, and look for how it went wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from commonwatt.audit.domain.claims import PublishedClaim
from commonwatt.audit.domain.intervals import ClaimInterval
from commonwatt.audit.domain.library import (
    ClaimQuantity,
    ReferenceLibrary,
    ReferenceValue,
    claim_interval_in_unit,
    has_rate_for_claim_currency,
)
from commonwatt.audit.domain.periods import ClaimPeriod, PeriodKind, parse_claim_period
from commonwatt.audit.engines.findings import ClaimFinding, FindingKind, InterpretedClaim
from commonwatt.audit.engines.relations import claim_relation_findings_by_claim_id
from commonwatt.catalogue.units import Unit
from commonwatt.core.messages import Message

# Decimal points, thousands and millions; 1e5 is no slip that people make between two units.
POWER_OF_TEN_SLIPS: Final = (10.0, 100.0, 1000.0, 10_000.0, 1e6)
# Quantities that are taken for one another: what is owed, and what may be owed.
FAMILIES: Final = (("government_debt", "borrowing_ceiling"),)
BASIS_MARKS: Final = frozenset({
    "gross", "net", "ceiling", "forecast", "fiscal", "calendar", "federal", "general",
    "network", "application", "operational", "plant", "design", "best", "major",
})  # fmt: skip
_DISCOUNT: Final = ("discount", "cheaper", "lower than", "saving", "低")
# By its spelling, because a share and a ratio are one unit and people mean two things: a price
# of 0.3 times is a ratio, one that is 0.3 of it cheaper a discount.
_UNIT_RATIO: Final = frozenset({"ratio", "times", "x"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedClaim:
    """A claim and all that was found."""

    claim: PublishedClaim
    quantity: str
    findings: tuple[ClaimFinding, ...]

    @property
    def kind(self) -> FindingKind:
        """Return the gravest kind among the findings."""
        order = list(FindingKind)
        return min((each.kind for each in self.findings), key=order.index)

    def verdict(self, language: str = "en") -> str:
        """Return every grave kind in a line, or that the claim is in line."""
        grave = [
            each
            for each in self.findings
            if each.kind not in (FindingKind.IN_LINE, FindingKind.UNCHECKED)
        ]
        named = list(
            dict.fromkeys(_claim_verdict_message(each).translate(language) for each in grave)
        )
        return "; ".join(named) or Message(str(self.kind)).translate(language)


def _claim_verdict_message(finding: ClaimFinding) -> Message:
    if finding.kind is FindingKind.FACTOR and finding.factor > 0:
        factor = finding.factor if finding.factor >= 1 else 1 / finding.factor
        return Message("wrong by a factor of {size}", {"size": rounded_claim_factor_text(factor)})
    if finding.kind is FindingKind.INCONSISTENT and finding.other:
        return Message("inconsistent with {other}", {"other": finding.other})
    return Message(str(finding.kind))


def rounded_claim_factor_text(number: float) -> str:
    """Return a positive number as a person says it.

    >>> (
    ...     rounded_claim_factor_text(126.4),
    ...     rounded_claim_factor_text(10.98),
    ...     rounded_claim_factor_text(1.64),
    ... )
    ('126', '11', '1.6')
    """
    return f"{number:.0f}" if number >= 9.95 else f"{number:.1f}"


def audit(claims: Sequence[PublishedClaim], library: ReferenceLibrary) -> list[AuditedClaim]:
    """Return every claim with its findings, in the order given.

    Unit slips, other dates and other bases are looked for by arithmetic alone.
    """
    # All are read before any is judged, because claims are held against each other, too.
    reads = [claim_with_quantity_regions_and_canonical_value(claim, library) for claim in claims]
    between = claim_relation_findings_by_claim_id(reads, library)
    return [
        AuditedClaim(
            claim=read.claim,
            quantity=read.quantity.id if read.quantity else "",
            findings=_claim_findings_gravest_first(
                [*claim_findings_against_references(read, library), *between.get(read.claim.id, [])]
            ),
        )
        for read in reads
    ]


def claim_with_quantity_regions_and_canonical_value(
    claim: PublishedClaim, library: ReferenceLibrary
) -> InterpretedClaim:
    """Return the claim with its quantity, regions and value in common units."""
    regions = tuple(
        name
        for part in claim.regions
        if (name := library.regions.claim_region_named_or_longest_mentioned(part))
    )
    unit = claim.unit
    compared = len(claim.regions) == 2 and unit is not None and not unit.dims
    words = f"{claim.quantity} | {claim.quote}"
    quantity = None
    if unit is not None and has_rate_for_claim_currency(library.money, unit.currency):
        # Its own name for the quantity first: a quote speaks of more than what it claims.
        quantity = library.best_claim_quantity_for_words_and_unit(
            claim.quantity, unit, compared=compared
        )
        quantity = quantity or library.best_claim_quantity_for_words_and_unit(
            words, unit, compared=compared
        )
    period = parse_claim_period(claim.period)
    value = claim.value
    if value is not None and quantity is not None and unit is not None:
        value = _claim_value_in_quantity_unit(
            claim, value, unit, quantity, library, period, compared
        )
    return InterpretedClaim(
        claim=claim, quantity=quantity, value=value, regions=regions, period=period
    )


def _claim_value_in_quantity_unit(
    claim: PublishedClaim,
    value: ClaimInterval,
    unit: Unit,
    quantity: ClaimQuantity,
    library: ReferenceLibrary,
    period: ClaimPeriod | None,
    compared: bool,
) -> ClaimInterval:
    if compared:
        share = value.scaled(unit.factor)
        words = f"{claim.quantity} {claim.quote}".lower()
        if any(word in words for word in _DISCOUNT) and claim.unit_text not in _UNIT_RATIO:
            # "30 % cheaper" claims a ratio of 0.7; the ends change places.
            return ClaimInterval(1 - share.high, 1 - share.low, share.strict)
        return share
    year = int(period.start) if period else 2025
    if quantity.id == "deficit" and value.high <= 0:
        value = ClaimInterval(-value.high, -value.low)  # a balance below zero is a deficit
    return claim_interval_in_unit(value, unit, quantity.unit, library.money, year)


def claim_findings_against_references(
    read: InterpretedClaim, library: ReferenceLibrary
) -> list[ClaimFinding]:
    """Return what references say about one claim."""
    obstacle = _claim_lookup_obstacle_message_or_none(read, library)
    if obstacle is not None:
        return [_unchecked_claim_finding(obstacle)]
    references = _references_for_claim(read, library)
    if not references:
        return [_unchecked_claim_finding(Message("No reference for this quantity and region."))]
    if read.value is None:
        return [_unchecked_direction_only_claim_finding(references[0])]
    return [_claim_finding_against_references(read, read.value, references, library)]


def _claim_lookup_obstacle_message_or_none(
    read: InterpretedClaim, library: ReferenceLibrary
) -> Message | None:
    """Return why a claim cannot be looked up at all, the first reason that its row gives."""
    unit = read.claim.unit
    if unit is None:
        return Message("Its unit {unit} is not known.", {"unit": read.claim.unit_text})
    if not has_rate_for_claim_currency(library.money, unit.currency):
        currency = {"currency": unit.currency}
        return Message("No exchange rate of {currency} is in the library.", currency)
    if read.quantity is None:
        return Message("No quantity of the library fits its words and unit.")
    if len(read.regions) != len(read.claim.regions) or not read.regions:
        return Message("Its region is not in the library.")
    return None


def _references_for_claim(
    read: InterpretedClaim, library: ReferenceLibrary
) -> list[ReferenceValue]:
    assert read.quantity is not None
    if not read.is_two_region_comparison_with_value:
        return library.references_of_region_members_or_parent(read.quantity.id, read.regions[0])
    first_references = library.references_of_region_members_or_parent(
        read.quantity.id, read.regions[0]
    )
    second_references = library.references_of_region_members_or_parent(
        read.quantity.id, read.regions[1]
    )
    ratios: list[ReferenceValue] = []
    for first in first_references:
        for second in second_references:
            # A ratio over zero or below has no bounds.
            if first.value.low > 0 and second.value.low > 0:
                ratios.append(_reference_value_ratio_of_two_regions(first, second))
    return ratios


def _reference_value_ratio_of_two_regions(
    first: ReferenceValue, second: ReferenceValue
) -> ReferenceValue:
    basis = first.basis if first.basis == second.basis else f"{first.basis} / {second.basis}"
    return replace(
        first,
        region=f"{first.region}/{second.region}",
        value=first.value / second.value,
        centre=first.centre / second.centre,
        basis=basis,
        # Both sides with their dates, as a ratio of two years' figures is a ratio of nothing.
        note=f"({_claim_reference_text(first)}) / ({_claim_reference_text(second)})",
        source=first.source
        if first.source == second.source
        else f"{first.source}; {second.source}",
    )


def _claim_reference_text(reference: ReferenceValue) -> str:
    note = f" [{reference.note}]" if reference.note else ""
    return f"{reference.region} {reference.value} in {reference.when}{note}"


def _claim_tolerance_share(reference: ReferenceValue, claim: PublishedClaim) -> float:
    """Return how far a claim may miss: little where one official figure stands.

    A figure of two digits is rounded by up to five per cent.
    """
    # A reference that is itself a range is a survey or a library: a tenth is its own rounding.
    if reference.value.high > reference.value.low * 1.05:
        return 0.10
    value = claim.value
    return (
        0.05
        if value is not None
        and value.low == value.high
        and _is_claim_figure_of_two_digits(value.low)
        else 0.02
    )


def _is_claim_figure_of_two_digits(number: float) -> bool:
    # Two digits that matter: 1.2e5 and 120,000 were both rounded by whoever wrote them.
    return number != 0 and math.isclose(number, float(f"{number:.1e}"), rel_tol=1e-9)


def _claim_finding_against_references(
    read: InterpretedClaim,
    value: ClaimInterval,
    references: list[ReferenceValue],
    library: ReferenceLibrary,
) -> ClaimFinding:
    ranked = _references_ranked_for_claim(read, references)
    met = [
        each
        for each in ranked
        if value.overlaps(each.value.widened(_claim_tolerance_share(each, read.claim)))
    ]
    first = ranked[0]
    if first in met:
        return _in_line_claim_finding(read, value, first)
    # Of the others that it meets the best ranked says where the figure came from.
    for each in met:
        return _other_date_or_basis_finding(read, value, first, each)
    neighbour = _mistaken_claim_quantity_finding(read, value, library)
    if neighbour is not None:
        return neighbour
    return _wrong_factor_claim_finding(read, value, first, library)


def _references_ranked_for_claim(
    read: InterpretedClaim, references: list[ReferenceValue]
) -> list[ReferenceValue]:
    """Return references, the one that the claim most likely means first."""
    marks = _claim_basis_marks_among_words(f"{read.claim.quantity} {read.claim.quote}")

    def reference_rank(each: ReferenceValue) -> tuple[float, int, float, int, float]:
        by_basis = -len(marks & _claim_basis_marks_among_words(each.basis))
        if read.period is None:
            # Without a period the newest reference is meant.
            return (0.0, 0, 0.0, by_basis, -each.period.end)
        # To a hundredth of a year, so that months as fractions tie and the next criterion speaks.
        gap = round(each.period.gap_years_or_zero_on_overlap(read.period), 2)
        apart = 0 if each.period.overlap_years(read.period) > 0 else 1
        return (
            gap + apart,
            by_basis,
            _claim_period_kind_distance(each.period, read.period),
            0,
            -each.period.end,
        )

    return sorted(references, key=reference_rank)


def _claim_basis_marks_among_words(words: str) -> frozenset[str]:
    """Return the words that tell one basis from another."""
    return BASIS_MARKS & frozenset(words.lower().replace(",", " ").split())


def _claim_period_kind_distance(period: ClaimPeriod, wanted: ClaimPeriod) -> float:
    """Return 0 for the same kind of period, most for a fiscal beside a calendar year."""
    if period.kind == wanted.kind:
        return 0.0
    return 1.0 if PeriodKind.FISCAL in (period.kind, wanted.kind) else 0.5


def _in_line_claim_finding(
    read: InterpretedClaim, value: ClaimInterval, reference: ReferenceValue
) -> ClaimFinding:
    period = read.period
    # A stock on a day is the same in either kind of year; a flow over a year is not.
    flow = read.quantity is not None and any(name == "time" for name, _ in read.quantity.unit.dims)
    if (
        flow
        and period is not None
        and period.kind is PeriodKind.CALENDAR
        and reference.period.kind is PeriodKind.FISCAL
    ):
        text = Message(
            "The figure is that of the fiscal year {when}, not of a calendar year.",
            {"when": reference.when},
        )
        return _claim_reference_finding(FindingKind.BASIS, text, value, reference)
    text = Message(
        "Agrees with {value} ({basis}).",
        {"value": str(reference.value), "basis": reference.basis},
    )
    return _claim_reference_finding(FindingKind.IN_LINE, text, value, reference)


def _other_date_or_basis_finding(
    read: InterpretedClaim, value: ClaimInterval, first: ReferenceValue, reference: ReferenceValue
) -> ClaimFinding:
    period = read.period
    farther = (
        period is not None
        # Not half a year: a fiscal and a calendar year of one name lie a quarter apart and are no
        # wrong date.
        and reference.period.gap_years_or_zero_on_overlap(period)
        > first.period.gap_years_or_zero_on_overlap(period) + 0.4
    )
    if farther or reference.basis == first.basis:
        text = Message(
            "Holds for {when}, not for {wanted}: then it was {value}, later {first}.",
            {
                "when": reference.when,
                "wanted": read.claim.period,
                "value": str(reference.value),
                "first": f"{first.value} ({first.when})",
            },
        )
        return _claim_reference_finding(FindingKind.MISDATED, text, value, reference)
    text = Message(
        "Holds on another basis: {found}; on {first} it is {value}.",
        {"found": reference.basis, "first": first.basis, "value": str(first.value)},
    )
    return _claim_reference_finding(FindingKind.BASIS, text, value, reference)


def _mistaken_claim_quantity_finding(
    read: InterpretedClaim, value: ClaimInterval, library: ReferenceLibrary
) -> ClaimFinding | None:
    """Return a reference of a neighbouring quantity that the figure belongs to."""
    assert read.quantity is not None
    for family in FAMILIES:
        if read.quantity.id not in family or read.is_two_region_comparison_with_value:
            continue
        for other in family:
            if other == read.quantity.id:
                continue
            for each in library.references_of_region_members_or_parent(other, read.regions[0]):
                # Tighter than elsewhere: a figure borrowed from a neighbour is quoted, not rounded.
                if value.overlaps(each.value.widened(0.01)):
                    text = Message(
                        "The figure is the {other} ({basis}), not the {wanted}.",
                        {
                            "other": other.replace("_", " "),
                            "basis": each.basis,
                            "wanted": read.quantity.id.replace("_", " "),
                        },
                    )
                    return _claim_reference_finding(FindingKind.BASIS, text, value, each)
    return None


def _wrong_factor_claim_finding(
    read: InterpretedClaim,
    value: ClaimInterval,
    reference: ReferenceValue,
    library: ReferenceLibrary,
) -> ClaimFinding:
    assert read.quantity is not None
    factor = value.centre / reference.centre if reference.centre else math.inf
    # Zero, infinity and a wrong sign have no factor that a reader could use.
    if not 0 < factor < math.inf:
        text = Message("Does not meet {value}, not even in sign.", {"value": str(reference.value)})
        return _claim_reference_finding(FindingKind.FACTOR, text, value, reference)
    size = factor if factor >= 1 else 1 / factor
    slip = _claim_power_of_ten_divisor_or_zero(value, reference, factor)
    unit = "" if read.is_two_region_comparison_with_value else read.quantity.unit.text
    values = {"size": rounded_claim_factor_text(size), "value": f"{reference.value} {unit}".strip()}
    text = _claim_too_far_message(factor, values)
    if slip:
        values |= {
            "slip": f"{slip:g}" if slip >= 1 else f"1/{1 / slip:g}",
            "lands": str(value.scaled(1 / slip)),
        }
        text = _claim_unit_slip_message(factor, values)
    finding = _claim_reference_finding(FindingKind.FACTOR, text, value, reference)
    has_own_reference = read.is_two_region_comparison_with_value or any(
        each.region == read.regions[0] for each in library.by_quantity[read.quantity.id]
    )
    # A region without a reference may be dearer than its country's figure; the dearest known one
    # bounds that.
    top = (
        None
        if has_own_reference
        else library.highest_reference_in_outermost_region(read.quantity.id, read.regions[0])
    )
    dearest = f"; dearest in the country: {top.region} {top.value}" if top else ""
    arithmetic = f"{finding.arithmetic}; {value.centre:.4g} / {reference.centre:.4g} = {factor:.3g}"
    return replace(finding, arithmetic=arithmetic + dearest, factor=factor)


def _claim_too_far_message(factor: float, values: dict[str, str]) -> Message:
    if factor >= 1:
        return Message("About {size} times too high against {value}.", values)
    return Message("About {size} times too low against {value}.", values)


def _claim_unit_slip_message(factor: float, values: dict[str, str]) -> Message:
    if factor >= 1:
        return Message(
            "About {size} times too high against {value}; divided by {slip} it is {lands} and "
            "lands on the reference, as after a slip of the unit or the decimal point.",
            values,
        )
    return Message(
        "About {size} times too low against {value}; divided by {slip} it is {lands} and "
        "lands on the reference, as after a slip of the unit or the decimal point.",
        values,
    )


def _claim_power_of_ten_divisor_or_zero(
    value: ClaimInterval, reference: ReferenceValue, factor: float
) -> float:
    """Return the power of ten by which the claim must be divided to land, or 0."""
    if reference.value.low <= 0 or reference.value.high > 6 * reference.value.low:
        return 0.0  # so wide a reference is met by chance
    for power in POWER_OF_TEN_SLIPS:
        for slip in (power, 1 / power):
            # A slip moves a figure by exactly a power of ten; what is left must lie near one.
            near = 0.4 < factor / slip < 2.5
            if near and value.scaled(1 / slip).overlaps(reference.value.widened(0.05)):
                return slip
    return 0.0


def _claim_reference_finding(
    kind: FindingKind, text: Message, value: ClaimInterval, reference: ReferenceValue
) -> ClaimFinding:
    return ClaimFinding(
        kind=kind,
        text=text,
        arithmetic=f"claim {value}; reference {_claim_reference_text(reference)}",
        source=f"{reference.source} ({reference.dated})",
        year=reference.when,
        confidence=reference.confidence,
    )


def _unchecked_direction_only_claim_finding(reference: ReferenceValue) -> ClaimFinding:
    text = Message("It has no figure to check; a reference stands beside it.")
    return ClaimFinding(
        kind=FindingKind.UNCHECKED,
        text=text,
        arithmetic=f"reference {_claim_reference_text(reference)}",
        source=f"{reference.source} ({reference.dated})",
        year=reference.when,
        confidence=reference.confidence,
    )


def _unchecked_claim_finding(text: Message) -> ClaimFinding:
    return ClaimFinding(kind=FindingKind.UNCHECKED, text=text)


def _claim_findings_gravest_first(findings: list[ClaimFinding]) -> tuple[ClaimFinding, ...]:
    """Return findings gravest first; "not checkable" only where nothing else is known."""
    order = list(FindingKind)
    checked = [each for each in findings if each.kind is not FindingKind.UNCHECKED]
    return tuple(sorted(checked or findings, key=lambda each: order.index(each.kind)))
