"""What of a programme each stage may see.

A stage is a function of one frozen object, and its key is the hash of all of it. So that a
price moves no schedule and a label no cost, a stage is given the programme without what
has no say there: the other parts stand at nothing. A stage that read one of them would
compute with nothing and be wrong at once, and not stale some day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from commonwatt.fleet.domain.machines import GpuType
from commonwatt.study.programme.localised import LocalisedText
from commonwatt.study.programme.reader import Programme
from commonwatt.study.programme.schema import FundingPart, PolicyPart, ProgrammeFile, SitePart

NOTHING = np.array([0.0])


def programme_view_of_fleet_stage(programme: Programme, policy: PolicyPart) -> Programme:
    """Return what decides a fleet run under a policy, its energy, its bill and its labels."""
    file = _programme_file_of_one_policy(programme.file, policy)
    built = {site.name for site in programme.built}
    # A site without nodes is a place that tenants may work from, and nothing more.
    sites = [
        _site_view_without_costs(site) if site.name in built else _site_view_as_place_only(site)
        for site in file.sites
    ]
    return replace(
        programme,
        file=file.model_copy(update={"sites": sites}),
        built=_site_views_of_built_sites(programme, sites),
        path=Path(programme.path.name),
        inputs=(),
        changes=(),
        country="",
        country_files=(),
    )


def programme_view_of_schedule_stage(programme: Programme, policy: PolicyPart) -> Programme:
    """Return what decides when and where jobs run: machines, demand, limits, order.

    Prices, carbon, draw, PUE and labels move no job.
    """
    view = programme_view_of_fleet_stage(programme, policy)
    file = view.file
    sites = [_site_view_without_prices_and_pue(site) for site in file.sites]
    tenants = [
        part.section_with_keys_neutral_and_unstated(label=None, defer_h=0) for part in file.tenants
    ]
    gpus = [
        part.section_with_keys_neutral_and_unstated(idle=0.0, busy=0.0, source="")
        for part in file.gpus
    ]
    links = [
        # A link has no direction, so however it is written it is the same link.
        part.section_with_keys_neutral_and_unstated(source="").model_copy(
            update={"between": sorted(part.between)}
        )
        for part in file.latency
    ]
    demand = file.demand.section_with_keys_neutral_and_unstated(source="")
    return replace(
        view,
        file=file.model_copy(
            update={
                "sites": sites,
                "tenants": tenants,
                "gpus": gpus,
                "latency": links,
                "demand": demand,
            }
        ),
        built=_site_views_of_built_sites(view, sites),
        sites=tuple(
            replace(site, region="", pue=1.0, price_usd_per_mwh=NOTHING, carbon_g_per_kwh=NOTHING)
            for site in view.sites
        ),
        gpu_types=tuple(_programme_gpu_type_without_draw(gpu) for gpu in view.gpu_types),
    )


def programme_view_of_placement_stage(programme: Programme) -> Programme:
    """Return what decides a placement beside the costs of sites and the load measured."""
    # The order of the queue has no say: the load is what was measured under it.
    view = programme_view_of_fleet_stage(programme, PolicyPart())
    demand = view.file.demand.section_with_keys_neutral_and_unstated(source="")
    return replace(
        view,
        file=view.file.section_with_keys_neutral_and_unstated(seed=0).model_copy(
            update={"demand": demand}
        ),
    )


def programme_site_view_of_cost_stage(site: SitePart) -> SitePart:
    """Return what of a site decides its cost beside its cells and its measured use.

    Its region is in it, since that says whether its cells are those of its own country.
    """
    return site.section_with_keys_neutral_and_unstated(power_price=0.0, carbon=0.0, pools=[])


def funding_part_view_with_scale_only(part: FundingPart) -> FundingPart:
    """Return what of a funding decides how much is built; nothing else of it is stated."""
    return part.section_with_keys_neutral_and_unstated(
        **dict.fromkeys(FundingPart.model_fields.keys() - {"scale"})
    )


def _programme_file_of_one_policy(file: ProgrammeFile, policy: PolicyPart) -> ProgrammeFile:
    return file.section_with_keys_neutral_and_unstated(
        title=LocalisedText(""),
        summary=LocalisedText(""),
        compare=[],
        alternatives={},
        funding=None,
        rooms=None,
        models=None,
    ).model_copy(update={"policy": policy})


def _site_view_without_costs(site: SitePart) -> SitePart:
    return site.section_with_keys_neutral_and_unstated(
        cost_cells=None, cells={}, price_range=None, pue_range=None, rent=None
    )


def _site_view_without_prices_and_pue(site: SitePart) -> SitePart:
    return site.section_with_keys_neutral_and_unstated(
        label=None, region="", pue=1.0, power_price=0.0, carbon=0.0, source=""
    )


def _site_view_as_place_only(site: SitePart) -> SitePart:
    return _site_view_without_costs(
        _site_view_without_prices_and_pue(site)
    ).section_with_keys_neutral_and_unstated(pools=[])


def _programme_gpu_type_without_draw(gpu: GpuType) -> GpuType:
    return replace(gpu, idle_w=0.0, busy_w=0.0, source="")


def _site_views_of_built_sites(
    programme: Programme, sites: Sequence[SitePart]
) -> tuple[SitePart, ...]:
    names = {site.name for site in programme.built}
    return tuple(site for site in sites if site.name in names)
