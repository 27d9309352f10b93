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
from tests.clinic_factories import BODIES, DIGEST, PLAN, estimates, put, with_deployment
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
    moved = ["threshold"] if change["threshold_shift"] != 0 else []
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
