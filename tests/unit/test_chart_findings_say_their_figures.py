"""The title of a chart says what its figures are: of which site, and a mean where it is one."""

import polars as pl
import pytest

from commonwatt.fleet.usecases.charts import fleet_queue_over_time_chart
from commonwatt.siting.usecases.charts import gpu_hour_cost_stack_chart

COLUMNS = ("site", "part", "usd_per_gpu_hour")


def _finding(rows, language="en"):
    frame = pl.DataFrame(rows, schema=COLUMNS, orient="row")
    chart = gpu_hour_cost_stack_chart(frame["part"].unique(maintain_order=True).to_list())
    finding = chart.finding(frame, language)
    return finding and finding.translate(language)


@pytest.mark.parametrize(
    ("rows", "finding"),
    [
        ([("a", "servers", 3.0), ("a", "shell", 1.0), ("b", "servers", 6.0), ("b", "shell", 4.0)],
         "At every site the largest part is: servers (60.0 % to 75.0 %)"),
        ([("a", "servers", 3.0), ("a", "shell", 1.0)], "The largest part is: servers (75.0 %)"),
        ([("a", "servers", 3.0), ("a", "shell", 1.0), ("b", "servers", 1.0), ("b", "shell", 3.0)],
         "The largest part differs by site: a: servers (75.0 %); b: shell (75.0 %)"),
        ([("a", "servers", 3.0), ("a", "shell", 1.0), ("b", "rent", 2.0)],
         "The largest part differs by site: a: servers (75.0 %); b: rent (100.0 %)"),
        ([("b", "rent", 2.0)], None),
    ],
)  # fmt: skip
def test_the_largest_part_of_the_cost_is_that_of_a_site_and_of_no_sum_over_sites(rows, finding):
    assert _finding(rows) == finding


def test_the_largest_part_does_not_hang_on_how_dear_another_site_is():
    cheap = [("a", "servers", 2.0), ("a", "shell", 1.0), ("b", "servers", 1.2), ("b", "shell", 0.4)]
    dear = [*cheap[:2], *((site, part, 9 * usd) for site, part, usd in cheap[2:])]
    assert _finding(cheap) == _finding(dear)


def test_the_busiest_interval_of_a_queue_is_told_as_the_mean_that_the_table_has():
    rows = {"day": [0.0, 4.2], "waiting_jobs": [1.0, 8.7], "waiting_gpus": [8.0, 70.0]}
    finding = fleet_queue_over_time_chart().finding(pl.DataFrame(rows), "en")
    assert str(finding) == "In the busiest interval 8.7 jobs wait on average, on day 4.2"
