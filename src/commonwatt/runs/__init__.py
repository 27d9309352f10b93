"""The run store: what ran, from which inputs, with which seed, into which tables.

A run is a folder that is written once, under an id that is a hash of what went
in, and a row in a small database that finds it. A run that was stopped half
way leaves a draft, never a run.
"""

from commonwatt.runs.inputs import InputFile, StageOutput, StageResult
from commonwatt.runs.lineage import FigureLineage, figure_lineage
from commonwatt.runs.stages import Stage, StageStore
from commonwatt.runs.store import Run, RunDraft, RunInput, RunRecipe, RunStore

__all__ = [
    "FigureLineage",
    "InputFile",
    "Run",
    "RunDraft",
    "RunInput",
    "RunRecipe",
    "RunStore",
    "Stage",
    "StageOutput",
    "StageResult",
    "StageStore",
    "figure_lineage",
]
