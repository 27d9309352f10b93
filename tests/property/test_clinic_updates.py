"""No update is deployed outside the plan that was approved before it existed."""

from hypothesis import given, settings
from hypothesis import strategies as st

from commonwatt.clinic.domain.errors import StatusMoveError
from commonwatt.clinic.domain.registry.plan import (
    CHANGES,
    ChangePlan,
    ModelChange,
    can_change_model,
)
from tests.clinic_factories import BODIES, DIGEST, PLAN, put, with_deployment
from tests.proofs import PROOFS

changes = st.fixed_dictionaries(
    {
        "kinds": st.lists(st.sampled_from(CHANGES), max_size=2, unique=True),
        "metrics": st.dictionaries(st.sampled_from(["auc", "slope"]), st.floats(0.7, 0.9)),
        "dataset_sha256": st.sampled_from([DIGEST, "cd" * 32]),
        "threshold_shift": st.floats(-0.08, 0.08),
    }
)
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


@settings(max_examples=PROOFS.size(300, 3_000), deadline=None)
@given(changes)
def test_changes_are_covered_exactly_when_every_limit_holds(change):
    plan = ChangePlan(**PLAN | {"kinds": frozenset(PLAN["kinds"])})
    assert can_change_model(
        ModelChange(**change | {"kinds": frozenset(change["kinds"])}), plan
    ) == inside(change)


@settings(max_examples=100, deadline=None)
@given(changes, st.sampled_from(["version/v1", None]))
def test_an_update_is_deployed_only_inside_its_plan(change, previous):
    name = f"n{next(COUNT)}"
    body = BODIES["version"] | {"change": change}
    put(MADE, "version", name, body | ({"previous": previous} if previous else {}))
    # An update is a version: that the plan covers it stands in for no evidence of its own.
    put(MADE, "evidence", name, BODIES["evidence"] | {"version": f"version/{name}"})
    allowed = inside(change) and previous == "version/v1"
    try:
        put(MADE, "deployment", name, BODIES["deployment"] | {"version": f"version/{name}"})
    except StatusMoveError:
        assert not allowed
    else:
        assert allowed
