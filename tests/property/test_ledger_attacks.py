"""Attacks by people with database and files are found by the verifiers and at the next decision.

The twin: as many honest histories of the same generator hold everywhere.
"""

from collections import Counter
from pathlib import Path
from random import Random

import pytest

from tests.clinic_factories import ROLES
from tests.ledger_attacks import (
    ATTACKS,
    deciding_reads,
    go_on_honestly,
    independent_verifier,
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
