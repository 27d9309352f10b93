"""The claim auditor on claims of its own: it sees no ids and no verdicts."""

import csv
import math
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commonwatt.audit.domain.intervals import ClaimInterval
from commonwatt.audit.domain.periods import PeriodKind, parse_claim_period
from commonwatt.audit.engines.formula import claim_expression_interval
from commonwatt.audit.usecases import (
    FindingKind,
    audit,
    audit_finding_frame,
    load_claims,
    load_reference_library,
    parse_claims,
)
from commonwatt.siting.domain.errors import ClaimsError
from tests.shared_data import shared_data

HEAD = "id,quote,quantity,low,high,unit,region,period,relates_to\n"


@cache
def _library():
    """The shipped references; to read them takes seconds, as some are costed."""
    return load_reference_library()


def found(*rows: str):
    return audit(parse_claims(HEAD + "\n".join(rows), "claims.csv"), _library())


def kinds(*rows: str):
    return [each.kind for each in found(*rows)]


@pytest.mark.parametrize(
    "row",
    [
        "X1,,electricity price,8.9,9.1,US cents/kWh,US Virginia,2024,",
        "X1,,industrial tariff,66,66,USD/MWh,US Texas,2023,",
        "X1,,electricity price,0.6,0.8,CNY/kWh,CN east,2025,",
        "X1,,power usage effectiveness,1.09,1.09,PUE,US,2024,",
        "X1,,data centre electricity,176,176,TWh,US,2023,",
        "X1,,industrial electricity price,0.3,0.4,CNY/kWh,CN Guizhou,2025,",
        "X1,,electricity price,8.9,8.9,US cents/kWh,Northern Virginia,2023,",
        'X1,,price of one H100,"25,000","40,000",USD,US,2024,',
        "X1,,average industrial power price,6,8,cents/kWh,US Texas,2024,",
        "X1,,price of one H100,25000,40000,USD,US,2024,",
        "X1,,debt ratio,125,125,% of GDP,US,2025,",
        "X1,,borrowing ceiling,900,900,HKD bn,HK,2026,",
        "X1,,construction period,18,24,month,US,2025,",
        "X1,,construction cost,11,13,USD/W,US,2025,",
        "X1,,outstanding government debt,328.7,328.7,HKD bn,HK,2025-07,",
    ],
)
def test_a_true_claim_is_in_line(row):
    assert kinds(row) == [FindingKind.IN_LINE]


@pytest.mark.parametrize(
    "row",
    [
        "X1,,electricity price,8.9,9.1,US cents per kilowatt-hour,US Virginia,2024,",
        "X1,,electricity price,8.9,9.1,¢/kWh,US Virginia,2024,",
        "X1,,electricity price,89,91,$/MWh,Northern Virginia,2024,",
        "X1,,electricity price,0.6,0.8,人民幣/千瓦時,CN east,2025,",
        "X1,,electricity price,0.6,0.8,元/度,CN east,2025,",
        "X1,,borrowing ceiling,9000,9000,億元,HK,2026,",
        'X1,,price of one H100,"25,000","40,000",US$,US,2024,',
    ],
)
def test_a_unit_is_read_however_the_catalogue_spells_it(row):
    assert kinds(row) == [FindingKind.IN_LINE]


@pytest.mark.parametrize(
    ("unit", "region", "words"),
    [
        ("cents/kWh", "the world", "unit cents/kWh is not known"),  # of which money?
        ("furlong", "US", "unit furlong is not known"),
        ("INR/kWh", "India", "No exchange rate of INR"),  # a rate of one would be a guess
    ],
)
def test_money_that_cannot_be_placed_or_exchanged_is_not_checked(unit, region, words):
    (audited,) = found(f"X1,,electricity price,8,9,{unit},{region},2024,")
    assert audited.kind is FindingKind.UNCHECKED
    assert words in str(audited.findings[0].text)


@pytest.mark.parametrize(
    ("row", "factor"),
    [
        ("X1,,electricity price,0.66,0.66,USD/kWh,US Texas,2023,", 10),
        ("X1,,electricity price,8.92,8.92,USD/kWh,US Virginia,2023,", 100),
        ("X1,,electricity price,0.00892,0.00892,USD/kWh,US Virginia,2023,", 0.1),
        ("X1,,government debt,41.46,41.46,HKD bn,HK,2025-12,", 0.1),
        ("X1,,data centre electricity,17.6,17.6,TWh/year,US,2023,", 0.1),
    ],
)
def test_a_slip_of_the_decimal_point_is_named(row, factor):
    (claim,) = found(row)
    assert claim.kind is FindingKind.FACTOR
    assert math.isclose(claim.findings[0].factor, factor, rel_tol=0.05)
    assert "slip" in str(claim.findings[0].text)


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ("X1,,government debt forecast,900,900,HKD bn,HK,2031,", FindingKind.BASIS),
        ("X1,,net bond issuance,160,220,HKD bn a year,HK,2026-27..2030-31,", FindingKind.BASIS),
        ("X1,,debt ratio,130,130,% of GDP,JP,2025,", FindingKind.BASIS),
        ("X1,,land premium,17.5,17.5,HKD bn a year,HK,2025,", FindingKind.BASIS),
        ("X1,,Nvidia market share,85,90,%,CN,2026,", FindingKind.MISDATED),
        ("X1,,fiscal reserves,1170,1170,HKD bn,HK,2024-03,", FindingKind.MISDATED),
        ("X1,,number of moons,3,3,number,CN,2026,", FindingKind.UNCHECKED),
        ("X1,,electricity price,0.1,0.1,USD/kWh,Atlantis,2026,", FindingKind.UNCHECKED),
        ("X1,,grid reliability,,,,US,2026,", FindingKind.UNCHECKED),
        ("X1,,electricity price,1,2,USD/parsec,US,2023,", FindingKind.UNCHECKED),
    ],
)
def test_other_bases_and_dates_are_told_apart(row, kind):
    assert kinds(row) == [kind]


def test_a_ratio_must_follow_from_its_operands():
    rows = (
        "P1,,electricity price,0.08,0.12,USD/kWh,US,2023,",
        "P2,,electricity price,0.3,0.3,CNY/kWh,CN west,2025,",
        "P3,,electricity price ratio,9,9,ratio,US/CN west,2025,P1 / P2",
    )
    last = found(*rows)[2]
    assert FindingKind.INCONSISTENT in {each.kind for each in last.findings}


def test_ratios_turned_the_other_way_round_are_compared():
    rows = (
        "P1,,electricity price ratio,0.5,0.5,ratio,CN/US,2025,P2",
        "P2,,electricity price ratio,2,2,ratio,US/CN,2025,",
        "P3,,electricity price ratio,4,,ratio,US/CN,2025,P1",
    )
    first, _, three = found(*rows)
    assert FindingKind.INCONSISTENT not in {e.kind for e in first.findings if e.other == "P2"}
    assert "P1" in three.verdict()
    assert "P3" in first.verdict()


def test_a_stock_and_a_ratio_of_other_dates_are_found():
    rows = (
        "H1,,government debt outstanding,414.6,414.6,HKD bn,HK,2025-12-31,",
        "H2,,debt ratio,11.7,11.7,% of GDP,HK,2025,",
    )
    ratio = found(*rows)[1]
    assert {FindingKind.MISDATED, FindingKind.BASIS} == {each.kind for each in ratio.findings}


def test_a_discount_on_imported_chips_contradicts_the_import():
    rows = (
        "A1,,hardware purchase cost discount,25,30,%,CN/US,2026,",
        "A2,,high-end training chips are imported,,,,CN,2026,",
    )
    discount, _ = found(*rows)
    assert "A2" in discount.verdict()


@pytest.mark.parametrize(
    ("text", "error", "word"),
    [
        ("X1,,electricity price,2,1,USD/kWh,US,2023,", ClaimsError, "low 2 above high 1"),
        ("X1,,electricity price,1,2,USD/kWh,US,,", ClaimsError, "period"),
        ("X1,,electricity price,1,2,USD/kWh,US,2023,Z9 / Z8", ClaimsError, "Z9"),
        ("X1,,electricity price,one,2,USD/kWh,US,2023,", ClaimsError, "numbers"),
    ],
)
def test_a_row_that_contradicts_itself_is_named(text, error, word):
    with pytest.raises(error, match=word):
        parse_claims(HEAD + text, "claims.csv")


def test_two_claims_of_one_id_are_refused():
    row = "X1,,pue,1.1,1.1,PUE,US,2024,\n"
    with pytest.raises(ClaimsError, match="no other claim"):
        parse_claims(HEAD + row + row, "claims.csv")


def test_a_file_without_the_columns_is_refused(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("id,quote\nA1,b\n", encoding="utf-8")
    with pytest.raises(ClaimsError, match="quantity"):
        load_claims(path)


@pytest.mark.shared_data
def test_the_columns_slips_are_found_unaided():
    audited = audit(load_claims(shared_data("claims", "compute_claims.csv")), _library())
    by_id = {each.claim.id: each for each in audited}
    assert len(by_id) == 37
    for name in ("E4", "E6", "E5", "E7"):
        assert by_id[name].kind is FindingKind.FACTOR
        assert "slip" in str(by_id[name].findings[0].text)
    arithmetic = by_id["E4"].findings[0].arithmetic + by_id["E6"].findings[0].arithmetic
    assert "0.0892" in arithmetic
    assert "0.066" in arithmetic
    assert "0.3528" in arithmetic
    assert "E5" in by_id["E0"].verdict()
    assert "E7" in by_id["E0"].verdict()
    assert "T9" in by_id["C4"].verdict()
    calm = ("U1", "U3", "E2", "E3", "P1", "P2", "C1", "C3", "C5", "T1", "L3")
    assert {by_id[name].kind for name in calm} == {FindingKind.IN_LINE}
    flagged = [e for e in audited if e.kind not in (FindingKind.IN_LINE, FindingKind.UNCHECKED)]
    assert all(f.arithmetic for each in flagged for f in each.findings)
    assert audit_finding_frame(audited).height >= 37


def test_the_verdict_does_not_depend_on_ids():
    row = "electricity price,0.8,1.2,USD/kWh,US east,2026,"
    assert kinds(f"A1,,{row}") == kinds(f"Q77,,{row}") == [FindingKind.FACTOR]


numbers = st.floats(0.1, 10)


@given(numbers, numbers, numbers, numbers, st.floats(0, 1), st.floats(0, 1))
def test_interval_arithmetic_holds_every_value(a, b, c, d, p, q):
    left, two = ClaimInterval(min(a, b), max(a, b)), ClaimInterval(min(c, d), max(c, d))
    x, y = left.low + p * (left.high - left.low), two.low + q * (two.high - two.low)
    for result, value in (
        (left + two, x + y),
        (left - two, x - y),
        (left * two, x * y),
        (left / two, x / y),
    ):
        assert result.low - 1e-9 <= value <= result.high + 1e-9


def test_formulas_follow_precedence():
    values = {"A1": ClaimInterval(2, 2), "B2": ClaimInterval(3, 3)}
    assert claim_expression_interval("A1 + B2 * (A1 - 1) / 3", values).low == 3.0
    with pytest.raises(ClaimsError):
        claim_expression_interval("A1 +", values)


@pytest.mark.parametrize(
    ("text", "kind", "start"),
    [
        ("2026", PeriodKind.CALENDAR, 2026),
        ("2026-27", PeriodKind.FISCAL, 2026.25),
        ("2009-10", PeriodKind.FISCAL, 2009.25),
    ],
)
def test_periods_are_read_as_statistics_write_them(text, kind, start):
    period = parse_claim_period(text)
    assert period is not None
    assert (period.kind, period.start) == (kind, start)


@pytest.mark.shared_data
def test_fiscal_claims_without_a_word_of_their_verdicts():
    path = shared_data("fiscal", "seed_claims_audit.csv")
    wanted = {"F04", "F05", "F06", "F08", "F12", "F13", "F14", "F15", "F16", "F17", "F23"}
    rows = []
    with path.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["id"] in wanted:
                value = row["value"]
                rows.append(
                    f'{row["id"]},"{row["quote"]}",,{value},{value},{row["unit"]},'
                    f"{row['region']},{row['period']},"
                )
    by_id = {each.claim.id: each.kind for each in found(*rows)}
    assert by_id.pop("F13") is FindingKind.BASIS  # the ceiling, quoted as a forecast
    assert by_id.pop("F17") in {
        FindingKind.MISDATED,
        FindingKind.BASIS,
    }  # a fiscal year beside a year's end
    assert set(by_id.values()) == {FindingKind.IN_LINE}
