"""What can be wrong at the console's doors."""

from __future__ import annotations

from commonwatt.core.errors import CommonwattError, UsageError


class SignInError(CommonwattError):
    """Nobody is signed in, or name, password, link or token do not hold."""

    code, exit_code = "sign-in-refused", 110


class ForbiddenError(CommonwattError):
    """The person who asks has no role that may do this."""

    code, exit_code = "forbidden", 111


class PageNotFoundError(CommonwattError):
    """The console has no page, table or chart of that name."""

    code, exit_code = "page-unknown", 112


class ParameterError(UsageError):
    """A page's parameter has a value that it cannot have."""

    code, exit_code = "parameter-invalid", 113


class TooManyRequestsError(CommonwattError):
    """Too many requests or attempts in too short a time."""

    code, exit_code = "too-many-requests", 114


class StillMadeError(CommonwattError):
    """What a page shows is still being made; the page says so and asks again."""

    code, exit_code = "still-made", 119


class TaskError(CommonwattError):
    """A run that the console started did not come to its end."""

    code, exit_code = "work-failed", 115
