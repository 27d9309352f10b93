"""The error of a study that is not whole; the whole tree is drawn in `core.errors`."""

from __future__ import annotations

from commonwatt.core.errors import CommonwattError


class AbsentPartError(CommonwattError):
    """A part of a study was asked for and could not be computed; the report says why."""

    code, exit_code = "part-absent", 41
