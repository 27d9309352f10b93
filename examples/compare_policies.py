"""Which policy serves this demand best? Ten days of real jobs under three policies.

python examples/compare_policies.py
"""

from commonwatt.core.shipped import DATA
from commonwatt.fleet.domain.machines import uniform_fleet
from commonwatt.fleet.domain.policies import parse_scheduling_policy
from commonwatt.fleet.engines.simulator import simulate_schedule
from commonwatt.fleet.io.traces import read_trace

jobs = read_trace(DATA / "traces" / "itp_ten_days.parquet").workload
machines = uniform_fleet(nodes=70, gpus_per_node=8)
for order, backfill in (("fifo", "none"), ("fifo", "easy"), ("sjf", "easy")):
    policy = parse_scheduling_policy(order, backfill=backfill)
    schedule = simulate_schedule(jobs, machines, policy)
    waits = (schedule.start_ms - jobs.submit_ms) / 3_600_000
    print(f"{order} + {backfill:5} mean queue delay {waits.mean():6.2f} h")
