"""The ratios that the quick benches on shipped data print, as numbers beside those on file.

    python bench/ratios.py             # run them and show the ratios, the kept ones beside
    python bench/ratios.py --write     # keep them in tests/golden/bench.json
    python bench/ratios.py --compare   # and fail where one is more than 5 % worse than kept

Only ratios are kept, never seconds: they hold on another machine. A busy machine moves
them by more than 5 %; compare on a quiet one.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parent
KEPT = BENCH.parent / "tests" / "golden" / "bench.json"
WORSE = 1.05  # a ratio to a peer or a bound: less is better in each of these
RATIOS = {
    "clinic_evidence.py": r"ratio to one logarithm a row +(?P<ratio>[\d.]+) x",
    "study_what_if.py": r"(?P<name>what if: .+?|\w+ study\b.*?)  .*? (?P<ratio>[\d.]+) x i",
}
# Left out: those that need data beside the checkout, a cluster or a browser, that take more
# than a minute, or that print no ratio.


def measured() -> dict[str, float]:
    """Run every script and return its ratios by name."""
    ratios: dict[str, float] = {}
    for script, pattern in RATIOS.items():
        command = [sys.executable, str(BENCH / script)]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        rows = [match.groupdict() for match in re.finditer(pattern, text)]
        if not rows:
            sys.exit(f"{script} printed no ratio that is known here:\n{text}")
        for row in rows:
            name = row.get("name", "ratio").removeprefix("what if: ").strip()
            ratios[f"{script.removesuffix('.py')}: {name}"] = float(row["ratio"])
    return ratios


def main() -> None:
    """Measure, show, and write or compare where asked."""
    kept_ratios = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    ratios = measured()
    for name, ratio in ratios.items():
        print(f"{name:44} {ratio:8.2f}  kept {kept_ratios.get(name, '–')}")
    if "--write" in sys.argv:
        KEPT.write_text(json.dumps(ratios, indent=1, sort_keys=True) + "\n")
    worse = [
        name
        for name in ratios
        if name not in kept_ratios or ratios[name] > WORSE * kept_ratios[name]
    ]
    gone = [name for name in kept_ratios if name not in ratios]
    if "--compare" in sys.argv and (worse or gone):
        sys.exit(f"worse than kept, or not kept: {worse + gone}")


if __name__ == "__main__":
    main()
