"""The smallest legal clinic: people, a product, an approval, a live deployment."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from commonwatt.clinic.domain.registry.rulings import computed_ruling_record_body
from commonwatt.clinic.io.registry import DeploymentStatus, RegistryWriter
from commonwatt.ledger import Key, Ledger, Person

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
ROLES = (
    "registrar", "manufacturer", "regulatory-officer", "committee-chair", "clinical-lead",
    "clinician", "gateway", "monitor", "safety-officer", "evaluator",
)  # fmt: skip
KEYS = {role: Key.from_seed(bytes([i + 1]) * 32) for i, role in enumerate(ROLES)}
DIGEST = "ab" * 32
FACTS = {
    "significance": "drive", "condition": "serious", "autonomy": "informs", "change": "planned",
    "technique": "deep", "offering": "product", "user": "clinician",
}  # fmt: skip
# An encounter that the guide of medical imaging lets through.
GOOD = {
    "modality": "ct", "body_region": "chest", "age_years": "50", "quality": "good",
    "series_complete": "yes", "metal_in_view": "no", "postoperative": "no",
}  # fmt: skip
PLAN = {"kinds": ["retrain", "threshold"], "floors": {"auc": 0.8}, "dataset_sha256": DIGEST,
        "most_threshold_shift": 0.05}  # fmt: skip


def person(role: str) -> Person:
    # A third party examines what the maker of another house made.
    house = "Example" if role == "manufacturer" else "HA"
    return Person(name=role.title(), role=role, organisation=house, device=f"card-{role}")


def desk(url: str = "sqlite://", at: datetime = NOW) -> RegistryWriter:
    ledger = Ledger.open(url)
    ledger.enrol_first_registrar(KEYS["registrar"], person("registrar"), at=at)
    with ledger.transaction() as tx:
        for role in ROLES[1:]:
            ledger.enrol(tx, person(role), KEYS[role].public_key, by=KEYS["registrar"], at=at)
    return RegistryWriter(ledger)


MONITOR = {"band": 0.1, "alpha": 0.1}


def estimates(
    auc: float = 0.9, width: float = 0.06, events: int = 200, rows: int = 1000
) -> list[Any]:
    """Return estimates as `model evidence` computes them: all patients, and two groups."""
    return [
        {"group": group, "metric": "auc", "estimate": auc, "low": max(0.0, auc - width / 2),
         "high": min(max(auc, 1.0), auc + width / 2), "rows": rows // part,
         "events": events // part}
        for group, part in (("all", 1), ("sex = women", 2), ("sex = men", 2))
    ]  # fmt: skip


def ruling(place: str, facts: dict[str, str] = FACTS, on: date | None = None) -> dict[str, Any]:
    """Return the ruling of a place on the product, as `model classify` computes it."""
    return computed_ruling_record_body("intended-use/u", facts, place, on or NOW.date())


BODIES: dict[str, dict[str, Any]] = {
    "product": {"name": "Chest", "manufacturer": "M"},
    "version": {"product": "product/p", "artefact_sha256": DIGEST},
    "intended-use": {"product": "product/p", "facts": FACTS, "guide": "imaging",
                     "indications": ["modality in ct, xray"]},
    "ruling": ruling("hk"),
    "evidence": {"version": "version/v1", "design": "external", "dataset_sha256": DIGEST,
                 "estimates": estimates(), "threshold": 0.3, "evaluator": "E",
                 "guideline": "TRIPOD+AI"},
    "determination": {"version": "version/v1", "ruling": "ruling/r", "outcome": "approved",
                      "conditions": [], "plan": PLAN},
    "deployment": {"version": "version/v1", "determination": "determination/d",
                   "institution": "qmh", "place": "hk", "mode": "advisory", "threshold": 0.3,
                   "guide": "imaging", "monitor": MONITOR},
}  # fmt: skip
NAMES = {"product": "p", "version": "v1", "intended-use": "u", "ruling": "r", "evidence": "e",
         "determination": "d", "deployment": "x"}  # fmt: skip
BY = {"product": "manufacturer", "version": "manufacturer", "intended-use": "manufacturer",
      "ruling": "regulatory-officer", "evidence": "evaluator", "determination": "committee-chair",
      "deployment": "clinical-lead", "disclosure": "clinician", "advice": "gateway",
      "decision": "clinician", "outcome": "gateway", "event": "safety-officer"}  # fmt: skip


def put(
    at_desk: RegistryWriter, kind: str, name: str, body: dict[str, Any], at: datetime = NOW
) -> None:
    with at_desk.transaction() as tx:
        at_desk.write_registry_record(tx, kind, name, body, by=KEYS[BY[kind]], at=at)


def move(
    at_desk: RegistryWriter, to: DeploymentStatus, role: str, at: datetime = NOW, name: str = "x"
) -> None:
    with at_desk.transaction() as tx:
        at_desk.move_deployment(tx, f"deployment/{name}", to, by=KEYS[role], at=at, reason="test")


def with_determination() -> RegistryWriter:
    writer = desk()
    for kind, body in BODIES.items():
        if kind != "deployment":
            put(writer, kind, NAMES[kind], body)
    return writer


def with_deployment(**changes: Any) -> RegistryWriter:
    writer = with_determination()
    put(writer, "deployment", NAMES["deployment"], BODIES["deployment"] | changes)
    return writer


def made_live(writer: RegistryWriter) -> RegistryWriter:
    move(writer, DeploymentStatus.APPROVED, "committee-chair")
    move(writer, DeploymentStatus.LIVE, "clinical-lead")
    return writer


def with_live(**changes: Any) -> RegistryWriter:
    return made_live(with_deployment(**changes))


# What the product is for under each guide, as narrow as a product's own claim is.
INDICATIONS = {
    "imaging": "modality in ct, xray", "pathology": "stain in he, ihc",
    "cardiovascular": "rhythm != other", "oncology": "ecog <= 2",
    "general-practice": "age_years >= 18",
}  # fmt: skip


def under_guide(writer: RegistryWriter, guide: str) -> None:
    """Put the product on record for the use of another department, down to its deployment."""
    use = {"guide": guide, "indications": [INDICATIONS[guide]]}
    put(writer, "intended-use", guide, BODIES["intended-use"] | use)
    law = BODIES["ruling"] | {"intended_use": f"intended-use/{guide}"}
    put(writer, "ruling", guide, law)
    # A later approval for the same place takes the place of an earlier one, so that each use is of
    # a version of its own.
    put(writer, "version", guide, BODIES["version"])
    put(writer, "evidence", guide, BODIES["evidence"] | {"version": f"version/{guide}"})
    approval = {"version": f"version/{guide}", "ruling": f"ruling/{guide}"}
    put(writer, "determination", guide, BODIES["determination"] | approval)
    run = {"version": f"version/{guide}", "determination": f"determination/{guide}"}
    put(writer, "deployment", guide, BODIES["deployment"] | run | {"guide": guide})
