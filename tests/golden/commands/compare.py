"""Where two records of a command differ, said by step, file, column and value."""

import math
import os

from .normal import DIGESTS, LONG_TEXTS

BYTES_TOO = "COMMONWATT_GOLDEN_BYTES"


def differences(expected, actual, path=""):
    """Yield a sentence for each place where `actual` is not what was expected.

    Numbers may differ by what another processor rounds otherwise. Digests of bytes count
    only where COMMONWATT_GOLDEN_BYTES is set: for a move on one machine, which must not
    change a byte.
    """
    if isinstance(expected, dict) and isinstance(actual, dict):
        yield from _of_objects(expected, actual, path)
    elif isinstance(expected, list) and isinstance(actual, list):
        if len(expected) != len(actual):
            yield f"{path}: {len(actual)} items instead of {len(expected)}"
        for i, (old, new) in enumerate(zip(expected, actual, strict=False)):
            yield from differences(old, new, f"{path}[{i}]")
    elif not _same(expected, actual):
        yield f"{path}: {_short(actual)} instead of {_short(expected)}"


def _of_objects(expected, actual, path):
    if _whole(expected) and expected.get("sha256") == actual.get("sha256"):
        if expected.get("dtype") != actual.get("dtype"):
            yield f"{path}.dtype: {actual.get('dtype')} instead of {expected.get('dtype')}"
        return
    inner = []
    for name in [*expected, *(name for name in actual if name not in expected)]:
        place = f"{path} › {name}" if path else name
        if name not in actual:
            inner.append(f"{place}: is missing")
        elif name not in expected:
            inner.append(f"{place}: is new")
        elif name == "line_digests":
            inner += _of_lines(expected[name].split(), actual[name].split(), path, actual["sha256"])
        elif not ((name in DIGESTS and not os.environ.get(BYTES_TOO)) or name == "sha256"):
            inner += differences(expected[name], actual[name], place)
    if not inner and _whole(expected) and "values" not in expected and "lines" not in expected:
        inner.append(f"{path}: values differ (sha256 {actual['sha256']}), their sums do not")
    yield from inner


def _whole(record):
    """Return whether this is a column or a text, whose digest speaks for all of it."""
    return "sha256" in record and bool(
        {"values", "least", "first", "lines", "line_digests"} & set(record)
    )


def _of_lines(expected, actual, path, text):
    for i, (old, new) in enumerate(zip(expected, actual, strict=False)):
        if old != new:
            lines = LONG_TEXTS.get(text)
            yield f"{path} › line {i + 1}: is now {_short(lines[i]) if lines else 'another'}"
            return
    if len(expected) != len(actual):
        yield f"{path}: {len(actual)} lines instead of {len(expected)}"


def _same(expected, actual):
    numbers = all(
        isinstance(v, int | float) and not isinstance(v, bool) for v in (expected, actual)
    )
    if numbers:
        return math.isclose(expected, actual, rel_tol=3e-9, abs_tol=1e-11)
    return type(expected) is type(actual) and expected == actual


def _short(value):
    text = repr(value)
    return text if len(text) < 160 else text[:157] + "…"
