"""From the text of a unit to the unit: words, terms, and fractions of terms.

    unit = term { ("/" | "per" | "a") term }
    term = factor { " " | "·" | "-" factor }        binds tighter than "/"
    factor = number | scale | sign of money | word [ "^" power ] | "(" unit ")"

So `USD/GPU-hour`, `USD/GPU/h` and `USD/(GPU·h)` are one unit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache, lru_cache
from typing import Final

import commonwatt.catalogue.units.table as table
from commonwatt.catalogue.units.table import unit_lookup_table
from commonwatt.catalogue.units.text import LONGEST, plain_unit_text
from commonwatt.catalogue.units.unit import Unit, UnitFault
from commonwatt.core.messages import Message

_CJK: Final = "\u3400-\u9fff"
_MASSES: Final = "kg|g|mg|t|lbs|lb|kt|Mt|Gt"
# Compiled when a text first asks for them: most commands meet two or three of these forms.
_form = cache(re.compile)
_OF: Final = r"(?i)\s*\bof\s+(?:(?:nominal|operating|total)\s+)?(gdp|revenues?|it|exports)\b"
_OF_CHINESE: Final = r"\(?佔(GDP|IT|本地生產總值|收入|出口)\)?"
_OF_GDP: Final = r"(?<=%)\s*GDP\b"
_CARBON: Final = (
    rf"(?P<mass>\b(?:{_MASSES})|(?<=[\s{_CJK}])|^)\s*-?(?:\bof\s+)?"
    r"(?:CO2(?P<eq>[\s-]?(?:eq|e|equivalents?)\b)?|carbon dioxide(?P<words>\s+equivalents?)?"
    r"|二氧化碳(?P<chinese>當量)?)(?![A-Za-z0-9])"
)
_YEAR: Final = "((?:19|20)\\d\\d)"
_PRICES: Final = (
    rf"(?i)\s*\(?\s*(?:\b(?:at|in)\s+)?(?:constant\s+)?\b{_YEAR}\s+prices\)?",
    rf"\s*\(?\s*[按以]?{_YEAR}年(?:不變|固定)?價格?\)?",
    rf"(?<=[A-Z]{{3}})[ _]?\(?{_YEAR}\)?(?![\d.]|\s*[A-Z]?GPU)",
    rf"^{_YEAR}\s+(?=[A-Z]{{2,3}}\b|[A-Z]*[$€£¥])",
)
_TOKEN: Final = re.compile(
    rf"(?P<word>[A-Za-zμ°]+[A-Za-z0-9_μ]*|[%‰])|(?P<number>\d+(?:\.\d+)?)"
    rf"|(?P<chinese>[{_CJK}]+)|(?P<open>\()|(?P<close>\))|(?P<over>/)|(?P<times>[\s·*×-]+)"
    r"|(?P<power>(?:\^|\*\*)\(?[+-]?\d+\)?)"
)


@lru_cache(maxsize=4096)
def parse_unit_raising_unit_fault(text: str, home: str) -> Unit:
    """Return the unit that `text` names, or raise a `UnitFault`."""
    # Before any pattern is tried: some of them would take long over a page of text.
    if len(text) > LONGEST:
        raise _unknown_unit_fault(text[:20] + "…")
    spelled = plain_unit_text(text)
    if not spelled:
        raise UnitFault(
            Message("no unit"),
            _unit_examples_message(),
            Message('Write "ratio" for a pure number.'),
        )
    spelled, price_year = _unit_text_and_price_year(spelled)
    spelled, of = _unit_text_and_qualifier(spelled)
    reader = _Reader(
        tuple(_unit_token_kinds_and_words(_unit_text_with_phrases_named(spelled))), home
    )
    powers = reader.parse_unit_expression()
    return _unit_from_parsed_terms(text, powers, of, price_year)


def parse_unit(text: str, *, home: str = "", where: str = "") -> Unit:
    """Return the unit that `text` names.

    Args:
        text: The unit, as people write it, in English or Chinese.
        home: Code of the currency that a bare "$", "元", "¥" or "¢" means; "" refuses them.
        where: Place of the text, for the error.

    Raises:
        UnitError: A word of it is no unit, or may be several.

    >>> unit = parse_unit("US cents per kilowatt-hour")
    >>> unit.factor, unit.dims, unit.currency
    (0.01, (('currency_usd', 1), ('energy', -1)), 'USD')
    >>> parse_unit("億元/年", home="HKD").scale
    Fraction(100000000, 1)
    """
    try:
        return parse_unit_raising_unit_fault(text, home)
    except UnitFault as fault:
        raise fault.unit_error_at_place(where, text) from None


def _unit_text_and_price_year(text: str) -> tuple[str, int | None]:
    # The patterns are only compiled and tried where a year can stand.
    for form in _PRICES if "19" in text or "20" in text else ():
        match = _form(form).search(text)
        if match:
            return (text[: match.start()] + " " + text[match.end() :]).strip(), int(match[1])
    # Constant prices of no year are money of no date.
    if "constant prices" in text or "不變價" in text or "固定價" in text:
        raise UnitFault(
            Message("prices of a year that is not named"),
            Message("the year of the prices"),
            Message('Write for example "HKD bn (2024 prices)".'),
        )
    return text, None


def _unit_text_and_qualifier(text: str) -> tuple[str, str]:
    """Take out what a share or a mass is of: not a unit, yet not to be lost."""
    has_of = " of " in text or "佔" in text or "GDP" in text
    for form in (_OF, _OF_CHINESE, _OF_GDP) if has_of else ():
        match = _form(form).search(text)
        if match:
            rest = (text[: match.start()] + " " + text[match.end() :]).strip()
            word = match[1] if match.re.groups else "GDP"
            return rest, table.QUALIFIERS.get(word.lower()) or table.CHINESE_QUALIFIERS[word]
    match = None
    if "CO2" in text or "arbon" in text or "二氧化碳" in text:
        match = _form(_CARBON).search(text)
    if match:
        equal = match["eq"] or match["words"] or match["chinese"]
        rest = text[: match.start()] + (match["mass"] or "") + " " + text[match.end() :]
        return rest.replace(" /", "/").strip(), "CO2e" if equal else "CO2"
    return text, ""


@cache
def _unit_phrase_pattern_and_names() -> tuple[re.Pattern[str], dict[str, str]]:
    """Return the spellings that the tokens would tear apart, and the name that each stands for."""
    torn = {word: name for word, name in unit_lookup_table().words.items() if not word.isalnum()}
    torn |= {"p.p.": "percentage_point", "us cent": "USD cents", "us cents": "USD cents",
             "u.s. cents": "USD cents", "euro cent": "EUR cents", "euro cents": "EUR cents",
             "hk cents": "HKD cents", "pence": "GBP cents", "penny": "GBP cents",
             "p.a.": "/year", "per annum": "/year"}  # fmt: skip
    # Signs hold a "$" that ends a word, so that they are torn, too; their case counts.
    signs = {sign: name for sign, name in unit_lookup_table().symbols.items() if not sign.isalnum()}
    signs |= {"US¢": "USD cents", "p/kWh": "GBP cents/kWh"}
    signs |= {
        "美仙": "USD 仙",
        "美分": "USD 仙",
        "歐仙": "EUR 仙",
        "港仙": "HKD 仙",
        "便士": "GBP 仙",
    }
    signs |= {sign: f"@{sign}" for sign in ("$", "¥", "¢")}
    signs = {sign: name for sign, name in signs.items() if sign not in "%‰"}
    plain_words = "|".join(
        re.escape(word).replace(r"\ ", r"[\s-]+") for word in sorted(torn, key=len, reverse=True)
    )
    # A sign that begins with a letter is one only where a word begins: bp/kWh holds no p/kWh.
    plain_signs = "|".join(
        (r"(?<![A-Za-z])" if sign[0].isascii() and sign[0].isalpha() else "") + re.escape(sign)
        for sign in sorted(signs, key=len, reverse=True)
    )
    form = re.compile(rf"(?<![A-Za-z])(?i:{plain_words})(?![A-Za-z])|(?:{plain_signs})(?![A-Z]*\$)")
    return form, {"".join(key.split()).replace("-", ""): to for key, to in torn.items()} | signs


def _unit_text_with_phrases_named(text: str) -> str:
    """Return `text` with phrases and signs replaced by names, marked so that they stay whole."""
    form, names = _unit_phrase_pattern_and_names()

    def unit_name_of_phrase(match: re.Match[str]) -> str:
        spelled = match[0]
        name = names.get(spelled) or names["".join(spelled.split()).replace("-", "").lower()]
        return f" {_MARKS.get(name, name)} " if not name.startswith("/") else name

    return form.sub(unit_name_of_phrase, text)


# Names of phrases pass the tokens as one plain word each.
_MARKS: Final = {"@$": "dollar", "@¥": "bareyen", "@¢": "cents"}
_MARKED: Final = {"dollar": "dollar", "dollars": "dollar", "bareyen": "¥"}


def _unit_token_kinds_and_words(text: str) -> Iterator[tuple[str, str]]:
    place = 0
    while place < len(text):
        token = _TOKEN.match(text, place)
        if token is None or token.lastgroup is None:
            raise _unknown_unit_fault(text[place : place + 12].split(maxsplit=1)[0])
        place, kind, word = token.end(), token.lastgroup, token[0]
        if kind == "chinese":
            yield from _chinese_unit_token_kinds_and_words(word)
        elif kind == "word" and (word.casefold() == "per" or _is_article_in_unit_text(text, token)):
            yield "over", word
        elif kind == "times" and "-" in word and text[place : place + 1].isdigit():
            digits = re.match(r"\d+", text[place:])
            assert digits is not None
            place += digits.end()
            yield "power", "^-" + digits[0]
        elif kind != "times":
            yield kind, word


def _is_article_in_unit_text(text: str, match: re.Match[str]) -> bool:
    """Return whether "a" is the word of "8 cents a kWh", and not the annum of "GWh/a"."""
    rest = text[match.end() :]
    is_between = rest[:1] == " " and not re.match(r"\s*(?:$|[/)]|per\b)", rest)
    return match[0] in {"a", "an"} and is_between


def _chinese_unit_token_kinds_and_words(run: str) -> Iterator[tuple[str, str]]:
    """Cut Chinese, which has no spaces, into its longest known words."""
    names = unit_lookup_table().chinese
    place = 0
    while place < len(run):
        if run[place] == "每":
            yield "over", "每"
            place += 1
            continue
        if run[place] in table.COUNTERS and run[place : place + 2] not in names:
            place += 1
            continue
        # Longest first: 千瓦時 begins with 千瓦 and with 千, which is a thousand.
        for length in range(min(6, len(run) - place), 0, -1):
            word = run[place : place + length]
            if word in names or word in table.CHINESE_SCALES or word in "元仙兆":
                yield "chinese", word
                place += length
                break
        else:
            raise _unknown_unit_fault(run[place:])


@dataclass(slots=True)
class _Term:
    """What stands between two strokes."""

    parts: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    scale: Fraction = Fraction(1)
    number: Fraction = Fraction(1)
    cents: bool = False
    amounts: list[str] = field(default_factory=list[str])
    shared: list[str] = field(default_factory=list[str])


@dataclass(slots=True)
class _Whole:
    parts: list[tuple[str, int]]
    scale: Fraction
    number: Fraction


class _Reader:
    """Reads tokens into parts; one use."""

    def __init__(self, tokens: tuple[tuple[str, str], ...], home: str) -> None:
        self._tokens, self._place, self._home, self._depth = tokens, 0, home, 0
        if home and home not in table.CODES:
            raise UnitFault(
                Message("the home currency {code}", {"code": repr(home)}),
                Message("one of {codes}", {"codes": ", ".join(sorted(table.CODES))}),
            )

    def parse_unit_expression(self) -> _Whole:
        out = self._read_unit_fraction()
        if self._place < len(self._tokens):
            raise _unknown_unit_fault(self._tokens[self._place][1])
        return out

    def _peek_unit_token(self) -> tuple[str, str]:
        return self._tokens[self._place] if self._place < len(self._tokens) else ("end", "")

    def _read_unit_fraction(self) -> _Whole:
        out, sign = _Whole([], Fraction(1), Fraction(1)), 1
        if self._peek_unit_token()[0] == "over":
            sign, self._place = -1, self._place + 1
        while True:
            term = self._read_unit_term(is_under=sign < 0)
            out.parts += [(name, sign * power) for name, power in term.parts]
            if sign > 0:
                out.scale *= term.scale
                out.number *= term.number
            else:
                out.number /= term.scale * term.number
            if self._peek_unit_token()[0] != "over":
                return out
            sign, self._place = -1, self._place + 1

    def _read_unit_term(self, *, is_under: bool) -> _Term:
        term = _Term()
        start = self._place
        while self._peek_unit_token()[0] not in {"over", "close", "end"}:
            kind, word = self._peek_unit_token()
            self._place += 1
            if kind == "open":
                self._read_unit_in_brackets(term)
            elif kind == "power":
                _apply_exponent_to_unit_term(term, word)
            elif kind == "number":
                _multiply_unit_term_by_number(term, word, is_under=is_under or word == "1")
            else:
                self._add_unit_word_to_term(term, word)
        if self._place == start:
            raise UnitFault(
                Message("a stroke or a bracket without a unit"), _unit_examples_message()
            )
        self._resolve_unit_term_currency(term)
        term.parts = _power_times_hours_as_energy(term.parts)
        return term

    def _read_unit_in_brackets(self, term: _Term) -> None:
        self._depth += 1
        # No unit of people nests deeper, and each bracket is a call of this reader.
        if self._depth > 5:
            raise _unknown_unit_fault("(")
        inner = self._read_unit_fraction()
        if self._peek_unit_token()[0] != "close":
            raise _unknown_unit_fault("(")
        self._place, self._depth = self._place + 1, self._depth - 1
        term.parts += inner.parts
        term.scale *= inner.scale
        term.number *= inner.number

    def _add_unit_word_to_term(self, term: _Term, word: str) -> None:
        if word in table.CENTS or word.casefold() in table.CENTS - {"c"}:
            term.cents = True
        elif word in table.CHINESE_SCALES:
            term.scale *= table.CHINESE_SCALES[word]
        elif word.casefold() in table.SCALES:
            term.scale *= table.SCALES[word.casefold()]
        elif word == "元" or word.casefold() in _MARKED:
            term.shared.append(_MARKED.get(word.casefold(), word))
        elif word == "兆" or word in table.AMOUNT:
            term.amounts.append(word)
            # Left open until the whole term is read: "m" is a million beside money and a metre
            # elsewhere.
            term.parts.append((f"?{word}", 1))
        else:
            term.parts.append((_unit_name_of_word(word), 1))

    def _resolve_unit_term_currency(self, term: _Term) -> None:
        """Give signs that several currencies share their meaning, and "5 m" beside money, too."""
        signs = [*term.shared, *(["¢"] if term.cents else [])]
        codes = {name for name, _ in term.parts if name in table.CODES}
        if len(codes) > 1:
            raise UnitFault(
                Message("two currencies, {codes}", {"codes": ", ".join(sorted(codes))}),
                Message("one currency"),
            )
        for sign in signs:
            self._resolve_unit_currency_sign(term, sign, codes)
        if term.cents:
            term.scale /= 100
        for word in term.amounts:
            place = term.parts.index((f"?{word}", 1)) if (f"?{word}", 1) in term.parts else -1
            if codes and place >= 0:
                term.parts.pop(place)
                term.scale *= table.AMOUNT.get(word, 10**12)
        term.parts = [
            (_unit_name_of_word(name[1:]) if name.startswith("?") else name, power)
            for name, power in term.parts
        ]  # fmt: skip

    def _resolve_unit_currency_sign(self, term: _Term, sign: str, codes: set[str]) -> None:
        meant = next(iter(codes), self._home)
        # A home of euros does not make "$" euros: the sign must be one of that currency.
        if meant in table.SHARED_SIGNS[sign]:
            if not codes:
                codes.add(meant)
                term.parts.insert(0, (meant, 1))
            return
        choices = ", ".join(sorted(table.SHARED_SIGNS[sign]))
        shown = {"dollar": "$", "¢": "cent"}.get(sign, sign)
        raise UnitFault(
            Message("{sign} of a currency that is not named", {"sign": shown}),
            Message("a currency: {codes}", {"codes": choices}),
            Message('Write for example "{example}", or name the home currency.', {
                "example": "US cents/kWh" if sign == "¢" else "HKD bn"}),
        )  # fmt: skip


def _apply_exponent_to_unit_term(term: _Term, word: str) -> None:
    # Cut before it is read: a power of a thousand digits is refused below and never computed.
    power = int(word.lstrip("^*").strip("()")) if len(word) <= 8 else 99
    if not term.parts or not 0 < abs(power) <= 9:
        raise _unknown_unit_fault(word)
    name, before = term.parts.pop()
    term.parts.append((name, before * power))


def _multiply_unit_term_by_number(term: _Term, word: str, *, is_under: bool) -> None:
    # "USD/8 GPUs" is a price of eight; "8 USD" is no unit, it is a quantity.
    if not is_under or len(word) > 12 or not float(word):
        raise UnitFault(
            Message("the number {number} inside a unit", {"number": repr(word)}),
            _unit_examples_message(),
            Message("Give the number and its unit apart."),
        )
    term.number *= Fraction(word)


def _power_times_hours_as_energy(parts: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Read a power times hours as energy: "kW·h", "terawatt-hours"."""
    out: list[tuple[str, int]] = []
    for name, power in parts:
        if out and name == "hour" and out[-1][0] in table.ENERGY_OF and out[-1][1] in {1, power}:
            out[-1] = (table.ENERGY_OF[out[-1][0]], power)
        else:
            out.append((name, power))
    return out


def _unit_from_parsed_terms(text: str, whole: _Whole, of: str, price_year: int | None) -> Unit:
    table_of = unit_lookup_table()
    ratio, powers, merged = whole.scale * whole.number, dict[str, int](), dict[str, int]()
    for name, power in whole.parts:
        merged[name] = merged.get(name, 0) + power
    parts = tuple(_area_unit_of_square(name, power) for name, power in merged.items() if power)
    for name, power in parts:
        ratio *= table_of.factors[name] ** power
        for dim, count in table_of.dims[name]:
            powers[dim] = powers.get(dim, 0) + count * power
    # Far beyond any unit that is meant, and still well within what a float can hold.
    if not Fraction(1, 10**60) < ratio < 10**60:
        raise _unknown_unit_fault(text[:20])
    dims = table.unit_dimensions(powers)
    _check_unit_price_year_and_substance(dims, of, price_year)
    alone = len(parts) == 1 and parts[0][1] == 1
    # A price per degree has no zero to shift: only a temperature by itself has.
    offset = table_of.offsets.get(parts[0][0], Fraction(0)) if alone else Fraction(0)
    return Unit(
        text=text, ratio=ratio, dims=dims, parts=parts, scale=whole.scale * whole.number,
        offset=offset, of=of, price_year=price_year,
    )  # fmt: skip


def _area_unit_of_square(name: str, power: int) -> tuple[str, int]:
    """Write the square of a metre or a foot as the unit of area that it is."""
    is_area = name in {"meter", "foot"} and abs(power) == 2
    return (f"square_{name}", power // 2) if is_area else (name, power)


def _check_unit_price_year_and_substance(dims: table.Dims, of: str, price_year: int | None) -> None:
    names = {name for name, _ in dims}
    if price_year is not None and not any(name.startswith("currency_") for name in names):
        raise UnitFault(
            Message("prices of {year} without money", {"year": str(price_year)}),
            Message("a currency beside the year of its prices"),
        )
    if of.startswith("CO2") and "mass" not in names:
        raise UnitFault(Message("{of} without a mass", {"of": of}), Message("kg, t or lb of it"))


def _unit_name_of_word(word: str) -> str:
    """Return the name in the table that a word spells; sloppy case is read where it is harmless."""
    spellings = unit_lookup_table()
    name = (
        spellings.symbols.get(word)
        or spellings.words.get(word.casefold())
        or spellings.chinese.get(word)
    )
    if name:
        return name
    if word in spellings.factors and "_" in word:
        return word
    if word.casefold() in table.AMBIGUOUS:
        choices = table.AMBIGUOUS[word.casefold()]
        raise UnitFault(
            Message("{word}, which may mean several units", {"word": repr(word)}),
            Message("one of {choices}", {"choices": choices}),
            Message("Write the one that is meant."),
        )
    near = spellings.folded.get(word.casefold(), set())
    # One letter alone is too little: "T" and "t", "M" and "m" are other units.
    if len(word) > 1 and len(near) == 1:
        (only,) = near
        symbol = next(each for each in spellings.symbols if each.casefold() == word.casefold())
        # mW is a milliwatt and pJ a picojoule: the case of these prefixes is the unit.
        if symbol[0] not in "mMpP" or symbol[0] == word[0]:
            return only
    raise _unknown_unit_fault(word)


def _unknown_unit_fault(word: str) -> UnitFault:
    close = nearest_unit_spellings(word)
    hint = Message("Did you mean {near}?", {"near": ", ".join(close)}) if close else None
    return UnitFault(
        Message("the unknown unit {word}", {"word": repr(word)}), _unit_examples_message(), hint
    )


def _unit_examples_message() -> Message:
    return Message("a unit such as %, kWh, USD/kWh, CNY/kWh, MW, ms, year or op/s")


def nearest_unit_spellings(word: str) -> list[str]:
    """Return up to three known spellings close to `word`, those that differ in case first.

    >>> nearest_unit_spellings("mW"), nearest_unit_spellings("kilowat")
    (['MW'], ['kilowatt', 'kilowatts'])
    """
    from difflib import get_close_matches  # noqa: PLC0415  # only an error pays for it

    spellings = unit_lookup_table()
    same = [each for each in spellings.symbols if each.casefold() == word.casefold()]
    if same:
        return same[:3]
    spelled = [*spellings.symbols, *spellings.words, *spellings.chinese, *table.SCALES]
    return get_close_matches(word[:40], spelled, n=3, cutoff=0.75)
