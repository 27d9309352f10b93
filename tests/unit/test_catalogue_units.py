"""Units as people write them: each spelling beside what it means."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

import commonwatt
from commonwatt.catalogue.errors import UnitError
from commonwatt.catalogue.units import (
    check_same_unit_kind,
    convert,
    format_quantity,
    format_unit,
    is_same_unit_kind,
    parse_quantity,
    parse_unit,
)
from commonwatt.core.errors import InputError

# text | canonical unit | value | home currency
READ = """
    89.2 $/MWh                        | USD/kWh       | 0.0892      | USD
    0.0892 US$/kWh                    | USD/MWh       | 89.2        |
    $0.08/kWh                         | USD/kWh       | 0.08        | USD
    US$0.08 per kWh                   | usd/kWh       | 0.08        |
    8.92 ¢/kWh                        | USD/kWh       | 0.0892      | USD
    8.92 c/kWh                        | USD/kWh       | 0.0892      | USD
    8.92 US¢/kWh                      | USD/kWh       | 0.0892      |
    9.81 cents/kWh                    | USD/kWh       | 0.0981      | USD
    9.81 US cents/kWh                 | USD/kWh       | 0.0981      |
    9.81 US cents a kWh               | USD/kWh       | 0.0981      |
    9.81 U.S. cents per kilowatt-hour | USD/kWh       | 0.0981      |
    14.26 Cents per kilowatt hour     | USD/kWh       | 0.1426      | USD
    5.3 euro cents/kWh                | EUR/kWh       | 0.053       |
    5.3 ct/kWh                        | EUR/kWh       | 0.053       | EUR
    12 CAD cents/kWh                  | CAD/MWh       | 120         |
    15 pence/kWh                      | GBP/kWh       | 0.15        |
    15 p/kWh                          | GBP/kWh       | 0.15        |
    0.18 €/kWh                        | EUR/kWh       | 0.18        |
    €0.18/kWh                         | EUR/MWh       | 180         |
    180 EUR/MWh                       | EUR/kWh       | 0.18        |
    £3                                | GBP           | 3           |
    0.6 元/度                         | CNY/kWh       | 0.6         | CNY
    0.6 元人民幣/度                   | CNY/kWh       | 0.6         |
    0.6 元/千瓦時                     | CNY/MWh       | 600         | CNY
    0.6元/千瓦时                      | CNY/kWh       | 0.6         | CNY
    每度0.6元                         | CNY/kWh       | 0.6         | CNY
    8.99美仙/度電                     | USD/kWh       | 0.0899      |
    11.9歐仙/度                       | EUR/kWh       | 0.119       |
    每千瓦14.5美元                    | USD/kW        | 14.5        |
    58.1億元                          | HKD bn        | 5.81        | HKD
    58.1億港元                        | HKD bn        | 5.81        |
    港幣58.1億元                      | HKD mn        | 5810        |
    1600亿元                          | CNY bn        | 160         | CNY
    1.1萬億元                         | HKD trn       | 1.1         | HKD
    3.5 兆元                          | TWD trn       | 3.5         | TWD
    25萬元                            | CNY           | 250000      | CNY
    310萬美元                         | USD mn        | 3.1         |
    92.7 億港元/年                    | HKD bn a year | 9.27        |
    HK$9.27 bn                        | HKD           | 9.27e9      |
    HKD 9.27 bn                       | HKD bn        | 9.27        |
    9.27 HKD bn a year                | HKD bn/year   | 9.27        |
    NT$ 30                            | TWD           | 30          |
    S$12                              | SGD           | 12          |
    -$5m                              | USD           | -5e6        | USD
    $5k                               | USD           | 5000        | USD
    $1.2B                             | USD bn        | 1.2         | USD
    $1.2T                             | USD trn       | 1.2         | USD
    5 M$                              | USD           | 5e6         | USD
    1.2 billion dollars               | USD mn        | 1200        | USD
    1.2 Billion US dollars            | USD mn        | 1200        |
    2 Hong Kong dollars               | HKD           | 2           |
    5 mn EUR                          | EUR           | 5e6         |
    2 trillion yen                    | JPY           | 2e12        |
    7 million USD                     | USD           | 7e6         |
    7 RMB                             | CNY           | 7           |
    7 yuan                            | CNY           | 7           |
    100 ₹                             | INR           | 100         |
    30000 international USD/person    | INTD/person   | 30000       |
    350 gCO2e/kWh                     | g/kWh         | 350         |
    350 gCO2eq/kWh                    | kg/kWh        | 0.35        |
    0.35 kgCO2eq/kWh                  | g/kWh         | 350         |
    0.35 tCO2/MWh                     | gCO2/kWh      | 350         |
    350 gCO₂-eq/kWh                   | gCO2e/kWh     | 350         |
    350 g CO2 equivalent per kWh      | g/kWh         | 350         |
    35 grams of CO2 per kilowatt-hour | gCO2/kWh      | 35          |
    6.08 公斤二氧化碳當量/度          | kg/kWh        | 6.08        |
    708 lb/MWh                        | g/kWh         | 321.14339796|
    708 lbs CO2/MWh                   | g/kWh         | 321.14339796|
    3 Mt CO2e                         | t             | 3e6         |
    2 short tons                      | kg            | 1814.36948  |
    415 TWh                           | GWh           | 415000      |
    415 terawatt-hours                | TWh           | 415         |
    415 terawatt hours per year       | TWh/year      | 415         |
    1.5 MWH                           | kWh           | 1500        |
    1500 KWH                          | MWh           | 1.5         |
    1500 Kwh                          | MWh           | 1.5         |
    5 kW·h                            | kWh           | 5           |
    5 kW h                            | kWh           | 5           |
    2 kWh⁻¹                           | MWh-1         | 2000        |
    2 per kWh                         | 1/MWh         | 2000        |
    3600 MJ                           | MWh           | 1           |
    350 kW                            | MW            | 0.35        |
    1.2 GW                            | kW            | 1.2e6       |
    220兆瓦                           | MW            | 220         |
    700 watts                         | W             | 700         |
    12 USD/kW/month                   | USD/kW/year   | 144         |
    98.32 USD/h                       | USD/day       | 2359.68     |
    10.92 dollars a watt              | USD/kW        | 10920       | USD
    0.1 USD/kW of IT/h                | USD/kW/h      | 0.1         |
    100,000 GPU-hours                 | GPU-h         | 100000      |
    100 000 GPU hours                 | GPU-hour      | 100000      |
    8 GPU·h                           | GPU-hour      | 8           |
    8 卡時                            | GPU-hour      | 8           |
    8 GPU 小時                         | GPU-hour      | 8           |
    8 張GPU                           | GPU           | 8           |
    2.95 USD per GPU-hour             | USD/GPU/h     | 2.95        |
    2.95 US$/(GPU·h)                  | USD/GPU-hour  | 2.95        |
    2.95 USD/GPU/h                    | USD/GPU-hour  | 2.95        |
    3.6 USD/72 GPUs                   | USD/GPU       | 0.05        |
    2 USD/million tokens              | USD/token     | 2e-6        |
    0.1 faults/GPU/year               | event/GPU/year| 0.1         |
    5 PFLOP/s                         | EFLOP/s       | 0.005       |
    5 PFLOPS                          | TFLOP/s       | 5000        |
    5 petaflops                       | PFLOP/s       | 5           |
    5e18 op/s                         | EFLOPS        | 5           |
    5 TFLOPs                          | FLOP          | 5e12        |
    1.6 Tbit/s                        | Gbps          | 1600        |
    8 Mb                              | MB            | 1           |
    1 GiB                             | MiB           | 1024        |
    85 %                              | share         | 0.85        |
    85%                               | %             | 85          |
    85 percent                        | share         | 0.85        |
    85 per cent                       | share         | 0.85        |
    ８５％                            | share         | 0.85        |
    14.4 % of GDP                     | % of GDP      | 14.4        |
    14.4% GDP                         | share         | 0.144       |
    14.4 percent of nominal GDP       | % of GDP      | 14.4        |
    3 % a year                        | %/year        | 3           |
    3 % p.a.                          | percent a year| 3           |
    1.5 percentage points             | pp            | 1.5         |
    1.5 pp                            | bp            | 150         |
    1.5 %-points                      | pp            | 1.5         |
    25 basis points                   | pp            | 0.25        |
    25 bp                             | pp            | 0.25        |
    1.5個百分點                       | pp            | 1.5         |
    25個基點                          | bp            | 25          |
    1.3 PUE                           | ratio         | 1.3         |
    3 倍                              | x             | 3           |
    400 ms                            | s             | 0.4         |
    400 us                            | ms            | 0.4         |
    400 µs                            | ms            | 0.4         |
    90 s                              | min           | 1.5         |
    36 hours                          | d             | 1.5         |
    1.5 d                             | h             | 36          |
    2 years                           | month         | 24          |
    18 months                         | years         | 1.5         |
    18個月                            | month         | 18          |
    30 毫秒                           | ms            | 30          |
    27 °C                             | degC          | 27          |
    27℃                               | K             | 300.15      |
    25 m²                             | m^2           | 25          |
    25 ㎡                             | m²            | 25          |
    25萬平方米                        | square metres | 250000      |
    100 sq ft                         | m2            | 9.290304    |
    5000 平方呎                       | m2            | 464.5152    |
    3 acres                           | m2            | 12140.5692672|
    1,234.5 kWh                       | kWh           | 1234.5      |
    1 234.5 kWh                       | kWh           | 1234.5      |
    −5 °C                             | °C            | -5          |
    １，２３４．５　kWh               | kWh           | 1234.5      |
    3×10⁸ kWh                         | GWh           | 300         |
    1.5E-3 MW                         | W             | 1500        |
    .5 MW                             | kW            | 500         |
    0.08 USD2024/kWh                  | USD/kWh (2024 prices) | 0.08 |
    70 億港元（2024年價格）           | HKD bn at 2024 prices | 7   |
"""
ROWS = [[part.strip() for part in line.split("|")] for line in READ.strip().splitlines()]


def test_the_table_is_long_enough_to_be_a_specification():
    assert len(ROWS) >= 120


@pytest.mark.parametrize(("text", "unit", "value", "home"), ROWS, ids=[row[0] for row in ROWS])
def test_a_spelling_means(text, unit, value, home):
    assert parse_quantity(text, unit, home=home) == pytest.approx(float(value), rel=1e-12)


# text | wanted unit | words of the error
REFUSED = """
    1 234,5 kWh        | kWh      | two ways
    1.234,5 kWh        | kWh      | two ways
    0,08 USD/kWh       | USD/kWh  | two ways
    1,23,456 kWh       | kWh      | two ways
    5                  | kWh      | without a unit, wanted a number with a unit such as kWh
    kWh                | kWh      | no number
    nan kWh            | kWh      | no number
    1e999 kWh          | kWh      | not finite
    30–50 ms           | ms       | a range
    5 mW               | kW       | Did you mean MW?
    5 mWh              | kWh      | Did you mean MWh?
    5 mb               | bit      | Did you mean Mb, MB?
    5 pflops           | FLOPS    | PFLOPS
    5 kilowat          | kW       | Did you mean kilowatt
    5 furlong          | m        | unknown unit 'furlong'
    5 tons             | kg       | several units
    5 pounds           | GBP      | GBP, lb
    5 元/度            | CNY/kWh  | currency that is not named
    5 $/kWh            | USD/kWh  | currency that is not named
    5 ¥                | JPY      | CNY, JPY
    5 cents            | USD      | currency that is not named
    0.1 EUR/kWh        | USD/kWh  | money in EUR, wanted money in USD
    5 億港元           | CNY bn   | exchange rate
    1 USD2020          | USD2024  | prices of 2020, wanted money in prices of 2024
    1 USD2020          | USD      | price index
    1 USD (constant prices) | USD | prices of a year that is not named
    5 pp               | %        | one percentage point, and 50 percent
    5 %                | pp       | one percentage point, and 50 percent
    5 % of GDP         | % of revenue | of GDP, wanted a value of revenue
    400 ms             | W        | in ms, wanted a value in W
    12 USD/kW/month    | USD/kWh  | in USD/kW/month
    5 GW               | TWh/year | in GW
    5 m                | USD      | in m,
    5 USD HKD          | USD      | two currencies
    5 2024/kWh         | 1/kWh    | two ways
    5 kWh 2024 prices  | kWh      | without money
    5 CO2/kWh          | kg/kWh   | without a mass
"""  # fmt: skip
FAULTS = [[part.strip() for part in line.split("|")] for line in REFUSED.strip().splitlines()]


@pytest.mark.parametrize(("text", "unit", "words"), FAULTS, ids=[row[0] for row in FAULTS])
def test_a_text_that_may_mislead_is_refused_with_the_reason(text, unit, words):
    with pytest.raises(UnitError) as caught:
        parse_quantity(text, unit, where="a.csv, row 7")
    assert str(caught.value).startswith("a.csv, row 7: ")
    assert words in str(caught.value)
    assert caught.value.translate("zh-Hant") != str(caught.value)


def test_the_error_is_the_one_of_the_tree():
    assert (UnitError.code, UnitError.exit_code) == ("unit-invalid", 36)
    assert issubclass(UnitError, InputError)
    with pytest.raises(UnitError, match="'5 furlong'"):
        parse_quantity("5 furlong", "m")


def test_a_bare_number_has_the_unit_that_the_caller_names_or_none():
    assert parse_quantity(5, "kWh", bare="MWh") == parse_quantity("5", "kWh", bare="MWh") == 5000
    assert parse_quantity("5 kWh", "kWh", bare="MWh") == 5
    for text in (5, 5.0, "5", True):
        with pytest.raises(UnitError):
            parse_quantity(text, "kWh")


@pytest.mark.parametrize(
    ("sign", "home", "code"),
    [("$", "HKD", "HKD"), ("元", "HKD", "HKD"), ("元", "CNY", "CNY"), ("¥", "JPY", "JPY"),
     ("¥", "CNY", "CNY"), ("¢", "CAD", "CAD"), ("dollars", "SGD", "SGD")],
)  # fmt: skip
def test_a_shared_sign_is_the_home_currency(sign, home, code):
    assert parse_unit(sign, home=home).currency == code


@pytest.mark.parametrize(
    ("sign", "home"), [("$", "EUR"), ("元", "GBP"), ("¥", "USD"), ("¢", "JPY")]
)
def test_a_sign_that_the_home_currency_does_not_use_stays_refused(sign, home):
    with pytest.raises(UnitError):
        parse_unit(sign, home=home)


def test_a_named_currency_is_stronger_than_home():
    assert parse_unit("US$", home="HKD").currency == parse_unit("$ USD", home="HKD").currency
    assert parse_unit("US$", home="HKD").currency == "USD"


def test_an_unknown_home_currency_is_refused():
    with pytest.raises(UnitError, match="home currency"):
        parse_unit("$", home="dollar")


# value, unit | English | Traditional Chinese
SHOWN = """
    9.27   | HKD bn            | 9.27 HKD bn          | 92.7 億港元
    900    | HKD bn            | 900.0 HKD bn         | 9,000.0 億港元
    58.1   | 億港元            | 5.81 HKD bn          | 58.1 億港元
    1234.5 | USD/GPU-hour      | 1,234.5 USD/GPU-hour | 1,234.5 美元/GPU 小時
    8.92   | US cents/kWh      | 8.92 US cents/kWh    | 8.92 美仙/千瓦時
    350    | gCO2e/kWh         | 350.0 g CO₂e/kWh     | 350.0 克二氧化碳當量/千瓦時
    14.4   | % of GDP          | 14.4 % of GDP        | 14.4 %（佔GDP）
    25.5   | m²                | 25.5 m²              | 25.5 平方米
    0.5    | pp                | 0.5 pp               | 0.5 個百分點
    1.5    | USD (2024 prices) | 1.5 USD (2024 prices)| 1.5 美元（2024年價格）
"""
SHOWS = [[part.strip() for part in line.split("|")] for line in SHOWN.strip().splitlines()]


@pytest.mark.parametrize(("value", "unit", "english", "chinese"), SHOWS)
def test_a_quantity_is_shown_in_both_languages(value, unit, english, chinese):
    assert format_quantity(float(value), unit) == english
    assert format_quantity(float(value), unit, "zh-Hant") == chinese


def test_a_quantity_is_shown_with_the_decimals_asked_for():
    assert format_quantity(1234.567, "USD/kWh", digits=2) == "1,234.57 USD/kWh"
    # One decimal of a billion says as much as none of a hundred million.
    assert format_quantity(0.9274, "HKD bn", "zh-Hant", digits=1) == "9 億港元"
    assert format_quantity(0.9274, "HKD bn", "zh-Hant", digits=2) == "9.3 億港元"


def test_a_heading_never_loses_the_scale_of_its_unit():
    assert format_unit("HKD bn") == "HKD bn"
    assert format_unit("HKD bn", "zh-Hant") == "十億港元"
    assert parse_unit(format_unit("億港元")).ratio == 10**8


def test_units_are_of_one_kind_or_the_check_raises():
    price, other = parse_unit("USD/kWh"), parse_unit("US cents/MWh")
    assert is_same_unit_kind(price, other)
    check_same_unit_kind(price, other)
    assert not is_same_unit_kind(price, parse_unit("CNY/kWh"))
    with pytest.raises(UnitError, match="cells.csv"):
        check_same_unit_kind(price, parse_unit("CNY/kWh"), where="cells.csv")


def test_a_conversion_of_a_value_is_that_of_its_text():
    assert convert(350, "kW", "MW") == 0.35
    assert convert(27, "°C", "K") == 300.15
    with pytest.raises(UnitError, match="money in CNY"):
        convert(0.3, "CNY/kWh", "USD/kWh")


SHIPPED = sorted((Path(commonwatt.__file__).parent / "data").rglob("*.csv"))


def _shipped_units():
    for path in SHIPPED:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if "unit" in (reader.fieldnames or []):
                yield from (row["unit"] for row in reader)


@pytest.mark.parametrize("text", sorted(set(_shipped_units()) - {""}))
def test_every_unit_of_the_shipped_tables_is_read(text):
    # A date is no unit, and how sure a figure is does not belong in the column of its unit.
    if text in {"date", "% about"} or "(" in text or "," in text or "constant prices" in text:
        with pytest.raises(UnitError):
            parse_unit(text)
    else:
        assert parse_unit(text, home="HKD").ratio > 0


def test_reading_a_unit_imports_no_units_library():
    code = (
        "import sys; from commonwatt.catalogue.units import parse_quantity; "
        "assert parse_quantity('0.08 USD/kWh', 'USD/MWh') == 80.0; "
        "assert not {'pint', 'numpy', 'scipy'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
