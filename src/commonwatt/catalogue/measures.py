"""What a figure is: its label, unit, meaning, form and formula, said once.

A wing declares its measures in `<wing>/domain/measures.py`; tables, headings, facts, JSON,
charts, dossiers and the printed reference read them there. Nothing is computed here, and
nothing is parsed before a value is written, because every command imports this module.

>>> from commonwatt.core.messages import Message
>>> wait = Measure("wait_mean", Message("Queue delay, mean"), "s", Message("Start − submit"), HOURS)
>>> measure_heading(wait), measure_value_text(17748.0, wait), measure_cell_text(17748.0, wait)
('Queue delay, mean [h]', '4.93 h', '4.93')
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Final, TypeGuard

from commonwatt.catalogue.errors import CatalogueError, UnitError
from commonwatt.catalogue.units import (
    Unit,
    convert,
    decimals_in_other_unit_scale,
    format_quantity,
    format_unit,
    parse_unit,
    unit_in_scale_of_language,
    unit_value_in_other_scale,
)
from commonwatt.core.messages import Message

ABSENT: Final = "–"
CURRENCY: Final = "{currency}"  # stands in a unit for the money that a run's country counts in
YES, NO = Message("yes"), Message("no")


class FormKind(StrEnum):
    """Kinds of value; a table stores each under the same word."""

    TEXT = "text"
    FLAG = "flag"
    DATE = "date"
    INSTANT = "instant"
    COUNT = "count"
    NUMBER = "number"


@dataclass(frozen=True, slots=True)
class Form:
    """How a value is written for people.

    Args:
        kind: What kind of value it is.
        digits: Decimals; four digits that matter where none is said.
        unit: The unit that people are shown; that of the measure where none is said.
        signed: Whether a rise carries its plus, as a change does.
        grouped: Whether thousands are parted; a year's are not.

    >>> SHARE.with_digits(2).measure_form_with_shown_unit("% of GDP").unit
    '% of GDP'
    """

    kind: FormKind
    digits: int | None = None
    unit: str = ""
    signed: bool = False
    grouped: bool = True

    def with_digits(self, digits: int) -> Form:
        """Return this form with another number of decimals."""
        return replace(self, digits=digits)

    def measure_form_with_shown_unit(self, unit: str) -> Form:
        """Return this form with another unit that people are shown."""
        return replace(self, unit=unit)


TEXT: Final = Form(FormKind.TEXT)
FLAG: Final = Form(FormKind.FLAG)
DATE: Final = Form(FormKind.DATE)
INSTANT: Final = Form(FormKind.INSTANT)
COUNT: Final = Form(FormKind.COUNT, 0)
NUMBER: Final = Form(FormKind.NUMBER)
SHARE: Final = Form(FormKind.NUMBER, 1, "%")
# With its plus: a change without a sign reads as a level.
CHANGE: Final = Form(FormKind.NUMBER, 1, "%", signed=True)
MONEY: Final = Form(FormKind.NUMBER, 2)
HOURS: Final = Form(FormKind.NUMBER, 2, "h")


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure: what it is called, counted in, and how it comes about.

    Args:
        id: Its name in the catalogue, without a unit: `queue_delay_mean`.
        label: What people call it; a noun, without its unit.
        unit: The unit that it is stored in; "" where it has none.
        meaning: A sentence that fixes the definition.
        form: How it is written.
        formula: How it follows from other measures; "" for an input or a plain column.
    """

    id: str
    label: Message
    unit: str
    meaning: Message
    form: Form
    formula: str = ""

    def __hash__(self) -> int:
        # An id stands once in the catalogue; a label holds a dict and has no hash.
        return hash(self.id)


@dataclass(frozen=True, slots=True)
class TableColumn:
    """One column of a table; its name carries its unit, as in `queue_delay_mean_h`.

    Args:
        name: Its name in the table.
        kind: How it is stored: text, count, number, flag, instant or date.
        unit: The unit that it is stored in.
        meaning: What it holds.
        measure: What it is a column of; `TableColumn.of` takes the rest from there.
    """

    name: str
    kind: str
    unit: str
    meaning: str
    measure: Measure

    @classmethod
    def of(
        cls, measure: Measure, name: str = "", *, unit: str = "", kind: str = "", meaning: str = ""
    ) -> TableColumn:
        """Return the column that holds a measure.

        Args:
            measure: What it holds.
            name: Its name in the table, with its unit; the measure's id where none is said.
            unit: The unit that this table stores, where it is not the measure's.
            kind: How it is stored, where the measure's form does not say it: a count whose
                mean is a number.
            meaning: What this table adds to the measure's meaning.
        """
        stored = kind or measure.form.kind.value
        sentence = meaning or measure.meaning.text
        return cls(name or measure.id, stored, unit or measure.unit, sentence, measure)


Described = Measure | TableColumn


def measure_label_message(of: Described) -> Message:
    """Return what people call a figure or a column, for whoever translates it later."""
    return _measure_of_measure_or_column(of).label


def measure_label_text(of: Described, language: str = "en", *, subject: str = "") -> str:
    """Return what people call a figure or a column, without its unit.

    Args:
        of: The figure.
        language: The reader's language.
        subject: Whose figure it is, such as a site, in the reader's language.
    """
    text = measure_label_message(of).translate(language)
    if not subject:
        return text
    return Message("{label}: {subject}", {"label": text, "subject": subject}).translate(language)


def measure_heading(of: Described, language: str = "en", *, currency: str = "") -> str:
    """Return the heading of a column or an axis, with the unit that is shown under it.

    Args:
        of: The figure.
        language: The reader's language.
        currency: The money of the run, where the figure is in a country's own.

    >>> from commonwatt.core.messages import Message
    >>> debt = Measure("debt", Message("Debt"), "{currency} bn", Message("Gross debt"), MONEY)
    >>> measure_heading(debt, currency="HKD"), measure_value_text(9.27, debt, currency="HKD")
    ('Debt [HKD bn]', '9.27 HKD bn')
    >>> measure_heading(debt, "zh-Hant", currency="HKD").partition(" ")[2]
    '[億港元]'
    """
    unit = shown_measure_unit_text(of, language, currency=currency)
    text = measure_label_text(of, language)
    return f"{text} [{unit}]" if unit else text


def shown_measure_unit_text(of: Described, language: str = "en", *, currency: str = "") -> str:
    """Return the unit that a figure is shown in, as people read it; "" where it needs none."""
    unit = _measure_unit_code_for_display(of, currency)
    if not _needs_measure_unit_text(of, unit):
        return ""
    scales = _heading_unit_and_counted_unit(of, language, currency)
    return format_unit(unit if scales is None else scales[1], language)


def measure_value_text(
    value: object, of: Described, language: str = "en", *, currency: str = ""
) -> str:
    """Return a value as people read it, with its unit.

    Args:
        value: The value in the unit that is stored; None where there is none.
        of: The figure.
        language: The reader's language.
        currency: The money of the run, where the figure is in a country's own.
    """
    unit = _measure_unit_code_for_display(of, currency)
    if not _needs_measure_unit_text(of, unit) or not _is_measure_cell_number(value):
        return measure_cell_text(value, of, language, currency=currency)
    shown = _measure_value_in_shown_unit(value, of, currency)
    form = _measure_of_measure_or_column(of).form
    sign = "+" if form.signed and shown > 0 else ""
    # Four digits that matter, as in a cell; `format_quantity` would keep all that the float has.
    if form.digits is None:
        counted = unit_in_scale_of_language(unit, language, value=shown)
        number = _measure_significant_digits_text(
            unit_value_in_other_scale(shown, parse_unit(unit), counted)
        )
        return f"{number} {format_unit(counted, language)}"
    return sign + format_quantity(shown, unit, language, digits=form.digits)


def measure_cell_text(
    value: object, of: Described, language: str = "en", *, currency: str = ""
) -> str:
    """Return a value as it stands under its heading, which says the unit.

    >>> from commonwatt.core.messages import Message
    >>> use = Measure("use", Message("Utilisation"), "share", Message("Allocated"), SHARE)
    >>> (
    ...     measure_heading(use),
    ...     measure_cell_text(0.934, use),
    ...     measure_value_text(0.934, use),
    ...     measure_cell_text(None, use),
    ... )
    ('Utilisation [%]', '93.4', '93.4 %', '–')
    """
    if not _is_measure_cell_number(value):
        return _non_numeric_measure_text(value, language)
    shown = measure_value_in_heading_unit(value, of, language, currency=currency)
    form = _measure_of_measure_or_column(of).form
    sign = "+" if form.signed and shown > 0 else ""
    if form.digits is None:
        return sign + _measure_significant_digits_text(shown)
    digits = _measure_decimals_under_heading(of, form.digits, language, currency)
    return sign + format(shown, f"{',' if form.grouped else ''}.{digits}f")


def measure_value_in_heading_unit(
    value: float, of: Described, language: str, *, currency: str = ""
) -> float:
    """Return a stored value in the unit that its heading shows, as a chart draws it.

    The language has no default: a heading in 億 above a value in billions would be wrong
    tenfold, and nothing would show it.
    """
    shown = _measure_value_in_shown_unit(value, of, currency)
    scales = _heading_unit_and_counted_unit(of, language, currency)
    return shown if scales is None else unit_value_in_other_scale(shown, *scales)


def _measure_value_in_shown_unit(value: float, of: Described, currency: str) -> float:
    stored, shown = _stored_measure_unit(of, currency), _measure_unit_code_for_display(of, currency)
    return float(value) if stored == shown else convert(value, stored or "ratio", shown)


def _heading_unit_and_counted_unit(
    of: Described, language: str, currency: str
) -> tuple[Unit, Unit] | None:
    """Return the unit that is shown and the one that the language counts in; None where equal."""
    if language != "zh-Hant":
        return None
    try:
        unit = parse_unit(_measure_unit_code_for_display(of, currency) or "ratio")
    except UnitError:
        # An economy may count in a currency that the units do not spell; its heading says so.
        return None
    counted = unit_in_scale_of_language(unit, language)
    return None if counted is unit else (unit, counted)


def _measure_decimals_under_heading(
    of: Described, digits: int, language: str, currency: str
) -> int:
    scales = _heading_unit_and_counted_unit(of, language, currency)
    return digits if scales is None else decimals_in_other_unit_scale(digits, *scales)


def _measure_of_measure_or_column(of: Described) -> Measure:
    return of if isinstance(of, Measure) else of.measure


def _stored_measure_unit(of: Described, currency: str) -> str:
    return _measure_unit_in_currency(of, of.unit, currency)


def _measure_unit_code_for_display(of: Described, currency: str) -> str:
    return _measure_unit_in_currency(
        of, _measure_of_measure_or_column(of).form.unit or of.unit, currency
    )


def _measure_unit_in_currency(of: Described, unit: str, currency: str) -> str:
    if CURRENCY not in unit:
        return unit
    # Raised and not left open: "{currency} bn" on a page would be found by a reader.
    if not currency:
        raise CatalogueError(
            _measure_of_measure_or_column(of).id,
            found=Message("a figure in a country's own money"),
            wanted=Message("the currency of the run"),
        )
    return unit.replace(CURRENCY, currency)


def _needs_measure_unit_text(of: Described, unit: str) -> bool:
    # "GPUs: 1,234" needs no second "GPU", and "ratio" tells nobody anything.
    if not unit or _measure_of_measure_or_column(of).form.kind != FormKind.NUMBER:
        return False
    return any(name != "one" for name, _ in parse_unit(unit).parts)


def _is_measure_cell_number(value: object) -> TypeGuard[float]:
    # True is an int in Python and would be written as 1.
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return not math.isnan(value)


def _non_numeric_measure_text(value: object, language: str) -> str:
    # The float that comes here is NaN: nothing is known, and "nan" is no word for that.
    if value is None or isinstance(value, float):
        return ABSENT
    if isinstance(value, bool):
        return (YES if value else NO).translate(language)
    # Before date, of which it is a kind: `isoformat` would print seconds that nobody reads.
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return value.isoformat() if isinstance(value, date) else str(value)


def _measure_significant_digits_text(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
