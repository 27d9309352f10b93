"""What a command left behind, in a form that is the same on every day and in every folder.

Run ids, clocks, processor seconds and temporary paths are not results and are replaced by
their names; everything else stays as it was written, numbers to nine significant digits.
"""

import hashlib
import html
import io
import json
import re
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

import commonwatt

PACKAGE = Path(commonwatt.__file__).parent
DIGITS = 9
LONGEST_PAGE = 60_000  # bytes of visible text that are kept beside their digest
FEW = 40  # rows up to which a table's values are kept beside their digests
MANY = 60  # items from which a list inside JSON is kept as a table

# Measured, dated or made by the version; none is a result.
NOT_RESULTS = frozenset({
    "run_id", "source_digest", "version", "created_at", "measured", "cpu_s", "engine_cpu_s",
    "jobs_per_cpu_s", "cells_per_cpu_s", "wall_s", "solve_s", "seconds", "paths_per_cpu_s",
    "ticks",
})  # fmt: skip
# Digests of bytes in which the last digit of a float may differ on another processor.
DIGESTS = frozenset({"result_sha256", "parquet_sha256", "csv_sha256", "bytes_sha256"})
BINARY = frozenset({".db", ".sqlite", ".pem", ".secret", ".pdf", ".npz", ".key", ".zst", ".gz"})

_SHIPPED = re.compile(r"<package>/(?:[\w.-]+/)+")  # where shipped files lie is no result
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?: ?UTC|Z|[+-]\d\d:?\d\d)?")
_DATE = re.compile(r"\b\d{4}-\d\d-\d\d\b")
_FUNCTION = re.compile(r"\bcommonwatt(?:\.\w+){2,}")  # names what computed it; may be renamed
_SECONDS = re.compile(r"\b\d{10}(?:\.\d+)?\b")
# A stage's key holds the digest of the code, so every version has its own.
_STAGE = re.compile(r"(\bstage\.[\w-]+\.)[0-9a-f]{12}\b|(\bstage )[0-9a-f]{32}\b")
_SPEED = re.compile(r"[\d,.]+(?= \w+/CPU-s)")
_SPEED_FACT = re.compile(r"(CPU(?:-second| 秒)[^\d\n]*?  +)[\d,.]+$", re.MULTILINE)
_VERSION = re.compile(r"(?<=[Vv]ersion )\d+\.\d+\.\d+|(?<=[Cc]ommonwatt )\d+\.\d+\.\d+")
_HIDDEN = re.compile(r"<(script|style)\b.*?</\1>", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"<[^>]+>")
_MAY_BREAK = re.compile(r"<wbr>|\u00ad")  # where a line may end, and nothing that is read

LONG_TEXTS = {}  # lines by digest, to say which line differs though records hold digests only


def sha256(data):
    """Return the digest of bytes or text."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


class Normal:
    """Replaces what is no result, and remembers the ids that it met in one case.

    Args:
        folder: Where the case runs.
        masks: Further patterns and the words that stand for them.
        drawn: Further fields that are no results.
    """

    def __init__(self, folder, masks=(), drawn=()):
        self._no_results = NOT_RESULTS | set(drawn)
        self._plain = {str(folder): "<folder>", str(PACKAGE): "<package>"}
        self._masks = [(re.compile(pattern), word) for pattern, word in masks]
        self._tables = {}

    def note_ids(self, node):
        """Remember every run's id and source digest in parsed JSON, in the order met."""
        if isinstance(node, dict):
            for key, value in node.items():
                if key in ("run_id", "source_digest") and isinstance(value, str):
                    self._remember(key.split("_")[0], value)
                else:
                    self.note_ids(value)
        elif isinstance(node, list):
            for value in node:
                self.note_ids(value)

    def _remember(self, kind, value):
        if value and value not in self._plain:
            count = sum(word.startswith(f"<{kind} ") for word in self._plain.values())
            self._plain[value] = f"<{kind} {count + 1}>"
            if len(value) > 16:
                self._plain[value[:16]] = f"<{kind} {count + 1} in short>"

    def text(self, text):
        """Return text without ids, clocks and temporary paths."""
        for value in sorted(self._plain, key=len, reverse=True):
            text = text.replace(value, self._plain[value])
        text = _SHIPPED.sub("<package>/…/", text)
        text = _TIME.sub(_now, text)
        text = _DATE.sub(_today, text)
        text = _SECONDS.sub(lambda match: _instant(float(match.group()), match.group()), text)
        text = _FUNCTION.sub("<function>", text)
        text = _STAGE.sub(lambda match: f"{match[1] or match[2]}<key>", text)
        text = _SPEED.sub("<speed>", text)
        text = _SPEED_FACT.sub(r"\1<speed>", text)
        text = _VERSION.sub("<version>", text)
        for pattern, word in self._masks:
            text = pattern.sub(word, text)
        return text

    def json(self, node, key=""):
        """Return parsed JSON with rounded numbers; long lists become tables."""
        if key in self._no_results:
            return f"<{key}>"
        if isinstance(node, dict):
            return {self.text(k): self.json(v, k) for k, v in node.items()}
        if isinstance(node, list):
            if len(node) > MANY:
                return self._folded(node)
            return [self.json(value) for value in node]
        if isinstance(node, str):
            return self.text(node)
        return _instant(node, rounded(node)) if isinstance(node, int | float) else node

    def _folded(self, nodes):
        rows = [self.json(value) for value in nodes]
        if all(isinstance(row, dict) for row in rows):
            names = list(dict.fromkeys(name for row in rows for name in row))
            columns = {name: [row.get(name) for row in rows] for name in names}
        else:
            columns = {"items": rows}
        return {"rows": len(rows), "columns": {n: column(v) for n, v in columns.items()}}

    def file(self, path):
        """Return what one file holds, as far as it is a result."""
        if path.suffix in BINARY or ".zst" in path.suffixes:
            return {"kind": "kept by name only"}
        data = path.read_bytes()
        if path.suffix == ".parquet":
            return self.table(pl.read_parquet(io.BytesIO(data)), data)
        try:
            return self._written(path, data.decode())
        except UnicodeDecodeError:
            return {"kind": "bytes", "size": len(data)}

    def _written(self, path, text):
        if path.suffix == ".csv":
            try:
                frame = pl.read_csv(io.StringIO(text), infer_schema_length=None)
            except pl.exceptions.PolarsError:
                return {"kind": "text", "lines": self.text(text).splitlines()}
            return self.table(frame, text.encode())
        if path.suffix == ".json":
            parsed = json.loads(text)
            self.note_ids(parsed)
            return {"kind": "json", "value": self.json(parsed)}
        if path.suffix in (".html", ".svg"):
            return self.page(text)
        return self.lines(text.splitlines())

    def page(self, text):
        """Return the visible text of a page or drawing."""
        plain = _MAY_BREAK.sub("", _HIDDEN.sub(" ", text))
        seen = html.unescape(_TAG.sub("\n", plain))
        lines = (re.sub(r"\s+", " ", line).strip() for line in self.text(seen).splitlines())
        return self.lines([line for line in lines if line], kind="page")

    def lines(self, lines, kind="text"):
        """Return text as its digest and its lines, or a short digest of each where it is long."""
        lines = [self.text(line) for line in lines]
        whole = "\n".join(lines)
        record = {"kind": kind, "sha256": sha256(whole)}
        if len(whole.encode()) < LONGEST_PAGE:
            return record | {"lines": lines}
        LONG_TEXTS[record["sha256"]] = lines
        return record | {"line_digests": " ".join(sha256(line)[:6] for line in lines)}

    def table(self, frame, data):
        """Return names, types, size and digests of a table."""
        whole = sha256(data)
        # The same table lies in a stage, in the run and in what was exported.
        known = whole, len(self._plain)
        if known not in self._tables:
            columns = {}
            for name in frame.columns:
                series = frame[name]
                columns[name] = {"dtype": str(series.dtype), **column(self._cells(series))}
            self._tables[known] = {
                "kind": "table", "bytes_sha256": whole, "rows": frame.height, "columns": columns,
            }  # fmt: skip
        return self._tables[known]

    def _cells(self, series):
        """Return the values of a column as `json` has them, each different one asked once."""
        values, scalar = _plain(series), not series.dtype.is_nested()
        if not scalar:
            return [self.json(rounded(value)) for value in values]
        as_json = {value: self.json(rounded(value)) for value in set(values)}
        return [as_json[value] for value in values]


def column(values):
    """Return the digest of rounded values, what sums them up, and the values where few."""
    summary = {"sha256": sha256(json.dumps(values, ensure_ascii=False, default=str))}
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(values) <= FEW:
        return summary | {"values": values}
    if numbers:
        total = rounded(float(sum(numbers)))
        return summary | {"least": min(numbers), "most": max(numbers), "sum": total}
    return summary | {"first": str(values[0])[:80], "last": str(values[-1])[:80]}


def rounded(value):
    """Return a number to nine significant digits, and other things as JSON has them."""
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            return str(value)
        return 0.0 if abs(value) < 1e-12 else float(f"{value:.{DIGITS}g}")
    if isinstance(value, date | timedelta):
        return str(value)
    if isinstance(value, bytes):
        return sha256(value)
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, list):
        return [rounded(v) for v in value]
    return value


def _plain(series):
    if series.dtype == pl.Float32:
        series = series.cast(pl.Float64)
    return series.to_list()


def _now(match):
    text = re.sub(r" ?UTC|Z$", "+00:00", match.group().replace(" UTC", "UTC"))
    try:
        at = datetime.fromisoformat(text.replace(" ", "T", 1))
    except ValueError:
        return match.group()
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return "<now>" if abs(datetime.now(UTC) - at) < timedelta(hours=26) else match.group()


def _instant(seconds, otherwise):
    """Return a word for seconds since 1970 that are of today."""
    return "<now>" if abs(time.time() - seconds) < 26 * 3600 else otherwise


def _today(match):
    try:
        on = date.fromisoformat(match.group())
    except ValueError:
        return match.group()
    return "<today>" if abs((datetime.now(UTC).date() - on).days) <= 1 else match.group()
