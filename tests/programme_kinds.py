"""Programmes drawn by kind: a sound base with one fault, or with one thing that is unusual.

Both sides come from one generator. A kind is a function of the base document and a source of
chance; it changes the document in place, and a fault returns the path that the error must name,
or the place in a file beside the programme.
"""

import copy
import datetime
import json
import random
import shutil
import tomllib
from pathlib import Path

from commonwatt.core.shipped import DATA
from commonwatt.siting.domain.cost_inputs import INPUTS
from commonwatt.study.programme.ranges import STATED_ELSEWHERE
from commonwatt.study.programme.reader import Programme, load_programme
from commonwatt.study.stages.demand import fleet_inputs_of_programme
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


class ProgrammeDocument(dict):
    """A programme as `tomllib` reads it, with what its TOML cannot say.

    Attributes:
        beside: Files in its folder by name, in place of those that are written else; None
            for a folder.
        spell: Turns the TOML that is written into what stands in the file.
    """

    def __init__(self, document):
        super().__init__(document)
        self.beside = {}
        self.spell = lambda text: text

    def jobs(self, *rows, head="submit,runtime,gpus,tenant"):
        """Let the trace be of these rows."""
        self.beside["jobs.csv"] = "\n".join([head, *rows]) + "\n"


class Beside(str):
    """The end of the place of a fault that stands in a file beside the programme."""

    __slots__ = ()


def base_document():
    """Return the sound programme that every kind changes."""
    document = ProgrammeDocument(tomllib.loads(FILE + MORE))
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
    if isinstance(value, bool):
        return "true" if value else "false"
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
    text = "\n".join(f'"{key}" = {toml_text(part)}' for key, part in document.items()) + "\n"
    spelled = document.spell(text)
    path.write_bytes(spelled if isinstance(spelled, bytes) else spelled.encode())
    for name, content in document.beside.items():
        _write_beside(folder / name, content)
    return path


def _write_beside(path: Path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is None:
        if not path.is_dir():
            path.unlink(missing_ok=True)
            path.mkdir()
    elif isinstance(content, Path):
        shutil.copytree(content, path, dirs_exist_ok=True)
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def read_whole(path: Path) -> Programme:
    """Return the programme as a study reads it, its trace with it, before anything is simulated."""
    programme = load_programme(path)
    fleet_inputs_of_programme(programme)
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
    known = chance.choice([each for each in INPUTS if each.name not in STATED_ELSEWHERE])
    name = _typed(known.name, chance)
    document["sites"][1]["cells"][name] = {"value": (known.low + known.high) / 2}
    return f"sites.1.cells.{name}"


def _cell_almost_of_another_key(document, chance):
    # The name that is nearest is one that would be refused, too.
    name = _typed(chance.choice(sorted(STATED_ELSEWHERE)), chance)
    document["sites"][1]["cells"][name] = {"times": 1.0}
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


# Of another kind, in another form.


def _table_of(document, chance, places):
    """Return one of some places as its table, the table's path and its key."""
    where = chance.choice(places)
    *way, key = where.split(".")
    table = document
    for step in way:
        table = table[int(step)] if isinstance(table, list) else table[step]
    return table, where, int(key) if isinstance(table, list) else key


def _number_as_text(document, chance):
    table, where, key = _table_of(document, chance, [
        "sites.0.pools.0.nodes", "sites.1.pue", "seed", "funding.scale", "funding.first_year",
        "tenants.2.quota_gpus",
    ])  # fmt: skip
    table[key] = str(table[key])
    return where


def _number_that_is_none(document, chance):
    table, where, key = _table_of(document, chance, [
        "sites.1.pue", "funding.scale", "funding.currency_per_usd", "funding.steepness",
    ])  # fmt: skip
    table[key] = chance.choice([float("nan"), float("inf"), float("-inf")])
    return where


def _quantity_that_is_none(document, chance):
    table, where, key = _table_of(
        document, chance, ["gpus.0.busy", "latency.0.rtt", "sites.1.carbon", "sites.2.rent.price"]
    )
    unit = table[key].split()[1]
    table[key] = chance.choice(["inf", "nan", "-inf", "1e400", "ten", ""]) + f" {unit}"
    return where


def _part_of_a_whole(document, chance):
    table, where, key = _table_of(document, chance, [
        "sites.0.pools.0.nodes", "funding.first_year", "tenants.2.quota_gpus", "tenants.2.defer_h",
    ])  # fmt: skip
    table[key] += 0.5
    return where


def _number_beyond_its_bounds(document, chance):
    where, number = chance.choice([
        ("seed", -1), ("seed", 2**63), ("tenants.2.quota_gpus", -8), ("tenants.2.defer_h", 25),
        ("sites.0.pools.0.nodes", -2), ("sites.0.pools.0.nodes", 1_000_001),
        ("sites.1.pools.0.gpus_per_node", 65), ("funding.paths", 99), ("funding.first_year", 1989),
        ("sites.0.pue", 0.99), ("sites.0.pue", 101), ("funding.scale", 0), ("funding.scale", -0.0),
    ])  # fmt: skip
    table, _, key = _table_of(document, chance, [where])
    table[key] = number
    return where


def _years_off(document, chance):
    key, number = chance.choice([
        ("years", 0), ("years", 41), ("build_years", 0), ("build_years", 16), ("steepness", 0.5),
        ("steepness", 11),
    ])  # fmt: skip
    document["funding"][key] = number
    return f"funding.{key}"


def _path_that_ends_before_the_building(document, _):
    document["funding"] |= {"years": 2, "build_years": 5}
    return "funding.first_year"


def _list_for_a_value(document, chance):
    table, where, key = _table_of(document, chance, [
        "sites.0.pue", "sites.1.name", "sites.0.pools.0.nodes", "seed", "title", "gpus.0.busy",
        "latency.0.rtt", "funding.country", "demand.trace",
    ])  # fmt: skip
    table[key] = [table[key]]
    return where


def _value_for_a_list(document, chance):
    table, where, key = _table_of(document, chance, [
        "tenants.1.sites", "latency.0.between", "sites.0.price_range", "sites.0.pue_range",
        "alternatives.home.change",
    ])  # fmt: skip
    table[key] = table[key][0]
    return where


def _list_too_long_or_short(document, chance):
    table, where, key = _table_of(
        document, chance, ["latency.0.between", "sites.0.price_range", "sites.0.pue_range"]
    )
    table[key] = chance.choice([[], table[key][:1], [*table[key], table[key][1]]])
    return where


def _list_of_nothing(document, chance):
    table, where, key = _table_of(document, chance, ["sites", "gpus", "sites.1.pools"])
    table[key] = []
    return where


def _table_for_a_list_of_tables(document, chance):
    table, where, key = _table_of(
        document, chance, ["sites", "gpus", "tenants", "latency", "compare", "sites.0.pools"]
    )
    named = {str(each.get("name", i)): each for i, each in enumerate(table[key])}
    table[key] = chance.choice([named, table[key][0]])
    return where


def _list_of_tables_for_a_table(document, chance):
    table, where, key = _table_of(
        document, chance, ["funding", "demand", "sites.2.rent", "sites.1.cells", "alternatives"]
    )
    table[key] = [table[key]]
    return where


def _text_for_a_table(document, chance):
    table, where, key = _table_of(document, chance, ["funding", "demand", "sites.2.rent"])
    table[key] = chance.choice(["hongkong", "jobs.csv", ""])
    return where


def _alternatives_without_a_name(document, _):
    document["alternatives"] = document["alternatives"]["home"]
    return "alternatives"


def _key_in_the_wrong_table(document, chance):
    table, where, key = _table_of(document, chance, [
        "pue", "nodes", "sites.0.nodes", "sites.0.quota_gpus", "sites.0.pools.0.pue",
        "demand.currency_per_usd", "tenants.0.rtt", "gpus.0.gpus_per_node", "funding.order",
    ])  # fmt: skip
    table[key] = 2
    return where


def _table_one_level_too_deep(document, chance):
    key = chance.choice(["funding", "policy", "alternatives"])
    document["demand"][key] = document.pop(key, {"order": "sjf"})
    return f"demand.{key}"


# Files.


def _file_that_is_a_folder(document, chance):
    key = chance.choice(["trace", "mapping"])
    name = chance.choice([".", "folder", "..", "folder/"])
    document.beside["folder"] = None
    document["demand"][key] = name
    return f"demand.{key}"


def _file_without_a_name(document, chance):
    table, where, key = _table_of(
        document, chance, ["demand.trace", "demand.mapping", "funding.country"]
    )
    table[key] = ""
    return where


def _file_of_endless_name(document, chance):
    table, where, key = _table_of(
        document, chance, ["demand.trace", "demand.mapping", "funding.country"]
    )
    table[key] = chance.choice(["x" * 5000, "x/" * 3000, table[key] + "\0"])
    return where


def _file_that_is_not_shipped(document, chance):
    names = ["shipped:", "shipped:nope.csv", "shipped:../core/errors.py", "Shipped:traces"]
    document["demand"]["trace"] = chance.choice(names)
    return "demand.trace"


def _folder_without_a_country(document, chance):
    document.beside["folder"] = None
    document["funding"]["country"] = chance.choice(
        ["folder", ".", "jobs.csv", "folder/country.toml"]
    )
    return "funding.country"


def _trace_without_a_job(document, chance):
    heads = "submit,runtime,gpus,tenant\n"
    document.beside["jobs.csv"] = chance.choice(["", heads, heads + "\n\n", "\ufeff" + heads])
    return Beside("jobs.csv")


def _trace_that_holds_no_gpu(document, chance):
    runtime, gpus = chance.choice([(60, 0), (0, 1), (0, 0)])
    document.jobs(*(f"0,{runtime},{gpus},{tenant}" for tenant in "abc"))
    return "demand.trace"


def _trace_cell_off(document, chance):
    column, cell = chance.choice([
        ("gpus", "8x"), ("gpus", "1.5"), ("gpus", "-1"), ("runtime", "nan"), ("runtime", ""),
        ("runtime", "-60"), ("submit", "1e17"), ("submit", "noon"),
    ])  # fmt: skip
    row = {"submit": "600", "runtime": "60", "gpus": "1", "tenant": "a"} | {column: cell}
    document.jobs("0,60,1,b", "0,60,1,c", ",".join(row.values()))
    return Beside(f"jobs.csv, row 4, column {column}")


def _trace_in_another_encoding(document, chance):
    text = "submit,runtime,gpus,tenant\n0,60,1,a\n0,60,1,b\n0,60,1,c\n"
    document.beside["jobs.csv"] = text.encode(chance.choice(["utf-16", "utf-16-le"]))
    return Beside("jobs.csv")


def _gang_that_fits_nowhere(document, chance):
    # Each site alone holds sixteen, and b may be at home only.
    document.jobs("0,60,1,a", "0,60,1,c", f"0,60,{chance.choice([17, 33, 999])},b")
    return Beside("jobs.csv, job 4, column gpus")


def _mapping_off(document, chance):
    document.beside["jobs.toml"] = chance.choice(
        ["", "[columns\n", MAPPING + 'nodes = "gpus"\n', MAPPING + "[colums]\n",
         MAPPING.replace('runtime = "runtime"', "")]
    )  # fmt: skip
    return Beside("jobs.toml")


def _series_with_a_word(document, chance):
    cell = chance.choice(["x", "", "nan", "60 USD", '"60,5"', "-inf"])
    document.beside["hours.csv"] = f"hour,mwh\n0,60\n1,{cell}\n2,61\n"
    document["sites"][1]["power_price"] = {"file": "hours.csv", "column": "mwh"}
    return Beside("hours.csv, row 2, column mwh")


def _series_column_unknown(document, chance):
    i, site = _site(document, chance)
    site.pop("price_range", None)
    column = chance.choice(["MWH", "mwH", " mwh", "mwhh", "price"])
    site["power_price"] = {"file": "hours.csv", "column": column}
    return f"sites.{i}.power_price.column"


def _series_column_twice(document, _):
    document.beside["hours.csv"] = "hour,mwh,mwh\n0,60,70\n"
    document["sites"][1]["power_price"] = {"file": "hours.csv", "column": "mwh"}
    return Beside("hours.csv, column mwh")


def _series_in_another_encoding(document, chance):
    document.beside["hours.csv"] = "hour,mwh\n0,60\n".encode("utf-16")
    document["sites"][1]["power_price"] = {"file": "hours.csv", "column": "mwh"}
    return Beside("hours.csv")


# The file itself.


def _file_of_nothing(document, chance):
    empty = chance.choice(["", "\n\n", "# to be written\n", "\ufeff"])
    document.spell = lambda _: empty
    return ""


def _file_in_another_encoding(document, chance):
    code = chance.choice(["utf-16", "big5", "latin-1"])
    document.spell = lambda text: text.encode("utf-8").replace(b"Small", "\u5c0f".encode(
        "utf-16" if code == "utf-16" else "big5"))  # fmt: skip
    return ""


def _line_that_is_no_toml(document, chance):
    """Write one line as a spreadsheet, a word processor or another format would have it."""
    line = chance.choice([
        "seed = 3,5", "seed = 1,000", "seed = 3%", "seed = 03", "seed = three", "seed: 3",
        "seed =", "seed = \u201c3\u201d", "seed \uff1d 3", "seed\u00a0= 3", "[funding", "seed 3",
        "title = 'a", "- seed = 3", "{", "seed = 3 USD", "seed = True",
    ])  # fmt: skip
    document.spell = lambda text: "# first\n" + line + "\n" + text.replace('"seed" = 3\n', "")
    return "line 2"


def _key_given_twice(document, chance):
    again = chance.choice(["seed = 4", "[funding]", 'title = "x"', "demand.trace = 'x'"])
    document.spell = lambda text: text + again + "\n"
    return f"line {len(document) + 1}"


# Names.


def _name_in_other_letters(document, chance):
    table = chance.choice(["sites", "tenants", "gpus"])
    name = chance.choice(
        ["臺北", "a/b", "", " x", "../x", "x\ny", "Nairobi\u200b", "é" * 3, "n" * 101]
    )
    document[table].append(copy.deepcopy(document[table][-1]) | {"name": name})
    return f"{table}.{len(document[table]) - 1}.name"


def _alternative_in_other_letters(document, chance):
    name = chance.choice(["全部", "a/b", " x", "é"])
    document["alternatives"][name] = {"label": "All"}
    return f"alternatives.{name}"


def _alternative_named_programme(document, _):
    document["alternatives"]["programme"] = {"label": "Another"}
    return "alternatives.programme"


def _titles_that_read_alike(document, chance):
    first, other = chance.choice([
        ("Hall one", "hall One"), ("Caf\u00e9", "Cafe\u0301"), ("Hall 1", "Hall \uff11"),
        ("Hall one", "Hall  one "), ({"en": "A", "zh-Hant": "甲"}, {"en": "B", "zh-Hant": "甲"}),
    ])  # fmt: skip
    table = chance.choice(["sites", "tenants"])
    document[table][0]["label"], document[table][1]["label"] = first, other
    return f"{table}.1.label"


def _name_that_reads_like_another(document, chance):
    document["tenants"] = []
    name = chance.choice(["West", "west ", "WEST"])
    document["sites"].append(copy.deepcopy(document["sites"][1]) | {"name": name})
    return "sites.3.name"


def _title_that_is_a_name(document, chance):
    table = chance.choice(["sites", "tenants"])
    document[table][0]["label"] = document[table][1]["name"]
    return f"{table}.1.name"


def _alternatives_of_one_title(document, _):
    document["alternatives"]["rent"]["label"] = "Home alone"
    return "alternatives.rent.label"


def _label_of_two_translations(document, _):
    document["tenants"][0]["label"] = {"en": "Home hall", "zh-Hant": "大學"}
    return "tenants.0.label"


def _label_in_another_tongue(document, chance):
    table, where, key = _table_of(document, chance, ["title", "sites.0.label", "tenants.0.label"])
    table[key] = chance.choice(
        [{"zh-Hant": "甲"}, {"en": "A", "zh": "甲"}, {"en": "A", "zh-Hant": 1}, 7, "x" * 301]
    )
    return where


# Figures.


def _unit_of_another_dimension(document, chance):
    table, where, key = _table_of(document, chance, [
        "gpus.0.idle", "latency.0.rtt", "sites.1.carbon", "sites.2.rent.price",
        "sites.1.power_price", "tenants.2.latency",
    ])  # fmt: skip
    table[key] = "3 km"
    return where


def _day_that_is_none(document, chance):
    part = chance.choice(["rooms", "models"])
    day = chance.choice(["2023-02-29", "2026-02-30", "02/03/2026", "2026-3-2x", 1_772_409_600, 2026,
                         "2026-03-02T10:00:00", "民國115年3月2日"])  # fmt: skip
    document[part] = {"on": day}
    return f"{part}.on"


def _truth_in_words(document, chance):
    document["rooms"] = {"example": chance.choice(["yes", "true", 1, 0]), "on": "2026-03-02"}
    return "rooms.example"


def _quota_beyond_all_fleets(document, chance):
    document["tenants"][0]["quota_gpus"] = chance.choice([10**8, 2**63 - 1])
    return "tenants.0.quota_gpus"


def _quota_beyond_its_sites(document, chance):
    tenant, quota = chance.choice([(1, 17), (1, 32), (2, 33), (0, 33)])
    document["tenants"][tenant]["quota_gpus"] = quota
    if tenant != 2:
        del document["tenants"][2]["quota_gpus"]
    return f"tenants.{tenant}.quota_gpus"


def _quota_beyond_its_latency(document, chance):
    document["tenants"][2] |= {"latency": "20 ms", "quota_gpus": chance.randrange(17, 33)}
    return "tenants.2.quota_gpus"


def _quotas_that_add_up_beyond_the_fleet(document, chance):
    first = chance.randrange(25, 33)
    document["tenants"][0]["quota_gpus"] = first
    return "tenants.2.quota_gpus"


def _quotas_that_share_one_hall(document, chance):
    for tenant in document["tenants"][:2]:
        tenant |= {"sites": ["home"], "quota_gpus": chance.randrange(9, 17)}
    del document["alternatives"]  # in which the same holds of another tenant
    return "tenants.1.quota_gpus"


def _quota_of_nought(document, chance):
    place = chance.randrange(3)
    document["tenants"][place]["quota_gpus"] = 0
    return f"tenants.{place}.quota_gpus"


def _quota_that_an_alternative_leaves_no_room_for(document, chance):
    document["alternatives"]["home"]["change"] = ["sites.home.nodes=1", "sites.west.nodes=0"]
    document["tenants"][chance.randrange(2)]["quota_gpus"] = chance.randrange(9, 17)
    return "alternatives.home.change"


def _percent_for_a_cell(document, chance):
    document["sites"][1]["cells"]["tax_share"] = chance.choice(["16.5%", "0.165", ""])
    return "sites.1.cells.tax_share"


def _factor_beyond_the_input(document, chance):
    document["sites"][1]["cells"]["tax_share"] = {"times": chance.choice([100, 1e6])}
    return "sites.1.cells.tax_share"


def _factor_below_nought(document, chance):
    i, site = _site(document, chance)
    site["carbon"] = {"file": "hours.csv", "column": "grams", "times": -1}
    return f"sites.{i}.carbon.times"


def _range_as_a_table(document, chance):
    key = chance.choice(["price_range", "pue_range"])
    low, high = document["sites"][0][key]
    document["sites"][0][key] = {"low": low, "high": high}
    return f"sites.0.{key}"


def _rent_paid_otherwise(document, chance):
    document["sites"][2]["rent"]["paid"] = chance.choice(["monthly", "Reserved", "", 1])
    return "sites.2.rent.paid"


def _power_at_a_rented_site(document, chance):
    series = {"file": "hours.csv", "column": "mwh"}
    document["sites"][2]["power_price"] = chance.choice(["60 USD/MWh", "-5 USD/MWh", series])
    return "sites.2.power_price"


def _range_at_a_rented_site(document, chance):
    key, bounds = chance.choice(
        [("price_range", ["0 USD/MWh", "60 USD/MWh"]), ("pue_range", [1.1, 1.4])]
    )
    document["sites"][2][key] = bounds
    return f"sites.2.{key}"


# Alternatives.


def _alternative_of_a_file_that_is_not_there(document, chance):
    line = chance.choice(['demand.trace = "nope.csv"', "funding.country=kenya",
                          'sites.home.carbon={file="no.csv",column="x"}'])  # fmt: skip
    document["alternatives"]["home"]["change"].append(line)
    return "alternatives.home.change"


def _alternative_of_a_key_that_is_not_there(document, chance):
    line = chance.choice([
        "sites.home.puee=1.2", "site.home.pue=1.2", "funding.scal=+10%", "seed.x=1", "=3",
        "sites.home.label=+10%", "sites.home.pue", "sites..pue=1.2", "sites.9.pue=1.2", "title=x",
        "tenants.b.sites.0=west", "sites.home.pue=-200%", "sites.home.pue=x1e9",
    ])  # fmt: skip
    document["alternatives"]["home"]["change"].append(line)
    return "alternatives.home.change"


def _alternative_of_funding_that_is_not_there(document, _):
    del document["funding"]
    document["alternatives"]["home"]["change"].append("funding.scale=+10%")
    return "alternatives.home.change"


def _change_that_is_no_line(document, chance):
    document["alternatives"]["home"]["change"].append(chance.choice([{"pue": 1}, 3, ["x"]]))
    return "alternatives.home.change.2"


FAULTS = tuple(
    kind for name, kind in list(globals().items()) if name.startswith("_") and callable(kind)
    and name not in {"_site", "_typed", "_write_beside", "_table_of"}
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
        "quota_gpus": 24,
        "defer_h": 24,
    }
    document["latency"].append({"between": ["rented", "west"], "rtt": "180 ms"})


def nobody_borrows(document, _):
    del document["funding"]


def nothing_to_compare(document, _):
    del document["alternatives"], document["compare"]


def no_costs(document, _):
    # Neither borrowed for nor compared: what is asked for without costs is absent, and said so.
    del document["funding"], document["alternatives"]
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
                   "funding.build_years=2", "tenants.b.sites=['home', 'west']"],
    }  # fmt: skip


def example_parts(document, chance):
    # The walk of the example room takes a minute, and tests of its own.
    day = chance.choice(["2026-03-02", "2000-01-01"])
    document["rooms"] = {"example": False, "on": day}
    document["models"] = {"examples": bool(chance.randrange(2)), "on": day}


# Unusual in its form.


def lines_of_windows(document, chance):
    ends = chance.choice(["\r\n", "\n\n\n", "\r\n\r\n"])
    document.spell = lambda text: text.replace("\n", ends)


def a_byte_order_mark(document, chance):
    first = chance.choice(["", "# 計劃\n", "\r\n"])
    document.spell = lambda text: "\ufeff".encode() + (first + text).encode()


def comments_everywhere(document, _):
    document.spell = lambda text: "".join(
        f"# {'=' * 40} [not.a.table] “註” €\n\t {line}\t# to be asked: 3,5%?\n"
        for line in text.splitlines()
    )


def tables_by_their_headers(document, chance):
    """Write tables as people do: [funding], [[sites]] and [sites.rent], keys aligned."""
    spaced = chance.choice(["=", " = ", "\t=\t"])
    lines = []

    def add(header, table, is_of_list):
        lines.append(f"[[{header}]]" if is_of_list else f"[{header}]")
        inner = {k: v for k, v in table.items() if _is_table_of_keys(v)}
        lines.extend(f"{k}{spaced}{toml_text(v)}" for k, v in table.items() if k not in inner)
        for key, value in inner.items():
            for each in value if isinstance(value, list) else [value]:
                add(f"{header}.{key}", each, isinstance(value, list))

    for key, value in document.items():
        if _is_table_of_keys(value):
            for each in value if isinstance(value, list) else [value]:
                add(key, each, isinstance(value, list))
        else:
            lines.insert(0, f"{key}{spaced}{toml_text(value)}")
    document.spell = lambda _: "\n".join(lines)


def _is_table_of_keys(value):
    return isinstance(value, dict) or (isinstance(value, list) and isinstance(value[0], dict))


def numbers_in_other_forms(document, chance):
    seed = chance.choice(["1_000", "0x1F", "+3", "0b101", "3e0"])
    document.spell = lambda text: text.replace('"seed" = 3\n', f'"seed" = {seed}\n')


def texts_in_other_quotes(document, _):
    document.spell = lambda text: (
        text.replace('"Home hall"', "'''Home \"hall\"'''")
        .replace('"a test"', "'a test'")
        .replace('"a test of home"', '"""a test\nof \\\n    home"""')
    )


def lists_that_name_nothing(document, _):
    document["demand"]["tenants"] = []
    document["tenants"][0] |= {"sites": []}
    document["alternatives"]["mixed"]["change"] = []
    document["sites"][1]["cells"] = {}
    document["compare"] = []
    document["policy"] = {}


def noughts_below_nought(document, chance):
    key = chance.choice(["price", "carbon", "idle", "cell"])
    if key == "price":
        document["sites"][1]["power_price"] = "-0 USD/MWh"
    elif key == "carbon":
        document["sites"][1]["carbon"] = "-0.0 g/kWh"
    elif key == "idle":
        document["gpus"][0]["idle"] = "-0 W"
    else:
        document["sites"][1]["cells"] = {"tax_share": -0.0}


# Unusual in its names.


def files_with_blanks_and_signs(document, chance):
    name = chance.choice(
        [
            "our jobs, 2026 (final).csv",
            "資料/工作 記錄.csv",
            "a/b/c/jobs.CSV.csv",
            "./jobs 100%.csv",
        ]
    )
    rows = [f"{i * 900},{600 + i},{1 + i % 8},{'abc'[i % 3]}" for i in range(12)]
    document.beside[name] = "submit,runtime,gpus,tenant\n" + "\n".join(rows)
    document["demand"]["trace"] = name


def labels_in_chinese(document, _):
    document["title"] = {"en": "國家運算計劃", "zh-Hant": "國家運算計劃"}
    for i, part in enumerate([*document["sites"], *document["tenants"]]):
        part["label"] = {"en": f"甲「{i}」", "zh-Hant": f"甲「{i}」"}
    for name, part in document["alternatives"].items():
        part["label"] = f"方案 {name}"


def labels_that_could_be_code(document, chance):
    label = chance.choice(
        [
            "<b>Hall</b> & Co",
            "=1+1",
            "a.b.c",
            "{site}",
            '"; --',
            "| a | b |",
            "%s {0} \\n",
            "🏥 Hall",
        ]
    )
    document["sites"][0]["label"] = label
    document["tenants"][0]["label"] = f"{label} tenant"
    document["title"] = label


def names_at_their_longest(document, _):
    long = "n" * 97
    document["sites"][0]["label"] = "L" * 300
    document["gpus"][0]["name"] = f"{long}gpu"
    for site in document["sites"]:
        site["pools"][0]["gpu"] = f"{long}gpu"
    document["sites"].append(document["sites"][2] | {"name": f"{long}far", "pools": [
        {"nodes": 1, "gpus_per_node": 1, "gpu": f"{long}gpu"}]})  # fmt: skip
    document["latency"].append({"between": ["home", f"{long}far"], "rtt": "9 ms"})


def names_with_dots_and_blanks(document, chance):
    name = chance.choice(["eu.north", "a b", "2", "x@y:z+1", "0", "nodes", "pue"])
    document["sites"].append(document["sites"][2] | {"name": name})
    document["latency"].append({"between": [name, "home"], "rtt": "9 ms"})
    document["alternatives"][f"{name}.more"] = {
        "label": "More there", "change": [f'sites."{name}".pools.0.nodes=1']}  # fmt: skip


def a_site_named_as_one_of_the_library(document, chance):
    name, cells = chance.choice([("cn-west", "hong-kong"), ("all", "cn-west"), ("programme", None)])
    site = copy.deepcopy(document["sites"][0]) | {"name": name, "label": "The other"}
    site |= {"cells": {"tax_share": 0.3}, "cost_cells": cells or "us-iowa"}
    document["sites"].append(site)
    document["latency"].append({"between": ["home", name], "rtt": "9 ms"})


def a_tenant_named_as_a_site(document, chance):
    name = chance.choice(["home", "all", "programme"])
    document.jobs("0,60,1,a", "50,60,1,b", "90,900,2,c", f"100,800,1,{name}")
    document["tenants"].append({"name": name, "label": "The same name", "quota_gpus": 1})


def an_alternative_named_as_a_site(document, chance):
    name = chance.choice(["west", "all", "cost", "as written", "a.b"])
    document["alternatives"][name] = {"label": "Again", "change": ["sites.west.nodes=3"]}


# Unusual in its demand.


def jobs_in_ties(document, chance):
    at = chance.choice([[0, 600], [0, 0, 0, 86400]])
    document.jobs(
        *(f"{at[i % len(at)]},{60 * (i % 3)},{1 + i % 4},{'abc'[i % 3]}" for i in range(20))
    )


def jobs_all_at_one_moment(document, chance):
    start = chance.choice([0, 1_767_225_600])
    document.jobs(*(f"{start},{600 + i},{1 + i % 4},{'abc'[i % 3]}" for i in range(20)))


def one_job_alone(document, chance):
    document["tenants"] = []
    document.jobs(f"0,{chance.choice([1, 86400])},{chance.choice([1, 16])},a")


def jobs_of_no_length(document, chance):
    length = chance.choice([0, 1])
    document.jobs(*(f"{i * 60},{length},{1 + i % 4},{'abc'[i % 3]}" for i in range(20)))


def jobs_without_gpus(document, chance):
    every = chance.choice([2, 3])
    document.jobs(*(f"{i * 60},600,{0 if i % every == 0 else 1},{'abc'[i % 3]}" for i in range(20)))


def jobs_of_one_gpu(document, _):
    document.jobs(*(f"{i * 60},600,1,{'abc'[i % 3]}" for i in range(30)))


def gangs_that_just_fit(document, _):
    document.jobs(*(f"{i * 600},1200,16,{'abc'[i % 3]}" for i in range(9)))


def jobs_out_of_order(document, chance):
    at = chance.sample(range(20), 20)
    document.jobs(*(f"{600 * i},900,{1 + i % 4},{'abc'[i % 3]}" for i in at))


def a_trace_of_windows(document, _):
    document.jobs("0,60,1,a", "9,600,4,b", "90,60,1,c")
    document.beside["jobs.csv"] = "\ufeff" + document.beside["jobs.csv"].replace("\n", "\r\n")


def tenants_in_other_letters(document, chance):
    name = chance.choice(
        ["國立臺灣大學", "Universidade de São Paulo", "आईआईटी", "kenya/nairobi", "-"]
    )
    document.jobs("0,60,1,a", "9,600,4,b", "90,60,1,c", f'95,900,2,"{name}"', "99,90,1,")


def jobs_for_years(document, _):
    year = 366 * 86400
    document.jobs(*(f"{i * year // 12},{86400 * 20},{1 + i % 8},{'abc'[i % 3]}" for i in range(24)))


def a_week_of_jobs(document, _):
    document.jobs(*(f"{i * 7200},{5400 + i},{1 + i % 8},{'abc'[i % 3]}" for i in range(96)))


def jobs_that_name_their_sites(document, _):
    document.jobs("0,60,1,a,west", "9,600,4,b,", "90,60,1,c,home", "95,60,1,a,home|west",
                  head="submit,runtime,gpus,tenant,place")  # fmt: skip
    document.beside["jobs.toml"] = MAPPING + 'sites = "place"\n'
    del document["alternatives"]  # of which two build nothing in the west


# Unusual in its sites and rules.


def one_tenant(document, _):
    document["tenants"] = [{"name": "a", "sites": ["home"], "latency": "0 ms", "quota_gpus": 16}]
    document.jobs(*(f"{i * 600},900,{1 + i % 4},a" for i in range(12)))


def one_gpu_in_all(document, _):
    one_site(document, None)
    document["sites"][0]["pools"] = [{"nodes": 1, "gpus_per_node": 1, "gpu": "A100"}]
    document["tenants"] = []
    document["funding"]["scale"] = 5000
    document.jobs(*(f"{i * 600},500,1,{'abc'[i % 3]}" for i in range(12)))


def ten_sites(document, _):
    west = document["sites"][1]
    for i in range(7):
        name = f"region {i}"
        document["sites"].append(copy.deepcopy(west) | {"name": name})
        document["latency"].append({"between": ["home", name], "rtt": f"{5 + i} ms"})


def sites_of_the_same_cells(document, _):
    home, west = document["sites"][:2]
    west |= {"cost_cells": home["cost_cells"], "region": home["region"], "pue": home["pue"]}
    west.pop("cells")


def a_site_where_nothing_runs(document, _):
    for tenant in document["tenants"]:
        tenant["sites"] = ["home"]


def gpus_never_idle(document, _):
    document.jobs(*(f"{i * 60},36000,8,{'abc'[i % 3]}" for i in range(24)))


def residency_of_every_site(document, _):
    for tenant in document["tenants"]:
        tenant["sites"] = ["home", "west", "rented", "home"]


def a_limit_equal_to_the_round_trip(document, chance):
    document["tenants"][2]["latency"] = chance.choice(["30 ms", "0.03 s", "30000 us", "3e1 ms"])
    document["tenants"][2] |= {"origin": "home", "sites": ["west"]}
    del document["alternatives"]  # of which two build nothing in the west


def quotas_of_the_whole_fleet(document, chance):
    # In any order: what one could have anywhere must not take what another has in one hall alone.
    rules = [{"sites": ["home"], "quota_gpus": 16}, {"quota_gpus": 12},
             {"sites": ["west", "home"], "quota_gpus": 4}]  # fmt: skip
    chance.shuffle(rules)
    for i, rule in enumerate(rules):
        document["tenants"][i] = {"name": "abc"[i]} | rule
    document["policy"] = {"order": "fair-share", "preemption": chance.choice(["none", "reclaim"])}
    del document["alternatives"]  # of which two build nothing in the west


def parts_of_a_gpu(document, _):
    document["gpus"][0]["slices"] = 7
    document["gpus"][0]["memory_gib"] = 79.2
    document["sites"][0]["pools"][0] |= {"cpu_cores": 0.5, "memory_gib": 65_536}


def only_rented(document, _):
    """Build nothing: a fleet that is rented by the hour, with nobody who borrows for a hall."""
    document["sites"] = document["sites"][2:]
    document["sites"][0]["pools"][0]["nodes"] = 4
    document["sites"][0]["rent"]["paid"] = "used"
    document["tenants"] = []
    del document["latency"], document["alternatives"]


def alternatives_that_change_nothing(document, _):
    document["alternatives"] = {
        "a": {"label": "Once"},
        "b": {"label": "Twice", "change": []},
        "c": {"label": "In vain", "change": ["sites.home.pue=+0%", "sites.home.nodes=x1"]},
    }


# Unusual in its figures and its years.


def quantities_in_other_words(document, chance):
    document["gpus"][0] |= {
        "idle": chance.choice(["0.1 kW", "100 watts", "1e2 W", "100W", "  100   W "]),
        "busy": chance.choice(["0.4 kW", "400.0 W", "4e2 W", "400 watt"]),
    }
    document["latency"][0]["rtt"] = chance.choice(["0.03 s", "30ms", "30000 µs"])


def an_hourly_price_of_one_hour(document, _):
    document.beside["one hour.csv"] = "hour,mwh\n0,75.5\n"
    document["sites"][1]["power_price"] = {"file": "one hour.csv", "column": "mwh"}


def hours_of_a_leap_year(document, _):
    hours = "".join(f"2028-02-29T{h % 24},{60 + h % 24}\r\n" for h in range(8784))
    document.beside["hours 2028.csv"] = "\ufeffhour,價格 USD/MWh\r\n" + hours
    document["sites"][1]["power_price"] = {"file": "hours 2028.csv", "column": "價格 USD/MWh"}


def a_leap_day(document, chance):
    day = chance.choice(["2024-02-29", datetime.date(2028, 2, 29), "2000-02-29", "2100-12-31"])
    document["rooms"] = {"example": False, "on": day}
    document["models"] = {"examples": False, "on": day}


def a_horizon_of_one_year(document, _):
    document["funding"] |= {"years": 1, "build_years": 1}


def a_horizon_of_a_generation(document, chance):
    document["funding"] |= {"years": chance.choice([30, 40]), "build_years": 15, "steepness": 1}


def _own_country(document, currency="JPY", per_usd=150, tranches=None):
    """Let a country of the programme's own borrow, whose folder lies beside it."""
    finland = DATA / "treasury" / "finland"
    for path in finland.iterdir():
        if path.name != "published.csv":
            text = path.read_text(encoding="utf-8")
            document.beside[f"our country/{path.name}"] = text.replace("EUR", currency)
    if tranches is not None:
        name = "our country/tranches.csv"
        head, *rows = document.beside[name].splitlines()
        document.beside[name] = "\n".join([head, *tranches(rows)]) + "\n"
    document["funding"] |= {"country": "our country", "currency_per_usd": per_usd}


def a_currency_without_cents(document, chance):
    _own_country(document, *chance.choice([("JPY", 150), ("KRW", 1380)]))


def a_country_of_one_bond(document, _):
    _own_country(document, tranches=lambda rows: rows[-1:])


def a_country_of_many_bonds(document, _):
    _own_country(
        document,
        tranches=lambda rows: [
            row.replace("opening", f"bond {i}").replace("30.225500", "1.5")
            for i in range(25)
            for row in rows
        ],
    )


def bonds_without_coupons(document, _):
    _own_country(document, tranches=lambda rows: [row.replace(",0.0084,", ",0,") for row in rows])


UNUSUAL = tuple(
    kind for name, kind in list(globals().items())
    if callable(kind) and not name.startswith("_") and kind.__module__ == __name__
    and not isinstance(kind, type)
    and name not in {"base_document", "toml_text", "write_programme", "read_whole"}
)  # fmt: skip


def drawn_kinds(kinds, count: int, seed: int):
    """Yield kinds with a source of chance each: every kind as often as any other."""
    chance = random.Random(seed)
    order = list(kinds)
    chance.shuffle(order)
    for i in range(count):
        yield order[i % len(order)], random.Random(f"{seed}.{i}")
