"""A key that moves no figure of its programme is named, and one that does is not."""

import tomllib

import pytest

from commonwatt.runs import RunStore
from commonwatt.study.programme.reader import load_programme
from commonwatt.study.programme.without_effect import (
    programme_keys_without_effect,
    run_keys_without_effect,
)
from commonwatt.study.stages.demand import fleet_inputs_of_programme
from commonwatt.study.usecases import run_study
from tests.programme_oracle import toml_of
from tests.small_programme import small_programme

POOL = {"nodes": 2, "gpus_per_node": 8, "gpu": "A100"}
CPU_POOL = {"nodes": 0, "gpus_per_node": 4, "gpu": "A100"}
UNUSED_GPU = {"name": "H100", "idle": "100 W", "busy": "700 W", "source": "a test"}


def _messages(folder, change, language="en"):
    path = small_programme(folder, jobs=24)
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    change(document)
    lines = [f'"{key}" = {toml_of(part)}' for key, part in document.items()]
    path.write_text("\n".join(lines), encoding="utf-8")
    programme = load_programme(path)
    workload = fleet_inputs_of_programme(programme).workload
    messages = [
        *programme_keys_without_effect(programme),
        *run_keys_without_effect(programme, workload, is_placed=False),
    ]
    return [message.translate(language) for message in messages]


def _at(document, *steps, **keys):
    for step in steps:
        document = document[step]
    document |= keys


def _without_costs(document, **keys):
    del document["funding"], document["alternatives"]
    document["sites"] = document["sites"][:2]
    document["latency"] = document["latency"][:1]
    for site in document["sites"]:
        site.pop("cost_cells")
    document["sites"][0] |= keys


# What is written, what its warning begins with, and the twin in which the same key counts.
KINDS = {
    "quota": (
        lambda d: _at(d, "tenants", 1, quota_gpus=8),
        "quota_gpus of b",
        lambda d: (_at(d, "tenants", 1, quota_gpus=8), _at(d, policy={"order": "fair-share"})),
    ),
    "quota-reclaimed": (
        lambda d: _at(d, "tenants", 1, quota_gpus=8),
        "quota_gpus of b",
        lambda d: (_at(d, "tenants", 1, quota_gpus=8), _at(d, policy={"preemption": "reclaim"})),
    ),
    "defer": (
        lambda d: _at(d, "tenants", 0, defer_h=4),
        "defer_h of a",
        lambda d: _at(d, "tenants", 0, defer_h=0),
    ),
    "slices": (
        lambda d: _at(d, "gpus", 0, slices=7),
        "slices of A100",
        lambda d: _at(d, "gpus", 0, slices=0),
    ),
    "gpu": (
        lambda d: d["gpus"].append(UNUSED_GPU),
        "The GPU H100",
        lambda d: (d["gpus"].append(UNUSED_GPU), d["sites"][1]["pools"].append(
            POOL | {"gpu": "H100"}), d.pop("alternatives")),
    ),
    "site": (
        lambda d: d.pop("alternatives"),
        "Price, PUE, carbon and costs of the site rented",
        lambda d: None,
    ),
    "pool": (
        lambda d: (d["sites"][0]["pools"].append(CPU_POOL), d.pop("alternatives")),
        "Pool 2 of the site home",
        lambda d: (d["sites"][0]["pools"].append(CPU_POOL | {"nodes": 1}), d.pop("alternatives")),
    ),
    "steepness": (
        lambda d: _at(d, "funding", build_years=1, steepness=3.0),
        "steepness has no effect",
        lambda d: _at(d, "funding", build_years=2, steepness=3.0),
    ),
    "steepness-by-default": (
        lambda d: _at(d, "funding", build_years=1, steepness=3.0),
        "steepness has no effect",
        lambda d: _at(d, "funding", build_years=1),
    ),
    "seed": (_without_costs, "seed has no effect", lambda d: None),
    "range": (
        lambda d: _without_costs(d, price_range=["100 USD/MWh", "200 USD/MWh"]),
        "price_range of the site home",
        lambda d: _at(d, "sites", 0, price_range=["100 USD/MWh", "200 USD/MWh"]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("language", ["en", "zh-Hant"])
def test_a_key_without_effect_is_named_in_either_language(kind, language, tmp_path):
    change, begins, _ = KINDS[kind]
    messages = _messages(tmp_path, change, language)
    if language == "en":
        assert any(message.startswith(begins) for message in messages), messages
    else:
        assert messages
        assert all(any("\u4e00" <= c <= "\u9fff" for c in message) for message in messages)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_key_is_not_named_where_it_counts(kind, tmp_path):
    _, begins, twin = KINDS[kind]
    messages = _messages(tmp_path, twin)
    assert not any(message.startswith(begins) for message in messages), messages


@pytest.mark.parametrize("name", ["harbour", "fjord"])
def test_every_key_of_the_shipped_programmes_counts(name):
    assert list(programme_keys_without_effect(load_programme(name))) == []


def test_a_study_says_it_as_it_runs_and_in_its_report(tmp_path):
    path = small_programme(tmp_path, jobs=24, changes={"seed = 3": "seed = 3 # one"})
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('sites = ["home"]', 'sites = ["home"]\nquota_gpus = 8'), "utf-8")
    told = []
    study = run_study(path, RunStore(tmp_path / "runs"), report_progress=told.append)
    (sentence,) = [str(each) for each in told if str(each).startswith("quota_gpus of b")]
    assert sentence.split('"')[0] in study.report.read_text(encoding="utf-8")
