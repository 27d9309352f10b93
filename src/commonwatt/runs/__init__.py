"""The run store: what ran, from which inputs, with which seed, into which tables.

A run is a folder that is written once, under an id that is a hash of what went
in, and a row in a small database that finds it. A run that was stopped half
way leaves a draft, never a run.
"""

from commonwatt.runs.lineage import Origin, lineage
from commonwatt.runs.stages import Stage, Stages
from commonwatt.runs.store import Draft, Input, Recipe, Run, RunStore

__all__ = ["Draft", "Input", "Origin", "Recipe", "Run", "RunStore", "Stage", "Stages", "lineage"]
