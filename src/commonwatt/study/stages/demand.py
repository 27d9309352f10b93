"""The demand of a programme on its machines, and the policies that it is run under."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from commonwatt.core.errors import ProgrammeError, UsageError
from commonwatt.core.messages import Message
from commonwatt.fleet.domain.policies import SchedulingPolicy, parse_scheduling_policy
from commonwatt.fleet.domain.policies.place import workload_in_gpu_slices
from commonwatt.fleet.domain.workload import Workload
from commonwatt.fleet.io.traces import check_jobs_fit_fleet, read_traces
from commonwatt.fleet.io.traces.read import TracesRead
from commonwatt.fleet.usecases.inputs import FleetInputs
from commonwatt.runs import InputFile
from commonwatt.study.programme.reader import Programme


def programme_fleet_inputs(programme: Programme) -> FleetInputs:
    """Return the jobs and the machines of a programme.

    Raises:
        TraceError: A job could never run.
        ProgrammeError: The demand names a tenant that the trace lacks.
    """
    read = _traces_read(programme.trace, programme.file.demand.format, programme.mapping)
    fleet = programme.fleet()
    workload = workload_in_gpu_slices(
        programme.workload_with_tenant_site_limits(_jobs_of_named_tenants(programme, read)), fleet
    )
    check_jobs_fit_fleet(workload, fleet, where=programme.trace.name)
    return FleetInputs(workload=workload, fleet=fleet, reads=read.reads, files=(), pool="all")


# Every policy and alternative of a study runs the same trace. By its digest, so that a file that
# was edited is read anew; the last one alone, because a trace may be large.
@lru_cache(maxsize=1)
def _traces_read(trace: InputFile, form: str | None, mapping: InputFile | None) -> TracesRead:
    return read_traces([trace.path], format=form, mapping=mapping and mapping.path)


def _jobs_of_named_tenants(programme: Programme, trace: TracesRead) -> Workload:
    """Return the jobs of the tenants that the demand names; of all where it names none."""
    wanted, jobs = programme.file.demand.tenants, trace.workload
    unknown = [name for name in wanted if name not in jobs.tenant_names]
    if unknown:
        raise ProgrammeError(
            f"{programme.path.name}, demand.tenants",
            found=repr(unknown[0]),
            wanted=Message("one of {names}", {"names": ", ".join(jobs.tenant_names)}),
        )
    if not wanted:
        return jobs
    names = tuple(name for name in jobs.tenant_names if name in wanted)
    # Numbered anew: a tenant that was left out would otherwise stand in every table with nothing.
    place = np.array([names.index(n) if n in names else -1 for n in jobs.tenant_names], np.int32)
    wanted_jobs = jobs.take_jobs(np.flatnonzero(place[jobs.tenant] >= 0))
    return replace(wanted_jobs, tenant=place[wanted_jobs.tenant], tenant_names=names)


def programme_scheduling_policies(programme: Programme) -> list[SchedulingPolicy]:
    """Return the policy of a programme, then those that it is compared with.

    Raises:
        ProgrammeError: A name is unknown.
    """
    policies: list[SchedulingPolicy] = []
    for i, part in enumerate(programme.policies()):
        where = "policy" if i == 0 else f"compare.{i - 1}"
        try:
            policies.append(
                parse_scheduling_policy(part.order, part.place, part.backfill, part.preemption)
            )
        except UsageError as error:
            # The fleet's parser speaks of options of the command line; here the same word is a key
            # of the file.
            key = error.where.removeprefix("--")
            raise ProgrammeError(
                f"{programme.path.name}, {where}.{key}", found=error.found, wanted=error.wanted
            ) from None
    return policies
