"""The changelog from the pieces in this folder: one file a change, `<topic>.<kind>.md`.

python changes/assemble.py                       # prints what the next release will say
python changes/assemble.py --release 0.2.0 DATE  # writes it into CHANGELOG.md, removes the pieces
"""

from __future__ import annotations

import sys
from pathlib import Path

FOLDER = Path(__file__).parent
CHANGELOG = FOLDER.parent / "CHANGELOG.md"
KINDS = {
    "removed": "Removed",
    "deprecated": "Deprecated",
    "changed": "Changed",
    "added": "Added",
    "fixed": "Fixed",
    "security": "Security",
}
MARK = "<!-- releases -->\n"


def change_pieces(folder: Path = FOLDER) -> dict[str, list[Path]]:
    """Return the files of each kind, in alphabetical order.

    Raises:
        SystemExit: A file's name says no kind that is known.
    """
    pieces: dict[str, list[Path]] = {kind: [] for kind in KINDS}
    for path in sorted(folder.glob("*.md")):
        kind = path.stem.rpartition(".")[2]
        if kind not in KINDS:
            sys.exit(f"{path.name}: the kind is one of {', '.join(KINDS)}: topic.kind.md")
        pieces[kind].append(path)
    return pieces


def changelog_section(title: str, pieces: dict[str, list[Path]]) -> str:
    """Return the section of one release, each kind with its changes."""
    lines = [f"## {title}", ""]
    for kind, heading in KINDS.items():
        if pieces[kind]:
            lines += [f"### {heading}", ""]
            for path in pieces[kind]:
                text = path.read_text(encoding="utf-8").strip()
                # A list item goes on as long as its lines are indented.
                lines += ["- " + text.replace("\n", "\n  "), ""]
    return "\n".join(lines)


def release(version: str, date: str, *, folder: Path = FOLDER, changelog: Path = CHANGELOG) -> None:
    """Write the section of a release above the older ones, and remove its pieces."""
    pieces = change_pieces(folder)
    head, mark, older = changelog.read_text(encoding="utf-8").partition(MARK)
    if not mark:
        sys.exit(f"{changelog.name}: the line {MARK.strip()} is gone")
    section = changelog_section(f"{version}, {date}", pieces)
    changelog.write_text(f"{head}{mark}\n{section}{older}", encoding="utf-8")
    for path in (each for paths in pieces.values() for each in paths):
        path.unlink()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--release"]:
        release(*sys.argv[2:4])
    else:
        sys.stdout.write(changelog_section("Unreleased", change_pieces()))
