"""The bare command, the completion of three shells, and `python -m`: the first minute."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from commonwatt.cli import COMMANDS, root
from commonwatt.cli.frame import LazyGroup, run_main

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "complete-commands.md"
SHELLS = ("bash", "zsh", "fish")


def groups(command=root, words=()):
    """Yield the words of each group, the bare command first."""
    if isinstance(command, LazyGroup):
        yield words
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from groups(command.get_command(context, name), (*words, name))


GROUPS = list(groups())


@pytest.mark.parametrize("more", [(), ("--lang", "zh-Hant")])
@pytest.mark.parametrize("words", GROUPS, ids=lambda words: " ".join(words) or "bare")
def test_a_group_alone_prints_its_help_and_leaves_with_0(words, more, capsys):
    assert run_main(root, [*words, *more]) == 0
    alone = capsys.readouterr()
    assert run_main(root, [*words, *more, "--help"]) == 0
    assert alone == capsys.readouterr()
    assert alone.err == ""
    assert alone.out.startswith("範例：" if more else "Example:")


@pytest.mark.parametrize("words", GROUPS, ids=lambda words: " ".join(words) or "bare")
def test_a_word_that_no_group_knows_is_still_a_mistake(words, capsys):
    assert run_main(root, [*words, "frobnicate"]) == 2
    answer = capsys.readouterr()
    assert answer.out == ""
    # A group that was a command once names the command that it holds now.
    assert "frobnicate" in answer.err or "is called" in answer.err


def completions(*words):
    """Return what a shell is offered for the last of `words`."""
    before, last = list(words[:-1]), words[-1]
    complete = ShellComplete(root, {}, "commonwatt", "_COMMONWATT_COMPLETE")
    return [(each.type, each.value) for each in complete.get_completions(before, last)]


def test_completion_offers_commands_options_choices_and_programmes():
    assert completions("") == [("plain", name) for name in COMMANDS]
    assert completions("tr") == [("plain", "treasury")]
    assert ("plain", "project") in completions("treasury", "")
    assert ("plain", "--what-if") in completions("study", "harbour", "--w")
    assert completions("treasury", "--lang", "z") == [("plain", "zh-Hant")]
    assert completions("study", "har") == [("plain", "harbour"), ("file", "har")]
    assert completions("study", "./my") == [("file", "./my")]
    assert completions("frob") == []


def test_completion_of_the_first_word_imports_no_room():
    script = (
        "import sys; from click.shell_completion import ShellComplete;"
        "from commonwatt.cli import root;"
        "print(len(ShellComplete(root, {}, 'commonwatt', 'X').get_completions([], '')));"
        "print([m for m in sys.modules if m in ('numpy', 'polars', 'commonwatt.cli.fleet')])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.split("\n")[:2] == [str(len(COMMANDS)), "[]"]


def program(folder):
    """Write a `commonwatt` that runs this very tree, whatever is installed; return its folder."""
    path = folder / "commonwatt"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m commonwatt "$@"\n')
    path.chmod(0o755)
    return folder


def shell(line, folder, name="bash"):
    path = f"{program(folder)}:{os.environ['PATH']}"
    return subprocess.run(
        [name, "-c", line], env={**os.environ, "PATH": path, "LANG": "C.UTF-8"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip


@pytest.mark.parametrize("name", SHELLS)
def test_the_line_of_the_page_prints_what_the_shell_reads(name, tmp_path):
    line = f"_COMMONWATT_COMPLETE={name}_source commonwatt"
    assert line in HOW_TO.read_text(encoding="utf-8")
    printed = shell(line, tmp_path).stdout
    assert f"_COMMONWATT_COMPLETE={name}_complete" in printed
    if shutil.which(name):
        subprocess.run([name, "-n"], input=printed, text=True, check=True)


def test_bash_completes_after_the_line_of_the_page(tmp_path):
    line = 'eval "$(_COMMONWATT_COMPLETE=bash_source commonwatt)"'
    assert line in HOW_TO.read_text(encoding="utf-8")
    ask = (
        f"{line}; COMP_WORDS=(commonwatt tr); COMP_CWORD=1;"
        ' _commonwatt_completion commonwatt tr commonwatt; echo "${COMPREPLY[@]}"'
    )
    assert shell(ask, tmp_path).stdout == "treasury\n"


@pytest.mark.parametrize("words", [[], ["--version"], ["frobnicate"], ["treasury", "--help"]])
def test_python_m_is_the_same_program(words, capfd):
    code = run_main(root, words)
    ours = capfd.readouterr()
    ran = subprocess.run(
        [sys.executable, "-m", "commonwatt", *words], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (code, ours.out, ours.err)


def test_the_front_page_names_python_m_and_the_systems():
    readme = (HOW_TO.parents[2] / "README.md").read_text(encoding="utf-8")
    assert "python -m commonwatt" in readme
    assert "Linux" in readme
    assert "macOS" in readme
