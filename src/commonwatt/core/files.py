"""Tables on disk: CSV and Parquet in, CSV and Parquet out, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl


def save_table(frame: pl.DataFrame, folder: Path, name: str) -> tuple[Path, Path]:
    """Write `frame` as `name`.parquet and `name`.csv under `folder`; return both paths.

    Each file appears under its name only once it is complete.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parquet, csv = folder / f"{name}.parquet", folder / f"{name}.csv"
    # A dot before the name: a glob over results must not pick up half a table.
    draft = folder / f".{name}.draft"
    frame.write_parquet(draft, compression="zstd", statistics=False)
    # Atomic within one file system (rename(2)), hence the draft beside its target and not in a
    # temporary folder.
    os.replace(draft, parquet)
    frame.write_csv(draft)
    os.replace(draft, csv)
    return parquet, csv


def save_text(text: str, path: Path) -> Path:
    """Write `text` to `path` in UTF-8, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.draft")
    # The same bytes on every system: digests of reports are compared.
    draft.write_text(text, encoding="utf-8", newline="\n")
    os.replace(draft, path)
    return path
