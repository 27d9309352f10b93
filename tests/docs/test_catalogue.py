"""Every figure and column is said once: in the catalogue.

What is not there yet stands in three lists, by name; a list may only shrink. Whoever
brings a part into the catalogue strikes it from its list, or the test says so.
"""

import ast
import importlib
import json
import re
from collections import defaultdict
from pathlib import Path

import pytest

import commonwatt
from commonwatt.catalogue.collect import ROOMS, collect_catalogue, measure_and_table_modules
from commonwatt.catalogue.measures import CURRENCY, Measure
from commonwatt.fleet.domain.tables import SWEEP_AXES, fleet_sweep_schema

SRC = Path(commonwatt.__file__).parent
RECORDS = Path(__file__).parents[1] / "golden" / "commands" / "expected"
SOURCES = {path.relative_to(SRC).as_posix(): path for path in sorted(SRC.rglob("*.py"))}
# Where what is shown may be made: the helpers that read the catalogue stand there.
MAKERS = {
    "ReportFact": "report/", "ReportTable": "report/",
    "HeadlineFact": "web/page_view.py", "ColumnHeading": "web/page_view.py",
}  # fmt: skip

WINGS_WITHOUT_MEASURES = set()
TABLES_NOT_CATALOGUED = set()
LABELS_SPELLED_ELSEWHERE = set()
FIGURES_SPELLED_BY_HAND = set()


@pytest.fixture(scope="module")
def catalogue():
    return collect_catalogue()


def _trees():
    for name, path in SOURCES.items():
        if not name.startswith("data/"):
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def _called(node):
    return getattr(node.func, "id", getattr(node.func, "attr", ""))


def _literals(tree):
    """Return the sentences that a source file spells for people."""
    return [
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and _called(node) in {"Message", "translate"}
        and node.args
        and isinstance(node.args[0], ast.Constant)
    ]


def test_the_catalogue_is_whole_and_unique(catalogue):
    assert len(catalogue.measures) > 40
    assert all(re.fullmatch(r"[a-z0-9_]+", name) for name in catalogue.measures)


def test_every_wing_declares_its_measures():
    declaring = {
        module.__name__.rpartition(".")[0]
        for module in measure_and_table_modules()
        if any(isinstance(value, Measure) for value in vars(module).values())
    }
    missing = {room for room in ROOMS if room not in declaring and not room.endswith(".shared")}
    assert missing == WINGS_WITHOUT_MEASURES


def test_what_a_figure_means_exists_in_both_languages(catalogue):
    missing = [
        sentence.text
        for measure in catalogue.measures.values()
        for sentence in (measure.label, measure.meaning)
        if re.search("[A-Za-z]{2}", sentence.text)
        and sentence.translate("zh-Hant") == sentence.translate("en")
    ]
    assert missing == []


def test_two_measures_never_share_a_label(catalogue):
    by_label = defaultdict(list)
    for measure in catalogue.measures.values():
        by_label[measure.label.text].append(measure.id)
    assert {label: ids for label, ids in by_label.items() if len(ids) > 1} == {}


def test_every_label_is_spelled_once(catalogue):
    labels = {measure.label.text for measure in catalogue.measures.values()}
    homes = {module.__file__ for module in measure_and_table_modules()}
    declared = [
        text
        for home in homes
        for text in _literals(ast.parse(Path(home).read_text(encoding="utf-8")))
        if text in labels
    ]
    assert sorted(declared) == sorted(labels), "a label stands twice where measures are declared"
    elsewhere = defaultdict(set)
    for name, tree in _trees():
        if str(SOURCES[name]) not in homes:
            for text in labels.intersection(_literals(tree)):
                elsewhere[name].add(text)
    _says_what_is_left("labels spelled a second time", elsewhere, LABELS_SPELLED_ELSEWHERE)


def test_every_figure_shown_is_made_from_the_catalogue():
    by_hand = defaultdict(set)
    for name, tree in _trees():
        for node in ast.walk(tree):
            maker = MAKERS.get(_called(node)) if isinstance(node, ast.Call) else None
            if maker is not None and not name.startswith(maker):
                by_hand[name].add(f"{_called(node)} in line {node.lineno}")
    _says_what_is_left("figures spelled by hand", by_hand, FIGURES_SPELLED_BY_HAND)


def _written_tables():
    """Return the columns of every table that the recorded commands wrote, by its name."""
    tables = defaultdict(set)

    def walk(part):
        if isinstance(part, dict):
            for name, value in part.items():
                if str(name).endswith(".parquet") and "columns" in value:
                    tables[Path(name).stem].add(tuple(value["columns"]))
                walk(value)
        elif isinstance(part, list):
            for value in part:
                walk(value)

    for path in sorted(RECORDS.glob("*.json")):
        walk(json.loads(path.read_text(encoding="utf-8")))
    return tables


def _pattern(table):
    names = (re.escape(column.name) for column in table.columns)
    return re.compile(",".join(names).replace(re.escape(CURRENCY), "[a-z]{3}"))


def test_every_table_that_a_command_writes_is_declared(catalogue):
    written = _written_tables()
    # The columns of a sweep follow from what it varies, so it is declared anew for each.
    sweeps = [
        fleet_sweep_schema([name for name in form if name in SWEEP_AXES])
        for form in written["sweep"]
    ]
    declared = [_pattern(table) for table in [*catalogue.tables.values(), *sweeps]]
    assert len(written) > 50
    left = defaultdict(set)
    total = catalogued = 0
    for name, forms in written.items():
        for columns in forms:
            total += len(columns)
            if any(pattern.fullmatch(",".join(columns)) for pattern in declared):
                catalogued += len(columns)
            else:
                left[name].add(", ".join(columns))
    _says_what_is_left(
        f"tables without a declaration ({catalogued} of {total} columns have one)",
        left,
        TABLES_NOT_CATALOGUED,
    )


def test_a_declared_table_of_a_study_has_the_columns_that_it_is_written_with(catalogue):
    written = _written_tables()
    differing = {
        name: sorted(columns)
        for name, columns in written.items()
        if (table := catalogue.tables.get(name))
        and not all(_pattern(table).fullmatch(",".join(form)) for form in columns)
    }
    assert differing == {}


def _says_what_is_left(what, faults, listed):
    """Fail where something is new, or where something listed is no longer at fault."""
    new = {name: sorted(faults[name]) for name in sorted(set(faults) - listed)}
    done = sorted(listed - set(faults))
    assert not new, f"{what}, not in the list: {json.dumps(new, ensure_ascii=False, indent=1)}"
    assert not done, f"{what}: strike these from the list, they are done: {done}"


def test_the_lists_name_what_exists():
    files = LABELS_SPELLED_ELSEWHERE | FIGURES_SPELLED_BY_HAND
    assert sorted(files - set(SOURCES)) == []
    assert all(importlib.util.find_spec(name) for name in WINGS_WITHOUT_MEASURES)
