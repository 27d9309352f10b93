"""The words of yes and no, one list for every table, fact and file that people write.

In small letters: whoever reads folds a word first.
"""

from __future__ import annotations

from typing import Final

YES_WORDS: Final = frozenset(
    {"1", "1.0", "yes", "y", "true", "t", "positive", "pos", "+"} | {"是", "有", "陽性", "阳性"}
)
NO_WORDS: Final = frozenset(
    {"0", "0.0", "no", "n", "false", "f", "negative", "neg"}
    | {"否", "無", "无", "沒有", "没有", "陰性", "阴性"}
)
