"""What a monitor counted so far, kept between its runs: daily sketches, and no row.

The file is tied to the record by its digest, which stands in the signed entry of the run
that wrote it. It is written beside itself before the entry and takes its place after, so
that whichever of the two a power cut loses, the next run finds the file that the entry
names. From a table with every day since the first it can be made again.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import polars as pl

from commonwatt.clinic.domain.errors import MonitorError
from commonwatt.core.files import fsync_folder, save_text
from commonwatt.core.messages import Message

CELL_SCHEMA: Final = {
    "day": pl.Date, "stream": pl.Int64, "label": pl.Int64, "bin": pl.Int64, "rows": pl.Int64,
}  # fmt: skip
CELL_KEY: Final = ("day", "stream", "label", "bin")
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorState:
    """What was counted up to and with a day.

    Args:
        plan_sha256: Digest of the plan by which it was counted.
        through: The last day that was counted.
        cells: The counts, with the columns of `CELL_SCHEMA`.
    """

    plan_sha256: str
    through: date
    cells: pl.DataFrame

    @property
    def text(self) -> str:
        """The file: one form for one content, so that a digest can be made again."""
        rows = self.cells.select("stream", "label", "bin", "rows").to_numpy().tolist()
        days: list[list[Any]] = []
        for day, row in zip(self.cells["day"].to_list(), rows, strict=True):
            if not days or days[-1][0] != day.isoformat():
                days.append([day.isoformat(), []])
            days[-1][1].append(row)
        content = {
            "format": _FORMAT,
            "plan_sha256": self.plan_sha256,
            "through": self.through.isoformat(),
            "days": days,
        }
        return json.dumps(content, separators=(",", ":"), sort_keys=True) + "\n"

    @property
    def sha256(self) -> str:
        """Digest of the file."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def load_monitor_state(path: Path, sha256: str) -> MonitorState | None:
    """Return the state that the record names; `None` where there is no file at all.

    Args:
        path: Where it is kept.
        sha256: Digest in the entry of the last run.

    Raises:
        MonitorError: There is a file, and it is not the one that the last run left.
    """
    drafts = [each for each in (path, _clinic_monitor_state_draft_path(path)) if each.is_file()]
    for each in drafts:
        text = each.read_text(encoding="utf-8")
        if hashlib.sha256(text.encode()).hexdigest() == sha256:
            return _parse_monitor_state(text)
    if drafts:
        raise MonitorError(
            str(path),
            found=Message("a state that is not the one which the last run left"),
            remedy=Message(
                "Somebody changed it, or put an older one in its place. Look at who did; then move"
                " it away and run once on a table with every day since the first."
            ),
        )
    return None


def save_monitor_state_draft(state: MonitorState, path: Path) -> None:
    """Write a state beside the one in force, before the entry that names it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_text(state.text, _clinic_monitor_state_draft_path(path), mode=0o600)


def put_clinic_monitor_state_in_force(path: Path) -> None:
    """Let the draft take the place of the state in force, after the entry that names it."""
    os.replace(_clinic_monitor_state_draft_path(path), path)
    fsync_folder(path.parent)


def _clinic_monitor_state_draft_path(path: Path) -> Path:
    return path.with_name(path.name + ".next")


def _parse_monitor_state(text: str) -> MonitorState:
    content = json.loads(text)
    columns: dict[str, list[Any]] = {name: [] for name in CELL_SCHEMA}
    for day, rows in content["days"]:
        for stream, label, score_bin, count in rows:
            for name, cell in zip(
                CELL_SCHEMA, (date.fromisoformat(day), stream, label, score_bin, count), strict=True
            ):
                columns[name].append(cell)
    return MonitorState(
        plan_sha256=content["plan_sha256"],
        through=date.fromisoformat(content["through"]),
        cells=pl.DataFrame(columns, schema=CELL_SCHEMA),
    )
