"""What care may do: budgets, first aid by component, what a person must approve."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from commonwatt.core.messages import Message
from commonwatt.operate.domain.care.errors import CareSettingsError
from commonwatt.operate.domain.care.findings import Component
from commonwatt.operate.domain.care.lifecycle import CareStage

FIRST_AID: Final[dict[Component, tuple[CareStage, ...]]] = {
    Component.GPU: (CareStage.RESET, CareStage.REBOOT),
    Component.MEMORY: (CareStage.RESET, CareStage.REBOOT),
    Component.LINK: (CareStage.RESET, CareStage.REBOOT),
    Component.NIC: (CareStage.REBOOT,),
    Component.HOST: (CareStage.REBOOT,),
    Component.STORAGE: (CareStage.REBOOT,),
    Component.SOFTWARE: (CareStage.REBOOT,),
    Component.UNKNOWN: (CareStage.TEST, CareStage.REBOOT),
    Component.POWER: (),
    Component.COOLING: (),
    Component.MONITOR: (),
}
"""What is tried on a drained node, each once and in this order; then a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CarePolicy:
    """The bounds of care.

    Args:
        most_out_share: Most nodes of a partition that may be out of service when care
            takes one more out, whoever took them out; one node is always granted.
        alarm_share: If more than this share of a partition has findings that would
            drain at once, the findings are doubted and care stops draining.
        alarm_least: Nodes with such findings below which they are never doubted.
        alarm_window_s: What "at once" means [s].
        watch_s: Quiet after which a watched node is forgotten [s].
        blind_s: Silence of a node's telemetry after which a person is told [s].
        suspect_s: How long a node stays suspect before a person is told [s].
        reboot_s: Longest a reboot may take [s].
        test_s: Longest a test may take [s].
        drain_s: Longest a drained node may keep running jobs before a person is told [s].
        probation_s: Quiet after which a returned node is in service again [s].
        settle_s: Time that a returned node is given to answer its backend [s].
        returns: How often a node may return from care before a relapse goes to a person.
        tries: How often an action that the backend refuses is tried again.
        to_approve: Moves that wait for a person's approval, by component and stage.
        lemons: Nodes that are not returned to service without a person.
    """

    most_out_share: float = 0.05
    alarm_share: float = 0.1
    alarm_least: int = 4
    alarm_window_s: float = 300.0
    watch_s: float = 3600.0
    blind_s: float = 900.0
    suspect_s: float = 4 * 3600.0
    reboot_s: float = 900.0
    test_s: float = 1800.0
    drain_s: float = 24 * 3600.0
    probation_s: float = 24 * 3600.0
    settle_s: float = 120.0
    returns: int = 1
    tries: int = 3
    to_approve: frozenset[tuple[Component, CareStage]] = field(
        default_factory=frozenset[tuple[Component, CareStage]]
    )
    lemons: frozenset[str] = field(default_factory=frozenset[str])

    def most_nodes_out_of_service(self, nodes: int) -> int:
        """Return how many nodes of a partition may be out.

        >>> CarePolicy(most_out_share=0.05).most_nodes_out_of_service(16)
        1
        """
        return max(1, int(self.most_out_share * nodes))

    def most_nodes_alarmed_at_once(self, nodes: int) -> int:
        """Return how many nodes may have grave findings at once before they are doubted."""
        return max(self.alarm_least, int(self.alarm_share * nodes))


def check_care_policy(policy: CarePolicy) -> None:
    """Refuse bounds that bound nothing.

    Raises:
        CareSettingsError: A share is not between 0 and 1, or a time is not positive.
    """
    for name in ("most_out_share", "alarm_share"):
        if not 0 < getattr(policy, name) <= 1:
            raise CareSettingsError(name, wanted=Message("a share above 0 and up to 1"))
    for name in ("watch_s", "blind_s", "reboot_s", "test_s", "drain_s", "probation_s"):
        if not getattr(policy, name) > 0:
            raise CareSettingsError(name, wanted=Message("a time above 0 seconds"))
