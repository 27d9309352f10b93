"""What a command prints for a person is made from the catalogue, in one file.

A number with a label is a column or a figure: its label, unit and form stand in the catalogue,
and `cli/terminal_text.py` writes them. So nothing else that makes text for a terminal may
format a number, pad a cell, spell a word beside a value, or put a cell into a line as it is.
"""

import ast
import importlib
import pkgutil
import re
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest

import commonwatt
import commonwatt.catalogue.measures as measures
from commonwatt.catalogue.errors import UnitError
from commonwatt.catalogue.units import parse_unit
from tests.golden.commands.cases import CASES
from tests.golden.test_commands import Walk

SRC = Path(commonwatt.__file__).parent
# The writer itself, and what writes help, errors and versions: click's own sentences.
WRITERS = {"terminal_text.py", "frame.py", "click_words.py"}
COMMANDS = {path.name: path for path in sorted((SRC / "cli").glob("*.py"))}
COUNTING = {"len", "sum", "min", "max", "int", "float"}
PADDING = {"ljust", "rjust", "center", "zfill", "expandtabs"}
# A name of a field, a file or an entry point, `debt_{side}_gdp_share`, and no words for a person.
KEY = re.compile(r"(:?[a-z0-9_.\-]+)*")
COUNTED = {"[gpu]", "[person]", "[rack]", "[event]", "[token]", "[request]", "[operation]"}


def _name(node):
    return getattr(node, "id", getattr(node, "attr", ""))


def _is_unit(word):
    """Say whether a word is a unit of measurement; what is merely counted is a noun."""
    try:
        unit = parse_unit(word)
    except UnitError:
        return False
    return bool(word) and not {f"[{name}]" for name, _ in unit.parts} & COUNTED


def _unit_after_gap(sentence):
    for word in re.findall(r"\{\w*\} ?([^\s{};,:()]+)", sentence):
        if _is_unit(word.strip(".")):
            yield word


def _faults_of_f_string(node):
    for i, part in enumerate(node.values):
        if isinstance(part, ast.FormattedValue):
            if part.format_spec is not None:
                yield "formats or pads by hand"
            if isinstance(part.value, ast.Subscript) and isinstance(part.value.slice, ast.Constant):
                yield "prints a cell as it is"
            if isinstance(part.value, ast.Call) and _name(part.value.func) in COUNTING:
                yield "counts in a line"
        elif not KEY.fullmatch(part.value):
            if re.search("[A-Za-z]", part.value):
                yield "spells words beside a value"
            if i and re.search(r"[:=] *$", part.value) and len(node.values) > i + 1:
                yield "spells 'label: value' by hand"


def _faults_of_call(node):
    name = _name(node.func)
    if name in PADDING or (isinstance(node.func, ast.Name) and name in {"format", "round"}):
        yield f"{name}() by hand"
    # Of a path `os.fspath` gives the text, and refuses a number.
    if isinstance(node.func, ast.Name) and name == "str":
        yield "str() of what may be a number"
    if name in {"Message", "translate"} and node.args and isinstance(node.args[0], ast.Constant):
        for unit in _unit_after_gap(str(node.args[0].value)):
            yield f"the sentence spells the unit {unit!r}"


def _is_padding(node):
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and any(
        isinstance(side, ast.Constant) and isinstance(side.value, str)
        for side in (node.left, node.right)
    )  # fmt: skip


def faults(tree):
    """Return what a source file writes for people past the catalogue, with the lines."""
    specs = {id(node.format_spec) for node in ast.walk(tree)
             if isinstance(node, ast.FormattedValue) and node.format_spec}  # fmt: skip
    # What an error says of a wrong value is no figure, and `frame.py` writes it.
    raised = {id(node) for error in ast.walk(tree) if isinstance(error, ast.Raise)
              for node in ast.walk(error)}  # fmt: skip
    for node in (node for node in ast.walk(tree) if id(node) not in raised):
        if isinstance(node, ast.JoinedStr) and id(node) not in specs:
            yield from ((node.lineno, fault) for fault in _faults_of_f_string(node))
        elif isinstance(node, ast.Call):
            yield from ((node.lineno, fault) for fault in _faults_of_call(node))
        elif _is_padding(node):
            yield node.lineno, "pads by hand"


def _functions(tree):
    return {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def _called(tree):
    return {_name(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


def _text_renderers():
    """Return what `CommandResult(text=…)` calls outside of the commands, and all it calls there."""
    wanted = set()
    for path in COMMANDS.values():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg == "text":
                wanted |= {name for name in _called(node.value) if name.endswith("_text")}
        wanted -= set(_functions(tree))
    for path in sorted(SRC.rglob("*.py")):
        if path.parent.name in {"cli", "catalogue"}:
            continue
        functions = _functions(ast.parse(path.read_text(encoding="utf-8")))
        reached, to_see = set(), wanted & set(functions)
        while to_see:
            name = to_see.pop()
            reached.add(name)
            to_see |= (_called(functions[name]) & set(functions)) - reached
        yield from ((path, name, functions[name]) for name in sorted(reached))


def test_what_a_command_prints_is_made_from_the_catalogue():
    by_hand = defaultdict(list)
    for name, path in COMMANDS.items():
        if name not in WRITERS:
            for line, fault in sorted(set(faults(ast.parse(path.read_text(encoding="utf-8"))))):
                by_hand[f"cli/{name}"].append(f"line {line}: {fault}")
    for path, name, function in _text_renderers():
        for line, fault in sorted(set(faults(function))):
            by_hand[path.relative_to(SRC).as_posix()].append(f"{name}, line {line}: {fault}")
    listing = "\n".join(f"{name}\n  " + "\n  ".join(lines) for name, lines in by_hand.items())
    assert not by_hand, f"{sum(map(len, by_hand.values()))} places past the catalogue\n{listing}"


# Cheap ones of the recorded commands, of every wing; those that quote the law or a claim print
# the numbers of others' sentences, and are left out.
CHEAP = {
    "clinic-evidence", "clinic-explain", "clinic-explain-row", "clinic-joint", "clinic-monitor",
    "fleet-describe", "fleet-simulate-swf", "operate-care-checkpoint", "operate-care-detect",
    "operate-care-lemons", "siting-cost-contest", "treasury-finance-harbour", "walk-care",
    "walk-ledger", "walk-sandbox",
}  # fmt: skip
MARKED = str.maketrans("0123456789", "０１２３４５６７８９")
# No part of a name, a date, a digest or a path.
NUMBER = re.compile(r"(?<![\w.\-:/])[+-]?[0-9][0-9,.]*(?![\w\-:/])")


def _mark_numbers_of_the_catalogue(monkeypatch):
    """Let every number that the catalogue writes have wide digits, those of labels, too."""
    # All of them first: a module that loads meanwhile would keep the marking names for good.
    for module in pkgutil.walk_packages(commonwatt.__path__, "commonwatt."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    writers = ("measure_cell_text", "measure_value_text", "measure_heading", "measure_label_text")
    for name in writers:
        written = getattr(measures, name)

        def marked(*given, _written=written, **named):
            return _written(*given, **named).translate(MARKED)

        for module in list(sys.modules.values()):
            if getattr(module, name, None) is written:
                monkeypatch.setattr(module, name, marked)


@pytest.mark.parametrize("case", [c for c in CASES if c.name in CHEAP], ids=lambda case: case.name)
def test_every_number_that_a_command_prints_comes_from_the_catalogue(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LANG", "C.UTF-8")
    for name, value in case.environment.items():
        monkeypatch.setenv(name, value)
    printed = []

    class Listening(Walk):
        def told(self, code, out, err, answer):
            # A signed note is bytes for a verifier and no text for people.
            if not code and answer is None and not out.startswith("commonwatt\n"):
                printed.append(out)
            return super().told(code, out, err, answer)

    steps = tuple(
        step.removesuffix(" --json") if isinstance(step, str) else step for step in case.steps
    )
    for path in COMMANDS.values():
        importlib.import_module(f"commonwatt.cli.{path.stem}")
    _mark_numbers_of_the_catalogue(monkeypatch)
    Listening(replace(case, steps=steps), tmp_path).record()
    text = "\n".join(printed)
    assert re.search("[０-９]", text)
    left = [line for line in text.splitlines() if NUMBER.search(line)]
    assert left == []


def test_the_renderers_outside_of_the_commands_are_looked_at():
    assert "audit_text" in {name for _, name, _ in _text_renderers()}


PAST_THE_CATALOGUE = [
    "f'{n:,}'", "f'{name:<16}'", "f'{share:.1%}'", "f'{n} GPU'", "f'n={n}'", "f'{label}: {n}'",
    "f'seed {seed}'", "f'  {row[\"node\"]}'", "f'{len(rows)}'", "str(len(rows))",
    "format(n, ',')", "round(n, 2)", "name.ljust(4)", "' ' * 4",
    "Message('Every {interval} s', gaps)",
    "Message('{rent} USD/h beats it')", "translate('{share} percent', language)",
]  # fmt: skip
FROM_THE_CATALOGUE = [
    "f'{label}  {cell}'", "f'debt_{side}_gdp_share'", "f'{module}:care'", "f'{first}, {second}'",
    "f'{title} ({kind})'", "fspath(folder)", "measure_cell_text(row['node'], column, language)",
    "2 * n",
    "Message('{count} entries, root {root}', gaps)", "Message('{steps} of {all}')",
    "Message('{jobs} on {gpus} GPUs')", "raise UsageError(found=str(len(policies)))",
    "f'{\", \".join(names)}'",
]  # fmt: skip


@pytest.mark.parametrize("source", PAST_THE_CATALOGUE)
def test_a_text_made_by_hand_is_seen(source):
    assert list(faults(ast.parse(source)))


@pytest.mark.parametrize("source", FROM_THE_CATALOGUE)
def test_a_text_made_from_the_catalogue_is_let_through(source):
    assert list(faults(ast.parse(source))) == []
