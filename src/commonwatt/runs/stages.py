"""Finished stages of a study, cached so that a what-if computes only what changed.

A stage is a name, a frozen object of inputs and a function of that object alone. Its key
is the hash of the whole object, of every file that the object names, and of this code:
there is no list beside it of what decides the stage, because such a list is what goes
stale. What an input took from an earlier stage is an edge, and edges are the lineage of
the tables; what a person stated is kept by name and value. Nothing here is a result: a run
keeps its own tables, and the folder may be deleted at any time.
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from commonwatt.core.files import folder_draft
from commonwatt.runs.inputs import (
    Encoded,
    StageResult,
    run_stage_inputs_sha256,
    run_stage_lineage,
)
from commonwatt.runs.source import package_source_digest_for_run_ids

if TYPE_CHECKING:
    import polars as pl

FOLDER = ".stages"
MOST_STAGES = 800  # those that were used longest ago are forgotten beyond these
TABLE_SUFFIX = ".arrows"
Inputs = TypeVar("Inputs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage(Generic[Inputs]):
    """A step of a study: a name, and a function of one frozen object.

    Args:
        name: What kind of stage it is.
        compute: The function; it sees its inputs and nothing else.
    """

    name: str
    compute: Callable[[Inputs], StageResult]


class StageStore:
    """The cached stages below a run store's folder.

    >>> import tempfile
    >>> @dataclass(frozen=True)
    ... class Doubled:
    ...     x: int
    >>> double = Stage(name="double", compute=lambda inputs: StageResult(data={"y": 2 * inputs.x}))
    >>> stages = StageStore(Path(tempfile.mkdtemp()))
    >>> (
    ...     stages.get_or_compute(double, Doubled(2)).data,
    ...     stages.get_or_compute(double, Doubled(2)).data,
    ... )
    ({'y': 4}, {'y': 4})
    >>> stages.reused, stages.computed
    (['double'], ['double'])
    """

    def __init__(self, root: Path) -> None:
        self.folder = root / FOLDER
        self._encoded: Encoded = {}
        self.reused: list[str] = []
        self.computed: list[str] = []
        self.opened: list[str] = []
        """Key of every stage that was handed out, in order."""
        self.lineage_by_key: dict[str, StageResult] = {}
        """Every stage that was handed out, without its values: what it was made from."""
        self._used: list[tuple[int, str]] = []
        """Key of every stage that these books and those beside them used, with how many stages
        these had handed out before."""
        self._handed_out_before = lambda: len(self.opened)

    def get_or_compute(
        self,
        stage: Stage[Inputs],
        inputs: Inputs,
        before: Callable[[], None] = lambda: None,
    ) -> StageResult:
        """Return the stage of these inputs, computing it only where it is not cached.

        Args:
            stage: The stage.
            inputs: Everything that decides it, a frozen dataclass.
            before: Called before it is computed, to report progress.
        """
        result = self._run_stage_cached_or_computed(stage, inputs, before)
        self._used.append((self._handed_out_before(), result.key))
        self.opened.append(result.key)
        self.lineage_by_key[result.key] = replace(result, data={}, tables={})
        return result

    def beside(self) -> StageStore:
        """Return books of its own over the same folder, for parts that no lineage needs."""
        books = StageStore(self.folder.parent)
        books._encoded = self._encoded
        books._used, books._handed_out_before = self._used, self._handed_out_before
        return books

    def cached_run_stage_summary_or_none(self, name: str, inputs: object) -> dict[str, Any] | None:
        """Return what `save_summary` kept of these inputs, or None where nothing is cached.

        The stages behind it are put on record as reused, though none of them is opened, and
        count as used now: a study that many what-ifs are set beside is not forgotten.
        """
        folder = self._run_stage_cache_folder(name, inputs)
        cached = _load_cached_run_stage_or_none(folder, dict[str, "pl.DataFrame"])
        if cached is None:
            return None
        for key, row in cached.data["lineage"].items():
            self.lineage_by_key.setdefault(key, _run_stage_of_lineage_json_row(key, row))
        self._use_again(cached.data["used"])
        keys = cached.data["opened"]
        self.opened += keys
        self.reused += [self.lineage_by_key[key].name for key in keys]
        return cached.data["summary"]

    def save_summary(
        self, name: str, inputs: object, summary: Mapping[str, Any], *, since: int = 0
    ) -> None:
        """Keep what follows from the stages that were opened, so that it can be had without them.

        Args:
            name: What kind of summary it is.
            inputs: Everything that decides it, a frozen dataclass.
            summary: Plain values.
            since: How many stages had been opened before those that it follows from.
        """
        folder = self._run_stage_cache_folder(name, inputs)
        opened = self.opened[since:]
        data = {
            "summary": summary,
            "opened": opened,
            # The parts as well, which are no lineage: without them a stage takes long to make.
            "used": sorted({key for before, key in self._used if before >= since}),
            "lineage": {
                key: _run_stage_lineage_json_row(self.lineage_by_key[key]) for key in opened
            },
        }
        _save_run_stage_to_cache(StageResult(data=data, name=name, key=folder.name), folder)
        self._forget_oldest()

    def _use_again(self, keys: Sequence[str]) -> None:
        self._used += [(self._handed_out_before(), key) for key in keys]
        for key in keys:
            # One that is gone, or that another user made, is computed again where it is needed.
            with suppress(OSError):
                os.utime(self.folder / key)

    def _forget_oldest(self) -> None:
        used_here = frozenset(key for _, key in self._used)
        _delete_oldest_cached_run_stages(self.folder, never=used_here)

    def _run_stage_cache_folder(self, name: str, inputs: object) -> Path:
        return self.folder / run_stage_cache_key(name, inputs, self._encoded)

    def _run_stage_cached_or_computed(
        self, stage: Stage[Inputs], inputs: Inputs, before: Callable[[], None]
    ) -> StageResult:
        folder = self._run_stage_cache_folder(stage.name, inputs)

        def compute_tables_again() -> Mapping[str, pl.DataFrame]:
            self.computed.append(stage.name)
            return stage.compute(inputs).tables

        if (cached := _load_cached_run_stage_or_none(folder, compute_tables_again)) is not None:
            self.reused.append(stage.name)
            return cached
        self.computed.append(stage.name)
        before()
        lineage = run_stage_lineage(inputs)
        result = replace(
            stage.compute(inputs),
            name=stage.name,
            key=folder.name,
            edges=lineage.edges,
            files=lineage.files,
            stated=lineage.stated,
        )
        if result.is_partial:
            return result
        _save_run_stage_to_cache(result, folder)
        self._forget_oldest()
        # Read back, so that a first run and a cached one hand on the very same bytes.
        return _load_cached_run_stage_or_none(folder, compute_tables_again) or result


class CachedStageTables(Mapping[str, "pl.DataFrame"]):
    """The tables of a cached stage, each read when it is first asked for.

    Most stages that are reused are asked for their key and a figure alone.

    Args:
        folder: Where they lie.
        crc32_by_name: Checksum of each table's file, by the table's name.
        compute_again: Gives them all, where one cannot be read: another process may have
            forgotten the stage meanwhile.
    """

    def __init__(
        self,
        folder: Path,
        crc32_by_name: Mapping[str, int],
        compute_again: Callable[[], Mapping[str, pl.DataFrame]],
    ) -> None:
        self._folder, self._crc32_by_name = folder, crc32_by_name
        self._compute_again = compute_again
        self._read: dict[str, pl.DataFrame] = {}

    def __getitem__(self, name: str) -> pl.DataFrame:
        import polars as pl

        if name not in self._read:
            if name not in self._crc32_by_name:
                raise KeyError(name)
            try:
                self._read[name] = _read_cached_table(self._folder, name, self._crc32_by_name[name])
            except (OSError, pl.exceptions.PolarsError):
                self._read = dict(self._compute_again())
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._crc32_by_name)

    def __len__(self) -> int:
        return len(self._crc32_by_name)


def _read_cached_table(folder: Path, name: str, crc32: int) -> pl.DataFrame:
    import polars as pl

    content = (folder / f"{name}{TABLE_SUFFIX}").read_bytes()
    # Asked before it is read: of one changed bit Arrow may make another number, or abort.
    if zlib.crc32(content) != crc32:
        raise OSError(f"{name} is not as it was written")
    return pl.read_ipc_stream(BytesIO(content))


def _cached_table_content(frame: pl.DataFrame) -> bytes:
    """Return a table as it is cached.

    As a stream of Arrow, which is written and read in a third of the time of Parquet; a run
    writes its own tables as Parquet.
    """
    content = BytesIO()
    # In one chunk, as it is read back: a sum over two chunks may differ in its last digits.
    frame.rechunk().write_ipc_stream(content, compression="lz4")
    return content.getvalue()


def run_stage_cache_key(name: str, inputs: object, encoded: Encoded | None = None) -> str:
    """Return the hash that names a stage: of its name, its whole inputs and this code."""
    everything = {"name": name, "inputs": inputs, "source": package_source_digest_for_run_ids()}
    # 128 bits name a stage: enough that two never meet, and short enough for a folder.
    return run_stage_inputs_sha256(everything, encoded)[:32]


def _load_cached_run_stage_or_none(
    folder: Path, compute_tables_again: Callable[[], Mapping[str, pl.DataFrame]]
) -> StageResult | None:
    """Return a cached stage whose files are as long as those that were written, or None."""
    try:
        text = (folder / "stage.json").read_text(encoding="utf-8")
        cached = cast("dict[str, Any]", json.loads(text))
        sizes = cast("dict[str, int]", cached["table_bytes"])
        if any((folder / f"{n}{TABLE_SUFFIX}").stat().st_size != sizes[n] for n in sizes):
            return None
        # Used now: the oldest by use are forgotten, and not the oldest by birth.
        os.utime(folder)
        return StageResult(
            data=cached["data"],
            tables=CachedStageTables(folder, cached["table_crc32"], compute_tables_again),
            name=cached["name"],
            key=cached["key"],
            edges=_run_stage_name_digest_pairs(cached["edges"]),
            files=_run_stage_name_digest_pairs(cached["files"]),
            stated=_run_stage_name_digest_pairs(cached["stated"]),
        )
    # Anything that cannot be read is as good as not there: the stage is computed again and no study
    # fails over its cache.
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _run_stage_lineage_json_row(stage: StageResult) -> list[Any]:
    return [stage.name, stage.edges, stage.files, stage.stated]


def _run_stage_of_lineage_json_row(key: str, row: list[Any]) -> StageResult:
    name, *pairs = row
    edges, files, stated = map(_run_stage_name_digest_pairs, pairs)
    return StageResult(data={}, name=name, key=key, edges=edges, files=files, stated=stated)


def _run_stage_name_digest_pairs(rows: list[list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, digest) for name, digest in rows)


def _save_run_stage_to_cache(stage: StageResult, folder: Path) -> None:
    """Write a stage aside and move it into place in one step; a full disk keeps nothing."""
    # A stage is a cache: one that a power cut spoils is not read and is computed again. Another
    # process may be first with the same one.
    with suppress(FileExistsError), folder_draft(folder, synced=False) as draft:
        contents = {name: _cached_table_content(frame) for name, frame in stage.tables.items()}
        for name, content in contents.items():
            (draft / f"{name}{TABLE_SUFFIX}").write_bytes(content)
        # `allow_nan=False`: a NaN would come back from other readers as an error.
        manifest = {
            "name": stage.name,
            "key": stage.key,
            "edges": stage.edges,
            "files": stage.files,
            "stated": stage.stated,
            "data": stage.data,
            "table_bytes": {name: len(content) for name, content in contents.items()},
            "table_crc32": {name: zlib.crc32(content) for name, content in contents.items()},
        }
        (draft / "stage.json").write_text(json.dumps(manifest, allow_nan=False), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)


def _delete_oldest_cached_run_stages(folder: Path, *, never: Collection[str]) -> None:
    """Delete the stages that were used longest ago, where there are too many.

    Args:
        folder: Where they lie.
        never: Keys of those that the study at hand uses, however many they are.
    """
    # A quarter at once: to ask every folder for its age after each stage takes longer than most
    # stages.
    if len(os.listdir(folder)) <= MOST_STAGES:
        return
    newest_first = sorted(folder.iterdir(), key=_run_cache_folder_last_used_at_ns, reverse=True)
    for old in newest_first[MOST_STAGES * 3 // 4 :]:
        if old.name not in never:
            shutil.rmtree(old, ignore_errors=True)


def _run_cache_folder_last_used_at_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    # A folder that another process is removing at the same time counts as the oldest.
    except OSError:
        return 0
