"""A first programme of one's own: one hall in a region of the library, rent beside it.

What the library knows is written with its source. What it does not know of a place is
borrowed from another one and says so, value by value, in the file and so in every report
made from it; what nobody knows yet is an assumption and says that. The file is read back and
held against its trace before it is kept, so that `commonwatt study` runs it at once.
"""

from commonwatt.study.starting.start import ProgrammeStart, StartedProgramme
from commonwatt.study.starting.write import write_first_programme

__all__ = ["ProgrammeStart", "StartedProgramme", "write_first_programme"]
