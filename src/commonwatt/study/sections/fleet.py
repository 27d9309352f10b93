"""What the report says of a fleet run."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from commonwatt.catalogue.shared import (
    CARBON,
    ENERGY,
    POWER_BILL,
    QUEUE_DELAY_MEAN,
    UTILISATION,
)
from commonwatt.core.messages import Message
from commonwatt.fleet.domain.measures import (
    IDLE_WHILE_WAITING,
    QUEUE_DELAY_P95,
    UTILISATION_MAKESPAN,
)
from commonwatt.fleet.domain.tables import SITES
from commonwatt.fleet.engines.metrics import FleetMetrics
from commonwatt.fleet.usecases.charts import (
    fleet_gpu_energy_by_site_chart,
    fleet_gpu_use_by_site_chart,
    fleet_queue_over_time_chart,
    queue_delay_by_policy_chart,
    queue_delay_by_tenant_chart,
)
from commonwatt.report import (
    ReportFact,
    ReportSection,
    ReportTable,
    report_fact,
    report_figure,
    report_table_of_rows,
)
from commonwatt.report.charts import Chart
from commonwatt.study.measures import TABLES
from commonwatt.study.sections.summaries import FleetSummary


def study_fleet_section(
    summary: FleetSummary, tables: Mapping[str, pl.DataFrame], language: str
) -> ReportSection:
    """Return the report's section on the fleet, in the reader's language."""
    figures = [
        report_figure(f"fleet-{chart.name}", chart, TABLES[name], tables[name], language)
        for name, chart in _study_fleet_section_chart_by_table_name(tables).items()
    ]
    return ReportSection(
        name="fleet",
        title=Message("Run it: use, waits and energy").translate(language),
        lede=_study_fleet_section_lede(summary, language),
        extent=summary.extent.translate(language),
        facts=_study_fleet_section_facts(summary.figures, language),
        figures=figures,
        tables=[_study_fleet_section_by_site_table(tables["fleet_sites"], language)],
        notes=[*summary.notes, _study_gpu_draw_note(language)],
    )


def _study_fleet_section_chart_by_table_name(
    tables: Mapping[str, pl.DataFrame],
) -> dict[str, Chart]:
    """Return the charts of the section by the name of their table."""
    sites = tables["fleet_use"]["site"].unique(maintain_order=True).to_list()
    charts = {
        "fleet_use": fleet_gpu_use_by_site_chart(sites),
        "fleet_queue": fleet_queue_over_time_chart(),
        "fleet_tenants": queue_delay_by_tenant_chart(),
        "fleet_sites": fleet_gpu_energy_by_site_chart(),
    }
    # A policy alone is compared with nothing.
    if tables["fleet_policies"].height > 1:
        charts["fleet_policies"] = queue_delay_by_policy_chart()
    return charts


def _study_fleet_section_lede(fleet_summary: FleetSummary, language: str) -> str:
    figures = fleet_summary.figures
    values = {
        "jobs": f"{figures.all.jobs:,}",
        "gpus": f"{figures.gpus:,}",
        "share": f"{figures.utilisation_share:.1%}",
        "wait": f"{figures.all.mean_queue_delay_s / 3600:.1f}",
        "policy": fleet_summary.policy,
    }
    return Message(
        "{jobs} jobs ran on {gpus} GPUs under the policy {policy}. From the first to the last "
        "arrival {share} of all GPU time was allocated, and a job waited {wait} hours on average.",
        values,
    ).translate(language)


def _study_fleet_section_facts(figures: FleetMetrics, language: str) -> list[ReportFact]:
    rows = (
        (UTILISATION, figures.utilisation_share, "utilisation_share"),
        (UTILISATION_MAKESPAN, figures.makespan_utilisation_share, "makespan_utilisation_share"),
        (QUEUE_DELAY_MEAN, figures.all.mean_queue_delay_s, "mean_queue_delay_s"),
        (QUEUE_DELAY_P95, figures.all.p95_queue_delay_s, "p95_queue_delay_s"),
        (IDLE_WHILE_WAITING, figures.fragmented_gpu_share, "fragmented_gpu_share"),
        (ENERGY, figures.energy_kwh, "energy_kwh"),
        (POWER_BILL, figures.cost_usd, "energy_cost_usd"),
        (CARBON, figures.carbon_kg, "carbon_kg"),
    )
    return [
        report_fact(measure, value, language, of=f"fleet.{name}") for measure, value, name in rows
    ]


def _study_fleet_section_by_site_table(sites: pl.DataFrame, language: str) -> ReportTable:
    return report_table_of_rows(
        SITES,
        sites,
        language,
        title=Message("By site"),
        columns=("site", "gpus", "utilisation_share", "energy_mwh", "cost_usd", "carbon_t"),
        note=Message(
            "Utilisation is allocated GPU time over available GPU time, first to last arrival; "
            "energy runs to the end of the last job."
        ),
    )


def _study_gpu_draw_note(language: str) -> str:
    return Message(
        "A held GPU draws its busy power and a free one its idle power, whatever the job does: "
        "an approximation, because traces hold no power."
    ).translate(language)
