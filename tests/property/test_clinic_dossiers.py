"""Drawn dossiers: the sound ones reach live and answer, and one fault stops each at both doors.

A dossier is what a hospital has on record of a product that it wants to use: its facts, the
ruling that they give, evidence as its class asks, the committee's approval and a deployment.
"""

import random
import sys
from collections import Counter
from collections.abc import Callable
from datetime import date

import pytest

from commonwatt.clinic.domain.registry.evidence import evidence_standard
from commonwatt.clinic.domain.registry.rulings import product_ruling_on_day
from commonwatt.clinic.domain.rules.book import load_regulatory_rule_book
from commonwatt.clinic.engines.gateway.gate import RULES
from tests.clinic_factories import BODIES, DIGEST, MONITOR, NOW, desk, estimates, ruling
from tests.clinic_histories import (
    GOOD,
    INSIDE,
    PRODUCT,
    START,
    Step,
    ask_desk,
    decided,
    gate_of,
    step,
    tell,
    to,
    write,
)
from tests.proofs import PROOFS

LAWS = ("hk", "eu", "us", "cn", "uk", "sg")
TODAY: date = NOW.date()
Fault = Callable[[random.Random, list[Step]], list[Step]]


def drawn_product(chance: random.Random) -> tuple[dict[str, str], str, str]:
    """Return facts, the place where it is used and whose rules it is ruled on by."""
    while True:
        facts = {axis.name: chance.choice(axis.values) for axis in load_regulatory_rule_book().axes}
        place = chance.choice(LAWS)
        law = place if product_ruling_on_day(facts, place, TODAY).route else "house"
        own = product_ruling_on_day(facts, "house", TODAY)
        route = product_ruling_on_day(facts, law, TODAY).route
        if "prohibited" not in (route, own.route) and route:
            return facts, place, law


def sound_dossier(chance: random.Random) -> list[Step]:
    """Return every record of a product that may be used, in an order in which it may come."""
    facts, place, law = drawn_product(chance)
    verdicts = product_ruling_on_day(facts, "house", TODAY).verdicts
    standard = evidence_standard(verdicts[0].klass)
    design = chance.choice(sorted(standard.designs - {"third-party"}))
    events = standard.events + chance.randrange(500)
    figures = estimates(
        auc=round(chance.uniform(0.7, 0.9), 3),
        width=round(standard.auc_width * chance.uniform(0.1, 0.99), 4),
        events=events,
        rows=events + standard.non_events + chance.randrange(2000),
    )
    threshold = round(chance.uniform(0.05, 0.95), 2)
    evidence = {"design": design, "estimates": figures, "threshold": threshold}
    monitor = MONITOR | {"on_alarm": chance.choice(["signal", "pause"])}
    run = {"place": place, "threshold": threshold, "monitor": monitor,
           "mode": chance.choice(["advisory", "confirm", "supervised"])}  # fmt: skip
    plan = {"kinds": ["retrain", "threshold"], "floors": {"auc": 0.1},
            "dataset_sha256": DIGEST, "most_threshold_shift": 0.05}  # fmt: skip
    records = [
        PRODUCT,
        step("version"),
        step("intended-use", facts=facts),
        step("ruling", **ruling(law, facts)),
        step("evidence", **evidence),
        step("determination", plan=plan),
    ]
    if chance.random() < 0.5:
        return [*records, step("deployment", **run), *START]
    update = {"version": "version/v2", "threshold": min(0.98, round(threshold + 0.03, 2))}
    return [
        *records,
        step("version", "v2", previous="version/v1", change=INSIDE, artefact_sha256="cd" * 32),
        step("evidence", "e2", **evidence | update),
        step("deployment", **run | update),
        *START,
    ]


def _changed(dossier: list[Step], kind: str, **changes: object) -> list[Step]:
    """Return the dossier with the last record of a kind changed."""
    last = max(i for i, entry in enumerate(dossier) if entry[0] == kind)
    of_kind, name, body = dossier[last]
    return [*dossier[:last], (of_kind, name, body | changes), *dossier[last + 1 :]]


def _before_start(dossier: list[Step], entry: Step) -> list[Step]:
    return [*dossier[:-2], entry, *dossier[-2:]]


def _without_a_record(chance: random.Random, dossier: list[Step]) -> list[Step]:
    at = chance.randrange(len(dossier) - 1)  # without its last move it is only not live yet
    return dossier[:at] + dossier[at + 1 :]


def _typed_class(chance: random.Random, dossier: list[Step]) -> list[Step]:
    classes = next(body for kind, _, body in dossier if kind == "ruling")["classes"]
    scheme = chance.choice([*classes, "device"])
    other = next(c for c in ("I", "IIa", "II") if c != classes.get(scheme))
    return _changed(dossier, "ruling", classes=classes | {scheme: other})


def _typed_route(chance: random.Random, dossier: list[Step]) -> list[Step]:
    given = next(body for kind, _, body in dossier if kind == "ruling")["route"]
    others = {"approval", "filing", "exempt", "prohibited", "whatever"} - {given}
    return _changed(dossier, "ruling", route=chance.choice(sorted(others)))


def _other_rules(chance: random.Random, dossier: list[Step]) -> list[Step]:
    return _changed(dossier, "ruling", rule_set_sha256=f"{chance.randrange(16**8):08x}" * 8)


def _no_such_place(_: random.Random, dossier: list[Step]) -> list[Step]:
    return _changed(dossier, "ruling", jurisdiction="atlantis")


def _taken_abroad(chance: random.Random, dossier: list[Step]) -> list[Step]:
    place = next(body for kind, _, body in dossier if kind == "deployment")["place"]
    facts = next(body for kind, _, body in dossier if kind == "intended-use")["facts"]
    law = next(body for kind, _, body in dossier if kind == "ruling")["jurisdiction"]
    # A service without a law of its own anywhere may move under the institution's own rules.
    others = [p for p in LAWS if p != place and (
        law != "house" or product_ruling_on_day(facts, p, TODAY).route)]  # fmt: skip
    return _changed(dossier, "deployment", place=chance.choice([*others, "atlantis"]))


def _other_facts(chance: random.Random, dossier: list[Step]) -> list[Step]:
    facts = next(body for kind, _, body in dossier if kind == "intended-use")["facts"]
    name = chance.choice(sorted(facts))
    bad = {**facts, name: "perhaps"} if chance.random() < 0.5 else {
        key: value for key, value in facts.items() if key != name}  # fmt: skip
    return _changed(dossier, "intended-use", facts=bad)


def _prohibited_by_the_house(_: random.Random, dossier: list[Step]) -> list[Step]:
    use = next(body for kind, _, body in dossier if kind == "intended-use")
    alone = {"autonomy": "acts", "condition": "critical", "change": "continuous"}
    facts = use["facts"] | alone
    law = next(body for kind, _, body in dossier if kind == "ruling")["jurisdiction"]
    return _changed(_changed(dossier, "intended-use", facts=facts), "ruling",
                    **ruling(law, facts))  # fmt: skip


def _impossible_figures(chance: random.Random, dossier: list[Step]) -> list[Step]:
    rows = next(b for kind, _, b in reversed(dossier) if kind == "evidence")["estimates"]
    bad = chance.choice([{"estimate": 7}, {"low": 0.99, "high": 0.1}, {"rows": 1}, {"low": -1.0},
                         {"metric": "goodness"}, {"estimate": float("1e9")}])  # fmt: skip
    return _changed(dossier, "evidence", estimates=[rows[0] | bad, *rows[1:]])


def _no_figures(_: random.Random, dossier: list[Step]) -> list[Step]:
    return _changed(dossier, "evidence", estimates=[])


def _few_events(chance: random.Random, dossier: list[Step]) -> list[Step]:
    return _changed(dossier, "evidence", estimates=estimates(events=chance.randrange(10)))


def _other_threshold(chance: random.Random, dossier: list[Step]) -> list[Step]:
    given = next(body for kind, _, body in dossier if kind == "deployment")["threshold"]
    return _changed(
        dossier, "deployment", threshold=round((given + chance.uniform(0.1, 0.8)) % 1, 2)
    )


def _other_guide(chance: random.Random, dossier: list[Step]) -> list[Step]:
    return _changed(dossier, "deployment", guide=chance.choice(["oncology", "pathology"]))


def _unwatched(chance: random.Random, dossier: list[Step]) -> list[Step]:
    bad = chance.choice([{}, {"band": 0.1}, MONITOR | {"alpha": 1.0}, MONITOR | {"alpha": 0},
                         MONITOR | {"band": True}, MONITOR | {"on_alarm": "wait"}])  # fmt: skip
    return _changed(dossier, "deployment", monitor=bad)


def _withdrawn(_: random.Random, dossier: list[Step]) -> list[Step]:
    return _before_start(dossier, decided("w", "withdrawn"))


def _refused(_: random.Random, dossier: list[Step]) -> list[Step]:
    return _changed(dossier, "determination", outcome="refused")


def _superseded(_: random.Random, dossier: list[Step]) -> list[Step]:
    return _before_start(dossier, decided("d2"))


def _of_another_product(chance: random.Random, dossier: list[Step]) -> list[Step]:
    kind = chance.choice(["intended-use", "version"])
    return [step("product", "q"), *_changed(dossier, kind, product="product/q")]


def _evidence_on_another_version(_: random.Random, dossier: list[Step]) -> list[Step]:
    return [*dossier[:2], step("version", "v9"), *_changed(dossier[2:], "evidence",
                                                          version="version/v9")]  # fmt: skip


def _another_model(chance: random.Random, dossier: list[Step]) -> list[Step]:
    if not any(entry[:2] == ("version", "v2") for entry in dossier):
        return _other_guide(chance, dossier)
    other = chance.choice([{"base_model": "another"}, {"prompt_sha256": DIGEST},
                           {"change": INSIDE | {"kinds": ["input"]}},
                           {"previous": "version/v7"}])  # fmt: skip
    return _changed(dossier, "version", **other)


def _without_the_committee(_: random.Random, dossier: list[Step]) -> list[Step]:
    return [*dossier[:-2], dossier[-1]]


def _retired(_: random.Random, dossier: list[Step]) -> list[Step]:
    return [*dossier, to("retired"), to("live")]


FAULTS: tuple[Fault, ...] = (
    _without_a_record, _typed_class, _typed_route, _other_rules, _no_such_place, _taken_abroad,
    _other_facts, _prohibited_by_the_house, _impossible_figures, _no_figures, _few_events,
    _other_threshold, _other_guide, _unwatched, _withdrawn, _refused, _superseded,
    _of_another_product, _evidence_on_another_version, _another_model, _without_the_committee,
    _retired,
)  # fmt: skip


def answer_of(writer, prefix: str) -> str:
    gate = gate_of(writer, prefix)
    tell(writer, gate, prefix)
    return gate.advice_verdict_without_record(
        f"deployment/{prefix}x", gate.encounter_pseudonym("e"), GOOD
    ).rule


@pytest.mark.prove
def test_sound_dossiers_reach_live_and_answer_and_none_with_a_fault_does():
    """As many of either; a fault is written past the desk, too, and stopped by the gate."""
    by_desk, past_desk, rules = desk(), desk(), Counter[str]()
    for number in range(PROOFS.size(60, 2_000)):
        chance, prefix = random.Random(number), f"n{number}-"
        sound = sound_dossier(chance)
        assert all(ask_desk(by_desk, entry, prefix) for entry in sound), (number, sound)
        assert answer_of(by_desk, prefix) == "gate.allowed", number
        fault = FAULTS[number % len(FAULTS)]
        faulty = fault(chance, sound)
        through = [ask_desk(by_desk, entry, f"f{number}-") for entry in faulty]
        assert not all(through), (number, fault.__name__)
        assert answer_of(by_desk, f"f{number}-") != "gate.allowed", (number, fault.__name__)
        for entry in faulty:
            write(past_desk, entry, prefix)
        rule = answer_of(past_desk, prefix)
        assert rule in RULES, (number, fault.__name__, rule)
        rules[rule] += 1
    assert "gate.allowed" not in rules
    assert len(rules) >= PROOFS.size(10, 14), rules
    sys.stderr.write(f"\n{PROOFS.size(60, 2_000)} of either: {dict(rules)}\n")


def test_the_smallest_dossier_is_the_one_that_other_tests_begin_with():
    assert BODIES["ruling"] == ruling("hk")
