"""Words for people, in English and Traditional Chinese.

The English sentence is its own key, as in gettext, whose catalogues these are:
one domain per part under ``locale/zh_Hant/LC_MESSAGES``. A sentence without a
translation is shown in English; a test lists every such sentence.
"""

from __future__ import annotations

import gettext
import hashlib
import os
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

LANGUAGES = ("en", "zh-Hant")
LOCALE = Path(__file__).parent.parent / "locale"


@dataclass(frozen=True, slots=True)
class Message:
    """A sentence with named gaps, translated when it is needed.

    >>> Message("{count} jobs", {"count": "3"}).translate("en")
    '3 jobs'
    """

    text: str
    values: dict[str, str] = field(default_factory=dict[str, str])

    def translate(self, language: str) -> str:
        """Return the sentence in `language` with its gaps filled."""
        sentence = translate(self.text, language)
        # Formatted only where there are values: a sentence may hold a brace of its own.
        return sentence.format(**self.values) if self.values else sentence

    def __str__(self) -> str:
        return self.translate("en")


def translated_text(text: Message | str, language: str) -> str:
    """Return a sentence in `language`; a plain text, such as a name from data, as it is.

    >>> translated_text(Message("{count} jobs", {"count": "3"}), "en"), translated_text("x", "en")
    ('3 jobs', 'x')
    """
    return text.translate(language) if isinstance(text, Message) else text


def translate(text: str, language: str) -> str:
    """Return `text` in `language`, or itself where no translation exists."""
    # gettext answers the empty string with the header of its catalogue.
    if language != "zh-Hant" or not text:
        return text
    return _chinese_gettext_translations().gettext(text)


@cache
def translations_sha256(language: str) -> str:
    """Return a digest of every translation into `language`; empty for English, which has none."""
    if language != "zh-Hant":
        return ""
    digest = hashlib.sha256()
    # Sorted, since a file system lists files in any order.
    for path in sorted(LOCALE.rglob("*.mo")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def message_language(choice: str | None) -> str:
    """Return the language asked for: an option first, then the environment.

    >>> message_language("zh-Hant"), message_language("zh_TW.UTF-8"), message_language("C")
    ('zh-Hant', 'zh-Hant', 'en')
    """
    wanted = choice or _message_language_of_environment()
    tag = wanted.split(".")[0].split(":")[0].replace("-", "_").lower()
    return "zh-Hant" if tag.startswith(("zh_hant", "zh_hk", "zh_tw", "zh_mo")) else "en"


def _message_language_of_environment() -> str:
    names = ("LC_ALL", "LC_MESSAGES", "LANG")
    return next((setting for name in names if (setting := os.environ.get(name))), "en")


@cache
def _chinese_gettext_translations() -> gettext.NullTranslations:
    merged = gettext.NullTranslations()
    # Sorted, so that where two catalogues translate one sentence the same of them wins on every
    # machine.
    for path in sorted((LOCALE / "zh_Hant" / "LC_MESSAGES").glob("*.mo")):
        with path.open("rb") as file:
            catalogue = gettext.GNUTranslations(file)
        catalogue.add_fallback(merged)
        merged = catalogue
    return merged
