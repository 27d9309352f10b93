"""Groups of requests, models that fail, lots that somebody cheats on."""

import asyncio
import http.server
import json
import threading
from dataclasses import replace

import pytest

from commonwatt.clinic.domain.errors import AdviceRefusedError
from commonwatt.clinic.engines.gateway import AdviceGate
from commonwatt.clinic.engines.gateway.gate import AdviceRequest
from commonwatt.clinic.engines.gateway.group_commit import GroupCommitter
from commonwatt.clinic.engines.gateway.lottery import (
    EncounterLottery,
    audit_encounter_lottery,
    record_lottery_commitment,
)
from commonwatt.clinic.engines.gateway.models import HttpModel, load_medical_model
from commonwatt.core.errors import CommonwattError
from tests.clinic_factories import GOOD, HOUR, KEYS, NOW, put, with_live

LOT = EncounterLottery(secret=b"s" * 32, share=0.5)


def gate_with(model=lambda _: 0.4, lot=None):
    made = with_live()
    gate = AdviceGate(
        made, "qmh", {"deployment/x": model}, by=KEYS["gateway"], salt=b"s", sample=lot
    )
    for i in range(20):
        disclosure = {
            "deployment": "deployment/x",
            "encounter": gate.encounter_pseudonym(f"e{i}"),
            "language": "en",
        }
        put(made, "disclosure", f"d{i}", disclosure)
    return gate


def question(i, own=None, facts=GOOD):
    return AdviceRequest(
        deployment="deployment/x", encounter_id=f"e{i}", facts=facts, own_estimate=own
    )


def test_requests_that_come_together_are_answered_in_their_order_by_few_commits():
    commits = []

    def settle(group):
        commits.append(len(group))
        return [n * n for n in group]

    async def hundred():
        group = GroupCommitter(settle)
        return await asyncio.gather(*(group.submit_advice_question(n) for n in range(100)))

    assert asyncio.run(hundred()) == [n * n for n in range(100)]
    assert sum(commits) == 100
    assert len(commits) <= 3


def test_a_commit_that_fails_fails_all_of_its_group_and_the_next_one_goes_on():
    def settle(group):
        if "bad" in group:
            raise OSError("disk")
        return group

    async def both():
        group = GroupCommitter(settle)
        first = await asyncio.gather(
            group.submit_advice_question("bad"),
            group.submit_advice_question("a"),
            return_exceptions=True,
        )
        return first, await group.submit_advice_question("b")

    first, second = asyncio.run(both())
    assert [type(error) for error in first] == [OSError, OSError]
    assert second == "b"


def test_one_question_that_cannot_be_kept_leaves_the_others_of_its_commit_alone():
    gate = gate_with()
    size = gate.writer.ledger.head().size
    prepared = [gate.prepare_advice(question(i, own)) for i, own in enumerate((0.2, 7.0, 0.3))]
    good, bad, also = gate.record_prepared_advice(prepared, at=NOW)
    assert (good.allows_advice, also.allows_advice) == (True, True)
    assert isinstance(bad, CommonwattError)
    assert gate.writer.ledger.head().size == size + 2


@pytest.mark.parametrize(("estimate", "sound"), [(0.0, True), (1.0, True), (1.5, False)])
def test_a_single_question_that_cannot_be_recorded_is_raised_to_whoever_asked(estimate, sound):
    gate = gate_with()
    request_made = question(0, estimate)

    def request():
        return gate.record_and_answer_advice_request(
            request_made.deployment,
            request_made.encounter_id,
            request_made.facts,
            at=NOW,
            own_estimate=estimate,
        )

    if sound:
        assert request().allows_advice
        return
    size = gate.writer.ledger.head().size
    with pytest.raises(CommonwattError):
        request()
    assert gate.writer.ledger.head().size == size


def test_what_changed_between_the_question_and_its_commit_counts():
    gate = gate_with()
    early = gate.prepare_advice(replace(question(0), encounter_id="new"))
    ready = gate.prepare_advice(question(1))
    disclosure = {
        "deployment": "deployment/x",
        "encounter": gate.encounter_pseudonym("new"),
        "language": "en",
    }
    put(gate.writer, "disclosure", "late", disclosure)
    assert gate.record_prepared_advice([early], at=NOW)[0].allows_advice
    with gate.writer.transaction() as tx:
        gate.writer.move_deployment(
            tx, "deployment/x", "paused", by=KEYS["safety-officer"], at=NOW, reason="r"
        )
    assert gate.record_prepared_advice([ready], at=NOW)[0].rule == "gate.not-live"


def broken(_):
    raise RuntimeError("a patient's name")


@pytest.mark.parametrize("model", [broken, lambda _: float("nan"), lambda _: 2, lambda _: None])
def test_a_model_that_fails_refuses_by_a_rule_and_its_words_reach_no_record(model):
    gate = gate_with(model)
    verdict = gate.record_and_answer_advice_request("deployment/x", "e1", GOOD, at=NOW)
    assert verdict.rule == "gate.model-failed"
    assert "patient" not in list(gate.writer.ledger.entries())[-1].text
    with pytest.raises(AdviceRefusedError, match=r"gate\.model-failed"):
        verdict.check_allows_advice()


class Scores(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        payload = json.loads(self.rfile.read(int(self.headers["content-length"])))
        body = json.dumps({"score": float(payload["facts"]["age_years"]) / 100}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_a_model_behind_a_server_is_asked_and_one_that_is_gone_refuses(tmp_path):
    server = http.server.HTTPServer(("127.0.0.1", 0), Scores)
    threading.Thread(target=server.serve_forever, args=(0.01,)).start()
    url = f"http://127.0.0.1:{server.server_port}/"
    loaded = load_medical_model({"url": url}, tmp_path, "here")
    assert (loaded.remote, loaded.has_artefact_digest) == (True, False)
    gate = gate_with(loaded.model)
    assert gate.record_and_answer_advice_request("deployment/x", "e1", GOOD, at=NOW).score == 0.5
    server.shutdown()
    server.server_close()
    gone = gate_with(HttpModel(url=url, timeout_s=0.5))
    assert (
        gone.record_and_answer_advice_request("deployment/x", "e1", GOOD, at=NOW).detail
        == "URLError"
    )


def test_an_honest_gate_passes_the_audit_and_the_lot_cannot_be_chosen_afterwards():
    gate = gate_with(lot=LOT)
    record_lottery_commitment(gate.writer, "qmh", LOT, by=KEYS["gateway"], at=NOW)
    record_lottery_commitment(
        gate.writer, "qmh", LOT, by=KEYS["gateway"], at=NOW
    )  # in force already
    for i in range(20):
        gate.record_and_answer_advice_request(
            "deployment/x", f"e{i}", GOOD, at=NOW, own_estimate=0.1
        )
    entries = list(gate.writer.ledger.entries())
    assert sum(entry.kind == "gate.sample" for entry in entries) == 1
    audit = audit_encounter_lottery(entries, "qmh", [LOT.secret])
    assert (audit.lots, audit.shown_first, audit.marked_wrongly) == (20, (), ())
    assert 0 < audit.drawn < 20
    chosen = audit_encounter_lottery(entries, "qmh", [b"another secret"])
    assert (chosen.lots, chosen.sealed) == (0, 20)


def test_a_gate_that_spares_a_doctor_or_marks_falsely_is_found_out():
    gate = gate_with(lot=LOT)
    record_lottery_commitment(gate.writer, "qmh", LOT, by=KEYS["gateway"], at=NOW)
    drawn = next(
        i
        for i in range(20)
        if LOT.asks_clinician_first("deployment/x", gate.encounter_pseudonym(f"e{i}"))
    )
    free = next(
        i
        for i in range(20)
        if not LOT.asks_clinician_first("deployment/x", gate.encounter_pseudonym(f"e{i}"))
    )
    body = {"deployment": "deployment/x", "score": 0.4, "shown": True}
    for name, i, sampled in (("a", drawn, True), ("b", drawn, False), ("c", free, True)):
        encounter = {
            "encounter": gate.encounter_pseudonym(f"e{i}"),
            "sampled": sampled,
            "own_estimate": 0.2,
        }
        given = {k: v for k, v in encounter.items() if (name, k) != ("a", "own_estimate")}
        put(gate.writer, "advice", name, body | given, NOW + HOUR)
    audit = audit_encounter_lottery(gate.writer.ledger.entries(), "qmh", [LOT.secret])
    assert audit.shown_first == ("advice/a",)
    assert audit.marked_wrongly == ("advice/b", "advice/c")


def test_an_agents_question_draws_no_lot_because_nobody_is_shown_it():
    gate = gate_with(lot=EncounterLottery(secret=b"s" * 32, share=1.0))
    assert gate.record_and_answer_advice_request(
        "deployment/x", "e1", GOOD, at=NOW, asker="agent"
    ).allows_advice
    assert (
        gate.record_and_answer_advice_request("deployment/x", "e1", GOOD, at=NOW).rule
        == "gate.own-estimate-first"
    )


def test_a_replay_of_patients_through_gate_and_registry_shows_what_both_voices_knew():
    """Every eighteenth patient of the SUPPORT study, asked first and advised after."""
    import polars as pl

    from commonwatt.clinic.engines.evidence import compare_clinician_and_model
    from commonwatt.clinic.usecases.section import FORECASTS

    rows = pl.read_csv(FORECASTS).gather_every(18)
    scores = rows["model"].to_list()
    lot = EncounterLottery(secret=b"s" * 32, share=1.0)
    asked_of = iter(scores)
    gate = gate_with(lambda _: next(asked_of), lot)
    desk = gate.writer
    with desk.transaction() as tx:
        for i in range(rows.height):
            records = {"encounter": gate.encounter_pseudonym(f"p{i}"), "language": "en"}
            body = records | {"deployment": "deployment/x"}
            desk.write_registry_record(
                tx, "disclosure", f"p{i}", body, by=KEYS["clinician"], at=NOW
            )
    requests = [
        AdviceRequest(
            deployment="deployment/x",
            encounter_id=f"p{i}",
            facts=GOOD,
            own_estimate=row["doctor"],
        )
        for i, row in enumerate(rows.iter_rows(named=True))
    ]
    given = gate.record_prepared_advice(
        [gate.prepare_advice(request) for request in requests], at=NOW
    )
    with desk.transaction() as tx:
        for verdict, alive in zip(given, rows["alive"], strict=True):
            body = {"advice": verdict.advice, "label": bool(alive)}
            name = verdict.advice.removeprefix("advice/")
            desk.write_registry_record(tx, "outcome", name, body, by=KEYS["gateway"], at=NOW)
    records = desk.registry.lottery_score_estimate_and_outcome_rows("deployment/x")
    comparison = compare_clinician_and_model(*zip(*records, strict=True))
    assert comparison == compare_clinician_and_model(rows["model"], rows["doctor"], rows["alive"])
    assert comparison.rows == rows.height == 415
    assert comparison.both[0] > max(comparison.model[0], comparison.doctor[0])
