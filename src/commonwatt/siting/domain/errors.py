"""Errors of the siting wing; the whole tree is drawn in `core.errors`."""

from __future__ import annotations

from commonwatt.core.errors import InputError


class CellsError(InputError):
    """A sourced cell is missing, doubled or holds a value that cannot be."""

    code, exit_code = "cells-invalid", 35


class NetworkError(InputError):
    """Regions that must reach each other are not connected."""

    code, exit_code = "network-disconnected", 37


class SeriesError(InputError):
    """An hourly series lacks hours or years that the run needs."""

    code, exit_code = "series-invalid", 38


class ClaimsError(InputError):
    """A claims file holds rows that contradict themselves or cannot be read."""

    code, exit_code = "claims-invalid", 39
