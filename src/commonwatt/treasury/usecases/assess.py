"""What the rules say: `treasury assess`, a country or its inputs beside a rule table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from commonwatt.treasury.domain.tables import Row
from commonwatt.treasury.engines.projection import Projection, project_country_debt
from commonwatt.treasury.engines.rules.eu import (
    is_eu_rule_inputs_file,
    least_eu_adjustment,
    load_eu_inputs,
)
from commonwatt.treasury.engines.rules.signals import debt_indicator_signals
from commonwatt.treasury.io.country.folder import COUNTRIES
from commonwatt.treasury.io.indicators import is_debt_indicator_file, read_debt_indicators
from commonwatt.treasury.io.rules import load_fiscal_rules
from commonwatt.treasury.usecases.countries import open_treasury_country
from commonwatt.treasury.usecases.project import debt_ceiling_headroom_row

EU_PERIODS = (4, 7)  # Regulation (EU) 2024/1263, Articles 9 and 14: four years, seven if extended


@dataclass(frozen=True, slots=True, kw_only=True)
class AssessmentOptions:
    """Who is judged, and against what.

    Args:
        rules: A rule table's name.
        group: "advanced" or "emerging", for the MAC DSA.
        capacity: "weak", "medium" or "strong", for the LIC DSF.
        years: Years of the projection that are judged.
        seed: Seed of stochastic tests.
    """

    rules: str
    group: str = "advanced"
    capacity: str = "strong"
    years: int = 5
    seed: int = 1


def debt_assessment_result(
    subject: str, weo: Path | None, options: AssessmentOptions
) -> dict[str, Any]:
    """Return the whole answer of `treasury assess`.

    Args:
        subject: A country, an indicators file, or a member state's inputs file; a shipped
            country's name is that country, whatever lies in the folder.
        weo: A WEO table, when `subject` is a code.
        options: Rule table and groups.
    """
    table = load_fiscal_rules(options.rules)
    answer: dict[str, Any] = {
        "subject": subject,
        "rules": table.name,
        "title": table.title,
        "adopted_on": table.adopted_on.isoformat(),
        "thresholds": {name: asdict(limit) for name, limit in table.thresholds.items()},
    }
    path = COUNTRIES.find_shipped_file_or_path(subject)
    if is_eu_rule_inputs_file(path):
        inputs = load_eu_inputs(path)
        steps = [
            least_eu_adjustment(inputs, table, years, seed=options.seed) for years in EU_PERIODS
        ]
        return answer | {"adjustments": [asdict(adjustment) for adjustment in steps]}
    if is_debt_indicator_file(path):
        indicators, ceiling = read_debt_indicators(path), None
    else:
        projection = project_country_debt(open_treasury_country(subject, weo), years=options.years)
        indicators, ceiling = (
            projected_debt_indicators(projection),
            debt_ceiling_headroom_row(projection),
        )
    signals = debt_indicator_signals(
        table, indicators, group=options.group, capacity=options.capacity
    )
    return answer | {
        "indicators": dict(indicators),
        "signals": [asdict(signal) for signal in signals],
        "own_ceiling": ceiling,
    }


def debt_assessment_rows_by_table(answer: Mapping[str, Any]) -> dict[str, list[Row]]:
    """Return an assessment as rows of its declared tables: signals, or adjustments.

    A file holds one value a cell, so the thresholds of an indicator become a text.
    """
    steps = answer.get("adjustments", [])
    return {
        "adjustments": [{key: step[key] for key in ("years", "step", "binding")} for step in steps],
        "signals": [
            signal | {"thresholds": " / ".join(f"{limit:g}" for limit in signal["thresholds"])}
            for signal in answer.get("signals", [])
        ],
    }


def projected_debt_indicators(projection: Projection) -> dict[str, float]:
    """Return the indicators of rules that a projection holds."""
    shares = [year.debt_share for year in projection.years]
    # Bond proceeds are no revenue in any of the frameworks, whatever the country publishes.
    deficits = [-year.balances.before_bonds / year.gdp for year in projection.years]
    needs = [year.gross_financing_need / year.gdp for year in projection.years]
    return {
        "debt_gdp_share_start": shares[0],
        "debt_gdp_share_end": shares[-1],
        "debt_gdp_share_max": max(shares),
        # One year alone has nothing to fall from.
        "debt_fall_a_year": (shares[0] - shares[-1]) / max(len(shares) - 1, 1),
        "deficit_gdp_share_max": max(deficits),
        "gfn_gdp_share_max": max(needs),
    }
