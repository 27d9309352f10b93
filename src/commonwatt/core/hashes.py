"""Digests that name inputs and results by their content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_named_arrays(arrays: Mapping[str, npt.NDArray[np.generic]]) -> str:
    """Return one SHA-256 over named arrays: name, type, shape, little-endian bytes.

    >>> sha256_of_named_arrays({"a": np.arange(3)})[:12]
    '38b37b674bc2'
    """
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        # Little-endian and contiguous: a big-endian or strided array of the same values is the
        # same data.
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        # Name, type and shape go in, too: the bytes of [1, 2] and [[1], [2]] are equal.
        digest.update(f"{name}:{array.dtype.str}:{array.shape};".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
