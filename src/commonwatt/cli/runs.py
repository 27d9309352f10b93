"""`commonwatt runs`: what was run, from what, into which tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from commonwatt.cli.frame import Answer, LazyGroup, command
from commonwatt.cli.options import run_argument, store_option
from commonwatt.core.messages import translate

if TYPE_CHECKING:
    from commonwatt.runs import Run

runs = LazyGroup(
    name="runs",
    help="List and show what was run.",
    example="commonwatt runs list\ncommonwatt runs show latest",
)


@command(runs, "list", example="commonwatt runs list --json")
@store_option
def list_runs(store: Path) -> Answer:
    """List the runs of this store, newest first."""
    from commonwatt.runs import RunStore

    found = RunStore(store).list()
    return Answer(
        data={"store": str(store), "runs": [_brief(run) for run in found]},
        text=lambda language: _listing(found, language),
    )


@command(runs, "show", example="commonwatt runs show latest")
@store_option
@run_argument
def show_run(store: Path, run: str) -> Answer:
    """Show one run: what went in, what came out, and where it lies."""
    from commonwatt.runs import RunStore

    opened = RunStore(store)
    found = opened.get(run)
    folder = opened.folder(found.run_id)
    return Answer(
        data=_whole(found) | {"folder": str(folder)},
        text=lambda language: _page(found, folder, language),
        tables=opened.tables(found),
    )


def _brief(run: Run) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "kind": run.kind,
        "title": run.title,
        "created_at": run.created_at,
    }


def _whole(run: Run) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(run)


def _listing(found: list[Run], language: str) -> str:
    if not found:
        return translate("No runs yet. Make one with: commonwatt study harbour", language)
    return "\n".join(f"{r.run_id}  {r.created_at}  {r.kind:16}  {r.title}" for r in found)


def _page(run: Run, folder: Path, language: str) -> str:
    lines = [f"{run.title} ({run.kind})", f"  {run.run_id}  {run.created_at}  {folder}"]
    lines += [translate("Inputs", language)]
    lines += [_line(one["sha256"], one["bytes"], one["name"]) for one in run.inputs]
    lines += [translate("Tables", language)]
    lines += [
        f"  {one['parquet_sha256'][:16]}  {one['rows']:>12,}  {one['name']}" for one in run.tables
    ]
    lines += [translate("Headline", language)]
    lines += [f"  {name}: {value}" for name, value in run.headline.items()]
    lines += [f"seed {run.seed}, version {run.version}, result {run.result_sha256[:16]}"]
    return "\n".join(lines)


def _line(digest: str, size: int, name: str) -> str:
    return f"  {digest[:16]}  {size:>12,}  {name}"
