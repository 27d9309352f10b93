"""The main job: one programme through every wing, into one run and one report.

`run` leads; `cost`, `placement` and `funding` are the joints between wings, each from
the measured output of the one before: use and energy give the cost and the placement,
the cost gives the capital, the capital gives the debt path.
"""

from commonwatt.study.run import StudyRun, run_study

__all__ = ["StudyRun", "run_study"]
