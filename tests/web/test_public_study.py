"""The study that the console opens with: pinned by who may, on record, and never a what-if."""

import itertools
from datetime import UTC, datetime

import pytest

from commonwatt.ledger.verify import verify_ledger
from commonwatt.runs import RunRecipe, RunStore
from commonwatt.web.public_study import (
    pin_public_study,
    pinned_study_id_or_blank,
    public_study,
    unpin_public_study,
)
from commonwatt.web.roles import ACTION_ROLES, ConsoleAction, ConsoleRole
from tests.web.console import HTML, running
from tests.web.sample import sample_store, sample_what_if


def _other_study(root, title):
    """Put a newer study of another programme into the store, without any table."""
    store = RunStore(root)
    recipe = RunRecipe(kind="study", title=title, seed=1, parameters={"t": title}, inputs=[])
    return store.complete_run_draft(store.draft(recipe), headline={})


@pytest.fixture
def console(tmp_path):
    root = tmp_path / "runs"
    harbour = sample_store(root)
    changed = sample_what_if(root, ["fleet.order=qssf"], mean_queue_delay_s=1.0)
    with running(root) as made:
        yield made, harbour, changed


def _shown(visitor):
    return visitor.get("/programme.json").json()["runs"]


def test_somebody_elses_study_no_longer_replaces_what_everybody_opens_with(console):
    made, harbour, _ = console
    with made.visitor(ConsoleRole.PLANNER) as planner, made.visitor(ConsoleRole.VIEWER) as viewer:
        assert _shown(viewer) == [harbour.run_id]
        pinned = planner.post(f"/runs/{harbour.run_id}/pin").json()
        assert pinned == {"pinned": harbour.run_id, "shown": harbour.run_id}
        fjord = _other_study(made.desk.settings.store, "Fjord")
        assert public_study(made.desk).run_id == harbour.run_id
        assert _shown(viewer) == [harbour.run_id]
        for language, chip in (("en", "public study"), ("zh-Hant", "公開的研究")):
            for page in ("programme", "fleet", "sites", "origins", "runs"):
                text = viewer.get(f"/{page}?lang={language}", headers=HTML).text
                assert f'<span class="chip good">{chip}</span>' in text, (language, page)
        page = planner.get(f"/runs?run={harbour.run_id}", headers=HTML).text
        assert f'action="/runs/{harbour.run_id}/unpin"' in page
        gone = planner.post(f"/runs/{harbour.run_id}/unpin").json()
        assert gone == {"pinned": "", "shown": fjord.run_id}
    bodies = [e.body for e in made.desk.ledger.entries(kind="console.public-study")]
    assert bodies == [{"run": harbour.run_id, "by": "planner"}, {"run": "", "by": "planner"}]
    verify_ledger(made.desk.ledger)


def test_neither_a_what_if_nor_another_run_is_ever_public(console):
    made, harbour, changed = console
    store = RunStore(made.desk.settings.store)
    recipe = RunRecipe(kind="fleet-compare", title="x", seed=1, parameters={}, inputs=[])
    compared = store.complete_run_draft(store.draft(recipe), headline={})
    with made.visitor(ConsoleRole.PLANNER) as planner:
        for run, status in (
            (changed.run_id, 409),
            (compared.run_id, 409),
            ("0" * 16, 404),
            ("..", 404),
        ):
            assert planner.post(f"/runs/{run}/pin").status_code == status
        refused = planner.post(f"/runs/{changed.run_id}/pin").json()
        assert "pin that study" in refused["remedy"]
        # A button that would only be refused is not offered.
        assert "/pin" not in planner.get(f"/runs?run={changed.run_id}", headers=HTML).text
        assert "/pin" in planner.get(f"/runs?run={harbour.run_id}", headers=HTML).text
    assert pinned_study_id_or_blank(made.desk) == ""
    assert public_study(made.desk).run_id == harbour.run_id


@pytest.mark.parametrize("role", ConsoleRole)
def test_only_planners_and_who_keeps_the_accounts_pin(console, role):
    made, harbour, _ = console
    may = role in ACTION_ROLES[ConsoleAction.PIN_STUDY]
    assert may is (role in {ConsoleRole.PLANNER, ConsoleRole.REGISTRAR})
    with made.visitor(role) as visitor:
        assert (visitor.post(f"/runs/{harbour.run_id}/pin").status_code == 200) is may
        assert (visitor.post(f"/runs/{harbour.run_id}/unpin").status_code == 200) is may
        visitor.headers.pop("x-csrf")
        assert visitor.post(f"/runs/{harbour.run_id}/pin").status_code == 403


def test_pinning_again_writes_nothing_and_a_run_that_is_gone_pins_nothing(console, monkeypatch):
    made, harbour, _ = console
    desk, now = made.desk, datetime.now(UTC)
    fjord = _other_study(desk.settings.store, "Fjord")
    for _ in range(3):
        pin_public_study(desk, fjord.run_id, "ada", now=now)
    assert len(list(desk.ledger.entries(kind="console.public-study"))) == 1
    with pytest.raises(Exception, match="not pinned"):
        unpin_public_study(desk, harbour.run_id, "ada", now=now)
    assert pinned_study_id_or_blank(desk) == fjord.run_id
    every = desk.runs._store.ids
    monkeypatch.setattr(
        desk.runs._store, "ids", lambda: [each for each in every() if each != fjord.run_id]
    )
    assert public_study(desk).run_id == harbour.run_id
    with made.visitor(ConsoleRole.VIEWER) as viewer:
        page = viewer.get("/programme", headers=HTML)
        assert page.status_code == 200
        assert "the newest study" in page.text


def test_the_last_pin_holds_whatever_the_order(console):
    made, harbour, _ = console
    desk, now = made.desk, datetime.now(UTC)
    studies = [harbour, _other_study(desk.settings.store, "A"),
               _other_study(desk.settings.store, "B")]  # fmt: skip
    for order in itertools.permutations(studies):
        for run in order:
            pin_public_study(desk, run.run_id, "ada", now=now)
        assert public_study(desk).run_id == order[-1].run_id
