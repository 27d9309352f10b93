"""Lists of names and words, each read from its file once."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from commonwatt.core.shipped import DATA

_DATA: Final = DATA / "sandbox"


@cache
def deidentification_word_list(file: str) -> frozenset[str]:
    """Return the entries of a list under `data/sandbox/names`, one a line."""
    return frozenset((_DATA / "names" / file).read_text(encoding="utf-8").split())


def deidentification_tagger_templates_folder() -> Path:
    """Return the folder of templates that training writes its texts from."""
    return _DATA / "templates"


def deidentification_tagger_weights_file() -> Path:
    """Return the file of weights that the tagger reads."""
    return _DATA / "tagger" / "weights.npz"
