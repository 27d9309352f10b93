"""A programme with one fault is refused at its place; one that is only unusual is studied."""

import copy
import difflib
import re
import tomllib
from pathlib import Path

import pytest

from commonwatt.core.errors import CommonwattError, ProgrammeError
from commonwatt.runs import RunStore
from commonwatt.study.check import study_run_fault_messages
from commonwatt.study.usecases import run_study
from tests.programme_kinds import (
    FAULTS,
    UNUSUAL,
    Beside,
    base_document,
    drawn_kinds,
    read_whole,
    write_programme,
)
from tests.programme_rules import broken_programme_rules
from tests.proofs import PROOFS

# What a remedy says to write, where it quotes it.
QUOTED = re.compile(
    r"(?:for example|at least|at most|Write|write) (?:(\w+) = )?"
    r"(\"[^\"]*\"|\[(?:\"[^\"]*\"|[\d., -])+\]|-?\d[\d.]*\d|\d(?! in))"
)
MEANT = re.compile(r'Did you mean "([^"]+)"')
UNFILLED = re.compile(r"\{[a-z_]+\}")  # a gap of a sentence that nothing was put into
FAULT_COUNT, UNUSUAL_COUNT = len(FAULTS), len(UNUSUAL)


def _named(count, full, kinds):
    size = PROOFS.size(count, full)
    return [
        pytest.param(kind, chance, id=f"{i}-{kind.__name__.strip('_')}")
        for i, (kind, chance) in enumerate(drawn_kinds(kinds, size, seed=14))
    ]


def _at(document, steps):
    for step in steps:
        document = document.get(step) if isinstance(document, dict) else document[int(step)]
    return document


def followed(document, where, remedy):
    """Return the document as somebody would mend it who follows a remedy; None if it quotes none.

    A remedy quotes a value for the key at fault, for a key beside it or below it, or the name
    that was meant.
    """
    if isinstance(where, Beside) or where == "" or where.startswith("line "):
        return None
    document, (*way, last) = copy.deepcopy(document), where.split(".")
    table, meant, written = _at(document, way), MEANT.search(remedy), QUOTED.search(remedy)
    if meant is not None:
        _rename(table, last, meant[1])
    elif written is not None:
        value = tomllib.loads(f"value = {written[2]}")["value"]
        below = {"low", "high", "value", "times"}  # keys of a cell or of a series
        if isinstance(table.get(last), dict) and (written[1] or "value") in below:
            table[last][written[1] or "value"] = value
        else:
            table[written[1] or last] = value
    else:
        return None
    return document


def _rename(table, last, name):
    if isinstance(table[last], list):  # the one of the list that is nearest to what was meant
        others = [each for each in table[last] if each != name]
        (near,) = difflib.get_close_matches(name, others, n=1)
        table[last] = [name if each == near else each for each in table[last]]
    elif isinstance(table[last], dict) or name in table:  # the key itself was mistyped
        table[name] = table.pop(last)
    else:
        table[last] = name


def test_the_base_of_both_sides_is_read(tmp_path):
    read_whole(write_programme(tmp_path, base_document()))


@pytest.mark.prove
@pytest.mark.parametrize(("kind", "chance"), _named(FAULT_COUNT, 3 * FAULT_COUNT, FAULTS))
def test_one_fault_is_one_error_with_its_path_and_a_remedy_that_can_be_followed(
    kind, chance, tmp_path
):
    document = base_document()
    where = kind(document, chance)
    path = write_programme(tmp_path, document)
    with pytest.raises(CommonwattError) as caught:
        read_whole(path)
    error = caught.value
    check_place(error, where)
    assert str(error.found)
    assert str(error.remedy) or str(error.wanted), str(error)
    assert not UNFILLED.search(error.translate("zh-Hant"))
    mended = followed(document, where, str(error.remedy))
    if mended is not None:
        read_whole(write_programme(tmp_path, mended))


def check_place(error, where):
    """Check that an error is one fault, at its path in the programme or its place beside it."""
    if isinstance(where, Beside):
        place = Path(error.where).name
        assert place == where or place.startswith(f"{where}, "), str(error)
    else:
        assert isinstance(error, ProgrammeError)
        assert error.where == ", ".join(filter(None, ("drawn.toml", where))), str(error)
    # Several faults stand in lines below each other, and one line tells of one.
    assert "\n" not in str(error), str(error)


def test_many_remedies_quote_what_can_be_written(tmp_path):
    quoted = 0
    for kind, chance in drawn_kinds(FAULTS, len(FAULTS), seed=14):
        document = base_document()
        where = kind(document, chance)
        with pytest.raises(CommonwattError) as caught:
            read_whole(write_programme(tmp_path, document))
        quoted += followed(document, where, str(caught.value.remedy)) is not None
    # The others are of a form, a file or a rule, which no single value mends.
    assert quoted > len(FAULTS) / 3


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One store for all: what a kind leaves as it is need not be computed again."""
    return RunStore(tmp_path_factory.mktemp("store"))


@pytest.mark.prove
@pytest.mark.parametrize(("kind", "chance"), _named(UNUSUAL_COUNT, 3 * UNUSUAL_COUNT, UNUSUAL))
def test_what_is_unusual_and_sound_runs_to_the_end_and_keeps_its_rules(
    kind, chance, tmp_path, store
):
    document = base_document()
    kind(document, chance)
    path = write_programme(tmp_path, document)
    read_whole(path)
    # Each is read; a third of them is computed, too, and all of them under `make prove`.
    if not (PROOFS.full or chance.random() < 1 / 3):
        return
    study = run_study(path, store)
    assert study.absent_parts_error() is None
    assert broken_programme_rules(document, study.folder) == []
    # Every figure anew from the tables: as long again as the study, and so not of each.
    if PROOFS.full or chance.random() < 0.2:
        assert study_run_fault_messages(study.folder) == []


def test_a_rule_that_a_table_breaks_is_named(tmp_path, store):
    document = base_document()
    study = run_study(write_programme(tmp_path, document), store)
    document["tenants"][0]["sites"] = ["rented"]
    document["sites"][0]["pools"][0]["nodes"] = 3
    document["funding"]["years"] = 11
    broken = "; ".join(broken_programme_rules(document, study.folder))
    for part in ("a job of a at", "the programme has", "funding_years has 10 rows, and not 11"):
        assert part in broken


def test_there_are_kinds_enough_and_each_does_something_of_its_own():
    assert len(FAULTS) >= 60
    assert len(UNUSUAL) >= 60
    for kind, chance in drawn_kinds([*FAULTS, *UNUSUAL], len(FAULTS) + len(UNUSUAL), seed=1):
        document = base_document()
        kind(document, chance)
        text = 'title = "Home hall"\n"seed" = 3\n'
        spelled = document.spell(text) != text
        assert document != base_document() or document.beside or spelled, kind.__name__
