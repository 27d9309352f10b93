"""What a server does for runs, as a process that a test can kill: `victim.py ROOT`.

The child's work is that of `slow_child`, so that a kill meets every step of it.
"""

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from commonwatt.web.services import open_console_services
from commonwatt.web.settings import Settings
from commonwatt.web.tasks.supervisor import TaskSupervisor

CHILD = "tests.web.slow_child"


class SlowForeman(TaskSupervisor):
    """Starts the slow child in place of the real one."""

    def _task_worker_argv(self, work_id):
        return [sys.executable, "-m", CHILD, work_id]


def desk_at(root, **changes):
    return open_console_services(Settings.of(root, sample="", **changes), now=datetime.now(UTC))


if __name__ == "__main__":
    foreman = SlowForeman(desk_at(Path(sys.argv[1])))
    foreman.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        time.sleep(1)
