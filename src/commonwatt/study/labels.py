"""Labels of a programme in the reader's language; tables of the run stay in English."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

import polars as pl

T = TypeVar("T")


def localise_programme_labels_in_data(data: T, label_by_english: Mapping[str, str]) -> T:
    """Return plain data with every label, alone or in a list of labels, in the reader's language.

    A sentence is never searched for labels: what a label means there nobody can tell. It is
    kept as its text and its values, and the values are labels.

    >>> data = {"site": "Home", "values": {"sites": "Home, West"}, "text": "The limit of Home"}
    >>> localise_programme_labels_in_data(data, {"Home": "本地", "West": "西部"})
    {'site': '本地', 'values': {'sites': '本地, 西部'}, 'text': 'The limit of Home'}
    """
    return cast(
        "T", _localised_study_labels(data, {a: b for a, b in label_by_english.items() if a})
    )


def localise_study_table_labels(frame: pl.DataFrame, words: Mapping[str, str]) -> pl.DataFrame:
    """Return a table with every cell that is a label as `words` say it."""
    texts = [name for name, kind in frame.schema.items() if kind == pl.String and name != "name"]
    return frame.with_columns(pl.col(name).replace(dict(words)) for name in texts)


def _localised_study_labels(data: Any, label_by_english: Mapping[str, str]) -> Any:
    if isinstance(data, str):
        return _study_label_list_localised(data, label_by_english)
    if isinstance(data, Mapping):
        rows = cast("Mapping[str, Any]", data)
        return {
            # A name is what figures and formulas find a row by; only labels are words.
            key: row if key == "name" else _localised_study_labels(row, label_by_english)
            for key, row in rows.items()
        }
    if isinstance(data, list):
        return [_localised_study_labels(part, label_by_english) for part in cast("list[Any]", data)]
    return data


def _study_label_list_localised(text: str, label_by_english: Mapping[str, str]) -> str:
    if text in label_by_english:
        return label_by_english[text]
    # An input that several sites share names them all, with commas between.
    labels = text.split(", ")
    if len(labels) > 1 and all(label in label_by_english for label in labels):
        return ", ".join(label_by_english[label] for label in labels)
    return text
