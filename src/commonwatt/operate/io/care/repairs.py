"""What a move does to the cluster; every action may be repeated without harm."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Protocol

from commonwatt.core.errors import ProcessError
from commonwatt.core.messages import Message
from commonwatt.operate.domain.care.cases import CareCase
from commonwatt.operate.domain.care.findings import Severity
from commonwatt.operate.domain.care.lifecycle import OUT_OF_SERVICE, CareStage
from commonwatt.operate.domain.cluster import ClusterBackend
from commonwatt.operate.domain.errors import BackendError
from commonwatt.processes.spawn import ChildProcess, ProcessKind, run_process, start_process

CARE_REASON_PREFIX = "care: "
"""How the reason begins that care gives a backend, so that it knows its own drains."""


class NodeTester(Protocol):
    """Who can reset and test a node; a backend cannot."""

    def reset(self, node: str) -> None:
        """Reset the devices of an empty node.

        Raises:
            BackendError: It cannot be done.
        """
        ...

    def begin_test(self, node: str) -> None:
        """Begin a test of an empty node; one that runs already is left alone."""
        ...

    def test_result(self, node: str) -> bool | None:
        """Return whether the test passed; None while it runs or if none was begun."""
        ...


class NoNodeTester:
    """A fleet without means to reset or test: a reset does nothing, no test ends.

    A node then waits until its test is overdue and goes to a person, because nobody
    has shown that it is sound.
    """

    def reset(self, node: str) -> None:
        """Do nothing."""

    def begin_test(self, node: str) -> None:
        """Do nothing."""

    def test_result(self, node: str) -> bool | None:
        """Return None: nothing was shown."""
        del node
        return None


class CommandNodeTester:
    """Resets and tests by commands of the operator's, `{node}` in them for the node.

    Args:
        reset: Command line that resets a node's devices; waited for.
        test: Command line that returns 0 if the node is sound; runs beside.
        reset_s: Longest a reset may take [s].
    """

    def __init__(self, *, reset: str, test: str, reset_s: float = 120.0) -> None:
        self._reset, self._test, self._reset_s = reset, test, reset_s
        self._running: dict[str, ChildProcess] = {}

    def reset(self, node: str) -> None:
        """Run the command that resets.

        Raises:
            BackendError: It returned something else than 0, or took too long.
        """
        wanted = Message("a reset that succeeds")
        try:
            # The operator's own command, without a shell.
            reset = run_process(
                _node_command_words(self._reset, node),
                ProcessKind.NODE_RESET,
                timeout_s=self._reset_s,
            )
        except ProcessError as error:
            raise BackendError(node, found=error.found, wanted=wanted) from None
        if reset.exit_code:
            code = {"code": str(reset.exit_code)}
            raise BackendError(node, found=Message("exit code {code}", code), wanted=wanted)

    def begin_test(self, node: str) -> None:
        """Start the command that tests."""
        if node in self._running and self._running[node].poll() is None:
            return
        try:
            words = _node_command_words(self._test, node)
            self._running[node] = start_process(words, ProcessKind.NODE_TEST)
        except ProcessError as error:
            wanted = Message("a test that can be started")
            raise BackendError(node, found=error.found, wanted=wanted) from None

    def test_result(self, node: str) -> bool | None:
        """Return whether the command returned 0; None while it runs."""
        running = self._running.get(node)
        code = running.poll() if running else None
        return None if code is None else code == 0


def carry_out_care_stage(
    backend: ClusterBackend, node_tester: NodeTester, case: CareCase, reason: str
) -> None:
    """Bring about what a case's stage means.

    Raises:
        BackendError: The backend or the node tester refuses.
    """
    backend_reason = CARE_REASON_PREFIX + reason
    match case.stage:
        case CareStage.DRAINED | CareStage.HANDED_OVER:
            fatal = case.stage is CareStage.DRAINED and case.severity is Severity.FATAL
            (backend.down if fatal else backend.drain)(case.node, backend_reason)
        case CareStage.RESET:
            node_tester.reset(case.node)
        case CareStage.REBOOT:
            backend.reboot(case.node, backend_reason)
        case CareStage.TEST:
            node_tester.begin_test(case.node)
        case CareStage.PROBATION | CareStage.IN_SERVICE:
            backend.resume(case.node)
        case CareStage.WATCHED | CareStage.REPORTED:
            pass


def needs_cluster_action(origin: CareStage, to: CareStage) -> bool:
    """Return whether a move changes anything on the cluster.

    >>> needs_cluster_action(CareStage.WATCHED, CareStage.IN_SERVICE)
    False
    >>> needs_cluster_action(CareStage.TEST, CareStage.PROBATION)
    True
    """
    return to in OUT_OF_SERVICE or origin in OUT_OF_SERVICE


def _node_command_words(command: str, node: str) -> Sequence[str]:
    return [word.replace("{node}", node) for word in shlex.split(command)]
