"""The changelog is made of the pieces in changes/, and a release takes each of them once."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def assemble():
    spec = importlib.util.spec_from_file_location("assemble", ROOT / "changes" / "assemble.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_change_has_a_known_kind_and_says_something(assemble):
    paths = [path for paths in assemble.change_pieces().values() for path in paths]
    assert len(paths) == len(list((ROOT / "changes").glob("*.md"))) > 0
    section = assemble.changelog_section("Unreleased", assemble.change_pieces())
    for path in paths:
        first = path.read_text(encoding="utf-8").strip().splitlines()[0]
        assert first, path
        assert f"- {first}" in section


def test_a_change_of_no_known_kind_is_refused(assemble, tmp_path):
    (tmp_path / "speed.faster.md").write_text("It is faster.")
    with pytest.raises(SystemExit, match=r"speed\.faster\.md"):
        assemble.change_pieces(tmp_path)


def test_a_release_stands_above_the_older_ones_and_takes_the_pieces_away(assemble, tmp_path):
    changelog = tmp_path / "CHANGELOG.md"
    changelog.write_text("# Changes\n\n<!-- releases -->\n\n## 0.1.0, 2026-01-01\n", "utf-8")
    folder = tmp_path / "changes"
    folder.mkdir()
    (folder / "a.fixed.md").write_text("A fault is mended.\nIt was old.\n")
    (folder / "b.removed.md").write_text("A word is gone.\n")
    assemble.release("0.2.0", "2026-02-02", folder=folder, changelog=changelog)
    text = changelog.read_text("utf-8")
    assert text.index("## 0.2.0, 2026-02-02") < text.index("## 0.1.0")
    assert text.index("- A word is gone.") < text.index("- A fault is mended.\n  It was old.")
    assert list(folder.iterdir()) == []
