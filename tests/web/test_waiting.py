"""What takes longer than a page may is made outside it, once, and the page says so meanwhile."""

import threading
from collections import Counter

import pytest

from commonwatt.web.background import BackgroundResults
from commonwatt.web.errors import StillMadeError
from commonwatt.web.roles import ConsoleRole
from commonwatt.web.settings import Settings
from tests.web.console import HTML, running


def test_a_result_is_made_once_and_waited_for_by_whoever_has_patience():
    results, made, may_end = BackgroundResults(4), [], threading.Event()

    def make():
        made.append(1)
        assert may_end.wait(60)
        return "made"

    for _ in range(3):
        with pytest.raises(StillMadeError):
            results.result("a", make, 0)
    patient, answers = [], []
    for _ in range(3):
        patient.append(
            threading.Thread(target=lambda: answers.append(results.result("a", make, None)))
        )
        patient[-1].start()
    may_end.set()
    for thread in patient:
        thread.join(60)
    assert (answers, made) == (["made"] * 3, [1])
    assert results.result("a", make, 0) == "made"


@pytest.mark.parametrize("fault", [ValueError("no"), TimeoutError("of its own"), KeyError("k")])
def test_what_goes_wrong_is_told_and_then_tried_again(fault):
    results = BackgroundResults(4)

    def fail():
        raise fault

    with pytest.raises(type(fault)):
        results.result("a", fail, None)
    assert results.result("a", lambda: "made", None) == "made"


def test_only_the_last_few_stay_and_none_that_is_being_made_goes():
    results, made, may_end = BackgroundResults(3), Counter(), threading.Event()

    def make(name):
        made[name] += 1
        assert name != "slow" or may_end.wait(60)
        return name

    with pytest.raises(StillMadeError):
        results.result("slow", lambda: make("slow"), 0)
    for name in "abcdef":
        results.result(name, lambda name=name: make(name), None)
    may_end.set()
    assert results.result("slow", lambda: make("slow"), None) == "slow"
    results.result("f", lambda: make("f"), None)
    results.result("a", lambda: make("a"), None)
    assert made == {"slow": 1, "a": 2, "b": 1, "c": 1, "d": 1, "e": 1, "f": 1}


@pytest.fixture
def slow_country(monkeypatch):
    """Let the debt of a country be explored only when the test says so; yield how often it was."""
    from commonwatt.treasury.usecases import explore

    may_end, calls, plain = threading.Event(), [], explore.explore_country_debt_change

    def explore_when_told(name, change):
        calls.append(name)
        assert may_end.wait(120)
        return plain(name, change)

    monkeypatch.setattr(explore, "explore_country_debt_change", explore_when_told)
    yield may_end, calls
    may_end.set()


def test_the_first_opening_of_treasury_shows_a_sign_of_life(tmp_path, slow_country):
    may_end, calls = slow_country
    served = running(tmp_path / "runs", patience_s=0.0)
    with served as console, console.visitor(ConsoleRole.VIEWER) as visitor:
        for path in ("/treasury", "/treasury", "/treasury/tables/years"):
            page = visitor.get(path, headers=HTML)
            assert page.status_code == 202
            assert 'id="page-waiting"' in page.text
            assert f'hx-get="{path}"' in page.text
            assert "<progress" in page.text
        # Other pages are served meanwhile.
        assert visitor.get("/fleet", headers=HTML).status_code == 200
        may_end.set()
        # A program waits and gets the figures.
        assert visitor.get("/treasury.json").json()["data"]["years"]
        page = visitor.get("/treasury", headers=HTML)
        assert (page.status_code, "page-waiting" in page.text) == (200, False)
        # The waiting page is told to load the page whole, with its scripts.
        asked = visitor.get("/treasury", headers=HTML | {"hx-target": "page-waiting"})
        assert asked.headers["hx-refresh"] == "true"
    assert calls == ["hongkong"]


def test_the_plan_of_a_country_is_explored_once_for_all_processes_and_starts(
    tmp_path, slow_country
):
    may_end, calls = slow_country
    may_end.set()
    answers = []
    for _ in range(2):
        with running(tmp_path / "runs") as console, console.visitor(ConsoleRole.VIEWER) as visitor:
            answers.append(visitor.get("/treasury.json").json())
            changed = visitor.get("/treasury.json?growth=1").json()
            assert changed["data"]["years"] != answers[0]["data"]["years"]
    assert answers[0] == answers[1]
    # What a reader changes is of that reader's own moment, and kept in no file.
    assert len(calls) == 3


def test_a_page_waits_less_than_a_second_before_it_says_so(tmp_path):
    assert 0 < Settings.of(tmp_path).patience_s < 1
