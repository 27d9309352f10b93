"""Every sentence that a person reads exists in Traditional Chinese, too."""

import ast
import gettext
import re
import string
from functools import cache
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

import commonwatt

SRC = Path(commonwatt.__file__).parent
CATALOGUES = sorted((SRC / "locale" / "zh_Hant" / "LC_MESSAGES").glob("*.po"))


def _strings(call: ast.Call) -> list[str]:
    name = getattr(call.func, "id", getattr(call.func, "attr", ""))
    if name == "translate" and isinstance(call.func, ast.Attribute):
        return []  # a message's own method, which takes a language
    arguments = []
    if name in {"Message", "translate", "t"} and call.args:
        arguments.append(call.args[0])
    if name in {"option", "TranslatedOption", "LazyGroup"}:
        arguments += [keyword.value for keyword in call.keywords if keyword.arg == "help"]
    return [s.value for s in arguments if isinstance(s, ast.Constant) and isinstance(s.value, str)]


def _docstring(node: ast.FunctionDef) -> list[str]:
    decorators = [getattr(d.func, "id", "") for d in node.decorator_list if isinstance(d, ast.Call)]
    text = ast.get_docstring(node)
    return [text] if "command" in decorators and text else []


def said_in(path: Path) -> set[str]:
    """Return the sentences that a source file says to people."""
    if path.suffix == ".html":
        return set(re.findall(r"\bt\('([^']+)'\)", path.read_text(encoding="utf-8")))
    sentences = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            sentences |= set(_strings(node))
        elif isinstance(node, ast.FunctionDef):
            sentences |= set(_docstring(node))
    return {text for text in sentences if re.search(r"[A-Za-z]{2}", text)}


@cache
def _catalogue() -> dict[str, str]:
    merged = {}
    for path in CATALOGUES:
        with path.open("rb") as file:
            merged |= {str(m.id): str(m.string) for m in read_po(file) if m.id}
    return merged


SOURCES = [p for p in sorted(SRC.rglob("*")) if p.suffix in {".py", ".html"}]


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.relative_to(SRC).as_posix())
def test_every_sentence_has_a_chinese_one(path):
    translated = _catalogue()
    missing = sorted(text for text in said_in(path) if not translated.get(text))
    assert not missing


def _gaps(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda p: p.stem)
def test_a_translation_keeps_the_gaps_of_its_sentence(path):
    with path.open("rb") as file:
        pairs = [(str(m.id), str(m.string)) for m in read_po(file) if m.id and m.string]
    assert [pair for pair in pairs if _gaps(pair[0]) != _gaps(pair[1])] == []


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda p: p.stem)
def test_the_compiled_catalogue_is_that_of_the_text(path):
    with path.open("rb") as file:
        wanted = {
            str(m.id): str(m.string) for m in read_po(file) if m.id and m.string and not m.fuzzy
        }
    with path.with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    assert {text: compiled.gettext(text) for text in wanted} == wanted
