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


def njit(*, cache: bool = True, inline: bool = False) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that compiles a function and keeps its Python signature."""
    options: dict[str, Any] = {"cache": cache, "nogil": True, "error_model": "numpy"}
    if inline:
        options["inline"] = "always"
    return cast("Callable[[Callable[P, R]], Callable[P, R]]", numba.njit(**options))  # pyright: ignore[reportUnknownMemberType]
