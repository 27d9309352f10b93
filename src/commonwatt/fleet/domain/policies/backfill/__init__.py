"""Backfill: who may start out of turn. One file and one line here for each."""

from commonwatt.fleet.domain.policies.backfill import conservative, easy, none
from commonwatt.fleet.domain.policies.backfill.policy import BackfillPolicy

__all__ = ["BACKFILLS", "BackfillPolicy"]

BACKFILLS: dict[str, BackfillPolicy] = {
    module.POLICY.name: module.POLICY for module in (none, easy, conservative)
}
