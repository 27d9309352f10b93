"""Click's own words ("Usage", "Options" …) in the language of one call.

Click asks gettext, which answers by a setting of the whole process; a server or a test
that makes calls in two languages would hear the one of the last call. The words
that click looks up are therefore led through a language that the call carries.
"""

from __future__ import annotations

import gettext
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from typing import Final

from commonwatt.core.messages import LOCALE

_LANGUAGE: Final[ContextVar[str]] = ContextVar("commonwatt_click_language", default="")
_MODULES: Final = (
    "core", "decorators", "exceptions", "formatting", "parser", "termui", "types", "utils",
)  # fmt: skip


@contextmanager
def click_words_translated_in_language(language: str) -> Generator[None]:
    """Let click speak `language` within the block, in this thread or coroutine alone."""
    _route_click_gettext_through_call_language()
    token = _LANGUAGE.set(language)
    try:
        yield
    finally:
        _LANGUAGE.reset(token)


@cache
def _route_click_gettext_through_call_language() -> None:
    # Click has no place where a language could be passed. Outside of a call of ours its words
    # stay those of gettext, as other programs in this process expect.
    for name in _MODULES:
        module = import_module(f"click.{name}")
        if hasattr(module, "_"):
            module.__dict__["_"] = _click_text_in_call_language
        if hasattr(module, "ngettext"):
            module.__dict__["ngettext"] = _click_plural_text_in_call_language


def _click_text_in_call_language(text: str) -> str:
    return _click_translations_of_call().gettext(text) if _LANGUAGE.get() else gettext.gettext(text)


def _click_plural_text_in_call_language(singular: str, plural: str, count: int) -> str:
    of: Callable[[str, str, int], str] = gettext.ngettext
    if _LANGUAGE.get():
        of = _click_translations_of_call().ngettext
    return of(singular, plural, count)


def _click_translations_of_call() -> gettext.NullTranslations:
    return (
        _chinese_click_translations()
        if _LANGUAGE.get() == "zh-Hant"
        else gettext.NullTranslations()
    )


@cache
def _chinese_click_translations() -> gettext.NullTranslations:
    with (LOCALE / "zh_Hant" / "LC_MESSAGES" / "click.mo").open("rb") as file:
        return gettext.GNUTranslations(file)
