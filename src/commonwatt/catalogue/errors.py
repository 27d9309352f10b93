"""The error of this package; the whole tree is drawn in `core.errors`."""

from __future__ import annotations

# One class and one exit code for every fault of a unit. It still stands in the wing that needed
# it first; the import contract names this one upward import until the class moves here.
from commonwatt.siting.errors import UnitError

__all__ = ["UnitError"]
