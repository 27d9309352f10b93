"""Put the checkout on the path, so that tests share helpers as `tests.x`; size the proofs."""

import os
import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

from tests.proofs import PROOFS


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what `make prove` hands over."""
    parser.addoption("--prove", action="store_true", help="run the proofs only, at full size")
    parser.addoption("--wing", default="", help="with --prove: the wing whose proofs run")


def pytest_configure(config: pytest.Config) -> None:
    """Set the size of the proofs before any test is read, and let no law know a machine's speed."""
    settings.register_profile("any-machine", deadline=None)
    settings.load_profile("any-machine")
    PROOFS.full = config.getoption("--prove")
    # What a user's programs remember of ledgers must not come from, or get into, a tester's home.
    state = tempfile.TemporaryDirectory(prefix="commonwatt-state-")
    config.add_cleanup(state.cleanup)
    os.environ["XDG_STATE_HOME"] = state.name


@pytest.fixture(autouse=True, scope="session")
def _years_in_an_hour() -> Iterator[None]:
    """Let tests of other rooms play years in an hour; the ledger's own go by the real clock."""
    import commonwatt.ledger.clock as clock  # noqa: PLC0415 - here, where all is set up

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "MOST_AHEAD", timedelta(days=36_500))
        yield


@pytest.fixture(autouse=True)
def _real_clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "test_ledger_" in request.node.nodeid:
        import commonwatt.ledger.clock as clock  # noqa: PLC0415

        monkeypatch.setattr(clock, "MOST_AHEAD", timedelta(minutes=5))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave only the proofs of the wing where proofs are asked for, else what the suite runs."""
    if not config.getoption("--prove"):
        items[:] = [item for item in items if not item.get_closest_marker("proof_only")]
        return
    wing = config.getoption("--wing")
    chosen = [
        item
        for item in items
        if item.get_closest_marker("prove")
        and (not wing or f"_{wing}_" in item.nodeid or f"/{wing}/" in item.nodeid)
    ]
    if not chosen and not hasattr(config, "workerinput"):
        raise pytest.UsageError(f"No proof of the wing {wing!r}: none would be no proof.")
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen
