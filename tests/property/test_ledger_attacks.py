"""Attacks by people with database and files are found by the verifiers and at the next decision.

The twin: as many honest histories of the same generator hold everywhere.
"""

from collections import Counter
from pathlib import Path
from random import Random

import pytest

from commonwatt.ledger import Key, Person, actor_id_of
from tests.clinic_factories import ROLES
from tests.ledger_attacks import (
    ATTACKS,
    append_raw,
    deciding_reads,
    go_on_honestly,
    independent_verifier,
    open_database,
    play_history,
    verifier,
)
from tests.proofs import PROOFS


@pytest.mark.slow
@pytest.mark.prove
def test_every_attack_is_found_by_the_verifiers_and_at_the_deciding_read(tmp_path: Path):
    chance, played = Random(15), Counter[str]()
    missed: list[str] = []
    number = 0
    while played.total() < PROOFS.size(32, 300):
        number += 1
        attack = ATTACKS[number % len(ATTACKS)]
        scene = play_history(tmp_path / f"{number}", chance)
        # Not every role can make every attack, nor every history bear it.
        able = (role for role in chance.sample(ROLES, len(ROLES)) if attack(scene, role))
        role = next(able, None)
        if role is None:
            continue
        played[attack.__name__] += 1
        with scene.remembered_by("reader"):
            answers = {
                "deciding read": deciding_reads(scene),
                "verifier": verifier(scene),
                "independent": independent_verifier(scene, scene.keys[role]),
            }
        # The verifier of an export has no table of actors to look at: what was edited there
        # alone never reaches it.
        if attack.__name__ in ("edit_role_in_table", "edit_name_or_key_in_table"):
            answers["independent"] = "not exported"
        if attack.__name__ == "edit_used_row" and not answers["independent"]:
            answers["independent"] = "not exported"  # columns that are filed beside the line
        missed += [
            f"{attack.__name__} by {role}, history {number}: {by}"
            for by, fault in answers.items()
            if not fault or "nothing live" in fault
        ]
    assert not missed
    assert len(played) == len(ATTACKS)


@pytest.mark.slow
@pytest.mark.prove
def test_honest_histories_of_the_same_generator_hold_everywhere(tmp_path: Path):
    chance = Random(15)
    for number in range(PROOFS.size(32, 300)):
        scene = play_history(tmp_path / f"{number}", chance)
        go_on_honestly(scene)
        with scene.remembered_by("reader"):
            assert deciding_reads(scene) == ""
            assert verifier(scene) == ""
            assert independent_verifier(scene, scene.keys[chance.choice(ROLES)]) == ""


RIGHT = ("demo.note", "x/1", {"n": 1}, None)
ODD_ENTRIES = {
    # Between the history and today: what is no instant must not be found as one of the future.
    "an instant that is no day": ("demo.note", "x/1", {}, "2026-11-31T00:00:00.000000Z"),
    "an instant in letters": ("demo.note", "x/1", {}, "2026-11-2ZT00:00:00.000000Z"),
    "an instant past midnight": ("demo.note", "x/1", {}, "2026-11-23T24:00:00.000000Z"),
    "an instant of another form": ("demo.note", "x/1", {}, "2026-11-23T00:00:00-000000Z"),
    "a revocation twice": ("ledger.revoke", "actor/{gone}", {"reason": "x"}, None),
    "a revocation of nobody": ("ledger.revoke", "actor/0000000000000000", {"reason": "x"}, None),
    "an enrolment twice": ("ledger.enrol", "actor/{me}", {"public_key": "{key}", "name": "x",
                           "role": "clinician", "organisation": "x", "device": "x"}, None),
    "an enrolment without a key": ("ledger.enrol", "actor/{me}", {"name": "x"}, None),
    "a table without roles": ("ledger.permissions", "ledger/permissions", {"committee": []}, None),
    "a kind of its own": ("ledger.seize", "ledger/x", {}, None),
    "a clock after itself": ("ledger.clock", "ledger/clock", {"after": 99_999, "reason": ""}, None),
    "a clock before all": ("ledger.clock", "ledger/clock", {"after": -1, "reason": ""}, None),
    "a clock without a place": ("ledger.clock", "ledger/clock", {"reason": "x"}, None),
}  # fmt: skip


@pytest.mark.parametrize("odd", [*ODD_ENTRIES, ""])
def test_what_even_a_registrar_cannot_say_is_refused_by_both_verifiers_and_the_read(tmp_path, odd):
    scene = play_history(tmp_path, Random(len(odd)))
    root = scene.keys["registrar"]
    gone = Key.generate()
    with scene.remembered_by("reader"), scene.ledger() as ledger, ledger.transaction() as tx:
        who, at = (
            Person(name="G", role="clinician", organisation="HA", device="d"),
            scene.next_instant(),
        )
        ledger.enrol(tx, who, gone.public_key, by=root, at=at)
        ledger.revoke(tx, actor_id_of(gone.public_key), reason="left", by=root, at=at)
    names = {"{me}": actor_id_of(root.public_key), "{gone}": actor_id_of(gone.public_key),
             "{key}": root.public_key.hex()}  # fmt: skip
    kind, subject, body, at = ODD_ENTRIES.get(odd, RIGHT)
    for name, text in names.items():
        subject = subject.replace(name, text)
        body = {k: v.replace(name, text) if isinstance(v, str) else v for k, v in body.items()}
    with open_database(scene) as db:
        append_raw(db, root, kind, subject, body, at)
    with scene.remembered_by("reader"):
        faults = [deciding_reads(scene), verifier(scene), independent_verifier(scene, root)]
    assert [bool(fault) for fault in faults] == [bool(odd)] * 3, faults


@pytest.mark.parametrize("origin", ["commonwatt", "another"])
def test_a_ledger_under_another_name_is_another(tmp_path: Path, origin: str):
    scene = play_history(tmp_path, Random(1))
    with scene.remembered_by("reader"):
        assert deciding_reads(scene) == ""
    with open_database(scene) as db:
        db.execute("UPDATE ledger_head SET origin=?", (origin,))
    with scene.remembered_by("reader"):
        faults = [deciding_reads(scene), verifier(scene)]
    assert [bool(fault) for fault in faults] == [origin == "another"] * 2
