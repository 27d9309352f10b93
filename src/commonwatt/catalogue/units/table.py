"""The units, their definitions and every spelling of them, once.

A definition is written in the language of pint (`1000 * watt_hour`, `[time]` for a base
unit), so that `reference` builds pint's registry from the very same lines. Exact
fractions carry the factors: 350 kW read into kW are 350, to the last bit.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Final, NamedTuple

Dims = tuple[tuple[str, int], ...]


class Row(NamedTuple):
    """One unit.

    Args:
        name: Its name in the registry.
        definition: In pint's language.
        symbols: Spellings whose case counts, the one to print first.
        words: Spellings whose case does not count, "|" between.
        chinese: Chinese spellings, the one to print first; "-" first prints the symbol.
    """

    name: str
    definition: str
    symbols: str
    words: str = ""
    chinese: str = ""


# Power and energy are dimensions of their own, because a demand charge per kW and month is not
# a price per kWh, though physics would turn one into the other. A year is 365 days of 24 hours,
# as in every levelised cost of ours, and not pint's 365.25.
UNITS: Final = (
    Row("one", "1", "ratio 1", "share|times|x|pue|number|index|factor", "倍"),
    Row("percent", "1 / 100", "%", "percent|pct|per cent"),
    Row("permille", "1 / 1000", "‰", "permille"),
    # A rate that rises from 2 % to 3 % rises by one point, and by 50 %.
    Row("percentage_point", "[point]", "pp p.p. ppt",
        "percentage point|percentage points|percent points|%-points|%-point", "個百分點 百分點"),
    Row("basis_point", "1 / 100 * percentage_point", "bp bps", "basis point|basis points",
        "個基點 基點"),
    Row("second", "[time]", "s", "second|seconds|sec|secs", "秒"),
    Row("microsecond", "1 / 1000000 * second", "μs us", "microsecond|microseconds", "微秒"),
    Row("millisecond", "1 / 1000 * second", "ms", "millisecond|milliseconds|msec", "毫秒"),
    Row("minute", "60 * second", "min", "minute|minutes|mins|min", "分鐘"),
    Row("hour", "3600 * second", "h", "hour|hours|hr|hrs", "小時 鐘頭 時"),
    Row("day", "24 * hour", "d", "day|days", "日 天"),
    Row("week", "7 * day", "week wk", "week|weeks", "星期 週"),
    # A twelfth of a year, so that twelve monthly charges are a year's charge.
    Row("month", "1 / 12 * year", "month mo", "month|months", "個月 月"),
    Row("year", "365 * day", "year y a yr", "year|years|yr|yrs|annum", "年"),
    Row("meter", "[length]", "m", "metre|metres|meter|meters", "公尺 米"),
    Row("kilometer", "1000 * meter", "km", "kilometre|kilometres|kilometer|kilometers", "公里"),
    Row("foot", "0.3048 * meter", "ft", "foot|feet", "英尺 呎"),
    Row("square_meter", "1 * meter * meter", "m2 sqm",
        "square metre|square metres|square meter|square meters", "平方米 平方公尺"),
    Row("square_foot", "0.09290304 * square_meter", "ft2 sqft",
        "square foot|square feet|sq ft|sq. ft.", "平方呎 平方英尺"),
    Row("hectare", "10000 * square_meter", "ha", "hectare|hectares", "公頃"),
    Row("acre", "4046.8564224 * square_meter", "acre", "acre|acres", "英畝"),
    Row("mu", "2000 / 3 * square_meter", "mu", "", "畝"),
    Row("kilogram", "[mass]", "kg", "kilogram|kilograms|kilogramme|kilogrammes", "公斤 千克"),
    Row("gram", "1 / 1000 * kilogram", "g", "gram|grams|gramme|grammes", "克"),
    Row("milligram", "1 / 1000000 * kilogram", "mg", "milligram|milligrams", "毫克"),
    Row("tonne", "1000 * kilogram", "t", "tonne|tonnes|metric ton|metric tons", "公噸 噸"),
    Row("kilotonne", "1000 * tonne", "kt", "kilotonne|kilotonnes", "千噸"),
    Row("megatonne", "1000000 * tonne", "Mt", "megatonne|megatonnes", "百萬噸"),
    Row("gigatonne", "1000000000 * tonne", "Gt", "gigatonne|gigatonnes", "十億噸"),
    # Exact since the agreement of 1959. The word "pound" is missing on purpose: it may be money.
    Row("pound", "0.45359237 * kilogram", "lb lbs", "", "磅"),
    Row("short_ton", "2000 * pound", "short_ton", "short ton|short tons", "短噸"),
    Row("kilowatt", "[power]", "kW", "kilowatt|kilowatts", "千瓦"),
    Row("watt", "1 / 1000 * kilowatt", "W", "watt|watts", "瓦特 瓦"),
    Row("megawatt", "1000 * kilowatt", "MW", "megawatt|megawatts", "兆瓦"),
    Row("gigawatt", "1000000 * kilowatt", "GW", "gigawatt|gigawatts", "吉瓦"),
    Row("terawatt", "1000000000 * kilowatt", "TW", "terawatt|terawatts", "太瓦"),
    Row("kilowatt_hour", "[energy]", "kWh", "kilowatthour|kilowatthours",
        "千瓦時 千瓦小時 度電 度"),
    Row("watt_hour", "1 / 1000 * kilowatt_hour", "Wh", "watthour|watthours", "瓦時 瓦小時"),
    Row("megawatt_hour", "1000 * kilowatt_hour", "MWh", "megawatthour|megawatthours",
        "兆瓦時 兆瓦小時"),
    Row("gigawatt_hour", "1000000 * kilowatt_hour", "GWh", "gigawatthour|gigawatthours",
        "吉瓦時 吉瓦小時"),
    Row("terawatt_hour", "1000000000 * kilowatt_hour", "TWh", "terawatthour|terawatthours",
        "太瓦時 太瓦小時"),
    Row("joule", "1 / 3600000 * kilowatt_hour", "J", "joule|joules", "焦耳"),
    Row("megajoule", "1000000 * joule", "MJ", "megajoule|megajoules", "兆焦耳"),
    Row("gigajoule", "1000000000 * joule", "GJ", "gigajoule|gigajoules", "吉焦耳"),
    Row("bit", "[information]", "bit", "bit|bits", "位元"),
    Row("kilobit", "1000 * bit", "kbit kb", "kilobit|kilobits", "千位元"),
    Row("megabit", "1000000 * bit", "Mbit Mb", "megabit|megabits", "百萬位元"),
    Row("gigabit", "1000000000 * bit", "Gbit Gb", "gigabit|gigabits", "吉位元"),
    Row("terabit", "1000000000000 * bit", "Tbit Tb", "terabit|terabits", "太位元"),
    Row("megabit_per_second", "1000000 * bit / second", "Mbps", "", ""),
    Row("gigabit_per_second", "1000000000 * bit / second", "Gbps", "", ""),
    Row("terabit_per_second", "1000000000000 * bit / second", "Tbps", "", ""),
    Row("byte", "8 * bit", "B", "byte|bytes", "位元組"),
    # By thousands, as the SI and IEC 80000-13 have it; 1,024 is written KiB.
    Row("kilobyte", "1000 * byte", "kB", "kilobyte|kilobytes"),
    Row("megabyte", "1000000 * byte", "MB", "megabyte|megabytes"),
    Row("gigabyte", "1000000000 * byte", "GB", "gigabyte|gigabytes"),
    Row("terabyte", "1000000000000 * byte", "TB", "terabyte|terabytes"),
    Row("petabyte", "1000000000000000 * byte", "PB", "petabyte|petabytes"),
    Row("kibibyte", "1024 * byte", "KiB", "kibibyte|kibibytes"),
    Row("mebibyte", "1048576 * byte", "MiB", "mebibyte|mebibytes"),
    Row("gibibyte", "1073741824 * byte", "GiB", "gibibyte|gibibytes"),
    Row("tebibyte", "1099511627776 * byte", "TiB", "tebibyte|tebibytes"),
    # FLOPs (a count) and FLOPS (a rate) differ in one letter's case, so neither has a sloppy form.
    Row("operation", "[operation]", "op ops OP FLOP FLOPs flop", "operation|operations", "次運算"),
    Row("gigaflop", "1000000000 * operation", "GFLOP GFLOPs", "gigaflop"),
    Row("teraflop", "1000000000000 * operation", "TFLOP TFLOPs", "teraflop"),
    Row("petaflop", "1000000000000000 * operation", "PFLOP PFLOPs", "petaflop"),
    Row("exaflop", "1000000000000000000 * operation", "EFLOP EFLOPs", "exaflop"),
    Row("operation_per_second", "1 * operation / second", "FLOPS"),
    Row("gigaflops", "1000000000 * operation / second", "GFLOPS"),
    Row("teraops", "1000000000000 * operation / second", "TOPS"),
    Row("teraflops", "1000000000000 * operation / second", "TFLOPS", "teraflops"),
    Row("petaflops", "1000000000000000 * operation / second", "PFLOPS", "petaflops"),
    Row("exaflops", "1000000000000000000 * operation / second", "EFLOPS", "exaflops"),
    Row("gpu", "[gpu]", "GPU", "gpu|gpus", "- 卡"),
    Row("person", "[person]", "person", "person|persons|people", "人"),
    Row("rack", "[rack]", "rack", "rack|racks", "個機櫃 機櫃"),
    Row("event", "[event]", "event", "event|events|fault|faults|incident|incidents", "宗"),
    Row("token", "[token]", "token", "token|tokens", "個詞元 詞元"),
    Row("request", "[request]", "request", "request|requests", "個請求 請求"),
    Row("kelvin", "[temperature]", "K", "kelvin|kelvins", "開爾文"),
    # The second sign of each is that of UCUM, in which record systems write.
    Row("degree_celsius", "kelvin; offset: 273.15", "°C Cel degC",
        "celsius|degrees celsius|degree celsius", "攝氏度"),
    # 459.67 degrees of 5/9 kelvin below its zero.
    Row("degree_fahrenheit", "5 / 9 * kelvin; offset: 45967/180", "°F degF",
        "fahrenheit|degrees fahrenheit|degree fahrenheit", "華氏度"),
)  # fmt: skip

# Code, signs, words, Chinese names; each becomes a base dimension of its own.
CURRENCIES: Final = (
    Row("USD", "[currency_usd]", "USD US$ USD$",
        "us dollar|us dollars|u.s. dollar|u.s. dollars|american dollars", "美元 美金"),
    Row("CNY", "[currency_cny]", "CNY RMB CN¥ RMB¥", "yuan|renminbi", "人民幣"),
    Row("HKD", "[currency_hkd]", "HKD HK$ HKD$", "hong kong dollar|hong kong dollars",
        "港元 港幣"),
    Row("EUR", "[currency_eur]", "EUR €", "euro|euros", "歐元"),
    Row("GBP", "[currency_gbp]", "GBP £", "pound sterling|pounds sterling|sterling", "英鎊"),
    Row("JPY", "[currency_jpy]", "JPY JP¥", "yen|japanese yen", "日圓 日元"),
    Row("TWD", "[currency_twd]", "TWD NT$ NTD", "new taiwan dollar|new taiwan dollars",
        "新臺幣 新台幣 臺幣 台幣"),
    Row("SGD", "[currency_sgd]", "SGD S$", "singapore dollar|singapore dollars", "新加坡元 坡元"),
    Row("AUD", "[currency_aud]", "AUD A$ AU$", "australian dollar|australian dollars", "澳元"),
    Row("CAD", "[currency_cad]", "CAD C$ CA$", "canadian dollar|canadian dollars", "加元"),
    Row("NZD", "[currency_nzd]", "NZD NZ$", "new zealand dollar|new zealand dollars", "紐元"),
    Row("INR", "[currency_inr]", "INR ₹", "indian rupee|indian rupees", "印度盧比"),
    Row("KRW", "[currency_krw]", "KRW ₩", "korean won", "韓元 韓圜"),
    Row("CHF", "[currency_chf]", "CHF", "swiss franc|swiss francs", "瑞士法郎"),
    Row("SEK", "[currency_sek]", "SEK", "swedish krona", "瑞典克朗"),
    Row("NOK", "[currency_nok]", "NOK", "norwegian krone", "挪威克朗"),
    Row("DKK", "[currency_dkk]", "DKK", "danish krone", "丹麥克朗"),
    Row("PLN", "[currency_pln]", "PLN", "zloty", "波蘭茲羅提"),
    Row("ZAR", "[currency_zar]", "ZAR", "rand", "南非蘭特"),
    Row("BRL", "[currency_brl]", "BRL R$", "", "巴西雷亞爾"),
    Row("AED", "[currency_aed]", "AED", "", "阿聯酋迪拉姆"),
    Row("SAR", "[currency_sar]", "SAR", "", "沙特里亞爾"),
    Row("EGP", "[currency_egp]", "EGP", "", "埃及鎊"),
    Row("KES", "[currency_kes]", "KES", "", "肯亞先令"),
    Row("MAD", "[currency_mad]", "MAD", "", "摩洛哥迪拉姆"),
    Row("NGN", "[currency_ngn]", "NGN", "", "尼日利亞奈拉"),
    Row("MYR", "[currency_myr]", "MYR", "ringgit", "馬來西亞令吉"),
    Row("THB", "[currency_thb]", "THB", "baht", "泰銖"),
    Row("IDR", "[currency_idr]", "IDR", "rupiah", "印尼盾"),
    Row("MXN", "[currency_mxn]", "MXN MX$", "mexican peso|mexican pesos", "墨西哥披索"),
    Row("CLP", "[currency_clp]", "CLP", "chilean peso|chilean pesos", "智利披索"),
    Row("CZK", "[currency_czk]", "CZK", "czech koruna", "捷克克朗"),
    Row("HUF", "[currency_huf]", "HUF", "forint", "匈牙利福林"),
    Row("RON", "[currency_ron]", "RON", "romanian leu", "羅馬尼亞列伊"),
    Row("ILS", "[currency_ils]", "ILS ₪", "shekel|shekels|israeli shekel", "新謝克爾"),
    Row("TRY", "[currency_try]", "TRY ₺", "turkish lira", "土耳其里拉"),
    Row("MOP", "[currency_mop]", "MOP", "pataca|patacas", "澳門元"),
    # Purchasing power parity: no exchange rate leads from it to a dollar that one can pay with.
    Row("INTD", "[currency_international]", "INTD",
        "international usd|international dollar|international dollars|ppp usd", "國際元"),
)  # fmt: skip

CODES: Final = frozenset(row.name for row in CURRENCIES)

# A sign that several currencies share is read as the caller's home currency, and only there.
SHARED_SIGNS: Final[dict[str, frozenset[str]]] = {
    "$": frozenset({"USD", "HKD", "TWD", "SGD", "AUD", "CAD", "NZD"}),
    "dollar": frozenset({"USD", "HKD", "TWD", "SGD", "AUD", "CAD", "NZD"}),
    "元": frozenset({"CNY", "HKD", "TWD", "USD", "MOP", "SGD"}),
    "¥": frozenset({"CNY", "JPY"}),
    "¢": CODES - {"CLP", "JPY", "KRW", "INTD"},
}

# Factors that stand beside a unit; `AMOUNT` ones only beside money, where "5 m" is no length.
SCALES: Final[dict[str, int]] = {
    "ten": 10, "hundred": 100, "thousand": 10**3, "mn": 10**6, "million": 10**6,
    "bn": 10**9, "billion": 10**9,
    "trn": 10**12, "tn": 10**12, "trillion": 10**12,
}  # fmt: skip
AMOUNT: Final[dict[str, int]] = {
    "k": 10**3, "K": 10**3, "m": 10**6, "M": 10**6, "MM": 10**6, "mil": 10**6, "b": 10**9,
    "B": 10**9, "T": 10**12,
}  # fmt: skip
CHINESE_SCALES: Final[dict[str, int]] = {
    "十": 10, "百": 100, "千": 10**3, "萬": 10**4, "十萬": 10**5,
    "百萬": 10**6, "千萬": 10**7, "億": 10**8,
    "十億": 10**9, "百億": 10**10, "千億": 10**11, "萬億": 10**12,
}  # fmt: skip
CENTS: Final = frozenset({"c", "ct", "cts", "cent", "cents", "仙"})
QUALIFIERS: Final = {
    "gdp": "GDP", "revenue": "revenue", "revenues": "revenue", "it": "IT", "exports": "exports",
}  # fmt: skip
CHINESE_QUALIFIERS: Final = {
    "GDP": "GDP", "本地生產總值": "GDP", "收入": "revenue", "出口": "exports", "IT": "IT",
}  # fmt: skip
# Counters of Chinese, which carry no unit: 8 張 GPU.
COUNTERS: Final = "張個台座"
# What a reader may not guess: a short or a metric ton, money or a mass.
AMBIGUOUS: Final[dict[str, str]] = {
    "ton": "t, short ton", "tons": "t, short ton", "pound": "GBP, lb", "pounds": "GBP, lb",
}  # fmt: skip
ENERGY_OF: Final = {
    name: f"{name}_hour" for name in ("watt", "kilowatt", "megawatt", "gigawatt", "terawatt")
}
# Only the signs that units need: a mapping of the whole script would be a library and would still
# guess.
SIMPLIFIED: Final = str.maketrans(
    "亿万时币欧镑圆个点钟电吨亩张枢机柜请词组当氧",
    "億萬時幣歐鎊圓個點鐘電噸畝張樞機櫃請詞組當氧",
)


class Known(NamedTuple):
    """The table, turned for look-up; all spellings lead to names.

    Args:
        factors: Base units in one unit, by name.
        dims: Dimensions with their powers, by name.
        offsets: Base units at the zero of a temperature scale, by name.
        symbols: Spellings whose case counts.
        words: Spellings in lower case.
        folded: Names that a symbol may mean once its case is lost.
        chinese: Chinese spellings.
        printed: Symbol and Chinese name to print, by name.
    """

    factors: dict[str, Fraction]
    dims: dict[str, Dims]
    offsets: dict[str, Fraction]
    symbols: dict[str, str]
    words: dict[str, str]
    folded: dict[str, set[str]]
    chinese: dict[str, str]
    printed: dict[str, tuple[str, str]]


@cache
def unit_lookup_table() -> Known:
    """Return the table for look-up; built at the first parse, in about a millisecond."""
    out = Known({}, {}, {}, {}, {}, {}, {}, {})
    rows = {row.name: row for row in (*UNITS, *CURRENCIES)}
    for row in rows.values():
        _resolve_unit_definition_into_table(row, rows, out)
        symbols, chinese = row.symbols.split(), row.chinese.split()
        for symbol in symbols:
            out.symbols[symbol] = row.name
            # All that a careless spelling may mean: it is read only where that is one thing.
            out.folded.setdefault(symbol.casefold(), set()).add(row.name)
        for word in filter(None, row.words.split("|")):
            out.words[word] = row.name
        for word in chinese:
            if word != "-":
                out.chinese[word] = row.name
        has_name = bool(chinese) and chinese[0] != "-"
        out.printed[row.name] = (symbols[0], chinese[0] if has_name else symbols[0])
    return out


def _resolve_unit_definition_into_table(row: Row, rows: dict[str, Row], out: Known) -> None:
    """Work out factor, dimensions and offset of a row from its definition."""
    if row.name in out.factors:
        return
    law, _, offset = row.definition.partition("; offset: ")
    factor, powers, sign = Fraction(1), dict[str, int](), 1
    for part in law.replace("*", " * ").split():
        if part in "*/":
            sign = 1 if part == "*" else -1
        elif part.startswith("["):
            powers[part[1:-1]] = 1
        elif part[0].isdigit():
            factor *= Fraction(part) ** sign
        else:
            _resolve_unit_definition_into_table(rows[part], rows, out)
            factor *= out.factors[part] ** sign
            for name, power in out.dims[part]:
                powers[name] = powers.get(name, 0) + sign * power
    out.factors[row.name], out.dims[row.name] = factor, unit_dimensions(powers)
    if offset:
        out.offsets[row.name] = Fraction(offset)


def unit_dimensions(powers: dict[str, int]) -> Dims:
    """Return dimensions in their order, without those that cancelled.

    >>> unit_dimensions({"time": -1, "mass": 0, "energy": 1})
    (('energy', 1), ('time', -1))
    """
    return tuple(sorted((name, power) for name, power in powers.items() if power))
