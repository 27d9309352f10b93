"""Tables: tokens, shifted dates, generalised columns, and what attackers still find."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.sandbox.domain.errors import DeidentifyError
from commonwatt.sandbox.domain.fhir import RESOURCES
from commonwatt.sandbox.engines.deidentify.tables import (
    FHIR_POLICY,
    MOST_WEEKS,
    QUASI_IDENTIFIERS,
    ColumnTreatment,
    DateGrain,
    deidentify,
    deidentify_columns,
    enforce_k_anonymity,
    person_date_shift_weeks,
    pseudonym,
)
from commonwatt.sandbox.engines.risk.attack import (
    linkage_attack_by_quasi_identifiers,
    linkage_attack_by_visit_diary,
)
from commonwatt.sandbox.engines.risk.measures import measure_reidentification_risk
from commonwatt.sandbox.engines.risk.report import reidentification_risk_report
from commonwatt.sandbox.io.imports.dataset import import_fhir, load_dataset
from tests.proofs import most_examples_reach
from tests.shared_data import shared_data

KEY = b"a project secret, thirty-two byt"


def test_a_column_that_nobody_named_is_dropped():
    frame = pl.DataFrame({"patient_id": ["p"], "hobby": ["sailing"]})
    assert deidentify_columns(frame, {"patient_id": ColumnTreatment.TOKEN}, KEY).columns == [
        "patient_id"
    ]


def test_the_policy_names_no_column_that_identifies_directly():
    columns = set(FHIR_POLICY["Patient"])
    assert not columns & {
        "family_name",
        "given_name",
        "identifiers",
        "phone",
        "address_line",
        "city",
    }
    for table, treatments in FHIR_POLICY.items():
        unknown = set(treatments) - set(RESOURCES[table].columns)
        assert unknown <= {"encounter_id", "status", "code_system", "code_code",
                           "id", "patient_id"}  # fmt: skip


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_shift_is_whole_weeks_never_none_and_the_same_again(person, other):
    weeks = person_date_shift_weeks(KEY, person)
    assert weeks == person_date_shift_weeks(KEY, person)
    assert 1 <= abs(weeks) <= 52
    assert pseudonym(KEY, person) != pseudonym(KEY, other) or person == other


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.datetimes(datetime(1950, 1, 1), datetime(2030, 1, 1))),
        min_size=2,
        max_size=20,
    )
)
def test_intervals_of_one_person_are_kept_exactly(visits):
    people = [person for person, _ in visits]
    at = [moment.replace(tzinfo=UTC) for _, moment in visits]
    frame = pl.DataFrame(
        {"patient_id": people, "at": pl.Series(at, dtype=pl.Datetime("us", "UTC"))}
    )
    moved = deidentify_columns(frame, {"at": ColumnTreatment.SHIFT}, KEY)["at"].to_list()
    for i, person in enumerate(people):
        assert moved[i] != at[i]
        for j, other in enumerate(people):
            if person == other:
                assert moved[i] - moved[j] == at[i] - at[j]


@st.composite
def rows_and_k(draw):
    """Give rows, in most draws enough of them for a class of `k`."""
    k = draw(st.integers(2, 6))
    row = st.tuples(*(st.sampled_from(["a", "b", "c", None]) for _ in range(3)))
    fewest = draw(st.sampled_from([k, k, 2 * k, 0]))
    return draw(st.lists(row, min_size=fewest, max_size=40)), k


def test_after_enforcing_k_no_class_is_smaller():
    @given(rows_and_k())
    def law(drawn):
        rows, k = drawn
        examples.drawn += 1
        frame = pl.DataFrame(rows, schema=dict.fromkeys("xyz", pl.String), orient="row")
        enforced = enforce_k_anonymity(frame, ["x", "y", "z"], k)
        assert enforced.height == frame.height
        for column in "xyz":
            changed = enforced[column].is_not_null() & (enforced[column] != frame[column])
            assert not changed.any()
        if frame.height >= k:
            assert enforced.group_by("x", "y", "z").len()["len"].min() >= k
            examples.reached += 1

    with most_examples_reach(0.7) as examples:
        law()


def test_measures_agree_with_counting_by_hand():
    rows = [("a", 1), ("a", 2), ("a", 1), ("b", 1), ("b", 1), ("c", 2)]
    frame = pl.DataFrame(rows, schema=["area", "ill"], orient="row")
    risk = measure_reidentification_risk(frame, ["area"], sensitive="ill")
    assert (risk.k, risk.l) == (1, 1)
    assert risk.unique_share == pytest.approx(1 / 6)
    assert risk.mean_guess_share == pytest.approx(3 / 6)
    assert risk.t == pytest.approx(4 / 6)  # class c: all 2, whole 2/6
    assert (
        measure_reidentification_risk(frame, ["area"], sampled_share=0.1).population_risk_share
        < 1 / 6 + 0.2
    )


def test_population_risk_follows_the_closed_form_for_a_sample_unique():
    """For f = 1 the risk is p / (1 - p) · ln(1 / p)."""
    import math

    frame = pl.DataFrame({"x": list(range(50))})
    for share in (0.01, 0.1, 0.5):
        wanted = share / (1 - share) * math.log(1 / share)
        risk = measure_reidentification_risk(
            frame, ["x"], sampled_share=share
        ).population_risk_share
        assert risk == pytest.approx(wanted)


def test_an_attacker_finds_everyone_where_nothing_was_done_and_no_one_at_k():
    people = pl.DataFrame({"person": ["1", "2", "3", "4"], "x": ["a", "b", "c", "d"]})
    truth = pl.DataFrame({"person": people["person"], "record": people["person"]})
    raw = people.rename({"person": "record"})
    assert linkage_attack_by_quasi_identifiers(people, raw, ["x"], truth).success_share == 1.0
    merged = raw.with_columns(x=pl.lit(None, dtype=pl.String))
    safe = linkage_attack_by_quasi_identifiers(people, merged, ["x"], truth)
    assert (safe.success_share, safe.guess_share) == (0.0, 0.25)


_VISITS = st.lists(
    st.tuples(st.sampled_from("abc"), st.dates(date(2020, 1, 1), date(2021, 6, 1))),
    min_size=1,
    max_size=12,
)


def _told(day, grain):
    match grain:
        case DateGrain.WEEK:
            return day - timedelta(days=day.weekday())
        case DateGrain.MONTH:
            return day.replace(day=1)
        case DateGrain.QUARTER:
            return day.replace(month=3 * ((day.month - 1) // 3) + 1, day=1)
        case DateGrain.YEAR:
            return day.replace(month=1, day=1)
        case _:
            return day


def _slow_diary(visits, moved, count, grain):
    """Who is found, by trying every shift on every person against every record."""

    def first(rows):
        return {who: sorted(d for w, d in rows if w == who)[:count] for who in {w for w, _ in rows}}

    records = {who: [_told(d, grain) for d in days] for who, days in first(moved).items()}
    linked = 0
    for who, days in first(visits).items():
        shifts = [timedelta(weeks=step) for step in range(-MOST_WEEKS, MOST_WEEKS + 1) if step]
        tried = [[_told(d + shift, grain) for d in days] for shift in shifts]
        fits = {
            r for r, dates in records.items() if len(days) == count == len(dates) and dates in tried
        }
        linked += fits == {who}
    return linked


@settings(max_examples=25, deadline=None)
@given(_VISITS, st.sampled_from(list(DateGrain)), st.integers(1, 3))
def test_the_diary_attack_finds_whom_trying_everything_finds(visits, grain, count):
    frame = pl.DataFrame(
        {"patient_id": [who for who, _ in visits], "at": [day for _, day in visits]},
        schema={"patient_id": pl.String, "at": pl.Date},
    ).with_columns(pl.col("at").cast(pl.Datetime("us")))
    treatments = {"patient_id": ColumnTreatment.KEEP, "at": ColumnTreatment.SHIFT}
    released = deidentify_columns(frame, treatments, KEY, dates=grain)
    moved = [(who, at.date()) for who, at in deidentify_columns(frame, treatments, KEY).rows()]
    people = frame["patient_id"].unique()
    attack = linkage_attack_by_visit_diary(
        frame.rename({"patient_id": "person"}), released.rename({"patient_id": "record"}),
        pl.DataFrame({"person": people, "record": people}), visits=count, grain=grain,
    )  # fmt: skip
    linked = _slow_diary(visits, moved, count, grain)
    assert attack.success_share * attack.people == pytest.approx(linked)


def test_coarser_dates_are_given_by_their_first_day():
    frame = pl.DataFrame({"patient_id": ["p"], "at": [datetime(2024, 5, 17, tzinfo=UTC)]})
    first_day = deidentify_columns(frame, {"at": ColumnTreatment.SHIFT}, KEY, dates=DateGrain.YEAR)[
        "at"
    ].item()
    assert (first_day.month, first_day.day) == (1, 1)


def test_a_wrong_claim_is_no_success():
    people = pl.DataFrame({"person": ["1", "2"], "x": ["a", "b"]})
    truth = pl.DataFrame({"person": ["1", "2"], "record": ["2", "1"]})
    attack = linkage_attack_by_quasi_identifiers(
        people, people.rename({"person": "record"}), ["x"], truth
    )
    assert (attack.claimed_share, attack.success_share) == (1.0, 0.0)


@pytest.mark.shared_data
def test_synthetic_patients_are_found_before_and_not_after(tmp_path):
    raw = import_fhir([shared_data("health", "fhir-synthea-bulk")], tmp_path, "raw")
    gone = pl.read_parquet(raw.table_path("Patient"))["patient_id"].to_list()[:7]
    safe = deidentify(raw, tmp_path, "safe", key=KEY)
    report = reidentification_risk_report(raw, safe, key=KEY)
    assert report.before.success_share > 0.5
    assert report.after.success_share < 0.01
    assert report.risk.k >= 5
    assert report.diary is not None
    assert report.diary.success_share > 0.5  # said openly: intervals are kept on purpose
    assert report.diary_before is not None
    assert report.diary_before.success_share > 0.9
    attacks = [report.diary, *report.diary_coarser]
    shares = [attack.success_share for attack in attacks]
    assert len(attacks) == len(DateGrain)
    assert shares == sorted(shares, reverse=True)
    _check_no_identifier_left(raw, safe)
    fewer = deidentify(raw, tmp_path, "fewer", key=KEY, leave_out=gone)
    tokens = {pseudonym(KEY, person) for person in gone}
    for table in fewer.rows:
        assert not tokens & set(pl.read_parquet(fewer.table_path(table))["patient_id"].to_list())


def _check_no_identifier_left(raw, safe):
    patients = pl.read_parquet(raw.table_path("Patient"))
    direct = {
        value
        for column in ("patient_id", "family_name", "phone", "address_line", "postal_code")
        for value in patients[column].drop_nulls().to_list()
    }
    for table in safe.rows:
        frame = pl.read_parquet(safe.table_path(table))
        for column in frame.select(pl.col(pl.String)).columns:
            assert not direct & set(frame[column].to_list()), (table, column)
    assert set(QUASI_IDENTIFIERS) <= set(pl.read_parquet(safe.table_path("Patient")).columns)


def test_the_same_input_and_key_give_the_same_bytes(tmp_path):
    lines = [
        f'{{"resourceType":"Patient","id":"p{i}","birthDate":"19{i % 90 + 10}-01-02"}}'
        for i in range(50)
    ]
    (tmp_path / "Patient.ndjson").write_text("\n".join(lines))
    raw = import_fhir([tmp_path / "Patient.ndjson"], tmp_path / "store", "raw")
    first = deidentify(raw, tmp_path / "store", "one", key=KEY)
    second = deidentify(raw, tmp_path / "store", "two", key=KEY)
    other = deidentify(raw, tmp_path / "store", "three", key=KEY[::-1])
    assert first.files == second.files != other.files
    assert load_dataset(first.folder, check=True) == first
    oldest = pl.read_parquet(first.table_path("Patient"))["birth_band"].min()
    assert date(oldest, 1, 1) > date(1999, 1, 1) - timedelta(days=366 * 95)


def test_a_short_key_is_refused(tmp_path):
    (tmp_path / "Patient.ndjson").write_text('{"resourceType":"Patient","id":"p"}')
    raw = import_fhir([tmp_path / "Patient.ndjson"], tmp_path / "store", "raw")
    with pytest.raises(DeidentifyError, match="32"):
        deidentify(raw, tmp_path / "store", "safe", key=b"short")
