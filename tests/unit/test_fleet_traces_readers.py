"""What each reader makes of its format, what it leaves out and what it says of that."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import polars as pl
import pytest

import commonwatt
from commonwatt.core.errors import (
    CommonwattError,
    InputError,
    MissingExtraError,
    TraceError,
    UsageError,
)
from commonwatt.fleet.io.traces import FORMATS, read_trace
from commonwatt.fleet.io.traces.draft import workload_of_draft
from tests.trace_files import (
    ACME,
    AZURE,
    HELIOS,
    ITP,
    MOONCAKE,
    OPENB,
    PHILLY,
    SACCT,
    SERVEGEN,
    SWF,
    TABLE,
    attempt,
    edited,
    philly_job,
    philly_log,
    swf_edited,
    without_column,
    written,
)

DATA = Path(commonwatt.__file__).parent / "data" / "traces"
FILES = {
    "openb": OPENB,
    "philly": PHILLY,
    "philly-log": philly_log(),
    "itp": ITP,
    "helios": HELIOS,
    "acme": ACME,
    "swf": SWF,
    "sacct": SACCT,
    "table": TABLE,
    "azure-llm": AZURE,
    "mooncake": MOONCAKE,
    "servegen": SERVEGEN,
}


def reasons(gaps) -> dict[str, tuple[int, tuple[int, ...]]]:
    return {str(gap.reason): (gap.count, gap.first_rows) for gap in gaps}


def test_every_format_has_a_file_here():
    assert set(FILES) == set(FORMATS)


@pytest.mark.parametrize("name", FILES)
def test_a_format_is_known_by_its_content(name, tmp_path):
    assert read_trace(written(tmp_path, "anything", FILES[name])).format == name


@pytest.mark.parametrize("name", FILES)
def test_a_forced_format_reads_the_same_as_a_found_one(name, tmp_path):
    path = written(tmp_path, "anything", FILES[name])
    detected, forced = read_trace(path), read_trace(path, format=name)
    assert detected.sha256 == forced.sha256
    assert detected.notes == forced.notes
    if detected.jobs is not None:
        assert detected.jobs.submit_ms.tolist() == forced.workload.submit_ms.tolist()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("change", ["bom", "crlf", "gz", "blank", "no-last-newline"])
def test_packing_and_line_ends_change_nothing(name, change, tmp_path):
    content = FILES[name]
    plain = read_trace(written(tmp_path, "plain", content))
    spelled = {
        "bom": "\ufeff" + content,
        "crlf": content.replace("\n", "\r\n"),
        "gz": content,
        "blank": "\n" + content + "\n\n",
        "no-last-newline": content.rstrip("\n"),
    }[change]
    other = read_trace(written(tmp_path, "other.gz" if change == "gz" else "other", spelled))
    if plain.jobs is not None:
        assert other.workload.runtime_ms.tolist() == plain.workload.runtime_ms.tolist()
        assert other.workload.gpus.tolist() == plain.workload.gpus.tolist()
    else:
        assert other.requests.requests == plain.requests.requests


@pytest.mark.parametrize("name", sorted(set(FILES) - {"azure-llm", "mooncake", "servegen"}))
def test_the_columns_have_the_types_that_the_engine_takes(name, tmp_path):
    jobs = read_trace(written(tmp_path, "a", FILES[name])).workload
    wide = (
        "submit_ms",
        "runtime_ms",
        "estimate_ms",
        "cpu_milli",
        "memory_mib",
        "gpu_types",
        "sites",
    )
    assert {getattr(jobs, column).dtype.name for column in wide} == {"int64"}
    narrow = ("gpus", "gpu_milli", "tenant", "user", "group", "priority")
    assert {getattr(jobs, column).dtype.name for column in narrow} == {"int32"}
    assert jobs.single_node.dtype.name == "bool"
    assert jobs.submit_ms[0] == 0
    assert all(getattr(jobs, column).flags.c_contiguous for column in wide + narrow)


def test_zstd_is_read_where_a_reader_is_installed(tmp_path):
    zstandard = pytest.importorskip("zstandard")
    path = written(tmp_path, "a.csv.zst", zstandard.ZstdCompressor().compress(ITP.encode()))
    assert len(read_trace(path).workload) == 3


def test_zstd_without_a_reader_names_the_command_that_installs_one(tmp_path, monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(MissingExtraError, match="pip install zstandard"):
        read_trace(written(tmp_path, "a.csv.zst", b"\x28\xb5\x2f\xfd\0\0\0\0"))


def test_jobs_out_of_order_are_sorted_and_ties_keep_the_order_of_the_file(tmp_path):
    content = "job_id,submission_time,duration,num_gpu\na,9,1,1\nb,5,2,1\nc,9,3,1\nd,5,4,1\n"
    read = read_trace(written(tmp_path, "a.csv", content))
    assert read.workload.job_id.to_list() == ["b", "d", "a", "c"]
    assert read.workload.submit_ms.tolist() == [0, 0, 4000, 4000]
    assert "Jobs that stood below a later one: 2; the jobs were sorted." in map(str, read.notes)


def test_names_become_codes_in_the_order_of_the_file(tmp_path):
    content = "submit_s,runtime_s,gpus,tenant\n9,1,1,z\n5,2,1,a\n9,3,1,z\n"
    jobs = read_trace(written(tmp_path, "a.csv", content)).workload
    assert jobs.tenant_names == ("z", "a")
    assert jobs.tenant.tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    ("name", "origin"),
    [
        ("itp", "second 0 from the start of collection"),
        ("philly", "2017-10-03T00:00:00 (Pacific wall clock)"),
        ("philly-log", "2017-10-07T08:11:39Z"),
        ("helios", "2020-06-09T18:41:01 (the cluster's wall clock)"),
        ("acme", "2023-02-28T16:18:22Z"),
        ("swf", "2001-09-09T01:46:40Z"),
        ("sacct", "2024-01-01T00:00:00 (the cluster's wall clock)"),
    ],
)
def test_the_origin_keeps_the_original_start(name, origin, tmp_path):
    assert read_trace(written(tmp_path, "a", FILES[name])).workload.origin == origin


def test_fractions_of_a_second_are_kept_to_the_millisecond(tmp_path):
    content = "submit_s,runtime_s,gpus\n0.001,0.0005,1\n0.0024,1.9996,1\n"
    jobs = read_trace(written(tmp_path, "a.csv", content)).workload
    assert jobs.submit_ms.tolist() == [0, 1]
    assert jobs.runtime_ms.tolist() == [0, 2000]


def test_a_joined_itp_table_makes_clusters_tenants(tmp_path):
    content = "cluster,submission_time,duration,num_gpu\n2,0,60,8\n10,5,30,1\n"
    jobs = read_trace(written(tmp_path, "a.csv", content)).workload
    assert jobs.tenant_names == ("2", "10")
    assert jobs.job_id.to_list() == ["2", "3"]


def test_an_openb_pod_keeps_its_share_its_types_and_its_node(tmp_path):
    content = edited(OPENB, 3, "gpu_spec", "V100M16|V100M32")
    jobs = read_trace(written(tmp_path, "a.csv", content)).workload
    assert jobs.gpu_milli.tolist() == [500, 1000]
    assert jobs.gpu_type_names == ("T4", "V100M16", "V100M32")
    assert jobs.gpu_types.tolist() == [0b001, 0b110]
    assert jobs.single_node.all()
    assert jobs.runtime_ms.tolist() == [90_000, 195_000]
    assert [jobs.group_names[i] for i in jobs.group] == ["LS", "BE"]


def test_an_openb_pod_of_no_gpu_is_a_cpu_job(tmp_path):
    content = edited(edited(OPENB, 2, "num_gpu", "0"), 2, "gpu_milli", "0")
    jobs = read_trace(written(tmp_path, "a.csv", content)).workload
    assert jobs.gpu_demand_milli_by_job().tolist() == [0, 2000]


def test_an_openb_pod_that_was_never_scheduled_is_counted(tmp_path):
    path = written(tmp_path, "a.csv", edited(OPENB, 2, "scheduled_time", ""))
    read = read_trace(path)
    assert read.workload.runtime_ms[0] == 100_000
    assert list(reasons(read.filled).values()) == [(1, (2,))]
    with pytest.raises(TraceError, match=r"row 2.*never scheduled.*strict"):
        read_trace(path, strict=True)


def test_an_openb_list_of_five_columns_holds_no_times(tmp_path):
    content = "name,cpu_milli,memory_mib,num_gpu,gpu_milli\np0,1,1,1,460\np1,1,1,8,1000\n"
    read = read_trace(written(tmp_path, "a.csv", content))
    assert read.workload.submit_ms.tolist() == [0, 0]
    assert "holds no times" in str(read.notes[0])


def test_a_philly_job_runs_for_the_sum_of_its_attempts(tmp_path):
    twice = [attempt("2017-10-07 01:12:09", "2017-10-07 01:13:23", 8)]
    twice += [attempt("2017-10-07 01:13:30", "2017-10-09 06:53:12", 16)]
    jobs = read_trace(written(tmp_path, "a", philly_log(philly_job(attempts=twice)))).workload
    assert jobs.runtime_ms.tolist() == [(74 + 193_182) * 1000]
    assert jobs.gpus.tolist() == [16]


def test_a_philly_attempt_through_the_end_of_summer_time_is_an_hour_longer(tmp_path):
    through = [attempt("2017-11-05 00:30:00", "2017-11-05 03:30:00")]
    within = [attempt("2017-11-05 01:50:00", "2017-11-05 01:10:00")]
    jobs = [philly_job(attempts=through), philly_job(attempts=within)]
    jobs_read = read_trace(written(tmp_path, "a", philly_log(*jobs))).workload
    assert jobs_read.runtime_ms.tolist() == [4 * 3_600_000, 20 * 60_000]


def test_what_the_philly_log_allows_to_be_missing_is_counted(tmp_path):
    jobs = [
        philly_job(),
        philly_job(attempts=[]),
        philly_job(attempts=[attempt("2017-10-07 01:12:09", None)]),
        philly_job(attempts=[attempt("2017-10-07 01:12:09", "2017-10-07 01:12:10", 0)]),
        philly_job(
            attempts=[
                attempt("None", "None"),
                attempt("2017-10-07 01:12:09", "2017-10-07 01:12:10"),
            ]
        ),
    ]
    path = written(tmp_path, "a", philly_log(*jobs))
    read = read_trace(path)
    assert len(read.workload) == 2
    assert reasons(read.dropped) == {
        "the job has no attempt": (1, (2,)),
        "the job was still running": (1, (3,)),
        "the job's last attempt names no GPU": (1, (4,)),
    }
    assert reasons(read.filled) == {"an attempt lacks a time and counts nothing": (1, (5,))}
    with pytest.raises(TraceError, match="strict"):
        read_trace(path, strict=True)


@pytest.mark.parametrize(("name", "at"), [("helios", 2), ("acme", 2)])
def test_jobs_of_a_log_that_never_started_or_ended_are_counted(name, at, tmp_path):
    content = edited(edited(FILES[name], at, "start_time", ""), at, "end_time", "")
    read = read_trace(written(tmp_path, "a", content))
    assert reasons(read.dropped) == {"the job never started": (1, (at,))}
    assert len(read.workload) == 1


def test_a_log_of_which_nothing_ran_is_refused(tmp_path):
    content = edited(edited(HELIOS, 2, "start_time", ""), 3, "start_time", "")
    with pytest.raises(TraceError, match="no job that ran"):
        read_trace(written(tmp_path, "a", content))


def test_an_acme_run_time_is_end_less_start_whatever_duration_says(tmp_path):
    jobs = read_trace(written(tmp_path, "a", edited(ACME, 2, "duration", "149"))).workload
    assert jobs.runtime_ms[0] == 117_000
    assert jobs.cpu_milli[0] == 128_000


def test_acme_memory_is_that_of_all_pods(tmp_path):
    head, *rows = ACME.strip().split("\n")
    content = "\n".join([head + ",mem_per_pod_GB", *(row + ",1000" for row in rows)])
    jobs = read_trace(written(tmp_path, "a", edited(content, 3, "node_num", "2"))).workload
    assert jobs.memory_mib.tolist() == [953_674, 1_907_349]


def test_swf_asks_for_what_was_requested_or_else_allocated(tmp_path):
    jobs = read_trace(written(tmp_path, "a", swf_edited(3, 8, "-1"))).workload
    assert jobs.gpus.tolist() == [4, 8]
    assert jobs.estimate_ms.tolist() == [200_000, 60_000]
    assert jobs.memory_mib.tolist() == [0, 16]


def test_swf_leaves_out_partial_executions_and_unknown_run_times(tmp_path):
    partial = read_trace(written(tmp_path, "a", swf_edited(3, 11, "2")), strict=True)
    assert reasons(partial.dropped) == {"a partial execution of a job": (1, (3,))}
    path = written(tmp_path, "b", swf_edited(4, 4, "-1"))
    assert reasons(read_trace(path).dropped) == {"the run time is unknown": (1, (4,))}
    with pytest.raises(TraceError, match=r"b, row 4: found the run time is unknown"):
        read_trace(path, strict=True)


def test_swf_without_a_start_keeps_the_clock_of_the_log(tmp_path):
    jobs = read_trace(written(tmp_path, "a", SWF.split("\n", 2)[2])).workload
    assert jobs.origin == "second 0 from the log's zero"


def test_accounting_leaves_out_steps_and_jobs_that_never_ran(tmp_path):
    pending = "3_[1-4]|u|b|2024-01-01T00:00:02|Unknown|Unknown|0|60|PENDING||cpu=1\n"
    running = "4|u|b|2024-01-01T00:00:03|2024-01-01T00:00:04|Unknown|9|60|RUNNING|cpu=1|cpu=1\n"
    read = read_trace(written(tmp_path, "a", SACCT + pending + running))
    assert read.workload.job_id.to_list() == ["1", "2_7"]
    assert reasons(read.dropped) == {
        "a step of a job that has a line of its own": (1, (3,)),
        "the job never started": (1, (5,)),
        "the job had not ended": (1, (6,)),
    }


def test_accounting_takes_gpus_types_and_sizes_from_tres(tmp_path):
    jobs = read_trace(written(tmp_path, "a", SACCT)).workload
    assert jobs.gpus.tolist() == [2, 0]
    assert jobs.gpu_type_names == ("a100",)
    assert jobs.gpu_types.tolist() == [1, 0]
    assert jobs.cpu_milli.tolist() == [8000, 4000]
    assert jobs.memory_mib.tolist() == [65_536, 4000]


def test_accounting_adds_up_gpus_of_several_types(tmp_path):
    content = SACCT.replace("gres/gpu=2,gres/gpu:a100=2", "gres/gpu:a100=2,gres/gpu:h100=3")
    assert read_trace(written(tmp_path, "a", content)).workload.gpus[0] == 5


def test_accounting_without_a_limit_takes_the_run_time(tmp_path):
    content = edited(SACCT, 2, "TimelimitRaw", "UNLIMITED", "|")
    read = read_trace(written(tmp_path, "a", content))
    assert read.workload.estimate_ms.tolist() == [3_600_000, 3_600_000]
    assert list(reasons(read.filled).values()) == [(1, (2,))]


def test_accounting_with_a_bar_at_each_line_end_is_read(tmp_path):
    content = SACCT.replace("\n", "|\n")
    assert len(read_trace(written(tmp_path, "a", content)).workload) == 2


def test_accounting_by_allocation_alone_says_where_the_types_come_from(tmp_path):
    read = read_trace(written(tmp_path, "a", without_column(SACCT, "ReqTRES", "|")))
    assert read.workload.gpu_type_names == ("a100",)
    assert "GPU types allocated" in " ".join(map(str, read.notes))


def test_more_gpu_types_than_a_mask_holds_are_refused(tmp_path):
    rows = "".join(f"{i},1,1,type-{i}\n" for i in range(63))
    with pytest.raises(TraceError, match=r"column gpu_types: found 63 different names.*at most 62"):
        read_trace(written(tmp_path, "a", "submit_s,runtime_s,gpus,gpu_types\n" + rows))


def test_swf_names_of_minus_one_are_unknown(tmp_path):
    jobs = read_trace(written(tmp_path, "a", swf_edited(4, 12, "-1"))).workload
    assert jobs.user_names == ("1", "unknown")


def test_acme_may_ask_for_part_of_a_core(tmp_path):
    jobs = read_trace(written(tmp_path, "a", edited(ACME, 2, "cpu_num", "0.5"))).workload
    assert jobs.cpu_milli.tolist() == [500, 128_000]


@pytest.mark.parametrize("nothing", ["", "None", "NaT", "nan"])
def test_a_log_may_spell_a_missing_time_in_several_ways(nothing, tmp_path):
    read = read_trace(written(tmp_path, "a", edited(HELIOS, 2, "end_time", nothing)))
    assert reasons(read.dropped) == {"the job had not ended": (1, (2,))}


@pytest.mark.parametrize("name", ["swf", "philly-log", "sacct", "servegen"])
def test_a_format_of_text_alone_refuses_parquet(name):
    with pytest.raises(InputError, match="found a Parquet file, wanted text"):
        read_trace(DATA / "itp_ten_days.parquet", format=name)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("path", sorted((DATA / "examples").glob("*")), ids=lambda path: path.name)
def test_a_wrongly_forced_format_is_refused_in_a_sentence(name, path):
    try:
        assert read_trace(path, format=name).format == name
    except CommonwattError as error:
        refused = str(error)
        assert refused.startswith(str(path))


def test_half_a_surrogate_pair_in_the_philly_log_is_read_as_a_question_mark(tmp_path):
    content = philly_log(philly_job(vc="X")).replace('"X"', '"\\ud800"')
    assert read_trace(written(tmp_path, "a", content)).workload.tenant_names == ("?",)


@pytest.mark.parametrize("content", ["[" * 100_000, "[" + "9" * 5000 + "]"])
def test_json_that_is_deep_or_holds_an_endless_number_is_refused(content, tmp_path):
    with pytest.raises(InputError, match="not JSON"):
        read_trace(written(tmp_path, "a.json", content), format="philly-log")


def test_what_was_left_out_is_said_in_both_languages_and_in_json(tmp_path):
    content = edited(edited(HELIOS, 2, "end_time", ""), 3, "start_time", "2020-06-09 18:42:01")
    read = read_trace(written(tmp_path, "a", content))
    assert read.reading_sentences() == [
        "Rows left out: 1, the first being row 2: the job had not ended",
        "Times are kept on the cluster's own wall clock.",
    ]
    assert read.reading_sentences("zh-Hant")[0] == "略去 1 列，首見於第 2 列：任務尚未結束"
    summary = json.loads(json.dumps(read.trace_as_dict()))
    assert (summary["format"], summary["jobs"], summary["sha256"]) == ("helios", 1, read.sha256)
    gap = {"reason": "the job had not ended", "rows": 1, "first_rows": [2]}
    assert summary["dropped"] == [gap]


def test_requests_are_summarised(tmp_path):
    requests = read_trace(written(tmp_path, "a", MOONCAKE)).requests
    assert (requests.requests, requests.span_s) == (2, 27.482)
    assert requests.prompt_tokens[0.99] == 6755
    assert requests.shared_block_share == pytest.approx(1 - 4 / 6)
    assert requests.peak_rps == pytest.approx(2 / 60)
    summary = json.loads(json.dumps(requests.summary_as_dict()))
    assert (summary["requests"], summary["span_s"]) == (2, 27.482)
    assert summary["prompt_tokens"] == {"0.5": 6755, "0.9": 6755, "0.99": 6755}


def test_rates_are_summed_over_their_windows(tmp_path):
    requests = read_trace(written(tmp_path, "a", SERVEGEN)).requests
    assert requests.requests == pytest.approx(1200)
    assert requests.span_s == 1800
    assert requests.peak_rps == 1.5


def test_a_trace_of_requests_is_no_trace_of_jobs(tmp_path):
    with pytest.raises(UsageError, match="requests to a language model"):
        _ = read_trace(written(tmp_path, "a.csv", AZURE)).workload


def mapping(tmp_path, text):
    return written(tmp_path, "m.toml", text)


FULL = '[columns]\nsubmit = "at"\nstart = "from"\nend = "to"\ngpus = "cards"\n'


def test_a_mapping_reads_instants_and_constants(tmp_path):
    content = "at,from,to,cards\n2024-01-01 00:00:00,2024-01-01 00:00:05,2024-01-01 00:01:05,2\n"
    units = '[units]\nsubmit = "instant"\nstart = "instant"\nend = "instant"\n'
    toml = FULL + units + '[constants]\ntenant = "hospital-a"\nsingle_node = 1\n'
    read = read_trace(written(tmp_path, "a.csv", content), mapping=mapping(tmp_path, toml))
    jobs = read.workload
    assert jobs.runtime_ms.tolist() == [60_000]
    assert jobs.tenant_names == ("hospital-a",)
    assert jobs.single_node.tolist() == [True]
    assert jobs.origin == "2024-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("[columns", "not TOML"),
        ('[colums]\nsubmit = "a"\n', "'colums', wanted one of separator, columns"),
        ('[columns]\nsubmitted = "a"\n', "column columns: found 'submitted', wanted one of submit"),
        ('[columns]\nsubmit = "at"\n', "found no gpus, runtime, wanted submit, gpus and either"),
        ("[columns]\nsubmit = 3\n", "columns.submit: found '3', wanted a text in quotes"),
        ('columns = "x"\n', "column columns: found 'x', wanted a table of names"),
        (FULL + '[units]\nsubmit = "weeks"\n', "units.submit: found 'weeks', wanted one of s, ms"),
        ('separator = ";;"\n' + FULL, "column separator: found ';;', wanted a single character"),
        (FULL, "a.csv, row 1, column from: found only the columns at, cards"),
    ],
)
def test_a_broken_mapping_gives_one_clear_error(toml, says, tmp_path):
    table = written(tmp_path, "a.csv", "at,cards\n1,2\n")
    with pytest.raises(InputError) as raised:
        read_trace(table, mapping=mapping(tmp_path, toml))
    assert says in str(raised.value)


def test_a_missing_mapping_is_said_so(tmp_path):
    with pytest.raises(InputError, match="no readable file"):
        read_trace(written(tmp_path, "a.csv", ITP), mapping=tmp_path / "gone.toml")


def test_a_mapping_and_another_format_contradict_each_other(tmp_path):
    with pytest.raises(UsageError, match="--mapping describes one"):
        read_trace(written(tmp_path, "a", ITP), format="itp", mapping=mapping(tmp_path, FULL))


@pytest.mark.parametrize("path", sorted((DATA / "examples").glob("*")), ids=lambda path: path.name)
def test_every_shipped_example_is_read(path):
    if path.suffix == ".toml" or path.name in ("nodes.csv", "openb_nodes.csv", "pools.csv"):
        return
    toml = DATA / "examples" / "table.toml" if path.name == "table.csv" else None
    read = read_trace(path, mapping=toml)
    assert read.requests is not None or 9 <= len(read.workload) <= 30


def test_the_shipped_slice_is_what_its_readme_says():
    path = DATA / "itp_ten_days.parquet"
    read = read_trace(path, strict=True)
    assert len(read.workload) == 5844
    assert sorted(read.workload.tenant_names, key=int) == ["1", "2", "3", "5", "6", "8", "10"]
    readme = (DATA / "README.md").read_text(encoding="utf-8")
    assert read.sha256 in readme
    assert path.stat().st_size < 100_000


def test_a_workload_may_count_from_another_instant():
    from commonwatt.fleet.io.traces.draft import DraftWorkload

    columns = {"job_id": ["a"], "submit_ms": [5000], "runtime_ms": [1], "gpus": [1]}
    jobs = workload_of_draft(DraftWorkload(pl.DataFrame(columns), "utc"), origin_ms=2000)
    assert jobs.submit_ms.tolist() == [3000]
    assert jobs.origin == "1970-01-01T00:00:02Z"


def test_every_error_of_a_reader_is_one_of_ours():
    assert issubclass(TraceError, CommonwattError)
