"""What tables of patients hold beside clean numbers, and which rows count on which day."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.clinic.domain.errors import EvidenceError, MonitorError
from commonwatt.clinic.engines.evidence import evaluate_score_sketch, sketch_model_scores
from commonwatt.clinic.engines.evidence.sketch import model_score_bin_index
from commonwatt.clinic.engines.monitor.maturity import mature_rows
from commonwatt.clinic.io.patient_table import (
    MISSING_GROUP_WORDS,
    MISSING_WORDS,
    NO_WORDS,
    YES_WORDS,
    PatientColumns,
    read_scored_patients,
)

COLUMNS = PatientColumns(score="p", label="y", day="d", by=("sex",))


def read(path, *rows, columns=COLUMNS, header="p,y,d,sex"):
    path.write_text("\n".join([header, *rows]) + "\n")
    return read_scored_patients(path, columns)


@pytest.mark.parametrize("word", sorted(MISSING_WORDS | {"NA", "NaN", "NULL", "None", " n/a "}))
def test_every_spelling_of_missing_is_counted_by_its_column(tmp_path, word):
    frame, reading = read(
        tmp_path / "t.csv", "0.5,1,2026-01-01,f", f"0.5,{word},2026-01-01,m",
        f"{word},0,2026-01-02,f", f"0.5,0,{word},f", f"0.5,0,2026-01-02,{word}",
    )  # fmt: skip
    # `None` and `?` may be categories of a column of groups; an empty cell and NA are none.
    hole = word.strip().lower() in MISSING_GROUP_WORDS
    assert reading.missing == {"p": 1, "y": 1, "d": 1} | ({"sex": 1} if hole else {})
    assert reading.without_score == [3]
    assert frame["label"].to_list() == [1, None, 0, 0]
    assert frame["by 0"].to_list() == ["f", "m", "f", "unknown" if hole else word]


@pytest.mark.parametrize("word", sorted(YES_WORDS | NO_WORDS | {"YES", "No", "True", "FALSE"}))
def test_every_spelling_of_an_outcome_is_read(tmp_path, word):
    frame, _ = read(tmp_path / "t.csv", f"0.5,{word},2026-01-01,f")
    assert frame["label"].to_list() == [int(word.lower() in YES_WORDS)]


@pytest.mark.parametrize(
    ("bad", "column", "error"),
    [
        ("0.5,2,2026-01-01,f", "y", EvidenceError),
        ("0.5,perhaps,2026-01-01,f", "y", EvidenceError),
        ("1.5,1,2026-01-01,f", "p", EvidenceError),
        ("-0.1,1,2026-01-01,f", "p", EvidenceError),
        ("inf,1,2026-01-01,f", "p", EvidenceError),
        ("high,1,2026-01-01,f", "p", EvidenceError),
        ("0.5,1,2026-02-30,f", "d", MonitorError),
        ("0.5,1,01/02/2026,f", "d", MonitorError),
        ("0.5,1,2026-01-012,f", "d", MonitorError),
    ],
)
def test_what_means_nothing_is_named_by_row_and_column_and_not_quoted(tmp_path, bad, column, error):
    with pytest.raises(error, match=f"row 2, {column}") as raised:
        read(tmp_path / "t.csv", "0.5,1,2026-01-01,f", bad)
    assert "perhaps" not in str(raised.value)
    assert "high" not in str(raised.value)
    read(tmp_path / "t.csv", "0.5,1,2026-01-01,f", "1.0,0,2026-01-01,f")


@pytest.mark.parametrize(
    "written", ["2026-01-01 07:31:05", "2026-01-01T07:31:05+08:00", "2026-01-01T07:31"]
)
def test_timestamps_become_days_and_it_is_said(tmp_path, written):
    frame, reading = read(tmp_path / "t.csv", f"0.5,1,{written},f", "0.5,1,2026-01-01,f")
    assert frame["day"].to_list() == [date(2026, 1, 1)] * 2
    assert reading.cut_timestamps == {"d": 1}


def test_parquet_of_any_types_is_read_as_its_csv(tmp_path):
    frame = pl.DataFrame(
        {"p": [0.5, None, float("nan")], "y": [True, False, None],
         "d": pl.Series([date(2026, 1, 1)] * 3).cast(pl.Datetime), "sex": ["f", None, "m"]}
    )  # fmt: skip
    frame.write_parquet(tmp_path / "t.parquet")
    frame.write_csv(tmp_path / "t.csv")
    ours, reading = read_scored_patients(tmp_path / "t.parquet", COLUMNS)
    theirs, other = read_scored_patients(tmp_path / "t.csv", COLUMNS)
    assert ours.equals(theirs)
    assert reading == other
    assert reading.without_score == [2, 3]


def test_a_row_given_twice_under_its_key_counts_once_and_two_of_one_key_are_refused(tmp_path):
    columns = PatientColumns(score="p", label="y", day="d", row_key="id")
    header = "id,p,y,d"
    rows = ("1,0.5,1,2026-01-01", "2,0.5,1,2026-01-01", "1,0.5,1,2026-01-01")
    frame, reading = read(tmp_path / "t.csv", *rows, columns=columns, header=header)
    assert (frame.height, reading.repeated) == (2, 1)
    with pytest.raises(EvidenceError, match="rows 1 and 4"):
        read(tmp_path / "t.csv", *rows, "1,0.5,0,2026-01-01", columns=columns, header=header)


def test_a_column_may_be_called_as_we_call_ours(tmp_path):
    columns = PatientColumns(score="row", label="label", day="by 0", by=("score",))
    frame, _ = read(tmp_path / "t.csv", "0.5,1,2026-01-01,f", columns=columns,
                    header="row,label,by 0,score")  # fmt: skip
    assert frame.row(0, named=True) == {
        "row": 1, "score": 0.5, "label": 1, "day": date(2026, 1, 1), "by 0": "f",
    }  # fmt: skip


DAY = date(2026, 1, 1)
PATIENTS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 8), st.sampled_from([0.1, 0.2, 0.2]),
              st.sampled_from([0, 1, None]), st.integers(0, 8)),
    min_size=1, max_size=40,
)  # fmt: skip


def frame_of(rows):
    return pl.DataFrame(
        {
            "row": range(1, len(rows) + 1),
            "score": [score for _, _, score, _, _ in rows],
            "label": pl.Series([label for *_, label, _ in rows], dtype=pl.Int8),
            "day": [DAY + timedelta(days=day) for _, day, *_ in rows],
            "known_on": [
                None if label is None else DAY + timedelta(days=day + wait)
                for _, day, _, label, wait in rows
            ],
            "patient": [f"p{patient}" for patient, *_ in rows],
        },
        schema_overrides={"known_on": pl.Date, "day": pl.Date},
    )


@settings(max_examples=80, deadline=None)
@given(PATIENTS, st.integers(0, 6), st.integers(0, 14), st.randoms())
def test_which_rows_count_hangs_on_no_outcome_and_on_no_order(rows, maturity, through, chance):
    """Each patient once, the first day; labels decide only whether a chosen row is known."""
    end = DAY + timedelta(days=through)
    mature = mature_rows(frame_of(rows), maturity_days=maturity, through=end)
    shuffled = list(rows)
    chance.shuffle(shuffled)
    other = mature_rows(frame_of(shuffled), maturity_days=maturity, through=end)
    keys = ["patient", "counted_on", "score", "label"]
    assert mature.frame.select(keys).sort(keys).equals(other.frame.select(keys).sort(keys))
    counted = mature.frame["patient"].to_list()
    assert len(set(counted)) == len(counted)
    first = {p: min(day for q, day, *_ in rows if q == p) for p, *_ in rows}
    for row in mature.frame.iter_rows(named=True):
        day = first[int(row["patient"][1:])]
        assert row["counted_on"] == DAY + timedelta(days=day + maturity)
        assert row["counted_on"] <= end
        assert row["known_on"] <= row["counted_on"]
    chosen = len(first)
    assert chosen == (mature.frame.height + mature.waiting + mature.without_label
                      + mature.late_labels)  # fmt: skip
    assert mature.repeated_patients == len(rows) - chosen


def test_a_later_look_changes_nothing_that_an_earlier_one_counted():
    """Rows come with the days, outcomes after up to ten; each look sees what was known then."""
    chance = np.random.default_rng(4)
    rows = [(i, int(chance.integers(0, 40)), float(chance.random()), int(chance.integers(0, 2)),
             int(chance.integers(0, 11))) for i in range(400)]  # fmt: skip
    looks = []
    for look in range(12, 60, 6):
        seen = [
            (p, d, s, y if d + wait <= look else None, wait)
            for p, d, s, y, wait in rows
            if d <= look
        ]
        end = DAY + timedelta(days=look)
        mature = mature_rows(frame_of(seen), maturity_days=10, through=end)
        assert mature.late_labels == mature.without_label == 0
        looks.append((end, mature.frame))
    last = looks[-1][1]
    assert last.height == 400
    for end, frame in looks:
        assert frame["patient"].to_list() == (
            last.filter(pl.col("counted_on") <= end)["patient"].to_list()
        )


def test_scores_fall_into_the_bins_of_the_sketch():
    scores = np.concatenate([[0, 1, 1e-12, 1 - 1e-12, 0.5], np.random.default_rng(1).random(5_000)])
    sketch = sketch_model_scores(scores, np.zeros(len(scores), np.int8))
    assert np.bincount(model_score_bin_index(scores), minlength=2048).tolist() == (
        sketch.counts[0, 0].tolist()
    )


@pytest.mark.parametrize(("label", "known", "unknown"), [
    (1, {"sensitivity", "ppv", "o_over_e", "advised_share"}, {"auc", "specificity"}),
    (0, {"specificity", "npv", "o_over_e", "advised_share"}, {"auc", "sensitivity"}),
])  # fmt: skip
def test_one_outcome_alone_leaves_undefined_what_needs_both_and_answers_the_rest(
    label, known, unknown
):
    score = np.linspace(0.05, 0.95, 40)
    sketch = sketch_model_scores(score, np.full(40, label), threshold=0.5)
    table = evaluate_score_sketch(sketch, ["all"])
    verdicts = dict(table.select("metric", "verdict").iter_rows())
    estimates = dict(table.select("metric", "estimate").iter_rows())
    for metric in known:
        assert (verdicts[metric], estimates[metric] is None) == ("estimated", False), metric
    for metric in unknown:
        assert (verdicts[metric], estimates[metric]) == ("too few to say", None)
    few = evaluate_score_sketch(sketch_model_scores(score[:9], np.full(9, label)), ["all"])
    assert set(few["verdict"]) == {"too few to say"}


@pytest.mark.parametrize("rare", range(12))
@pytest.mark.parametrize("common", [9, 10, 115])
@pytest.mark.parametrize("label", [0, 1])
def test_each_figure_is_told_by_the_outcomes_that_itself_needs(rare, common, label):
    score = np.tile(np.linspace(0.05, 0.95, 7), 20)[: rare + common]
    labels = np.repeat([1 - label, label], [rare, common])
    table = evaluate_score_sketch(sketch_model_scores(score, labels, threshold=0.5), ["all"])
    estimated = set(table.filter(verdict="estimated")["metric"])
    counts = {label: common, 1 - label: rare}
    wanted = {"sensitivity"} if counts[1] >= 10 else set()
    wanted |= {"specificity"} if counts[0] >= 10 else set()
    wanted |= {"auc"} if min(rare, common) >= 10 else set()
    wanted |= {"ppv", "npv", "o_over_e", "advised_share"} if rare + common >= 20 else set()
    assert estimated == wanted


@pytest.mark.parametrize("rare", [0, 1, 9, 10])
def test_a_group_whose_labels_are_a_secret_is_told_whole_or_not_at_all(rare):
    score = np.tile(np.linspace(0.05, 0.95, 7), 20)[: rare + 115]
    sketch = sketch_model_scores(score, np.repeat([0, 1], [rare, 115]))
    verdicts = set(evaluate_score_sketch(sketch, ["all"], whole_groups=True)["verdict"])
    assert verdicts == {"estimated" if rare >= 10 else "too few to say"}
