"""The demand of a programme on its machines, and the policies that it is run under."""

from __future__ import annotations

from collections.abc import Sequence
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
from commonwatt.study.programme.faults import (
    ProgrammeFault,
    closest_name_remedy_or_empty,
    programme_faults_error,
)
from commonwatt.study.programme.reader import Programme
from commonwatt.study.programme.references import unknown_programme_name_fault


def fleet_inputs_of_programme(programme: Programme) -> FleetInputs:
    """Return the jobs and the machines of a programme.

    Raises:
        TraceError: A job could never run.
        ProgrammeError: The demand names a tenant that the trace lacks, or a rule is of one.
    """
    demand = programme.file.demand
    mapping = programme.mapping
    if mapping is not None and demand.format not in (None, "table"):
        raise ProgrammeError(
            f"{programme.path.name}, demand.format",
            found=str(demand.format),
            wanted=Message("table, because mapping describes one"),
            remedy=Message('Write format = "table", or take mapping out.'),
        )
    try:
        read = _cached_programme_traces_read(programme.trace, demand.format, mapping)
    except UsageError as error:
        # The fleet's reader speaks of options of the command line; here the same word is a key of
        # the file.
        raise ProgrammeError(
            f"{programme.path.name}, demand.{error.where.removeprefix('--')}",
            found=error.found,
            wanted=error.wanted,
            remedy=error.remedy,
        ) from None
    fleet = programme.fleet()
    jobs = _workload_of_programme_demand_tenants(programme, read)
    _check_demand_has_gpus_and_time_span(programme, jobs)
    workload = workload_in_gpu_slices(programme.workload_with_tenant_site_limits(jobs), fleet)
    check_jobs_fit_fleet(workload, fleet, where=programme.trace.name)
    return FleetInputs(workload=workload, fleet=fleet, reads=read.reads, files=(), pool="all")


# Every policy and alternative of a study runs the same trace. By its digest, so that a file that
# was edited is read anew; the last one alone, because a trace may be large.
@lru_cache(maxsize=1)
def _cached_programme_traces_read(
    trace: InputFile, form: str | None, mapping: InputFile | None
) -> TracesRead:
    return read_traces([trace.path], format=form, mapping=mapping and mapping.path)


def _workload_of_programme_demand_tenants(programme: Programme, trace: TracesRead) -> Workload:
    """Return the jobs of the tenants that the demand names; of all where it names none."""
    wanted, jobs = programme.file.demand.tenants, trace.workload
    unknown = [name for name in wanted if name not in jobs.tenant_names]
    if unknown:
        raise unknown_programme_name_fault(
            "demand.tenants", unknown[0], jobs.tenant_names
        ).programme_error_in_file(programme.path.name)
    _check_ruled_tenants_are_in_trace(programme, jobs.tenant_names)
    _check_tenant_labels_name_no_other_tenant(programme, wanted or jobs.tenant_names)
    if not wanted:
        return jobs
    names = tuple(name for name in jobs.tenant_names if name in wanted)
    # Numbered anew: a tenant that was left out would otherwise stand in every table with nothing.
    place = np.array([names.index(n) if n in names else -1 for n in jobs.tenant_names], np.int32)
    wanted_jobs = jobs.workload_of_job_rows(np.flatnonzero(place[jobs.tenant] >= 0))
    return replace(wanted_jobs, tenant=place[wanted_jobs.tenant], tenant_names=names)


def _check_demand_has_gpus_and_time_span(programme: Programme, jobs: Workload) -> None:
    """Raise where no job asks for a GPU, or the whole demand takes no time.

    Neither use nor energy nor cost could be measured on it, in no span of time.
    """
    takes_time = jobs.runtime_ms.any() or jobs.submit_ms[0] != jobs.submit_ms[-1]
    if takes_time and jobs.gpu_demand_milli_by_job().any():
        return
    raise ProgrammeError(
        f"{programme.path.name}, demand.trace",
        found=Message("jobs that take no time at all")
        if not takes_time
        else Message("jobs that ask for no GPU"),
        wanted=Message("a job that holds a GPU for some time"),
        remedy=Message("Look whether the mapping names the right columns, with their units."),
    )


def _check_ruled_tenants_are_in_trace(programme: Programme, tenant_names: Sequence[str]) -> None:
    """Raise where a rule is of a tenant whom the trace never names.

    Nobody would keep it: a slip of one letter would let a hospital's jobs run anywhere. Asked
    of the whole trace, as a programme may use some of its tenants and have rules for all.
    """
    declared = {part.name for part in programme.file.tenants}
    # A name that has a table of its own is not the one that was meant.
    free = [name for name in tenant_names if name not in declared]
    faults = [
        ProgrammeFault(
            where=f"tenants.{i}.name",
            found=Message(
                "{name}, of whom the trace holds no job; its {rules} would bind nobody",
                {"name": repr(part.name), "rules": ", ".join(rules)},
            ),
            wanted=Message("one of {names}", {"names": ", ".join(tenant_names)}),
            remedy=closest_name_remedy_or_empty(part.name, free)
            or Message("Write the name as the trace spells it, or take the table out."),
        )
        for i, part in enumerate(programme.file.tenants)
        if part.name not in tenant_names and (rules := part.rules())
    ]
    if faults:
        raise programme_faults_error(programme.path.name, faults)


def _check_tenant_labels_name_no_other_tenant(
    programme: Programme, tenant_names: Sequence[str]
) -> None:
    """Raise where a label is the name of another tenant: tables would hold two of one name."""
    # Those that have a table are compared with each other when the file is read.
    declared = {part.name for part in programme.file.tenants}
    plain = {name.casefold() for name in tenant_names if name not in declared}
    faults = [
        ProgrammeFault(
            where=f"tenants.{i}.label",
            found=Message("{label}, the name of another tenant", {"label": repr(str(part.label))}),
            wanted=Message("a label of its own"),
            remedy=Message("Write another label, or a label for the tenant of that name, too."),
        )
        for i, part in enumerate(programme.file.tenants)
        if part.label and str(part.label).casefold() in plain
    ]
    if faults:
        raise programme_faults_error(programme.path.name, faults)


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
