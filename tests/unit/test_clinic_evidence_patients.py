"""Evidence on patients who come again: one patient of many rows is no many witnesses."""

import json

import numpy as np
import pytest

from commonwatt.cli import root
from commonwatt.cli.frame import run_main
from commonwatt.clinic.domain.registry.evidence import evidence_shortfall, evidence_standard
from commonwatt.clinic.domain.registry.state import RegistryRecord
from commonwatt.clinic.engines.evidence import evaluate_score_sketch, sketch_model_scores
from commonwatt.clinic.engines.evidence.clusters import PatientRows, patient_effects
from commonwatt.core.seeds import named_random_stream
from tests.clinic_factories import BODIES, NOW, estimates

SHARES = ("sensitivity", "specificity", "ppv", "npv", "advised_share")


def patients_who_come_again(seed, patients=80, rows=6):
    """Return scores, outcomes and patients; what a patient has of both stays from row to row."""
    chance = named_random_stream(seed, "patients-test")
    shared = chance.normal(0, 1, patients).repeat(rows)
    logit = -1 + shared + 0.5 * chance.normal(size=patients * rows)
    ill = logit + chance.normal(0, 1, patients).repeat(rows)
    label = (chance.random(patients * rows) < 1 / (1 + np.exp(-ill))).astype(np.int64)
    return 1 / (1 + np.exp(-logit)), label, np.arange(patients).repeat(rows)


def estimates_of(score, label, patient=None, threshold=0.4, **changes):
    """Return estimate and interval by metric; by patient where patients are given."""
    sketch = sketch_model_scores(score, label, threshold=threshold)
    effects = None
    if patient is not None:
        rows = PatientRows(score=score, label=label, patient=patient, threshold=threshold,
                           group=np.zeros(len(score), np.int64), groups=1)  # fmt: skip
        effects = patient_effects(rows)
    frame = evaluate_score_sketch(sketch, ["all"], by_patient=effects, **changes)
    return {row["metric"]: (row["low"], row["estimate"], row["high"]) for row in frame.to_dicts()}


@pytest.mark.parametrize("seed", range(10))
def test_one_row_a_patient_has_the_intervals_of_rows_to_the_last_digit(seed):
    score, label, patient = patients_who_come_again(seed, patients=300, rows=1)
    assert estimates_of(score, label, patient[::-1].copy()) == estimates_of(score, label)


@pytest.mark.parametrize("times", [2, 5])
@pytest.mark.parametrize("seed", range(5))
def test_a_table_given_several_times_says_no_more_than_once(seed, times):
    score, label, patient = patients_who_come_again(seed, patients=300, rows=1)
    once = estimates_of(score, label)
    again = estimates_of(*(column.repeat(times) for column in (score, label, patient)))
    assert again["auc"] == pytest.approx(once["auc"], abs=1e-9)
    for metric in SHARES:
        assert again[metric] == pytest.approx(once[metric], abs=2e-3)
    # Poisson's interval takes no share of the variance for certain; it may only be narrower by it.
    assert again["o_over_e"] == pytest.approx(once["o_over_e"], abs=0.02)


def test_intervals_by_patient_cover_the_truth_and_those_of_rows_do_not():
    score, label, _ = patients_who_come_again(0, patients=60_000)
    truth = {metric: middle for metric, (_, middle, _) in estimates_of(score, label).items()}
    runs, by_patient, by_row = 200, dict.fromkeys(truth, 0), dict.fromkeys(truth, 0)
    for seed in range(1, runs + 1):
        score, label, patient = patients_who_come_again(seed)
        for hits, of in ((by_patient, (patient,)), (by_row, ())):
            for metric, (low, _, high) in estimates_of(score, label, *of).items():
                hits[metric] += low <= truth[metric] <= high
    assert min(by_patient.values()) >= 0.91 * runs, by_patient
    assert by_row["advised_share"] < 0.75 * runs
    assert by_row["auc"] < 0.9 * runs


def test_rows_that_all_agree_count_as_their_patients():
    # Ten patients of twenty rows each, every one of them found: nothing tells how much they share.
    score, label = np.full(400, 0.9), np.repeat([1, 0], 200)
    patient = np.arange(20).repeat(20)
    low, middle, _ = estimates_of(score, label, patient)["sensitivity"]
    assert middle == 1
    ten = np.repeat([1, 0], 10)
    assert low == pytest.approx(estimates_of(np.full(20, 0.9), ten)["sensitivity"][0])


def test_what_is_needed_in_number_is_patients():
    # Nine patients with the event have a hundred rows of it.
    score = np.tile(np.linspace(0.05, 0.95, 7), 40)[:200]
    label = np.repeat([1, 0], 100)
    patient = np.concatenate([np.arange(100) % 9, 100 + np.arange(100)])
    assert estimates_of(score, label, patient)["auc"] == (None, None, None)
    assert estimates_of(score, label, patient)["sensitivity"] == (None, None, None)
    assert estimates_of(score, label, patient)["specificity"][1] is not None
    assert estimates_of(score, label)["auc"][1] is not None


@pytest.fixture
def table(tmp_path):
    score, label, patient = patients_who_come_again(4)
    rows = [
        f"{s:.6f},{y},{'fm'[p % 2]},{'' if number == 7 else f'p{p}'}"
        for number, (s, y, p) in enumerate(zip(score, label, patient, strict=True))
    ]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["score,label,sex,mrn", *rows]))
    return path


def evidence(table, capsys, *words):
    assert run_main(root, ["clinic", "model", "evidence", str(table), "--by", "sex", *words]) == 0
    return capsys.readouterr().out


def test_the_answer_says_what_rows_were_taken_for(table, capsys):
    told = evidence(table, capsys)
    assert "Rows are taken as independent given their scores: no column of patients" in told
    assert "假定各列" in evidence(table, capsys, "--lang", "zh-Hant")
    told = evidence(table, capsys, "--patient", "mrn")
    assert "Intervals are by patient: 80 patients gave 479 rows, at most 6 each" in told
    told = evidence(table, capsys, "--patient", "mrn", "--lang", "zh-Hant")
    assert "80 名病人共有 479 列" in told


def test_intervals_of_every_group_and_of_the_line_are_by_patient(table, capsys):
    rows = json.loads(evidence(table, capsys, "--json"))
    patients = json.loads(evidence(table, capsys, "--patient", "mrn", "--json"))
    assert rows["patients"] is None
    assert patients["patients"] | {"with_event": 0, "without_event": 0} == {
        "patients": 80, "with_event": 0, "without_event": 0, "most_rows": 6,
    }  # fmt: skip
    widths = [
        {
            (row["group"], row["metric"]): row["high"] - row["low"]
            for row in answer["estimates"]
            if row["metric"] in ("advised_share", "sensitivity", "specificity")
        }
        for answer in (rows, patients)
    ]
    assert all(widths[1][key] > widths[0][key] * 1.1 for key in widths[0])
    assert patients["recalibration"]["slope_se"] > rows["recalibration"]["slope_se"]
    assert rows["assumptions"][0]["check"] == "not-checked"
    assert patients["assumptions"][0]["check"] == "enforced"


@pytest.mark.parametrize(("counts", "enough"), [
    (None, True),
    ({"with_event": 100, "without_event": 100}, True),
    ({"with_event": 99, "without_event": 800}, False),
    ({"with_event": 200, "without_event": 12}, False),
    ({"with_event": "many", "without_event": 800}, False),
    ([], False),
])  # fmt: skip
def test_the_standard_of_a_class_counts_patients_where_they_are_told_apart(counts, enough):
    body = BODIES["evidence"] | {"estimates": estimates(width=0.05)}
    record = RegistryRecord(
        name="evidence/e", kind="evidence", at=NOW, actor_id="a", index=1,
        body=body if counts is None else body | {"patients": counts},
    )  # fmt: skip
    shortfall = evidence_shortfall(record, evidence_standard("III"), attested=True)
    assert (shortfall is None) == enough
