"""Signals: indicators of a path beside the thresholds of a rule table.

A signal is mechanical. `low`, `moderate` and `high` part where the table has two
thresholds, `within` and `breach` where it has one, `absent` where the threshold has no
confirmed source, and `no input` where the indicator was not given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from commonwatt.core.messages import Message
from commonwatt.treasury.domain.errors import RuleError
from commonwatt.treasury.io.rules import RuleTable

GROUPS = ("advanced", "emerging")
CAPACITIES = ("weak", "medium", "strong")
LIC_INDICATORS = (
    "pv_external_debt_gdp",
    "debt_service_exports",
    "debt_service_revenue",
    "pv_public_debt_gdp",
)
SRDSF_INDICES = ("debt_fanchart_index", "gfn_financeability_index", "medium_term_index")


@dataclass(frozen=True, slots=True, kw_only=True)
class IndicatorSignal:
    """One indicator's signal.

    Args:
        indicator: What is judged.
        value: Its value; None where it was not given.
        thresholds: The thresholds that part the signals.
        signal: low, moderate, high, within, breach, absent or no input.
        note: Source, or the reason why there is none.
    """

    indicator: str
    value: float | None
    thresholds: tuple[float, ...]
    signal: str
    note: str


def debt_indicator_signals(
    table: RuleTable, indicators: Mapping[str, float], *, group: str, capacity: str
) -> list[IndicatorSignal]:
    """Return the signals of a table.

    Args:
        table: Thresholds.
        indicators: Values by name; shares, not percent.
        group: "advanced" or "emerging", for the MAC DSA.
        capacity: "weak", "medium" or "strong", for the LIC DSF.

    Raises:
        RuleError: The table has no mechanical signals.
    """
    if table.name == "mac-dsa":
        signals = [
            _market_access_signal(table, indicators, name, group) for name in ("debt", "gfn")
        ]
    elif table.name == "lic-dsf":
        signals = [
            _low_income_country_signal(table, indicators, name, capacity) for name in LIC_INDICATORS
        ]
    elif table.name == "srdsf":
        signals = [_sovereign_risk_signal(table, indicators, name) for name in SRDSF_INDICES]
    elif table.name == "eu-2024":
        signals = eu_debt_signals(table, indicators)
    else:
        raise RuleError(table.name, wanted=Message("a table with mechanical signals"))
    # A threshold without a confirmed source is shown as absent: leaving it out would read as met.
    return signals + [_absent_debt_signal(name, reason) for name, reason in table.absent.items()]


def _absent_debt_signal(indicator_name: str, reason: str) -> IndicatorSignal:
    return IndicatorSignal(
        indicator=indicator_name, value=None, thresholds=(), signal="absent", note=reason
    )


def _market_access_signal(
    table: RuleTable, indicators: Mapping[str, float], name: str, group: str
) -> IndicatorSignal:
    low = table.thresholds[f"{name}_scrutiny_{group}"]
    high = table.thresholds[f"{name}_{group}"]
    # The benchmark is met or passed by the worst year of the horizon, not by the last.
    peak = indicators.get(f"{name}_gdp_share_max")
    return _debt_risk_zone_signal(f"{name}_gdp_share_max", peak, low.value, high.value, high.source)


def _low_income_country_signal(
    table: RuleTable, indicators: Mapping[str, float], name: str, capacity: str
) -> IndicatorSignal:
    limit = table.thresholds[f"{name}_{capacity}"]
    return _debt_limit_signal(name, indicators.get(name), limit.value, limit.source)


def _sovereign_risk_signal(
    table: RuleTable, indicators: Mapping[str, float], name: str
) -> IndicatorSignal:
    low, high = table.thresholds[f"{name}_low"], table.thresholds[f"{name}_high"]
    return _debt_risk_zone_signal(name, indicators.get(name), low.value, high.value, high.source)


def eu_debt_signals(table: RuleTable, indicators: Mapping[str, float]) -> list[IndicatorSignal]:
    """Return the signals of the European reference values and the debt safeguard."""
    debt, deficit = table.thresholds["debt_reference"], table.thresholds["deficit_reference"]
    return [
        _debt_limit_signal(name, indicators.get(name), limit.value, limit.source)
        for name, limit in (("debt_gdp_share_end", debt), ("deficit_gdp_share_max", deficit))
    ] + [_debt_safeguard_signal(table, indicators)]


def _debt_safeguard_signal(table: RuleTable, indicators: Mapping[str, float]) -> IndicatorSignal:
    start, fall = indicators.get("debt_gdp_share_start"), indicators.get("debt_fall_a_year")
    needed = required_yearly_debt_fall(table, start) if start is not None else 0.0
    note = table.thresholds["debt_safeguard_high"].source
    if start is not None and needed == 0.0:
        reason = "no fall is asked under the reference value"
        return IndicatorSignal(
            indicator="debt_rise_a_year", value=None, thresholds=(), signal="within", note=reason
        )
    # A fall that is too small is a rise that is too large, so one comparison serves all rows.
    return _debt_limit_signal("debt_rise_a_year", None if fall is None else -fall, -needed, note)


def required_yearly_debt_fall(table: RuleTable, debt: float) -> float:
    """Return the least mean yearly fall of the debt ratio that is asked at a ratio.

    >>> from commonwatt.treasury.io.rules import load_fiscal_rules
    >>> [required_yearly_debt_fall(load_fiscal_rules("eu-2024"), d) for d in (0.5, 0.7, 1.1)]
    [0.0, 0.005, 0.01]
    """
    # Regulation (EU) 2024/1263, Article 7: a point a year above 90 %, half a point above 60 %.
    if debt > table.fiscal_threshold("debt_safeguard_border"):
        return table.fiscal_threshold("debt_safeguard_high")
    if debt > table.fiscal_threshold("debt_reference"):
        return table.fiscal_threshold("debt_safeguard_middle")
    return 0.0


def _debt_limit_signal(
    indicator_name: str, level: float | None, limit: float, threshold_source: str
) -> IndicatorSignal:
    # On the threshold is within it: the texts say "exceeds".
    signal = "no input" if level is None else ("breach" if level > limit else "within")
    return IndicatorSignal(
        indicator=indicator_name,
        value=level,
        thresholds=(limit,),
        signal=signal,
        note=threshold_source,
    )


def _debt_risk_zone_signal(
    indicator_name: str, level: float | None, low: float, high: float, threshold_source: str
) -> IndicatorSignal:
    if level is None:
        signal = "no input"
    else:
        signal = "high" if level > high else "moderate" if level > low else "low"
    return IndicatorSignal(
        indicator=indicator_name,
        value=level,
        thresholds=(low, high),
        signal=signal,
        note=threshold_source,
    )
