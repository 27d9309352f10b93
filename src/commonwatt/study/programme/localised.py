"""Words of a programme file: one text, or one for each language of the report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, cast

from pydantic import BeforeValidator, PlainSerializer

from commonwatt.core.messages import LANGUAGES


@dataclass(frozen=True, slots=True)
class LocalisedText:
    """A text in English, and in Traditional Chinese where the file gives one.

    >>> LocalisedText("Hospitals", "醫院").translate("zh-Hant")
    '醫院'
    >>> LocalisedText("Hospitals").translate("zh-Hant")
    'Hospitals'
    """

    english: str
    chinese: str = ""

    def translate(self, language: str) -> str:
        """Return the text in `language`, or in English where it has none."""
        return self.chinese if language == "zh-Hant" and self.chinese else self.english

    def __str__(self) -> str:
        return self.english


def parse_programme_localised_text(value: object) -> LocalisedText:
    """Return the words of a file: `"Hospitals"`, or `en` and `zh-Hant` as a table.

    Raises:
        ValueError: Neither a text nor a table of the known languages.
    """
    if isinstance(value, LocalisedText):
        return value
    if isinstance(value, str):
        return LocalisedText(_programme_text_of_allowed_length(value))
    if isinstance(value, dict) and "en" in value and set(cast("Any", value)) <= set(LANGUAGES):
        table = cast("dict[str, object]", value)
        return LocalisedText(
            _programme_text_of_allowed_length(table["en"]),
            _programme_text_of_allowed_length(table.get("zh-Hant", "")),
        )
    raise ValueError("want a text, or a table with en and, if you like, zh-Hant")


def _programme_text_of_allowed_length(text: object) -> str:
    if not isinstance(text, str) or len(text) > 300:
        raise ValueError("want a text of at most 300 characters")
    return text


def _programme_text_by_language(words: LocalisedText) -> dict[str, str]:
    return {"en": words.english, "zh-Hant": words.chinese}


Text = Annotated[
    LocalisedText,
    BeforeValidator(parse_programme_localised_text),
    PlainSerializer(_programme_text_by_language),
]
