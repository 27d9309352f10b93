"""Which code made a result."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import commonwatt


@cache
def package_source_digest_for_run_ids() -> str:
    """Return a digest of the package's own Python files and shipped data.

    A run id holds it beside the version, so that results of changed code never
    pass for those of the code before.
    """
    root = Path(commonwatt.__file__).parent
    digest = hashlib.sha256()
    # Templates and messages are left out: they change how a figure is said and not the figure.
    every = [*root.rglob("*.py"), *(root / "data").rglob("*")]
    # Sorted, since a file system lists files in any order.
    for path in sorted(path for path in set(every) if path.is_file()):
        # With its name, relative and with forward slashes, so that a move counts and the place of
        # installation does not.
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
