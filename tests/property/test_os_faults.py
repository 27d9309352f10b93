"""Whatever the operating system fails at, the work ends in one clear state and one line."""

from collections import Counter

from tests.os_faults import WORKS, check_os_fault


def test_faults_end_in_one_clear_state_and_one_line():
    outcomes = Counter(check_os_fault(seed) for seed in range(150))
    # Each kind of work was really met by faults, and not merely tried.
    failed = {outcome.split(":")[0] for outcome in outcomes if outcome.endswith("failed")}
    assert failed == {*WORKS, "lock", "database full", "clock back"}
    reached = sum(n for outcome, n in outcomes.items() if outcome.endswith("failed"))
    assert reached > 75
