"""What a site costs with: the library's cells, the programme's own figures, the run's use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, Final, NamedTuple

from commonwatt.core.identifiers import IdentifierKind, qualified_identifier
from commonwatt.runs.inputs import StatesInputs
from commonwatt.siting.domain.cells import CellOrigin, CostCell, SiteCells
from commonwatt.siting.domain.cost_inputs import (
    NAMES,
    PLACE,
    RENT_INPUT,
    cost_input_label,
    cost_input_spec,
)
from commonwatt.siting.domain.distributions import Distribution, DistributionShape
from commonwatt.siting.engines.cost.model import levelised_compute_cost_usd_per_gpu_hour
from commonwatt.siting.io.cells import cost_library_site_names, load_cost_cells
from commonwatt.siting.usecases.cost import (
    fixed_cost_distribution,
    site_cost_cells_under_case,
    site_cost_cells_with_measured_use,
)
from commonwatt.study.programme.faults import programme_faults_error
from commonwatt.study.programme.ranges import measured_gpu_draw_factor_faults
from commonwatt.study.programme.reader import Programme
from commonwatt.study.programme.schema import CellPart, RentPart, SitePart

CELL = "cell"  # names of sourced inputs of the cost of a site
PROGRAMME_SOURCE = "the programme's own figure"
RENT = RENT_INPUT.name
Row = Mapping[str, Any]
EVERY_SITE: Final = "all"  # owner of the library's cells that all of its sites share


class StudyInputOwner(StrEnum):
    """Whose an input of the cost is."""

    LIBRARY = "library"
    PROGRAMME = "programme"


class StudyInputKey(NamedTuple):
    """Whose an input is, and its name; two sites with one key read one cell, and move together.

    A site of a programme may be called like one of the library, or "all": by the name alone
    its own inputs would be taken for the library's.
    """

    owner: StudyInputOwner
    site: str
    input: str

    @property
    def text(self) -> str:
        """The key in tables, figures and seeds; no two keys have one.

        >>> StudyInputKey(StudyInputOwner.PROGRAMME, "west", "pue_ratio").text
        'west.pue_ratio'
        >>> StudyInputKey(StudyInputOwner.PROGRAMME, "all", "pue_ratio").text
        'site/all.pue_ratio'
        """
        site = self.site
        if self.owner is StudyInputOwner.PROGRAMME and _is_site_name_of_cost_library(site):
            site = qualified_identifier(IdentifierKind.SITE, site)
        return f"{site}.{self.input}"

    @classmethod
    def from_text(cls, text: str) -> StudyInputKey:
        """Return the key that has this text.

        >>> StudyInputKey.from_text("site/all.pue_ratio")[:2] == (StudyInputOwner.PROGRAMME, "all")
        True
        """
        # From the right: the name of a site may hold dots, and that of an input none.
        site, name = text.rsplit(".", maxsplit=1)
        own = site.removeprefix(qualified_identifier(IdentifierKind.SITE, ""))
        is_library = own == site and _is_site_name_of_cost_library(site)
        return cls(StudyInputOwner.LIBRARY if is_library else StudyInputOwner.PROGRAMME, own, name)


def _is_site_name_of_cost_library(name: str) -> bool:
    return name == EVERY_SITE or name in cost_library_site_names()


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyCostInput:
    """One input of the cost of a site that may vary.

    Args:
        key: Whose it is and its name.
        name: Name of the input.
        unit: Its unit.
        value: Its distribution.
        floor: Least that it can be at all.
        roof: Most that it can be at all.
        source: Where it comes from.
        origin: Who says it.
        dated: Date of the source.
        confidence: How far it may be trusted.
    """

    key: StudyInputKey
    name: str
    unit: str
    value: Distribution
    floor: float
    roof: float
    source: str
    origin: CellOrigin
    dated: str
    confidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyCostedSite(StatesInputs):
    """A site whose cost of a useful GPU-hour can be computed.

    Args:
        site: As the file spells it.
        use: Allocated over available GPU time, measured [share].
        gpu_hours: GPU time allocated in the window [GPU-h].
        cells: Its inputs; None where it is rented.
    """

    site: SitePart
    use: float
    gpu_hours: float
    cells: SiteCells | None

    def sourced_inputs_of_site_cost(self) -> Iterator[StudyCostInput]:
        """Yield every input of the cost."""
        if self.cells is not None:
            for cell in self.cells.cells:
                yield _study_cost_input_of_cell(self.site, cell)
        if self.site.rent is not None:
            yield programme_rent_price_cost_input(self.site.name, self.site.rent)

    def stated_run_inputs(self) -> Iterator[tuple[str, str]]:
        """Yield name and value of each sourced input, for the lineage of a stage."""
        for cost_input in self.sourced_inputs_of_site_cost():
            if cost_input.origin is not CellOrigin.FLEET_RUN:
                yield (
                    f"{CELL}.{cost_input.key.text}",
                    study_input_four_digit_text(cost_input.value.cost_input_quantile(0.5)),
                )

    def gpu_hour_usd(self, moved: Mapping[StudyInputKey, float] | None = None) -> float:
        """Return the cost of a useful GPU-hour, some inputs moved from their medians [USD].

        Args:
            moved: Values by key.
        """
        values = moved or {}
        if self.cells is None:
            rent = next(self.sourced_inputs_of_site_cost())
            return study_rented_gpu_hour_usd(
                values.get(rent.key, rent.value.cost_input_quantile(0.5)), self.site, self.use
            )
        changed = {
            item.name: values[item.key]
            for item in self.sourced_inputs_of_site_cost()
            if item.key in values
        }
        return levelised_compute_cost_usd_per_gpu_hour(
            self.cells.median_cost_inputs()._replace(**changed)
        )


def built_sites_without_cells_or_rent(programme: Programme) -> list[SitePart]:
    """Return the built sites that have neither cells nor rent."""
    return [site for site in programme.built if not (site.cost_cells or site.rent)]


def programme_costed_sites_or_none(
    programme: Programme, measured: list[dict[str, Any]]
) -> list[StudyCostedSite] | None:
    """Return every built site with its inputs, or None where one has neither cells nor rent.

    Raises:
        ProgrammeError: A factor takes a draw that the run measured out of its bounds.
    """
    if built_sites_without_cells_or_rent(programme):
        return None
    return [
        StudyCostedSite(
            site=site,
            use=row["utilisation_share"],
            gpu_hours=row["held_gpu_h"],
            cells=_site_cost_cells_with_draw_checked(programme, site, row)
            if site.cost_cells
            else None,
        )
        for site, row in zip(programme.built, measured, strict=True)
    ]


def _site_cost_cells_with_draw_checked(
    programme: Programme, site: SitePart, measured: Row
) -> SiteCells:
    cells = programme_site_cost_cells_with_measured(site, measured)
    # The draw of a GPU is known only now; everything else was asked when the file was read.
    faults = list(measured_gpu_draw_factor_faults(programme.file.sites.index(site), site, cells))
    if faults:
        raise programme_faults_error(programme.path.name, faults)
    return cells


def programme_site_cost_cells_with_measured(site: SitePart, measured: Row) -> SiteCells:
    """Return a site's inputs: the library's, then the programme's, then what was measured."""
    name = str(site.cost_cells)
    known = site_cost_cells_under_case(_cached_shipped_cost_cells(), name, "audited", name)
    known = site_cost_cells_with_measured_use(
        known,
        utilisation=measured["utilisation_share"],
        kwh_per_gpu_hour=measured["kwh_per_gpu_hour"],
    )
    known = known.with_cost_values(
        _programme_tariff_pue_distribution_by_input(site, known, measured["usd_per_kwh"]),
        f"{PROGRAMME_SOURCE}: {site.source}",
        CellOrigin.CALLER,
    )
    for input_name, part in site.cells.items():
        own = {input_name: _programme_cell_distribution(known[input_name], part)}
        known = known.with_cost_values(own, _programme_cell_source_text(part), CellOrigin.CALLER)
    return known


@cache
def _cached_shipped_cost_cells() -> list[CostCell]:
    # Shipped with the code, like which it does not change while we run; a study asks for it once
    # for each site of each alternative.
    return load_cost_cells()


def _programme_tariff_pue_distribution_by_input(
    site: SitePart, known: SiteCells, usd_per_kwh: float
) -> dict[str, Distribution]:
    """Return tariff and PUE as the programme states them.

    A tariff without a range keeps the relative spread of the library's.
    """
    pue = (
        fixed_cost_distribution(site.pue)
        if site.pue_range is None
        else _study_triangular_distribution(site.pue, site.pue_range)
    )
    return {
        "tariff_usd_per_kwh": _stated_tariff_usd_per_kwh_distribution(site, known, usd_per_kwh),
        "pue_ratio": pue,
    }


def _stated_tariff_usd_per_kwh_distribution(
    site: SitePart, known: SiteCells, usd_per_kwh: float
) -> Distribution:
    if site.price_range is not None:
        return _study_triangular_distribution(
            usd_per_kwh, [bound / 1000 for bound in site.price_range]
        )
    spread = known["tariff_usd_per_kwh"].value
    median = spread.cost_input_quantile(0.5)
    return (
        spread.scaled_cost_input(usd_per_kwh / median)
        # Both above nought: a spread cannot be scaled from nothing, nor to it.
        if usd_per_kwh > 0 < median
        else fixed_cost_distribution(usd_per_kwh)
    )


def _study_triangular_distribution(value: float, bounds: list[float]) -> Distribution:
    # The tariff is what the run paid on average over its hours, which may lie outside the range
    # that the file states.
    low, high = min(bounds[0], value), max(bounds[1], value)
    return Distribution(DistributionShape.TRIANGULAR, low, value, high)


def _programme_cell_distribution(known: CostCell, part: CellPart) -> Distribution:
    if part.value is None:
        # A factor alone keeps the library's spread around the moved value. Nought times it has
        # none, and a lognormal would take the logarithm of nought over nought.
        spread = known.value
        return spread.scaled_cost_input(part.times) if part.times else fixed_cost_distribution(0)
    low, value, high = part.scaled_low_value_and_high()
    return Distribution(
        DistributionShape.TRIANGULAR if low < high else DistributionShape.FIXED, low, value, high
    )


def _programme_cell_source_text(part: CellPart) -> str:
    return f"{PROGRAMME_SOURCE}: {part.source}" if part.source else PROGRAMME_SOURCE


def _study_cost_input_of_cell(site: SitePart, cell: CostCell) -> StudyCostInput:
    known = cost_input_spec(cell.input)
    own = cell.origin is CellOrigin.CALLER  # the library's date and trust are not the programme's
    # What the programme states or the run measured belongs to this site; a library's cell belongs
    # to all who read it, and moves for all of them.
    mine = own or cell.origin is CellOrigin.FLEET_RUN
    return StudyCostInput(
        key=StudyInputKey(StudyInputOwner.PROGRAMME, site.name, cell.input)
        if mine
        else StudyInputKey(StudyInputOwner.LIBRARY, cell.site, cell.input),
        name=cell.input,
        unit=known.unit,
        value=cell.value,
        floor=known.low,
        roof=known.high,
        source=cell.source,
        origin=cell.origin,
        dated="" if own else cell.dated,
        confidence="" if own else str(cell.confidence),
    )


def programme_rent_price_cost_input(site: str, rent: RentPart) -> StudyCostInput:
    """Return the price of rent as an input."""
    low, high = rent.low_and_high_usd_per_gpu_hour()
    shape = DistributionShape.TRIANGULAR if low < high else DistributionShape.FIXED
    return StudyCostInput(
        key=StudyInputKey(StudyInputOwner.PROGRAMME, site, RENT),
        name=RENT,
        unit=RENT_INPUT.unit,
        value=Distribution(shape, low, rent.price, high),
        floor=RENT_INPUT.low,
        roof=RENT_INPUT.high,
        source=rent.source,
        origin=CellOrigin.CALLER,
        dated="",
        confidence="",
    )


def study_rented_gpu_hour_usd(price: float, site: SitePart, use: float) -> float:
    """Return what a useful GPU-hour costs where GPUs are rented [USD].

    price / use where every hour is paid; price where only used hours are
    """
    reserved = site.rent is not None and site.rent.paid == "reserved"
    # A site that stood idle would otherwise cost infinitely much.
    return price / max(use, 0.01) if reserved else price


def is_programme_cost_input_fixed(cost_input: StudyCostInput) -> bool:
    """Return whether an input has no spread: measured by the run, or fixed by its source."""
    return cost_input.value.cost_input_quantile(0.05) == cost_input.value.cost_input_quantile(0.95)


def study_cost_model_input_index_or_none(cost_input: StudyCostInput) -> int | None:
    """Return the place of an input in the cost model, or None for rent."""
    return PLACE[cost_input.name] if cost_input.name in NAMES else None


def study_cost_input_site_titles_text(key: StudyInputKey, sites: Sequence[SitePart]) -> str:
    """Return whose an input is, for people: the sites that read it, or "all"."""
    is_own = key.owner is StudyInputOwner.PROGRAMME
    readers = [site for site in sites if key.site == (site.name if is_own else site.cost_cells)]
    return ", ".join(str(site.title) for site in readers) or key.site


def study_input_four_digit_text(value: float) -> str:
    """Return a number with four digits that matter and no exponent where it is large.

    >>> study_input_four_digit_text(90321.4), study_input_four_digit_text(0.066291)
    ('90,321', '0.06629')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def study_cost_input_label_text(name: str, language: str) -> str:
    """Return what the reader calls an input."""
    return cost_input_label(name).translate(language)
