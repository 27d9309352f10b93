"""What can be wrong with a ledger, an actor or an entry."""

from __future__ import annotations

from commonwatt.core.errors import CommonwattError


class LedgerError(CommonwattError):
    """A ledger cannot be opened, or does not hold what is asked of it."""

    code, exit_code = "ledger-unusable", 61


class TamperedError(CommonwattError):
    """The record was changed after it was written: the proofs do not hold."""

    code, exit_code = "ledger-tampered", 62


class ActorError(CommonwattError):
    """Whoever signs is unknown, revoked, in the wrong role or not who they say."""

    code, exit_code = "actor-refused", 63


class ClockError(CommonwattError):
    """An entry would be older than the one before it, or lies in the future."""

    code, exit_code = "clock-went-back", 64


class EntryError(CommonwattError):
    """An entry is not of the form that can be written."""

    code, exit_code = "entry-invalid", 65


class BackupError(CommonwattError):
    """A backup cannot be made here, or what an archive holds is not what was backed up."""

    code, exit_code = "backup-refused", 79
