"""The risk report that a custodian reads and signs before a dataset is used."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

import polars as pl

from commonwatt.sandbox.engines.deidentify.tables import (
    FHIR_POLICY,
    QUASI_IDENTIFIERS,
    DateGrain,
    deidentify_columns,
    pseudonym,
)
from commonwatt.sandbox.engines.risk.attack import (
    LinkageAttack,
    linkage_attack_by_quasi_identifiers,
    linkage_attack_by_visit_diary,
)
from commonwatt.sandbox.engines.risk.measures import (
    ReidentificationRisk,
    measure_reidentification_risk,
)
from commonwatt.sandbox.io.imports.dataset import Dataset

_KNOWN_RAW = ("birth_on", "gender", "race", "ethnicity", "marital_code", "postal_code")
_VISITS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskReport:
    """Measures and attacks on one dataset, before and after.

    Args:
        before: The neighbour, who knows birth date, sex, race, ethnicity, marital
            state and postal code, on the data as imported.
        after: The same attacker on the de-identified data.
        diary: One who knows the dates of three visits, on the de-identified data.
        diary_before: The same attacker on the data as imported.
        diary_coarser: The same attacker, were the de-identified dates told by week,
            month, quarter and year.
    """

    dataset: str
    risk: ReidentificationRisk
    before: LinkageAttack
    after: LinkageAttack
    diary: LinkageAttack | None
    diary_before: LinkageAttack | None
    diary_coarser: tuple[LinkageAttack, ...]

    @property
    def sha256(self) -> str:
        """Return the digest under which the custodian signs."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def reidentification_risk_report(raw: Dataset, released: Dataset, *, key: bytes) -> RiskReport:
    """Measure and attack a de-identified FHIR dataset.

    Args:
        raw: The dataset as imported, which plays the attacker's knowledge.
        released: Its de-identified copy.
        key: The project's secret, used to score the attack only.
    """
    people = pl.read_parquet(raw.table_path("Patient"))
    records = pl.read_parquet(released.table_path("Patient"))
    quasi = [column for column in QUASI_IDENTIFIERS if column in records.columns]
    # Only for scoring: the attacker gets no token and no key.
    truth = pl.DataFrame(
        {
            "person": people["patient_id"],
            "record": [pseudonym(key, person) for person in people["patient_id"].to_list()],
        }
    )
    knowledge = people.rename({"patient_id": "person"})
    same = pl.DataFrame({"person": people["patient_id"], "record": people["patient_id"]})
    raw_records = people.rename({"patient_id": "record"})
    return RiskReport(
        dataset=released.name,
        # k is measured on what is released and not taken from the treatment that should have
        # ensured it.
        risk=measure_reidentification_risk(records, quasi),
        before=linkage_attack_by_quasi_identifiers(knowledge, raw_records, _KNOWN_RAW, same),
        after=linkage_attack_by_quasi_identifiers(
            _deidentified_attacker_knowledge(knowledge),
            records.rename({"patient_id": "record"}),
            quasi,
            truth,
        ),
        diary=_diary_linkage_attack_or_none(raw, released, truth),
        diary_before=_diary_linkage_attack_or_none(raw, raw, same, shifted=False),
        diary_coarser=_coarser_diary_attacks(raw, released, truth),
    )


def _deidentified_attacker_knowledge(knowledge: pl.DataFrame) -> pl.DataFrame:
    """Return the attacker's knowledge in the form of the release, whose rules are public."""
    # The rules are public, so the attacker bands and cuts what they know as the release does. The
    # key is not, and a key of zeros changes only tokens, which are dropped.
    treated = deidentify_columns(
        knowledge.rename({"person": "patient_id"}), FHIR_POLICY["Patient"], bytes(32)
    )
    return treated.drop("patient_id").with_columns(person=knowledge["person"])


def _diary_linkage_attack_or_none(
    raw: Dataset,
    released: Dataset,
    truth: pl.DataFrame,
    *,
    grain: DateGrain = DateGrain.EXACT,
    shifted: bool = True,
) -> LinkageAttack | None:
    if "Encounter" not in raw.rows or "Encounter" not in released.rows:
        return None
    columns = [pl.col("patient_id"), pl.col("start_at").alias("at")]
    known_visits = pl.read_parquet(raw.table_path("Encounter")).select(columns)
    released_visits = pl.read_parquet(released.table_path("Encounter")).select(columns)
    return linkage_attack_by_visit_diary(
        known_visits.rename({"patient_id": "person"}),
        released_visits.rename({"patient_id": "record"}), truth,
        visits=_VISITS, grain=grain, shifted=shifted,
    )  # fmt: skip


def _coarser_diary_attacks(
    raw: Dataset, released: Dataset, truth: pl.DataFrame
) -> tuple[LinkageAttack, ...]:
    grains = [grain for grain in DateGrain if grain is not DateGrain.EXACT]
    attacks = (_diary_linkage_attack_or_none(raw, released, truth, grain=grain) for grain in grains)
    return tuple(attack for attack in attacks if attack is not None)
