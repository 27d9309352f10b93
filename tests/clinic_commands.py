"""The smallest legal clinic by commands alone: computed where it can be, typed where not."""

import json
from pathlib import Path

from commonwatt.cli import root
from commonwatt.cli.frame import run_main
from tests.clinic_factories import BODIES, BY, NAMES, ROLES, person

SCORES = "shipped:clinic/examples/scores.csv"
# Computed by a command, and refused where somebody types it.
COMPUTED = {
    "ruling": ["model", "classify", "--record", "r", "--use", "intended-use/u", "--place", "hk"],
    "evidence": ["model", "evidence", SCORES, "--by", "sex", "--threshold", "0.3",
                 "--record", "e", "--version", "version/v1", "--design", "external"],
}  # fmt: skip


def clinic(*words: str) -> int:
    """Run a command of the clinic and return its exit code."""
    return run_main(root, ["clinic", *words])


def enrol_by_commands() -> None:
    """Found a ledger and enrol everybody of the smallest legal clinic, a key and a name each."""
    for role in ROLES:
        who = person(role)
        words = ["ledger", "enrol", "--by", "registrar.pem", "--role", role]
        if role == "registrar":
            words = ["ledger", "init"]
        named = ["--name", who.name, "--organisation", who.organisation]
        assert run_main(root, [*words, "--key", f"{role}.pem", *named]) == 0


def register_by_commands(folder: Path, **changes: dict[str, object]) -> None:
    """Put every record of the smallest legal clinic on file, down to its deployment."""
    threshold = str(changes.get("deployment", {}).get("threshold", 0.3))
    for kind, body in BODIES.items():
        words = ["model", "register", kind, NAMES[kind], "body.json"]
        (folder / "body.json").write_text(json.dumps(body | changes.get(kind, {})))
        if kind in COMPUTED:
            words = [threshold if word == "0.3" else word for word in COMPUTED[kind]]
        assert clinic(*words, "--key", f"{BY[kind]}.pem") == 0, kind
