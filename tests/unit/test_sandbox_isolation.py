"""The pieces of the isolation: what is refused, what is counted, what is left behind."""

import json
import os
import signal
import stat
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest

from commonwatt.sandbox.domain.errors import IsolatedJobError, IsolationError
from commonwatt.sandbox.domain.job import IsolatedJob, JobLanguage, JobLimits, OutputKind
from commonwatt.sandbox.engines.attacks.judge import (
    LIMITS,
    isolation_attack_job,
    judge_isolation_attack,
    place_isolation_attack_bait,
)
from commonwatt.sandbox.engines.attacks.programs import ATTACKS, PRELUDE
from commonwatt.sandbox.engines.isolation.cgroups import make_isolated_job_control_group
from commonwatt.sandbox.engines.isolation.collect import (
    CollectionRefusal,
    collect_isolated_job_outputs,
)
from commonwatt.sandbox.engines.isolation.handover import (
    RemoteJobRunner,
    collect_isolated_job_outcome,
    prepare_isolated_job_handover,
)
from commonwatt.sandbox.engines.isolation.node import JobEnding, prove_node
from commonwatt.sandbox.engines.isolation.output_kinds import cleaned_output_bytes_or_none
from commonwatt.sandbox.engines.isolation.probe import check_isolation_probe_log
from commonwatt.sandbox.engines.isolation.runtime import JobRuntime
from commonwatt.sandbox.engines.isolation.supervise import check_job_namespaces_differ_from_own
from tests.sandbox_node import open_folder, proved_node


@pytest.fixture(scope="module")
def node():
    with open_folder() as folder:
        yield proved_node(folder / "node")


def test_a_job_reads_its_inputs_and_leaves_its_outputs(node, tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_text("x\n1\n2\n")
    rows.chmod(0o644)
    code = (
        "n = len(open('/data/rows').readlines()) - 1\nopen('/out/n.csv', 'w').write(f'n\\n{n}\\n')"
    )
    ended = node.run(
        IsolatedJob(code=code, inputs={"rows": rows}, outputs={"n.csv": OutputKind.CSV}),
        to=tmp_path,
    )
    assert ended.ending is JobEnding.DONE
    assert [output.path.read_text() for output in ended.outputs] == ["n\n2\n"]
    assert stat.S_IMODE(ended.outputs[0].path.stat().st_mode) == 0o600


def test_the_same_job_gives_the_same_bytes(node, tmp_path):
    code = "open('/out/a.json', 'w').write(str([hash('x'), len(__import__('os').environ)]))"
    job = IsolatedJob(code=code, outputs={"a.json": OutputKind.JSON})
    first, second = (node.run(job, to=tmp_path).outputs[0].sha256 for _ in range(2))
    assert first == second


def test_nothing_is_left_on_the_machine_after_a_job(node, tmp_path):
    mounts = _mounts(node.folder)
    node.run(IsolatedJob(code="open('/out/a.csv', 'w').write('1')"), to=tmp_path)
    assert _mounts(node.folder) == mounts
    assert _groups_of(os.getpid()) == []
    assert list((node.folder / "stage").iterdir()) == []


def test_a_job_dies_with_a_killed_runner(node, tmp_path):
    mark = f"mark-{os.getpid()}"
    runner = subprocess.Popen([sys.executable, "-c", _RUNNER, str(node.folder), mark])
    try:
        _until(lambda: _alive(mark))
    finally:
        runner.send_signal(signal.SIGKILL)
        runner.wait()
    _until(lambda: not _alive(mark))
    _until(lambda: not (prove_node(node.folder) and _groups_of(runner.pid)))
    assert list((node.folder / "stage").glob(f"{runner.pid}-*")) == []


def _groups_of(pid: int) -> list[Path]:
    return list(Path("/sys/fs/cgroup").rglob(f"commonwatt-{pid}-*"))


_RUNNER = """
import sys
from pathlib import Path
from commonwatt.sandbox.engines.isolation.node import IsolationNode, bubblewrap_program_path
from commonwatt.sandbox.engines.isolation.runtime import JobRuntime
from commonwatt.sandbox.domain.job import IsolatedJob, JobLimits
folder = Path(sys.argv[1])
code = f"import ctypes, time; ctypes.CDLL(None).prctl(15, b'{sys.argv[2]}'[:15]); time.sleep(30)"
node = IsolationNode(folder, JobRuntime(), bubblewrap_program_path())
node.run(IsolatedJob(code=code, limits=JobLimits(wall_s=30)), to=folder)
"""


def _alive(mark: str) -> bool:
    for path in Path("/proc").glob("[0-9]*/comm"):
        try:
            if path.read_text().strip() == mark[:15]:
                return True
        except OSError:
            continue
    return False


def _until(holds) -> None:
    deadline = time.monotonic() + 15
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _mounts(folder: Path) -> list[str]:
    """Return the mounts below `folder`; other tests mount elsewhere at the same time."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line for line in lines if str(folder) in line]


def test_an_input_that_is_a_link_is_refused(node, tmp_path):
    (tmp_path / "link").symlink_to("/etc")
    with pytest.raises(IsolationError, match="no link"):
        node.run(IsolatedJob(code="", inputs={"rows": tmp_path / "link"}), to=tmp_path)


@pytest.mark.parametrize("name", ["../x", "a/b", "A", "x" * 41, "a b", "", ".hidden", "陳大文"])
def test_a_name_that_could_carry_a_message_is_refused_and_not_repeated(name):
    with pytest.raises(IsolatedJobError) as caught:
        IsolatedJob(code="", outputs={name: OutputKind.CSV})
    assert name == "" or name not in caught.value.found.translate("en") or len(name) < 2


@pytest.mark.parametrize("name", ["net", "pid", "mnt", "ipc", "uts", "cgroup"])
def test_a_shared_namespace_is_seen_before_the_job_begins(name):
    names = ("net", "pid", "mnt", "ipc", "uts", "cgroup")
    report = {f"{namespace}-namespace": 1 for namespace in names}
    check_job_namespaces_differ_from_own(report)
    report[f"{name}-namespace"] = Path(f"/proc/self/ns/{name}").stat().st_ino
    with pytest.raises(IsolationError, match=name):
        check_job_namespaces_differ_from_own(report)
    del report[f"{name}-namespace"]
    with pytest.raises(IsolationError, match=name):
        check_job_namespaces_differ_from_own(report)


_GOOD_PROBE = (
    '{"interfaces": ["lo"], "inet": 13, "inet6": 13, "uid": 1000, "capabilities": 0,'
    ' "no_new_privileges": 1, "filter": 2, "processes": 2, "root_write": 30, "shadow": 2,'
    ' "descriptors": 4}'
)


@pytest.mark.parametrize(
    ("good", "bad"),
    [('["lo"]', '["lo", "eth0"]'), ('"inet": 13', '"inet": 0'), ('"uid": 1000', '"uid": 0'),
     ('"capabilities": 0', '"capabilities": 1'), ('"filter": 2', '"filter": 0'),
     ('"shadow": 2', '"shadow": 0'), ('"descriptors": 4', '"descriptors": 5'), (_GOOD_PROBE, "")],
)  # fmt: skip
def test_a_node_that_cannot_prove_a_promise_refuses_to_start(good, bad):
    check_isolation_probe_log(_GOOD_PROBE.encode())
    with pytest.raises(IsolationError):
        check_isolation_probe_log(_GOOD_PROBE.replace(good, bad).encode())


def test_without_isolation_the_same_attacks_succeed(tmp_path):
    """The bait is real: run bare, the harmless attacks reach it."""
    wanted = {"tcp", "abstract socket of the host", "bait beside the project",
              "pickle that runs code", "secrets in the environment",
              "see other processes", "powers held"}  # fmt: skip
    reached = set()
    with open_folder() as folder, place_isolation_attack_bait(folder) as bait:
        for attack in ATTACKS:
            if attack.name in wanted - {"pickle that runs code"}:
                code = isolation_attack_job(attack, bait).code
                done = subprocess.run(
                    [sys.executable, "-c", code], capture_output=True, check=False, timeout=20
                )
                reached |= {attack.name} if b"ESCAPED" in done.stdout else set()
    root_only = {"powers held"} if os.geteuid() != 0 else set()
    assert reached == wanted - {"pickle that runs code"} - root_only


def test_the_judge_sees_an_escape(tmp_path):
    """An attack that succeeds, or bait that is touched, is never judged stopped."""
    attack = next(attack for attack in ATTACKS if attack.name == "bait beside the project")
    with open_folder() as folder, place_isolation_attack_bait(folder) as bait:
        node = proved_node(folder / "node")
        ended = node.run(
            IsolatedJob(code=PRELUDE + "say('STOPPED ENOENT')", limits=LIMITS), to=folder
        )
        assert judge_isolation_attack(attack, ended, bait).stopped
        loud = node.run(
            IsolatedJob(code=PRELUDE + "say('STOPPED ENOENT'); say('ESCAPED')", limits=LIMITS),
            to=folder,
        )
        assert not judge_isolation_attack(attack, loud, bait).stopped
        (folder / "secret").write_text("changed")
        assert not judge_isolation_attack(attack, ended, bait).stopped


def test_the_collector_follows_and_opens_nothing_special(tmp_path):
    hostile, to = tmp_path / "out", tmp_path / "to"
    hostile.mkdir()
    to.mkdir()
    os.mkfifo(hostile / "pipe.txt")
    (hostile / "link.txt").symlink_to("/etc/hostname")
    (hostile / "folder.txt").mkdir()
    (hostile / "big.txt").write_bytes(b"x" * 100)
    (hostile / "twice.txt").write_text("x")
    os.link(hostile / "twice.txt", hostile / "extra")
    (hostile / "good.txt").write_text("fine")
    names = ("pipe.txt", "link.txt", "folder.txt", "big.txt", "twice.txt", "good.txt")
    fd = os.open(hostile, os.O_RDONLY)
    collection = collect_isolated_job_outputs(
        fd, dict.fromkeys(names, OutputKind.TEXT), to, limit=99
    )
    os.close(fd)
    assert [output.name for output in collection.outputs] == ["good.txt"]
    assert collection.refusals == {
        CollectionRefusal.NOT_A_FILE: 3,
        CollectionRefusal.TOO_LARGE: 1,
        CollectionRefusal.LINKED: 1,
        CollectionRefusal.UNDECLARED: 1,
    }


def _png(*extra: bytes) -> bytes:
    parts = [_chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)), *extra,
             _chunk(b"IDAT", zlib.compress(b"\0\0")), _chunk(b"IEND", b"")]  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_a_picture_keeps_its_pixels_and_loses_its_words():
    plain = _png()
    assert cleaned_output_bytes_or_none(plain, OutputKind.PNG) == plain
    assert (
        cleaned_output_bytes_or_none(_png(_chunk(b"tEXt", b"Comment\0A123456(3)")), OutputKind.PNG)
        == plain
    )
    assert cleaned_output_bytes_or_none(plain + b"rows", OutputKind.PNG) is None
    assert cleaned_output_bytes_or_none(plain[:-1], OutputKind.PNG) is None
    assert cleaned_output_bytes_or_none(_png()[:40] + b"\0" + _png()[41:], OutputKind.PNG) is None


def _fake_version_2(folder: Path) -> Path:
    """Lay out the files of an empty version 2 hierarchy; this machine's kernel runs version 1."""
    for name in ("cgroup.controllers", "cgroup.subtree_control"):
        (folder / name).write_text("cpu memory pids io\n")
    return folder


def test_limits_are_written_as_version_2_wants_them_in_a_fake_tree(tmp_path):
    root = _fake_version_2(tmp_path)
    limits = JobLimits(memory_bytes=1000, processes=7, cpus=0.5)
    group = make_isolated_job_control_group("1-0", limits, root=root)
    folder = tmp_path / "commonwatt" / "commonwatt-1-0"
    assert (folder / "memory.max").read_text() == "1000"
    assert (folder / "pids.max").read_text() == "7"
    assert (folder / "cpu.max").read_text() == "50000 100000"
    assert (root / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"
    assert (root / "commonwatt" / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"
    assert group.control_group_process_join_files == [str(folder / "cgroup.procs")]


def test_what_a_job_used_is_read_as_version_2_tells_it_in_a_fake_tree(tmp_path):
    group = make_isolated_job_control_group("1-0", JobLimits(), root=_fake_version_2(tmp_path))
    folder = tmp_path / "commonwatt" / "commonwatt-1-0"
    cgroup_files = {
        "memory.peak": "4096\n", "cpu.stat": "usage_usec 2500000\nuser_usec 1\n",
        "memory.events": "low 0\nmax 3\noom 1\noom_kill 1\n", "cgroup.procs": "",
        "cgroup.controllers": "cpu memory pids\n", "cgroup.kill": "",
    }  # fmt: skip
    for name, text in cgroup_files.items():
        (folder / name).write_text(text)
    assert group.memory_peak_bytes() == 4096
    assert group.cpu_s() == 2.5
    assert group.isolated_job_ran_out_of_memory()
    group.kill()
    assert (folder / "cgroup.kill").read_text() == "1"


def test_a_version_2_hierarchy_that_hands_down_no_memory_limit_is_refused(tmp_path):
    for name in ("cgroup.controllers", "cgroup.subtree_control"):
        (tmp_path / name).write_text("cpu pids\n")
    with pytest.raises(IsolationError, match="memory"):
        make_isolated_job_control_group("1-0", JobLimits(), root=tmp_path)


R_STUDY = """
t <- read.csv("/data/rows")
m <- lm(y ~ x, t)
write.csv(data.frame(term = names(coef(m)), coef = round(coef(m), 3)), "/out/m.csv",
          row.names = FALSE, quote = FALSE)
print(tryCatch(socketConnection("127.0.0.1", 80), error = function(e) "no network"))
"""


def test_a_job_in_r_fits_a_model_without_a_network(node, tmp_path):
    if not JobRuntime().r.is_file():
        pytest.skip("R is not installed")
    rows = tmp_path / "rows.csv"
    rows.write_text("x,y\n1,2\n2,4\n3,6.3\n")
    rows.chmod(0o644)
    job = IsolatedJob(
        code=R_STUDY,
        inputs={"rows": rows},
        outputs={"m.csv": OutputKind.CSV},
        language=JobLanguage.R,
    )
    ended = node.run(job, to=tmp_path)
    assert ended.ending is JobEnding.DONE, ended.log
    assert ended.outputs[0].path.read_text() == "term,coef\n(Intercept),-0.2\nx,2.15\n"
    assert b"no network" in ended.log
    assert set(node.environment(JobLanguage.R)) == {"r_sha256", "packages_sha256"}


def test_a_step_started_by_another_engine_ends_as_on_a_node(node, tmp_path):
    with open_folder() as folder:
        rows = folder / "rows"
        rows.write_text("x\n1\n2\n")
        rows.chmod(0o644)
        seen = []

        def start(step):
            seen.append(step)
            subprocess.run(step.argv, env=dict(step.environment), check=False, timeout=60)

        runner = RemoteJobRunner(
            stages=folder / "stages", node_folder=folder / "node", submit_step=start
        )
        job = IsolatedJob(code="open('/out/n.csv', 'w').write(open('/data/rows').read())",
                  inputs={"rows": rows}, outputs={"n.csv": OutputKind.CSV})  # fmt: skip
        there, here = runner.run(job, to=tmp_path), node.run(job, to=tmp_path)
        assert [output.sha256 for output in there.outputs] == [
            output.sha256 for output in here.outputs
        ]
        assert there.outputs[0].path.read_text() == "x\n1\n2\n"
        assert list((folder / "stages").iterdir()) == []
        assert len(seen) == 1


def test_a_step_that_never_ended_or_lies_about_its_bytes_is_refused(tmp_path):
    step = prepare_isolated_job_handover(IsolatedJob(code=""), tmp_path / "stage", tmp_path)
    with pytest.raises(IsolationError, match="no end"):
        collect_isolated_job_outcome(step, tmp_path)
    (tmp_path / "stage" / "outputs" / "0123").write_text("other")
    end = {"ending": "done", "exit_code": 0, "wall_s": 1.0, "cpu_s": 1.0, "memory_peak_bytes": 1,
           "refusals": {}, "log_cut": False,
           "outputs": [{"name": "a.csv", "kind": "csv", "sha256": "0123",
                        "trimmed": False}]}  # fmt: skip
    (tmp_path / "stage" / "ended.json").write_text(json.dumps(end))
    (tmp_path / "stage" / "log").write_bytes(b"")
    with pytest.raises(IsolationError, match="other than those collected"):
        collect_isolated_job_outcome(step, tmp_path)


def test_a_machine_without_control_groups_is_refused(tmp_path):
    with pytest.raises(IsolationError, match="memory"):
        make_isolated_job_control_group("1-0", JobLimits(), root=tmp_path)
