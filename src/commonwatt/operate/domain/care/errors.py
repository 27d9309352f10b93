"""Errors of care; exit codes 94, 95 and 97.

::

    CommonwattError
    ├── InputError
    │   └── TelemetryError   94   telemetry cannot be read
    ├── CareMoveError        95   a node may not move so, or not by this role
    └── CareSettingsError    97   settings or a fault history cannot be used
"""

from __future__ import annotations

from commonwatt.core.errors import CommonwattError, InputError


class TelemetryError(InputError):
    """Telemetry cannot be read: a file, a line or a page of metrics is not of its form."""

    code, exit_code = "telemetry-invalid", 94


class CareMoveError(CommonwattError):
    """A node in care may not move so, or not by this role."""

    code, exit_code = "care-move-refused", 95


class CareSettingsError(InputError):
    """Settings of care, or a fault history, cannot be used."""

    code, exit_code = "care-settings-invalid", 97
