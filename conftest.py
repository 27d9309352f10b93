"""Put the checkout on the path, so that tests can share helpers as `tests.x`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
