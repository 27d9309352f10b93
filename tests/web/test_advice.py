"""What the console tells people to run can be run: each command exists and has what it needs."""

import ast
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest

import commonwatt
from commonwatt.cli import root
from commonwatt.ledger import Key, Ledger, LedgerError, Person
from commonwatt.ledger.usecases import init_ledger_with_first_registrar
from commonwatt.web.auth.accounts import has_any_console_account
from commonwatt.web.services import open_console_services
from commonwatt.web.settings import Settings

SRC = Path(commonwatt.__file__).parent
NOW = datetime(2026, 11, 23, 4, tzinfo=UTC)


def _sentences(path):
    """Yield every text of a source file but what explains the code to its readers."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    explained = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and id(node) not in explained:
            yield text


def _commands(text):
    """Return the commands that a sentence names: from our name to the end of the sentence."""
    for rest in re.split(r"\bcommonwatt (?=[a-z])", text)[1:]:
        yield re.split(r"[.;:,)]+(?:\s|$)|[\n`(]|\bif\b", rest)[0].strip()


def advice():
    """Return every command that texts of the console, its command and its stores print."""
    places = [
        *sorted((SRC / "web").rglob("*.py")),
        SRC / "cli" / "serve.py",
        *sorted((SRC / "stores").glob("*.py")),
    ]
    return [
        (path.relative_to(SRC).as_posix(), command)
        for path in places
        for text in _sentences(path)
        for command in _commands(text)
    ]


def fault_of_command(words):
    """Return what our own command line says against these words; "" where nothing."""
    place, context = root, click.Context(root, info_name="commonwatt")
    while isinstance(place, click.Group):
        if not words:
            return "no command"
        known = place.get_command(context, words[0])
        if known is None:
            return f"no command {words[0]}"
        place, words = known, words[1:]
        context = click.Context(place, parent=context, info_name=place.name)
    if "--help" in words:
        return ""
    try:
        options, arguments, _ = place.make_parser(context).parse_args(list(words))
    except click.UsageError as error:
        return error.format_message()
    missing = [
        parameter.name
        for parameter in place.params
        if parameter.required and options.get(parameter.name) is None
    ]
    return f"without {', '.join(missing)}" if missing else "more words" if arguments else ""


def test_the_console_gives_advice_at_all():
    assert len(advice()) >= 5


@pytest.mark.parametrize(("place", "command"), advice(), ids=lambda part: part[:40])
def test_every_command_that_is_advised_can_be_run(place, command):
    gaps = re.sub(r"\{\w+\}", "x", command)
    assert fault_of_command(shlex.split(gaps)) == ""


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("ledger enrol --by KEY --key k --role registrar", "without name, organisation"),
        ("ledger enroll --by KEY", "no command enroll"),
        ("ledger", "no command"),
        ("serve --oidc-grop a=b", "No such option"),
        ("serve --oidc-group", "requires an argument"),
        ("ledger verify now", "more words"),
    ],
)
def test_bad_advice_is_seen(command, fault):
    assert fault in fault_of_command(shlex.split(command))


def test_options_that_sentences_name_are_those_of_serve():
    known = {name for parameter in root.get_command(click.Context(root), "serve").params
             for name in parameter.opts}  # fmt: skip
    # Other pages name options of other commands.
    sources = [
        SRC / "web" / "serve.py",
        SRC / "web" / "routes" / "oidc.py",
        *(SRC / "web" / "auth").glob("*.py"),
    ]
    named = {
        (path.name, option)
        for path in sources
        for text in _sentences(path)
        if "commonwatt " not in text
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)
    }
    assert len(named) >= 5
    assert {(name, option) for name, option in named if option not in known} == set()


@pytest.mark.parametrize("name", ["ledger.db", "our ledger; rm.db"])
def test_the_advice_about_a_ledger_of_others_lets_the_console_start(tmp_path, name):
    ledger, mine = tmp_path / name, tmp_path / "me.pem"
    who = Person(name="Chan", role="registrar", organisation="HA", device="host")
    init_ledger_with_first_registrar(str(ledger), mine, who, now=NOW)
    settings = Settings.of(tmp_path / "runs of ours", database=str(ledger))
    with pytest.raises(LedgerError) as refusal:
        open_console_services(settings, now=NOW)
    for language in ("en", "zh-Hant"):
        (command,) = re.findall(
            r"commonwatt ledger enrol [^\n]*", refusal.value.translate(language)
        )
        words = [str(mine) if word == "KEY.pem" else word for word in shlex.split(command)]
        assert fault_of_command(words[1:]) == ""
    done = subprocess.run(
        [sys.executable, "-m", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    services = open_console_services(settings, now=datetime.now(UTC))
    assert not has_any_console_account(services)
    services.database.dispose()
    assert len(list(Ledger.open(ledger).actors())) == 2
    assert Key.load(tmp_path / "runs of ours" / ".console" / "keys" / "console.pem")
