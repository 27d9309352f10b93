"""A compute centre as its finance file describes it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from commonwatt.core.shipped import ShippedCollection
from commonwatt.treasury.domain.errors import CentreError
from commonwatt.treasury.io.country.folder import (
    SHIPPED,
    read_treasury_toml,
    validate_treasury_document,
)

Share = Annotated[float, Field(ge=0, le=1)]
CENTS_PER_MN = 100_000_000
CENTRES = ShippedCollection(SHIPPED / "centres", "*.toml")


class Repayment(StrEnum):
    """How the loan comes back."""

    SCULPTED = "sculpted"
    ANNUITY = "annuity"


class FinancingRoute(StrEnum):
    """How the centre comes onto the public books."""

    ON_BUDGET = "on-budget"
    GUARANTEE = "guarantee"
    PPP = "ppp"


class _CentreSection(BaseModel):
    # As in a country file: a misspelt key must not turn into a default.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Construction(_CentreSection):
    """What is built and when it is paid for.

    Args:
        cost_mn: Cost before finance, in mn of the currency.
        years: Years of building.
        steepness: Shape of the S-curve, a beta law of this parameter twice; 1 is even.
    """

    cost_mn: float = Field(gt=0)
    years: int = Field(ge=1, le=10)
    steepness: float = Field(2.0, ge=1, le=6)


class Loan(_CentreSection):
    """How it is borrowed for.

    Args:
        share: Debt over all uses, finance costs included [share].
        rate: Nominal rate, compounded once a period [1/year].
        fee: Arrangement fee over the loan [share].
        years: Years from the first operating period to the last repayment.
        repayment: Sculpted to cash, or an annuity.
    """

    share: Share
    # The upper bound catches a rate written in per cent.
    rate: Annotated[float, Field(ge=0, le=0.5)]
    fee: Annotated[float, Field(ge=0, le=0.1)] = 0.0
    years: int = Field(ge=1, le=60)
    repayment: Repayment = Repayment.SCULPTED


class Operation(_CentreSection):
    """What it sells and costs.

    Args:
        gpus: GPUs for sale.
        utilisation: Allocated over available GPU-hours [share].
        price: User charge per allocated GPU-hour, first year, in the currency.
        price_growth: Yearly change of the price; negative as hardware gets cheaper.
        variable_cost: Cost per allocated GPU-hour, mostly energy, in the currency.
        fixed_cost_mn: Fixed cost a year, in mn.
        inflation: Yearly change of both costs.
        years: Years of operation.
    """

    gpus: int = Field(ge=1)
    utilisation: Share
    price: float = Field(gt=0)
    price_growth: Annotated[float, Field(ge=-0.5, le=0.5)] = 0.0
    variable_cost: float = Field(0.0, ge=0)
    fixed_cost_mn: float = Field(0.0, ge=0)
    inflation: Annotated[float, Field(ge=-0.1, le=0.5)] = 0.0
    years: int = Field(ge=1, le=60)


class Refresh(_CentreSection):
    """Renewal of the hardware.

    Args:
        every_years: Years between renewals.
        cost_mn: Cost of each, in mn of the first year.
        cost_growth: Yearly change of that cost.
    """

    every_years: int = Field(ge=1, le=20)
    cost_mn: float = Field(ge=0)
    cost_growth: Annotated[float, Field(ge=-0.5, le=0.5)] = 0.0


class Ppp(_CentreSection):
    """Terms of a private partner.

    Args:
        cost_of_capital: Blended return that availability payments give [1/year].
        construction_risk_private: The partner bears most construction risk.
        availability_risk_private: The partner bears most availability risk.
        demand_risk_private: The partner bears most demand risk.
    """

    cost_of_capital: Annotated[float, Field(gt=0, le=0.5)] = 0.08
    construction_risk_private: bool = True
    availability_risk_private: bool = True
    demand_risk_private: bool = False


class Centre(_CentreSection):
    """A compute centre's finance."""

    name: str
    currency: str = Field(pattern="^[A-Z]{3}$")
    first_year: int = Field(ge=1990, le=2200, description="Year in which building starts.")
    periods_per_year: int = Field(2, ge=1, le=12)
    construction: Construction
    loan: Loan
    operation: Operation
    refresh: Refresh | None = None
    ppp: Ppp = Ppp()
    growth_beta: float = Field(
        2.0, ge=0, le=10, description="Per cent of demand for each per cent of GDP."
    )

    @model_validator(mode="after")
    def _check_loan_within_operation(self) -> Centre:
        # The last repayment needs cash of its own period to be covered by.
        if self.loan.years > self.operation.years:
            raise ValueError("the loan must end within the years of operation")
        return self

    @property
    def construction_period_count(self) -> int:
        """Periods of construction."""
        return self.construction.years * self.periods_per_year

    @property
    def operating_period_count(self) -> int:
        """Periods of operation."""
        return self.operation.years * self.periods_per_year

    @property
    def loan_repayment_period_count(self) -> int:
        """Periods of repayment."""
        return self.loan.years * self.periods_per_year

    @property
    def loan_interest_rate_per_period(self) -> float:
        """Interest of one period."""
        return self.loan.rate / self.periods_per_year


def find_debt_financed_centre_file(name_or_path: str | Path) -> Path:
    """Return the file of a shipped centre, or the path that is given.

    >>> (
    ...     find_debt_financed_centre_file("harbour").name,
    ...     find_debt_financed_centre_file("./harbour").name,
    ... )
    ('harbour.toml', 'harbour')
    """
    return CENTRES.find_shipped_file_or_path(name_or_path)


def load_debt_financed_centre(path: Path) -> Centre:
    """Return a centre from its TOML file.

    Raises:
        CentreError: The file is missing or holds bad values; every fault is listed.
    """
    return validate_treasury_document(
        path.name, Centre, read_treasury_toml(path, CentreError), CentreError
    )
