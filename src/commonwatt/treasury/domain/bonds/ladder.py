"""A ladder of tranches by fiscal year: what stands, what matures, what it costs.

Years are whole; a tranche stands from the end of the year of its issue to the end
of the year of its maturity and pays a year's coupon in each year between. A dated
bond becomes a tranche by the fiscal years of its dates.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from commonwatt.core.messages import Message
from commonwatt.treasury.domain.errors import BondError, checked_treasury_share


@dataclass(frozen=True, slots=True, kw_only=True)
class Tranche:
    """Part of the debt that was issued together and matures together.

    Args:
        name: As the country file spells it.
        programme: The borrowing programme that it counts under.
        currency: ISO 4217 code of what is owed.
        amount: Principal, in the country's own currency at the rate of its issue.
        coupon: Annual coupon [share a year].
        issued: Calendar year in which the fiscal year of issue starts.
        matures: Calendar year in which the fiscal year of maturity starts.
        label: Green, infrastructure, retail …

    Raises:
        BondError: It matures before it is issued, or its coupon is no share.
    """

    name: str
    programme: str
    currency: str
    amount: float
    coupon: float
    issued: int
    matures: int
    label: str = ""

    def __post_init__(self) -> None:
        if self.matures < self.issued:
            years = {"matures": str(self.matures), "issued": str(self.issued)}
            raise BondError(
                f"bond {self.name}",
                found=Message("maturity in {matures}, issue in {issued}", years),
                wanted=Message("a maturity after the issue"),
            )
        checked_treasury_share(f"bond {self.name}, coupon", self.coupon, BondError)

    def is_outstanding_after(self, year: int) -> bool:
        """Return whether it is owed at the end of the fiscal year that starts in `year`."""
        return self.issued <= year < self.matures


def outstanding_debt_bn_after_year(ladder: Iterable[Tranche], year: int) -> float:
    """Return the principal owed at the end of a fiscal year."""
    # fsum: identities are checked to 1e-9, and a plain sum depends on the ladder's order.
    return math.fsum(t.amount for t in ladder if t.is_outstanding_after(year))


def debt_redemption_bn_in_year(ladder: Iterable[Tranche], year: int) -> float:
    """Return the principal that matures in a fiscal year."""
    # A tranche of the same year never stood at a year's end, and so is no redemption either.
    return math.fsum(t.amount for t in ladder if t.matures == year and t.issued < year)


def coupon_interest_bn_in_year(ladder: Iterable[Tranche], year: int) -> float:
    """Return a year's coupons on what stood at the end of the year before.

    What is issued within the year pays its first coupon in the next.
    """
    return math.fsum(t.amount * t.coupon for t in ladder if t.is_outstanding_after(year - 1))
