"""What a unit is, and the fault that its text may hold."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from commonwatt.catalogue.errors import UnitError
from commonwatt.catalogue.units.table import CODES, Dims
from commonwatt.core.messages import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A unit: how many base units it holds, and of which dimensions.

    Args:
        text: As it was written.
        ratio: Base units in one of these, exact.
        dims: Dimensions with their powers, sorted; a currency is a dimension.
        parts: Names of the table with their powers, in the order to print.
        scale: Thousands, millions or cents that are written beside the first part.
        offset: Base units at the zero of a temperature scale, else 0.
        of: What a share or a mass is of ("GDP", "CO2e"), or "".
        price_year: The year in whose prices money is, where the text names one.
    """

    text: str
    ratio: Fraction
    dims: Dims
    parts: tuple[tuple[str, int], ...]
    scale: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)
    of: str = ""
    price_year: int | None = None

    def __hash__(self) -> int:
        # Equal units have equal texts, and a text keeps its hash; fractions work theirs out anew.
        return hash(self.text)

    @property
    def factor(self) -> float:
        """Base units in one of these."""
        return float(self.ratio)

    @property
    def currency(self) -> str:
        """The currency that the unit is money of, or "" for none."""
        return next((name for name, power in self.parts if name in CODES and power > 0), "")

    def in_currency(self, code: str) -> Unit:
        """Return the unit with its money counted in another currency.

        The ratio stays: whoever asks brings the exchange rate. A unit without money, and
        any unit where no currency is named, stays as it is.
        """
        if not code or not self.currency or code == self.currency:
            return self
        codes = {self.currency: code}
        dims = {f"currency_{name.lower()}": f"currency_{codes[name].lower()}" for name in codes}
        return replace(
            self,
            dims=tuple(sorted((dims.get(name, name), power) for name, power in self.dims)),
            parts=tuple((codes.get(name, name), power) for name, power in self.parts),
        )


class UnitFault(Exception):  # noqa: N818  # becomes a UnitError once the place is known
    """What is wrong with a text, before anybody said where the text stands."""

    def __init__(self, found: Message, wanted: Message, remedy: Message | None = None) -> None:
        self.found, self.wanted, self.remedy = found, wanted, remedy
        super().__init__(str(found))

    def unit_error_at_place(self, where: str, text: str) -> UnitError:
        """Return the error for a user; the text itself is the place where none is named."""
        shown = text if len(text) <= 60 else f"{text[:57]}…"
        return UnitError(
            where or repr(shown),
            found=self.found,
            wanted=self.wanted,
            remedy=self.remedy or Message("Write it in the form that is wanted."),
        )
