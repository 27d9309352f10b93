"""Labels of a programme in the reader's language; tables of the run stay in English."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

import polars as pl

T = TypeVar("T")


def localise_programme_labels(data: T, label_by_english: Mapping[str, str]) -> T:
    """Return plain data with every label, alone or inside a sentence, as `label_by_english` say it.

    >>> data = {"site": "Home", "notes": ["The limit of Home"]}
    >>> localise_programme_labels(data, {"Home": "本地"})
    {'site': '本地', 'notes': ['The limit of 本地']}
    """
    return cast(
        "T", _localised_labels(data, {a: b for a, b in label_by_english.items() if a != b and a})
    )


def localise_table_labels(frame: pl.DataFrame, words: Mapping[str, str]) -> pl.DataFrame:
    """Return a table with every cell that is a label as `words` say it."""
    texts = [name for name, kind in frame.schema.items() if kind == pl.String and name != "name"]
    return frame.with_columns(pl.col(name).replace(dict(words)) for name in texts)


def _localised_labels(data: Any, label_by_english: Mapping[str, str]) -> Any:
    if isinstance(data, str):
        return _sentence_with_labels(data, label_by_english)
    if isinstance(data, Mapping):
        rows = cast("Mapping[str, Any]", data)
        return {
            # A name is what figures and formulas find a row by; only labels are words.
            key: row if key == "name" else _localised_labels(row, label_by_english)
            for key, row in rows.items()
        }
    if isinstance(data, list):
        return [_localised_labels(part, label_by_english) for part in cast("list[Any]", data)]
    return data


def _sentence_with_labels(text: str, label_by_english: Mapping[str, str]) -> str:
    if text in label_by_english:
        return label_by_english[text]
    # The longest first: "Home" also stands within "Home West".
    for label in sorted(label_by_english, key=len, reverse=True):
        # Only within a sentence: one word that contains a label is another word.
        if " " in text and label in text:
            text = text.replace(label, label_by_english[label])
    return text
