"""A missing part is named by the extra that brings all of it."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

import commonwatt
from commonwatt.cli.frame import EXTRAS, run_main
from commonwatt.cli.frame import command as cli_command

SRC = Path(commonwatt.__file__).parent
PROJECT = tomllib.loads((SRC.parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
DISTRIBUTIONS = {  # where a package is not called as it is imported
    "argon2": "argon2-cffi", "multipart": "python-multipart", "sklearn": "scikit-learn",
    "prometheus_client": "prometheus-client", "starlette": "fastapi", "yaml": "pyyaml",
    "vl_convert": "vl-convert-python",
}  # fmt: skip
# Markupsafe is part of Jinja; simpy and presidio are named by errors of their own.
OTHER = {"presidio_analyzer", "commonwatt", "job_tools", "markupsafe", "simpy"}


def _names(requirements):
    return {re.split(r"[\[<>=;~! ]", each)[0].lower() for each in requirements}


CORE = _names(PROJECT["dependencies"])


def _imported():
    for path in SRC.rglob("*.py"):
        if path.relative_to(SRC).parts[0] == "data":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.split(".")[0]


@pytest.mark.parametrize("name", sorted(EXTRAS))
def test_the_extra_declares_the_package_of_the_module(name):
    declared = _names(PROJECT["optional-dependencies"][EXTRAS[name]])
    assert DISTRIBUTIONS.get(name, name) in declared


def test_every_module_that_is_imported_is_declared():
    foreign = set(_imported()) - set(sys.stdlib_module_names) - OTHER
    undeclared = {n for n in foreign if n not in EXTRAS and DISTRIBUTIONS.get(n, n) not in CORE}
    assert undeclared == set()


@pytest.mark.parametrize(
    ("name", "extra"), [("argon2", "web"), ("ray", "ray"), ("sklearn", "sandbox")]
)
def test_the_remedy_names_the_extra_and_not_the_import(name, extra, capsys):
    def missing():
        raise ModuleNotFoundError(name=name)

    assert run_main(cli_command(None, "x", example="x")(missing), []) not in (0, 10)
    assert f"pip install 'commonwatt[{extra}]'" in capsys.readouterr().err
