"""Programmes drawn by kind: a sound base with one fault, or with one thing that is unusual.

Both sides come from one generator. A kind is a function of the base document and a source of
chance; it changes the document in place, and a fault returns the path that the error must name.
"""

import copy
import json
import random
import tomllib
from pathlib import Path

from commonwatt.siting.domain.cost_inputs import INPUTS
from commonwatt.study.programme.reader import Programme, load_programme
from commonwatt.study.stages.demand import programme_fleet_inputs
from tests.small_programme import FILE, MAPPING

MORE = """
[[tenants]]
name = "c"
latency = "40 ms"
quota_gpus = 8
defer_h = 2
[[compare]]
order = "sjf"
"""


def base_document():
    """Return the sound programme that every kind changes."""
    document = tomllib.loads(FILE + MORE)
    home, west = document["sites"][:2]
    home |= {"price_range": ["120 USD/MWh", "0.19 USD/kWh"], "pue_range": [1.2, 1.5]}
    west |= {"cells": {"tax_share": {"value": 0.1, "low": 0.0, "high": 0.2, "source": "a test"}}}
    return document


def toml_text(value):
    """Return a value as TOML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{k}" = {toml_text(v)}' for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(toml_text(v) for v in value) + "]"
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False)


def write_programme(folder: Path, document) -> Path:
    """Write a document with its trace, mapping and hourly series; return its path."""
    rows = [f"{i * 600},{1800 + 700 * (i % 7)},{1 + 3 * (i % 4)},{'abc'[i % 3]}" for i in range(24)]
    (folder / "jobs.csv").write_text("submit,runtime,gpus,tenant\n" + "\n".join(rows) + "\n")
    (folder / "jobs.toml").write_text(MAPPING)
    hours = [
        f"{h},{60 + h % 24},{0.06 + h % 24 / 1000},{400 + h % 24},{5000 if h == 20 else h - 5}"
        for h in range(48)
    ]
    heads = "hour,mwh,kwh,grams,wild\n"
    (folder / "hours.csv").write_text(heads + "\n".join(hours) + "\n")
    (folder / "empty.csv").write_text(heads)
    path = folder / "drawn.toml"
    text = "\n".join(f'"{key}" = {toml_text(part)}' for key, part in document.items())
    path.write_text(text + "\n", encoding="utf-8")
    return path


def read_whole(path: Path) -> Programme:
    """Return the programme as a study reads it, its trace with it, before anything is simulated."""
    programme = load_programme(path)
    programme_fleet_inputs(programme)
    return programme


def _site(document, chance):
    i = chance.randrange(2)  # the rented one has other keys
    return i, document["sites"][i]


def _typed(word, chance):
    """Return a name with one slip of the keyboard."""
    at = chance.randrange(1, len(word))
    return word[:at] + chance.choice("qxz") + word[at + chance.randrange(2) :]


# Faults: each returns the path that the error names.


def _tenant_nobody(document, chance):
    tenant = chance.choice([1, 2])  # those with a rule
    document["tenants"][tenant]["name"] = chance.choice(["helth", "bb", "A", "tenant-c"])
    return f"tenants.{tenant}.name"


def _demand_tenant_nobody(document, chance):
    document["demand"]["tenants"] = ["a", chance.choice(["x", "B", "aa"])]
    return "demand.tenants"


def _residency_nowhere(document, chance):
    document["tenants"][1]["sites"] = [_typed("home", chance)]
    return "tenants.1.sites"


def _residency_unbuilt(document, _):
    document["tenants"][0]["sites"] = ["rented"]
    return "tenants.0.sites"


def _origin_nowhere(document, chance):
    document["tenants"][0]["origin"] = _typed("west", chance)
    return "tenants.0.origin"


def _link_nowhere(document, chance):
    between = document["latency"][0]["between"]
    at = chance.randrange(2)
    between[at] = _typed(between[at], chance)
    return "latency.0.between"


def _link_to_itself(document, _):
    document["latency"][1]["between"] = ["home", "home"]
    return "latency.1.between"


def _link_twice(document, _):
    document["latency"].append({"between": ["west", "home"], "rtt": "3 ms"})
    return "latency.2.between"


def _gpu_unknown(document, chance):
    i, site = _site(document, chance)
    site["pools"][0]["gpu"] = chance.choice(["H100", "a100", "A10O"])
    return f"sites.{i}.pools.0.gpu"


def _country_unknown(document, chance):
    document["funding"]["country"] = chance.choice(["hongkon", "kenya", "Hongkong", "./none"])
    return "funding.country"


def _region_unknown(document, chance):
    i, site = _site(document, chance)
    site["region"] = chance.choice(["Kenya", "XX", "UK", "hk", "Guangdong", "", "ZZ-1"])
    return f"sites.{i}.region"


def _cells_unknown(document, chance):
    i, site = _site(document, chance)
    site["cost_cells"] = chance.choice(["kenya", "hongkong", "cn_west", "all", ""])
    return f"sites.{i}.cost_cells"


def _cell_unknown(document, chance):
    known = chance.choice(INPUTS)
    name = _typed(known.name, chance)
    document["sites"][1]["cells"][name] = {"value": (known.low + known.high) / 2}
    return f"sites.1.cells.{name}"


def _cells_of_nothing(document, _):
    del document["sites"][1]["cost_cells"]
    return "sites.1.cells"


def _policy_unknown(document, chance):
    key = chance.choice(["order", "place", "backfill", "preemption"])
    if chance.randrange(2):
        document["policy"] = {key: chance.choice(["fif0", "best", "Easy"])}
        return f"policy.{key}"
    document["compare"][0][key] = chance.choice(["sfj", "any", ""])
    return f"compare.0.{key}"


def _format_unknown(document, chance):
    document["demand"]["format"] = chance.choice(["xml", "tabel", "swff"])
    return "demand.format"


def _key_mistyped(document, chance):
    table, where, key = chance.choice(
        [
            (document["tenants"][2], "tenants.2", "latency"),
            (document["sites"][0], "sites.0", "pue"),
            (document["funding"], "funding", "scale"),
            (document["demand"], "demand", "mapping"),
        ]
    )
    slip = _typed(key, chance)
    table[slip] = table[key]
    return f"{where}.{slip}"


def _key_missing(document, chance):
    table, where, key = chance.choice(
        [
            (document["sites"][0], "sites.0", "source"),
            (document["gpus"][0], "gpus.0", "busy"),
            (document["sites"][1], "sites.1", "pools"),
            (document["latency"][0], "latency.0", "rtt"),
            (document["funding"], "funding", "currency_per_usd"),
            (document, "", "demand"),
        ]
    )
    del table[key]
    return f"{where}.{key}".strip(".")


def _price_off(document, chance):
    i, site = _site(document, chance)
    site.pop("price_range", None)
    number = chance.choice([0.03, 0.16, 0.4, 0.9])
    site["power_price"] = f"{number} USD/MWh" if chance.randrange(2) else f"{number * 1000} USD/kWh"
    return f"sites.{i}.power_price"


def _price_without_unit(document, chance):
    i, site = _site(document, chance)
    site.pop("price_range", None)
    number = chance.choice([0.16, 150, 60.5])
    site["power_price"] = str(number) if chance.randrange(2) else number
    return f"sites.{i}.power_price"


def _price_of_other_kind(document, chance):
    i, site = _site(document, chance)
    site["power_price"] = chance.choice(["150 USD", "0.6 CNY/kWh", "cheap", "400 W", "3-5 USD/MWh"])
    return f"sites.{i}.power_price"


def _carbon_off(document, chance):
    i, site = _site(document, chance)
    site["carbon"] = chance.choice(["0.4 g/kWh", "400 kg/kWh", "-4 g/kWh", "0.52 g/kWh", 0.4])
    return f"sites.{i}.carbon"


def _draw_off(document, chance):
    key = chance.choice(["idle", "busy"])
    document["gpus"][0][key] = chance.choice(["0.1 W", "400 kW", "-100 W", 400, "0.4"])
    return f"gpus.0.{key}"


def _idle_above_busy(document, chance):
    document["gpus"][0]["idle"] = f"{chance.randrange(401, 900)} W"
    return "gpus.0.idle"


def _pue_off(document, chance):
    i, site = _site(document, chance)
    site["pue"] = chance.choice([0.9, 3.2, 130.0, 0.0, -1.3, "1,3"])
    return f"sites.{i}.pue"


def _round_trip_off(document, chance):
    document["latency"][0]["rtt"] = chance.choice(["30 s", "0.03 ms", "-30 ms", 30, "30 km"])
    return "latency.0.rtt"


def _limit_off(document, chance):
    document["tenants"][2]["latency"] = chance.choice(["40 s", "0.04 ms", "-1 ms", 40])
    return "tenants.2.latency"


def _limit_that_none_keeps(document, _):
    document["tenants"][2] |= {"origin": "west", "sites": ["home"], "latency": "5 ms"}
    return "tenants.2.latency"


def _round_trip_missing(document, _):
    del document["latency"][0]
    return "tenants.2.latency"


def _rent_off(document, chance):
    rent = document["sites"][2]["rent"]
    rent.pop("low"), rent.pop("high")
    rent["price"] = chance.choice(["2000 USD/GPU-hour", "0.002 USD/GPU-hour", "-2 USD/GPU-hour"])
    return "sites.2.rent.price"


def _rent_reversed(document, _):
    document["sites"][2]["rent"] |= {"low": "2.5 USD/GPU-hour"}
    return "sites.2.rent.low"


def _rent_and_cells(document, _):
    document["sites"][2]["cost_cells"] = "us-iowa"
    return "sites.2.cost_cells"


def _range_reversed(document, chance):
    key = chance.choice(["price_range", "pue_range"])
    document["sites"][0][key].reverse()
    return f"sites.0.{key}"


def _range_beside_its_value(document, chance):
    key, bounds = chance.choice(
        [("price_range", ["0.16 USD/kWh", "0.19 USD/kWh"]), ("price_range", ["1 USD/MWh"] * 2),
         ("pue_range", [1.31, 1.5]), ("pue_range", [1.1, 1.2])]
    )  # fmt: skip
    document["sites"][0][key] = bounds
    return f"sites.0.{key}"


def _range_below_one(document, chance):
    document["sites"][0]["pue_range"] = chance.choice([[0.9, 1.4], [1.1, 3.5]])
    return "sites.0.pue_range"


def _cell_reversed(document, _):
    document["sites"][1]["cells"]["tax_share"] |= {"low": 0.3}
    return "sites.1.cells.tax_share"


def _share_in_percent(document, chance):
    name, number = chance.choice([("tax_share", 16.5), ("discount_rate", 7), ("part_share", 40)])
    document["sites"][1]["cells"][name] = {"value": number}
    return f"sites.1.cells.{name}"


def _cell_without_value(document, _):
    document["sites"][1]["cells"]["tax_share"] = {"low": 0.1, "high": 0.2}
    return "sites.1.cells.tax_share"


def _idle_share_above_busy(document, _):
    document["sites"][1]["cells"] |= {"idle_draw_share": 0.7, "busy_draw_share": 0.6}
    return "sites.1.cells.idle_draw_share"


def _exchange_rate_off(document, chance):
    document["funding"]["currency_per_usd"] = chance.choice([0.128, 7800.0, 0.0078, 150])
    return "funding.currency_per_usd"


def _building_beyond_the_path(document, chance):
    document["funding"]["first_year"] = chance.choice([2034, 2050, 2010])
    return "funding.first_year"


def _scale_off(document, chance):
    document["funding"]["scale"] = chance.choice([1e6, 5e9])
    return "funding.scale"


def _alternative_alone(document, _):
    document["alternatives"] = {"home": document["alternatives"]["home"]}
    return "alternatives"


def _alternative_faulty(document, chance):
    document["alternatives"]["home"]["change"].append(
        chance.choice(
            ["sites.wset.nodes=4", "sites.home.pue=9", "policy.order=best", "sites.home.nodes"]
        )
    )
    return "alternatives.home.change"


def _alternative_without_a_home(document, _):
    document["alternatives"]["home"]["change"] = ["sites.home.nodes=0"]
    return "alternatives.home.change"


def _name_twice(document, chance):
    table = chance.choice(["sites", "tenants", "gpus"])
    document[table].append(copy.deepcopy(document[table][0]))
    return f"{table}.{len(document[table]) - 1}.name"


def _title_twice(document, _):
    document["sites"][1]["label"] = "Home hall"
    return "sites.1.label"


def _truth_for_a_number(document, chance):
    table, where, key = chance.choice(
        [
            (document["sites"][0], "sites.0", "pue"),
            (document["sites"][0]["pools"][0], "sites.0.pools.0", "nodes"),
            (document, "", "seed"),
            (document["funding"], "funding", "scale"),
        ]
    )
    table[key] = True
    return f"{where}.{key}".strip(".")


def _text_that_says_nothing(document, chance):
    table, where, key = chance.choice(
        [
            (document["sites"][0], "sites.0", "label"),
            (document["sites"][0], "sites.0", "source"),
            (document["funding"], "funding", "source"),
            (document["alternatives"]["home"], "alternatives.home", "label"),
            (document, "", "title"),
        ]
    )
    table[key] = {"en": " "} if key == "label" else chance.choice(["", "  "])
    return f"{where}.{key}".strip(".")


def _day_off(document, chance):
    document["rooms"] = {"example": True, "on": chance.choice(["0026-03-02", "2206-03-02", "soon"])}
    return "rooms.on"


def _nodes_without_a_gpu(document, chance):
    i, site = _site(document, chance)
    site["pools"][0]["gpus_per_node"] = 0
    return f"sites.{i}.pools"


def _series_without_an_hour(document, _):
    document["sites"][1]["carbon"] = {"file": "empty.csv", "column": "grams"}
    return "sites.1.carbon"


def _nothing_built(document, _):
    for site in document["sites"]:
        site["pools"][0]["nodes"] = 0
    document["tenants"] = []
    return "sites"


def _size_off(document, chance):
    key, number = chance.choice([("cpu_cores", 128_000.0), ("memory_gib", 1_048_576.0)])
    document["sites"][0]["pools"][0][key] = number
    return f"sites.0.pools.0.{key}"


def _file_missing(document, chance):
    key = chance.choice(["trace", "mapping"])
    document["demand"][key] = _typed(document["demand"][key], chance)
    return f"demand.{key}"


def _series_missing(document, chance):
    i, site = _site(document, chance)
    site.pop("price_range", None)
    site["power_price"] = {"file": "hour.csv", "column": "mwh"}
    return f"sites.{i}.power_price.file"


def _series_off(document, chance):
    i, site = _site(document, chance)
    site.pop("price_range", None)
    site["power_price"] = {"file": "hours.csv", "column": "kwh"}
    return f"sites.{i}.power_price"


def _series_of_carbon_below_nought(document, chance):
    i, site = _site(document, chance)
    site["carbon"] = {"file": "hours.csv", "column": "wild"}
    return f"sites.{i}.carbon"


def _series_beside_its_range(document, _):
    document["sites"][0]["power_price"] = {"file": "hours.csv", "column": "mwh"}
    return "sites.0.price_range"


FAULTS = tuple(
    kind for name, kind in list(globals().items()) if name.startswith("_") and callable(kind)
    and name not in {"_site", "_typed"}
)  # fmt: skip


# Unusual, and sound: each changes the document and returns nothing.


def power_for_nothing(document, chance):
    _, site = _site(document, chance)
    site.pop("price_range", None)
    site["power_price"] = "0 USD/kWh"


def power_below_nought(document, chance):
    _, site = _site(document, chance)
    site.pop("price_range", None)
    site["power_price"] = f"-{chance.randrange(1, 60)} USD/MWh"


def power_of_an_island(document, chance):
    _, site = _site(document, chance)
    site.pop("price_range", None)
    site["power_price"] = f"{chance.choice([0.6, 1.2, 4.9])} USD/kWh"


def power_in_other_words(document, chance):
    _, site = _site(document, chance)
    site.pop("price_range", None)
    site["power_price"] = chance.choice(
        ["12 US cents/kWh", "USD 89.2 per MWh", "US$0.08/kWh", "9 US cents per kilowatt-hour"]
    )


def no_carbon(document, chance):
    _site(document, chance)[1]["carbon"] = "0 g/kWh"


def carbon_in_other_words(document, chance):
    _site(document, chance)[1]["carbon"] = chance.choice(
        ["0.52 kg/kWh", "1100 gCO2e/kWh", "24 kg/MWh", "1.2 t/MWh", "900 lb/MWh"]
    )


def pue_at_its_bounds(document, chance):
    _, site = _site(document, chance)
    site.pop("pue_range", None)
    site["pue"] = chance.choice([1, 1.0, 1.01, 2.9, 3.0])


def draws_that_are_equal(document, chance):
    document["gpus"][0]["idle"] = chance.choice(["400 W", "0.4 kW", "0 W"])


def draws_that_are_far(document, chance):
    pair = chance.choice([("1 W", "8 W"), ("6 kW", "23 kW"), ("0 W", "0 W")])
    document["gpus"][0]["idle"], document["gpus"][0]["busy"] = pair


def halls_side_by_side(document, chance):
    document["latency"][0]["rtt"] = chance.choice(["0 ms", "0.1 ms", "50 µs", "0.0002 s"])


def by_satellite(document, chance):
    document["latency"][1]["rtt"] = chance.choice(["600 ms", "0.6 s", "1.2 s"])


def a_limit_of_nought(document, _):
    document["tenants"][2]["latency"] = "0 ms"


def a_limit_that_binds_nobody(document, _):
    document["tenants"][2]["latency"] = "2 s"


def a_label_without_jobs(document, chance):
    name = chance.choice(["d", "next year's", "組"])
    document["tenants"].append({"name": "d", "label": name})


def some_tenants_only(document, chance):
    document["demand"]["tenants"] = chance.sample(["a", "b", "c"], chance.randrange(1, 3))


def no_tenants(document, _):
    del document["tenants"]


def every_rule_at_once(document, _):
    document["tenants"][0] |= {
        "sites": ["home", "west", "rented"],
        "origin": "west",
        "latency": "300 ms",
        "quota_gpus": 0,
        "defer_h": 24,
    }
    document["latency"].append({"between": ["rented", "west"], "rtt": "180 ms"})


def nobody_borrows(document, _):
    del document["funding"]


def nothing_to_compare(document, _):
    del document["alternatives"], document["compare"]


def no_costs(document, _):
    for site in document["sites"]:
        for key in ("cost_cells", "cells", "rent", "price_range", "pue_range"):
            site.pop(key, None)


def one_site(document, _):
    document["sites"] = document["sites"][:1]
    del document["latency"], document["alternatives"]


def many_sites(document, chance):
    far = document["sites"][2]
    document["sites"] += [far | {"name": f"far {i}"} for i in range(chance.choice([20, 59]))]


def many_pools(document, _):
    document["gpus"].append(document["gpus"][0] | {"name": "H 100", "slices": 7})
    document["sites"][0]["pools"] += [{"nodes": 1, "gpus_per_node": 64, "gpu": "H 100"}] * 3
    document["alternatives"]["home"]["change"] = ["sites.home.pools.0.nodes=4"]


def nodes_of_processors(document, _):
    document["sites"][0]["pools"].append({"nodes": 4, "gpus_per_node": 0, "gpu": "A100"})
    document["alternatives"]["home"]["change"] = ["sites.home.pools.0.nodes=4"]


def ranges_of_one_point(document, _):
    document["sites"][0] |= {"price_range": ["150 USD/MWh"] * 2, "pue_range": [1.3, 1.3]}


def ranges_that_end_at_the_value(document, _):
    document["sites"][0] |= {"price_range": ["0.15 USD/kWh", "0.2 USD/kWh"], "pue_range": [1, 1.3]}


def a_cell_alone(document, chance):
    cell = chance.choice([0, 0.2, {"value": 0.6}, {"times": 1.2}, {"times": 0}])
    document["sites"][1]["cells"] = {"tax_share": cell}


def cells_at_their_bounds(document, chance):
    each = chance.choice(INPUTS)
    document["sites"][1]["cells"] = {each.name: {"value": each.low, "high": each.high}}


def a_free_rent(document, chance):
    rent = document["sites"][2]["rent"]
    rent |= {"low": "0 USD/GPU-hour", "price": chance.choice(["0 USD/GPU-hour", "0.05 USD/GPU-h"])}


def a_dear_rent(document, _):
    document["sites"][2]["rent"] |= {"price": "98.3 USD/GPU-hour", "high": "120 USD/GPU-hour"}


def a_late_programme(document, chance):
    document["funding"] |= {"first_year": 2035, "build_years": 1, "years": chance.choice([10, 40])}


def a_small_scale(document, chance):
    document["funding"]["scale"] = chance.choice([0.01, 0.5, 1, 20_000])


def another_country(document, chance):
    document["funding"] |= {"country": "finland", "currency_per_usd": chance.choice([0.8, 1.1, 2])}


def regions_of_all_forms(document, chance):
    document["sites"][1]["region"] = chance.choice(["XK", "GB-NIR", "US-CAL-CISO", "NO-NO2", "TW"])


def an_hourly_price(document, chance):
    site = document["sites"][chance.randrange(2)]
    site.pop("price_range", None)
    site["power_price"] = chance.choice(
        [{"file": "hours.csv", "column": "mwh"}, {"file": "hours.csv", "column": "wild"},
         {"file": "hours.csv", "column": "kwh", "times": 1000},
         {"file": "hours.csv", "column": "mwh", "times": 0}]
    )  # fmt: skip


def an_hourly_price_with_its_range(document, _):
    document["sites"][0] |= {
        "power_price": {"file": "hours.csv", "column": "mwh"},
        "price_range": ["70 USD/MWh", "75 USD/MWh"],
    }


def an_hourly_carbon(document, chance):
    site = document["sites"][chance.randrange(2)]
    site["carbon"] = {"file": "hours.csv", "column": "grams", "times": chance.choice([0, 0.1, 1])}


def words_in_two_languages(document, chance):
    document["title"] = chance.choice(
        ["x", {"en": "Programme “One”"}, {"en": "a", "zh-Hant": "甲"}]
    )
    document["summary"] = {"en": "= 1 + 1", "zh-Hant": "{甲}"}


def a_large_seed(document, _):
    document["seed"] = 2**63 - 1


def many_policies(document, _):
    document["policy"] = {"order": "qssf", "place": "best-fit", "backfill": "easy"}
    document["compare"] = [{"order": "fair-share"}, {}, {"order": "las"}, {}]


def alternatives_of_every_key(document, _):
    document["alternatives"]["all"] = {
        "label": {"en": "All", "zh-Hant": "全部"},
        "change": ["sites.home.power_price=+10%", "sites.home.pue=x1.1", "fleet.order=sjf",
                   "sites.west.cells.tax_share=0", "sites.west.cells.wage_usd_per_year=+20%",
                   "funding.scale=20", "tenants.b.sites=['home', 'west']"],
    }  # fmt: skip


def example_parts(document, chance):
    document["rooms"] = {"example": bool(chance.randrange(2)), "on": "2026-03-02"}
    document["models"] = {"examples": False, "on": "2026-03-02"}


UNUSUAL = tuple(
    kind for name, kind in list(globals().items())
    if callable(kind) and not name.startswith("_") and kind.__module__ == __name__
    and name not in {"base_document", "toml_text", "write_programme", "read_whole"}
)  # fmt: skip


def drawn_kinds(kinds, count: int, seed: int):
    """Yield kinds with a source of chance each: every kind as often as any other."""
    chance = random.Random(seed)
    order = list(kinds)
    chance.shuffle(order)
    for i in range(count):
        yield order[i % len(order)], random.Random(f"{seed}.{i}")
