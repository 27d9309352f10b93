"""What the figures of the treasury are: label, unit, meaning, form and formula, once each.

Money is the country's own; `{currency}` in a unit is filled in where a run is written. A
chance of a year and a chance over the whole horizon are two measures: printed under one
label, the larger of the two is read as the smaller.
"""

from __future__ import annotations

from typing import Final

from commonwatt.catalogue.measures import (
    CHANGE,
    COUNT,
    FLAG,
    MONEY,
    NUMBER,
    SHARE,
    TEXT,
    Form,
    Measure,
)
from commonwatt.core.messages import Message

_BN: Final = "{currency} bn"
_MN: Final = "{currency} mn"
_OF_GDP: Final = "share of GDP"
_TENTHS: Final = MONEY.with_digits(1)
_COVER: Final = NUMBER.with_digits(3)
_GDP: Final = SHARE.measure_form_with_shown_unit("% of GDP")
_GDP_CHANGE: Final = CHANGE.with_digits(2).measure_form_with_shown_unit("% of GDP")
_CHANCE: Final = SHARE.with_digits(2)


def _fiscal_budget_bn_measure(
    measure_name: str, label: Message, meaning: Message, formula: str = ""
) -> Measure:
    return Measure(measure_name, label, _BN, meaning, _TENTHS, formula)


def _debt_financed_centre_mn_measure(
    name: str, label: Message, meaning: Message, formula: str = ""
) -> Measure:
    return Measure(name, label, _MN, meaning, _TENTHS, formula)


def _treasury_text_measure(
    name: str, label: Message, meaning: Message, form: Form = TEXT
) -> Measure:
    return Measure(name, label, "", meaning, form)


# Years of a projection.
STATUS: Final = _treasury_text_measure(
    "status", Message("Status"), Message("Whether the year is projected, published or derived")
)
GDP: Final = _fiscal_budget_bn_measure(
    "gdp", Message("GDP"), Message("Nominal GDP of the fiscal year")
)
DEBT: Final = _fiscal_budget_bn_measure(
    "debt",
    Message("Debt"),
    Message("Gross debt at the year's end, of the programmes and on the basis that are named"),
    "debt_before + gross_issuance - redemption",
)
GROSS_ISSUANCE: Final = _fiscal_budget_bn_measure(
    "gross_issuance", Message("Gross issuance"), Message("Bonds issued in the year, at face")
)
REDEMPTION: Final = _fiscal_budget_bn_measure(
    "redemption", Message("Redemption"), Message("Principal that matures in the year")
)
INTEREST: Final = _fiscal_budget_bn_measure(
    "interest",
    Message("Interest"),
    Message("A year's coupons on what stood at the end of the year before"),
)
GROSS_FINANCING_NEED: Final = _fiscal_budget_bn_measure(
    "gross_financing_need",
    Message("Gross financing need"),
    Message("What must be found in the year: principal that matures and the own balance"),
    "redemption - balance_before_bonds_and_transfers",
)
PRIMARY_BALANCE: Final = _fiscal_budget_bn_measure(
    "primary_balance",
    Message("Primary balance"),
    Message("Income less expense before interest; bonds and transfers are no income"),
    "balance_before_bonds_and_transfers + interest",
)
RESERVES: Final = _fiscal_budget_bn_measure(
    "reserves", Message("Fiscal reserves"), Message("Reserves at the end of the period")
)
RESERVES_GDP: Final = Measure(
    "reserves_gdp",
    Message("Reserves over GDP"),
    _OF_GDP,
    Message("Fiscal reserves at the year's end over that year's GDP"),
    _GDP,
    "reserves / gdp",
)
RESERVES_LESS_DEBT: Final = _fiscal_budget_bn_measure(
    "reserves_less_debt",
    Message("Reserves less debt"),
    Message("What would be left if the debt were repaid from the reserves"),
    "reserves - debt",
)
BALANCE_PUBLISHED: Final = _fiscal_budget_bn_measure(
    "balance_published",
    Message("Balance as published"),
    Message("Change of the reserves: bond proceeds and transfers count as income"),
)
BALANCE_BEFORE_BONDS: Final = _fiscal_budget_bn_measure(
    "balance_before_bonds",
    Message("Balance before bonds"),
    Message("The published balance without bond proceeds and repayments"),
    "balance_published - gross_issuance + redemption",
)
BALANCE_BEFORE_BONDS_AND_TRANSFERS: Final = _fiscal_budget_bn_measure(
    "balance_before_bonds_and_transfers",
    Message("Balance before bonds and transfers"),
    Message("Income less expense, read from the accounts in double entry"),
    "balance_before_bonds - transfers",
)
BALANCE_HEADLINE: Final = _fiscal_budget_bn_measure(
    "balance_headline",
    Message("Balance by the chosen treatment"),
    Message("The balance that the chosen treatment of bonds and transfers headlines"),
)
GROSS_FINANCING_NEED_GDP: Final = Measure(
    "gross_financing_need_gdp",
    Message("Gross financing need over GDP"),
    _OF_GDP,
    Message("Gross financing need of the year over that year's GDP"),
    _GDP,
    "gross_financing_need / gdp",
)
EFFECTIVE_INTEREST_RATE: Final = Measure(
    "effective_interest_rate",
    Message("Effective interest rate"),
    "share",
    Message("Interest of the year over the debt at the end of the year before"),
    SHARE.with_digits(2),
    "interest / (debt - gross_issuance + redemption)",
)
GDP_VINTAGE: Final = _treasury_text_measure(
    "gdp_vintage", Message("GDP vintage"), Message("Which publication of GDP the ratios divide by")
)
DEBT_BASIS: Final = _treasury_text_measure(
    "debt_basis",
    Message("Basis of the debt"),
    Message("Cash: proceeds less repayments; revalued: foreign bonds at current exchange rates"),
)
CHANGE_INTEREST: Final = Measure(
    "change_interest",
    Message("Change of the ratio by interest"),
    _OF_GDP,
    Message("Interest of the year over its GDP"),
    _GDP_CHANGE,
    "interest / gdp",
)
CHANGE_GROWTH: Final = Measure(
    "change_growth",
    Message("Change of the ratio by growth"),
    _OF_GDP,
    Message("Effect of nominal growth on last year's ratio; negative when GDP grows"),
    _GDP_CHANGE,
    "debt_before / gdp - debt_before / gdp_before",
)
CHANGE_PRIMARY_BALANCE: Final = Measure(
    "change_primary_balance",
    Message("Change of the ratio by the primary balance"),
    _OF_GDP,
    Message("The primary balance over GDP with its sign turned"),
    _GDP_CHANGE,
    "-primary_balance / gdp",
)
CHANGE_EXCHANGE_RATE: Final = Measure(
    "change_exchange_rate",
    Message("Change of the ratio by exchange rates"),
    _OF_GDP,
    Message("Revaluation of debt in foreign currency over GDP"),
    _GDP_CHANGE,
)
CHANGE_STOCK_FLOW: Final = Measure(
    "change_stock_flow",
    Message("Change of the ratio by stock-flow adjustment"),
    _OF_GDP,
    Message("What is left: reserves built up from debt, discounts and other"),
    _GDP_CHANGE,
)
PLANNED_DEBT_GDP: Final = Measure(
    "planned_debt_gdp",
    Message("Debt over GDP as planned"),
    _OF_GDP,
    Message("Debt over GDP of the same year without the reader's changes"),
    SHARE.with_digits(2).measure_form_with_shown_unit("% of GDP"),
)
SOURCE_ID: Final = _treasury_text_measure(
    "source_id", Message("Source id"), Message("Id of the source in the country's sources.csv")
)

# Bridge, quarters, checks, comparison, ceiling.
STEP: Final = _treasury_text_measure(
    "step", Message("Step"), Message("What is taken from the published balance")
)
STEP_AMOUNT: Final = Measure(
    "step_amount",
    Message("Amount of the step"),
    _BN,
    Message("What the step adds to the balance"),
    Form(MONEY.kind, 1, signed=True),
)
STEP_LEVEL: Final = _fiscal_budget_bn_measure(
    "step_level", Message("Balance so far"), Message("The balance after the step")
)
QUARTER: Final = _treasury_text_measure(
    "quarter", Message("Quarter"), Message("Fiscal year and quarter")
)
CHECKED_FIELD: Final = _treasury_text_measure(
    "checked_field", Message("Field checked"), Message("Which column of the years is compared")
)
PUBLISHED_VALUE: Final = _treasury_text_measure(
    "published_value", Message("Published value"), Message("As the source prints it"), NUMBER
)
PROJECTED_VALUE: Final = _treasury_text_measure(
    "projected_value", Message("Projected value"), Message("As the projection gives it"), NUMBER
)
TOLERANCE: Final = _treasury_text_measure(
    "tolerance", Message("Tolerance"), Message("Half of the last digit that is printed"), NUMBER
)
HOLDS: Final = _treasury_text_measure(
    "holds", Message("Holds"), Message("Whether the two differ by no more than that"), FLAG
)
ECONOMY: Final = _treasury_text_measure(
    "economy", Message("Economy"), Message("ISO 3166 code; `all` for every economy together")
)
COMPARED_YEAR: Final = _treasury_text_measure(
    "compared_year", Message("Year compared"), Message("Fiscal or calendar year of the ratio")
)
COMPARED_BASIS: Final = _treasury_text_measure(
    "compared_basis", Message("Basis"), Message("Whose debt the ratio counts, and on what basis")
)
CAVEAT: Final = _treasury_text_measure(
    "caveat", Message("Caveat"), Message("What keeps the economy from being comparable")
)
CEILING: Final = _fiscal_budget_bn_measure(
    "ceiling", Message("Ceiling on debt"), Message("Legal ceiling on principal that stands")
)
FIRST_BREACH: Final = _treasury_text_measure(
    "first_breach",
    Message("First year over the ceiling, central path"),
    Message("First year of the projection itself whose debt is over the ceiling"),
)

# Fans.
QUANTILE_05: Final = Measure(
    "gdp_quantile_05", Message("5 % quantile"), _OF_GDP,
    Message("5 % quantile of the table's ratio over the paths"), _GDP,
)  # fmt: skip
QUANTILE_10: Final = Measure(
    "gdp_quantile_10", Message("10 % quantile"), _OF_GDP,
    Message("10 % quantile of the table's ratio over the paths"), _GDP,
)  # fmt: skip
QUANTILE_25: Final = Measure(
    "gdp_quantile_25", Message("25 % quantile"), _OF_GDP,
    Message("25 % quantile of the table's ratio over the paths"), _GDP,
)  # fmt: skip
QUANTILE_50: Final = Measure(
    "gdp_quantile_50", Message("50 % quantile"), _OF_GDP,
    Message("50 % quantile of the table's ratio over the paths"), _GDP,
)  # fmt: skip
QUANTILE_75: Final = Measure(
    "gdp_quantile_75", Message("75 % quantile"), _OF_GDP,
    Message("75 % quantile of the table's ratio over the paths"), _GDP,
)  # fmt: skip
QUANTILE_90: Final = Measure(
    "gdp_quantile_90", Message("90 % quantile"), _OF_GDP,
    Message("90 % quantile of the table's ratio over the paths"), _GDP,
)  # fmt: skip
QUANTILE_95: Final = Measure(
    "gdp_quantile_95", Message("95 % quantile"), _OF_GDP,
    Message("95 % quantile of the table's ratio over the paths"), _GDP,
)  # fmt: skip
PATH_MEAN: Final = Measure(
    "gdp_path_mean", Message("Mean of the paths"), _OF_GDP,
    Message("Mean of the table's ratio over the paths"), _GDP,
)  # fmt: skip
QUANTILE_ERROR_05: Final = Measure(
    "gdp_quantile_error_05", Message("Monte Carlo error of the 5 % quantile"), _OF_GDP,
    Message("Standard error of the quantile for this number of paths"), SHARE.with_digits(2),
)  # fmt: skip
QUANTILE_ERROR_50: Final = Measure(
    "gdp_quantile_error_50", Message("Monte Carlo error of the median"), _OF_GDP,
    Message("Standard error of the quantile for this number of paths"), SHARE.with_digits(2),
)  # fmt: skip
QUANTILE_ERROR_95: Final = Measure(
    "gdp_quantile_error_95", Message("Monte Carlo error of the 95 % quantile"), _OF_GDP,
    Message("Standard error of the quantile for this number of paths"), SHARE.with_digits(2),
)  # fmt: skip
YEAR_OR_EVER: Final = _treasury_text_measure(
    "year_or_ever",
    Message("Fiscal year, or ever"),
    Message("A year of the horizon, or `ever`: in at least one of its years"),
)
CEILING_CHANCE: Final = Measure(
    "debt_over_ceiling_chance",
    Message("Chance of debt over its ceiling, that year or ever"),
    "share",
    Message(
        "Share of the paths whose debt is over the ceiling at the year's end; "
        "in at least one year, in the row `ever`"
    ),
    _CHANCE,
)
CEILING_CHANCE_EVER: Final = Measure(
    "debt_over_ceiling_chance_ever",
    Message("Chance of debt over its ceiling, in any year"),
    "share",
    Message("Share of the paths whose debt is over the ceiling in at least one year"),
    _CHANCE,
)
CEILING_CHANCE_ERROR: Final = Measure(
    "debt_over_ceiling_chance_error",
    Message("Monte Carlo error of the chance of debt over its ceiling"),
    "share",
    Message("Standard error of a share of this number of paths"),
    _CHANCE,
)
FLOOR_CHANCE: Final = Measure(
    "reserves_under_floor_chance",
    Message("Chance of reserves under their floor, that year or ever"),
    "share",
    Message(
        "Share of the paths whose reserves are under the floor at the year's end; "
        "in at least one year, in the row `ever`"
    ),
    _CHANCE,
)
FLOOR_CHANCE_EVER: Final = Measure(
    "reserves_under_floor_chance_ever",
    Message("Chance of reserves under their floor, in any year"),
    "share",
    Message("Share of the paths whose reserves are under the floor in at least one year"),
    _CHANCE,
)
FLOOR_CHANCE_ERROR: Final = Measure(
    "reserves_under_floor_chance_error",
    Message("Monte Carlo error of the chance of reserves under their floor"),
    "share",
    Message("Standard error of a share of this number of paths"),
    _CHANCE,
)
CALL_CHANCE: Final = Measure(
    "guarantee_call_chance",
    Message("Chance that a guarantee is called, that year or ever"),
    "share",
    Message(
        "Share of the paths on which guarantees are called in the year; "
        "in at least one year, in the row `ever`"
    ),
    _CHANCE,
)
CALL_CHANCE_EVER: Final = Measure(
    "guarantee_call_chance_ever",
    Message("Chance that a guarantee is called, in any year"),
    "share",
    Message("Share of the paths on which guarantees are called in at least one year"),
    _CHANCE,
)
CALL_CHANCE_ERROR: Final = Measure(
    "guarantee_call_chance_error",
    Message("Monte Carlo error of the chance that a guarantee is called"),
    "share",
    Message("Standard error of a share of this number of paths"),
    _CHANCE,
)
STRATEGY: Final = _treasury_text_measure(
    "strategy", Message("Strategy"), Message("Issuance mix; the planned first")
)
STRATEGY_COST: Final = _fiscal_budget_bn_measure(
    "strategy_cost", Message("Cost a year"), Message("Mean yearly cost of new bonds on the paths")
)
STRATEGY_RISK: Final = _fiscal_budget_bn_measure(
    "strategy_cost_at_risk",
    Message("Cost at risk, 95 %"),
    Message("95 % quantile of the yearly cost of new bonds less its mean"),
)
STRATEGY_PEAK: Final = _fiscal_budget_bn_measure(
    "strategy_peak_redemption",
    Message("Largest redemption"),
    Message("Largest principal that matures in any year of the horizon"),
)
STRATEGY_EFFICIENT: Final = _treasury_text_measure(
    "strategy_efficient",
    Message("Efficient"),
    Message("No other mix costs less at no more risk"),
    FLAG,
)

# Backtest.
FORECASTS: Final = Measure(
    "forecasts", Message("Forecasts"), "", Message("Origins whose outcome is known"), COUNT
)
COVERAGE_80: Final = Measure(
    "coverage_80",
    Message("Outcomes inside the 80 % band"),
    "share",
    Message("Share of outcomes between the 10 % and the 90 % quantile of their forecast"),
    SHARE,
)
CRPS: Final = Measure(
    "crps",
    Message("Ranked probability score"),
    "% of GDP",
    Message("Continuous ranked probability score of the debt ratio; smaller is better"),
    NUMBER.with_digits(2),
)
WIDTH_80: Final = Measure(
    "width_80",
    Message("Width of the 80 % band"),
    "% of GDP",
    Message("Mean distance from the 10 % to the 90 % quantile"),
    NUMBER.with_digits(1),
)
MEDIAN_ERROR: Final = Measure(
    "median_error",
    Message("Error of the median"),
    "% of GDP",
    Message("Mean of outcome less median; positive where forecasts were too low"),
    NUMBER.with_digits(1),
)

# Rules.
INDICATOR: Final = _treasury_text_measure(
    "indicator", Message("Indicator"), Message("What the rule judges")
)
INDICATOR_VALUE: Final = _treasury_text_measure(
    "indicator_value",
    Message("Value of the indicator"),
    Message("A share, or an index of the framework"),
    NUMBER.with_digits(3),
)
THRESHOLDS: Final = _treasury_text_measure(
    "thresholds", Message("Thresholds"), Message("The values that part the signals")
)
SIGNAL: Final = _treasury_text_measure(
    "signal",
    Message("Signal"),
    Message("Low, moderate or high; within or breach; absent, or no input"),
)
SIGNAL_NOTE: Final = _treasury_text_measure(
    "signal_note",
    Message("Source of the threshold"),
    Message("Where the threshold stands, or why there is none"),
)
ADJUSTMENT_YEARS: Final = Measure(
    "adjustment_years",
    Message("Years of adjustment"),
    "",
    Message("Length of the adjustment period"),
    COUNT,
)
ADJUSTMENT_STEP: Final = Measure(
    "adjustment_step",
    Message("Step a year"),
    _OF_GDP,
    Message("Least yearly improvement of the structural primary balance"),
    SHARE.with_digits(3).measure_form_with_shown_unit("% of GDP"),
)
BINDING: Final = _treasury_text_measure(
    "binding", Message("Binding"), Message("The criterion that sets the step")
)

# A compute centre.
PERIOD: Final = Measure(
    "period", Message("Period"), "", Message("Number of the period of building or operation"), COUNT
)
BUILDING_COST: Final = _debt_financed_centre_mn_measure(
    "building_cost", Message("Cost of building"), Message("Cost before finance, along the S-curve")
)
CENTRE_INTEREST: Final = _debt_financed_centre_mn_measure(
    "centre_interest", Message("Interest of the loan"), Message("Interest of the period")
)
FEE: Final = _debt_financed_centre_mn_measure(
    "arrangement_fee", Message("Arrangement fee"), Message("Paid at the start")
)
DEBT_DRAWN: Final = _debt_financed_centre_mn_measure(
    "debt_drawn", Message("Debt drawn"), Message("Loan that pays its share of every use")
)
EQUITY: Final = _debt_financed_centre_mn_measure(
    "equity_drawn", Message("Equity paid in"), Message("What the loan does not pay")
)
LOAN_BALANCE: Final = _debt_financed_centre_mn_measure(
    "loan_balance", Message("Balance of the loan"), Message("Principal at the end of the period")
)
USER_CHARGES: Final = _debt_financed_centre_mn_measure(
    "user_charges", Message("User charges"), Message("GPU-hours sold times their price")
)
PERIOD_RUNNING_COST: Final = _debt_financed_centre_mn_measure(
    "period_running_cost",
    Message("Running cost of the period"),
    Message("Fixed cost and cost of each GPU-hour sold, in prices of the period"),
)
REFRESH_RESERVE: Final = _debt_financed_centre_mn_measure(
    "refresh_reserve",
    Message("Refresh reserve"),
    Message("Saved for the next renewal of the hardware, at the end of the period"),
)
CFADS: Final = _debt_financed_centre_mn_measure(
    "cfads",
    Message("Cash available for debt service"),
    Message("User charges less running cost and what is saved for the next renewal"),
)
PRINCIPAL: Final = _debt_financed_centre_mn_measure(
    "principal_repaid", Message("Principal repaid"), Message("Repaid in the period")
)
DSCR: Final = Measure(
    "dscr",
    Message("Debt service cover"),
    "",
    Message("Cash available over interest and principal of the period (DSCR)"),
    _COVER,
    "cfads / (centre_interest + principal_repaid)",
)
DSCR_MIN: Final = Measure(
    "dscr_min",
    Message("Lowest debt service cover"),
    "",
    Message("Least debt service cover of any period of the loan"),
    _COVER,
    "min(dscr)",
)
DSCR_MEAN: Final = Measure(
    "dscr_mean",
    Message("Mean debt service cover"),
    "",
    Message("Mean debt service cover over the periods of the loan"),
    _COVER,
    "mean(dscr)",
)
LLCR: Final = Measure(
    "llcr",
    Message("Loan life cover"),
    "",
    Message("Value of the cash over the loan's life, over the debt (LLCR)"),
    _COVER,
)
PLCR: Final = Measure(
    "plcr",
    Message("Project life cover"),
    "",
    Message("Value of the cash over the project's life, over the debt (PLCR)"),
    _COVER,
)
CENTRE_PRICE: Final = Measure(
    "centre_price",
    Message("Price that the cover needs"),
    "{currency}/GPU-hour",
    Message("First-year price of an allocated GPU-hour at which loan life cover is the target"),
    MONEY,
)
PRICE_OVER_85: Final = Measure(
    "price_over_85",
    Message("Above the price at a use of 85 %"),
    "share",
    Message("The price over the price at a utilisation of 85 %, less one"),
    CHANGE,
)
CASE: Final = _treasury_text_measure(
    "case", Message("Case"), Message("The base case, or what is worse in it")
)
CASE_DEBT: Final = _debt_financed_centre_mn_measure(
    "case_debt", Message("Debt at the end of building"), Message("Loan of the case")
)
SHORTFALL: Final = _debt_financed_centre_mn_measure(
    "shortfall",
    Message("Shortfall of debt service"),
    Message("Debt service that the cash does not cover, over the whole loan"),
)
CENTRE_CAPITAL: Final = _debt_financed_centre_mn_measure(
    "centre_capital", Message("Capital spent"), Message("Cost of building in the year")
)
CENTRE_USES: Final = _debt_financed_centre_mn_measure(
    "centre_uses", Message("All uses of capital"), Message("Building, fee and interest in the year")
)
ROUTE: Final = _treasury_text_measure(
    "public_route",
    Message("Route onto the public books"),
    Message("How the centre comes onto the public books"),
)
PEAK_PUBLIC_DEBT: Final = _debt_financed_centre_mn_measure(
    "peak_public_debt",
    Message("Largest debt on the public books"),
    Message("Largest stock of the centre's debt that counts as the government's"),
)
PEAK_GUARANTEES: Final = _debt_financed_centre_mn_measure(
    "peak_guarantees",
    Message("Largest guarantee"),
    Message("Largest stock of debt that the government guarantees"),
)
TOTAL_DEFICIT: Final = _debt_financed_centre_mn_measure(
    "total_deficit",
    Message("Deficit over the centre's life"),
    Message("Sum of the effect on the deficit; negative where the centre pays more than it costs"),
)
