"""Where the shared data stand, for the tests that need them."""

import os
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("COMMONWATT_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))


def shared_data(*parts: str) -> Path:
    """Return a path below the shared data; skip the test where a clone has none."""
    path = ROOT.joinpath(*parts)
    if not path.exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"shared data missing in CI: {'/'.join(parts)}")
        pytest.skip("needs the shared data folder beside the checkout")
    return path
