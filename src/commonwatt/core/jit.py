"""Typed entry to numba, which ships no type information of its own, and which is slow to load.

A kernel is compiled when it is first called, so that a command that calls none never loads the
compiler; where the work is so small that loading it would take longer, the very same functions
run as plain Python (`plain_python_kernels_if_small_work`). Both ways give the same bytes.

Kernels are compiled without fast-math, so that the same inputs give the same
bytes everywhere, and cached on disk, so that only a first run compiles.

Numba looks at a kernel's own file to see whether its cached code is stale, and not
at the files of the kernels that it calls; after an update it would run old code.
The cache therefore stands in a folder named after the state of all our kernels.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar, cast

import numpy as np

from commonwatt.core.files import user_cache_folder

P = ParamSpec("P")
R = TypeVar("R")

_MOST_FOLDERS = 6  # folders of other states, such as other checkouts, that are left alone

# Numba's own switch holds here, too: its name is the one that everybody knows.
_runs_plainly = ContextVar("_runs_plainly", default=os.environ.get("NUMBA_DISABLE_JIT") == "1")
_compiling = threading.RLock()


class Kernel(Generic[P, R]):
    """A function that is compiled when it is first called, and keeps its Python signature.

    To the compiler, which meets it as a name in another kernel, it is its own compiled form:
    numba asks any object for `_numba_type_`, and reads `targetoptions` and `py_func` of
    what it may inline.

    Args:
        function: The function in Python.
        options: How numba compiles it.
    """

    def __init__(self, function: Callable[P, R], options: dict[str, Any]) -> None:
        self.py_func = function
        self._options = options
        self._dispatcher: Any = None
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the kernel: compiled, unless small work has asked for plain Python."""
        if _runs_plainly.get():
            return self.py_func(*args, **kwargs)
        return (self._dispatcher or self.compiled)(*args, **kwargs)

    def __reduce__(self) -> str:
        """Return its name, since a kernel that goes to another process is there already."""
        return self.py_func.__qualname__

    @property
    def compiled(self) -> Any:
        """What numba made of it; two threads get the same, or each would compile its own."""
        with _compiling:
            if self._dispatcher is None:
                self._dispatcher = _import_numba_with_own_cache().njit(**self._options)(
                    self.py_func
                )
        return self._dispatcher

    @property
    def targetoptions(self) -> dict[str, Any]:
        """What numba reads to see whether callers inline it."""
        return self.compiled.targetoptions

    @property
    def _numba_type_(self) -> Any:
        return self.compiled._numba_type_


class _BitInstruction:
    """An instruction on words of 64 bits that compiled code has and Python has not."""

    def __init__(self, name: str, plain: Callable[[int], int]) -> None:
        self._name, self._plain = name, plain

    def __call__(self, word: int) -> int:
        return self._plain(int(word))

    @property
    def _numba_type_(self) -> Any:
        from numba.core.registry import cpu_target  # type: ignore[import-untyped]
        from numba.cpython.unsafe import numbers  # type: ignore[import-untyped]

        instruction = getattr(numbers, self._name)
        return cast("Any", cpu_target).typing_context.resolve_value_type(instruction)


trailing_zeros: Callable[[int], int] = _BitInstruction(
    "trailing_zeros", lambda word: (word & -word).bit_length() - 1
)
"""Return how many zeros a word of 64 bits, signed and not 0, ends with."""

leading_zeros: Callable[[int], int] = _BitInstruction(
    "leading_zeros", lambda word: 64 - (word & (1 << 64) - 1).bit_length()
)
"""Return how many zeros a word of 64 bits, signed, begins with."""


def njit(
    *,
    cache: bool = True,
    inline: bool = False,
    inner: bool = False,
    bare: bool = False,
    hot: bool = False,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that makes a kernel of a function.

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
    return lambda function: Kernel(function, options)


@contextmanager
def plain_python_kernels_if_small_work(*, is_small: bool) -> Generator[None]:
    """Run kernels as plain Python where the work `is_small` and the compiler is not loaded yet.

    Loading it takes about a second, whatever there is to do. Where it is loaded, compiled
    code is never slower.

    Args:
        is_small: Whether the caller's work is done in plain Python before numba is loaded.
    """
    if not is_small or is_numba_compiler_loaded():
        yield
        return
    before = _runs_plainly.set(True)
    try:
        # Compiled code wraps around in silence, and its callers look for that themselves.
        with np.errstate(all="ignore"):
            yield
    finally:
        _runs_plainly.reset(before)


def is_numba_compiler_loaded() -> bool:
    """Return whether kernels run compiled without the price of loading the compiler."""
    return "numba" in sys.modules


@functools.cache
def _import_numba_with_own_cache() -> Any:
    import numba  # type: ignore[import-untyped]

    _set_numba_cache_folder(cast("Any", numba).config)
    return numba


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


def _set_numba_cache_folder(config: Any) -> None:
    """Use a folder of our own, unless the user chose one or there is no place for it."""
    if os.environ.get("NUMBA_CACHE_DIR"):
        return
    folder = numba_cache_folder(user_cache_folder())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)
    except OSError:  # numba then keeps its code beside the sources, or compiles each time
        return
    _remove_old_numba_cache_folders(folder.parent)
    config.CACHE_DIR = str(folder)


def _remove_old_numba_cache_folders(home: Path) -> None:
    states = sorted(home.glob("kernels-*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in states[_MOST_FOLDERS:]:
        shutil.rmtree(old, ignore_errors=True)
