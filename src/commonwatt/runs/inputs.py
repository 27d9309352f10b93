"""What a stage is given, and the hash of all of it.

Every kind of value that an input may hold is encoded by what it means: a file by its
content, a table by its columns, an object by its class and fields. A kind that is not
known here is refused, because a value that is passed over in silence would make two
different inputs look the same.
"""

from __future__ import annotations

import hashlib
import struct
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import date
from enum import Enum
from functools import singledispatch
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, TypeGuard, TypeVar, cast

import numpy as np
from pydantic import BaseModel

from commonwatt.core.hashes import file_sha256

if TYPE_CHECKING:
    import polars as pl

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file that a stage reads: its name and its content decide, not where it lies.

    Args:
        name: Name without the folders of this machine; a reader may choose by its ending.
        sha256: Digest of its content.
        path: Where it lies on this machine; no part of any hash.
    """

    name: str
    sha256: str
    path: Path

    @classmethod
    def from_path(cls, path: Path, name: str | None = None) -> InputFile:
        """Return the input that lies at `path`."""
        return cls(name=name or path.name, sha256=file_sha256(path), path=path)


@dataclass(frozen=True, slots=True)
class StageOutput(Generic[Value]):
    """A value or table of an earlier stage: the value decides, the edge is remembered."""

    stage: str
    key: str
    part: str
    value: Value


class StatesInputs(ABC):
    """A part of a stage's inputs that knows what a person stated in it, and by which names."""

    __slots__ = ()

    @abstractmethod
    def stated_run_inputs(self) -> Iterator[tuple[str, str]]:
        """Yield name and written value of each input that it holds."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StageResult:
    """What a stage computed: plain values, and tables by name.

    As an input of a later stage it is hashed by its key, which stands for all of it.

    Args:
        data: Plain values.
        tables: Tables by name.
        name: The stage; set by the store.
        key: Hash of what decided it; set by the store.
        edges: Earlier stages that it took something from, as name and key.
        files: Files that it read, as name and sha256.
        stated: What a person stated of its inputs, as name and written value.
        is_partial: This machine lacks something that it needs; handed on, and never cached.
    """

    data: dict[str, Any]
    tables: Mapping[str, pl.DataFrame] = field(default_factory=dict[str, "pl.DataFrame"])
    name: str = ""
    key: str = ""
    edges: tuple[tuple[str, str], ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    stated: tuple[tuple[str, str], ...] = ()
    is_partial: bool = False

    def value(self, name: str) -> StageOutput[Any]:
        """Return one of the plain values as an input of a later stage.

        The later stage's key then holds the value and not this stage's key, so that a
        stage that gives the same value as before starts nothing anew.
        """
        return StageOutput(stage=self.name, key=self.key, part=name, value=self.data[name])

    def table(self, name: str) -> StageOutput[pl.DataFrame]:
        """Return one of the tables as an input of a later stage, likewise by its value."""
        return StageOutput(stage=self.name, key=self.key, part=name, value=self.tables[name])


Encoded = dict[int, tuple[object, bytes]]
"""What objects that never change were encoded to, by identity; the object is held, so that no
other one takes its place."""


def run_stage_inputs_sha256(inputs: object, encoded: Encoded | None = None) -> str:
    """Return the sha256 of an object, whatever it is made of.

    Args:
        inputs: The object.
        encoded: Frozen parts that were met before, to which those of `inputs` are added; the
            stages of a study share most of theirs.

    Raises:
        TypeError: It holds a kind of value that no rule encodes: a bug of the caller.

    >>> run_stage_inputs_sha256({"a": 1, "b": 2.0}) == run_stage_inputs_sha256({"b": 2.0, "a": 1})
    True
    >>> (
    ...     run_stage_inputs_sha256([1]) == run_stage_inputs_sha256(["1"]),
    ...     run_stage_inputs_sha256(1) == run_stage_inputs_sha256(1.0),
    ... )
    (False, False)
    """
    sink = _HashedParts({} if encoded is None else encoded)
    _add_run_stage_input_to_hash(inputs, sink)
    return hashlib.sha256(sink.content).hexdigest()


class _HashedParts:
    """What of an object is hashed, in one piece: each call of the hash has its price."""

    __slots__ = ("content", "encoded")

    def __init__(self, encoded: Encoded) -> None:
        self.content, self.encoded = bytearray(), encoded

    def add_frozen_run_input_encoded_once(
        self, value: object, encode: Callable[[Any, _HashedParts], None]
    ) -> None:
        """Add an object that never changes, encoded once however often it is met."""
        known = self.encoded.get(id(value))
        if known is None:
            own = _HashedParts(self.encoded)
            encode(value, own)
            known = self.encoded[id(value)] = (value, bytes(own.content))
        self.content += known[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStageLineage:
    """Where a stage's inputs came from.

    Args:
        edges: Name and key of every earlier stage of which they hold a part, sorted.
        files: Name and sha256 of every file that they name, in their order.
        stated: Name and written value of everything that a person stated of them.
    """

    edges: tuple[tuple[str, str], ...]
    files: tuple[tuple[str, str], ...]
    stated: tuple[tuple[str, str], ...]


def run_stage_lineage(inputs: object) -> RunStageLineage:
    """Return where an object of inputs came from, in one walk over it."""
    edges: set[tuple[str, str]] = set()
    files: list[tuple[str, str]] = []
    # Two parts of the inputs may state the same value; it is said once, in the order of the file.
    stated: dict[tuple[str, str], None] = {}
    for part in _run_stage_input_parts(inputs):
        match part:
            case InputFile():
                files.append((part.name, part.sha256))
            case StageOutput():
                edges.add((part.stage, part.key))
            case StageResult():
                edges.add((part.name, part.key))
            case StatesInputs():
                stated |= dict.fromkeys(part.stated_run_inputs())
            case _:
                pass
    # Sorted, because a set has no order and the lineage is written into the run.
    return RunStageLineage(edges=tuple(sorted(edges)), files=tuple(files), stated=tuple(stated))


_PLAIN: Final = (str, int, float, bool, bytes, type(None))


def _run_stage_input_parts(inputs: object) -> Iterator[object]:
    """Yield an object and all that stands in it, files and outputs unopened."""
    # Most of what inputs hold are plain values, which have no lineage of their own.
    if isinstance(inputs, _PLAIN):
        return
    yield inputs
    # Unopened: what an earlier stage was given is that stage's own lineage, and an edge leads
    # there.
    if isinstance(inputs, InputFile | StageOutput | StageResult | BaseModel):
        return
    if is_dataclass(inputs) and not isinstance(inputs, type):
        for each in fields(inputs):
            yield from _run_stage_input_parts(getattr(inputs, each.name))
    elif isinstance(inputs, Mapping):
        for each in cast("Mapping[object, object]", inputs).values():
            yield from _run_stage_input_parts(each)
    elif isinstance(inputs, list | tuple):
        for each in cast("Sequence[object]", inputs):
            yield from _run_stage_input_parts(each)


@singledispatch
def _add_run_stage_input_to_hash(value: Any, sink: _HashedParts) -> None:
    """Feed a value to a hash, each kind under a tag and each part under its length.

    Without tag and length "12" and 1, 2 would read alike.
    """
    if _is_run_input_frame(value):
        _add_run_input_frame_to_hash(value, sink)
        return
    # No fallback to `repr` or pickle: either may leave out a field, and then two inputs look alike.
    if not is_dataclass(value) or isinstance(value, type):
        raise TypeError(f"an input of a stage holds a {type(value).__name__}")
    if _is_frozen_run_input_dataclass(type(value)):
        sink.add_frozen_run_input_encoded_once(value, _add_run_input_object_to_hash)
    else:
        _add_run_input_object_to_hash(value, sink)


def _is_frozen_run_input_dataclass(kind: type) -> bool:
    return bool(cast("Any", kind).__dataclass_params__.frozen)


def _add_run_input_object_to_hash(value: Any, sink: _HashedParts) -> None:
    _add_run_input_text_to_hash(sink, "object", type(value).__name__)
    for each in fields(value):
        # Where a programme lies is said in its errors and decides nothing: a field may say so.
        if each.metadata.get("decides", True):
            _add_run_input_text_to_hash(sink, "field", each.name)
            _add_run_stage_input_to_hash(getattr(value, each.name), sink)


@_add_run_stage_input_to_hash.register(type(None))
@_add_run_stage_input_to_hash.register(bool)
@_add_run_stage_input_to_hash.register(int)
@_add_run_stage_input_to_hash.register(str)
@_add_run_stage_input_to_hash.register(bytes)
@_add_run_stage_input_to_hash.register(Enum)
@_add_run_stage_input_to_hash.register(Path)
@_add_run_stage_input_to_hash.register(date)
def _(value: Any, sink: _HashedParts) -> None:
    # The kind is hashed, too: 1 and "1" print alike.
    _add_run_input_text_to_hash(sink, type(value).__name__, value)


@_add_run_stage_input_to_hash.register(float)
def _(value: float, sink: _HashedParts) -> None:
    # The bits, and not the text: two floats that print alike may differ.
    _add_run_input_bytes_to_hash(sink, b"float", struct.pack("<d", value))


@_add_run_stage_input_to_hash.register(InputFile)
def _(value: InputFile, sink: _HashedParts) -> None:
    _add_run_input_text_to_hash(sink, "file", f"{value.name}\0{value.sha256}")


@_add_run_stage_input_to_hash.register(StageOutput)
def _(value: StageOutput[Any], sink: _HashedParts) -> None:
    # Without the stage's key: an earlier stage that gives the same value as before must start
    # nothing anew.
    _add_run_input_text_to_hash(sink, "output", value.part)
    _add_run_stage_input_to_hash(value.value, sink)


@_add_run_stage_input_to_hash.register(StageResult)
def _(value: StageResult, sink: _HashedParts) -> None:
    _add_run_input_text_to_hash(sink, "stage", f"{value.name}\0{value.key}")


@_add_run_stage_input_to_hash.register(BaseModel)
def _(value: BaseModel, sink: _HashedParts) -> None:
    if value.model_config.get("frozen"):
        sink.add_frozen_run_input_encoded_once(value, _add_run_input_model_to_hash)
    else:
        _add_run_input_model_to_hash(value, sink)


def _add_run_input_model_to_hash(value: BaseModel, sink: _HashedParts) -> None:
    _add_run_input_text_to_hash(sink, "model", type(value).__name__)
    _add_run_stage_input_to_hash(value.model_dump(mode="python"), sink)


@_add_run_stage_input_to_hash.register(np.ndarray)
def _(value: np.ndarray[Any, Any], sink: _HashedParts) -> None:
    # Type and shape, because the same bytes are other numbers in another type and another table in
    # another shape.
    _add_run_input_text_to_hash(sink, "array", f"{value.dtype.str}{value.shape}")
    # A slice or a transposed array lies in memory in another order than it is read in.
    _add_run_input_bytes_to_hash(sink, b"bytes", np.ascontiguousarray(value).tobytes())


@_add_run_stage_input_to_hash.register(np.generic)
def _(value: Any, sink: _HashedParts) -> None:
    _add_run_input_bytes_to_hash(sink, str(value.dtype).encode(), value.tobytes())


def _is_run_input_frame(value: object) -> TypeGuard[pl.DataFrame]:
    # Without loading Polars, which a store that is only listed goes without: who has a table has
    # loaded it.
    polars = sys.modules.get("polars")
    return polars is not None and isinstance(value, polars.DataFrame)


def _add_run_input_frame_to_hash(value: pl.DataFrame, sink: _HashedParts) -> None:
    _add_run_input_text_to_hash(sink, "table", value.schema)
    for column in value.iter_columns():
        # Numbers by their bits; everything else, and what has holes, value by value.
        bits = column.dtype.is_numeric() and not column.null_count()
        _add_run_stage_input_to_hash(column.to_numpy() if bits else column.to_list(), sink)


@_add_run_stage_input_to_hash.register(Mapping)
def _(value: Mapping[Any, Any], sink: _HashedParts) -> None:
    _add_run_input_text_to_hash(sink, "mapping", len(value))
    # Sorted by their text: keys need not be of one type, and the order of insertion decides
    # nothing.
    for key in sorted(value, key=repr):
        _add_run_stage_input_to_hash(key, sink)
        _add_run_stage_input_to_hash(value[key], sink)


@_add_run_stage_input_to_hash.register(list)
@_add_run_stage_input_to_hash.register(tuple)
def _(value: Sequence[Any], sink: _HashedParts) -> None:
    _add_run_input_text_to_hash(sink, "sequence", len(value))
    for part in value:
        _add_run_stage_input_to_hash(part, sink)


@_add_run_stage_input_to_hash.register(set)
@_add_run_stage_input_to_hash.register(frozenset)
def _(value: frozenset[Any], sink: _HashedParts) -> None:
    _add_run_stage_input_to_hash(sorted(value, key=repr), sink)


def _add_run_input_text_to_hash(sink: _HashedParts, tag: str, value: object) -> None:
    _add_run_input_bytes_to_hash(
        sink, tag.encode(), value if isinstance(value, bytes) else str(value).encode()
    )


def _add_run_input_bytes_to_hash(sink: _HashedParts, tag: bytes, content: bytes) -> None:
    # Lengths first, as in a netstring: no content can then pass for a tag and the next content.
    sink.content += b"%d:%s:%d:" % (len(tag), tag, len(content))
    sink.content += content
