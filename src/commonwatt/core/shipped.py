"""Files that the program carries itself, named as `shipped:NAME` wherever a path may stand."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Final

SHIPPED: Final = "shipped:"
DATA: Final = Path(str(resources.files("commonwatt"))) / "data"


def shipped_or_beside(name: str, folder: Path) -> Path:
    """Return where `name` lies: among the shipped files, or in the folder `folder`.

    >>> found_at("shipped:traces/README.md", Path()).name
    'README.md'
    >>> found_at("jobs.csv", Path("here")).as_posix()
    'here/jobs.csv'
    """
    return DATA / name.removeprefix(SHIPPED) if name.startswith(SHIPPED) else folder / name
