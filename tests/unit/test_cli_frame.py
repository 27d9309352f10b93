"""What every command promises: help, language, errors, exit codes."""

import json
import subprocess
import sys

import click
import pytest

from commonwatt.cli import COMMANDS, root
from commonwatt.cli.frame import run_main


def _run(capsys, *arguments):
    code = run_main(root, list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_help_starts_with_an_example(capsys):
    code, out, _ = _run(capsys, "--help")
    assert code == 0
    assert out.startswith("Example:\n  commonwatt study harbour")


def test_top_help_imports_no_heavy_room():
    heavy = "numpy,numba,polars,sqlalchemy,pydantic,scipy,highspy"
    script = (
        "import sys; from commonwatt.cli import root; from commonwatt.cli.frame import run_main;"
        "run_main(root, ['--help']);"
        f"sys.exit(','.join(m for m in '{heavy}'.split(',') if m in sys.modules) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() == ""
    assert done.returncode == 0


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_table_answers_help(capsys, name):
    code, out, _ = _run(capsys, name, "--help")
    assert code == 0
    assert out.startswith("Example:")


def commands_of(command, words=()):
    """Yield the words of every group and leaf below `command`, each imported."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield (*words, name)
            yield from commands_of(command.get_command(context, name), (*words, name))


def test_every_command_down_to_each_leaf_answers_help(capsys):
    named = list(commands_of(root))
    assert len(named) > len(COMMANDS)
    for words in named:
        code, out, err = _run(capsys, *words, "--help")
        assert (code, err) == (0, ""), words
        assert out.startswith("Example:"), words


def test_an_error_leaves_by_its_exit_code_and_says_so_on_stderr(capsys, tmp_path):
    code, out, err = _run(capsys, "runs", "show", "zzz", "--store", str(tmp_path))
    assert (code, out) == (60, "")
    assert err.startswith("commonwatt: zzz: found 0 runs")


def test_an_error_is_json_when_json_is_asked_for(capsys, tmp_path):
    _, out, err = _run(capsys, "runs", "show", "zzz", "--store", str(tmp_path), "--json")
    assert out == ""
    assert json.loads(err)["error"] == "run-unknown"


def test_an_unknown_command_is_a_usage_error(capsys):
    assert _run(capsys, "frobnicate")[0] == 2


def test_help_speaks_chinese_when_asked(capsys):
    _, out, _ = _run(capsys, "--lang", "zh-Hant", "--help")
    assert "列出" in out
    assert "範例" in out


def test_the_environment_chooses_the_language(capsys, monkeypatch):
    monkeypatch.setenv("LC_ALL", "zh_HK.UTF-8")
    _, out, _ = _run(capsys, "--help")
    assert "範例" in out
