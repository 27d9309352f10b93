"""Keys of a programme that move no figure of it: each is named, with the reason.

Whoever writes a figure expects it to count. Where another key or the trace leaves it without a
say, silence would let its reader believe that it was weighed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from commonwatt.core.messages import Message
from commonwatt.fleet.domain.workload import Workload
from commonwatt.study.programme.reader import Programme
from commonwatt.study.programme.schema import ProgrammeFile, TenantPart

_WHOLE_GPU_MILLI = 1000


def programme_keys_without_effect(programme: Programme) -> Iterator[Message]:
    """Yield a sentence for each key that decides nothing, whatever the trace holds.

    Asked of the programme and of all of its alternatives, which may build what it does not.
    """
    files = [
        programme.file,
        *(programme.alternative(name).file for name in programme.file.alternatives),
    ]
    yield from _unused_gpu_messages(files)
    yield from _unbuilt_place_messages(files)
    yield from _unread_range_messages(programme.file)
    yield from _unused_funding_messages(files)
    if _is_nothing_drawn(files) and "seed" in programme.file.model_fields_set:
        yield Message("seed has no effect here: without costs and funding nothing is drawn.")


def run_keys_without_effect(
    programme: Programme, workload: Workload, *, is_placed: bool
) -> Iterator[Message]:
    """Yield a sentence for each key that decides nothing under this policy and this demand.

    Args:
        programme: The programme under one policy.
        workload: The jobs.
        is_placed: Whether the trace is long enough to plan where its load runs.
    """
    tenants = programme.programme_tenant_parts(workload.tenant_names)
    policy = programme.file.policy
    quotas = _names_of([part for part in tenants if part.quota_gpus is not None])
    if quotas and policy.order != "fair-share" and policy.preemption != "reclaim":
        yield Message(
            "quota_gpus of {names} has no effect on who waits: only order = \"fair-share\" and "
            "preemption = \"reclaim\" weigh quotas, and the policy is {policy}.",
            {"names": quotas, "policy": f"{policy.order}, {policy.preemption}"},
        )  # fmt: skip
    waiting = _names_of([part for part in tenants if part.defer_h])
    if waiting and not is_placed:
        yield Message(
            "defer_h of {names} has no effect here: the trace is shorter than the week that a "
            "placement plans.",
            {"names": waiting},
        )
    sliced = ", ".join(gpu.name for gpu in programme.gpu_types if gpu.slices)
    if sliced and (workload.gpu_milli[workload.gpus > 0] == _WHOLE_GPU_MILLI).all():
        yield Message(
            "slices of {names} has no effect here: no job asks for a part of a GPU.",
            {"names": sliced},
        )


def _names_of(tenants: Sequence[TenantPart]) -> str:
    return ", ".join(part.name for part in tenants)


def _unused_gpu_messages(files: Sequence[ProgrammeFile]) -> Iterator[Message]:
    used = {pool.gpu for file in files for site in file.sites for pool in site.pools if pool.nodes}
    for gpu in files[0].gpus:
        if gpu.name not in used:
            yield Message(
                "The GPU {name} has no effect here: no node holds one, in the programme or in an "
                "alternative.",
                {"name": gpu.name},
            )


def _unbuilt_place_messages(files: Sequence[ProgrammeFile]) -> Iterator[Message]:
    for i, site in enumerate(files[0].sites):
        pools = [
            any(file.sites[i].pools[j].nodes for file in files) for j in range(len(site.pools))
        ]
        if not any(pools):
            yield Message(
                "Price, PUE, carbon and costs of the site {name} have no effect here: nothing is "
                "built there, in the programme or in an alternative.",
                {"name": site.name},
            )
            continue
        for j, is_built in enumerate(pools):
            if not is_built:
                yield Message(
                    "Pool {place} of the site {name} has no effect here: it has no node, in the "
                    "programme or in an alternative.",
                    {"place": str(j + 1), "name": site.name},
                )


def _unread_range_messages(file: ProgrammeFile) -> Iterator[Message]:
    for site in file.sites:
        for key in ("price_range", "pue_range"):
            # At a rented site a range is refused, and nobody need be told of it twice.
            if getattr(site, key) is not None and not (site.cost_cells or site.rent):
                yield Message(
                    "{key} of the site {name} has no effect here: it names no cost_cells, of whose "
                    "costs it would be a range.",
                    {"key": key, "name": site.name},
                )


def _unused_funding_messages(files: Sequence[ProgrammeFile]) -> Iterator[Message]:
    parts = [file.funding for file in files]
    if not all(parts):
        return
    if all(part and part.build_years == 1 for part in parts) and (
        files[0].funding and "steepness" in files[0].funding.model_fields_set
    ):
        yield Message("steepness has no effect here: all is built within one year.")
    if all(site.rent for file in files for site in file.built_sites()):
        yield Message(
            "Nothing is built and nothing is borrowed: every GPU is rented, and rent is left out "
            "of the debt."
        )


def _is_nothing_drawn(files: Sequence[ProgrammeFile]) -> bool:
    return not any(
        file.funding or site.cost_cells or site.rent for file in files for site in file.sites
    )
