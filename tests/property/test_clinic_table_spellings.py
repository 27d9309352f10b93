"""One table in every spelling in which a hospital may hand it in: one answer, or a refusal."""

import csv
import io
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from commonwatt.clinic.domain.errors import EvidenceError, MonitorError
from commonwatt.clinic.io.days_of_text import days_of_text
from commonwatt.clinic.io.patient_table import PatientColumns, read_scored_patients

COLUMNS = PatientColumns(score="score", label="label", day="day", by=("ward",))
OUTCOMES = st.sampled_from(
    [("1", "0"), ("1.0", "0.0"), ("1.00", "0.00"), ("1,0", "0,00"), ("yes", "no"), ("Y", "N"),
     ("TRUE", "false"), ("positive", "Negative"), ("pos", "neg"), ("陽性", "陰性"),
     ("阳性", "阴性"), ("有", "沒有"), ("有", "無"), ("是", "否"), ("+", "-")]
)  # fmt: skip
DAYS = st.sampled_from(
    [lambda d: d.isoformat(), lambda d: f"{d.year}/{d.month}/{d.day}", lambda d: f"{d:%Y%m%d}",
     lambda d: f"{d:%Y/%m/%d}", lambda d: f"{d:%Y-%m-%d} 07:30",
     lambda d: f"{d:%Y-%m-%d}T23:59:59.5",
     lambda d: f"{d.year}年{d.month}月{d.day}日", lambda d: f"{d:%Y-%m-%d}T00:10:00+08:00"]
)  # fmt: skip
ROWS = st.lists(
    st.tuples(
        st.integers(0, 1000), st.booleans(), st.integers(0, 400),
        st.sampled_from(["a", "b, c", "d;e", "None", "?", 'say "x"', "內科"]),
    ),
    min_size=1, max_size=20,
)  # fmt: skip
LAYOUTS = st.fixed_dictionaries(
    {
        "separator": st.sampled_from([",", ";", "\t"]),
        "decimal": st.sampled_from([".", ","]),
        "encoding": st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
        "newline": st.sampled_from(["\n", "\r\n"]),
        "pad": st.sampled_from(["", " "]),
        "first": st.sampled_from(["", "blank", "sep"]),
    }
)


def spelled(rows, layout, outcomes, day):
    """Return the bytes of a table in one spelling."""
    buffer = io.StringIO(newline="")
    if layout["first"]:
        line = f"sep={layout['separator']}" if layout["first"] == "sep" else ""
        buffer.write(line + layout["newline"])
    writer = csv.writer(
        buffer, delimiter=layout["separator"], lineterminator=layout["newline"],
        quoting=csv.QUOTE_MINIMAL,
    )  # fmt: skip
    pad = layout["pad"]
    writer.writerow([f"{pad}score{pad}", f"{pad}label", "day", f"ward{pad}", "other"])
    for thousandths, came, days, ward in rows:
        score = f"{thousandths / 1000:.3f}".replace(".", layout["decimal"])
        on = date(2026, 1, 1) + timedelta(days=days)
        writer.writerow([score + pad, outcomes[not came], day(on), ward, ""])
    return buffer.getvalue().encode(layout["encoding"])


def read(content, columns=COLUMNS, name="t.csv"):
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        return read_scored_patients(path, columns)


@settings(max_examples=150, deadline=None)
@given(ROWS, LAYOUTS, OUTCOMES, DAYS)
def test_one_table_in_every_sound_spelling_has_one_reading(rows, layout, outcomes, day):
    frame, reading = read(spelled(rows, layout, outcomes, day))
    # A column of minus signs alone is a column of holes; with one plus it is an outcome.
    signs = outcomes == ("+", "-")
    known = not signs or any(came for _, came, *_ in rows)
    event(f"separator {layout['separator']!r}, {layout['encoding']}")
    assert frame["score"].to_list() == [thousandths / 1000 for thousandths, *_ in rows]
    assert frame["label"].to_list() == [int(came) if known else None for _, came, *_ in rows]
    assert frame["day"].to_list() == [date(2026, 1, 1) + timedelta(days=n) for *_, n, _ in rows]
    assert frame["by 0"].to_list() == [ward for *_, ward in rows]
    assert reading.rows == len(rows)


PLAIN = "score,label,day,ward\n0.5,1,2026-01-01,a\n0.25,0,2026-01-02,b\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file"),
        (b"\xef\xbb\xbf\n", "an empty file"),
        (b"score,label,day,ward\n", "no row below the header"),
        (b"score;label;day;ward\r\n\r\n", "no row below the header"),
        (b"score,label,day,ward\n0.5,1,2026-01-01,a\n0.5,1,2026-01-01,a,x\n",
         "row 2: found 5 cells"),
        (b"score,label,day,ward\n0.5,1,2026-01-01\n", "row 1: found 3 cells"),
        (b"score,label,day,ward\n0.5,1,2026-01-01,a\n0.5,1,2026", "row 2: found 3 cells"),
        (b'score,label,day,ward\n0.5,1,2026-01-01,"a\n0.5,1,2026-01-01,b\n', "quotation mark"),
        (b"score,label,day,ward,score\n0.5,1,2026-01-01,a,0.4\n",
         "the column score more than once"),
        (b"Score,Label,Day,Ward\n0.5,1,2026-01-01,a\n", "the columns Score, Label, Day, Ward"),
        (b"0.5,1,2026-01-01,Chan\n0.4,0,2026-01-01,Wong\n", "no names of columns"),
        ("score,label,day,ward\n0.5,1,2026-01-01,內\n".encode("big5"), "UTF-8"),
        ("score,label,day,ward\n0.5,1,2026-01-01,a\n".encode("utf-16-le"), "UTF-8"),
        (b"score,label,day,ward\n35.2%,1,2026-01-01,a\n", "divide all of them by 100"),
        (b"score,label,day,ward\n35.2,1,2026-01-01,a\n", "divide all of them by 100"),
        (b"score;label;day;ward\n35,2;1;2026-01-01;a\n", "divide all of them by 100"),
        (b"score,label,day,ward\n0.5,+,2026-01-01,a\n0.5,0,2026-01-01,a\n0.5,-,2026-01-01,a\n",
         "row 3, label: wanted one way to write outcomes"),
        (b"score,label,day,ward\n0.5,0.5,2026-01-01,a\n", "row 1, label: wanted an outcome"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_as_it_stands_is_refused_with_a_remedy(content, message):
    with pytest.raises(EvidenceError) as raised:
        read(content)
    assert message in str(raised.value)
    assert "Error." not in str(raised.value)
    for value in ("Chan", "Wong", "35"):
        assert value not in str(raised.value)
    assert read(PLAIN.encode())[0].height == 2


def test_two_columns_of_one_name_that_is_not_read_do_no_harm():
    frame, _ = read(b"score,x,label,x,day,ward\n0.5,1,0,2,2026-01-01,a\n")
    assert frame["label"].to_list() == [0]


def test_one_column_in_two_roles_is_refused():
    for columns in (
        PatientColumns(score="score", label="score"),
        PatientColumns(score="score", label="label", by=("ward", "ward")),
        PatientColumns(score="score", label="label", day="day", by=("label",)),
    ):
        with pytest.raises(EvidenceError, match="in two roles"):
            read(PLAIN.encode(), columns)
    read(PLAIN.encode(), PatientColumns(score="score", label="label", by=("ward", "day")))


@pytest.mark.parametrize("written", ["NA", "None", "nan", "", "Unknown"])
def test_a_group_that_the_plan_lists_is_that_group(written):
    content = PLAIN.replace(",a\n", f",{written}\n").encode()
    listed = PatientColumns(
        score="score", label="label", by=("ward",), listed={"ward": ("NA", "None", "nan")}
    )
    expected = "unknown" if written == "" else written
    assert read(content, listed)[0]["by 0"][0] == expected


@pytest.mark.parametrize("written", [
    "2026-09-01Tgarbage", "2026-09-01x", "2026-09-01 25:00", "2026-09-01T07", "2026-09-011",
    "01/09/2026", "1.9.2026", "01-09-26", "46266", "2026-02-30", "20260230", "2026-9", "Sep 1 2026",
    "2026-09-01T07:30:00+25:00", "2026-09/01", "yesterday",
])  # fmt: skip
def test_what_is_no_day_or_two_is_refused_in_whole_sentences(written):
    with pytest.raises(MonitorError) as raised:
        read(PLAIN.replace("2026-01-02", written).encode())
    message = str(raised.value)
    assert "row 2, day" in message
    assert "wanted a day as YYYY-MM-DD" in message
    assert ".." not in message
    assert written not in message.replace("01/02/2026", "")
    first = written.startswith(("01", "1."))
    assert ("write the year first" in message) is first


@settings(max_examples=100, deadline=None)
@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(
        lambda at: at.replace(microsecond=0)
    ),
    st.integers(-12 * 4, 14 * 4),
    st.sampled_from(["", "Asia/Hong_Kong", "America/New_York", "UTC"]),
)  # fmt: skip
def test_a_time_with_a_zone_is_of_the_day_of_the_zone_that_was_named(at, quarters, zone):
    from zoneinfo import ZoneInfo

    aware = at.replace(tzinfo=timezone(timedelta(minutes=15 * quarters)))
    read_days = days_of_text(pl.Series([aware.isoformat(), at.isoformat(), None]), zone)
    there = aware.astimezone(ZoneInfo(zone)).date() if zone else at.date()
    # A time without a zone is the institution's own.
    assert read_days.days.to_list() == [there, at.date(), None]
    assert (read_days.times, read_days.zoned) == (2, 1)


def test_of_a_time_with_a_zone_it_is_told_whose_day_was_taken():
    content = PLAIN.replace("2026-01-02", "2026-01-02T23:30:00Z").encode()
    frame, reading = read(content)
    assert frame["day"][1] == date(2026, 1, 2)
    assert reading.as_dict()["day_of_zone"] == "as written"
    hong_kong = PatientColumns(score="score", label="label", day="day", zone="Asia/Hong_Kong")
    frame, reading = read(content, hong_kong)
    assert frame["day"][1] == date(2026, 1, 3)
    assert reading.as_dict()["day_of_zone"] == "Asia/Hong_Kong"
    assert reading.as_dict()["timestamps_with_a_zone"] == {"day": 1}
    assert "day_of_zone" not in read(PLAIN.encode(), hong_kong)[1].as_dict()


def test_parquet_with_a_zone_is_read_as_its_csv_and_its_names_are_checked_alike():
    frame = pl.DataFrame(
        {"score": [0.5], " label ": [True], "day": [datetime(2026, 1, 2, 23, 30)], "ward": [3]}
    ).with_columns(pl.col("day").dt.replace_time_zone("UTC"))
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    columns = PatientColumns(score="score", label="label", day="day", zone="Asia/Hong_Kong")
    ours, _ = read(buffer.getvalue(), columns, "t.parquet")
    assert (ours["day"][0], ours["label"][0]) == (date(2026, 1, 3), 1)
    with pytest.raises(EvidenceError, match="the columns score, label, day, ward"):
        read(buffer.getvalue(), PatientColumns(score="p", label="label"), "t.parquet")
    buffer = io.BytesIO()
    frame.clear().write_parquet(buffer)
    with pytest.raises(EvidenceError, match="no row"):
        read(buffer.getvalue(), columns, "t.parquet")
    with pytest.raises(EvidenceError, match="readable Parquet"):
        read(b"PAR1", columns, "t.parquet")
