"""Errors of live control; exit codes 90 to 93 (94 to 97 are care's)."""

from __future__ import annotations

from commonwatt.core.errors import CommonwattError, InputError


class BackendError(CommonwattError):
    """A backend refuses an action, or does not answer."""

    code, exit_code = "engine-refused", 90


class UnknownNameError(CommonwattError):
    """The cluster has no node or job of that name."""

    code, exit_code = "operate-unknown", 91


class ControlError(CommonwattError):
    """A controller cannot run here: its folder, its settings, or another one at work."""

    code, exit_code = "control-refused", 92


class CaptureError(InputError):
    """A captured state cannot be read."""

    code, exit_code = "capture-invalid", 93
