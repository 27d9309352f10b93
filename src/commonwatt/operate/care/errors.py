"""Errors of care; exit codes 94 to 97.

::

    CommonwattError
    ├── InputError
    │   └── TelemetryError   94   telemetry cannot be read
    ├── CareMoveError        95   a node may not move so, or not by this role
    ├── CareBudgetError      96   a move would take more nodes out than is allowed
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


class CareBudgetError(CommonwattError):
    """A move would take more nodes out of service than care is allowed to."""

    code, exit_code = "care-budget-spent", 96


class CareSettingsError(InputError):
    """Settings of care, or a fault history, cannot be used."""

    code, exit_code = "care-settings-invalid", 97
