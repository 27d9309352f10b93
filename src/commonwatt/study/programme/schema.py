"""The programme file as it is spelled: one pydantic model a table of the TOML.

Each field has a default or is required, a unit in its type, bounds, and a
sentence; `commonwatt scenario` pages and forms are printed from these models.
They stop here: engines see the frozen objects of `programme`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Final, Literal, Self, cast, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo

from commonwatt.core.errors import IdentifierError
from commonwatt.core.identifiers import (
    LONGEST_IDENTIFIER,
    SPELLING_WITH_BLANKS,
    IdentifierKind,
    identifier_checked_valid,
)
from commonwatt.core.messages import Message
from commonwatt.runs.inputs import StatesInputs
from commonwatt.study.programme.faults import ProgrammeValueError
from commonwatt.study.programme.localised import LocalisedText, Text
from commonwatt.study.programme.quantities import (
    GramsPerKwh,
    Milliseconds,
    UsdPerGpuHour,
    UsdPerMwh,
    Watts,
    programme_schema_field_unit,
)

_NAME_REMEDY: Final = Message(
    "Write a short name in these letters wherever it is named; label takes any text."
)


def _programme_identifier_validator(kind: IdentifierKind) -> AfterValidator:
    def checked_programme_identifier(name: str) -> str:
        # As a ValueError and without a place: pydantic names the place, beside those of all others.
        try:
            return identifier_checked_valid(kind, name, "")
        except IdentifierError as error:
            raise ProgrammeValueError(error.found, error.wanted, _NAME_REMEDY) from error

    return AfterValidator(checked_programme_identifier)


TenantName = Annotated[str, _programme_identifier_validator(IdentifierKind.TENANT)]
SiteName = Annotated[str, _programme_identifier_validator(IdentifierKind.SITE)]
# Of what has no name outside of a programme: GPU models and alternatives.
Name = Annotated[
    str, Field(pattern=SPELLING_WITH_BLANKS.anchored_pattern, max_length=LONGEST_IDENTIFIER)
]
Share = Annotated[float, Field(ge=0, le=1)]


# Before the first and after the last no law of ours stands; a year of two digits is a slip.
_FIRST_DAY, _LAST_DAY = date(2000, 1, 1), date(2100, 12, 31)
ROOT: Final = "programme"  # of the names of stated inputs
# Names and remarks: they tell a reader something and decide no figure.
_REMARKS: Final = frozenset({"title", "summary", "label", "name", "source", "description"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedInput:
    """One value of a programme file.

    Args:
        name: Its path in the file, as a change names it, after `programme.`.
        value: The value.
        unit: Its unit as the file's reference gives it; empty where it has none.
        source: The source that its part or the part above names.
    """

    name: str
    value: object
    unit: str = ""
    source: str = ""

    @property
    def stated_value_with_unit_text(self) -> str:
        """The value with its unit."""
        many = isinstance(self.value, list)
        values = cast("list[object]", self.value) if many else [self.value]
        text = ", ".join(f"{v:g}" if isinstance(v, float) else f"{v}" for v in values)
        return f"{text} {self.unit}".strip()


class ProgrammeSection(BaseModel):
    """A table of the file; an unknown key is a fault, not a comment."""

    # TOML can spell inf and nan; neither is a figure of a programme.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    _withheld: frozenset[str] = PrivateAttr(frozenset())

    @field_validator("*", mode="before")
    @classmethod
    def _check_kind_of_value(cls, given: object, info: ValidationInfo) -> object:
        """Refuse what Python would read as another kind: `true` as 1, "2" as 2, 1 as a day.

        TOML tells numbers, texts, days and truth values apart, and whoever wrote one for
        another did not mean what would be read.
        """
        key = str(info.field_name)
        field = cls.model_fields[key]
        parts = cast("list[object]", given) if isinstance(given, list) else [given]
        for part in parts:
            if fault := _programme_kind_of_value_fault_or_none(key, field, part):
                raise fault
        # A nought below nought is one that a report would show with its sign.
        return given + 0.0 if isinstance(given, float) else cast("object", given)

    def section_with_keys_neutral_and_unstated(self, **neutral: Any) -> Self:
        """Return a copy in which these keys stand at a neutral value and state nothing."""
        copy = self.model_copy(update=neutral)
        copy._withheld = self._withheld | neutral.keys()
        return copy

    def stated_programme_inputs(self, path: str, source: str = "") -> Iterator[StatedInput]:
        """Yield every value that it states, and not what a view withholds.

        Args:
            path: Where it stands in the file.
            source: The source that the part above it names.
        """
        own_source = getattr(self, "source", "") or source
        for key, about in type(self).model_fields.items():
            value: object = getattr(self, key)
            # A view that withholds a key must not state it either, or a stage would claim an input
            # that it never saw.
            if key in _REMARKS | self._withheld or value is None:
                continue
            # By the name that a change uses for them, so that a reader of the lineage knows what to
            # write after --what-if.
            if parts := list(_programme_sections_with_change_names(value)):
                for name, part in parts:
                    below = f"{path}.{key}.{name}" if name else f"{path}.{key}"
                    yield from part.stated_programme_inputs(below, own_source)
            elif not isinstance(value, list | dict) or value:
                yield StatedInput(
                    name=f"{path}.{key}",
                    value=cast("object", value),
                    unit=programme_schema_field_unit(about.annotation, about.metadata),
                    source=own_source,
                )


def _programme_kind_of_value_fault_or_none(
    key: str, field: FieldInfo, part: object
) -> ProgrammeValueError | None:
    """Return the fault of a value that is of another kind than its key; None where it is right."""
    meaning = {"key": key, "meaning": (field.description or "").removesuffix(".")}
    as_meant = Message("Write {key} as it is meant: {meaning}.", meaning)
    if field.annotation is bool:
        if isinstance(part, bool):
            return None
        return ProgrammeValueError(
            repr(part)[:40],
            wanted=Message("true or false"),
            remedy=Message("Write {key} = true or {key} = false, without quotes.", meaning),
        )
    if isinstance(part, bool):
        return ProgrammeValueError(
            Message("true or false"), wanted=Message("no truth value"), remedy=as_meant
        )
    if field.annotation is date and isinstance(part, int | float):
        return ProgrammeValueError(
            repr(part)[:40],
            wanted=Message("a day"),
            remedy=Message("Write for example {example}.", {"example": '"2026-03-02"'}),
        )
    numbers, tables = _number_types_and_sections_with_is_many(field.annotation)
    is_quantity = programme_schema_field_unit(field.annotation, field.metadata)
    if numbers and not tables and not is_quantity and isinstance(part, str):
        return _programme_number_in_quotes_fault_or_none(key, part)
    return None


def _programme_number_in_quotes_fault_or_none(key: str, text: str) -> ProgrammeValueError | None:
    """Return the fault of a number that is written as a text; None where it is no number."""
    try:
        number = float(text)
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    return ProgrammeValueError(
        Message("{text}, a text", {"text": repr(text)[:40]}),
        wanted=Message("a number"),
        remedy=Message("Write {key} = {number}, without quotes.",
                       {"key": key, "number": text.strip()[:40]}),
    )  # fmt: skip


def _programme_sections_with_change_names(value: object) -> Iterator[tuple[str, ProgrammeSection]]:
    """Yield the tables in a value with the name that a change gives to each."""
    if isinstance(value, ProgrammeSection):
        yield "", value
    elif isinstance(value, Mapping):
        for name, part in cast("Mapping[str, object]", value).items():
            if isinstance(part, ProgrammeSection):
                yield name, part
    elif isinstance(value, list):
        for place, part in enumerate(cast("Sequence[object]", value)):
            if isinstance(part, ProgrammeSection):
                between = "-".join(getattr(part, "between", ()))
                yield getattr(part, "name", between) or str(place), part


class DemandPart(ProgrammeSection):
    """Where the jobs come from."""

    trace: str = Field(description='A trace file beside this one, or "shipped:NAME".')
    format: str | None = Field(None, description="Trace format; found by itself when absent.")
    mapping: str | None = Field(None, description="Mapping file of a generic trace.")
    tenants: list[str] = Field(
        default_factory=list[str], description="Only these tenants' jobs; none named: all."
    )
    source: str = Field("", description="Where the trace comes from and what it stands for.")


class TenantPart(ProgrammeSection):
    """Who submits, and what share of the fleet is theirs."""

    name: TenantName = Field(description="As the trace spells it.")
    label: Text | None = Field(None, description="As the report shows it.")
    # A quota of nought would promise nothing; who has none runs on what is idle.
    quota_gpus: int | None = Field(None, ge=1, description="GPUs it may always have.")
    sites: list[SiteName] = Field(
        default_factory=list[str], description="Sites its data may go to; none named: all."
    )
    origin: SiteName | None = Field(None, description="Site it works from; the first when absent.")
    latency: Milliseconds | None = Field(
        None, description="Longest round trip from there that its placement allows."
    )
    defer_h: int = Field(0, ge=0, le=24, description="Hours that its load may wait in a plan.")

    def rules(self) -> list[str]:
        """Return the keys that decide something; a label does not."""
        # By their values: a view states keys, too, and at their defaults.
        return [
            key
            for key, field in type(self).model_fields.items()
            if key not in _REMARKS
            and getattr(self, key) != field.get_default(call_default_factory=True)
        ]


class GpuPart(ProgrammeSection):
    """A model of GPU."""

    name: Name = Field(description="As the pools call it, and a trace that asks for one model.")
    idle: Watts = Field(description="Draw of an idle GPU with its share of the server.")
    busy: Watts = Field(description="Draw of an allocated GPU with its share of the server.")
    memory_gib: float = Field(0.0, ge=0, description="Memory of a GPU, for readers; binds nothing.")
    # NVIDIA's MIG divides a GPU into seven instances at most.
    slices: int = Field(0, ge=0, le=7, description="Parts of a MIG-like device; 0: free shares.")
    source: str = Field(description="Where the draw comes from, with its date.")


class PoolPart(ProgrammeSection):
    """Equal nodes of a site."""

    nodes: int = Field(ge=0, le=1_000_000, description="0: only alternatives build it.")
    gpus_per_node: int = Field(ge=0, le=64, description="A job of one node needs them all there.")
    gpu: Name = Field(description="One of the models declared under gpus.")
    cpu_cores: float = Field(
        0.0, ge=0, description="CPU cores of a node; 0: unknown, binds nothing."
    )
    memory_gib: float = Field(0.0, ge=0, description="Memory of a node; 0: unknown, binds nothing.")


class SeriesPart(ProgrammeSection):
    """An hourly series in a file."""

    file: str = Field(description='CSV or Parquet beside this file, or "shipped:NAME".')
    column: str = Field(
        description="Its column, one row an hour: USD/MWh for a price, gCO2e/kWh for carbon."
    )
    times: float = Field(1.0, ge=0, description="Factor on every hour, as in a what-if.")


class CellPart(ProgrammeSection):
    """An input of the cost model that the programme knows better than the library."""

    value: float | None = Field(None, description="Most likely, in the unit of the input's name.")
    low: float | None = Field(None, description="Least; the value when absent.")
    high: float | None = Field(None, description="Most; the value when absent.")
    times: float = Field(1.0, ge=0, description="Factor, on the library's cell when no value.")
    source: str = Field("", description="Where it comes from, with its date.")

    @model_validator(mode="before")
    @classmethod
    def _cell_table_of_bare_number(cls, given: Any) -> Any:
        """Take a bare number for a value without spread, as a change writes it."""
        if isinstance(given, str):
            raise ProgrammeValueError(
                Message("{text}, a text", {"text": repr(given)[:40]}),
                wanted=Message("a number"),
                remedy=Message(
                    "Write the number alone, without quotes and unit; a share as 0.03 for 3%."
                ),
            )
        is_number = isinstance(given, int | float) and not isinstance(given, bool)
        return {"value": given} if is_number else given

    def scaled_low_value_and_high(self) -> tuple[float, float, float]:
        """Return low, value and high, times the factor; zeros where no value is given."""
        value = self.value or 0.0
        low = value if self.low is None else self.low
        high = value if self.high is None else self.high
        return low * self.times, value * self.times, high * self.times


class RentPart(ProgrammeSection):
    """GPUs rented by the hour: nothing is built, power and building are in the price."""

    price: UsdPerGpuHour = Field(description="Most likely price of a rented GPU-hour.")
    low: UsdPerGpuHour | None = Field(None, description="Least; the price when absent.")
    high: UsdPerGpuHour | None = Field(None, description="Most; the price when absent.")
    paid: Literal["reserved", "used"] = Field(
        "reserved", description="Every hour is paid, or only the hours that are used."
    )
    source: str = Field(description="Where the price comes from, with its date.")

    def low_and_high_usd_per_gpu_hour(self) -> tuple[float, float]:
        """Return the least and the most of the price."""
        low = self.price if self.low is None else self.low
        return low, self.price if self.high is None else self.high


class SitePart(ProgrammeSection, StatesInputs):
    """A place with nodes."""

    name: SiteName = Field(description="As tenants, links and changes call it.")
    label: Text | None = Field(None, description="As the report shows it; the name when absent.")
    region: str = Field(description="Grid zone or country of price and carbon.")
    # ISO/IEC 30134-2: the facility draws at least what its servers draw, so PUE is never below 1;
    # the worst server rooms that were surveyed stand under 3.
    pue: float = Field(ge=1, le=3, description="Facility draw over IT draw.")
    power_price: UsdPerMwh | SeriesPart = Field(description="Flat tariff or hourly series.")
    carbon: GramsPerKwh | SeriesPart = Field(description="Carbon intensity of the grid.")
    source: str = Field(description="Where these figures come from, with dates.")
    cost_cells: str | None = Field(
        None, description="Site of the cost library whose cells stand for this one."
    )
    cells: dict[str, CellPart] = Field(
        default_factory=dict[str, CellPart], description="Inputs that differ from the library."
    )
    price_range: Annotated[list[UsdPerMwh], Field(min_length=2, max_length=2)] | None = Field(
        None, description="Least and most of the power price; the library's spread when absent."
    )
    pue_range: Annotated[list[float], Field(min_length=2, max_length=2)] | None = Field(
        None, description="Least and most of the PUE; no spread when absent."
    )
    rent: RentPart | None = Field(None, description="Rented: nothing is built there.")
    pools: list[PoolPart] = Field(min_length=1, description="Its nodes, alike in each pool.")

    def stated_run_inputs(self) -> Iterator[tuple[str, str]]:
        """Yield name and written value of what it states, for the lineage of a stage."""
        stated = self.stated_programme_inputs(f"{ROOT}.sites.{self.name}")
        yield from ((each.name, each.stated_value_with_unit_text) for each in stated)

    @property
    def title(self) -> LocalisedText:
        """What the report calls it."""
        return self.label or LocalisedText(self.name)

    @property
    def gpus(self) -> int:
        """GPUs of all its pools."""
        return sum(pool.nodes * pool.gpus_per_node for pool in self.pools)


class PolicyPart(ProgrammeSection):
    """How jobs are ordered, placed, backfilled and preempted."""

    order: str = Field(
        default="fifo", description="Who is first: fifo, sjf, qssf, las, fair-share …"
    )
    place: str = Field(
        default="consolidate", description="Which node takes it: consolidate, best-fit, fgd …"
    )
    backfill: str = Field(
        default="none", description="Who may pass the first: none, easy, conservative."
    )
    preemption: str = Field(
        default="none", description="Who may be stopped: none, priority, reclaim."
    )


class LatencyPart(ProgrammeSection):
    """Round-trip time between two sites."""

    between: Annotated[list[SiteName], Field(min_length=2, max_length=2)] = Field(
        description="The two sites, in any order."
    )
    rtt: Milliseconds = Field(description="Round-trip time, out and back.")
    source: str = Field("", description="Where it comes from, with its date.")


class FundingPart(ProgrammeSection, StatesInputs):
    """Who borrows for it, and how much larger it is than the slice simulated."""

    country: str = Field(description="A shipped country, such as hongkong, or a country file.")
    currency_per_usd: float = Field(gt=0, description="Exchange rate for the capital cost.")
    scale: float = Field(1.0, gt=0, description="GPUs built for each GPU simulated.")
    first_year: int = Field(ge=1990, le=2100, description="Calendar year the building starts.")
    build_years: int = Field(3, ge=1, le=15, description="Years of building.")
    steepness: float = Field(2.0, ge=1, le=10, description="Steepness of the construction S-curve.")
    years: int = Field(10, ge=1, le=40, description="Years of the debt path.")
    paths: int = Field(20_000, ge=100, le=1_000_000, description="Stochastic paths.")
    source: str = Field(description="Where scale, rate and years come from.")

    def stated_run_inputs(self) -> Iterator[tuple[str, str]]:
        """Yield name and written value of what it states, for the lineage of a stage."""
        stated = self.stated_programme_inputs(f"{ROOT}.funding")
        yield from ((each.name, each.stated_value_with_unit_text) for each in stated)


class ProjectsPart(ProgrammeSection):
    """Data projects whose state the report shows."""

    example: bool = Field(False, description="Walk the shipped example room on made-up patients.")
    on: date = Field(ge=_FIRST_DAY, le=_LAST_DAY, description="The day of its first step.")


class ModelsPart(ProgrammeSection):
    """Medical models whose state the report shows."""

    examples: bool = Field(False, description="Show the shipped example models.")
    # Stated and not today: the same file must give the same report when the law has moved on.
    on: date = Field(ge=_FIRST_DAY, le=_LAST_DAY, description="The day whose law applies.")


class AlternativePart(ProgrammeSection):
    """Another way to build the same programme."""

    label: Text = Field(description="As the report shows it.")
    change: list[str] = Field(
        default_factory=list[str],
        description='What differs, each as "sites.west.nodes=30" or "sites.west.pue=+5%".',
    )


class ProgrammeFile(ProgrammeSection, StatesInputs):
    """A public compute programme."""

    title: Text = Field(description="Name of the programme, at the top of the report.")
    summary: Text = Field(LocalisedText(""), description="One sentence for the top of the report.")
    # TOML promises 64-bit signed whole numbers and no more.
    seed: int = Field(0, ge=0, lt=2**63, description="Seed of all chance: same seed, same bytes.")
    demand: DemandPart = Field(description="Where the jobs come from.")
    tenants: list[TenantPart] = Field(
        default_factory=list[TenantPart],
        description="Who submits, and their limits; a tenant not named has none.",
    )
    gpus: list[GpuPart] = Field(min_length=1, description="Models of GPU that the pools hold.")
    sites: list[SitePart] = Field(min_length=1, description="Where the nodes stand.")
    latency: list[LatencyPart] = Field(
        default_factory=list[LatencyPart],
        description="Round trips between sites; a limit on one that is not given is refused.",
    )
    policy: PolicyPart = Field(
        default_factory=PolicyPart, description="How jobs are ordered, placed and passed."
    )
    funding: FundingPart | None = Field(None, description="Absent: no debt path.")
    compare: list[PolicyPart] = Field(
        default_factory=list[PolicyPart], description="Other policies, run on the same demand."
    )
    alternatives: dict[Name, AlternativePart] = Field(
        default_factory=dict[str, AlternativePart],
        description="Other ways to build it, compared side by side.",
    )
    rooms: ProjectsPart | None = Field(None, description="Absent: no section on data projects.")
    models: ModelsPart | None = Field(None, description="Absent: no section on medical models.")

    @field_validator("alternatives", mode="before")
    @classmethod
    def _check_alternatives_are_named(cls, given: object) -> object:
        """Refuse keys of one alternative that stand where the names of all would."""
        own = cast("dict[str, object]", given) if isinstance(given, dict) else {}
        keys = [key for key, part in own.items() if not isinstance(part, dict)]
        if keys and set(keys) <= set(AlternativePart.model_fields):
            raise ProgrammeValueError(
                Message("{keys} without a name", {"keys": ", ".join(keys)}),
                wanted=Message("a table for each alternative, with its name"),
                remedy=Message("Write [alternatives.NAME] above these keys."),
            )
        return cast("object", given)

    def stated_run_inputs(self) -> Iterator[tuple[str, str]]:
        """Yield name and written value of what it states, for the lineage of a stage."""
        yield from (
            (each.name, each.stated_value_with_unit_text)
            for each in self.stated_programme_inputs(ROOT)
        )

    def built_sites(self) -> list[SitePart]:
        """Return the sites that have nodes; the others wait for an alternative."""
        return [site for site in self.sites if any(pool.nodes for pool in site.pools)]


@dataclass(frozen=True, slots=True)
class NumericKey:
    """A key of the file whose value is a number, a quantity or a list of them.

    Args:
        path: Its place, `*` standing for each part of a list or of a table of named parts.
        is_whole: Whether only whole numbers stand there.
    """

    path: tuple[str, ...]
    is_whole: bool


def programme_schema_numeric_keys(
    section: type[ProgrammeSection] = ProgrammeFile, path: tuple[str, ...] = ()
) -> Iterator[NumericKey]:
    """Yield every key of the schema that holds a number, in the order of the file.

    >>> [".".join(key.path) for key in programme_schema_numeric_keys(LatencyPart)]
    ['rtt']
    """
    for name, about in section.model_fields.items():
        numbers, below = _number_types_and_sections_with_is_many(about.annotation)
        if numbers:
            yield NumericKey((*path, name), is_whole=numbers == {int})
        for part, is_many in below:
            yield from programme_schema_numeric_keys(
                part, (*path, name, *(["*"] if is_many else []))
            )


def _number_types_and_sections_with_is_many(
    annotation: object, *, is_many: bool = False
) -> tuple[set[type], list[tuple[type[ProgrammeSection], bool]]]:
    """Return the kinds of number in a type, and its sections with whether there may be many."""
    if isinstance(annotation, type) and issubclass(annotation, ProgrammeSection):
        return set(), [(annotation, is_many)]
    if annotation in {int, float}:
        return {cast("type", annotation)}, []
    numbers, sections = set[type](), list[tuple[type[ProgrammeSection], bool]]()
    # The first argument of Annotated is the type; what follows it are bounds and units.
    inner = get_args(annotation)
    inner = inner[:1] if get_origin(annotation) is Annotated else inner
    many = is_many or get_origin(annotation) in {list, dict}
    for each in inner if get_origin(annotation) is not Literal else ():
        more_numbers, more_sections = _number_types_and_sections_with_is_many(each, is_many=many)
        numbers |= more_numbers
        sections += more_sections
    return numbers, sections


def whole_number_programme_key_names() -> frozenset[str]:
    """Return the names of the keys at which only whole numbers stand."""
    return frozenset(key.path[-1] for key in programme_schema_numeric_keys() if key.is_whole)


def parse_programme(document: dict[str, Any]) -> ProgrammeFile:
    """Return the checked file; pydantic raises with every fault at once."""
    return ProgrammeFile.model_validate(document)
