"""Which GPUs of the chosen node: rules that several place policies share.

Each rule writes the GPUs into `picked` and expects the node to have room.
Whole GPUs are all alike, so every rule takes the first free ones.
"""

from __future__ import annotations

from commonwatt.core.jit import njit
from commonwatt.fleet.domain.policies.place.state import I64, WHOLE, PlacementRequest


@njit(inner=True)
def pick_first_fitting_gpus(request: PlacementRequest, free: I64, picked: I64) -> None:
    """Pick the first GPUs that have the share free."""
    count = 0
    for gpu in range(len(free)):
        if count < request.gpus and free[gpu] >= request.gpu_milli:
            picked[count] = gpu
            count += 1


@njit()
def pick_tightest_gpus(request: PlacementRequest, free: I64, picked: I64) -> None:
    """Pick the GPUs with the least free share that is enough, the first of equals."""
    if request.gpu_milli == WHOLE:
        pick_first_fitting_gpus(request, free, picked)
        return
    # One pass per GPU, each past the last pick, rather than a sorted copy: gangs on a node are
    # small.
    floor, after = request.gpu_milli, -1
    for count in range(request.gpus):
        best = _next_tightest_gpu(free, floor, after)
        picked[count] = best
        floor, after = free[best], best


@njit(inner=True)
def _next_tightest_gpu(free: I64, floor: int, after: int) -> int:
    """Return the next GPU by (free share, index) past the pair (`floor`, `after`)."""
    best = -1
    for gpu in range(len(free)):
        beyond = free[gpu] > floor or (free[gpu] == floor and gpu > after)
        if beyond and (best < 0 or free[gpu] < free[best]):
            best = gpu
    return best


@njit(inner=True)
def pick_emptiest_gpu_or_tightest_gpus(request: PlacementRequest, free: I64, picked: I64) -> None:
    """Pick one GPU with the most free share; for several, as `pick_tightest_gpus`."""
    if request.gpu_milli == WHOLE or request.gpus != 1:
        pick_tightest_gpus(request, free, picked)
        return
    picked[0] = 0
    for gpu in range(1, len(free)):
        if free[gpu] > free[picked[0]]:
            picked[0] = gpu


@njit(inner=True)
def pick_random_gpu_or_tightest_gpus(
    request: PlacementRequest, free: I64, draw: float, picked: I64
) -> None:
    """Pick one of the GPUs with room, each as likely; for several, as `pick_tightest_gpus`."""
    if request.gpu_milli == WHOLE or request.gpus != 1:
        pick_tightest_gpus(request, free, picked)
        return
    count = 0
    for gpu in range(len(free)):
        count += free[gpu] >= request.gpu_milli
    # Counted first, chosen then: one draw serves any number of GPUs, so that a run uses as many
    # draws whatever the state.
    left = int(draw * count)
    for gpu in range(len(free)):
        left -= free[gpu] >= request.gpu_milli
        if left < 0:
            picked[0] = gpu
            return
