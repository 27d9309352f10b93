"""Blocks of paths, each from a stream of its own, put together in order.

A block's draws depend on the seed and its number alone, blocks write to places of
their own, and counts are whole numbers, so one thread and many give the same bytes.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from commonwatt.core.hashes import sha256_of_named_arrays
from commonwatt.treasury.domain.shocks import F64, ShockModel
from commonwatt.treasury.engines.fan.draws import (
    BLOCK,
    BLOCKS_PER_STREAM,
    PATHS_PER_BLOCK,
    draw_debt_shock_block,
)
from commonwatt.treasury.engines.fan.inputs import FanInputs
from commonwatt.treasury.engines.fan.kernel import F32, I64, run_debt_path_block


@dataclass(frozen=True, slots=True, kw_only=True)
class FanPaths:
    """All paths, one row a year; shares of that year's GDP.

    Args:
        debt: Gross debt, shape (years, paths).
        reserves: Reserves, likewise.
        gfn: Gross financing need, likewise.
        last_debt: Gross debt in the last year [money], shape (paths,).
        counts: Paths over the ceiling, under the floor of reserves, with a guarantee
            call: by year, then ever, shape (3, years + 1).
    """

    debt: F32
    reserves: F32
    gfn: F32
    last_debt: F64
    counts: I64

    def sha256(self) -> str:
        """Return one digest of everything."""
        return sha256_of_named_arrays(
            {"debt": self.debt, "reserves": self.reserves, "gfn": self.gfn, "counts": self.counts}
        )


@dataclass(frozen=True, slots=True)
class _FanTask:
    inputs: FanInputs
    model: ShockModel
    seed: int
    factor: F64
    out: FanPaths


def run_debt_fan(
    inputs: FanInputs, model: ShockModel, *, paths: int, seed: int, threads: int = 1
) -> FanPaths:
    """Return `paths` stochastic paths around a baseline."""
    years = len(inputs.names)
    out = FanPaths(
        debt=np.empty((years, paths), np.float32),
        reserves=np.empty((years, paths), np.float32),
        gfn=np.empty((years, paths), np.float32),
        last_debt=np.empty(paths),
        counts=np.zeros((3, years + 1), np.int64),
    )
    task = _FanTask(inputs, model, seed, model.shock_cholesky_factor(), out)
    blocks = range(-(-paths // BLOCK))
    # Threads are enough: the kernel and NumPy's generators hold no lock while they run.
    with ThreadPoolExecutor(max_workers=threads) as pool:
        for counts in pool.map(partial(_fill_debt_fan_block_counting_events, task), blocks):
            out.counts[:] += counts
    return out


def _fill_debt_fan_block_counting_events(task: _FanTask, block: int) -> I64:
    years, paths = task.out.debt.shape
    # A whole block is drawn even where fewer paths are wanted, so that the first thousand
    # paths of a million are the thousand of a small run.
    draws, chi, unsure = draw_debt_shock_block(task.model, years, seed=task.seed, block=block)
    counts = np.zeros((3, years + 1), np.int64)
    for lane in range(BLOCKS_PER_STREAM):
        start = block * BLOCK + lane * PATHS_PER_BLOCK
        stop = min(start + PATHS_PER_BLOCK, paths)
        if start < stop:
            chance = (draws[lane], chi[lane], unsure[lane])
            _fill_debt_fan_paths_of_slice(task, chance, slice(start, stop), counts)
    return counts


def _fill_debt_fan_paths_of_slice(
    task: _FanTask, chance: tuple[F32, F32, F64], where: slice, counts: I64
) -> None:
    width = where.stop - where.start
    # Contiguous copies: a strided last lane would have the kernel compiled once more.
    draws = np.ascontiguousarray(chance[0][..., :width])
    chi = np.ascontiguousarray(chance[1][..., :width])
    unsure = np.ascontiguousarray(chance[2][..., :width])
    debt, reserves, gfn = (np.empty(chi.shape, np.float32) for _ in range(3))
    last_debt = np.empty(width)
    inputs = task.inputs
    run_debt_path_block(
        draws, chi, unsure, task.factor, task.model.persistence,
        inputs.fan_baseline(), inputs.opening, inputs.mix, inputs.fan_rules(task.model.reaction),
        debt, reserves, gfn, last_debt, counts,
    )  # fmt: skip
    task.out.debt[:, where] = debt
    task.out.reserves[:, where] = reserves
    task.out.gfn[:, where] = gfn
    task.out.last_debt[where] = last_debt
