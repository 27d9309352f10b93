"""Errors of the sandbox wing; the whole tree is drawn in `core.errors`.

No error here ever carries a value from a person's record: places are file
names, row numbers and column names, and what was found is a count or a kind.
"""

from __future__ import annotations

from commonwatt.core.errors import CommonwattError, InputError


class ProjectError(CommonwattError):
    """A project is unknown, closed, expired, or in a state that forbids this."""

    code, exit_code = "room-refused", 71


class DataImportError(InputError):
    """A data source cannot be imported at all."""

    code, exit_code = "import-invalid", 72


class IsolationError(CommonwattError):
    """This machine cannot keep a promise of isolation, so nothing was started."""

    code, exit_code = "isolation-refused", 73


class IsolatedJobError(InputError):
    """A job names code, inputs or outputs that it may not have."""

    code, exit_code = "job-invalid", 74


class AirlockError(CommonwattError):
    """An output may not leave the project."""

    code, exit_code = "output-stopped", 75


class PrivacyBudgetError(CommonwattError):
    """A privacy budget does not cover this question."""

    code, exit_code = "budget-spent", 76


class DeidentifyError(InputError):
    """A table or file cannot be de-identified as asked."""

    code, exit_code = "deidentify-refused", 77


class ProjectRoleError(CommonwattError):
    """A person may not do this in this project."""

    code, exit_code = "role-refused", 78
