"""Finished stages of a study, kept so that a what-if computes only what changed.

A stage is named by a hash of everything that decides it, this code among it; a stage
that cannot be read back counts as not there. Nothing here is a result: a run keeps its
own tables, and the folder may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from commonwatt.runs.source import source_digest

FOLDER = ".stages"
MOST_STAGES = 400  # older stages than these are forgotten


@dataclass(frozen=True, slots=True, kw_only=True)
class StageResult:
    """What a stage found: plain values, and tables by name."""

    data: dict[str, Any]
    tables: dict[str, pl.DataFrame] = field(default_factory=dict[str, pl.DataFrame])


class StageStore:
    """The kept stages below a run store's folder.

    >>> kept = Stages(Path(tempfile.mkdtemp()))
    >>> kept.get("double", {"x": 2}, lambda: Stage(data={"y": 4})).data
    {'y': 4}
    >>> kept.get("double", {"x": 2}, lambda: Stage(data={"y": 5})).data
    {'y': 4}
    >>> kept.reused, kept.computed
    (['double'], ['double'])
    """

    def __init__(self, root: Path) -> None:
        self.folder = root / FOLDER
        self.reused: list[str] = []
        self.computed: list[str] = []

    def get(
        self, name: str, inputs: Mapping[str, Any], compute: Callable[[], StageResult]
    ) -> StageResult:
        """Return the stage of these inputs, computing it only where it is not kept.

        Args:
            name: What kind of stage it is.
            inputs: Everything that decides it, as plain JSON values.
            compute: Computes it.
        """
        folder = self.folder / stage_key(name, inputs)
        if (found := _read(folder)) is not None:
            self.reused.append(name)
            return found
        self.computed.append(name)
        made = compute()
        _write(made, folder)
        _forget_old(self.folder)
        return _read(folder) or made


def stage_key(name: str, inputs: Mapping[str, Any]) -> str:
    """Return the hash that names a stage."""
    what = {"name": name, "inputs": inputs, "source": source_digest()}
    text = json.dumps(what, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _read(folder: Path) -> StageResult | None:
    """Return a kept stage whose files are those that were written, or None."""
    try:
        text = (folder / "stage.json").read_text(encoding="utf-8")
        kept = json.loads(text)
        tables = {name: pl.read_parquet(folder / f"{name}.parquet") for name in kept["tables"]}
        os.utime(folder)
    except (OSError, ValueError, KeyError, pl.exceptions.PolarsError):
        return None
    return StageResult(data=kept["data"], tables=tables)


def _write(stage: StageResult, folder: Path) -> None:
    """Write a stage aside and move it into place in one step; a full disk keeps nothing."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=folder.parent))
    for name, frame in stage.tables.items():
        frame.write_parquet(draft / f"{name}.parquet", compression="zstd", statistics=False)
    kept = {"data": stage.data, "tables": list(stage.tables)}
    (draft / "stage.json").write_text(json.dumps(kept, allow_nan=False), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        os.rename(draft, folder)
    except OSError:  # another process was first
        shutil.rmtree(draft, ignore_errors=True)


def _forget_old(folder: Path) -> None:
    kept = sorted(folder.iterdir(), key=_age, reverse=True)
    for old in kept[MOST_STAGES:]:
        shutil.rmtree(old, ignore_errors=True)


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
