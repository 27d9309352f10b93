"""Chance for a block of paths: low-discrepancy where it matters, plain elsewhere.

A path's far future hangs on few things: how wrong the long-run means are, how large
the volatility is, and the long sums of its shocks. Those few directions are filled
evenly by a scrambled Sobol sequence over all paths; the rest is drawn as usual. The
joint law is that of independent normals either way, only the sample is more even.

Sources: Owen (1995), "Randomly permuted (t,m,s)-nets and (t,s)-sequences", for the
scrambling; Acworth, Broadie and Glasserman (1998), "A comparison of some Monte Carlo
and quasi Monte Carlo techniques for option pricing", for choosing the directions.
"""

from __future__ import annotations

import numpy as np

from commonwatt.core.seeds import named_random_stream
from commonwatt.core.special import inverse_regularised_incomplete_gamma, normal_quantile
from commonwatt.treasury.domain.shocks import F64, MACRO, PARAMETER_DRAWS, SHOCKS, ShockModel
from commonwatt.treasury.engines.fan.kernel import F32

PATHS_PER_BLOCK = 256  # paths that the kernel runs together; their bonds fit the second-level cache
BLOCKS_PER_STREAM = 16  # lanes that share a stream
BLOCK = PATHS_PER_BLOCK * BLOCKS_PER_STREAM


def draw_debt_shock_block(
    model: ShockModel, years: int, *, seed: int, block: int
) -> tuple[F32, F32, F64]:
    """Return the chance of one block of paths.

    Returns:
        Unit-variance normals, shape (lanes, years, 9, lane); Student scales, shape
        (lanes, years, lane); mean shifts and volatility scale, shape (lanes, 4, lane).
    """
    rng = named_random_stream(seed, f"treasury fan, block {block}")
    draws = rng.standard_normal(
        (BLOCKS_PER_STREAM, years, len(SHOCKS), PATHS_PER_BLOCK), dtype=np.float32
    )
    chi = _student_t_shock_scales(rng, model.degrees, (BLOCKS_PER_STREAM, years, PATHS_PER_BLOCK))
    axes = orthonormal_macro_shock_directions(model, years)
    even = _debt_fan_sobol_uniforms(seed, block, PARAMETER_DRAWS + len(MACRO) * axes.shape[2])
    _even_out_macro_shock_draws(draws, axes, even[:, PARAMETER_DRAWS:])
    return draws, chi, _macro_mean_and_volatility_draws(model, even[:, :PARAMETER_DRAWS])


def orthonormal_macro_shock_directions(model: ShockModel, years: int) -> F64:
    """Return the directions in time that matter most, by macro shock.

    The sum of shocks up to a horizon h weighs the shock of year t by
    (1 - φ^(h-t+1)) / (1 - φ), fading as the primary balance reacts to debt; the
    weights of four horizons are made orthonormal, shape (3, years, directions).
    """
    horizons = sorted({max(1, years >> k) for k in range(4)}, reverse=True)
    fade = max(0.5, 1 - model.reaction / (1 - model.persistence[1]))
    axes = [
        np.linalg.qr(_macro_shock_weights(phi, fade, horizons, years))[0]
        for phi in model.persistence[:3]
    ]
    return np.stack(axes)


def _macro_shock_weights(phi: float, fade: float, horizons: list[int], years: int) -> F64:
    year = np.arange(1, years + 1)[:, None]
    left = np.asarray(horizons)[None, :] - year
    sums = (1 - phi ** (np.maximum(left, 0) + 1)) / (1 - phi) * fade ** np.maximum(left, 0)
    return np.where(left >= 0, sums, 0.0)


def _debt_fan_sobol_uniforms(seed: int, block: int, size: int) -> F64:
    """Return the block's part of one scrambled sequence as uniforms, shape (block, size)."""
    from scipy.stats import qmc  # noqa: PLC0415  # a second to load  # pyright: ignore[reportMissingTypeStubs]

    sequence = qmc.Sobol(
        size, scramble=True, bits=32, rng=named_random_stream(seed, "treasury fan, Sobol")
    )
    if block:
        # One sequence over all blocks, each at its own place: a net of its own for every block
        # would be even within blocks and no better than chance between them.
        sequence.fast_forward(block * BLOCK)
    # A uniform of exactly 0 or 1 would be an infinite normal.
    return np.clip(sequence.random(BLOCK), 2.0**-33, 1 - 2.0**-33)


def _even_out_macro_shock_draws(draws: F32, axes: F64, even_uniforms: F64) -> None:
    """Replace the part of the draws along each direction by the even one, in place."""
    count = axes.shape[2]
    normal = normal_quantile(even_uniforms).reshape(
        BLOCKS_PER_STREAM, PATHS_PER_BLOCK, len(MACRO), count
    )
    for k in range(len(MACRO)):
        basis = axes[k].astype(np.float32)
        wanted = normal[:, :, k, :].astype(np.float32).transpose(0, 2, 1)
        have = np.einsum("tm,ltp->lmp", basis, draws[:, :, k, :])
        draws[:, :, k, :] += np.einsum("tm,lmp->ltp", basis, wanted - have)


def _student_t_shock_scales(
    rng: np.random.Generator, degrees: float, shape: tuple[int, ...]
) -> F32:
    """Return the factors that make unit normals a Student t of unit variance.

    sqrt((ν - 2) / χ²_ν); χ²_ν is twice a gamma of shape ν / 2.
    """
    gamma = rng.standard_gamma(degrees / 2, shape, dtype=np.float32)
    return np.sqrt(np.float32((degrees - 2) / 2) / gamma)


def _macro_mean_and_volatility_draws(model: ShockModel, even_uniforms: F64) -> F64:
    """Return mean shifts, and the scale sqrt(k / χ²_k) of an uncertain volatility."""
    shifts = normal_quantile(even_uniforms[:, :3]) * model.mean_error
    k = model.scale_degrees
    gamma = inverse_regularised_incomplete_gamma(k / 2, even_uniforms[:, 3:])
    whole = np.concatenate([shifts, np.sqrt(k / 2 / gamma)], axis=1)
    return np.ascontiguousarray(
        whole.reshape(BLOCKS_PER_STREAM, PATHS_PER_BLOCK, PARAMETER_DRAWS).transpose(0, 2, 1)
    )
