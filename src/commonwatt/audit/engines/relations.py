"""Claims against each other: their own formulas, and what one implies for another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from commonwatt.audit.domain.claim_units import are_claim_units_comparable
from commonwatt.audit.domain.claims import claim_ids_in_relation
from commonwatt.audit.domain.intervals import ClaimInterval
from commonwatt.audit.domain.library import (
    ReferenceLibrary,
    claim_currency_per_usd_in_nearest_year,
    has_rate_for_claim_currency,
)
from commonwatt.audit.domain.periods import PeriodKind
from commonwatt.audit.engines.findings import ClaimFinding, FindingKind, InterpretedClaim
from commonwatt.audit.engines.formula import (
    claim_expression_interval,
    is_claim_id_without_arithmetic,
    parse_claim_relation,
)
from commonwatt.core.messages import Message

# Non-GPU parts are about 32,000 of a 270,000 USD server (SemiAnalysis as quoted by Epoch AI,
# 2023), margin included in neither; three quarters is a low share for the chips.
CHIP_SHARE: Final = 0.75
APPROXIMATE_SHARE: Final = 0.02  # figures of two digits, each rounded, multiplied

FindingsByClaim = dict[str, list[ClaimFinding]]


def claim_relation_findings_by_claim_id(
    reads: Sequence[InterpretedClaim], library: ReferenceLibrary
) -> FindingsByClaim:
    """Return findings between claims, by claim id."""
    out: FindingsByClaim = {}
    by_id = {read.claim.id: read for read in reads}
    for read in reads:
        for finding, ids in _claim_relation_findings_with_claim_ids(read, by_id, library):
            for name in ids:
                out.setdefault(name, []).append(finding)
    for name, finding in (
        *_chip_import_findings_with_claim_id(reads),
        *_debt_claims_date_findings_with_claim_id(reads, library),
    ):
        out.setdefault(name, []).append(finding)
    return out


def _claim_relation_findings_with_claim_ids(
    read: InterpretedClaim, by_id: Mapping[str, InterpretedClaim], library: ReferenceLibrary
) -> list[tuple[ClaimFinding, tuple[str, ...]]]:
    values = _claim_canonical_usd_intervals_by_id(by_id, library)
    out: list[tuple[ClaimFinding, tuple[str, ...]]] = []
    for statement in parse_claim_relation(read.claim.relation):
        sides = statement.sides
        if len(sides) == 2:
            out += _claim_two_sides_findings_with_claim_ids(read, sides, values)
        elif is_claim_id_without_arithmetic(sides[0]):
            out += _claim_agreement_findings_with_claim_ids(read, by_id[sides[0]])
        elif read.value is not None:
            out += _claim_operand_findings_with_claim_ids(read, read.value, sides[0], values)
    return out


def _claim_canonical_usd_intervals_by_id(
    by_id: Mapping[str, InterpretedClaim], library: ReferenceLibrary
) -> dict[str, ClaimInterval]:
    """Return every figure in canonical units, money in US dollars."""
    out: dict[str, ClaimInterval] = {}
    for name, read in by_id.items():
        value, unit = read.claim.value, read.claim.unit
        if value is None:
            continue
        if unit is None:  # a formula over claims of one unknown unit still holds or fails
            out[name] = value
            continue
        if not has_rate_for_claim_currency(library.money, unit.currency):
            continue
        year = int(read.period.start) if read.period else 2025
        money = (
            claim_currency_per_usd_in_nearest_year(library.money, unit.currency, year)
            if unit.currency
            else 1.0
        )
        # In one currency, so that a formula over dollars and yuan is not computed in neither.
        out[name] = value.scaled(unit.factor / money)
    return out


def _claim_operand_findings_with_claim_ids(
    read: InterpretedClaim, value: ClaimInterval, side: str, values: Mapping[str, ClaimInterval]
) -> list[tuple[ClaimFinding, tuple[str, ...]]]:
    """Check that a claimed ratio follows from the operands that it names."""
    if any(name not in values for name in claim_ids_in_relation(side)):
        return []
    implied = claim_expression_interval(side, values)
    claimed = value
    if not read.is_two_region_comparison_with_value and read.claim.value is not None:
        claimed = read.claim.value.scaled(read.claim.unit.factor if read.claim.unit else 1.0)
    sentence = f"{side} = {implied}; claimed {claimed}"
    if implied.widened(APPROXIMATE_SHARE).overlaps(claimed):
        text = Message("Follows from its own operands: {shown}.", {"shown": sentence})
        return [
            (
                ClaimFinding(kind=FindingKind.IN_LINE, text=text, arithmetic=sentence),
                (read.claim.id,),
            )
        ]
    text = Message("Does not follow from its own operands: {shown}.", {"shown": sentence})
    finding = ClaimFinding(
        kind=FindingKind.INCONSISTENT, text=text, arithmetic=sentence, other=side
    )
    return [(finding, (read.claim.id,))]


def _claim_two_sides_findings_with_claim_ids(
    read: InterpretedClaim, sides: tuple[str, ...], values: Mapping[str, ClaimInterval]
) -> list[tuple[ClaimFinding, tuple[str, ...]]]:
    if any(name not in values for side in sides for name in claim_ids_in_relation(side)):
        return []
    left, right = (claim_expression_interval(side, values) for side in sides)
    sentence = f"{sides[0]} = {left}, {sides[1]} = {right}"
    if left.widened(APPROXIMATE_SHARE).overlaps(right.widened(APPROXIMATE_SHARE)):
        text = Message("Its two sides agree: {shown}.", {"shown": sentence})
        return [
            (
                ClaimFinding(kind=FindingKind.IN_LINE, text=text, arithmetic=sentence),
                (read.claim.id,),
            )
        ]
    text = Message("Its two sides do not agree: {shown}.", {"shown": sentence})
    finding = ClaimFinding(
        kind=FindingKind.INCONSISTENT, text=text, arithmetic=sentence, other=" ".join(sides)
    )
    return [(finding, (read.claim.id,))]


def _claim_agreement_findings_with_claim_ids(
    read: InterpretedClaim, other: InterpretedClaim
) -> list[tuple[ClaimFinding, tuple[str, ...]]]:
    """Check two claims that must agree, turned the same way round."""
    if read.value is None or other.value is None or not _are_claims_comparable(read, other):
        return []
    value, value_of_other = read.value, other.value
    note = ""
    if _do_claims_compare_opposite_ways(read, other):
        # "A is twice B" and "B is half of A" are one claim.
        value = value.inverse()
        note = f"1 / {read.claim.id} = {value}; "
    sentence = f"{note}{read.claim.id} {value} against {other.claim.id} {value_of_other}"
    # As they stand and not widened: both are the writer's own figures, and no source rounds between
    # them.
    if value.overlaps(value_of_other):
        text = Message(
            "Agrees with claim {other}: {shown}.", _claim_pair_message_values(other, sentence)
        )
        return [
            (
                ClaimFinding(kind=FindingKind.IN_LINE, text=text, arithmetic=sentence),
                (read.claim.id,),
            )
        ]
    return [
        (_inconsistent_claim_finding(other, sentence), (read.claim.id,)),
        (_inconsistent_claim_finding(read, sentence), (other.claim.id,)),
    ]


def _inconsistent_claim_finding(other: InterpretedClaim, shown: str) -> ClaimFinding:
    text = Message(
        "Inconsistent with claim {other}: {shown}.", _claim_pair_message_values(other, shown)
    )
    return ClaimFinding(
        kind=FindingKind.INCONSISTENT, text=text, arithmetic=shown, other=other.claim.id
    )


def _claim_pair_message_values(other: InterpretedClaim, shown: str) -> dict[str, str]:
    return {"other": other.claim.id, "shown": shown}


def _are_claims_comparable(read: InterpretedClaim, other: InterpretedClaim) -> bool:
    if read.is_two_region_comparison_with_value != other.is_two_region_comparison_with_value:
        return False
    unit, target = read.claim.unit, other.claim.unit
    if unit is None or target is None:
        return read.claim.unit_text == other.claim.unit_text
    return are_claim_units_comparable(unit, target)


def _do_claims_compare_opposite_ways(read: InterpretedClaim, other: InterpretedClaim) -> bool:
    if not (read.is_two_region_comparison_with_value and other.is_two_region_comparison_with_value):
        return False
    return (
        read.regions[0].split()[0] == other.regions[1].split()[0]
        and read.regions[0].split()[0] != other.regions[0].split()[0]
    )


def _chip_import_findings_with_claim_id(
    reads: Sequence[InterpretedClaim],
) -> list[tuple[str, ClaimFinding]]:
    """Set a discount on hardware against chips that come from the dearer country.

    Imported chips cost at least what they cost at home, so with a share `s` of a
    server's price in chips, a price ratio `q` leaves (q - s) / (1 - s) for the rest.
    """
    out: list[tuple[str, ClaimFinding]] = []
    importing = [read for read in reads if read.quantity and read.quantity.id == "chip_imports"]
    for read in reads:
        if (
            read.quantity is None
            or read.quantity.id != "hardware_price"
            or not read.is_two_region_comparison_with_value
        ):
            continue
        assert read.value is not None
        rest = ClaimInterval(
            (read.value.low - CHIP_SHARE) / (1 - CHIP_SHARE),
            (read.value.high - CHIP_SHARE) / (1 - CHIP_SHARE),
        )
        # Other parts may well cost half elsewhere; below that the discount is not theirs.
        if rest.arithmetic_midpoint >= 0.5:
            continue
        for other in importing:
            if other.regions and other.regions[0].split()[0] == read.regions[0].split()[0]:
                out += _chip_discount_import_findings_with_claim_id(read, other, rest)
    return out


def _chip_discount_import_findings_with_claim_id(
    read: InterpretedClaim, other: InterpretedClaim, rest: ClaimInterval
) -> list[tuple[str, ClaimFinding]]:
    """Blame the discount; say beside the import, which is the plainer fact, what it rules out."""
    shown = (
        f"(q - s) / (1 - s) = ({read.value} - {CHIP_SHARE}) / {1 - CHIP_SHARE:g} = {rest} "
        "of the foreign price for everything but the chips"
    )
    text = Message(
        "Inconsistent with claim {other}: imported chips cost no less than at home, "
        "so the rest of the server would have to cost {rest} of the price there.",
        {"other": other.claim.id, "rest": str(rest)},
    )
    clash = ClaimFinding(
        kind=FindingKind.INCONSISTENT, text=text, arithmetic=shown, other=other.claim.id
    )
    beside = Message("Where it holds, claim {other} cannot.", {"other": read.claim.id})
    ruled = ClaimFinding(
        kind=FindingKind.IN_LINE, text=beside, arithmetic=shown, other=read.claim.id
    )
    return [(read.claim.id, clash), (other.claim.id, ruled)]


def _debt_claims_date_findings_with_claim_id(
    reads: Sequence[InterpretedClaim], library: ReferenceLibrary
) -> list[tuple[str, ClaimFinding]]:
    """Find a debt stock and a debt ratio set side by side that belong to different dates."""
    stocks = [read for read in reads if read.quantity and read.quantity.id == "government_debt"]
    ratios = [read for read in reads if read.quantity and read.quantity.id == "debt_ratio"]
    out: list[tuple[str, ClaimFinding]] = []
    for stock in stocks:
        for ratio in ratios:
            if stock.regions == ratio.regions and _are_debt_claims_of_overlapping_period(
                stock, ratio
            ):
                out += _misdated_debt_ratio_findings_with_claim_id(stock, ratio, library)
    return out


def _are_debt_claims_of_overlapping_period(
    stock: InterpretedClaim, ratio: InterpretedClaim
) -> bool:
    if stock.period is None or ratio.period is None:
        return False
    # A fiscal year's stock over a calendar year's GDP differs by a quarter of growth, and is no
    # mistake of the writer's.
    fiscal = (stock.period.kind is PeriodKind.FISCAL) == (ratio.period.kind is PeriodKind.FISCAL)
    return fiscal and stock.period.overlap_years(ratio.period) > 0


def _misdated_debt_ratio_findings_with_claim_id(
    stock: InterpretedClaim, ratio: InterpretedClaim, library: ReferenceLibrary
) -> list[tuple[str, ClaimFinding]]:
    assert stock.value is not None or ratio.value is not None
    if stock.value is None or ratio.value is None or stock.period is None:
        return []
    gdps = [
        each
        for each in library.references_of_region_members_or_parent("gdp", stock.regions[0])
        if each.period.overlap_years(stock.period) > 0
    ]
    if not gdps:
        return []
    implied = ClaimInterval(
        # The widest that the known GDPs allow: a clash must not come from the choice of a vintage.
        100 * stock.value.low / max(each.value.high for each in gdps),
        100 * stock.value.high / min(each.value.low for each in gdps),
    )
    # A ratio is printed to a tenth of a point and a stock to a tenth of a billion.
    if implied.widened(0.015).overlaps(ratio.value):
        return []
    names = ", ".join(f"{each.value} ({each.when})" for each in gdps)
    shown = f"{stock.claim.id} {stock.value} / GDP {names} = {implied} %; claimed {ratio.value} %"
    text = Message(
        "Ratio and stock belong to different dates: {other} over GDP is {implied} %.",
        {"other": stock.claim.id, "implied": str(implied)},
    )
    finding = ClaimFinding(
        kind=FindingKind.MISDATED, text=text, arithmetic=shown, other=stock.claim.id,
        source=gdps[0].source, year=gdps[0].when,
    )  # fmt: skip
    return [(ratio.claim.id, finding)]
