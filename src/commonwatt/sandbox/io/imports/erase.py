"""Write a dataset anew without one person; every other row stays as it is."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from commonwatt.core.files import fsync_folder, fsync_folder_tree
from commonwatt.core.hashes import file_sha256
from commonwatt.sandbox.io.imports.dataset import Dataset, dataset_manifest_path, load_dataset
from commonwatt.sandbox.io.store.wipe import WipeProof, wipe

_PERSON_COLUMNS: Final = ("patient_id", "person_id", "subject_id")
_CHILDREN: Final = {"note_nlp": ("note", "note_id"), "episode_event": ("episode", "episode_id")}
"""OMOP's tables that name no person, with the table and column by which they belong to one."""
_UNLINKED: Final = ("cost", "fact_relationship")
"""OMOP's tables whose rows point at rows of any table by a bare number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RewrittenDataset:
    """A dataset without somebody who was in it.

    Args:
        before: SHA-256 of the files that changed, as they were.
        after: As they are.
        proof: Of the wipe of the old files.
    """

    before: dict[str, str]
    after: dict[str, str]
    proof: WipeProof


def dataset_has_row_of_person(dataset: Dataset, names: frozenset[str]) -> bool:
    """Return whether a row of a dataset is of a person, under any of their names in it."""
    return any(
        not pl.scan_parquet(dataset.folder / file).filter(condition).head(1).collect().is_empty()
        for file in dataset.files
        if (condition := _person_row_condition_or_none(dataset, file, names)) is not None
    )


def tables_with_rows_of_no_person(dataset: Dataset) -> list[str]:
    """Return the tables with rows that nothing in them leads back to a person."""
    return [
        name for name in _UNLINKED
        if f"{name}.parquet" in dataset.files
        and pl.scan_parquet(dataset.folder / f"{name}.parquet").select(pl.len()).collect().item()
    ]  # fmt: skip


def rewrite_dataset_without_person(dataset: Dataset, names: frozenset[str]) -> RewrittenDataset:
    """Put a copy without a person in the place of a dataset, and wipe what was there.

    1. Write the copy beside it. 2. Two renames. 3. Wipe the old one. Killed at any
    moment, `finish_killed_dataset_rewrite` leaves the old dataset or the new one, whole.
    """
    draft, aside = _erasing_and_erased_dataset_folders(dataset.folder)
    shutil.rmtree(draft, ignore_errors=True)
    # Copied and not linked: the wipe overwrites the old files, and a link would be the new file.
    shutil.copytree(dataset.folder, draft)
    frames = _changed_frames_without_person(dataset, names)
    for file, frame in frames.items():
        frame.write_parquet(draft / file, compression="zstd")
    after = {file: file_sha256(draft / file) for file in frames}
    _save_erased_dataset_manifest(draft, after, {Path(f).stem: d.height for f, d in frames.items()})
    # The unchanged files, too: their old copies are wiped, and no other is left.
    fsync_folder_tree(draft)
    dataset.folder.rename(aside)
    draft.rename(dataset.folder)
    fsync_folder(dataset.folder.parent)
    before = {file: dataset.files[file] for file in frames}
    return RewrittenDataset(before=before, after=after, proof=wipe([aside]))


def finish_killed_dataset_rewrite(folder: Path) -> None:
    """Bring to its end a rewriting of the dataset in `folder` that was killed."""
    draft, aside = _erasing_and_erased_dataset_folders(folder)
    # The old folder is moved only when the new one is whole, so where it is gone the new is that.
    if aside.exists() and not folder.exists():
        draft.rename(folder)
        fsync_folder(folder.parent)
    wipe([aside, draft])


def _erasing_and_erased_dataset_folders(folder: Path) -> tuple[Path, Path]:
    return folder.with_name(f".erasing-{folder.name}"), folder.with_name(f".erased-{folder.name}")


def _changed_frames_without_person(
    dataset: Dataset, names: frozenset[str]
) -> dict[str, pl.DataFrame]:
    """Return the tables that change, as they are without the person."""
    frames: dict[str, pl.DataFrame] = {}
    removed: dict[str, pl.DataFrame] = {}
    for file in dataset.files:
        condition = _person_row_condition_or_none(dataset, file, names)
        if condition is None:
            continue
        frame = pl.read_parquet(dataset.folder / file)
        theirs = condition.fill_null(value=False)
        removed[Path(file).stem] = frame.filter(theirs)
        if not removed[Path(file).stem].is_empty():
            frames[file] = frame.filter(~theirs)
    return (
        frames
        | _child_table_frames_after_erasure(dataset, removed)
        | _location_frame_after_erasure(dataset, frames, removed)
    )


def _person_row_condition_or_none(
    dataset: Dataset, file: str, names: frozenset[str]
) -> pl.Expr | None:
    schema = pl.read_parquet_schema(dataset.folder / file)
    column = next((name for name in _PERSON_COLUMNS if name in schema), None)
    # OMOP's numbers of people count anew where they were derived: only a dataset that came as OMOP
    # names people by them, and `patient_id` stands beside them in every other.
    if column is not None and (column == "patient_id" or dataset.form.startswith("omop")):
        return pl.col(column).cast(pl.String).is_in(sorted(names))
    if dataset.form != "csv":
        return None
    # A plain file has the columns of its owner: a row with the person's id in any of them is
    # theirs. More is taken rather than less, and a code that is spelled like an id is rare.
    texts = [name for name, kind in schema.items() if kind == pl.String or kind.is_integer()]
    same = [pl.col(name).cast(pl.String).is_in(sorted(names)) for name in texts]
    return pl.any_horizontal(same) if same else None


def _child_table_frames_after_erasure(
    dataset: Dataset, removed: dict[str, pl.DataFrame]
) -> dict[str, pl.DataFrame]:
    frames: dict[str, pl.DataFrame] = {}
    for table, (parent, column) in _CHILDREN.items():
        gone = removed.get(parent)
        if gone is None or gone.is_empty() or f"{table}.parquet" not in dataset.files:
            continue
        frame = pl.read_parquet(dataset.folder / f"{table}.parquet")
        left = frame.filter(~pl.col(column).is_in(gone[column].to_list()).fill_null(value=False))
        if left.height < frame.height:
            frames[f"{table}.parquet"] = left
    return frames


def _location_frame_after_erasure(
    dataset: Dataset, frames: dict[str, pl.DataFrame], removed: dict[str, pl.DataFrame]
) -> dict[str, pl.DataFrame]:
    """Return the table of places without those where only the person lived."""
    gone = removed.get("person")
    places = dataset.folder / "location.parquet"
    if gone is None or "location_id" not in gone.columns or not places.is_file():
        return {}
    in_use: set[Any] = set()
    if "person.parquet" in frames:
        in_use |= set(frames["person.parquet"]["location_id"].to_list())
    care_sites = dataset.folder / "care_site.parquet"
    if care_sites.is_file():
        in_use |= set(pl.read_parquet(care_sites)["location_id"].to_list())
    theirs = sorted(set(gone["location_id"].drop_nulls().to_list()) - in_use)
    frame = pl.read_parquet(places)
    left = frame.filter(~pl.col("location_id").is_in(theirs))
    return {"location.parquet": left} if left.height < frame.height else {}


def _save_erased_dataset_manifest(draft: Path, files: dict[str, str], rows: dict[str, int]) -> None:
    path = dataset_manifest_path(draft)
    facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    facts["files"].update(files)
    for part in ("rows", "derived"):
        facts[part].update({name: count for name, count in rows.items() if name in facts[part]})
    path.write_text(json.dumps(facts, indent=1), encoding="utf-8")
    load_dataset(draft, check=True)
