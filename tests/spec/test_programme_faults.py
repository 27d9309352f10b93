"""What a planner reads when a programme file is wrong: place, found, wanted."""

import copy
import tomllib

import pytest

from commonwatt.core.errors import ProgrammeError, TableError
from commonwatt.study.programme.reader import load_programme

GOOD = tomllib.loads("""
title = "Test"
seed = 7
[demand]
trace = "jobs.csv"
[[tenants]]
name = "a"
quota_gpus = 8
sites = ["home"]
[[gpus]]
name = "A100"
idle = "100 W"
busy = "400 W"
source = "a test"
[[sites]]
name = "home"
region = "HK"
pue = 1.3
power_price = "150 USD/MWh"
carbon = "400 g/kWh"
source = "a test"
[[sites.pools]]
nodes = 2
gpus_per_node = 8
gpu = "A100"
""")


def _toml(value, prefix=""):
    """Return `value` as TOML; enough for tests."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(value)


def _write(folder, document):
    path = folder / "p.toml"
    path.write_text("\n".join(f"{k} = {_toml(v)}" for k, v in document.items()), encoding="utf-8")
    (folder / "jobs.csv").write_text("a\n1\n", encoding="utf-8")
    return path


def _set(document, dotted, value):
    changed = copy.deepcopy(document)
    *path, last = [int(p) if p.isdigit() else p for p in dotted.split(".")]
    at = changed
    for part in path:
        at = at[part]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return changed


FAULTS = [
    ("title", None, "title: Field required"),
    ("title", "", "title: want at least 1 character"),
    ("seed", -1, "seed: Input should be greater than or equal to 0"),
    ("seed", 1.5, "seed: "),
    ("sites.0.pue", 0.9, "sites.0.pue: Input should be greater than or equal to 1 (found '0.9')"),
    ("sites.0.pue", "1,3", "sites.0.pue: "),
    ("sites.0.pue", float("nan"), "sites.0.pue: "),
    ("sites.0.pue", float("inf"), "sites.0.pue: "),
    ("sites.0.power_price", 150, '150 has no unit. Write for example "150 USD/MWh".'),
    ("sites.0.power_price", "150 USD", "found a value in USD, wanted a value in USD/MWh"),
    ("sites.0.power_price", "0.6 CNY/kWh", "found money in CNY, wanted money in USD"),
    ("sites.0.power_price", "cheap", "'cheap': found no number, wanted a number with its unit"),
    ("sites.0.power_price", "0,06 USD/kWh", "0,06, which can be read in two ways"),
    ("sites.0.carbon", "400 W", "'400 W': found a value in W, wanted a value in gCO2e/kWh"),
    ("sites.0.carbon", "-4 g/kWh", "sites.0.carbon"),
    ("gpus.0.idle", "-100 W", "gpus.0.idle: found -100 W, wanted 0, or 1 to 50,000 W"),
    ("gpus.0.busy", "0.4 kWh", "'0.4 kWh': found a value in kWh, wanted a value in W"),
    ("gpus.0.busy", "1e999 W", "'1e999 W': found a number that is not finite"),
    ("gpus.0.slices", 9, "gpus.0.slices: Input should be less than or equal to 7"),
    ("gpus.0.source", None, "gpus.0.source: Field required"),
    ("sites.0.source", None, "sites.0.source: Field required"),
    ("sites.0.pools", [], "sites.0.pools: List should have at least 1 item"),
    ("sites.0.pools.0.nodes", -1, "sites.0.pools.0.nodes: Input should be greater"),
    ("sites.0.pools.0.nodes", 0, "sites: no site has a node with a GPU"),
    ("sites.0.pools.0.nodes", 2.5, "sites.0.pools.0.nodes: "),
    ("sites.0.pools.0.gpus_per_node", -8, "sites.0.pools.0.gpus_per_node: "),
    ("sites.0.pools.0.gpu", "H100", "sites.0.pools.0.gpu: 'H100' is not declared; known: A100"),
    ("sites.0.pools.0.tenant", "a", "sites.0.pools.0.tenant: Extra inputs are not permitted"),
    ("sites.0.pools.0.nodse", 3, "sites.0.pools.0.nodse: Extra inputs are not permitted"),
    ("tenants.0.sites", ["mars"], "tenants.0.sites: 'mars' is not declared; known: home"),
    ("tenants.0.quota_gpus", -1, "tenants.0.quota_gpus: "),
    ("tenants.0.name", "a/b", "tenants.0.name: found 'a/b', wanted 1 to 100 of A to Z"),
    ("demand.trace", "nowhere.csv", "no such file: nowhere.csv"),
    ("demand.trace", None, "demand.trace: Field required"),
    ("latency", [{"between": ["home"], "rtt": "1 ms"}], "latency.0.between: List should"),
    ("latency", [{"between": ["home", "x"], "rtt": "1 ms"}], "between: 'x' is not declared"),
    ("latency", [{"between": ["home", "home"], "rtt": "1 km"}], "found a value in km, wanted a"),
    ("latency", [{"between": ["home", "home"], "rtt": "1 ms"}], "found 'home' twice, wanted two"),
    ("policy", {"order": 3}, "policy.order: Input should be a valid string"),
]  # fmt: skip


@pytest.mark.parametrize(("place", "value", "message"), FAULTS)
def test_a_fault_names_its_place_and_what_would_do(tmp_path, place, value, message):
    with pytest.raises(ProgrammeError) as caught:
        load_programme(_write(tmp_path, _set(GOOD, place, value)))
    assert message in str(caught.value)
    assert caught.value.where.startswith("p.toml")


def test_all_faults_are_told_at_once(tmp_path):
    broken = _set(_set(GOOD, "sites.0.pue", 0.5), "gpus.0.idle", "3 m")
    with pytest.raises(ProgrammeError, match="2 faults"):
        load_programme(_write(tmp_path, broken))


@pytest.mark.parametrize(
    "junk", [b"", b"title = ", b"\xff\xfe\x00", b"[[[[", b"title = 'x'\ntitle = 'y'"]
)
def test_a_file_that_is_no_programme_is_refused(tmp_path, junk):
    path = tmp_path / "p.toml"
    path.write_bytes(junk)
    with pytest.raises(ProgrammeError):
        load_programme(path)


def test_a_missing_programme_names_those_that_are_shipped():
    with pytest.raises(ProgrammeError, match="wanted a programme file"):
        load_programme("atlantis")


def test_a_round_trip_given_twice_is_refused_in_either_order(tmp_path):
    document = copy.deepcopy(GOOD)
    document["sites"].append({**document["sites"][0], "name": "west"})
    document["latency"] = [{"between": ["home", "west"], "rtt": "30 ms"}]
    load_programme(_write(tmp_path, document))
    document["latency"].append({"between": ["west", "home"], "rtt": "5 ms"})
    with pytest.raises(ProgrammeError, match=r"latency\.1\.between: home – west is given twice"):
        load_programme(_write(tmp_path, document))


def test_sites_without_nodes_are_told_apart_from_sites_that_nobody_declared(tmp_path):
    document = copy.deepcopy(GOOD)
    unbuilt = {**document["sites"][0], "name": "west"}
    unbuilt["pools"] = [{**unbuilt["pools"][0], "nodes": 0}]
    document["sites"].append(unbuilt)
    document["tenants"][0]["sites"] = ["home", "west"]
    load_programme(_write(tmp_path, document))
    document["tenants"][0]["sites"] = ["west"]
    with pytest.raises(ProgrammeError, match=r"tenants\.0\.sites: found no node at west"):
        load_programme(_write(tmp_path, document))


def test_two_sites_of_one_name_are_refused(tmp_path):
    twice = copy.deepcopy(GOOD)
    twice["sites"] = [twice["sites"][0], twice["sites"][0]]
    with pytest.raises(ProgrammeError, match="'home' is named twice"):
        load_programme(_write(tmp_path, twice))


def test_a_series_without_its_column_is_refused(tmp_path):
    document = _set(GOOD, "sites.0.carbon", {"file": "c.csv", "column": "HK"})
    (tmp_path / "c.csv").write_text("hour,TW\n0,1\n", encoding="utf-8")
    wanted = "sites.0.carbon.column: found 'HK'; c.csv has the columns hour, TW"
    with pytest.raises(ProgrammeError, match=wanted):
        load_programme(_write(tmp_path, document))


def test_a_series_with_a_hole_names_the_row(tmp_path):
    document = _set(GOOD, "sites.0.carbon", {"file": "c.csv", "column": "HK"})
    (tmp_path / "c.csv").write_text("hour,HK\n0,1\n1,\n", encoding="utf-8")
    with pytest.raises(TableError, match="c.csv, row 2, column HK"):
        load_programme(_write(tmp_path, document))


def test_a_good_programme_becomes_a_fleet(tmp_path):
    programme = load_programme(_write(tmp_path, GOOD))
    fleet = programme.fleet()
    assert fleet.node_id == ("home-0", "home-1")
    assert fleet.gpu_capacity_milli == 16_000
    assert programme.quota_gpus_by_tenant_or_none(["b", "a"]) == {"a": 8.0}
    assert programme.tenant_allowed_site_bit_masks(["b", "a"]) == [0, 1]
