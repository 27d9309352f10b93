"""The names of commands are a contract: few at a level, an example each, old names answered."""

import click
import pytest

from commonwatt.cli import root
from commonwatt.cli.frame import LazyGroup, run_main

MOST = 12


def tree(command=root, path=()):
    """Yield every command of the tree with its words."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from tree(command.get_command(context, name), (*path, name))


TREE = list(tree())
GROUPS = [(path, command) for path, command in TREE if isinstance(command, LazyGroup)]
RENAMED = [
    (" ".join((*path, old)), new) for path, group in GROUPS for old, new in group.renamed.items()
]
WAS_COMMAND = [
    (path, f"{' '.join(path)} {group.was_command}") for path, group in GROUPS if group.was_command
]


@pytest.mark.parametrize(
    ("path", "group"), GROUPS, ids=lambda v: " ".join(v) if isinstance(v, tuple) else ""
)
def test_at_most_a_dozen_commands_stand_at_a_level(path, group):
    assert 0 < len(group.list_commands(click.Context(group))) <= MOST


@pytest.mark.parametrize(
    ("path", "command"), TREE, ids=lambda v: " ".join(v) if isinstance(v, tuple) else ""
)
def test_every_help_starts_with_an_example_of_the_command_itself(path, command, capsys):
    assert run_main(root, [*path, "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Example:"
    assert lines[1].strip().startswith(" ".join(("commonwatt", *path)))


@pytest.mark.parametrize(("old", "new"), RENAMED)
@pytest.mark.parametrize("more", [(), ("x", "--json")])
def test_an_old_name_is_answered_with_the_new_one(old, new, more, capsys):
    assert run_main(root, [*old.split(), *more]) == 2
    assert f"commonwatt {old} is called commonwatt {new} now." in capsys.readouterr().err
    assert tuple(new.split()) in {path for path, _ in TREE}


@pytest.mark.parametrize(("path", "new"), WAS_COMMAND)
@pytest.mark.parametrize("more", [("x.csv",), ("--no-such", "x")])
def test_a_command_that_became_a_group_names_the_one_within(path, new, more, capsys):
    assert run_main(root, [*path, *more]) == 2
    assert f"is called commonwatt {new} now." in capsys.readouterr().err
    assert tuple(new.split()) in {path for path, _ in TREE}


def test_a_name_that_never_was_is_not_answered_with_another(capsys):
    assert run_main(root, ["sandbox", "nonsense"]) == 2
    assert "is called" not in capsys.readouterr().err


def test_old_names_are_answered_in_the_users_language(capsys):
    assert run_main(root, ["--lang", "zh-Hant", "sandbox", "twin"]) == 2
    assert "現在叫做 commonwatt sandbox synthesize" in capsys.readouterr().err
