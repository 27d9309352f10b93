"""Every error has one exit code of its own and an entry in the reference."""

import importlib
import pkgutil
from pathlib import Path

import pytest

import commonwatt
from commonwatt.core.errors import CommonwattError

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "errors.md"


def _errors():
    for module in pkgutil.walk_packages(commonwatt.__path__, "commonwatt."):
        if module.name.endswith(".errors"):
            importlib.import_module(module.name)
    classes, queue = [], [CommonwattError]
    while queue:
        error = queue.pop()
        classes.append(error)
        queue += error.__subclasses__()
    return sorted(set(classes), key=lambda error: error.exit_code)


def test_an_exit_code_is_given_once():
    codes = [(error.exit_code, error.code) for error in _errors()]
    assert len({code for code, _ in codes}) == len(codes)
    assert len({name for _, name in codes}) == len(codes)


@pytest.mark.parametrize("error", _errors(), ids=lambda error: error.code)
def test_every_error_has_its_entry(error):
    row = f"| {error.exit_code} | `{error.code}` |"
    assert row in PAGE.read_text(encoding="utf-8")
    assert error.__doc__
