"""A missing part is named by the extra that brings all of it."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

import commonwatt
from commonwatt.cli.frame import command as cli_command
from commonwatt.cli.frame import run_main
from commonwatt.core.extras import (
    DISTRIBUTION_OF_MODULE,
    extras_of_module,
    import_optional_module,
    missing_extra_error,
)

SRC = Path(commonwatt.__file__).parent
ROOT = SRC.parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
REQUIREMENTS = [*PROJECT["dependencies"]] + [
    f"{each}; extra == '{extra}'" for extra, names in EXTRAS.items() for each in names
]  # as a wheel's metadata spells them
# Modules of a job's own program, which is no part of ours, and those that are ours.
OURS = {"commonwatt", "commonwatt_data_odbl", "job_tools"}
# Declared and never imported by name: what each is for, and the words in our source that need it.
BY_OTHERS = {
    "commonwatt": ("the extras that `all` is made of", None),
    "commonwatt-data-odbl": ("read as files", "commonwatt_data_odbl"),
    "psycopg": ("SQLAlchemy loads it by the address", "postgresql+psycopg"),
    "python-multipart": ("Starlette reads forms with it", ".form("),
}
OPTIONAL_TOPS = {
    "anyio", "argon2", "authlib", "duckdb", "fastapi", "fhir", "httpx", "joserfc", "mcp",
    "multipart",
    "opendp",
    "pint", "presidio_analyzer", "prometheus_client", "psycopg", "pydicom", "python_multipart",
    "ray", "simpy", "sklearn", "starlette", "uvicorn", "weasyprint",
}  # fmt: skip


def _name(requirement):
    return re.split(r"[\[<>=;~! ]", requirement)[0].lower()


def _sources():
    jobs = (SRC / "data").rglob("*.py.txt")  # programs of the example, run with what we install
    return [*SRC.rglob("*.py"), *jobs]


def _imported(path):
    """Yield each module that a source names in an import, at the top or late, or in a call."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]
        elif isinstance(node, ast.Call) and node.args:
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            first = node.args[0]
            if called in {"import_module", "import_optional_module"} and isinstance(
                first, ast.Constant
            ):
                yield first.value.split(".")[0]


@cache
def _foreign():
    imported = {name for path in _sources() for name in _imported(path)}
    return sorted(imported - set(sys.stdlib_module_names) - OURS - {"compression"})


def test_every_module_that_is_imported_is_declared():
    assert len(_foreign()) > 30
    assert [name for name in _foreign() if extras_of_module(name, REQUIREMENTS) == []] == []


def test_every_package_that_is_declared_is_used():
    text = "\n".join(path.read_text("utf-8") for path in _sources())
    distributions = {
        DISTRIBUTION_OF_MODULE.get(name, name).replace("_", "-").lower() for name in _foreign()
    }
    declared = {_name(each) for each in REQUIREMENTS}
    assert declared - distributions == set(BY_OTHERS)
    assert all(words is None or words in text for _, words in BY_OTHERS.values())


def test_only_optional_modules_lead_to_an_extra():
    of_core = {name for name in _foreign() if "" in extras_of_module(name, REQUIREMENTS)}
    assert of_core == set(_foreign()) - OPTIONAL_TOPS


def test_every_extra_but_the_sum_is_in_all_or_says_why_not():
    whole = re.search(r"\[(.*)\]", EXTRAS["all"][0])[1].split(",")
    assert set(EXTRAS) - set(whole) == {"all", "presidio", "reference"}


def _missing_from(module, wing):
    """Return the error of an import that failed within a module of ours."""
    code = compile("raise ModuleNotFoundError(name=MODULE)", "<ours>", "exec")
    try:
        exec(code, {"__name__": f"commonwatt.{wing}", "MODULE": module})
    except ModuleNotFoundError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    ("module", "wing", "extra"),
    [
        ("fastapi", "web.app", "web"),
        ("uvicorn", "clinic.engines.gateway.service", "clinic"),
        ("uvicorn.config", "clinic.usecases.gateway", "clinic"),
        ("sklearn", "sandbox.engines", "sandbox"),
        ("ray", "fleet.usecases.sweep", "ray"),
        ("prometheus_client", "operate.engines.exporter", "operate"),
        ("needed_by_fastapi", "web.app", "web"),
        ("nobody_knows", "treasury.usecases", "all"),
    ],
)
def test_the_extra_is_that_of_the_wing_that_wanted_the_module(module, wing, extra):
    error = missing_extra_error(_missing_from(module, wing))
    assert f'pip install "commonwatt[{extra}]"' in str(error)
    assert module.split(".")[0] not in str(error).replace("commonwatt[ray]", "")


@pytest.mark.parametrize(
    ("name", "extra"), [("argon2", "web"), ("ray", "ray"), ("sklearn", "sandbox")]
)
def test_the_remedy_names_the_extra_and_not_the_import(name, extra, capsys):
    def missing():
        raise ModuleNotFoundError(name=name)

    assert run_main(cli_command(None, "x", example="x")(missing), []) == 11
    assert f'pip install "commonwatt[{extra}]"' in capsys.readouterr().err


def test_a_module_of_ours_that_is_gone_is_our_fault(capsys):
    def missing():
        raise ModuleNotFoundError(name="commonwatt.nothing")

    assert run_main(cli_command(None, "x", example="x")(missing), []) == 10
    assert "pip install" not in capsys.readouterr().err


def test_an_optional_module_that_is_there_is_returned():
    assert import_optional_module("json") is json


# A process in which nothing optional can be imported, as after `pip install commonwatt`.
BARE = f"""
import sys
class Bare:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {sorted({*OPTIONAL_TOPS, "commonwatt_data_odbl"})!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Bare())
from commonwatt.cli import root
from commonwatt.cli.frame import run_main
"""


def _bare(script, *words, cwd=None):
    return subprocess.run(
        [sys.executable, "-c", BARE + script, *words],
        capture_output=True, text=True, check=False, cwd=cwd,
    )  # fmt: skip


def test_every_command_answers_help_without_any_extra():
    script = """
import click, io, contextlib
def leaves(command, words=()):
    yield words
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from leaves(command.get_command(context, name), (*words, name))
for words in leaves(root):
    with contextlib.redirect_stdout(io.StringIO()):
        code = run_main(root, [*words, "--help"])
    if code: print(*words, code)
"""
    done = _bare(script)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


NEEDS = {
    "serve": ("web", ["serve", "--port", "0"]),
    "sandbox import": (
        "sandbox",
        ["sandbox", "import", "room", "data", ".", "--key", "key", "--format", "fhir"],
    ),
    "siting regions": ("regions", ["siting", "place", "--hours", "24"]),
}


@pytest.mark.parametrize(("extra", "words"), NEEDS.values(), ids=NEEDS)
def test_a_command_without_its_extra_names_it_and_the_command_that_installs_it(
    extra, words, tmp_path
):
    done = _bare("sys.exit(run_main(root, sys.argv[1:]))", *words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (11, ""), done.stderr
    assert f'pip install "commonwatt[{extra}]"' in done.stderr


def test_a_command_of_the_core_needs_no_extra(tmp_path):
    done = _bare(
        "sys.exit(run_main(root, sys.argv[1:]))", "siting", "cost", "cn-west", "--json",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)
