"""Which code made a result."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import commonwatt


@cache
def run_source_digest() -> str:
    """Return a digest of the package's own Python files and shipped data.

    A run id holds it beside the version, so that results of changed code never
    pass for those of the code before.
    """
    root = Path(commonwatt.__file__).parent
    digest = hashlib.sha256()
    every = [*root.rglob("*.py"), *(root / "data").rglob("*")]
    for path in sorted(path for path in set(every) if path.is_file()):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
