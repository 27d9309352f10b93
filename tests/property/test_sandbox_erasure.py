"""A stand-in for an erased person changes no comparison of sets of people, and leads to nobody."""

from itertools import combinations

import sqlalchemy as sa
from hypothesis import event, given, settings
from hypothesis import strategies as st

from commonwatt.sandbox.io.store import records, schema

PEOPLE = [f"{i:024x}" for i in range(12)]
SETS = st.lists(st.sets(st.sampled_from(PEOPLE)), min_size=2, max_size=5)


@settings(max_examples=60, deadline=None)
@given(sets=SETS, number=st.integers(0, 11), other=st.sets(st.sampled_from(PEOPLE)))
def test_sets_differ_in_as_many_people_after_an_erasure_as_before(sets, number, other):
    token = PEOPLE[number]
    engine = sa.create_engine("sqlite://")
    schema.metadata.create_all(engine)
    with engine.begin() as tx:
        for project, cells in (("a", dict(enumerate(sets))), ("b", {0: other})):
            record = records.OutputRecord(
                sha256="f" * 64, name="n", kind="csv", job="j", author="x", state=_RELEASED
            )
            records.add_project_output_row(
                tx, project, record, {str(k): v for k, v in cells.items()}
            )
        changed = records.replace_person_in_sets_and_count(tx, "a", token)
        after = records.output_people_tokens_by_cell(tx, "a", "f" * 64)
        elsewhere = records.output_people_tokens_by_cell(tx, "b", "f" * 64)
    engine.dispose()
    event("the person is in a set" if changed else "the person is in none")
    assert changed == sum(token in people for people in sets)
    now = [set(after[str(i)]) for i in range(len(sets))]
    assert not any(token in people for people in now)
    assert [p - {token} for p in sets] == [
        {x for x in p if not x.startswith(records.ERASED)} for p in now
    ]
    for (a, b), (c, d) in zip(combinations(sets, 2), combinations(now, 2), strict=True):
        assert (len(a - b), len(b - a), len(a & b)) == (len(c - d), len(d - c), len(c & d))
    # the same person is somebody else's to erase in another project
    assert set(elsewhere["0"]) == other


_RELEASED = records.OutputState.RELEASED
