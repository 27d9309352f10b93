"""The main job: one programme through every wing, into one run and one report.

`run` leads; `cost`, `placement` and `funding` are the joints between wings, each from
the measured output of the one before: use and energy give the cost and the placement,
the cost gives the capital, the capital gives the debt path. `write_first_programme` writes a
first programme to run.
"""

from commonwatt.study.programme.annotated import annotated_programme_template
from commonwatt.study.run import StudyRun, run_study
from commonwatt.study.starting import ProgrammeStart, StartedProgramme, write_first_programme

__all__ = [
    "ProgrammeStart",
    "StartedProgramme",
    "StudyRun",
    "annotated_programme_template",
    "run_study",
    "write_first_programme",
]
