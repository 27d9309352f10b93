"""The judge against a library of a few references, so that every verdict is worked by hand."""

from dataclasses import replace
from functools import cache

import pytest

from commonwatt.audit.domain.intervals import ClaimInterval
from commonwatt.audit.domain.library import ReferenceValue
from commonwatt.audit.domain.periods import parse_claim_period
from commonwatt.audit.engines.judge import rounded_claim_factor_text
from commonwatt.audit.usecases import (
    FindingKind,
    audit,
    load_reference_library,
    parse_claims,
)

HEAD = "id,quote,quantity,low,high,unit,region,period,relates_to\n"


@cache
def _shipped():
    return load_reference_library()


FACTOR, MISDATED, BASIS, IN_LINE, UNCHECKED = (
    FindingKind.FACTOR, FindingKind.MISDATED, FindingKind.BASIS, FindingKind.IN_LINE,
    FindingKind.UNCHECKED,
)  # fmt: skip


def reference(low, high=None, *, quantity="electricity_price", region="US", when="2024",
              basis="retail", centre=None, source="EIA", note=""):  # fmt: skip
    high = low if high is None else high
    return ReferenceValue(
        quantity=quantity, region=region, value=ClaimInterval(low, high),
        centre=(low + high) / 2 if centre is None else centre, basis=basis, when=when,
        period=parse_claim_period(when), source=source, dated="2025-01-01", confidence="official",
        note=note,
    )  # fmt: skip


def judged(row, *references):
    by_quantity = {}
    for each in references:
        by_quantity.setdefault(each.quantity, []).append(each)
    library = replace(_shipped(), references=references, by_quantity=by_quantity)
    (claim,) = audit(parse_claims(HEAD + row, "claims.csv"), library)
    (finding,) = claim.findings
    return finding


def price(low, high="", unit="USD/kWh", region="US", period="2024", words="electricity price"):
    return f"X1,,{words},{low},{high},{unit},{region},{period},"


TENTH = reference(0.1)


@pytest.mark.parametrize(
    ("low", "high", "kind"),
    [
        # Three digits may miss by two per cent, two digits by five.
        (0.102, 0.102, IN_LINE), (0.0981, 0.0981, IN_LINE), (0.1031, 0.1031, FACTOR),
        (0.1029, 0.1029, FACTOR), (0.0969, 0.0969, FACTOR), (0.11, 0.11, FACTOR),
        (0.096, 0.096, IN_LINE), (0.094, 0.094, FACTOR),
        # A span that begins above is no rounded figure, and one that reaches down agrees.
        (0.104, 0.2, FACTOR), (0.05, 0.2, IN_LINE), (0.1015, 0.2, IN_LINE),
    ],
)  # fmt: skip
def test_a_claim_may_miss_one_official_figure_by_its_own_rounding(low, high, kind):
    assert judged(price(low, high), TENTH).kind is kind


@pytest.mark.parametrize(
    ("value", "kind"),
    [(0.109, IN_LINE), (0.132, IN_LINE), (0.1335, FACTOR), (0.0902, IN_LINE), (0.0885, FACTOR)],
)
def test_a_claim_may_miss_a_survey_by_a_tenth(value, kind):
    assert judged(price(value, value), reference(0.1, 0.1205)).kind is kind


def test_a_span_of_five_per_cent_is_still_one_figure():
    assert judged(price(0.1095, 0.1095), reference(0.1, 0.105)).kind is FACTOR
    assert judged(price(0.1095, 0.1095), reference(0.1, 0.1051)).kind is IN_LINE


def test_what_agrees_says_with_what_and_where_that_stands():
    finding = judged(price(0.1, 0.1), TENTH)
    assert (str(finding.text), finding.arithmetic) == (
        "Agrees with 0.1 (retail).", "claim 0.1; reference US 0.1 in 2024")  # fmt: skip
    assert (finding.source, finding.year, finding.confidence) == (
        "EIA (2025-01-01)", "2024", "official")  # fmt: skip
    noted = judged(price(0.1, 0.1), replace(TENTH, note="taxed"))
    assert noted.arithmetic == "claim 0.1; reference US 0.1 in 2024 [taxed]"


@pytest.mark.parametrize(
    ("value", "words", "factor"),
    [
        (0.3, "About 3.0 times too high against 0.1 USD/kWh.", 3.0),
        (0.025, "About 4.0 times too low against 0.1 USD/kWh.", 0.25),
        (1.0, "About 10 times too high against 0.1 USD/kWh; divided by 10 it is 0.1 and lands on "
              "the reference, as after a slip of the unit or the decimal point.", 10.0),
        (0.001, "About 100 times too low against 0.1 USD/kWh; divided by 1/100 it is 0.1 and "
                "lands on the reference, as after a slip of the unit or the decimal point.", 0.01),
        (1.04, "divided by 10 it is 0.104 and lands", 10.4),
        (0.96, "divided by 10 it is 0.096 and lands", 9.6),
        (100_000, "divided by 1e+06 it is 0.1", 1e6),
        (1e-7, "divided by 1/1e+06 it is 0.1", 1e-6),
        (100, "divided by 1000 it is 0.1", 1000),
        (1000, "divided by 10000 it is 0.1", 1e4),
    ],
)  # fmt: skip
def test_a_wrong_factor_is_named_and_a_slip_of_ten_is_seen(value, words, factor):
    finding = judged(price(value, value), TENTH)
    assert finding.kind is FACTOR
    assert words in str(finding.text)
    assert finding.factor == pytest.approx(factor)
    assert finding.arithmetic == (
        f"claim {value:.4g}; reference US 0.1 in 2024; {value:.4g} / 0.1 = {factor:.3g}"
    )


@pytest.mark.parametrize("value", [1.06, 0.94, 10_000.0, 3.0])
def test_what_lands_beside_the_reference_is_no_slip(value):
    assert "slip" not in str(judged(price(value, value), TENTH).text)


@pytest.mark.parametrize(
    ("claim", "low", "high", "slips"),
    [
        # A reference that spans more than six times is met by chance.
        (2.5, 0.05, 0.29, True), (2.5, 0.05, 0.3, True), (2.5, 0.05, 0.31, False),
        # What is left must lie near one: 8 / 10 meets the low end of 0.75–2.9, far from its centre.
        (8.0, 0.75, 2.9, True), (8.0, 0.75, 4.4, False),
        (20.0, 0.5, 2.5, True), (20.0, 0.5, 1.05, False),
    ],
)  # fmt: skip
def test_a_slip_lands_on_a_reference_that_is_narrow_enough_and_near_it(claim, low, high, slips):
    centre = {2.9: 1.8, 4.4: 2.1}.get(high)
    finding = judged(price(claim, claim), reference(low, high, centre=centre))
    assert finding.kind is FACTOR
    assert ("slip" in str(finding.text)) is slips


@pytest.mark.parametrize(("low", "centre"), [(0.0, 0.0), (-0.1, -0.1)])
def test_a_reference_of_no_or_another_sign_has_no_factor(low, centre):
    finding = judged(price(0.5, 0.5), reference(low, centre=centre))
    assert finding.kind is FACTOR
    assert str(finding.text).startswith("Does not meet")
    assert "too" not in str(finding.text)
    assert finding.factor != finding.factor


OLD, NEW = reference(0.05, when="2019"), reference(0.1, when="2024")


@pytest.mark.parametrize("references", [(OLD, NEW), (NEW, OLD)])
def test_the_reference_of_the_claim_s_own_date_is_meant(references):
    assert judged(price(0.05, 0.05, period="2019"), *references).kind is IN_LINE
    assert judged(price(0.1, 0.1, period="2024"), *references).kind is IN_LINE
    finding = judged(price(0.05, 0.05, period="2024"), *references)
    assert finding.kind is MISDATED
    assert str(finding.text) == (
        "Holds for 2019, not for 2024: then it was 0.05, later 0.1 (2024)."
    )
    assert judged(price(0.3, 0.3, period="2019"), *references).year == "2019"


@pytest.mark.parametrize("turned", [False, True])
def test_words_of_a_basis_choose_among_references_of_one_date(turned):
    gross, net = reference(0.1, basis="gross, taxed"), reference(0.2, basis="net")
    both = (net, gross) if turned else (gross, net)
    for words, value, kind in [
        ("gross electricity price", 0.1, IN_LINE), ("net electricity price", 0.2, IN_LINE),
        ("gross electricity price", 0.2, BASIS), ("net electricity price", 0.1, BASIS),
    ]:  # fmt: skip
        finding = judged(price(value, value, words=words), *both)
        assert finding.kind is kind, (words, value)
    assert str(judged(price(0.2, 0.2, words="gross electricity price"), *both).text) == (
        "Holds on another basis: net; on gross, taxed it is 0.1."
    )


def test_another_basis_of_a_far_date_is_a_wrong_date():
    far = reference(0.2, basis="net", when="2020")
    assert judged(price(0.2, 0.2), TENTH, far).kind is MISDATED
    near = reference(0.2, basis="net", when="2024")
    assert judged(price(0.2, 0.2), TENTH, near).kind is BASIS


@pytest.mark.parametrize(
    ("wanted", "when", "meant"),
    [
        # A date that overlaps comes before one that only touches.
        ("2024", ("2025", "2024-12"), "2024-12"),
        # Of two that overlap alike, the same kind of period.
        ("2024-25", ("2024", "2024-25"), "2024-25"),
        ("2024", ("2023-24", "2024"), "2024"),
        ("2024-06", ("2023-24", "2024-06"), "2024-06"),
        # A month stands nearer to a calendar year than a fiscal year does.
        ("2024", ("2024-25", "2024-08"), "2024-08"),
        # A tie goes to the one that ends last.
        ("2024", ("2024-03", "2024-09"), "2024-09"),
    ],
)
def test_the_nearest_period_of_the_same_kind_is_meant(wanted, when, meant):
    references = [reference(0.1 * 7**n, when=text) for n, text in enumerate(when)]
    for order in (references, references[::-1]):
        assert judged(price(3, 3, period=wanted), *order).year == meant


@pytest.mark.parametrize("turned", [False, True])
def test_without_a_year_the_newest_reference_of_the_basis_named_is_meant(turned):
    references = [reference(0.05, when="2019", basis="gross"), reference(0.1, when="2024"),
                  reference(0.4, when="2021")]  # fmt: skip
    references = references[::-1] if turned else references
    for words, value, kind, year in [
        ("electricity price", 0.1, IN_LINE, "2024"),
        ("electricity price", 0.05, BASIS, "2019"), ("electricity price", 0.4, MISDATED, "2021"),
        ("gross electricity price", 0.05, IN_LINE, "2019"),
    ]:  # fmt: skip
        finding = judged(price(value, value, period="today", words=words), *references)
        assert (finding.kind, finding.year) == (kind, year)


FLOW = {"quantity": "deficit", "region": "HK"}


def flow(low, high, period, words="budget deficit"):
    return f"X1,,{words},{low},{high},HKD bn a year,HK,{period},"


def test_a_flow_of_a_fiscal_year_is_not_that_of_a_calendar_year():
    fiscal = reference(100.0, when="2024-25", **FLOW)
    finding = judged(flow(100, 100, "2024"), fiscal)
    assert finding.kind is BASIS
    assert "fiscal year 2024-25, not of a calendar year" in str(finding.text)
    assert judged(flow(100, 100, "2024-25"), fiscal).kind is IN_LINE
    assert judged(flow(100, 100, "2024"), reference(100.0, when="2024", **FLOW)).kind is IN_LINE
    # A stock on a day is the same in either kind of year.
    stock = reference(100.0, quantity="government_debt", region="HK", when="2024-25")
    row = "X1,,outstanding government debt,100,100,HKD bn,HK,2024,"
    assert judged(row, stock).kind is IN_LINE


def test_a_balance_below_zero_is_a_deficit():
    deficit = reference(100.0, when="2024-25", **FLOW)
    for low, high, kind in [(-100, -100, IN_LINE), (-120, -90, IN_LINE), (-200, -150, FACTOR),
                            (100, 100, IN_LINE), (-50, 50, FACTOR)]:  # fmt: skip
        assert judged(flow(low, high, "2024-25"), deficit).kind is kind, (low, high)
    none = reference(0.0, when="2024-25", **FLOW)
    assert judged(flow(0, 0, "2024-25"), none).kind is IN_LINE


DEBT = {"region": "HK", "when": "2025"}
OWED = reference(300.0, quantity="government_debt", basis="outstanding", **DEBT)
MAY_OWE = reference(900.0, quantity="borrowing_ceiling", basis="legal", **DEBT)


def test_a_ceiling_taken_for_a_debt_is_named():
    row = "X1,,outstanding government debt,{0},{0},HKD bn,HK,2025,"
    finding = judged(row.format(900), OWED, MAY_OWE)
    assert finding.kind is BASIS
    assert (
        str(finding.text) == "The figure is the borrowing ceiling (legal), not the government debt."
    )
    assert "900" in finding.arithmetic
    # Quoted, not rounded: one per cent is the most that it may miss.
    assert judged(row.format(908), OWED, MAY_OWE).kind is BASIS
    assert judged(row.format(912), OWED, MAY_OWE).kind is FACTOR
    assert judged(row.format(300), OWED, MAY_OWE).kind is IN_LINE
    turned = "X1,,borrowing ceiling,300,300,HKD bn,HK,2025,"
    assert "government debt (outstanding), not the borrowing" in str(
        judged(turned, OWED, MAY_OWE).text
    )
    other = "X1,,fiscal reserves,900,900,HKD bn,HK,2025,"
    reserves = reference(500.0, quantity="fiscal_reserves", **DEBT)
    assert judged(other, reserves, OWED, MAY_OWE).kind is FACTOR


def ratio(low, high="", unit="ratio", words="electricity price ratio", region="US/CN"):
    return f"X1,,{words},{low},{high},{unit},{region},2024,"


HERE = reference(0.1, 0.12, centre=0.11, source="EIA", basis="retail")
THERE = reference(0.04, 0.05, centre=0.044, region="CN", source="NDRC", basis="grid")


def test_a_comparison_is_held_against_the_ratio_of_two_references():
    finding = judged(ratio(2.5, 2.5), HERE, THERE)  # 0.1 / 0.05 to 0.12 / 0.04
    assert finding.kind is IN_LINE
    assert str(finding.text) == "Agrees with 2–3 (retail / grid)."
    assert finding.arithmetic == (
        "claim 2.5; reference US/CN 2–3 in 2024 [(US 0.1–0.12 in 2024) / (CN 0.04–0.05 in 2024)]"
    )
    assert finding.source == "EIA; NDRC (2025-01-01)"
    same = judged(ratio(2.5, 2.5), HERE, replace(THERE, basis="retail", source="EIA"))
    assert (str(same.text), same.source) == ("Agrees with 2–3 (retail).", "EIA (2025-01-01)")
    far = judged(ratio(25, 25), HERE, THERE)
    assert far.factor == pytest.approx(25 / (0.11 / 0.044))
    assert "About 10 times too high against 2–3; divided by 10 it is 2.5" in str(far.text)
    turned = judged(ratio(0.4, 0.4, region="CN/US"), HERE, THERE)
    assert turned.kind is IN_LINE


@pytest.mark.parametrize("low", [0.0, -0.01])
def test_a_ratio_over_nothing_is_no_reference(low):
    nothing = replace(THERE, value=ClaimInterval(low, 0.05))
    for references, region in [((HERE, nothing), "US/CN"), ((HERE, nothing), "CN/US")]:
        finding = judged(ratio(2.5, 2.5, region=region), *references)
        assert finding.kind is UNCHECKED
        assert "No reference" in str(finding.text)


@pytest.mark.parametrize(
    ("low", "high", "unit", "words", "kind"),
    [
        # "20 to 30 % cheaper" claims a ratio of 0.7 to 0.8.
        (20, 30, "%", "electricity price discount", IN_LINE),
        (20, 30, "%", "electricity price", FACTOR),
        (70, 80, "%", "electricity price", IN_LINE),
        (70, 80, "%", "electricity price cheaper", FACTOR),
        # A ratio of 0.75 times is a ratio, whatever the words around it.
        (0.75, 0.75, "ratio", "electricity price discount", IN_LINE),
        (0.75, 0.75, "times", "electricity price cheaper", IN_LINE),
        (5, 12, "%", "electricity price discount", FACTOR),
        (40, 60, "%", "electricity price discount", FACTOR),
    ],
)
def test_a_discount_is_one_less_its_share(low, high, unit, words, kind):
    references = (reference(0.072, 0.078), reference(0.1, region="CN"))
    assert judged(ratio(low, high, unit, words), *references).kind is kind


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (price(0.1, 0.1, unit="USD/parsec"), "Its unit USD/parsec is not known."),
        (price(0.1, 0.1, unit="ZZZ/kWh"), "Its unit"),
        ("X1,,number of moons,3,3,number,US,2024,", "No quantity of the library"),
        (price(0.1, 0.1, region="Atlantis"), "Its region is not in the library."),
        (ratio(2, 2, region="US/Atlantis"), "Its region is not in the library."),
        (price(0.1, 0.1, region="JP"), "No reference for this quantity and region."),
    ],
)
def test_what_cannot_be_looked_up_says_why_the_first_reason_first(row, words):
    finding = judged(row, TENTH)
    assert finding.kind is UNCHECKED
    assert str(finding.text).startswith(words)
    assert (finding.arithmetic, finding.source) == ("", "")


def test_a_claim_without_a_figure_has_a_reference_beside_it():
    finding = judged(price("", ""), TENTH)
    assert finding.kind is UNCHECKED
    assert "no figure to check" in str(finding.text)
    assert finding.arithmetic == "reference US 0.1 in 2024"
    assert finding.source == "EIA (2025-01-01)"


def test_a_region_without_a_figure_is_told_the_dearest_of_its_country():
    there = (TENTH, reference(0.3, region="US California"), reference(0.2, region="US Texas"))
    finding = judged(price(0.9, 0.9, region="US Virginia"), *there)
    assert finding.kind is FACTOR
    assert finding.arithmetic.endswith("; dearest in the country: US California 0.3")
    own = judged(price(0.9, 0.9, region="US Texas"), *there)
    assert "dearest" not in own.arithmetic


def test_money_goes_at_the_rate_of_the_claim_s_year():
    rates = _shipped().money.per_usd
    for year in (2016, 2023):
        value = 0.1 * rates["CNY", year]
        row = price(f"{value:.6f}", f"{value:.6f}", unit="CNY/kWh", period=str(year))
        finding = judged(row, reference(0.1, when=str(year)))
        assert finding.kind is IN_LINE
        assert finding.arithmetic.startswith("claim 0.1;")
    assert abs(rates["CNY", 2016] / rates["CNY", 2023] - 1) > 0.05


@pytest.mark.parametrize(
    ("number", "text"),
    [(126.4, "126"), (10.98, "11"), (9.96, "10"), (9.95, "10"), (9.94, "9.9"), (1.64, "1.6")],
)
def test_a_factor_of_two_digits_is_said_whole(number, text):
    assert rounded_claim_factor_text(number) == text


def test_the_verdict_names_every_grave_kind_once_and_the_gravest_first():
    library = replace(_shipped(), references=(TENTH,), by_quantity={"electricity_price": [TENTH]})
    rows = [price(0.1, 0.1), price(0.025, 0.025).replace("X1", "X2"),
            "X3,,number of moons,3,3,number,US,2024,",
            price(0.2, 0.2)[:-1].replace("X1", "X4") + ",X1"]  # fmt: skip
    first, low, moons, high = audit(parse_claims(HEAD + "\n".join(rows), "claims.csv"), library)
    assert (low.kind, low.verdict()) == (FACTOR, "wrong by a factor of 4.0")
    assert (moons.kind, moons.verdict()) == (UNCHECKED, "not checkable")
    assert (high.kind, high.quantity) == (FACTOR, "electricity_price")
    assert high.verdict().split("; ")[0] == "wrong by a factor of 2.0"
    assert moons.quantity == ""
    assert [each.claim.id for each in (first, low, moons, high)] == ["X1", "X2", "X3", "X4"]
    for each in (first, low, moons, high):
        order = [list(FindingKind).index(finding.kind) for finding in each.findings]
        assert order == sorted(order)


@pytest.mark.parametrize(
    "mark",
    ["gross", "net", "ceiling", "forecast", "fiscal", "calendar", "federal", "general",
     "network", "application", "operational", "plant", "design", "best", "major"],
)  # fmt: skip
def test_a_word_of_a_basis_says_which_of_two_references_is_meant(mark):
    plain, marked = reference(0.1, basis="survey"), reference(0.3, basis=f"{mark} figure")
    for references in ((plain, marked), (marked, plain)):
        said_so = judged(price(0.3, 0.3, words=f"{mark} electricity price"), *references)
        assert (said_so.kind, said_so.arithmetic) == (
            IN_LINE, "claim 0.3; reference US 0.3 in 2024")  # fmt: skip
        # The other one's figure under this word holds on another basis.
        other = judged(price(0.1, 0.1, words=f"{mark} electricity price"), *references)
        assert other.kind is BASIS


def test_a_small_factor_is_said_as_it_is_and_a_wrong_sign_has_none():
    def audited(row):
        library = replace(
            _shipped(), references=(TENTH,), by_quantity={"electricity_price": [TENTH]}
        )
        (claim,) = audit(parse_claims(HEAD + row, "claims.csv"), library)
        return claim

    assert audited(price(0.15, 0.15)).verdict() == "wrong by a factor of 1.5"
    assert audited(price(0.0625, 0.0625)).verdict() == "wrong by a factor of 1.6"
    wrong_sign = audited(price(-0.1, -0.1))
    assert wrong_sign.kind is FACTOR
    assert "not even in sign" in str(wrong_sign.findings[0].text)
    assert "factor of" not in wrong_sign.verdict()


@pytest.mark.parametrize(("value", "words"), [(0.15, "1.5 times too high"), (0.08, "too low")])
def test_a_factor_below_two_is_told_in_its_direction(value, words):
    assert words in str(judged(price(value, value), TENTH).text)


def test_what_could_not_be_looked_up_is_left_out_beside_what_was_seen():
    library = replace(_shipped(), references=(), by_quantity={})
    rows = [price(0.1, 0.1), price(0.2, 0.2).replace("X1", "X2") + "X1"]
    claims = audit(parse_claims(HEAD + "\n".join(rows), "claims.csv"), library)
    seen = [finding.kind for claim in claims for finding in claim.findings]
    assert FindingKind.INCONSISTENT in seen
    for claim in claims:
        kinds = {finding.kind for finding in claim.findings}
        assert kinds == {UNCHECKED} or UNCHECKED not in kinds
    (alone,) = audit(parse_claims(HEAD + price(0.1, 0.1), "claims.csv"), library)
    assert [finding.kind for finding in alone.findings] == [UNCHECKED]
