# ruff: noqa: E501 - a row of a trace stands on one line
"""The smallest legal file of each trace format, and ways to spoil one."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

ITP = "job_id,submission_time,duration,num_gpu\na,0,60,8\nb,5,30,1\nc,9,20,2\n"
PHILLY = (
    "timestamp,duration,num_gpus,gpu_time,vc\n"
    "2017-10-03 00:00:00,60,8,480,x\n"
    "2017-10-03 00:00:05,30,1,30,y\n"
)
OPENB = (
    "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,"
    "creation_time,deletion_time,scheduled_time\n"
    "p0,4000,1024,1,500,T4,LS,Running,0,100,10\n"
    "p1,8000,2048,2,1000,,BE,Succeeded,5,200,5\n"
)
HELIOS = (
    "job_id,user,vc,gpu_num,cpu_num,node_num,state,submit_time,start_time,end_time,duration,queue\n"
    "1,u1,v1,8,32,1,COMPLETED,2020-06-09 18:41:01,2020-06-09 18:41:05,2020-06-09 18:51:05,600,4\n"
    "2,u2,v2,0,4,1,FAILED,2020-06-09 18:42:01,2020-06-09 18:42:01,2020-06-09 18:42:31,30,0\n"
)
ACME = (
    "job_id,user,node_num,gpu_num,cpu_num,type,state,submit_time,start_time,end_time,duration,queue,gpu_time\n"
    "7,u1,1,8,128,Other,FAILED,2023-03-01 00:18:22+08:00,2023-03-01 00:18:54+08:00,2023-03-01 00:20:51+08:00,117,32,936.0\n"
    "8,u1,1,8,128,Pretrain,COMPLETED,2023-03-01 00:23:58+08:00,2023-03-01 00:24:11+08:00,2023-03-01 01:09:04+08:00,2693,13,21544.0\n"
)
SWF = (
    "; Version: 2.2\n"
    "; UnixStartTime: 1000000000\n"
    "1 0 5 100 4 -1 -1 4 200 -1 1 1 1 1 1 1 -1 -1\n"
    "2 10 0 50 8 -1 -1 8 60 2048 1 2 1 2 1 1 -1 -1\n"
)
SACCT = (
    "JobID|User|Account|Submit|Start|End|ElapsedRaw|TimelimitRaw|State|AllocTRES|ReqTRES\n"
    "1|u1|a|2024-01-01T00:00:00|2024-01-01T00:00:10|2024-01-01T01:00:10|3600|120|COMPLETED"
    "|billing=8,cpu=8,gres/gpu=2,gres/gpu:a100=2,mem=64G,node=1|cpu=8,gres/gpu:a100=2,mem=64G\n"
    "1.batch||a|2024-01-01T00:00:10|2024-01-01T00:00:10|2024-01-01T01:00:10|3600||COMPLETED|cpu=8|\n"
    "2_7|u2|b|2024-01-01T00:00:01|2024-01-01T00:00:10|2024-01-01T00:10:10|600|60|CANCELLED by 99"
    "|cpu=4,mem=4000M,node=1|cpu=4,mem=4000M\n"
)
TABLE = "submit_s,runtime_s,gpus,tenant\n0,60,8,x\n5,30,1,y\n"
AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,4808,10\n2023-11-16 18:17:04.0319600,3180,8\n"
MOONCAKE = (
    '{"timestamp": 0, "input_length": 6758, "output_length": 500, "hash_ids": [0, 1, 2]}\n'
    '{"timestamp": 27482, "input_length": 6755, "output_length": 52, "hash_ids": [0, 1, 5]}\n'
)
SERVEGEN = "0,1.5,8.6,Weibull,0.375,0.396\n600,0,0,,0,0\n1200,0.5,6.0,Gamma,0.1,3.4\n"
NODES = "node,gpus,gpu_type,cpu_milli,memory_mib\na,8,H100,96000,1000000\nb,4,T4,32000,200000\n"


def attempt(start: str | None, end: str | None, gpus: int = 2) -> dict[str, object]:
    """Return one attempt of a Philly job on a single server."""
    detail = [{"ip": "m1", "gpus": [f"gpu{i}" for i in range(gpus)]}]
    return {"start_time": start, "end_time": end, "detail": detail}


def philly_job(**parts: object) -> dict[str, object]:
    """Return one entry of the published Philly log."""
    return {
        "status": "Pass",
        "vc": "ee9e8c",
        "jobid": "application_1",
        "attempts": [attempt("2017-10-07 01:12:09", "2017-10-07 01:13:23")],
        "submitted_time": "2017-10-07 01:11:39",
        "user": "ce2f4c",
    } | parts


def philly_log(*jobs: object) -> str:
    """Return a published Philly log."""
    return json.dumps(list(jobs) or [philly_job()])


def edited(text: str, row: int, column: str, value: str, separator: str = ",") -> str:
    """Return a table with one value replaced; row 2 is the first below the header."""
    lines = text.split("\n")
    at = lines[0].split(separator).index(column)
    fields = lines[row - 1].split(separator)
    fields[at] = value
    lines[row - 1] = separator.join(fields)
    return "\n".join(lines)


def swf_edited(row: int, field: int, value: str) -> str:
    """Return the SWF log with one field, counted from 1, replaced."""
    lines = SWF.split("\n")
    fields = lines[row - 1].split(" ")
    fields[field - 1] = value
    lines[row - 1] = " ".join(fields)
    return "\n".join(lines)


def without_column(text: str, column: str, separator: str = ",") -> str:
    """Return a table without one of its columns."""
    rows = [line.split(separator) for line in text.strip().split("\n")]
    at = rows[0].index(column)
    return "\n".join(separator.join(row[:at] + row[at + 1 :]) for row in rows) + "\n"


def written(folder: Path, name: str, content: str | bytes) -> Path:
    """Return the path of a new file with this content, packed where the name says so."""
    path = folder / name
    packed = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(packed) if name.endswith(".gz") else packed)
    return path
