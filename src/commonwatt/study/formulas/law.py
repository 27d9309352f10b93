"""The levelised cost of a GPU-hour as an expression over a table of named inputs."""
# ruff: noqa: S608 (every part of the query is a constant of this package)

from __future__ import annotations

from typing import Final

from commonwatt.siting.domain.cost_inputs import NAMES
from commonwatt.study.stages.sites import RENT

# One step a line, in the order of the law; each may use the names of the ones before.
# Source: Short, Packey and Holt (1995), NREL/TP-462-5173, revenue requirements, each asset over
# its own life; IEA and NEA (2020), Projected Costs of Generating Electricity, for the sum over
# useful output.
_STEPS: Final = (
    # At least a hundredth of the hours: a part that fails all the time and is never repaired would
    # otherwise leave none to divide by.
    """
    server_usd_per_gpu * hardware_price_ratio AS devices_usd,
    shell_usd_per_kw * it_kw_per_gpu AS shell_usd,
    land_usd_per_kw * it_kw_per_gpu AS land_usd,
    LN(1 + discount_rate) AS log_rate,
    8760 * utilisation_share * GREATEST(1 - faults_per_gpu * repair_hours / 8760, 0.01) AS useful_h,
    it_kw_per_gpu * (idle_draw_share + (busy_draw_share - idle_draw_share) * utilisation_share)
        * pue_ratio AS mean_kw""",
    # Without interest the annuity is 1/n, where its formula would be 0/0.
    """
    devices_usd + network_usd_per_gpu AS it_usd,
    EXP(log_rate * delay_months / 12) AS waiting,
    log_rate * build_months / 12 AS growth,
    CASE WHEN ABS(discount_rate) < 1e-12 THEN 1 / hardware_life_years
        ELSE discount_rate / (1 - EXP(-hardware_life_years * log_rate)) END AS server_recovery,
    CASE WHEN ABS(discount_rate) < 1e-12 THEN 1 / shell_life_years
        ELSE discount_rate / (1 - EXP(-shell_life_years * log_rate)) END AS shell_recovery""",
    # Money spent evenly while building costs interest until it opens: (e^g - 1)/g, and 1 at g = 0.
    """
    it_usd * (1 - subsidy_share) AS servers_paid_usd,
    shell_usd * (1 - subsidy_share) * waiting * CASE WHEN ABS(growth) < 1e-9 THEN 1
        ELSE (EXP(growth) - 1) / growth END AS shell_paid_usd""",
    # Straight-line depreciation of an asset is worth 1/(n × recovery) of it today; the rest of that
    # factor is the tax on what has to be earned. Land does not wear out and is only paid interest.
    """
    server_recovery * (servers_paid_usd
        * (1 - tax_share / (hardware_life_years * server_recovery)) / (1 - tax_share)
        - servers_paid_usd * salvage_share * EXP(-hardware_life_years * log_rate))
        / useful_h AS servers,
    shell_recovery * shell_paid_usd
        * (1 - tax_share / (shell_life_years * shell_recovery)) / (1 - tax_share)
        / useful_h AS shell,
    land_usd * waiting * EXP(growth) * discount_rate / (1 - tax_share) / useful_h AS land,
    (8760 * mean_kw * tariff_usd_per_kwh + it_kw_per_gpu * pue_ratio * demand_charge_usd_per_kw)
        / useful_h AS energy,
    staff_per_mw / 1000 * it_kw_per_gpu * wage_usd_per_year / useful_h AS staff,
    (it_usd * it_upkeep_share + shell_usd * shell_upkeep_share) / useful_h AS upkeep,
    uplink_usd_per_gpu / useful_h AS network,
    faults_per_gpu * part_share * devices_usd / useful_h AS spares,
    (it_usd + shell_usd + land_usd) * holding_share / useful_h AS holding""",
    # Apart from the charges of capital, which the funding borrows and must not count twice.
    """
    energy + staff + upkeep + network + spares + holding AS running""",
    """
    servers + shell + land + running AS own_usd""",
)


def study_cost_parts_law_ctes_sql(table: str, keys: str, where: str = "") -> str:
    """Return the common table expressions that end in `law`: the parts of the cost by key.

    Args:
        table: A table with the columns `input` and `value`.
        keys: The columns that tell one set of inputs from another, by comma.
        where: Which rows.
    """
    columns = ",\n    ".join(
        f"MAX(CASE WHEN input = '{name}' THEN value END) AS {name}" for name in (*NAMES, RENT)
    )
    chosen = f" WHERE {where}" if where else ""
    lines = [f"inputs AS (SELECT {keys},\n    {columns}\n    FROM {table}{chosen} GROUP BY {keys})"]
    above = "inputs"
    for i, step in enumerate(_STEPS, start=1):
        name = "law" if i == len(_STEPS) else f"step{i}"
        lines.append(f"{name} AS (SELECT *,{step}\n    FROM {above})")
        above = name
    return ",\n".join(lines)
