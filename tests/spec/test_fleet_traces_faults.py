# ruff: noqa: E501 - a fault stands on one line, as in a table
"""Broken traces: each gives exactly one error that says where, what was found and what is wanted.

Every line of the table is one broken file: its name, its content, the class of the
error and the words that its sentence must hold, in this order.
"""

from __future__ import annotations

import gzip
import io
from dataclasses import dataclass

import polars as pl
import pytest

from commonwatt.core.errors import CommonwattError, InputError, NodesError, TraceError, UsageError
from commonwatt.core.messages import LANGUAGES
from commonwatt.fleet.io.nodes import read_node_list
from commonwatt.fleet.io.traces import read_trace
from tests.trace_files import (
    ACME,
    AZURE,
    HELIOS,
    ITP,
    MOONCAKE,
    NODES,
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


@dataclass(frozen=True)
class Fault:
    what: str
    file: str
    content: str | bytes
    error: type[CommonwattError]
    says: tuple[str, ...]
    format: str | None = None


def parquet(**columns: object) -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame(columns).write_parquet(buffer)
    return buffer.getvalue()


def itp(value: str, column: str = "num_gpu") -> str:
    return edited(ITP, 3, column, value)


GOOD_PARQUET = parquet(cluster=[1], submission_time=[0], duration=[60], num_gpu=[8])

UNREADABLE = [
    Fault("an empty file", "a.csv", "", InputError, ("a.csv", "an empty file", "at least a header")),
    Fault("blank lines only", "a.csv", "\n\n  \n", InputError, ("a.csv", "blank lines only", "header")),
    Fault("an empty gzip", "a.csv.gz", b"", InputError, ("a.csv.gz", "an empty file", "header")),
    Fault("a cut gzip", "cut.csv", gzip.compress(ITP.encode() * 99)[:-20], InputError,
          ("cut.csv", "gzip file that is cut off", "a whole file")),
    Fault("gzip with damaged middle", "bad.csv", gzip.compress(ITP.encode())[:15] + b"\xff" * 40, InputError,
          ("bad.csv", "gzip file that is cut off or damaged", "a whole file")),
    Fault("a cut zstd file", "cut.zst", b"\x28\xb5\x2f\xfd" + b"\x04" * 9, InputError,
          ("cut.zst", "zstd file that is cut off or damaged", "a whole file")),
    Fault("binary junk", "a.csv", bytes(range(256)) * 9, InputError, ("a.csv, row 1", "binary bytes", "UTF-8")),
    Fault("junk in the third row", "a.csv", ITP.encode()[:57] + b"\0\1\2\n", InputError,
          ("a.csv, row 3", "binary bytes", "text in UTF-8")),
    Fault("Latin-1 text", "a.csv", ITP.encode() + b"caf\xe9,1,2,3\n", InputError,
          ("a.csv, row 5", "not UTF-8", "text in UTF-8")),
    Fault("UTF-16 text", "a.csv", ITP.encode("utf-16"), InputError, ("a.csv", "UTF-16", "save the file again")),
    Fault("a line above 1 MiB", "a.csv", ITP.encode() + b"x" * (3 << 20), InputError,
          ("a.csv, row 5", "a line above 1 MiB", "one row a line")),
    Fault("a long first line", "a.csv", b"x" * (2 << 20), InputError, ("a.csv, row 1", "above 1 MiB", "table")),
    Fault("a long line in gzip", "a.csv.gz", ITP.encode() + b"x" * (3 << 20), InputError,
          ("a.csv.gz, row 5", "a line above 1 MiB", "one row a line")),
    Fault("a damaged Parquet file", "a.parquet", GOOD_PARQUET[:200], InputError,
          ("a.parquet", "a damaged Parquet file", "a whole file")),
    Fault("Parquet in name and mark only", "a.parquet", b"PAR1" * 20, InputError,
          ("a.parquet", "a damaged Parquet file", "a whole file")),
    Fault("no known format", "a.csv", "a,b\n1,2\n", InputError,
          ("a.csv", "'a,b'", "one of the formats openb, philly", "--format")),
    Fault("a Parquet table of no known format", "a.parquet", parquet(x=[1]), InputError,
          ("a.parquet", "Parquet table with the columns x", "one of the formats")),
    Fault("a wrong delimiter", "a.csv", ITP.replace(",", ";"), InputError,
          ("a.csv", "one of the formats", "nearest to itp", "split by ';'")),
    Fault("a missing column", "a.csv", without_column(PHILLY, "duration"), InputError,
          ("a.csv", "one of the formats", "nearest to philly", "lacks duration")),
    Fault("a node list", "a.csv", "sn,cpu_milli,memory_mib,gpu,model\n", InputError,
          ("a.csv", "one of the formats", "--nodes")),
    Fault("JSON cut off", "a.json", philly_log()[:-40], InputError,
          ("a.json, row 1", "not JSON, or is cut off", "a whole JSON list")),
]  # fmt: skip

SHAPES = [
    Fault("a missing column under a forced format", "a.csv", without_column(ITP, "duration"), TraceError,
          ("a.csv, row 1, column duration", "only the columns job_id", "a column named duration"), "itp"),
    Fault("a header alone", "a.csv", ITP.split("\n")[0] + "\n", TraceError, ("a.csv", "a header and no rows", "at least one row")),
    Fault("a header without a line end", "a.csv", ITP.split("\n")[0], TraceError, ("a.csv", "no rows", "at least one row")),
    Fault("a column named twice", "a.csv", ITP.replace("job_id", "duration"), TraceError,
          ("a.csv, row 1, column duration", "the same column twice", "it once")),
    Fault("a row with too many fields", "a.csv", ITP.replace("b,5", "b,5,5"), TraceError,
          ("a.csv, row 3", "5 fields", "4 fields, one for each column")),
    Fault("a row with too few fields", "a.csv", ITP.replace("b,5", "5"), TraceError,
          ("a.csv, row 3", "3 fields", "4 fields, one for each column")),
    Fault("a quote that is not closed", "a.csv", ITP.replace("b,5", '"b,5'), TraceError,
          ("a.csv, row 3", "fields", "4 fields")),
    Fault("an empty Parquet table", "a.parquet", parquet(submission_time=pl.Series([], dtype=pl.Int64),
          duration=pl.Series([], dtype=pl.Int64), num_gpu=pl.Series([], dtype=pl.Int64)), TraceError,
          ("a.parquet", "no rows", "at least one row")),
    Fault("a Parquet column of the wrong type", "a.parquet", parquet(cluster=[1], submission_time=[True],
          duration=[60], num_gpu=[8]), TraceError,
          ("a.parquet, column submission_time", "a column of type Boolean", "a number")),
    Fault("an SWF line of 17 fields", "a.swf", SWF.replace("2 10 0 50", "2 10 50"), TraceError,
          ("a.swf, row 4", "17 fields", "18 fields")),
    Fault("an SWF log of comments alone", "a.swf", "; Version: 2.2\n", TraceError, ("a.swf", "no rows", "at least one row")),
    Fault("accounting without a size", "a.txt", "JobID|Submit|ElapsedRaw\n1|2024-01-01T00:00:00|5\n", TraceError,
          ("a.txt, row 1", "only the columns JobID", "AllocTRES or ReqTRES")),
    Fault("accounting without a length of time", "a.txt", "JobID|Submit|AllocTRES\n1|2024-01-01T00:00:00|cpu=1\n", TraceError,
          ("a.txt, row 1", "only the columns", "ElapsedRaw, Elapsed, or both")),
    Fault("accounting without Submit", "a.txt", without_column(SACCT, "Submit", "|"), TraceError,
          ("a.txt, row 1, column Submit", "only the columns", "a column named Submit")),
    Fault("a JSON job that is a number", "a.json", philly_log(philly_job(), 7), TraceError,
          ("a.json, row 2", "'7'", "an object with vc")),
    Fault("a JSON job without a key", "a.json", philly_log({"jobid": "1", "attempts": []}), TraceError,
          ("a.json, row 1, column vc", "nothing", "a value")),
    Fault("a JSON log of no jobs", "a.json", "[]", TraceError, ("a.json", "without a single job", "a JSON list"), "philly-log"),
    Fault("a request line that is not JSON", "a.jsonl", MOONCAKE + "oops\n", TraceError,
          ("a.jsonl, row 3", "not JSON", "a JSON object")),
    Fault("a request without a key", "a.jsonl", MOONCAKE + '{"timestamp": 1}\n', TraceError,
          ("a.jsonl, row 3, column input_length", "nothing", "a number")),
]  # fmt: skip


def late(unit: str, at: int) -> bytes:
    """Return a Philly table with an instant that Python's calendar does not hold."""
    times = pl.Series([0, at], dtype=pl.Int64).cast(pl.Datetime(unit))
    return parquet(timestamp=times, duration=[1, 1], num_gpus=[1, 1], vc=["x", "x"])


VALUES = [
    Fault("an instant of the year 148,108 in Parquet", "a.parquet", late("us", 1 << 62), TraceError,
          ("a.parquet, row 2, column timestamp", "'4611686018427387904'", "from 1970 to 2286")),
    Fault("an instant of the year 30,000 in Parquet", "a.parquet", late("ms", 884_541_340_800_000), TraceError,
          ("a.parquet, row 2, column timestamp", "'+30000-01-01 00:00:00.000'", "from 1970 to 2286")),
    Fault("an instant beyond all calendars in Parquet", "a.parquet", late("ms", 1 << 62), TraceError,
          ("a.parquet, row 2, column timestamp", "'4611686018427387904'", "from 1970 to 2286")),
    Fault("an instant before 1970 in Parquet", "a.parquet", late("ms", -1), TraceError,
          ("a.parquet, row 2, column timestamp", "'1969-12-31 23:59:59.999'", "from 1970 to 2286")),
    Fault("tenants that are lists in Parquet", "a.parquet", parquet(cluster=[[1]], submission_time=[0],
          duration=[1], num_gpu=[1]), TraceError, ("a.parquet, column cluster", "a column of type List", "a name")),
    Fault("block ids that are no lists in Parquet", "a.parquet", parquet(t_ms=[0], input_length=[1],
          output_length=[1], hash_ids=[1]), TraceError,
          ("a.parquet, column hash_ids", "a column of type Int64", "a list of whole numbers")),
    Fault("block ids that are missing in Parquet", "a.parquet", parquet(t_ms=[0, 1], input_length=[1, 1],
          output_length=[1, 1], hash_ids=[[1], None]), TraceError,
          ("a.parquet, row 2, column hash_ids", "nothing", "a list of whole numbers")),
    Fault("lengths of time as a duration in Parquet", "a.parquet", parquet(submission_time=[0],
          duration=pl.Series([1], dtype=pl.Duration("us")), num_gpu=[1]), TraceError,
          ("a.parquet, column duration", "a column of type Duration", "a number")),
    Fault("a GPU count that is text", "a.csv", itp("8x"), TraceError, ("a.csv, row 3, column num_gpu", "'8x'", "a whole number from 1")),
    Fault("a fraction of a GPU", "a.csv", itp("0.5"), TraceError, ("row 3, column num_gpu", "'0.5'", "a whole number")),
    Fault("no GPU", "a.csv", itp("0"), TraceError, ("row 3, column num_gpu", "'0'", "a whole number from 1")),
    Fault("a negative GPU count", "a.csv", itp("-8"), TraceError, ("row 3, column num_gpu", "'-8'", "from 1 to")),
    Fault("too many GPUs", "a.csv", itp("99999999"), TraceError, ("row 3, column num_gpu", "'99999999'", "to 1,000,000")),
    Fault("GPUs beyond 64 bits", "a.csv", itp("9" * 30), TraceError, ("row 3, column num_gpu", "'999", "to 1,000,000")),
    Fault("an empty GPU count", "a.csv", itp(""), TraceError, ("row 3, column num_gpu", "found nothing", "a whole number")),
    Fault("NaN for a duration", "a.csv", itp("nan", "duration"), TraceError, ("row 3, column duration", "'nan'", "a number from 0")),
    Fault("an infinite duration", "a.csv", itp("inf", "duration"), TraceError, ("row 3, column duration", "'inf'", "a number from 0")),
    Fault("a negative duration", "a.csv", itp("-1", "duration"), TraceError, ("row 3, column duration", "'-1'", "from 0 to")),
    Fault("a duration of 1e30 seconds", "a.csv", itp("1e30", "duration"), TraceError, ("row 3, column duration", "'1e30'", "to 3,155,760,000")),
    Fault("a duration with its unit", "a.csv", itp("60 s", "duration"), TraceError, ("row 3, column duration", "'60 s'", "a number")),
    Fault("a submission in the year 30,000", "a.csv", itp("884541340800", "submission_time"), TraceError,
          ("row 3, column submission_time", "'884541340800'", "to 10,000,000,000")),
    Fault("a value of many letters", "a.csv", itp("z" * 500), TraceError, ("row 3, column num_gpu", "'" + "z" * 40 + "…'", "a whole number")),
    Fault("a value that hides a line break", "a.csv", itp('"8\n9"'), TraceError, ("row 3, column num_gpu", "'8·9'", "a whole number")),
    Fault("a null in Parquet", "a.parquet", parquet(submission_time=[0, None], duration=[1, 1], num_gpu=[1, 1]), TraceError,
          ("a.parquet, row 2, column submission_time", "nothing", "a whole number")),
    Fault("a NaN in Parquet", "a.parquet", parquet(submission_time=[0.0, float("nan")], duration=[1, 1], num_gpu=[1, 1]), TraceError,
          ("a.parquet, row 2, column submission_time", "'nan'", "a number")),
    Fault("text for numbers in Parquet", "a.parquet", parquet(submission_time=[0], duration=[1], num_gpu=["many"]), TraceError,
          ("a.parquet, row 1, column num_gpu", "'many'", "a whole number")),
    Fault("a Philly date that is none", "a.csv", edited(PHILLY, 2, "timestamp", "2017-13-01 00:00:00"), TraceError,
          ("row 2, column timestamp", "'2017-13-01 00:00:00'", "an instant such as")),
    Fault("a Philly date in the year 30,000", "a.csv", edited(PHILLY, 3, "timestamp", "30000-01-01 00:00:00"), TraceError,
          ("row 3, column timestamp", "'30000-01-01 00:00:00'", "from 1970 to 2286")),
    Fault("a Philly job of no tenant", "a.csv", edited(PHILLY, 3, "vc", " "), TraceError, ("row 3, column vc", "nothing", "a name")),
    Fault("a pod deleted before its creation", "a.csv", edited(OPENB, 3, "deletion_time", "4"), TraceError,
          ("row 3, column deletion_time", "'4'", "at or after creation_time")),
    Fault("a pod bound before its creation", "a.csv", edited(OPENB, 3, "scheduled_time", "4"), TraceError,
          ("row 3, column scheduled_time", "'4'", "from creation_time to deletion_time")),
    Fault("a share above a whole GPU", "a.csv", edited(OPENB, 2, "gpu_milli", "1001"), TraceError,
          ("row 2, column gpu_milli", "'1001'", "to 1,000")),
    Fault("a share of nothing", "a.csv", edited(OPENB, 2, "gpu_milli", "0"), TraceError, ("row 2, column gpu_milli", "'0'", "a share from 1")),
    Fault("two GPUs in part", "a.csv", edited(OPENB, 3, "gpu_milli", "500"), TraceError, ("row 3, column gpu_milli", "'500'", "whole ones")),
    Fault("a negative CPU request", "a.csv", edited(OPENB, 2, "cpu_milli", "-1"), TraceError, ("row 2, column cpu_milli", "'-1'", "from 0")),
    Fault("a Helios job that ends before it starts", "a.csv", edited(HELIOS, 2, "end_time", "2020-06-09 18:41:04"), TraceError,
          ("row 2, column end_time", "'2020-06-09 18:41:04'", "at or after start_time")),
    Fault("a Helios job that starts before it is submitted", "a.csv", edited(HELIOS, 3, "start_time", "2020-06-09 18:42:00"), TraceError,
          ("row 3, column start_time", "'2020-06-09 18:42:00'", "at or after submit_time")),
    Fault("an Acme date that is none", "a.csv", edited(ACME, 2, "submit_time", "yesterday"), TraceError,
          ("row 2, column submit_time", "'yesterday'", "an instant such as")),
    Fault("an Acme job of negative GPUs", "a.csv", edited(ACME, 3, "gpu_num", "-1"), TraceError, ("row 3, column gpu_num", "'-1'", "from 0")),
    Fault("an SWF run time of -5", "a.swf", swf_edited(3, 4, "-5"), TraceError, ("row 3, column run_time", "'-5'", "a number from -1")),
    Fault("an SWF run time of -0.5", "a.swf", swf_edited(3, 4, "-0.5"), TraceError, ("row 3, column run_time", "'-0.5'", "-1 where unknown")),
    Fault("an SWF status that is none", "a.swf", swf_edited(4, 11, "9"), TraceError, ("row 4, column status", "'9'", "from -1 to 5")),
    Fault("an SWF submission of -1", "a.swf", swf_edited(4, 2, "-1"), TraceError, ("row 4, column submit_time", "'-1'", "from 0")),
    Fault("an accounting count that is text", "a.txt", SACCT.replace("gres/gpu=2,gres/gpu:a100=2,", "gres/gpu=two,"), TraceError,
          ("row 2, column AllocTRES", "gres/gpu=two", "gres/gpu=8")),
    Fault("an accounting size that is none", "a.txt", SACCT.replace("mem=4000M,node", "mem=much,node"), TraceError,
          ("row 4, column AllocTRES", "mem=much", "mem=64G")),
    Fault("an accounting time that goes back", "a.txt", edited(SACCT, 2, "End", "2024-01-01T00:00:09", "|"), TraceError,
          ("row 2, column End", "'2024-01-01T00:00:09'", "at or after Start")),
    Fault("an accounting submission that is unknown", "a.txt", edited(SACCT, 2, "Submit", "Unknown", "|"), TraceError,
          ("row 2, column Submit", "'Unknown'", "an instant")),
    Fault("a Philly attempt that goes back", "a.json",
          philly_log(philly_job(), philly_job(attempts=[attempt("2017-10-07 01:12:09", "2017-10-07 01:12:08")])), TraceError,
          ("a.json, row 2, column end_time", "'2017-10-07 01:12:08'", "at or after start_time")),
    Fault("Philly attempts that are no list", "a.json", philly_log(philly_job(attempts="none")), TraceError,
          ("a.json, row 1, column attempts", "'none'", "a list")),
    Fault("a table with a negative submission", "a.csv", edited(TABLE, 2, "submit_s", "-1"), TraceError,
          ("row 2, column submit_s", "'-1'", "from 0")),
    Fault("a request of negative length", "a.csv", edited(AZURE, 3, "ContextTokens", "-1"), TraceError,
          ("row 3, column ContextTokens", "'-1'", "from 0")),
    Fault("a request of half a token", "a.jsonl", MOONCAKE.replace("6755", "6755.5"), TraceError,
          ("row 2, column input_length", "'6755.5'", "a whole number")),
    Fault("block ids that are no list", "a.jsonl", MOONCAKE.replace("[0, 1, 5]", "5"), TraceError,
          ("row 2, column hash_ids", "'5'", "a list of whole numbers")),
    Fault("a negative request rate", "a.csv", SERVEGEN.replace("1200,0.5", "1200,-0.5"), TraceError,
          ("row 3, column rate_rps", "'-0.5'", "from 0")),
]  # fmt: skip

NODE_LISTS = [
    Fault("no node list", "n.csv", "a,b\n1,2\n", NodesError, ("n.csv, row 1", "columns a, b", "a column gpus")),
    Fault("a node of many GPUs", "n.csv", edited(NODES, 2, "gpus", "4096"), NodesError, ("row 2, column gpus", "'4096'", "to 1,024")),
    Fault("an openb node of half a GPU", "n.csv", "sn,cpu_milli,memory_mib,gpu,model\na,1,1,0.5,T4\n", NodesError,
          ("row 2, column gpu:", "'0.5'", "a whole number")),
    Fault("a node of no GPU type", "n.csv", edited(NODES, 3, "gpu_type", ""), NodesError, ("row 3, column gpu_type", "nothing", "the type of its GPUs")),
    Fault("a node named twice", "n.csv", edited(NODES, 3, "node", "a"), NodesError, ("row 3, column node", "'a'", "each node once")),
    Fault("a node list without nodes", "n.csv", NODES.split("\n")[0], NodesError, ("n.csv", "no rows", "at least one row")),
    Fault("negative memory", "n.csv", edited(NODES, 2, "memory_mib", "-1"), NodesError, ("row 2, column memory_mib", "'-1'", "from 0")),
    Fault("an empty node list", "n.csv", "", InputError, ("n.csv", "an empty file", "header")),
]  # fmt: skip


def ids(fault: Fault) -> str:
    return fault.what


def check_says(error: CommonwattError, says: tuple[str, ...]) -> None:
    sentence = str(error)
    at = 0
    for part in says:
        at = sentence.find(part, at)
        assert at >= 0, f"{part!r} missing, or out of order, in: {sentence}"
    for language in LANGUAGES:
        assert "{" not in error.translate(language)
    assert "\n" not in sentence


@pytest.mark.parametrize("fault", UNREADABLE + SHAPES + VALUES, ids=ids)
def test_a_broken_trace_gives_one_clear_error(fault, tmp_path):
    path = written(tmp_path, fault.file, fault.content)
    with pytest.raises(InputError) as raised:
        read_trace(path, format=fault.format)
    assert type(raised.value) is fault.error
    check_says(raised.value, fault.says)


@pytest.mark.parametrize("fault", NODE_LISTS, ids=ids)
def test_a_broken_node_list_gives_one_clear_error(fault, tmp_path):
    with pytest.raises(InputError) as raised:
        read_node_list(written(tmp_path, fault.file, fault.content))
    assert type(raised.value) is fault.error
    check_says(raised.value, fault.says)


def test_the_table_holds_at_least_45_broken_traces():
    assert len({fault.what for fault in UNREADABLE + SHAPES + VALUES}) >= 45


def test_a_file_that_does_not_exist_is_said_so(tmp_path):
    with pytest.raises(InputError) as raised:
        read_trace(tmp_path / "gone.csv")
    check_says(raised.value, ("gone.csv", "no such file", "a readable file"))


def test_a_directory_is_said_so(tmp_path):
    with pytest.raises(InputError) as raised:
        read_trace(tmp_path)
    check_says(raised.value, ("a directory", "a readable file"))


def test_a_path_with_a_nul_is_said_so(tmp_path):
    with pytest.raises(InputError) as raised:
        read_trace(tmp_path / "a\0b")
    assert "wanted a readable file" in str(raised.value)


def test_a_file_without_permission_is_said_so(tmp_path, monkeypatch):
    path = written(tmp_path, "a.csv", ITP)

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", refuse)
    with pytest.raises(InputError) as raised:
        read_trace(path)
    check_says(raised.value, ("a.csv", "no permission to read it", "a readable file"))


def test_a_line_of_two_gigabytes_is_refused_without_being_read(tmp_path):
    path = tmp_path / "long.csv"
    with path.open("wb") as file:
        file.write(ITP.encode() + b"x" * (2 << 20))
        file.truncate(2 << 30)
    with pytest.raises(InputError) as raised:
        read_trace(path)
    check_says(raised.value, ("long.csv, row 5", "a line above 1 MiB"))


def test_an_unknown_format_is_a_usage_error_that_lists_the_formats(tmp_path):
    with pytest.raises(UsageError) as raised:
        read_trace(written(tmp_path, "a.csv", ITP), format="ipt")
    check_says(raised.value, ("--format", "'ipt'", "one of openb, philly"))


@pytest.mark.parametrize("name", ["u-secret", "secret team"])
def test_a_user_never_appears_in_a_message(name, tmp_path):
    content = edited(HELIOS, 2, "user", name).replace(",8,32,", ",eight,32,")
    with pytest.raises(TraceError) as raised:
        read_trace(written(tmp_path, "a.csv", content))
    assert name not in str(raised.value)
