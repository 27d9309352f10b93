"""A name stands for one thing: a link, an alternative, a tenant in tables and charts."""

import pytest

from commonwatt.core.errors import ProgrammeError
from commonwatt.runs import RunStore
from commonwatt.study.programme.changes import apply_programme_changes
from commonwatt.study.usecases import run_study
from tests.small_programme import small_programme

LINKS = [
    {"between": ["home-b", "c"], "rtt": "100 ms"},
    {"between": ["home", "b-c"], "rtt": "32 ms"},
    {"between": ["home", "c"], "rtt": "5 ms"},
]


def test_a_name_of_two_links_is_refused_with_their_places():
    with pytest.raises(ValueError, match="each of 0, 1"):
        apply_programme_changes({"latency": LINKS}, ["latency.home-b-c.rtt=x2"])


def test_a_link_of_one_name_and_a_place_are_changed():
    changed = apply_programme_changes(
        {"latency": [dict(link) for link in LINKS]},
        ["latency.c-home.rtt=7 ms", "latency.1.rtt=40 ms"],
    )
    assert [link["rtt"] for link in changed["latency"]] == ["100 ms", "40 ms", "7 ms"]


def test_a_mistyped_alternative_is_refused_and_makes_none(tmp_path):
    programme, store = small_programme(tmp_path), RunStore(tmp_path / "runs")
    with pytest.raises(ProgrammeError, match="there is no 'hom', only mixed, home, rent"):
        run_study(programme, store, what_if=["alternatives.hom.label=x"])


LABEL = 'label = { en = "Universities", zh-Hant = "大學" }'


B = '[[tenants]]\nname = "b"\nsites = ["home"]\n'


@pytest.mark.parametrize(("label", "is_sound"), [("b", False), ("B", False), ("Bees", True)])
def test_a_label_that_names_a_tenant_of_the_trace_is_refused_and_any_other_is_not(
    tmp_path, label, is_sound
):
    changes = {LABEL: f'label = "{label}"', B: ""}
    programme = small_programme(tmp_path, changes=changes, jobs=12)
    if is_sound:
        run_study(programme, RunStore(tmp_path / "runs"))
        return
    wanted = rf"tenants\.0\.label: found '{label}', the name of another tenant"
    with pytest.raises(ProgrammeError, match=wanted):
        run_study(programme, RunStore(tmp_path / "runs"))
