"""Labels of a programme in the reader's language; tables of the run stay in English."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

import polars as pl

T = TypeVar("T")


def localise(data: T, words: Mapping[str, str]) -> T:
    """Return plain data with every label, alone or inside a sentence, as `words` say it.

    >>> localise({"site": "Home", "notes": ["The limit of Home"]}, {"Home": "本地"})
    {'site': '本地', 'notes': ['The limit of 本地']}
    """
    return cast("T", _said(data, {a: b for a, b in words.items() if a != b and a}))


def localise_table(frame: pl.DataFrame, words: Mapping[str, str]) -> pl.DataFrame:
    """Return a table with every cell that is a label as `words` say it."""
    texts = [name for name, kind in frame.schema.items() if kind == pl.String and name != "name"]
    return frame.with_columns(pl.col(name).replace(dict(words)) for name in texts)


def _said(data: Any, words: Mapping[str, str]) -> Any:
    if isinstance(data, str):
        return _sentence(data, words)
    if isinstance(data, Mapping):
        rows = cast("Mapping[str, Any]", data)
        return {key: row if key == "name" else _said(row, words) for key, row in rows.items()}
    if isinstance(data, list):
        return [_said(part, words) for part in cast("list[Any]", data)]
    return data


def _sentence(text: str, words: Mapping[str, str]) -> str:
    if text in words:
        return words[text]
    for label in sorted(words, key=len, reverse=True):
        if " " in text and label in text:
            text = text.replace(label, words[label])
    return text
