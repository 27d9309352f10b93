"""Entries that another program wrote and nobody can read: they stop nothing and count nowhere."""

import json
from dataclasses import replace

import pytest

from commonwatt.cli import root
from commonwatt.cli.frame import run_main
from commonwatt.clinic.domain.registry.records import FIELDS
from commonwatt.clinic.domain.registry.state import Registry
from commonwatt.clinic.engines.gateway.gate import AdviceGate
from commonwatt.ledger import EntryDraft
from tests.clinic_factories import BODIES, BY, GOOD, KEYS, NOW, move, with_live
from tests.clinic_institution import EARLY, hospital


def past_the_desk(writer, kind, subject, body, role, at=NOW):
    with writer.transaction() as tx:
        draft = EntryDraft(kind=kind, subject=subject, body=body)
        return writer.ledger.append(tx, [draft], by=KEYS[role], at=at)


WRONG = [None, 5, [1], {"a": 1}, "x", True]


@pytest.mark.parametrize("kind", sorted(set(FIELDS) - {"examination"}))
def test_no_entry_of_any_form_stops_the_clinic(kind):
    """Without any members, and with each member of every other type."""
    made = with_live()
    whole, by = BODIES.get(kind, {}), BY.get(kind, "committee-chair")
    bodies = [{}, {"deployment": "deployment/x"}]
    bodies += [whole | {field.name: wrong} for field in FIELDS[kind] for wrong in WRONG]
    for number, body in enumerate(bodies):
        past_the_desk(made, f"clinic.{kind}", f"{kind}/odd-{number}", body, by)
    past_the_desk(made, f"clinic.{kind}", "elsewhere", whole, by)
    made.refresh_registry()
    aside = {entry.subject for entry in made.registry.set_aside.values()}
    assert {f"{kind}/odd-0", "elsewhere"} <= aside
    assert aside.isdisjoint(made.registry.records)
    gate = AdviceGate(made, "qmh", {"deployment/x": lambda _: 0.42}, by=KEYS["gateway"], salt=b"s")
    for deployment in made.registry.by_kind["deployment"]:
        # An answer with a rule or without one, and never an error of ours.
        gate.advice_verdict_without_record(deployment, gate.encounter_pseudonym("e"), GOOD)
    move(made, "paused", "safety-officer")
    again = Registry()
    again.apply_ledger_entries(made.ledger.entries())
    assert again.set_aside == made.registry.set_aside


@pytest.mark.parametrize("to", [None, "nowhere", 3, ["live"]])
def test_a_move_to_nowhere_moves_nothing(to):
    """The ledger itself lets nobody write it; a table of roles of a site might."""
    made = with_live()
    entry = list(made.ledger.entries())[-1]
    odd = replace(entry, index=entry.index + 1, body={"to": to, "reason": "r"})
    assert odd.kind == "clinic.move"
    made.registry.apply_ledger_entries([odd])
    assert made.registry.deployment_status("deployment/x") == "live"
    assert list(made.registry.set_aside) == [odd.index]


def test_what_was_set_aside_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    made = hospital(tmp_path)
    [entry] = past_the_desk(made, "clinic.event", "event/odd", {}, "monitor", EARLY)
    made.ledger.engine.dispose()
    assert run_main(root, ["clinic", "model", "live", "qmh", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [row["refused_by"] for row in answer["live"]] == [None]
    [aside] = answer["set_aside"]
    assert (aside["index"], aside["subject"]) == (entry.index, "event/odd")
    for language, words in (("en", "counts nowhere"), ("zh-Hant", "不計算")):
        assert run_main(root, ["clinic", "model", "live", "qmh", "--lang", language]) == 0
        out = capsys.readouterr().out
        assert "event/odd" in out
        assert words in out
