"""No update is deployed outside the plan that was approved before it existed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.clinic.domain.errors import StatusMoveError
from commonwatt.clinic.domain.registry.plan import (
    CHANGES,
    ChangePlan,
    ModelChange,
    can_change_model,
)
from tests.clinic_factories import BODIES, DIGEST, PLAN, desk, estimates, put, with_deployment
from tests.clinic_histories import BASIS, write
from tests.proofs import PROOFS, most_examples_reach

covered = st.fixed_dictionaries(
    {
        "kinds": st.lists(st.sampled_from(PLAN["kinds"]), min_size=1, unique=True),
        "metrics": st.fixed_dictionaries(
            {"auc": st.floats(0.8, 0.9)}, optional={"slope": st.floats(0.7, 0.9)}
        ),
        "dataset_sha256": st.just(DIGEST),
        "threshold_shift": st.floats(-0.05, 0.05),
    }
)
# What takes a covered change out of its plan, and what only seems to.
departures = st.fixed_dictionaries(
    {},
    optional={
        "kinds": st.lists(st.sampled_from(CHANGES), max_size=2, unique=True),
        "metrics": st.dictionaries(st.sampled_from(["auc", "slope"]), st.floats(0.7, 0.9)),
        "dataset_sha256": st.sampled_from([DIGEST, "cd" * 32]),
        "threshold_shift": st.floats(-0.08, 0.08),
    },
)
changes = covered | st.builds(lambda change, departure: change | departure, covered, departures)
MADE = with_deployment()
COUNT = iter(range(10**9))


def inside(change) -> bool:
    """The plan, once more, in the plainest words."""
    return (
        bool(change["kinds"])
        and all(kind in ("retrain", "threshold") for kind in change["kinds"])
        and change["metrics"].get("auc", 0) >= 0.8
        and change["dataset_sha256"] == DIGEST
        and -0.05 <= change["threshold_shift"] <= 0.05
    )


def test_changes_are_covered_exactly_when_every_limit_holds():
    plan = ChangePlan(**PLAN | {"kinds": frozenset(PLAN["kinds"])})

    @settings(max_examples=PROOFS.size(400, 3_000), deadline=None)
    @given(changes)
    def law(change):
        model_change = ModelChange(**change | {"kinds": frozenset(change["kinds"])})
        is_inside = inside(change)
        assert can_change_model(model_change, plan) == is_inside
        for examples in (covers, departs):
            examples.drawn += 1
        covers.reached += is_inside
        departs.reached += not is_inside

    with most_examples_reach(0.3) as covers, most_examples_reach(0.2) as departs:
        law()


def test_an_update_is_deployed_only_inside_its_plan():
    @settings(max_examples=100, deadline=None)
    @given(changes, st.sampled_from(["version/v1", "version/v1", "version/v1", None]))
    def law(change, previous):
        allowed = inside(computed(change)) and previous == "version/v1"
        for examples in (deploys, refuses):
            examples.drawn += 1
        if allowed:
            deploy_update(change, previous)
        else:
            with pytest.raises(StatusMoveError):
                deploy_update(change, previous)
        deploys.reached += allowed
        refuses.reached += not allowed

    with most_examples_reach(0.15) as deploys, most_examples_reach(0.15) as refuses:
        law()


def computed(change):
    """The change that is on record, whatever its maker says: a threshold that moved is one."""
    threshold = BODIES["deployment"]["threshold"]
    # As it is on record: a shift may be too small to change a threshold at all.
    moved = ["threshold"] if threshold + change["threshold_shift"] != threshold else []
    return change | {"kinds": [*change["kinds"], *moved]}


def deploy_update(change, previous):
    """Put on record what differs by `change`; what its maker declares are the kinds alone."""
    name = f"n{next(COUNT)}"
    body = BODIES["version"] | {"change": {"kinds": change["kinds"], "metrics": {"auc": 0.99}}}
    put(MADE, "version", name, body | ({"previous": previous} if previous else {}))
    threshold = BODIES["deployment"]["threshold"] + change["threshold_shift"]
    low = change["metrics"].get("auc", 0.5)
    evidence = BODIES["evidence"] | {
        "version": f"version/{name}",
        "dataset_sha256": change["dataset_sha256"],
        "threshold": threshold,
        "estimates": estimates(auc=low + 0.03),
    }
    # An update is a version: that the plan covers it stands in for no evidence of its own.
    put(MADE, "evidence", name, evidence)
    run = {"version": f"version/{name}", "threshold": threshold}
    put(MADE, "deployment", name, BODIES["deployment"] | run)
    assert f"deployment/{name}" in MADE.registry.records


NO_PLANS = [
    {"floor": {"auc": 0.99}},  # misspelt, and the floor would be none
    {"floors": {"auc": "0.8"}}, {"floors": {"auc": True}},
    {"floors": {"auc": -0.1}}, {"floors": {"auc": 1.2}}, {"floors": {"AUC": 0.7}},
    {"floors": "x"}, {"floors": {}},
    {"kinds": "retrain"}, {"kinds": ["nonsense"]}, {"kinds": []}, {"kinds": [["retrain"]]},
    {"kinds": ["retrain", "base-model"]}, {"kinds": ["prompt"]}, {"kinds": ["intended-use"]},
    {"most_threshold_shift": "much"}, {"most_threshold_shift": -1}, {"most_threshold_shift": 2},
    {"dataset_sha256": "zz"}, {"dataset_sha256": None},
]  # fmt: skip


@pytest.mark.parametrize("change", NO_PLANS)
def test_what_is_no_plan_is_refused_at_the_desk_and_covers_nothing_past_it(change):
    plan = PLAN | change
    body = BODIES["determination"] | {"plan": plan}
    with pytest.raises(StatusMoveError, match="determination/odd, plan"):
        put(with_deployment(), "determination", "odd", body)
    # By another program: the gate's table asks again, and says so instead of falling over.
    made = desk()
    for step in [*BASIS[:-1], ("determination", "d", body)]:
        write(made, step)
    update = BODIES["version"] | {"change": {"kinds": ["retrain"]}, "previous": "version/v1"}
    put(made, "version", "v2", update)
    put(made, "evidence", "e2", BODIES["evidence"] | {"version": "version/v2"})
    with pytest.raises(StatusMoveError, match="version/v2"):
        put(made, "deployment", "x2", BODIES["deployment"] | {"version": "version/v2"})


SOUND_PLANS = [
    {}, {"most_threshold_shift": 0}, {"floors": {"auc": 0.8, "sensitivity": 0.7, "o_over_e": 1.1}},
    {"kinds": ["retrain", "recalibrate", "threshold", "input", "architecture"]},
]  # fmt: skip


@pytest.mark.parametrize("change", SOUND_PLANS)
def test_a_sound_plan_is_approved(change):
    made = with_deployment()
    put(made, "determination", "d2", BODIES["determination"] | {"plan": PLAN | change})
    without = {name: value for name, value in BODIES["determination"].items() if name != "plan"}
    put(made, "determination", "d3", without)
