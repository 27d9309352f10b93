"""Where a project is and who acts in it, as a face hands it over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from commonwatt.core.errors import UsageError
from commonwatt.core.messages import Message
from commonwatt.ledger import Key


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectContext:
    """Where a project is and who acts in it now.

    Args:
        ledger: Path or URL of the ledger.
        projects_folder: Folder of all projects.
        project: The project's name.
        key_file: Key of who acts; none to look only.
        now: The time.
    """

    ledger: str
    projects_folder: Path
    project: str
    key_file: Path | None
    now: datetime

    @property
    def key(self) -> Key:
        """Return the key of who acts."""
        if self.key_file is None:
            raise UsageError("--key", wanted=Message("the key file of who acts"))
        return Key.load(self.key_file)
