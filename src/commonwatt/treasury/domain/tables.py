"""The tables of the treasury, each column declared by its measure.

Columns of money carry the currency in their name, so a table is asked for in a currency:
`YEARS.in_currency("HKD")` has `debt_hkd_bn`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import commonwatt.treasury.domain.measures as of
from commonwatt.catalogue.measures import Measure, TableColumn
from commonwatt.catalogue.shared import DEBT_GDP, FISCAL_YEAR, UTILISATION, YEAR
from commonwatt.catalogue.tables import TableSchema

Row = dict[str, Any]


def _fiscal_budget_bn_column(measure: Measure, stem: str = "") -> TableColumn:
    return TableColumn.of(measure, f"{stem or measure.id}_{{currency}}_bn", unit="{currency} bn")


def _debt_financed_centre_mn_column(measure: Measure, stem: str) -> TableColumn:
    return TableColumn.of(measure, f"{stem}_mn")


_DEBT_GDP: Final = TableColumn.of(DEBT_GDP, "debt_gdp_share")

YEARS: Final = TableSchema(
    "treasury_years",
    "The projection, one row a fiscal year.",
    (
        TableColumn.of(FISCAL_YEAR),
        TableColumn.of(of.STATUS),
        _fiscal_budget_bn_column(of.GDP),
        _fiscal_budget_bn_column(of.DEBT),
        _fiscal_budget_bn_column(of.GROSS_ISSUANCE),
        _fiscal_budget_bn_column(of.REDEMPTION),
        _fiscal_budget_bn_column(of.INTEREST),
        _fiscal_budget_bn_column(of.GROSS_FINANCING_NEED),
        _fiscal_budget_bn_column(of.PRIMARY_BALANCE),
        _fiscal_budget_bn_column(of.RESERVES),
        _fiscal_budget_bn_column(of.RESERVES_LESS_DEBT),
        _fiscal_budget_bn_column(of.BALANCE_PUBLISHED),
        _fiscal_budget_bn_column(of.BALANCE_BEFORE_BONDS),
        _fiscal_budget_bn_column(of.BALANCE_BEFORE_BONDS_AND_TRANSFERS),
        _fiscal_budget_bn_column(of.BALANCE_HEADLINE),
        _DEBT_GDP,
        TableColumn.of(of.GROSS_FINANCING_NEED_GDP, "gross_financing_need_gdp_share"),
        TableColumn.of(of.EFFECTIVE_INTEREST_RATE),
        TableColumn.of(of.GDP_VINTAGE),
        TableColumn.of(of.DEBT_BASIS),
        TableColumn.of(of.CHANGE_INTEREST, "change_interest_share"),
        TableColumn.of(of.CHANGE_GROWTH, "change_growth_share"),
        TableColumn.of(of.CHANGE_PRIMARY_BALANCE, "change_primary_balance_share"),
        TableColumn.of(of.CHANGE_EXCHANGE_RATE, "change_exchange_rate_share"),
        TableColumn.of(of.CHANGE_STOCK_FLOW, "change_stock_flow_share"),
    ),
)
CHANGED_YEARS: Final = YEARS.schema_under_name_with_more_columns(
    "treasury_changed_years",
    TableColumn.of(of.PLANNED_DEBT_GDP, "planned_debt_gdp_share"),
    meaning="The projection under a reader's changes, beside the planned ratio.",
)
HISTORY: Final = TableSchema(
    "treasury_history",
    "Published past years.",
    (
        TableColumn.of(FISCAL_YEAR),
        TableColumn.of(of.STATUS),
        _fiscal_budget_bn_column(of.DEBT),
        _fiscal_budget_bn_column(of.GDP),
        _fiscal_budget_bn_column(of.RESERVES),
        _fiscal_budget_bn_column(of.RESERVES_LESS_DEBT),
        _DEBT_GDP,
        TableColumn.of(of.SOURCE_ID),
    ),
)
BRIDGE: Final = TableSchema(
    "treasury_bridge",
    "From the published balance of the first year to income less expense.",
    (
        TableColumn.of(FISCAL_YEAR),
        TableColumn.of(of.STEP),
        _fiscal_budget_bn_column(of.STEP_AMOUNT, "amount"),
        _fiscal_budget_bn_column(of.STEP_LEVEL, "level"),
    ),
)
QUARTERS: Final = TableSchema(
    "treasury_quarters",
    "Reserves at the end of each quarter.",
    (TableColumn.of(of.QUARTER), _fiscal_budget_bn_column(of.RESERVES)),
)
PUBLISHED_CHECKS: Final = TableSchema(
    "treasury_published_checks",
    "Each published figure beside the projection's.",
    (
        TableColumn.of(FISCAL_YEAR),
        TableColumn.of(of.CHECKED_FIELD, "field"),
        TableColumn.of(of.PUBLISHED_VALUE, "published"),
        TableColumn.of(of.PROJECTED_VALUE, "projected"),
        TableColumn.of(of.TOLERANCE),
        TableColumn.of(of.HOLDS),
        TableColumn.of(of.SOURCE_ID),
    ),
)
COMPARISON: Final = TableSchema(
    "treasury_comparison",
    "The country's first year beside the same year of other economies.",
    (
        TableColumn.of(of.ECONOMY),
        TableColumn.of(of.COMPARED_YEAR, "year"),
        _DEBT_GDP,
        TableColumn.of(of.COMPARED_BASIS, "basis"),
        TableColumn.of(of.CAVEAT),
    ),
)
FAN_DEBT: Final = TableSchema(
    "treasury_debt_gdp_share",
    "Debt over GDP on the stochastic paths, by fiscal year.",
    (
        TableColumn.of(FISCAL_YEAR),
        TableColumn.of(of.QUANTILE_05, "q05"),
        TableColumn.of(of.QUANTILE_10, "q10"),
        TableColumn.of(of.QUANTILE_25, "q25"),
        TableColumn.of(of.QUANTILE_50, "q50"),
        TableColumn.of(of.QUANTILE_75, "q75"),
        TableColumn.of(of.QUANTILE_90, "q90"),
        TableColumn.of(of.QUANTILE_95, "q95"),
        TableColumn.of(of.PATH_MEAN, "mean"),
        TableColumn.of(of.QUANTILE_ERROR_05, "monte_carlo_error_q05"),
        TableColumn.of(of.QUANTILE_ERROR_50, "monte_carlo_error_q50"),
        TableColumn.of(of.QUANTILE_ERROR_95, "monte_carlo_error_q95"),
    ),
)
FAN_RESERVES: Final = FAN_DEBT.schema_under_name_with_more_columns(
    "treasury_reserves_gdp_share", meaning="Reserves over GDP on the same paths."
)
FAN_NEED: Final = FAN_DEBT.schema_under_name_with_more_columns(
    "treasury_gross_financing_need_gdp_share",
    meaning="Gross financing need over GDP on the same paths.",
)
CHANCES: Final = TableSchema(
    "treasury_chances",
    "Chance of each event by year, and in at least one year in the row `ever`.",
    (
        TableColumn.of(of.YEAR_OR_EVER, "fiscal_year"),
        TableColumn.of(of.CEILING_CHANCE, "debt_over_ceiling_probability"),
        TableColumn.of(of.CEILING_CHANCE_ERROR, "debt_over_ceiling_monte_carlo_error"),
        TableColumn.of(of.FLOOR_CHANCE, "reserves_under_floor_probability"),
        TableColumn.of(of.FLOOR_CHANCE_ERROR, "reserves_under_floor_monte_carlo_error"),
        TableColumn.of(of.CALL_CHANCE, "guarantee_call_probability"),
        TableColumn.of(of.CALL_CHANCE_ERROR, "guarantee_call_monte_carlo_error"),
    ),
)
ECONOMIES: Final = TableSchema(
    "treasury_economies",
    "How the fan fared at past origins, by economy.",
    (
        TableColumn.of(of.ECONOMY),
        TableColumn.of(of.FORECASTS),
        TableColumn.of(of.COVERAGE_80, "coverage_80_share"),
        TableColumn.of(of.CRPS, "crps_points"),
        TableColumn.of(of.WIDTH_80, "width_80_points"),
        TableColumn.of(of.MEDIAN_ERROR, "median_error_points"),
    ),
)
SIGNALS: Final = TableSchema(
    "treasury_signals",
    "Indicators beside the thresholds of a rule table.",
    (
        TableColumn.of(of.INDICATOR),
        TableColumn.of(of.INDICATOR_VALUE, "value"),
        TableColumn.of(of.THRESHOLDS),
        TableColumn.of(of.SIGNAL),
        TableColumn.of(of.SIGNAL_NOTE, "note"),
    ),
)
ADJUSTMENTS: Final = TableSchema(
    "treasury_adjustments",
    "The least yearly step of a European adjustment, by its length.",
    (
        TableColumn.of(of.ADJUSTMENT_YEARS, "years"),
        TableColumn.of(of.ADJUSTMENT_STEP, "step"),
        TableColumn.of(of.BINDING),
    ),
)
CONSTRUCTION: Final = TableSchema(
    "treasury_construction",
    "Building, and how it is paid for, by period.",
    (
        TableColumn.of(of.PERIOD),
        _debt_financed_centre_mn_column(of.BUILDING_COST, "cost"),
        _debt_financed_centre_mn_column(of.CENTRE_INTEREST, "interest"),
        _debt_financed_centre_mn_column(of.FEE, "fee"),
        _debt_financed_centre_mn_column(of.DEBT_DRAWN, "debt"),
        _debt_financed_centre_mn_column(of.EQUITY, "equity"),
        _debt_financed_centre_mn_column(of.LOAN_BALANCE, "balance"),
    ),
)
LOAN: Final = TableSchema(
    "treasury_loan",
    "Operation and debt service, by period of the loan.",
    (
        TableColumn.of(of.PERIOD),
        _debt_financed_centre_mn_column(of.USER_CHARGES, "revenue"),
        _debt_financed_centre_mn_column(of.PERIOD_RUNNING_COST, "running_cost"),
        _debt_financed_centre_mn_column(of.REFRESH_RESERVE, "refresh_reserve"),
        _debt_financed_centre_mn_column(of.CFADS, "cfads"),
        _debt_financed_centre_mn_column(of.CENTRE_INTEREST, "interest"),
        _debt_financed_centre_mn_column(of.PRINCIPAL, "principal"),
        _debt_financed_centre_mn_column(of.LOAN_BALANCE, "balance"),
        TableColumn.of(of.DSCR),
    ),
)
PRICE: Final = TableSchema(
    "treasury_price",
    "The price that a loan life cover needs, by utilisation.",
    (
        TableColumn.of(UTILISATION, "utilisation_share"),
        TableColumn.of(of.LLCR),
        TableColumn.of(of.CENTRE_PRICE, "price_{currency}_per_gpu_hour"),
        TableColumn.of(of.PRICE_OVER_85, "over_price_at_85_share"),
    ),
)
CASES: Final = TableSchema(
    "treasury_cases",
    "Cover in the base case and in worse ones.",
    (
        TableColumn.of(of.CASE),
        _debt_financed_centre_mn_column(of.CASE_DEBT, "debt"),
        TableColumn.of(of.DSCR_MIN),
        TableColumn.of(of.DSCR_MEAN),
        _debt_financed_centre_mn_column(of.SHORTFALL, "shortfall"),
    ),
)
CAPITAL_NEED: Final = TableSchema(
    "treasury_capital_need",
    "Capital of the centre and what pays for it, by calendar year.",
    (
        TableColumn.of(YEAR),
        TableColumn.of(of.CENTRE_CAPITAL, "capital_bn", unit="{currency} bn"),
        TableColumn.of(of.CENTRE_USES, "uses_bn", unit="{currency} bn"),
        TableColumn.of(of.DEBT_DRAWN, "debt_bn", unit="{currency} bn"),
        TableColumn.of(of.EQUITY, "equity_bn", unit="{currency} bn"),
    ),
)
ROUTES: Final = TableSchema(
    "treasury_routes",
    "What each route does to the public books.",
    (
        TableColumn.of(of.ROUTE, "route"),
        _debt_financed_centre_mn_column(of.PEAK_PUBLIC_DEBT, "peak_gross_debt"),
        _debt_financed_centre_mn_column(of.PEAK_GUARANTEES, "peak_guarantees"),
        _debt_financed_centre_mn_column(of.TOTAL_DEFICIT, "total_deficit"),
    ),
)

TABLES: Final[Mapping[str, TableSchema]] = {
    table.name.removeprefix("treasury_"): table
    for table in (
        YEARS, HISTORY, BRIDGE, QUARTERS, PUBLISHED_CHECKS, COMPARISON,
        FAN_DEBT, FAN_RESERVES, FAN_NEED, CHANCES, ECONOMIES, SIGNALS, ADJUSTMENTS,
        CONSTRUCTION, LOAN, PRICE, CASES, CAPITAL_NEED,
    )
}  # fmt: skip
