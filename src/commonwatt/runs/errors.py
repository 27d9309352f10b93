"""What can go wrong with a run that is being written.

::

    RunDraftLostError              59   the lease of a draft lapsed while it was written
"""

from __future__ import annotations

from commonwatt.core.errors import CommonwattError


class RunDraftLostError(CommonwattError):
    """The lease of a draft lapsed while it was written."""

    code, exit_code = "run-draft-lost", 59
