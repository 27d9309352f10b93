"""Tables: one row a sample (`at_s, node, signal, value`), or one row a step of a node.

A wide table has a column `at_s` (or none: steps are then counted) and one column for
each metric, as monitoring systems export it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from commonwatt.core.messages import Message
from commonwatt.core.spreadsheets import read_spreadsheet_csv
from commonwatt.operate.domain.care.errors import TelemetryError
from commonwatt.operate.domain.care.findings import TelemetrySample

LONG: Final = ("at_s", "node", "signal", "value")
_LABEL: Final = "label"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSeries:
    """The metrics of one node at even steps.

    Args:
        metrics: Their names.
        values: Shape (steps, metrics).
        label: 1 where a person marked an incident, shape (steps,); None without labels.
    """

    metrics: tuple[str, ...]
    values: npt.NDArray[np.float64]
    label: npt.NDArray[np.int64] | None = None


def load_telemetry_samples(path: Path) -> list[TelemetrySample]:
    """Return the samples of a long table (CSV or Parquet), in order of time.

    Raises:
        TelemetryError: A column is missing, or a cell is not of its kind.
    """
    frame = _load_telemetry_frame(path)
    missing = [name for name in LONG if name not in frame.columns]
    if missing:
        raise TelemetryError(
            str(path),
            found=", ".join(frame.columns),
            wanted=Message("the columns {names}", {"names": ", ".join(missing)}),
        )
    if "device" not in frame.columns:
        frame = frame.with_columns(pl.lit("").alias("device"))
    typed = _typed_telemetry_frame(path, frame).sort("at_s", maintain_order=True)
    return [TelemetrySample(*row) for row in typed.rows()]


def load_node_telemetry_series(path: Path) -> NodeSeries:
    """Return the metrics of one node from a wide table; gaps hold the last value.

    Raises:
        TelemetryError: The table has no column of numbers, or one that begins with a gap.
    """
    frame = _load_telemetry_frame(path)
    metrics = [
        name
        for name, kind in frame.schema.items()
        if kind.is_numeric() and name not in ("at_s", "timestamp", _LABEL)
    ]
    values = frame.select(pl.col(metrics).cast(pl.Float64).fill_nan(None).forward_fill())
    if not metrics or values.select(pl.any_horizontal(pl.all().is_null().any())).item():
        raise TelemetryError(
            str(path), wanted=Message("columns of numbers without a gap at the start")
        )
    label = frame[_LABEL].cast(pl.Int64).to_numpy() if _LABEL in frame.columns else None
    return NodeSeries(metrics=tuple(metrics), values=values.to_numpy(), label=label)


def _load_telemetry_frame(path: Path) -> pl.DataFrame:
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(path)
        return read_spreadsheet_csv(path, infer_schema_length=10_000)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise TelemetryError(
            str(path), found=type(error).__name__, wanted=Message("a CSV or Parquet table")
        ) from None


def _typed_telemetry_frame(path: Path, frame: pl.DataFrame) -> pl.DataFrame:
    try:
        return frame.select(
            pl.col("at_s").cast(pl.Float64),
            pl.col("node").cast(pl.String),
            pl.col("signal").cast(pl.String),
            pl.col("value").cast(pl.Float64),
            pl.col("device").cast(pl.String).fill_null(""),
        ).drop_nulls()
    except pl.exceptions.PolarsError:
        raise TelemetryError(
            str(path), wanted=Message("numbers in the columns at_s and value")
        ) from None
