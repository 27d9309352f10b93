"""A proved node for tests that run real jobs; skipped where a clone cannot have one."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from commonwatt.sandbox.domain.errors import IsolationError
from commonwatt.sandbox.engines.isolation.node import IsolationNode, prove_node


def proved_node(folder: Path) -> IsolationNode:
    """Return a node, or skip; continuous integration never skips."""
    try:
        return prove_node(folder)
    except IsolationError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"this machine cannot isolate a job: {error}")


@contextmanager
def open_folder() -> Iterator[Path]:
    """Yield a new folder that every user may pass through, as a job's uid must."""
    with tempfile.TemporaryDirectory(prefix="commonwatt-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
