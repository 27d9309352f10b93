"""What a programme adds to gross debt, to reserves, and to both together: measures and columns.

The three stand side by side wherever a debt effect is shown. Where a plan publishes its
issues, the programme's own bonds are repaid from the reserves, and debt alone tells half.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from commonwatt.catalogue.measures import CHANGE, Measure, TableColumn
from commonwatt.core.messages import Message

# Three digits: with two, gross debt and reserves do not add up to the net effect below them.
_OVER_GDP: Final = CHANGE.with_digits(3).with_shown_unit("% of GDP")
_IN_MONEY: Final = replace(CHANGE.with_digits(2), unit="")
_SHARE: Final = "share of GDP"
_MONEY: Final = "{currency} bn"
_OF_DRAWS: Final = Message(
    "Over the stochastic paths, each with and without the programme under the same shocks"
)
_GROSS: Final = Message(
    "Gross debt at the year's end with the programme, less that without it, on the planned path"
)
_RESERVES: Final = Message(
    "Reserves at the year's end with the programme, less those without it, on the planned path"
)
_NET: Final = Message("What the programme adds to gross debt, less what it adds to reserves")

GROSS_EFFECT: Final = Measure(
    "gross_debt_effect", Message("Change of gross debt"), _MONEY, _GROSS, _IN_MONEY,
    "debt_with - debt_without",
)  # fmt: skip
RESERVES_EFFECT: Final = Measure(
    "reserves_effect", Message("Change of reserves"), _MONEY, _RESERVES, _IN_MONEY
)
NET_EFFECT: Final = Measure(
    "net_debt_effect", Message("Net effect on debt less reserves"), _MONEY, _NET, _IN_MONEY,
    "gross_debt_effect - reserves_effect",
)  # fmt: skip
GROSS_EFFECT_GDP: Final = Measure(
    "gross_debt_effect_gdp", Message("Change of gross debt over GDP"), _SHARE, _GROSS, _OVER_GDP,
    "gross_debt_effect / gdp",
)  # fmt: skip
RESERVES_EFFECT_GDP: Final = Measure(
    "reserves_effect_gdp", Message("Change of reserves over GDP"), _SHARE, _RESERVES, _OVER_GDP,
    "reserves_effect / gdp",
)  # fmt: skip
NET_EFFECT_GDP: Final = Measure(
    "net_debt_effect_gdp", Message("Net effect on debt less reserves over GDP"), _SHARE, _NET,
    _OVER_GDP, "net_debt_effect / gdp",
)  # fmt: skip
GROSS_EFFECT_P5: Final = Measure(
    "gross_debt_effect_p5", Message("Change of gross debt over GDP, 5th percentile"), _SHARE,
    _OF_DRAWS, _OVER_GDP,
)  # fmt: skip
GROSS_EFFECT_P50: Final = Measure(
    "gross_debt_effect_p50", Message("Change of gross debt over GDP, median of the paths"), _SHARE,
    _OF_DRAWS, _OVER_GDP,
)  # fmt: skip
GROSS_EFFECT_P95: Final = Measure(
    "gross_debt_effect_p95", Message("Change of gross debt over GDP, 95th percentile"), _SHARE,
    _OF_DRAWS, _OVER_GDP,
)  # fmt: skip
RESERVES_EFFECT_P5: Final = Measure(
    "reserves_effect_p5", Message("Change of reserves over GDP, 5th percentile"), _SHARE,
    _OF_DRAWS, _OVER_GDP,
)  # fmt: skip
RESERVES_EFFECT_P50: Final = Measure(
    "reserves_effect_p50", Message("Change of reserves over GDP, median of the paths"), _SHARE,
    _OF_DRAWS, _OVER_GDP,
)  # fmt: skip
RESERVES_EFFECT_P95: Final = Measure(
    "reserves_effect_p95", Message("Change of reserves over GDP, 95th percentile"), _SHARE,
    _OF_DRAWS, _OVER_GDP,
)  # fmt: skip
NET_EFFECT_P5: Final = Measure(
    "net_debt_effect_p5", Message("Net effect over GDP, 5th percentile"), _SHARE, _OF_DRAWS,
    _OVER_GDP,
)  # fmt: skip
NET_EFFECT_P50: Final = Measure(
    "net_debt_effect_p50", Message("Net effect over GDP, median of the paths"), _SHARE, _OF_DRAWS,
    _OVER_GDP,
)  # fmt: skip
NET_EFFECT_P95: Final = Measure(
    "net_debt_effect_p95", Message("Net effect over GDP, 95th percentile"), _SHARE, _OF_DRAWS,
    _OVER_GDP,
)  # fmt: skip

PLANNED_EFFECTS: Final = (
    TableColumn.of(GROSS_EFFECT, "gross_debt_effect_bn"),
    TableColumn.of(RESERVES_EFFECT, "reserves_effect_bn"),
    TableColumn.of(NET_EFFECT, "net_debt_effect_bn"),
    TableColumn.of(GROSS_EFFECT_GDP, "gross_debt_effect_gdp_share"),
    TableColumn.of(RESERVES_EFFECT_GDP, "reserves_effect_gdp_share"),
    TableColumn.of(NET_EFFECT_GDP, "net_debt_effect_gdp_share"),
)
EFFECT_BANDS: Final = (
    TableColumn.of(GROSS_EFFECT_P5, "gross_debt_effect_p5_gdp_share"),
    TableColumn.of(GROSS_EFFECT_P95, "gross_debt_effect_p95_gdp_share"),
    TableColumn.of(RESERVES_EFFECT_P5, "reserves_effect_p5_gdp_share"),
    TableColumn.of(RESERVES_EFFECT_P95, "reserves_effect_p95_gdp_share"),
    TableColumn.of(NET_EFFECT_P5, "net_debt_effect_p5_gdp_share"),
    TableColumn.of(NET_EFFECT_P95, "net_debt_effect_p95_gdp_share"),
)
EFFECT_MEDIANS: Final = (
    TableColumn.of(GROSS_EFFECT_P50, "gross_debt_effect_p50_gdp_share"),
    TableColumn.of(RESERVES_EFFECT_P50, "reserves_effect_p50_gdp_share"),
    TableColumn.of(NET_EFFECT_P50, "net_debt_effect_p50_gdp_share"),
)
EFFECT_FIGURES: Final = tuple(column.name for column in (*PLANNED_EFFECTS, *EFFECT_BANDS))
