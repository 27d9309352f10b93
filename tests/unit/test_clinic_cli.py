"""The commands of the clinic."""

import json
import re

import pytest
import yaml

from commonwatt.cli import root
from commonwatt.cli.frame import run_main


def run(*words: str) -> int:
    return run_main(root, ["clinic", *words])


AXES = {
    "significance": "diagnose", "condition": "critical", "autonomy": "informs",
    "change": "locked", "technique": "deep", "offering": "product", "user": "clinician",
}  # fmt: skip


def stated(**changes):
    """Return the options that state every axis."""
    return [
        word for name, value in (AXES | changes).items() for word in ("--fact", f"{name}={value}")
    ]


def test_a_product_is_classified_with_reasons_in_both_languages(capsys):
    facts = stated()
    assert run("model", "classify", *facts, "--place", "imdrf", "--on", "2026-11-22") == 0
    assert "category: IV\n    imdrf.n12.iv.i" in capsys.readouterr().out
    assert run("model", "classify", *facts, "--place", "hk", "--lang", "zh-Hant") == 0
    assert "審批" in capsys.readouterr().out


def test_a_contested_class_names_both_rules(capsys):
    words = ("model", "classify", *stated(), "--place", "in", "--on", "2026-11-22", "--json")
    assert run(*words) == 0
    [ruling] = json.loads(capsys.readouterr().out)["rulings"]
    assert ruling["classes"][0]["class"] == "C"
    assert ruling["classes"][0]["against"] == ["in.sched.b"]


def test_an_axis_that_nobody_stated_is_asked_for_and_every_other_assumption_is_named(capsys):
    assert run("model", "classify", *stated()[:4], "--place", "imdrf") == 66
    refused = capsys.readouterr().err
    assert "no fact autonomy, change, technique, offering, user" in refused
    assert "autonomy=informs|confirms|acts" in refused
    assert run("model", "classify", *stated(), "--place", "us") == 0
    assert re.search("Not stated, assumed: .*product_code=none", capsys.readouterr().out)


def test_the_help_s_own_example_of_a_moved_date_is_the_same_on_every_day(capsys):
    words = ("rules", "show", "--move", "eu.aia.art6-1=2027-08-02", "--json")
    assert run(*words) == 0
    moved = json.loads(capsys.readouterr().out)["moved"]
    # On the first and on the last day between both dates, and on no day that hangs on today.
    assert {row["on"] for row in moved} == {"2027-08-02", "2028-08-01"}
    assert len(moved) == 2 * 486


def test_an_incident_keeps_the_working_days_of_a_hospital_apart(capsys):
    words = ("model", "classify", *stated(), "--place", "us", "--on", "2026-11-22", "--json")
    assert run(*words, "--fact", "reporter=user-facility") == 0
    [ruling] = json.loads(capsys.readouterr().out)["rulings"]
    hospital = ruling["report_within"]
    assert [(p["event"], p["working_days"], p["calendar_days"]) for p in hospital] == [
        ("death", 10, None), ("serious", 10, None), ("public-health-threat", 10, None),
    ]  # fmt: skip
    assert run(*words) == 0
    [ruling] = json.loads(capsys.readouterr().out)["rulings"]
    periods = {p["event"]: (p["working_days"], p["calendar_days"]) for p in ruling["report_within"]}
    assert periods == {
        "death": (None, 30), "serious": (None, 30), "other": (None, 30),
        "public-health-threat": (5, None),
    }  # fmt: skip


def test_a_folder_of_the_site_brings_a_place_and_a_faulty_file_takes_no_other_with_it(
    tmp_path, capsys
):
    (tmp_path / "zz.yaml").write_text(OWN_PLACE)
    (tmp_path / "yy.yaml").write_text("rules: [")
    words = ("model", "classify", *stated(), "--on", "2026-11-22", "--rules", str(tmp_path))
    assert run(*words, "--place", "zz") == 0
    assert "zz: filing\n  risk: high\n    zz.high" in capsys.readouterr().out
    assert run(*words, "--place", "yy") == 66
    assert re.search(r"yy\.yaml, line 1.*Mend the line", capsys.readouterr().err)
    assert run(*words, "--place", "xx") == 66
    assert re.search("one of au, .*zz", capsys.readouterr().err)
    # Asked for all places, the fault is said and the others answer.
    assert run(*words, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert list(answer["faults"]) == ["yy"]
    assert {"zz", "hk"} < {ruling["jurisdiction"] for ruling in answer["rulings"]}
    assert run("rules", "list", "--rules", str(tmp_path)) == 0
    listed = capsys.readouterr().out
    assert re.search(r"zz +Elsewhere +law +1 +100", listed)
    assert "Without a case: zz.high" in listed
    assert "yy.yaml" in listed
    assert run("rules", "list", "--rules", str(tmp_path / "none")) == 66


def test_the_listing_of_the_rules_says_on_how_much_primary_text_each_rests(capsys):
    assert run("rules", "list", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["faults"] == {}
    assert len([row for row in answer["places"] if row["kind"] == "law"]) >= 16
    for row in answer["places"]:
        assert 0 <= row["primary_share"] <= 1
        assert row["place_name_zh_hant"]
    assert run("rules", "list", "--lang", "zh-Hant") == 0
    assert "瑞士" in capsys.readouterr().out


OWN_PLACE = """
name: Elsewhere
schemes:
  risk: {classes: [low, high], scope: "offering = product"}
sources:
  law: {title: Law, date: 2020-01-01, checked: primary, against: the gazette}
rules:
  - id: zz.high
    source: law
    article: "1"
    text: Whatever diagnoses is of high risk.
    status: in force
    binding: true
    from: 2020-01-01
    when: significance = diagnose
    scheme: risk
    class: high
    route: filing
"""


def test_the_rules_are_looked_at_whole_and_a_moved_date_shows_its_cells(capsys):
    assert run("rules", "show") == 0
    assert "contradict" not in capsys.readouterr().err
    assert (
        run("rules", "show", "--move", "eu.aia.art6-1=2027-08-02", "--on", "2028-01-01", "--json")
        == 0
    )
    assert len(json.loads(capsys.readouterr().out)["moved"]) == 486


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("model", "classify", *stated(), "--fact", "colour=red"), 66),
        (("model", "classify", *stated(), "--place", "atlantis"), 66),
        (("rules", "show", "--fact", "colour=red"), 66),
        (("model", "classify", "--fact", "colour"), 2),
        (("model", "classify", *stated(), "--fact", "condition=serious", "--place", "hk"), 2),
        (("model", "classify", *stated(), "--fact", "condition=critical", "--place", "hk"), 0),
        (("rules", "show", "--move", "no.rule=2027-01-01"), 66),
        (("rules", "show", "--move", "eu.aia.art6-1=soon"), 2),
        (("model", "evidence", "none.csv"), 2),
    ],
)
def test_what_cannot_be_obeyed_leaves_with_its_code(words, code):
    assert run(*words) == code


def test_evidence_is_computed_by_subgroup_and_too_few_is_said(tmp_path, capsys):
    rows = ["p,y,sex"] + [
        f"{(i % 10) / 10 + 0.05},{int(i % 10 > 6)},{'f' if i % 2 else 'm'}" for i in range(400)
    ]
    (tmp_path / "t.csv").write_text("\n".join([*rows, "0.5,1,x"]))
    path = str(tmp_path / "t.csv")
    assert run("model", "evidence", path, "--score", "p", "--label", "y", "--by", "sex") == 0
    out = capsys.readouterr().out
    assert re.search(r"sex = x +auc +too few to say", out)
    assert re.search(r"all +sensitivity", out)
    assert run("model", "evidence", path, "--score", "nothing") == 68


def test_evidence_draws_its_groups_and_a_funnel_of_its_institutions(tmp_path, capsys):
    drifting(tmp_path / "t.csv")
    out = tmp_path / "o"
    words = (
        "--by",
        "institution",
        "--institution",
        "institution",
        "--out",
        str(out),
        "--lang",
        "zh-Hant",
    )
    assert run("model", "evidence", str(tmp_path / "t.csv"), *words) == 0
    panel = (out / "subgroups.svg").read_text()
    assert "太少" in panel
    assert "institution = b" in panel
    assert ">b<" in (out / "funnel.svg").read_text()


def drifting(path, days=60, per_day=40):
    import numpy as np

    from commonwatt.core.seeds import named_random_stream

    chance, rows = named_random_stream(3, "cli-monitor"), ["score,label,day,institution"]
    for day in range(days):
        for i in range(per_day):
            x = float(chance.normal(-1, 1.2))
            drift = 2.0 if day >= 30 and i % 2 else 0.0
            label = int(chance.random() < 1 / (1 + np.exp(-(x + drift))))
            on = f"2026-{1 + day // 28:02}-{1 + day % 28:02}"
            rows.append(f"{1 / (1 + np.exp(-x))},{label},{on},{'ab'[i % 2]}")
    path.write_text("\n".join([*rows, "0.5,1,2026-01-01,c"]))


def test_a_monitor_names_the_institution_that_drifted_the_day_and_its_bound(tmp_path, capsys):
    drifting(tmp_path / "t.csv")
    assert run("monitor", "run", str(tmp_path / "t.csv"), "--by", "institution", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    by_stream = {stream["stream"]: stream for stream in answer["streams"]}
    assert by_stream["institution = a"]["verdict"] == "quiet"
    assert by_stream["institution = b"]["alarm_on"] >= "2026-02-03"
    assert by_stream["institution = c"]["verdict"] == "no information"  # its one patient
    assert run("monitor", "run", str(tmp_path / "t.csv"), "--lang", "zh-Hant") == 0
    assert "誤報的機率：最多 0.1" in capsys.readouterr().out
    assert run("monitor", "run", str(tmp_path / "t.csv"), "--alpha", "2") == 69
    assert run("monitor", "run", str(tmp_path / "t.csv"), "--day", "institution") == 69


def test_a_table_that_grows_keeps_its_horizon_and_its_centre(tmp_path, capsys):
    drifting(tmp_path / "t.csv")
    header, *rows = (tmp_path / "t.csv").read_text().splitlines()
    seen = []
    for count in (400, 800, 1600, 2400):
        (tmp_path / "t.csv").write_text("\n".join([header, *rows[:count]]))
        assert run("monitor", "run", str(tmp_path / "t.csv"), "--json") == 0
        answer = json.loads(capsys.readouterr().out)
        seen.append((answer["horizon_rows"], answer["middle_logit"], answer["bound"]))
    assert len(set(seen)) == 1
    assert seen[0][2] == pytest.approx(0.1)


def test_scores_of_zero_and_one_are_not_called_quiet(tmp_path, capsys):
    """2,250 events of 3,000 where 1,500 were foretold: the case as it was reported."""
    rows = [f"{(i % 2) * 1.0},{int(i % 4 > 0)},2026-01-{1 + i % 28:02d}" for i in range(3000)]
    (tmp_path / "z.csv").write_text("\n".join(["score,label,day", *rows]))
    assert run("monitor", "run", str(tmp_path / "z.csv"), "--json") == 80
    out, err = capsys.readouterr()
    assert json.loads(err)["error"] == "monitor-silent"
    answer = json.loads(out)
    assert answer["streams"][0]["verdict"] == "no information"
    assert answer["streams"][0]["rows_without_information"] == 3000
    assert "saturated" in {each["assumption"] for each in answer["assumptions"]}
    assert run("monitor", "run", str(tmp_path / "z.csv"), "--lang", "zh-Hant") == 80
    out, err = capsys.readouterr()
    assert "沒有資訊" in out
    assert "分數太接近 0 或 1" in err


SILENT = {
    "outcomes all of one kind": (lambda i: "0", (), "300 rows, whose outcomes are all of one kind"),
    "outcomes that still wait": (
        lambda i: f"{i % 3 % 2}",
        ("--maturity", "60"),
        "no row that counts: 300 wait 60 days for their outcome",
    ),
    "no outcome": (lambda i: "", (), "no row with an outcome"),
}


@pytest.mark.parametrize("case", SILENT)
def test_a_monitor_that_cannot_say_anything_leaves_by_a_code_of_its_own(case, tmp_path, capsys):
    label, words, found = SILENT[case]
    # Scores near 0 are right about outcomes that never come, so that no alarm is due.
    rows = [f"{0.001 + i % 7 / 1e4},{label(i)},2026-01-{1 + i % 28:02d}" for i in range(300)]
    (tmp_path / "t.csv").write_text("\n".join(["score,label,day", *rows]))
    assert run("monitor", "run", str(tmp_path / "t.csv"), *words, "--json") == 80
    out, err = capsys.readouterr()
    assert json.loads(out)["streams"][0]["verdict"] == "no information"
    assert json.loads(err)["found"] == found


def test_a_monitor_that_says_something_leaves_with_zero(tmp_path, capsys):
    for label, verdict in ((lambda i: i % 5 == 0, "too few"), (lambda i: i // 28 % 2, "quiet")):
        rows = [f"0.{3 + 2 * (verdict == 'quiet')},{int(label(i))},2026-01-{1 + i % 28:02d}"
                for i in range(30 if verdict == "too few" else 3000)]  # fmt: skip
        (tmp_path / "t.csv").write_text("\n".join(["score,label,day", *rows]))
        assert run("monitor", "run", str(tmp_path / "t.csv"), "--json") == 0
        assert json.loads(capsys.readouterr().out)["streams"][0]["verdict"] == verdict


def test_more_rows_than_the_horizon_are_told_with_the_bound_that_is_left(tmp_path, capsys):
    drifting(tmp_path / "t.csv", days=20)
    words = ("--horizon", "400", "--day-effect", "0")
    assert run("monitor", "run", str(tmp_path / "t.csv"), *words, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["bound"] == pytest.approx(0.1 * (801 + 8) / 408)
    assert "horizon-passed" in {each["assumption"] for each in answer["assumptions"]}
    assert run("monitor", "run", str(tmp_path / "t.csv"), "--horizon", "801", "--json") == 0
    assert json.loads(capsys.readouterr().out)["bound"] == pytest.approx(0.1)


def test_timestamps_of_many_seconds_are_days_and_fit_the_memory(tmp_path, capsys):
    rows = [
        f"{0.1 + i % 7 / 10},{int(i % 3 == 0)},"
        f"2026-01-{1 + i % 28:02d} {i % 24:02d}:{i % 60:02d}:05"
        for i in range(20_000)
    ]
    (tmp_path / "t.csv").write_text("\n".join(["score,label,day", *rows]))
    assert run("monitor", "run", str(tmp_path / "t.csv"), "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["days"] == 28
    assert answer["read"]["timestamps_cut_to_days"] == {"day": 20_000}


@pytest.mark.parametrize("rows", [[], ["NA,1,2026-01-01"], ["0.5,NA,2026-01-01"], ["0.5,1,NA"]])
def test_a_table_in_which_nothing_counts_is_told_or_gives_no_information(rows, tmp_path, capsys):
    (tmp_path / "t.csv").write_text("\n".join(["score,label,day", *rows]))
    code = run("monitor", "run", str(tmp_path / "t.csv"), "--json")
    out = capsys.readouterr()
    assert code in ((80, 69) if rows else (68,)), out.err
    if code == 80:
        assert json.loads(out.out)["streams"][0]["verdict"] == "no information"


def test_a_monitor_draws_what_it_saw_and_its_evidence(tmp_path, capsys):
    import polars as pl

    drifting(tmp_path / "t.csv")
    out = tmp_path / "o"
    assert (
        run("monitor", "run", str(tmp_path / "t.csv"), "--by", "institution", "--out", str(out))
        == 0
    )
    over_time = pl.read_csv(out / "over_time.csv")
    assert set(over_time["model"]) == {
        "all",
        "institution = a",
        "institution = b",
        "institution = c",
    }
    last = dict(over_time.group_by("model").last().select("model", "over_limit").iter_rows())
    assert (last["institution = a"] < 1, last["institution = b"] >= 1) == (True, True)
    rows = over_time.filter(pl.col("model") == "all")["rows"].sum()
    assert rows == 60 * 40 + 1
    assert "<svg" in (out / "over-time.svg").read_text()
    assert "<svg" in (out / "evidence.svg").read_text()


@pytest.mark.parametrize("language", ["en", "zh-Hant"])
def test_the_report_shows_models_class_evidence_alarm_and_open_duties(language):
    from datetime import date

    from commonwatt.clinic.usecases.section import clinic_models_section_and_tables

    made, tables = clinic_models_section_and_tables(
        language=language, seed=1, on=date(2026, 11, 22)
    )
    verdicts = [row[4] for row in made.tables[0].rows]
    quiet, alarm = ("quiet", "alarm") if language == "en" else ("平靜", "警報")
    assert verdicts[0] == quiet
    assert verdicts[1].startswith(alarm)
    assert all(row[5] for row in made.tables[0].rows)
    names = [figure.name.removeprefix("clinic-") for figure in made.figures]
    assert names == ["over-time", "evidence", "subgroups", "funnel", "voices"]
    assert all("<svg" in figure.svg for figure in made.figures)
    assert made.tables[1].rows[2][1] == "0.844"
    last = tables["clinic_evidence"].group_by("model", maintain_order=True).last()
    path = last["over_limit"].to_list()
    scored = made.tables[0].rows[:2]
    assert [over > 1 for over in path] == [row[4] != quiet for row in scored]


@pytest.mark.parametrize("language", ["en", "zh-Hant"])
def test_a_model_that_writes_text_has_no_figure_of_a_score(language):
    from datetime import date

    from commonwatt.clinic.usecases.example import EXAMPLES
    from commonwatt.clinic.usecases.section import clinic_models_section_and_tables

    made, tables = clinic_models_section_and_tables(language=language, seed=1, on=date(2026, 3, 2))
    entries = yaml.safe_load(EXAMPLES.read_text(encoding="utf-8"))["models"]
    rows = {row[0]: row for row in made.tables[0].rows}
    assert {entry["facts"]["technique"] for entry in entries} > {"generative"}
    for entry in entries:
        name, writes = entry["name"][language], entry["facts"]["technique"] == "generative"
        assert (rows[name][2:5] == ["–"] * 3) == writes
        for table in ("clinic_over_time", "clinic_evidence", "clinic_subgroups", "clinic_funnel"):
            frame = tables[table]
            shown = frame[frame.columns[0]].str.contains(name, literal=True).any()
            assert shown != writes, table


def test_the_worth_of_the_doctors_own_estimate_is_shown(tmp_path, capsys):
    rows = ["score,own,label"] + [f"0.{i},0.{9 - i},{i % 2}" for i in range(1, 9)]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    assert run("model", "joint", str(tmp_path / "t.csv")) == 0
    told = capsys.readouterr().out
    assert "They disagree on 8; the doctor is right in 50.0 % of those" in told
    assert "left out" not in told


def test_rows_that_the_comparison_leaves_out_are_told_with_what_they_lack(tmp_path, capsys):
    rows = ["score,own,label"] + [f"0.{i},0.{9 - i},{i % 2}" for i in range(1, 9)]
    gaps = ["0.5,,1", "0.5,none,1", ",0.4,0", "0.5,0.4,?"]
    (tmp_path / "t.csv").write_text("\n".join([*rows, *gaps]))
    assert run("model", "joint", str(tmp_path / "t.csv")) == 0
    told = capsys.readouterr().out
    assert "They disagree on 8" in told
    assert "Rows left out for a gap: 4 of 12" in told
    assert "Missing in the column own: 2" in told
    assert run("model", "joint", str(tmp_path / "t.csv"), "--json") == 0
    read = json.loads(capsys.readouterr().out)["read"]
    assert (read["rows"], read["rows_left_out"]) == (12, 4)
    assert read["missing"] == {"score": 1, "own": 2, "label": 1}
    (tmp_path / "t.csv").write_text("\n".join(rows).replace(",", ";").replace(".", ","))
    assert run("model", "joint", str(tmp_path / "t.csv")) == 0
    assert "They disagree on 8" in capsys.readouterr().out
    (tmp_path / "t.csv").write_text("\n".join([*rows, "0.5,55,1"]))
    assert run("model", "joint", str(tmp_path / "t.csv")) == 68
    assert "row 9, own" in capsys.readouterr().err
    (tmp_path / "t.csv").write_text("\n".join([rows[0], "0.5,,1"]))
    assert run("model", "joint", str(tmp_path / "t.csv")) == 68
