"""The errors of this package; the whole tree is drawn in `core.errors`."""

from __future__ import annotations

from commonwatt.core.errors import BugError, InputError


class UnitError(InputError):
    """A unit is unknown, or two units contradict each other."""

    code, exit_code = "unit-invalid", 36


class CatalogueError(BugError):
    """The catalogue does not know a figure, or knows it twice: our fault, not the user's."""

    code, exit_code = "catalogue-invalid", 51
