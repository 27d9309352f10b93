"""What an alternative may change: a way to build, and not what all ways are compared by."""

import pytest

from commonwatt.core.errors import ProgrammeError
from commonwatt.study.programme.reader import load_programme
from tests.small_programme import small_programme

OTHER = 'label = "Rent"\nchange = ['


def _with_line(folder, line):
    return small_programme(folder, changes={OTHER: f'{OTHER}"""{line}""", '})


@pytest.mark.parametrize(
    "line",
    ["funding.scale=80", "funding.scale=+10%", "funding.years=5", "funding.country=finland",
     "funding.paths=300", 'demand.tenants=["a"]', "demand.source=elsewhere", "seed=4",
     "summary=Another", "title.en=Another", "rooms.example=true", "models.on=2026-03-02",
     "alternatives.rent.label=Other", '"funding".scale=80', "compare.0.order=sjf"],
)  # fmt: skip
def test_a_line_that_changes_what_all_alternatives_share_is_refused(tmp_path, line):
    path = _with_line(tmp_path, line)
    if line.startswith("compare"):
        path.write_text(path.read_text(encoding="utf-8") + '[[compare]]\norder = "sjf"\n')
    with pytest.raises(ProgrammeError, match=r"small\.toml, alternatives\.rent\.change") as caught:
        load_programme(path)
    assert "--what-if" in str(caught.value)


@pytest.mark.parametrize(
    "line",
    ["sites.home.pue=1.5", "sites.west.power_price=+10%", "fleet.order=sjf", "gpus.A100.busy=300 W",
     "tenants.b.sites=['home', 'west']", "latency.home-west.rtt=x2", "funding.build_years=2",
     "funding.currency_per_usd=+5%", "sites.home.cells.wage_usd_per_year=+20%"],
)  # fmt: skip
def test_a_line_of_a_way_to_build_is_taken(tmp_path, line):
    assert load_programme(_with_line(tmp_path, line)).alternative("rent")


@pytest.mark.parametrize("change", ["funding.scale=80", "funding.years=5", "seed=4"])
def test_what_no_alternative_may_change_a_what_if_changes_for_all(tmp_path, change):
    assert load_programme(small_programme(tmp_path), [change]).changes == (change,)
