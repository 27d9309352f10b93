"""Typed door to numba, which ships no type information of its own.

Kernels are compiled without fast-math, so that the same inputs give the same
bytes everywhere, and cached on disk, so that only a first run compiles.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

import numba  # type: ignore[import-untyped]

P = ParamSpec("P")
R = TypeVar("R")


def njit(
    *, cache: bool = True, inline: bool = False, inner: bool = False, bare: bool = False, hot: bool = False
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that compiles a function and keeps its Python signature.

    Args:
        cache: Keep the machine code on disk.
        inline: Inline the function before compilation.
        inner: Only other kernels call it, never Python; compiles in half the time.
        bare: Inner, and makes no arrays: counts no references to arrays, which with
            many arrays at hand would take longer than the work itself.
        hot: Put the machine code into every caller, which saves handing arrays over.
    """
    options: dict[str, Any] = {"cache": cache, "nogil": True, "error_model": "numpy"}
    options |= {"no_cfunc_wrapper": True, "no_cpython_wrapper": inner}  # nothing is called from C
    if bare:
        options |= {"no_cpython_wrapper": True, "_nrt": False}
    if hot:
        options["forceinline"] = True
    if inline:
        options["inline"] = "always"
    return cast("Callable[[Callable[P, R]], Callable[P, R]]", numba.njit(**options))  # pyright: ignore[reportUnknownMemberType]
