"""The programme file as it is spelled: one pydantic model a table of the TOML.

Each field has a default or is required, a unit in its type, bounds, and a
sentence; `commonwatt scenario` pages and forms are printed from these models.
They stop here: engines see the frozen objects of `programme`.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from commonwatt.scenario.quantities import GramsPerKwh, Milliseconds, UsdPerMwh, Watts

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 _.-]*$", max_length=60)]
Share = Annotated[float, Field(ge=0, le=1)]


class Part(BaseModel):
    """A table of the file; an unknown key is a fault, not a comment."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DemandPart(Part):
    """Where the jobs come from."""

    trace: str = Field(description='A trace file beside this one, or "shipped:NAME".')
    format: str | None = Field(None, description="Trace format; found by itself when absent.")
    mapping: str | None = Field(None, description="Mapping file of a generic trace.")


class TenantPart(Part):
    """Who submits, and what share of the fleet is theirs."""

    name: Name = Field(description="As the trace spells it.")
    label: str | None = Field(None, description="As the report shows it.")
    quota_gpus: int | None = Field(None, ge=0, description="GPUs it may always have.")
    sites: list[Name] = Field(
        default_factory=list[str], description="Sites its data may go to; none named: all."
    )
    origin: Name | None = Field(None, description="Site it works from; the first when absent.")
    latency: Milliseconds | None = Field(
        None, description="Longest round trip from there that its placement allows."
    )
    defer_h: int = Field(0, ge=0, le=24, description="Hours that its load may wait in a plan.")


class GpuPart(Part):
    """A model of GPU."""

    name: Name
    idle: Watts = Field(description="Draw of an idle GPU with its share of the server.")
    busy: Watts = Field(description="Draw of an allocated GPU with its share of the server.")
    memory_gib: float = Field(0.0, ge=0)
    slices: int = Field(0, ge=0, le=7, description="Parts of a MIG-like device; 0: free shares.")
    source: str = Field(description="Where the draw comes from, with its date.")


class PoolPart(Part):
    """Equal nodes of a site."""

    nodes: int = Field(ge=1, le=1_000_000)
    gpus_per_node: int = Field(ge=0, le=64)
    gpu: Name
    cpu_cores: float = Field(0.0, ge=0, description="0: unknown, binds nothing.")
    memory_gib: float = Field(0.0, ge=0, description="0: unknown, binds nothing.")


class SeriesPart(Part):
    """An hourly series in a file."""

    file: str = Field(description='CSV or Parquet beside this file, or "shipped:NAME".')
    column: str


class SitePart(Part):
    """A place with nodes."""

    name: Name
    label: str | None = None
    region: str = Field(description="Grid zone or country of price and carbon.")
    pue: float = Field(ge=1, le=4, description="Facility draw over IT draw.")
    power_price: UsdPerMwh | SeriesPart = Field(description="Flat tariff or hourly series.")
    carbon: GramsPerKwh | SeriesPart = Field(description="Carbon intensity of the grid.")
    source: str = Field(description="Where these figures come from, with dates.")
    cost_cells: str | None = Field(
        None, description="Site of the cost library whose cells stand for this one."
    )
    pools: list[PoolPart] = Field(min_length=1)


class PolicyPart(Part):
    """How jobs are ordered, placed, backfilled and preempted."""

    order: str = "fifo"
    place: str = "consolidate"
    backfill: str = "none"
    preemption: str = "none"


class LatencyPart(Part):
    """Round-trip time between two sites."""

    between: Annotated[list[Name], Field(min_length=2, max_length=2)]
    rtt: Milliseconds


class FundingPart(Part):
    """Who borrows for it, and how much larger it is than the slice simulated."""

    country: str = Field(description="A shipped country, such as hongkong, or a country file.")
    currency_per_usd: float = Field(gt=0, description="Exchange rate for the capital cost.")
    scale: float = Field(1.0, gt=0, description="GPUs built for each GPU simulated.")
    first_year: int = Field(ge=1990, le=2100, description="Calendar year the building starts.")
    build_years: int = Field(3, ge=1, le=15)
    steepness: float = Field(2.0, ge=1, le=10, description="Of the construction S-curve.")
    years: int = Field(10, ge=1, le=40, description="Years of the debt path.")
    paths: int = Field(20_000, ge=100, le=1_000_000, description="Stochastic paths.")
    source: str = Field(description="Where scale, rate and years come from.")


class ProgrammeFile(Part):
    """A public compute programme."""

    title: str = Field(min_length=1, max_length=120)
    summary: str = Field("", description="One sentence for the top of the report.")
    seed: int = Field(0, ge=0, lt=2**63)
    demand: DemandPart
    tenants: list[TenantPart] = Field(default_factory=list[TenantPart])
    gpus: list[GpuPart] = Field(min_length=1)
    sites: list[SitePart] = Field(min_length=1)
    latency: list[LatencyPart] = Field(default_factory=list[LatencyPart])
    policy: PolicyPart = Field(default_factory=PolicyPart)
    funding: FundingPart | None = Field(None, description="Absent: no debt path.")
    compare: list[PolicyPart] = Field(
        default_factory=list[PolicyPart], description="Other policies, run on the same demand."
    )


def parse_programme(document: dict[str, Any]) -> ProgrammeFile:
    """Return the checked file; pydantic raises with every fault at once."""
    return ProgrammeFile.model_validate(document)
