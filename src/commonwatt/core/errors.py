"""The tree of errors that a user of Commonwatt can meet.

::

    CommonwattError                 1   something failed; always a subclass
    ├── UsageError                  2   the command line cannot be obeyed
    ├── BugError                   10   our fault; please report it
    ├── MissingExtraError          11   an optional part is not installed
    ├── StorageError               12   the machine failed to read, write or lock
    ├── ProcessError               13   the machine could not start or end a process
    ├── InputError                 20   a file cannot be read at all
    │   ├── TraceError             21   a workload trace holds a bad value
    │   ├── NodesError             22   a node list holds a bad value
    │   ├── ProgrammeError         23   a programme file holds bad values
    │   ├── TableError             24   a table lacks a column or has a wrong type
    │   ├── IdentifierError        25   nothing of this kind may be called so
    │   ├── CountryError           30   a country file or macro table is at fault
    │   ├── AccountError           31   a ledger does not balance or names no fund
    │   ├── BondError              32   a bond cannot exist as described
    │   ├── RuleError              33   a rule table is unknown or lacks its input
    │   ├── CentreError            34   a centre's finance file is at fault
    │   ├── CellsError             35   a sourced cell is missing or cannot be
    │   ├── UnitError              36   a unit is unknown, or two contradict
    │   ├── NetworkError           37   regions that must meet are not connected
    │   ├── SeriesError            38   an hourly series lacks hours or years
    │   ├── ClaimsError            39   a claims file cannot be audited
    │   └── (wings add theirs below, 42 and up)
    ├── InfeasibleError            40   the limits cannot all hold
    ├── AbsentPartError            41   a part of a study was asked for and is absent
    ├── IdentityError              50   a conservation law did not close (a bug)
    ├── CatalogueError             51   a figure or a column is declared twice or not at all
    ├── StoreError                 56   a database cannot be opened or read
    │   ├── StoreVersionError      57   its tables are of another version
    │   └── StoreBusyError         58   another process holds it
    ├── RunDraftLostError          59   the lease of a draft lapsed while it was written
    ├── RunNotFoundError           60   no such run in the store
    ├── LedgerError                61   a ledger cannot be opened or lacks what is asked
    ├── TamperedError              62   the record was changed after it was written
    ├── ActorError                 63   the signer is unknown, revoked or in the wrong role
    ├── ClockError                 64   an entry would be older than the one before it
    ├── EntryError                 65   an entry is not of the form that can be kept
    ├── RulesError                 66   a rule file or a fact is at fault (an InputError)
    ├── MoveError                  67   a record may not move so, or not by this person
    ├── EvidenceError              68   evidence cannot be computed (an InputError)
    ├── MonitorError               69   a monitor cannot be run (an InputError)
    ├── AdviceRefused              70   a model may not advise here; the rule is named
    ├── RoomError                  71   a data project forbids this, or is closed
    ├── ImportFaultError           72   health data cannot be imported (an InputError)
    ├── IsolationError             73   this machine cannot cage a job
    ├── JobError                   74   a job is not well formed (an InputError)
    ├── AirlockError               75   an output may not leave a room
    ├── BudgetError                76   a privacy budget does not cover a question
    ├── DeidentifyError            77   data cannot be de-identified (an InputError)
    ├── RoleError                  78   a person may not do this in a project
    ├── BackupError                79   a backup cannot be made, or is not what was backed up
    ├── EngineError                90   an engine refuses an act, or does not answer
    ├── UnknownError               91   the cluster has no such node or job
    ├── ControlError               92   a controller cannot run here
    └── CaptureError               93   a captured state cannot be read (an InputError)

Exit codes are a contract: a code once given is never given to another error.
Every error keeps its parts (`where`, `found`, `wanted`, `remedy`) so that the
command line, the API and the console can each say it in their own way and
language; `str(error)` is the English sentence.
"""

from __future__ import annotations

from typing import ClassVar

from commonwatt.core.messages import Message, translate, translated_text


class CommonwattError(Exception):
    """Something that the user should be told in a sentence, not a traceback.

    Args:
        where: File, row, column or option that is at fault.
        found: What stands there; never a value of a person's record.
        wanted: What is wanted instead, as a `Message` so that it can be translated.
        remedy: What to do next, where it is not plain from `wanted`.

    >>> print(InputError("jobs.csv", found="no such file", wanted=Message("a readable file")))
    jobs.csv: found no such file, wanted a readable file.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        where: str,
        *,
        found: str | Message = "",
        wanted: str | Message = "",
        remedy: str | Message = "",
    ) -> None:
        self.where, self.found, self.wanted, self.remedy = where, found, wanted, remedy
        super().__init__(self.translate("en"))

    def translate(self, language: str) -> str:
        """Return the sentence in `language` ("en" or "zh-Hant")."""
        parts = [
            part
            for part in (
                self._error_sentence_without_remedy(language),
                self._remedy_sentence(language),
            )
            if part
        ]
        return " ".join(parts)

    def as_dict(self) -> dict[str, str]:
        """Return the parts for `--json` and the API, in English."""
        # Always English: scripts match on these words, whatever the language of who runs them.
        parts = {"where": self.where, "found": self.found, "wanted": self.wanted}
        parts["remedy"] = self.remedy
        return {"error": self.code} | {key: str(part) for key, part in parts.items() if part}

    def _error_sentence_without_remedy(self, language: str) -> str:
        found_text, wanted_text = (
            translated_text(self.found, language),
            translated_text(self.wanted, language),
        )
        if found_text and wanted_text:
            form = Message("{where}: found {found}, wanted {wanted}.")
        elif wanted_text:
            form = Message("{where}: wanted {wanted}.")
        elif found_text:
            form = Message("{where}: {found}.")
        else:
            form = Message("{where}.")
        return translate(form.text, language).format(
            where=self.where, found=found_text, wanted=wanted_text
        )

    def _remedy_sentence(self, language: str) -> str:
        return translated_text(self.remedy, language)


class UsageError(CommonwattError):
    """The command line asks for something that cannot be done."""

    code, exit_code = "usage", 2


class BugError(CommonwattError):
    """Commonwatt is at fault, not the user."""

    code, exit_code = "bug", 10


class MissingExtraError(CommonwattError):
    """An optional part is not installed; the remedy names the command."""

    code, exit_code = "extra-missing", 11


class StorageError(CommonwattError):
    """The machine failed to read, write or lock a file or a database."""

    code, exit_code = "storage-failed", 12


class ProcessError(CommonwattError):
    """The machine could not start a process, or end it."""

    code, exit_code = "process-failed", 13


class InputError(CommonwattError):
    """A file cannot be read at all."""

    code, exit_code = "input-invalid", 20


class TraceError(InputError):
    """A workload trace holds a value that cannot be simulated."""

    code, exit_code = "trace-invalid", 21


class NodesError(InputError):
    """A node list holds a value that cannot be a machine."""

    code, exit_code = "nodes-invalid", 22


class ProgrammeError(InputError):
    """A programme file holds bad values; every fault is listed."""

    code, exit_code = "programme-invalid", 23


class TableError(InputError):
    """A table lacks a column, or a column has the wrong type."""

    code, exit_code = "table-invalid", 24


class IdentifierError(InputError):
    """Nothing of this kind may be called so; the spelling of its names is told."""

    code, exit_code = "identifier-invalid", 25


class InfeasibleError(CommonwattError):
    """The limits given cannot all hold together."""

    code, exit_code = "infeasible", 40


class IdentityError(BugError):
    """A conservation law did not close: a bug, and the result is withheld."""

    code, exit_code = "identity-broken", 50


class RunNotFoundError(CommonwattError):
    """The run store holds no run of that name."""

    code, exit_code = "run-unknown", 60


def table_cell_location_text(path: str, row: int | None = None, column: str | None = None) -> str:
    """Return a place in a table as a person would say it.

    >>> table_cell_location_text("jobs.csv", 18204, "gpus")
    'jobs.csv, row 18,204, column gpus'
    """
    parts = [path]
    if row is not None:
        parts.append(f"row {row:,}")
    if column is not None:
        parts.append(f"column {column}")
    return ", ".join(parts)
