"""Figures of a programme file that contradict each other, or that cannot be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from commonwatt.core.messages import Message
from commonwatt.siting.domain.cost_inputs import NAMES, RENT_INPUT, cost_input_spec
from commonwatt.siting.io.cells import cost_library_site_names
from commonwatt.study.programme.faults import ProgrammeFault
from commonwatt.study.programme.schema import CellPart, ProgrammeFile, SitePart

if TYPE_CHECKING:  # checking a file takes no cost model
    from commonwatt.siting.domain.cells import SiteCells

# Far beyond all that are installed anywhere: a scale off by a thousand, and no programme.
_MOST_GPUS: Final = 20_000_000
# A node with more has its cores written in thousandths or its memory in MiB.
_MOST_CORES, _MOST_NODE_GIB, _MOST_GPU_GIB = 4096, 65_536, 4096
_PUE: Final = (1.0, 3.0)
# The bill and the schedule read these off the programme, and so must the cost: a cell of its own
# would give one report two prices, two PUEs or two uses.
STATED_ELSEWHERE: Final = {
    "tariff_usd_per_kwh": ("power_price", "power_price and price_range"),
    "pue_ratio": ("pue", "pue and pue_range"),
    "utilisation_share": ("", ""),
}
# The run measures these; a factor is on what it measured, and asked about once that is known.
_MEASURED_DRAWS: Final = frozenset({"idle_draw_share", "busy_draw_share"})
_ENDS: Final = (0.05, 0.5, 0.95)  # levels of what the report shows of an input


def programme_range_faults(file: ProgrammeFile) -> list[ProgrammeFault]:
    """Return a fault for every range, size or pair of figures that cannot be."""
    return [
        *_programme_wide_size_faults(file),
        *_programme_gpu_draw_and_size_faults(file),
        *(
            fault
            for i, site in enumerate(file.sites)
            for fault in _programme_site_range_faults(i, site)
        ),
        *(
            fault
            for i, site in enumerate(file.sites)
            for name, cell in site.cells.items()
            if name in NAMES
            for fault in (
                _contradicting_cost_cell_faults(f"sites.{i}.cells.{name}", name)
                if name in STATED_ELSEWHERE
                else (
                    *_programme_cost_cell_faults(f"sites.{i}.cells.{name}", name, cell),
                    *_library_cost_factor_faults(f"sites.{i}.cells.{name}", name, site, cell),
                )
            )
        ),
    ]


def _programme_wide_size_faults(file: ProgrammeFile) -> Iterator[ProgrammeFault]:
    yield from _programme_blank_text_faults(file)
    gpus = sum(site.gpus for site in file.sites)
    if not gpus:
        yield ProgrammeFault(
            where="sites",
            found=Message("no site has a node with a GPU"),
            remedy=Message("Write nodes and gpus_per_node of at least 1 in a pool of one site."),
        )
    if file.funding is not None and gpus * file.funding.scale > _MOST_GPUS:
        yield ProgrammeFault(
            where="funding.scale",
            found=Message("{count} GPUs in all", {"count": f"{gpus * file.funding.scale:,.0f}"}),
            wanted=Message("at most {count}", {"count": f"{_MOST_GPUS:,}"}),
            remedy=Message("Write scale of at most {most}.", {"most": f"{_MOST_GPUS // gpus}"}),
        )
    if len(file.alternatives) == 1:
        name = next(iter(file.alternatives))
        yield ProgrammeFault(
            where="alternatives",
            found=Message("{name} alone", {"name": name}),
            wanted=Message("two or more, to set side by side"),
            remedy=Message(
                'Write [alternatives.written] with label = "As written" beside it, which is the '
                "programme itself, or take it out."
            ),
        )


def _programme_blank_text_faults(file: ProgrammeFile) -> Iterator[ProgrammeFault]:
    """Yield a fault for each title, label and source that says nothing.

    Asked here: the length of a text in two languages is nothing that a field can bound.
    """
    labels = [("title", file.title)]
    labels += [(f"sites.{i}.label", each.label) for i, each in enumerate(file.sites) if each.label]
    labels += [
        (f"tenants.{i}.label", each.label) for i, each in enumerate(file.tenants) if each.label
    ]
    labels += [
        (f"alternatives.{name}.label", each.label) for name, each in file.alternatives.items()
    ]
    sources = [(f"gpus.{i}.source", each.source) for i, each in enumerate(file.gpus)]
    for i, site in enumerate(file.sites):
        sources.append((f"sites.{i}.source", site.source))
        if site.rent is not None:
            sources.append((f"sites.{i}.rent.source", site.rent.source))
    if file.funding is not None:
        sources.append(("funding.source", file.funding.source))
    for where, text in (*labels, *sources):
        if not str(text).strip():
            yield ProgrammeFault(
                where=where,
                found=Message("want at least 1 character"),
                remedy=Message("Write what the report shows for it.")
                if where.endswith(("label", "title"))
                else Message("Write where the figures come from, with their dates."),
            )


def _programme_gpu_draw_and_size_faults(file: ProgrammeFile) -> Iterator[ProgrammeFault]:
    for i, gpu in enumerate(file.gpus):
        if gpu.idle > gpu.busy:
            yield ProgrammeFault(
                where=f"gpus.{i}.idle",
                found=Message(
                    "{idle} W, above busy, which is {busy} W",
                    {"idle": f"{gpu.idle:g}", "busy": f"{gpu.busy:g}"},
                ),
                wanted=Message("at most the draw of a busy GPU"),
                remedy=Message(
                    'Write idle of at most "{busy} W", or change the two about.',
                    {"busy": f"{gpu.busy:g}"},
                ),
            )
        yield from _programme_size_above_most_faults(
            f"gpus.{i}.memory_gib", gpu.memory_gib, _MOST_GPU_GIB
        )
    for i, site in enumerate(file.sites):
        for j, pool in enumerate(site.pools):
            where = f"sites.{i}.pools.{j}"
            yield from _programme_size_above_most_faults(
                f"{where}.cpu_cores", pool.cpu_cores, _MOST_CORES
            )
            yield from _programme_size_above_most_faults(
                f"{where}.memory_gib", pool.memory_gib, _MOST_NODE_GIB
            )


def _programme_size_above_most_faults(
    where: str, size: float, most: int
) -> Iterator[ProgrammeFault]:
    if size > most:
        over = 1000 if where.endswith("cores") else 1024
        yield ProgrammeFault(
            where=where,
            found=f"{size:,.0f}",
            wanted=Message("at most {count}", {"count": f"{most:,}"}),
            remedy=Message(
                "Check the unit; write for example {example}.",
                {"example": f"{size / over:g}" if size / over <= most else f"{most}"},
            ),
        )


def _programme_site_range_faults(i: int, site: SitePart) -> Iterator[ProgrammeFault]:
    where = f"sites.{i}"
    # Its use and its cost would be nought over nought.
    if not site.gpus and any(pool.nodes for pool in site.pools):
        yield ProgrammeFault(
            where=f"{where}.pools",
            found=Message("nodes without a GPU"),
            wanted=Message("a GPU in some node of each site that is built"),
            remedy=Message("Write gpus_per_node of at least 1 in a pool, or nodes = 0 in all."),
        )
    if site.pue_range is not None:
        yield from _programme_stated_range_faults(
            f"{where}.pue_range", site.pue_range, site.pue, "PUE", 1
        )
        outside = [bound for bound in site.pue_range if not _PUE[0] <= bound <= _PUE[1]]
        if outside:
            yield ProgrammeFault(
                where=f"{where}.pue_range",
                found=f"{outside[0]:g}",
                wanted=Message("bounds from {low} to {high}", _low_and_high_message_values(*_PUE)),
                remedy=Message(
                    "Write for example [{low}, {high}].",
                    _low_and_high_message_values(
                        *(min(max(b, _PUE[0]), _PUE[1]) for b in site.pue_range)
                    ),
                ),
            )
    # Where the price is a series its hours are asked for with the file.
    if site.price_range is not None and isinstance(site.power_price, float):
        yield from _programme_stated_range_faults(
            f"{where}.price_range", site.price_range, site.power_price, "USD/kWh", 1000
        )
    if site.rent is not None:
        yield from _programme_rent_price_faults(where, site)
    elif site.cells and site.cost_cells is None:
        yield ProgrammeFault(
            where=f"{where}.cells",
            found=Message("cells of a site that names no cost_cells"),
            wanted=Message("cost_cells, whose cells these replace"),
            remedy=Message(
                'Write cost_cells = "{name}", say; the library has {names}.',
                {
                    "name": cost_library_site_names()[0],
                    "names": ", ".join(cost_library_site_names()),
                },
            ),
        )
    yield from _idle_above_busy_draw_share_faults(where, site)


def _programme_stated_range_faults(
    where: str, bounds: Sequence[float], value: float, unit: str, over: float
) -> Iterator[ProgrammeFault]:
    """Yield the fault of a range that is reversed, or that does not hold its value.

    Args:
        where: Path of the range.
        bounds: Its bounds.
        value: What it must hold.
        unit: The unit that people write it in; PUE has none and is no text in the file.
        over: Canonical units in that unit.
    """
    low, high = bounds
    if low <= value <= high:
        return
    shown = [f"{each / over:g}" for each in (low, high, value)]
    whole = sorted((low, high, value))
    right = [f"{each / over:g}" if over == 1 else f'"{each / over:g} {unit}"' for each in whole]
    values = {"low": shown[0], "high": shown[1], "value": shown[2], "unit": unit}
    yield ProgrammeFault(
        where=where,
        found=Message("{low} to {high} {unit}", values)
        if low <= high
        else Message("{low} to {high} {unit}, the larger first", values),
        wanted=Message("a range, the smaller first, that holds {value} {unit}", values),
        remedy=Message(
            "Write for example [{low}, {high}]; a change by a factor moves value and range.",
            {"low": right[0], "high": right[-1]},
        ),
    )


def _low_and_high_message_values(low: float, high: float) -> dict[str, str]:
    return {"low": f"{low:g}", "high": f"{high:g}"}


def _programme_rent_price_faults(where: str, site: SitePart) -> Iterator[ProgrammeFault]:
    assert site.rent is not None
    # Two prices for one GPU-hour: which of them held would be a guess.
    if site.cost_cells is not None:
        yield ProgrammeFault(
            where=f"{where}.cost_cells",
            found=Message("rent and cost_cells"),
            wanted=Message("rent or cost_cells, not both"),
            remedy=Message("Take cost_cells out where GPUs are rented, or else the rent."),
        )
    elif site.cells:
        yield ProgrammeFault(
            where=f"{where}.cells",
            found=Message("cells of a site that is rented"),
            wanted=Message("rent or cells, not both"),
            remedy=Message("Take the cells out; the rent holds every cost."),
        )
    yield from _power_beside_rent_faults(where, site)
    low, high = site.rent.low_and_high_usd_per_gpu_hour()
    for key, bound in (("low", low), ("high", high)):
        if (bound > site.rent.price) if key == "low" else (bound < site.rent.price):
            yield ProgrammeFault(
                where=f"{where}.rent.{key}",
                found=Message(
                    "{bound} {unit}, and the price is {value}",
                    {
                        "bound": f"{bound:g}",
                        "unit": RENT_INPUT.unit,
                        "value": f"{site.rent.price:g}",
                    },
                ),
                wanted=Message("low, price, high in order"),
                remedy=Message(
                    'Write for example {key} = "{value} {unit}".',
                    {"key": key, "value": f"{site.rent.price:g}", "unit": RENT_INPUT.unit},
                ),
            )


def _power_beside_rent_faults(where: str, site: SitePart) -> Iterator[ProgrammeFault]:
    """Yield the fault of each key of a rented site that would move nothing, or be paid twice.

    The rent holds the power: its price there would stand in the bill a second time, and ranges
    are read by the cost of what is built alone. PUE and carbon stay, which energy and emissions
    read.
    """
    for key in ("price_range", "pue_range"):
        if getattr(site, key) is not None:
            yield ProgrammeFault(
                where=f"{where}.{key}",
                found=Message("a range at a site that is rented, where nothing reads it"),
                wanted=Message("low and high of the rent, which holds power and cooling"),
                remedy=Message("Take {key} out; write low and high in rent.", {"key": key}),
            )
    if site.power_price != 0:
        yield ProgrammeFault(
            where=f"{where}.power_price",
            found=Message("a price of power at a site that is rented"),
            wanted=Message("the rent alone, which holds the power"),
            remedy=Message('Write power_price = "{price}".', {"price": "0 USD/kWh"}),
        )


def _contradicting_cost_cell_faults(where: str, name: str) -> Iterator[ProgrammeFault]:
    """Yield the fault of a cell that says what the site or its run says already."""
    key, keys = STATED_ELSEWHERE[name]
    if not key:
        yield ProgrammeFault(
            where=where,
            found=Message("a use beside the one that is measured"),
            wanted=Message("the use of the schedule, which every figure of the report reads"),
            remedy=Message("Take the cell out; change nodes, demand or policy to change the use."),
        )
        return
    yield ProgrammeFault(
        where=where,
        found=Message("a cell beside {key}", {"key": key}),
        wanted=Message("{key} alone, which the bill and the cost both read", {"key": key}),
        remedy=Message("Take the cell out and write {keys} of the site.", {"keys": keys}),
    )


def _programme_cost_cell_faults(where: str, name: str, cell: CellPart) -> Iterator[ProgrammeFault]:
    """Yield what is wrong with an input of the cost model that a site states."""
    low, value, high = cell.scaled_low_value_and_high()
    known = cost_input_spec(name)
    if cell.value is None:
        # A range around nothing would be read as one around nought.
        if not (cell.low is None and cell.high is None):
            yield ProgrammeFault(
                where=where,
                found=Message("low or high, and no value"),
                wanted=Message("a value between them"),
                remedy=Message("Write value = … there, or take low and high out."),
            )
    elif not low <= value <= high:
        whole = sorted((low, value, high))
        yield ProgrammeFault(
            where=where,
            found=f"{low:g}, {value:g}, {high:g}",
            wanted=Message("low, value, high in order"),
            remedy=Message(
                "Write for example low = {low} and high = {high}.",
                {"low": f"{whole[0]:g}", "high": f"{whole[-1]:g}"},
            ),
        )
    elif not known.low <= low <= high <= known.high:
        yield ProgrammeFault(
            where=where,
            found=f"{(low if low < known.low else high):,g} {known.unit}",
            wanted=Message(
                "{low} to {high} {unit}",
                {"low": f"{known.low:g}", "high": f"{known.high:g}", "unit": known.unit},
            ),
            remedy=_cost_cell_unit_remedy(value, name),
        )


def _library_cost_factor_faults(
    where: str, name: str, site: SitePart, cell: CellPart
) -> Iterator[ProgrammeFault]:
    """Yield the fault of a factor that takes the library's own figure out of its bounds."""
    # A name of the library that nobody knows is told of on its own.
    if (
        cell.value is not None
        or cell.times == 1
        or name in _MEASURED_DRAWS
        or site.cost_cells not in cost_library_site_names()
    ):
        return
    # Both ends and not the median alone: a range that is cut at a bound no longer has the spread
    # that the factor kept.
    ends = _library_cost_input_end_quantiles(str(site.cost_cells), name)
    known = cost_input_spec(name)
    beyond = [end for end in ends if not known.low <= end * cell.times <= known.high]
    # What the library has beyond a bound of its own is not the programme's fault.
    if any(known.low <= end <= known.high for end in beyond):
        yield ProgrammeFault(
            where=where,
            found=Message(
                "{value} {unit}, the library's times {times}",
                {"value": f"{beyond[-1] * cell.times:,.4g}", "unit": known.unit,
                 "times": f"{cell.times:g}"},
            ),
            wanted=Message("{low} to {high} {unit}", _cost_input_bounds_message_values(name)),
            remedy=Message("Write for example times = {example}.", {"example": "1.0"}),
        )  # fmt: skip


def _cost_input_bounds_message_values(name: str) -> dict[str, str]:
    known = cost_input_spec(name)
    return {"low": f"{known.low:g}", "high": f"{known.high:g}", "unit": known.unit}


def measured_gpu_draw_factor_faults(
    i: int, site: SitePart, cells: SiteCells
) -> Iterator[ProgrammeFault]:
    """Yield the fault of a factor that takes a draw that the run measured out of its bounds.

    Args:
        i: Place of the site in the file.
        site: The site.
        cells: Its inputs, with what was measured and what it states.
    """
    for name in sorted(_MEASURED_DRAWS.intersection(site.cells)):
        known, draw = cost_input_spec(name), cells[name].value.cost_input_quantile(0.5)
        idle, busy = (
            cells[each].value.cost_input_quantile(0.5)
            for each in ("idle_draw_share", "busy_draw_share")
        )
        if not known.low <= draw <= known.high or idle > busy:
            yield ProgrammeFault(
                where=f"sites.{i}.cells.{name}",
                found=Message(
                    "idle {idle} and busy {busy} of the rating, with what the run measured",
                    {"idle": f"{idle:.4g}", "busy": f"{busy:.4g}"},
                ),
                wanted=Message("{low} to {high} {unit}", _cost_input_bounds_message_values(name)),
                remedy=Message("Write for example times = {example}.", {"example": "1.0"}),
            )


def _library_cost_input_end_quantiles(site: str, name: str) -> tuple[float, ...]:
    # Here and not above: it takes the whole cost model, which a file without factors needs not.
    from commonwatt.siting.io.cells import load_cost_cells
    from commonwatt.siting.usecases.cost import site_cost_cells_under_case

    cells = site_cost_cells_under_case(load_cost_cells(), site, "audited", site)
    return tuple(cells[name].value.cost_input_quantile(level) for level in _ENDS)


def _cost_cell_unit_remedy(value: float, name: str) -> Message:
    known = cost_input_spec(name)
    # Percent for shares, kilo for the rest: the two slips that are seen.
    for over in (100, 1000):
        if known.low <= value / over <= known.high:
            return Message(
                "Check the unit; write for example {example}.", {"example": f"{value / over:g}"}
            )
    nearest = min(max(value, known.low), known.high)
    return Message("Check the unit; write for example {example}.", {"example": f"{nearest:g}"})


def _idle_above_busy_draw_share_faults(where: str, site: SitePart) -> Iterator[ProgrammeFault]:
    idle, busy = site.cells.get("idle_draw_share"), site.cells.get("busy_draw_share")
    if idle is None or busy is None or idle.value is None or busy.value is None:
        return
    if idle.value > busy.value:
        yield ProgrammeFault(
            where=f"{where}.cells.idle_draw_share",
            found=Message(
                "{idle}, above busy_draw_share, which is {busy}",
                {"idle": f"{idle.value:g}", "busy": f"{busy.value:g}"},
            ),
            wanted=Message("at most the draw of a busy GPU"),
            remedy=Message("Change the two about."),
        )
