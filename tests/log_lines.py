"""What a log holds."""

import json
from pathlib import Path


def lines_of(path: Path) -> list[dict]:
    """Return the lines of a log; each must be JSON."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
