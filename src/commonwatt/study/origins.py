"""How each kind of figure of a study follows from others: the table that figures are made by."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from commonwatt.core.messages import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureNode:
    """One figure of a run, or one input that has a source.

    Args:
        name: Its name in the run.
        label: What a person calls it.
        value: Its value; None where it stands for a table.
        shown: The value with its unit, as the report shows it.
        kind: Key of `KINDS`; empty for an input.
        table: Table of the run that holds it.
        source: Where an input comes from.
        dated: Date of that source.
        confidence: How far an input may be trusted.
        inputs: Names of what it was computed from.
    """

    name: str
    label: Message
    value: float | str | None = None
    shown: str = ""
    kind: str = ""
    table: str = ""
    source: str = ""
    dated: str = ""
    confidence: str = ""
    inputs: list[str] = field(default_factory=list[str])

    def as_dict(self) -> dict[str, Any]:
        """Return it as the run's manifest keeps it, in English."""
        how = KINDS.get(self.kind)
        return {
            "name": self.name,
            "label": str(self.label),
            "value": self.value,
            "shown": self.shown,
            "formula": how.formula.text if how else "",
            "made_by": how.made_by if how else "",
            "table": self.table,
            "source": self.source,
            "dated": self.dated,
            "confidence": self.confidence,
            "inputs": self.inputs,
        }


@dataclass(frozen=True, slots=True)
class FigureKind:
    """How a kind of figure is computed: its law in a sentence, and the function."""

    formula: Message
    made_by: str


KINDS: dict[str, FigureKind] = {
    "schedule": FigureKind(
        Message("Each job of the trace is placed on the machines by the policy, event by event."),
        "commonwatt.fleet.engines.simulator.simulate.simulate",
    ),
    "utilisation": FigureKind(
        Message(
            "Allocated GPU time over available GPU time, between the first and the last arrival."
        ),
        "commonwatt.fleet.engines.metrics.metrics",
    ),
    "makespan": FigureKind(
        Message(
            "Allocated GPU time over available GPU time, from the first arrival to the last end."
        ),
        "commonwatt.fleet.engines.metrics.metrics",
    ),
    "idle": FigureKind(
        Message("GPU time that lay idle while some job waited, over GPU time available."),
        "commonwatt.fleet.engines.metrics.metrics",
    ),
    "delay": FigureKind(
        Message("First start minus submission, over the jobs that finished."),
        "commonwatt.fleet.engines.metrics.metrics",
    ),
    "rtt": FigureKind(
        Message(
            "Round trip from where a tenant works to where its jobs ran, weighted by GPU time."
        ),
        "commonwatt.study.stages.fleet.mean_rtt_ms",
    ),
    "energy": FigureKind(
        Message(
            "Idle draw of every GPU, and the step to busy draw while it is held, times the PUE of "
            "its site, over the makespan."
        ),
        "commonwatt.fleet.engines.energy.energy_used",
    ),
    "bill": FigureKind(
        Message("Energy of each hour times the power price of that hour, over all sites."),
        "commonwatt.fleet.engines.energy.energy_used",
    ),
    "carbon": FigureKind(
        Message("Energy of each hour times the carbon intensity of that hour, over all sites."),
        "commonwatt.fleet.engines.energy.energy_used",
    ),
    "kwh": FigureKind(
        Message("IT energy in the window over the GPU time held in it; idle draw is within it."),
        "commonwatt.study.stages.fleet.measured_sites",
    ),
    "cost": FigureKind(
        Message(
            "Median over correlated draws of the levelised cost: yearly charges of servers, "
            "shell and land, with energy, staff, upkeep, network, spares and holding, over "
            "8,760 h × availability × utilisation."
        ),
        "commonwatt.siting.engines.cost.model.lcoc",
    ),
    "rent": FigureKind(
        Message("Price of a rented GPU-hour over the share of hours used, where all are paid."),
        "commonwatt.study.stages.sites.rented_cost",
    ),
    "plan": FigureKind(
        Message(
            "Least cost of sizes and hourly load under the limits, a mixed-integer programme "
            "solved with a proved gap."
        ),
        "commonwatt.siting.engines.place.exact.solve_exact",
    ),
    "capital": FigureKind(
        Message(
            "GPUs × scale × (server price × price ratio + network + kW per GPU × (shell + land))."
        ),
        "commonwatt.siting.usecases.cost.capital_usd_per_gpu",
    ),
    "need": FigureKind(
        Message("Capital of all sites times the exchange rate, spread over the building years."),
        "commonwatt.study.stages.funding.need_of",
    ),
    "debt": FigureKind(
        Message(
            "Debt of the last year over its GDP; each year debt grows by gross issuance less "
            "redemptions, and the need is borrowed as it is spent."
        ),
        "commonwatt.treasury.engines.projection.project",
    ),
    "fan": FigureKind(
        Message("Median of debt over GDP in the last year of the stochastic paths."),
        "commonwatt.treasury.engines.fan.engine.run_fan",
    ),
    "ceiling": FigureKind(
        Message("Share of the stochastic paths whose debt is over its ceiling in the last year."),
        "commonwatt.treasury.engines.fan.engine.run_fan",
    ),
    "running": FigureKind(
        Message(
            "GPUs × scale × useful hours × (energy, staff, upkeep, network, spares, holding); "
            "the rent, where GPUs are rented."
        ),
        "commonwatt.study.stages.funding.running_usd_per_gpu",
    ),
    "mix": FigureKind(
        Message(
            "Cost of a useful GPU-hour at each site at the medians, weighted by the GPU time that "
            "the site served."
        ),
        "commonwatt.study.mix.mix_of",
    ),
    "mix-carbon": FigureKind(
        Message("Carbon of the window over the GPU time held in it, idle draw within."),
        "commonwatt.study.stages.fleet.measured_sites",
    ),
    "break-even": FigureKind(
        Message(
            "One input at a time is moved from its median until the two cheapest alternatives "
            "cost the same."
        ),
        "commonwatt.study.break_even.break_even_points",
    ),
    "compared": FigureKind(
        Message("The quoted figures of the programme as written, beside those with the changes."),
        "commonwatt.study.what_if.compared_facts",
    ),
    "room": FigureKind(
        Message("What the example data room and the example models showed when they were run."),
        "commonwatt.study.annexes.annexes",
    ),
}
