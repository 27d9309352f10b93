"""Laws of units: text and value go round, conversion composes, pint agrees."""

from fractions import Fraction

import pint
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from commonwatt.catalogue.errors import UnitError
from commonwatt.catalogue.units import (
    convert,
    format_quantity,
    format_unit,
    is_same_unit_kind,
    parse_quantity,
    parse_unit,
)
from commonwatt.catalogue.units.reference import pint_unit_registry, unit_as_pint_quantity
from commonwatt.catalogue.units.table import CURRENCIES, UNITS, unit_lookup_table
from tests.proofs import PROOFS

NAMES = sorted(unit_lookup_table().factors)
SYMBOLS = sorted(
    {**unit_lookup_table().symbols, **unit_lookup_table().words, **unit_lookup_table().chinese}
)
PLAIN = [name for name in NAMES if name not in unit_lookup_table().offsets]
SCALES = ["", "mn", "bn", "trn", "thousand", "百萬", "億", "萬"]
values = st.floats(-1e12, 1e12, allow_nan=False).map(lambda value: float(f"{value:.12g}"))


def _spelled(name):
    return st.sampled_from([s for s in SYMBOLS if _name_of(s) == name])


def _name_of(spelling):
    unit_table = unit_lookup_table()
    return (
        unit_table.symbols.get(spelling)
        or unit_table.words.get(spelling)
        or unit_table.chinese.get(spelling)
    )


@st.composite
def units(draw):
    """A unit of up to three words, spelled in any way that the table knows."""
    over = draw(st.sampled_from(PLAIN))
    under = draw(st.lists(st.sampled_from(PLAIN), max_size=2))
    currencies = {row.name for row in CURRENCIES}
    assume(sum(name in currencies for name in (over, *under)) <= 1)
    text = draw(_spelled(over))
    if over in currencies:
        text = f"{text} {draw(st.sampled_from(SCALES))}".strip()
    for name in under:
        text += draw(st.sampled_from(["/", " per ", " / "])) + draw(_spelled(name))
    return text


@given(values, units(), st.sampled_from(["en", "zh-Hant"]))
@settings(max_examples=PROOFS.size(100, 1_000))
def test_a_quantity_that_is_shown_is_read_back(value, text, language):
    unit = parse_unit(text)
    shown = format_quantity(value, unit, language)
    assert parse_quantity(shown, unit) == pytest.approx(value, rel=1e-12, abs=1e-300)


@given(units(), st.sampled_from(["en", "zh-Hant"]))
@settings(max_examples=PROOFS.size(100, 1_000))
def test_a_heading_is_the_unit_that_it_names(text, language):
    unit = parse_unit(text)
    again = parse_unit(format_unit(unit, language))
    assert (again.ratio, again.dims) == (unit.ratio, unit.dims)


@pytest.mark.parametrize(
    ("form", "power", "times"),
    [("{}", 1, 1), ("{}/kWh", 1, 1), ("USD/{}", -1, 1), ("{} per h", 1, Fraction(1, 3600)),
     ("{}/GPU-hour", 1, Fraction(1, 3600))],
)  # fmt: skip
def test_every_spelling_keeps_its_meaning_beside_another(form, power, times):
    for spelling in SYMBOLS:
        unit = parse_unit(form.format(spelling))
        assert unit.ratio == unit_lookup_table().factors[_name_of(spelling)] ** power * times, (
            spelling
        )
        for language in ("en", "zh-Hant"):
            again = parse_unit(format_unit(unit, language))
            assert (again.ratio, again.dims) == (unit.ratio, unit.dims), spelling


@given(values, values, units(), units())
def test_conversion_is_linear(amount, other, text, second):
    unit = parse_unit(text)
    # Another unit of the same kind: the same words, counted in another factor.
    target = parse_unit(f"{text}/1000") if unit.dims else parse_unit("%")
    total = convert(amount, unit, target) + convert(other, unit, target)
    scale = max(abs(amount), abs(other), 1.0) * float(unit.ratio / target.ratio)
    assert convert(amount + other, unit, target) == pytest.approx(total, abs=1e-9 * scale)


KINDS = {}
for _name in PLAIN:
    KINDS.setdefault(unit_lookup_table().dims[_name], []).append(_name)
ALL_KINDS = sorted({unit_lookup_table().dims[name] for name in NAMES})
SHARED = [names for names in KINDS.values() if len(names) >= 2]


def _text(name):
    return unit_lookup_table().printed[name][0]


@given(values, st.sampled_from(SHARED), st.data())
def test_conversion_composes_and_turns_back(value, names, data):
    first, second, third = (_text(data.draw(st.sampled_from(names))) for _ in range(3))
    direct = convert(value, first, third)
    assert convert(convert(value, first, second), second, third) == pytest.approx(direct, rel=1e-12)
    assert convert(direct, third, first) == pytest.approx(value, rel=1e-12)


@st.composite
def two_kinds(draw):
    """Give units of two kinds: the kinds first, so that one with few units is met as often."""
    first, second = draw(st.lists(st.sampled_from(ALL_KINDS), min_size=2, max_size=2, unique=True))
    return tuple(
        draw(st.sampled_from([name for name in NAMES if unit_lookup_table().dims[name] == kind]))
        for kind in (first, second)
    )


@given(values, two_kinds())
@settings(max_examples=PROOFS.size(100, 1_000))
def test_units_of_two_kinds_never_meet(value, names):
    source_name, other = names
    source, target = parse_unit(_text(source_name)), parse_unit(_text(other))
    assert not is_same_unit_kind(source, target)
    with pytest.raises(UnitError):
        convert(value, source, target)
    with pytest.raises(UnitError):
        parse_quantity(f"{value} {_text(source_name)}", target)


@given(st.sampled_from(SHARED), st.data())
def test_units_of_one_kind_always_meet(names, data):
    unit_name, other = (data.draw(st.sampled_from(names)) for _ in range(2))
    expected = unit_lookup_table().factors[unit_name] / unit_lookup_table().factors[other]
    assert convert(1.0, _text(unit_name), _text(other)) == pytest.approx(float(expected), rel=1e-15)


RAW = st.text(max_size=40)
PIECES = st.lists(
    st.one_of(
        st.sampled_from([*SYMBOLS, *SCALES, "$", "¢", "元", "of GDP", "CO2e", "2024 prices", "a"]),
        st.sampled_from(["/", " ", "-", "^", "**", "(", ")", ".", ",", "1", "2", "-1", "²", "每"]),
        st.text(max_size=3),
    ),
    max_size=9,
).map("".join)


@given(st.one_of(RAW, PIECES), st.sampled_from(["", "HKD", "EUR"]))
@settings(max_examples=PROOFS.size(300, 3_000))
@example("²", "")
@example("m" + "^9" * 90, "")
@example("9" * 190 + " kWh", "")
@example("(" * 150, "")
@example("1e9999999999 W", "")
@example("K^9/" * 20 + "K", "")
@example("EFLOP^9 " * 20, "")
@example("5 " + "{where}", "")
@example("٣ kWh", "")
@example("①²½ kWh", "")
def test_any_text_is_read_or_refused_with_place_and_remedy(text, home):
    place = {"home": home, "where": "t.csv, row 2"}
    errors = (
        _refusal(parse_unit, text, **place),
        _refusal(parse_quantity, text, "kWh", **place),
        _refusal(parse_quantity, f"5 {text}", "USD", **place),
    )
    for error in filter(None, errors):
        assert error.where == "t.csv, row 2"
        assert error.found
        assert error.wanted
        assert error.remedy
        assert error.translate("zh-Hant").startswith("t.csv, row 2")


def _refusal(read, *given, **named):
    try:
        read(*given, **named)
    except UnitError as error:
        return error
    return None


@given(st.integers(-(10**9), 10**9), st.integers(0, 9))
def test_thousands_may_be_separated_in_the_english_way(digits, decimals):
    value = digits / 10**decimals
    for text in (f"{value:,.{decimals}f}", f"{value:,.{decimals}f}".replace(",", " ")):
        assert parse_quantity(f"{text} kWh", "kWh") == value
        assert parse_quantity(f"{text.replace('-', '−')} kWh", "kWh") == value


@given(st.integers(0, 10**9), st.integers(1, 99))
def test_a_decimal_comma_is_never_guessed(whole, cents):
    for text in (f"{whole},{cents:02d}", f"{whole:,}".replace(",", ".") + f",{cents:02d}",
                 f"{whole:,}".replace(",", " ") + f",{cents:02d}"):  # fmt: skip
        with pytest.raises(UnitError, match="two ways"):
            parse_quantity(f"{text} kWh", "kWh")


@given(st.decimals(-(10**6), 10**6, places=4), st.sampled_from(["bn", "億", "萬億", "thousand"]))
def test_a_text_is_rounded_once(value, scale):
    unit = parse_unit(f"HKD {scale}")
    exact = Fraction(value) * unit.ratio / parse_unit("HKD mn").ratio
    assert parse_quantity(f"{value} {unit.text}", "HKD mn") == float(exact)


@given(values, st.sampled_from(SHARED), st.data())
def test_pint_converts_as_we_do(value, names, data):
    """The reference: pint, from the same definitions."""
    unit, other = (parse_unit(_text(data.draw(st.sampled_from(names)))) for _ in range(2))
    theirs = (value * unit_as_pint_quantity(unit)).to(unit_as_pint_quantity(other).units).magnitude
    assert convert(value, unit, other) == pytest.approx(float(theirs), rel=1e-12)


@given(units(), units())
def test_pint_refuses_what_we_refuse(text, second):
    unit, other = parse_unit(text), parse_unit(second)
    assert unit_as_pint_quantity(unit).is_compatible_with(
        unit_as_pint_quantity(other)
    ) == is_same_unit_kind(unit, other)


# pint's own definitions, written by others. A year is 365.25 days there, energy is power times
# time, an acre is that of the old survey foot, and a FLOP or a mu it does not know.
OWN = {"square_meter": "meter**2", "square_foot": "foot**2", "tonne": "metric_ton",
       "percentage_point": None, "mu": None, "acre": None, "month": None, "year": None}  # fmt: skip


def test_our_factors_are_those_that_pint_ships():
    shipped, compared = pint.UnitRegistry(), 0
    bases = {
        unit_lookup_table().dims[row.name]: row.name
        for row in UNITS
        if row.definition.startswith("[")
    }
    bases |= {unit_lookup_table().dims["square_meter"]: "square_meter", (): "percent"}
    for row in UNITS:
        base = bases.get(unit_lookup_table().dims[row.name])
        names = [OWN.get(name, name) for name in (row.name, base)]
        if any(not name or name.partition("**")[0] not in shipped for name in names):
            continue
        expected = shipped.Quantity(1.0, names[0]).to(names[1]).magnitude
        ours = unit_lookup_table().factors[row.name] / unit_lookup_table().factors[base]
        assert float(ours) == pytest.approx(float(expected), rel=1e-12), row.name
        compared += 1
    assert compared >= 40


def test_the_zero_of_a_temperature_scale_is_that_of_pint():
    made = pint_unit_registry()
    theirs = made.Quantity(27.0, "degree_celsius").to("kelvin").magnitude
    assert convert(27.0, "°C", "K") == pytest.approx(theirs) == 300.15
