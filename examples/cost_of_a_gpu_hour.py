"""What does a useful GPU-hour cost at two sites, and how sure is that?

python examples/cost_of_a_gpu_hour.py
"""

from commonwatt.siting.domain.cells import site_cells
from commonwatt.siting.engines.cost.chance import draw_gpu_hour_costs
from commonwatt.siting.io.cells import load_cost_cells

cells = load_cost_cells()
for site in ("hong-kong", "cn-west"):
    costs = draw_gpu_hour_costs(site_cells(cells, site), draws=10_000, seed=1)
    print(f"{site:10} {costs.p50:5.2f} USD, 5 to 95 %: {costs.p5:5.2f} to {costs.p95:5.2f}")
