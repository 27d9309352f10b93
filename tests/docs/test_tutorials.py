"""Every command of every tutorial runs, and shows what the page says it shows.

A `console` block holds commands after `$ ` (continued after `> `) and, below each, lines
of what it prints; a line must stand in the output, however wide its gaps, and may be
cut short. All blocks of a page share one shell and one folder.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.proofs import PROOFS
from tests.sandbox_node import open_folder

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted([*DOCS.glob("tutorials/*.md"), *DOCS.glob("zh-Hant/tutorials/*.md")])


def steps(page):
    """Return the commands of a page, each with the lines that it shows."""
    commands = []
    for block in re.findall(r"```console\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                commands.append((line[2:], []))
            elif line.startswith("> ") or line == ">":
                commands[-1] = (commands[-1][0] + "\n" + line[2:], commands[-1][1])
            elif line.strip():
                commands[-1][1].append(line)
    return commands


def squeezed(text):
    return re.sub(r"[\s|]+", " ", text)


def script(commands):
    """Return a shell program that keeps what each command says in a file of its own."""
    parts = [f"{{\n{command}\n}} > out.{i} 2> err.{i}" for i, command in enumerate(commands)]
    return "set -e\n" + "\n".join(parts)


def _pages():
    """Each tutorial in one of its languages, in turn; under `make prove` in both."""
    both = zip(*([page for page in PAGES if ("zh-Hant" in page.parts) == chinese]
                 for chinese in (False, True)), strict=True)  # fmt: skip
    return PAGES if PROOFS.full else [pair[k % 2] for k, pair in enumerate(both)]


@pytest.mark.slow
@pytest.mark.prove
@pytest.mark.parametrize(
    "page", _pages(), ids=lambda page: page.relative_to(DOCS).with_suffix("").as_posix()
)
def test_a_tutorial_does_what_it_says(page, tmp_path):
    if page.stem == "custodian" and (os.geteuid() != 0 or not shutil.which("bwrap")):
        pytest.skip("a room's jobs need root and bubblewrap")
    with open_folder() as place:
        check(steps(page), tmp_path, place)


def check(commands, logs, place):
    """Run the commands in `place`, and hold what each says against the page."""
    text = script([command for command, _ in commands])
    text = re.sub(r"(out|err)\.(\d+)", rf"{logs}/\1.\2", text)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", text],
        cwd=place,
        env={**os.environ, "PATH": path, "LANG": "C.UTF-8"},
        timeout=600,
        check=False,
    )
    ran = len(list(logs.glob("out.*")))
    streams = [(logs / f"{kind}.{ran - 1}").read_text() for kind in ("err", "out")]
    assert done.returncode == 0, f"$ {commands[ran - 1][0]}\n{streams[0]}{streams[1]}"
    for i, (command, lines) in enumerate(commands):
        output = squeezed((logs / f"out.{i}").read_text(encoding="utf-8"))
        for line in lines:
            assert squeezed(line).strip() in output, f"$ {command}\n{output}"


def test_both_languages_have_the_same_tutorials():
    chinese = {page.name for page in DOCS.glob("zh-Hant/tutorials/*.md")}
    assert chinese == {page.name for page in DOCS.glob("tutorials/*.md")}
    for page in DOCS.glob("tutorials/*.md"):
        ours = [c for c, _ in steps(page)]
        theirs = [c for c, _ in steps(DOCS / "zh-Hant" / "tutorials" / page.name)]
        assert [c for c in theirs if not c.startswith("export LANG")] == ours
