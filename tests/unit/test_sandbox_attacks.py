"""Every attack against the isolation is stopped by the layer that is named for it."""

from collections import Counter

import pytest

from commonwatt.sandbox.engines.attacks.judge import run_isolation_attacks
from commonwatt.sandbox.engines.attacks.programs import ATTACKS
from tests.sandbox_node import open_folder, proved_node


@pytest.fixture(scope="module")
def verdicts():
    with open_folder() as folder:
        node = proved_node(folder / "node")
        bait = folder / "bait"
        bait.mkdir(mode=0o755)
        yield {verdict.attack.name: verdict for verdict in run_isolation_attacks(node, bait)}


@pytest.mark.slow
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name.replace(" ", "-"))
def test_the_attack_is_stopped_by_its_layer(attack, verdicts):
    verdict = verdicts[attack.name]
    assert verdict.stopped, f"met {sorted(verdict.signs_met)}, want one of {sorted(attack.signs)}"


def test_attacks_have_names_of_their_own_and_reach_every_layer():
    assert max(Counter(attack.name for attack in ATTACKS).values()) == 1
    assert len(ATTACKS) >= 60
    assert len({attack.layer for attack in ATTACKS}) >= 12
