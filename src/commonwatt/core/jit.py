"""Typed entry to numba, which ships no type information of its own.

Kernels are compiled without fast-math, so that the same inputs give the same
bytes everywhere, and cached on disk, so that only a first run compiles.

Numba looks at a kernel's own file to see whether its cached code is stale, and not
at the files of the kernels that it calls; after an update it would run old code.
The cache therefore stands in a folder named after the state of all our kernels.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import numba  # type: ignore[import-untyped]

P = ParamSpec("P")
R = TypeVar("R")

_MOST_FOLDERS = 6  # folders of other states, such as other checkouts, that are left alone


def njit(
    *,
    cache: bool = True,
    inline: bool = False,
    inner: bool = False,
    bare: bool = False,
    hot: bool = False,
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


def numba_cache_folder(home: Path) -> Path:
    """Return the folder of compiled kernels for the kernels as they stand now."""
    return home / f"kernels-{_numba_source_files_digest()}"


def _numba_source_files_digest() -> str:
    """Return a digest of every file of ours that holds a kernel."""
    root = Path(__file__).parents[1]
    # The place counts, too: two checkouts whose kernels are alike today need not be tomorrow.
    digest = hashlib.sha256(str(root).encode())
    for path in sorted(root.rglob("*.py")):
        text = path.read_bytes()
        if b"njit" in text:
            digest.update(hashlib.sha256(text).digest())
    return digest.hexdigest()[:16]


def _set_numba_cache_folder() -> None:
    """Use a folder of our own, unless the user chose one or there is no place for it."""
    if os.environ.get("NUMBA_CACHE_DIR"):
        return
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    home = Path(base) / "commonwatt"
    folder = numba_cache_folder(home)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)
    except OSError:  # numba then keeps its code beside the sources, or compiles each time
        return
    _remove_old_numba_cache_folders(home)
    config = cast("Any", numba).config
    config.CACHE_DIR = str(folder)


def _remove_old_numba_cache_folders(home: Path) -> None:
    states = sorted(home.glob("kernels-*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in states[_MOST_FOLDERS:]:
        shutil.rmtree(old, ignore_errors=True)


_set_numba_cache_folder()
