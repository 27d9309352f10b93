"""Real Slurm, by its command line: what `sbatch --hold` brought in is released with a node list.

Slurm keeps the jobs, starts them and watches its nodes; which job starts where is decided
here. `scontrol` is started once and fed, because a process per question costs more than
the answer.
"""

from commonwatt.operate.io.backends.slurm.adapter import SlurmBackend

__all__ = ["SlurmBackend"]
