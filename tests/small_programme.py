"""A programme of a few jobs with everything that a study can hold."""

import textwrap
from pathlib import Path

FILE = """
title = { en = "Small", zh-Hant = "小型計劃" }
seed = 3
[demand]
trace = "jobs.csv"
mapping = "jobs.toml"
[[tenants]]
name = "a"
label = { en = "Universities", zh-Hant = "大學" }
[[tenants]]
name = "b"
sites = ["home"]
[[gpus]]
name = "A100"
idle = "100 W"
busy = "400 W"
source = "a test"
[[sites]]
name = "home"
label = { en = "Home hall", zh-Hant = "本地" }
region = "HK"
pue = 1.3
power_price = "150 USD/MWh"
carbon = "400 g/kWh"
source = "a test of home"
cost_cells = "hong-kong"
[[sites.pools]]
nodes = 2
gpus_per_node = 8
gpu = "A100"
[[sites]]
name = "west"
region = "CN"
pue = 1.2
power_price = "60 USD/MWh"
carbon = "500 g/kWh"
source = "a test of the west"
cost_cells = "cn-west"
[[sites.pools]]
nodes = 2
gpus_per_node = 8
gpu = "A100"
[[sites]]
name = "rented"
region = "US"
pue = 1.2
power_price = "0 USD/MWh"
carbon = "400 g/kWh"
source = "a test of rent"
[sites.rent]
price = "2 USD/GPU-hour"
low = "1 USD/GPU-hour"
high = "3 USD/GPU-hour"
source = "a test of prices"
[[sites.pools]]
nodes = 0
gpus_per_node = 8
gpu = "A100"
[[latency]]
between = ["home", "west"]
rtt = "30 ms"
[[latency]]
between = ["home", "rented"]
rtt = "200 ms"
[funding]
country = "hongkong"
currency_per_usd = 7.8
scale = 100
first_year = 2026
paths = 200
source = "a test of funding"
"""

ALTERNATIVES = """\
[alternatives.mixed]
label = "As written"
[alternatives.home]
label = "Home alone"
change = ["sites.home.nodes=4", "sites.west.nodes=0"]
[alternatives.rent]
label = "Rent"
change = ["sites.west.nodes=0", "sites.rented.nodes=2"]
"""
FILE += ALTERNATIVES

MAPPING = """
[columns]
submit = "submit"
runtime = "runtime"
gpus = "gpus"
tenant = "tenant"
"""


def small_programme(
    folder: Path, more: str = "", changes: dict[str, str] | None = None, jobs: int = 60
) -> Path:
    """Write the programme, its trace and its mapping into `folder`; return its path."""
    text = FILE
    for old, new in (changes or {}).items():
        assert old in text
        text = text.replace(old, new)
    rows = [
        f"{i * 600},{1800 + 700 * (i % 7)},{1 + 3 * (i % 4)},{'ab'[i % 2]}" for i in range(jobs)
    ]
    (folder / "jobs.csv").write_text("submit,runtime,gpus,tenant\n" + "\n".join(rows) + "\n")
    (folder / "jobs.toml").write_text(textwrap.dedent(MAPPING))
    path = folder / "small.toml"
    path.write_text(text + more, encoding="utf-8")
    return path
