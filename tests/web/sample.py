"""A run store with one study in it, made from kept tables in well under a second."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import polars as pl

from commonwatt.runs import Run, RunInput, RunRecipe, RunStore
from commonwatt.study.what_if import (
    study_what_if_table_by_name,
    what_if_figure_rows_before_and_after,
)

HARBOUR = Path(__file__).parent / "harbour"
KEPT = ("title", "seed", "parameters", "inputs", "headline", "figures")


def sample_store(root: Path, **tables: pl.DataFrame) -> Run:
    """Put the kept study into a new store; `tables` replace those of its own."""
    about = json.loads((HARBOUR / "study.json").read_text(encoding="utf-8"))
    recipe = RunRecipe(
        kind="study",
        title=about["title"],
        seed=about["seed"],
        parameters=about["parameters"] | {"tables": sorted(tables)},
        inputs=[RunInput(**run_input) for run_input in about["inputs"]],
    )
    store = RunStore(root)
    draft = store.draft(recipe)
    for path in sorted(HARBOUR.glob("*.parquet")):
        draft.add_table(path.stem, tables.get(path.stem, pl.read_parquet(path)))
    draft.add_run_text_file("report.html", "<!doctype html><title>Report</title>")
    return store.complete_run_draft(draft, headline=about["headline"], figures=about["figures"])


def sample_what_if(root: Path, changes: list[str], **moved: object) -> Run:
    """Put a what-if of the kept study into a store; `moved` are its figures that differ."""
    about = json.loads((HARBOUR / "study.json").read_text(encoding="utf-8"))
    recipe = RunRecipe(
        kind="study-what-if",
        title=about["title"],
        seed=about["seed"],
        parameters=about["parameters"] | {"what_if": changes},
        inputs=[RunInput(**run_input) for run_input in about["inputs"]],
    )
    headline = about["headline"] | moved
    store = RunStore(root)
    draft = store.draft(recipe)
    for path in sorted(HARBOUR.glob("*.parquet")):
        draft.add_table(path.stem, pl.read_parquet(path))
    rows = what_if_figure_rows_before_and_after(about["headline"], headline)
    draft.add_table("what_if", study_what_if_table_by_name(rows)["what_if"])
    return store.complete_run_draft(draft, headline=headline, figures=about["figures"])


def many_jobs(rows: int) -> pl.DataFrame:
    """Return a table of jobs as long as asked for."""
    rng = np.random.default_rng(1)
    wait = np.round(rng.exponential(9000, rows), 3)
    submit = np.sort(np.round(rng.uniform(0, 3e7, rows), 3))
    return pl.DataFrame(
        {
            "job_id": [f"job-{i:07d}" for i in rng.permutation(rows)],
            "tenant": rng.choice(["Hospitals", "Universities", "Start-ups"], rows),
            "gpus": rng.integers(1, 64, rows),
            "gpu_milli": np.full(rows, 1000),
            "submit_s": submit,
            "start_s": submit + wait,
            "end_s": submit + wait + 3600,
            "queue_delay_s": wait,
            "pending_s": wait,
            "state": np.full(rows, "finished"),
            "preemptions": rng.integers(0, 3, rows),
        }
    )


def long_queue(rows: int) -> pl.DataFrame:
    """Return the queue over time with as many points as asked for."""
    rng = np.random.default_rng(2)
    jobs = np.abs(np.cumsum(rng.normal(0, 3, rows)))
    return pl.DataFrame(
        {"day": np.arange(rows) / 1440, "waiting_jobs": jobs, "waiting_gpus": jobs * 4.5}
    )


def renew(store: Path, run_id: str) -> None:
    """Replace the kept study by one from a store."""
    folder = store / run_id
    for old in HARBOUR.glob("*.parquet"):
        old.unlink()
    for path in (folder / "tables").glob("*.parquet"):
        shutil.copy(path, HARBOUR / path.name)
    about = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    study_fields = {name: about[name] for name in KEPT}
    text = json.dumps(study_fields, ensure_ascii=False, indent=1) + "\n"
    (HARBOUR / "study.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    renew(Path(sys.argv[1]), sys.argv[2])
