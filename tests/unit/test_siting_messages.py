"""Every sentence of the wing and of the auditor is said in Traditional Chinese, too."""

import ast
import re
from pathlib import Path

import pytest

import commonwatt
from commonwatt.core.messages import translate

ROOT = Path(commonwatt.__file__).parent
FILES = sorted(
    [
        *(ROOT / "siting").rglob("*.py"),
        *(ROOT / "audit").rglob("*.py"),
        ROOT / "cli" / "siting.py",
        ROOT / "cli" / "audit.py",
    ]
)
SENTENCES = {"Message", "ListMessage", "translate"}


def sentences(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        # A method such as `message.translate("en")` takes a language and no sentence.
        texts = node.args[:1] if getattr(node.func, "id", "") in SENTENCES else []
        texts += [word.value for word in node.keywords if word.arg == "help"]
        for text in texts:
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                yield text.value


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_sentence_is_left_in_english(path):
    left = [text for text in sentences(path) if translate(text, "zh-Hant") == text]
    assert [
        text
        for text in left
        # A form of gaps alone has no word to translate.
        if any(letter.isalpha() for letter in re.sub(r"\{\w+\}", "", text))
    ] == []
