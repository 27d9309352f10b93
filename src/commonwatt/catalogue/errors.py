"""The error of this package; the whole tree is drawn in `core.errors`."""

from __future__ import annotations

from commonwatt.core.errors import InputError


class UnitError(InputError):
    """A unit is unknown, or two units contradict each other."""

    code, exit_code = "unit-invalid", 36
