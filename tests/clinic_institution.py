"""A hospital on disk: a ledger with a live model, keys in files, an institution file."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from commonwatt.ledger import EntryDraft, Key
from tests.clinic_factories import BODIES, KEYS, NAMES, ROLES, desk, move, put
from tests.clinic_factories import GOOD as FACTS

EARLY = datetime(2020, 1, 1, tzinfo=UTC)  # before any clock that the commands read
LINEAR = json.dumps({"intercept": -1.0, "weights": {"age_years": 0.02}})
TOKEN = "a token of dr-lee"
INSTITUTION = """
institution = "qmh"
sample_share = {share}

[models."deployment/x"]
linear = "model.json"

[clinicians.dr-lee]
key = "clinician.pem"
token_sha256 = "{token}"

[pathways.chest]
deployments = ["deployment/x"]
needs_human = ["deployment/x"]
roles = ["clinician"]
most_calls = 2
"""


def hospital(
    folder: Path, *, share: float = 0.0, old_words: bool = False, url: str = "", **changes
):
    """Return the desk of a hospital whose files stand in `folder`, its ledger too or at `url`.

    With `old_words` the deployment stands in the ledger as it was written when an institution
    was called a site.
    """
    (folder / "model.json").write_text(LINEAR)
    token = hashlib.sha256(TOKEN.encode()).hexdigest()
    (folder / "qmh.toml").write_text(INSTITUTION.format(share=share, token=token))
    for number, role in enumerate(ROLES):
        Key.from_seed(bytes([number + 1]) * 32).save(folder / f"{role}.pem")
    writer = desk(url or f"sqlite:///{folder}/ledger.db", EARLY)
    digest = hashlib.sha256(LINEAR.encode()).hexdigest()
    for kind, body in BODIES.items():
        extra = {"artefact_sha256": digest} if kind == "version" else {}
        whole = body | extra | (changes if kind == "deployment" else {})
        if old_words and kind == "deployment":
            put_in_old_words(writer, NAMES[kind], whole)
        else:
            put(writer, kind, NAMES[kind], whole, EARLY)
    move(writer, "approved", "committee-chair", EARLY)
    move(writer, "live", "clinical-lead", EARLY)
    return writer


def put_in_old_words(writer, name: str, body: dict[str, Any]) -> None:
    """Append a deployment to the ledger as the program of that time wrote it."""
    old = {"site" if field == "institution" else field: value for field, value in body.items()}
    draft = EntryDraft(kind="clinic.deployment", subject=f"deployment/{name}", body=old)
    with writer.ledger.transaction() as tx:
        writer.ledger.append(tx, [draft], by=KEYS["clinical-lead"], at=EARLY)
    writer.refresh_registry()


def disclose(writer, gate, encounter: str) -> None:
    disclosure = {
        "deployment": "deployment/x",
        "encounter": gate.encounter_pseudonym(encounter),
        "language": "en",
    }
    put(writer, "disclosure", f"d-{encounter}", disclosure, EARLY)


__all__ = ["EARLY", "FACTS", "KEYS", "LINEAR", "TOKEN", "disclose", "hospital", "put_in_old_words"]
