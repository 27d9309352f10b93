"""What `scontrol -o -d` says, read into plain values; the forms of 22.05 and of 24.11.

Sources: Slurm documentation, `scontrol` manual page, "show job" and "show node";
`slurm.conf` manual page, "hostlist expressions".
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache

from commonwatt.operate.domain.cluster import NodeAllocation, NodeState, ObservedNode

_FIELD = re.compile(r"(?:^|\s)([A-Za-z][A-Za-z0-9/:&_-]*)=(\S*)")
_DETAIL = re.compile(r"\sNodes=(\S+) CPU_IDs=\S* Mem=\S* GRES=(\S*)")
_GRES = re.compile(r"gpu(?::[A-Za-z][\w.-]*)?:(\d+)\(IDX:([\d,-]*)\)")
_COUNT = re.compile(r"gpu(?::([A-Za-z][\w.-]*))?[:=](\d+)")
_BRACKETS = re.compile(r"([^,\[]*)\[([^\]]*)\]([^,]*)|([^,]+)")
_REASON = re.compile(r"\sReason=(.*?)(?: \[\S+@[^\]]*\])?\s*(?:Comment=.*)?$")
_RESUMES = frozenset({"IDLE", "MIXED", "ALLOCATED", "COMPLETING"})


def scontrol_fields(line: str) -> dict[str, str]:
    """Return the fields of one line; where a name recurs, the first counts.

    >>> scontrol_fields("JobId=7 JobState=RUNNING Reason=None")["JobState"]
    'RUNNING'
    """
    values: dict[str, str] = {}
    for name, text in _FIELD.findall(line):
        # The first counts: a comment or a command line further on may look like a field.
        values.setdefault(name, text)
    return values


@lru_cache(4096)
def slurm_host_names(expression: str) -> tuple[str, ...]:
    """Return the names of a host list.

    >>> slurm_host_names("n[000-002,7],login")
    ('n000', 'n001', 'n002', 'n7', 'login')
    """
    if expression in ("", "(null)"):
        return ()
    names: list[str] = []
    for before, inside, after, plain in _BRACKETS.findall(expression):
        names += [plain] if plain else [f"{before}{n}{after}" for n in _slurm_range_numbers(inside)]
    return tuple(names)


def _slurm_range_numbers(ranges: str) -> list[str]:
    numbers: list[str] = []
    for part in ranges.split(","):
        low, dash, high = part.partition("-")
        last = int(high) if dash else int(low)
        numbers += [f"{n:0{len(low)}d}" for n in range(int(low), last + 1)]
    return numbers


def slurm_node_allocations(line: str) -> tuple[NodeAllocation, ...]:
    """Return what a running job holds, node by node.

    >>> line = "JobId=1 Nodes=n[1-2] CPU_IDs=0 Mem=0 GRES=gpu:a100:2(IDX:0,3) MinCPUs=1"
    >>> [(place.node, place.gpus) for place in slurm_node_allocations(line)]
    [('n1', (0, 3)), ('n2', (0, 3))]
    """
    return tuple(
        NodeAllocation(node, _gres_gpu_numbers(gres))
        for names, gres in _DETAIL.findall(line)
        for node in slurm_host_names(names)
    )


def _gres_gpu_numbers(gres: str) -> tuple[int, ...]:
    numbers: list[int] = []
    for _, ranges in _GRES.findall(gres):
        if ranges:
            numbers += [int(n) for n in _slurm_range_numbers(ranges)]
    return tuple(sorted(numbers))


def slurm_requested_gpus(job_fields: dict[str, str]) -> int:
    """Return the GPUs of a whole job, however they were asked for.

    >>> (
    ...     slurm_requested_gpus({"TresPerJob": "gres/gpu:4"}),
    ...     slurm_requested_gpus({"TresPerNode": "gres:gpu:a100:2"}),
    ... )
    (4, 2)
    """
    for name in ("TresPerJob", "TresPerNode", "TresPerTask"):
        match = _COUNT.search(job_fields.get(name, ""))
        if match:
            nodes = int(job_fields.get("NumNodes", "1").partition("-")[0] or 1)
            tasks = int(job_fields.get("NumTasks", "1").partition("-")[0] or 1)
            factor = {"TresPerNode": nodes, "TresPerTask": tasks}.get(name, 1)
            return int(match[2]) * factor
    return 0


@lru_cache(8192)
def slurm_instant_s_or_zero(text: str) -> float:
    """Return an instant [s since 1970], 0 where Slurm knows none.

    Slurm writes the local time of the machine that asks, to the second.
    """
    if not text[:1].isdigit():
        return 0.0
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S").astimezone().timestamp()


def slurm_exit_code(text: str) -> int | None:
    """Return the exit code of `ExitCode=code:signal`, 128 and the signal for a signal.

    >>> slurm_exit_code("3:0"), slurm_exit_code("0:15")
    (3, 143)
    """
    code, _, number = text.partition(":")
    if not code.isdigit():
        return None
    return 128 + int(number) if number not in ("", "0") else int(code)


def slurm_observed_node(line: str) -> ObservedNode:
    """Return one node of `show node`.

    >>> line = "NodeName=n1 CPUTot=64 Gres=gpu:8 RealMemory=1024 State=IDLE+DRAIN"
    >>> slurm_observed_node(line).state
    <NodeState.DRAINED: 'drained'>
    """
    values = scontrol_fields(line)
    counts = _COUNT.findall(values.get("Gres", ""))
    reason = _REASON.search(line)
    return ObservedNode(
        name=values["NodeName"],
        gpus=sum(int(count) for _, count in counts),
        gpu_type=next((kind for kind, _ in counts if kind), "any"),
        cpu_milli=0,
        memory_mib=0,
        state=slurm_node_state(values.get("State", "UNKNOWN")),
        reason=reason[1] if reason else "",
        boot_at_s=slurm_instant_s_or_zero(values.get("SlurmdStartTime", "")),
    )


@lru_cache(512)
def slurm_node_state(text: str) -> NodeState:
    """Return a node's state from Slurm's base state and flags.

    >>> states = ("MIXED", "IDLE*", "MIXED+DRAIN", "IDLE+REBOOT")
    >>> [slurm_node_state(state).value for state in states]
    ['up', 'down', 'draining', 'rebooting']
    """
    base, *flags = re.split(r"\+", text)
    # Slurm hangs a sign on the base state (sinfo manual page, "node state codes"): * not
    # responding, ~ powered off, # powering up, ! power down pending, % powering down, $ in a
    # maintenance reservation, @ reboot pending, ^ reboot issued, - planned by backfill.
    silent = base.endswith(("*", "~", "#", "%", "$", "@", "^", "!", "-"))
    base = base.rstrip("*~#%$@^!-")
    named = {flag.rstrip("*~#%$@^!-") for flag in flags}
    if named & {"REBOOT", "REBOOT_ISSUED", "REBOOT_REQUESTED"} or base.startswith("REBOOT"):
        return NodeState.REBOOTING
    if base in ("DOWN", "FAIL", "UNKNOWN", "FUTURE") or silent or "NOT_RESPONDING" in named:
        return NodeState.DOWN
    if "DRAIN" in named or base in ("DRAINED", "DRAINING"):
        empty = base in ("IDLE", "DRAINED") and "COMPLETING" not in named
        return NodeState.DRAINED if empty else NodeState.DRAINING
    return NodeState.UP if base in _RESUMES else NodeState.DOWN
