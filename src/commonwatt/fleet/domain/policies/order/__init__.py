"""Orders: who is first in the queue. One file and one line here for each."""

from commonwatt.fleet.domain.policies.order import (
    fair_share,
    fifo,
    las,
    priority,
    qssf,
    sjf,
    srtf,
)
from commonwatt.fleet.domain.policies.order.policy import OrderPolicy

__all__ = ["ORDERS", "OrderPolicy"]

ORDERS: dict[str, OrderPolicy] = {
    module.POLICY.name: module.POLICY
    for module in (fifo, sjf, srtf, qssf, fair_share, priority, las)
}
