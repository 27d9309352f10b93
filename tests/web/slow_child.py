"""The real child, with a study that takes half a second and is written in small steps."""

import sys
import time
from dataclasses import replace

import polars as pl

import commonwatt.web.tasks.kinds as kinds
import commonwatt.web.tasks.worker as child
from commonwatt.core.messages import Message
from commonwatt.runs import RunRecipe, RunStore

TABLES = 8


def slow_study(store, given, tell):
    runs = RunStore(store)
    recipe = RunRecipe(kind="study", title="Slow", seed=1, parameters=dict(given), inputs=[])
    draft = runs.draft(recipe)
    try:
        for i in range(TABLES):
            tell(Message("Table {number}", {"number": str(i)}))
            draft.add_table(f"t{i}", pl.DataFrame({"a": range(1000)}))
            time.sleep(0.06)
    except BaseException:
        runs.discard(draft)
        raise
    return runs.complete_run_draft(draft, headline={"tables": TABLES}).run_id


if __name__ == "__main__":
    study = replace(kinds.KINDS["study"], run=slow_study)
    child.KINDS = {"study": study}
    child.main(sys.argv[1])
