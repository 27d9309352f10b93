"""Drawn histories of approvals: the gate lets through exactly what a plain reading does."""

import re
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.clinic_factories import desk, ruling
from tests.clinic_histories import (
    GOOD,
    INSIDE,
    LEGAL,
    Step,
    ask_desk,
    decided,
    gate_of,
    step,
    tell,
    to,
    write,
)
from tests.proofs import PROOFS, most_examples_reach

MADE = desk()
COUNT = iter(range(10**9))
RULED = {place: ruling(place) for place in ("hk", "uk", "cn")}


def lawful(history: list[Step], name: str = "deployment/x") -> bool:
    """Every precondition once more, over the bare list, in the plainest words."""
    place_of = {f"{kind}/{n}": i for i, (kind, n, _) in enumerate(history) if kind != "move"}
    moved = [
        "proposed" if kind == "deployment" else body
        for kind, n, body in history
        if kind in ("deployment", "move") and f"deployment/{n}" == name
    ]
    if not re.fullmatch("proposed approved live( paused live)*", " ".join(moved)):
        return False

    def body(record):
        return history[place_of[record]][2]

    def names_older(record, *fields):
        return all(
            body(record)[f] in place_of and place_of[body(record)[f]] < place_of[record]
            for f in fields
        )

    if not names_older(name, "version", "determination"):
        return False
    version, determination = body(name)["version"], body(name)["determination"]
    if not names_older(determination, "version", "ruling") or not names_older(version, "product"):
        return False
    approved, ruling = body(determination)["version"], body(determination)["ruling"]
    if not names_older(approved, "product") or not names_older(ruling, "intended_use"):
        return False
    use = body(ruling)["intended_use"]
    if not names_older(use, "product"):
        return False
    products = {body(use)["product"], body(version)["product"], body(approved)["product"]}
    # The rules of the place give a ruling, and nobody else does.
    law = body(name)["place"]
    if len(products) > 1 or body(ruling) != RULED.get(law):
        return False
    return (
        in_force(history, place_of, determination, version)
        and covered(body(determination), version, body(version), place_of)
        and weighed(history, place_of, determination, version)
    )


def in_force(history, place_of, determination, version) -> bool:
    own = history[place_of[determination]][2]
    law = history[place_of[own["ruling"]]][2]["jurisdiction"]
    if own["outcome"] != "approved":
        return False
    last_on_version = "approved"
    for i, (kind, _, body) in enumerate(history):
        if kind != "determination":
            continue
        if body["version"] == version and version != own["version"]:
            last_on_version = body["outcome"]
        if i > place_of[determination] and body["version"] in (version, own["version"]):
            ruling = history[place_of[body["ruling"]]][2] if body["ruling"] in place_of else {}
            if body["outcome"] != "approved" or ruling.get("jurisdiction", law) == law:
                return False
    return last_on_version == "approved"


def covered(approval, version, made, place_of) -> bool:
    if version == approval["version"]:
        return True
    older = place_of[approval["version"]] < place_of[version]
    return made.get("previous") == approval["version"] and older and made.get("change") == INSIDE


def weighed(history, place_of, determination, version) -> bool:
    approved = history[place_of[determination]][2]["version"]
    on = [(i, body["version"]) for i, (kind, _, body) in enumerate(history) if kind == "evidence"]
    before = any(v == approved and place_of[approved] < i < place_of[determination] for i, v in on)
    return before and any(v == version and i > place_of[version] for i, v in on)


versions = st.sampled_from(["version/v1", "version/v1", "version/v2"])
rulings = st.sampled_from(["ruling/r", "ruling/r", "ruling/r2", "ruling/none"])
outcomes = st.sampled_from(["approved", "refused", "withdrawn"])
places = st.tuples(
    st.sampled_from(["hk", "uk", "cn", "imdrf", "atlantis"]),
    st.sampled_from(["approval", "filing", "exempt", "prohibited", "whatever"]),
)
RUN_UPDATE = [
    step("version", "v2", previous="version/v1", change=INSIDE),
    step("evidence", "e2", version="version/v2"),
]


@st.composite
def histories(draw) -> list[Step]:
    """A legal history in one of three shapes, with a few things done to it."""
    history = list(LEGAL)
    shape = draw(st.sampled_from(["plain", "update", "approved anew"]))
    if shape == "update":
        at = history.index(next(entry for entry in history if entry[0] == "deployment"))
        history[at : at + 1] = [*RUN_UPDATE, step("deployment", version="version/v2")]
    elif shape == "approved anew":
        history[-3:-2] = [decided("w", "withdrawn"), decided("d2"),
                          step("deployment", determination="determination/d2")]  # fmt: skip
    for number in range(draw(st.integers(0, 3))):
        history = draw(st.sampled_from(EDITS))(draw, history, number)
    return history


def _inserted(draw, history, entry):
    at = draw(st.integers(0, len(history)))
    return [*history[:at], entry, *history[at:]]


def _decide(draw, history, number):
    body = {"version": draw(versions), "ruling": draw(rulings)}
    return _inserted(draw, history, decided(f"n{number}", draw(outcomes), **body))


def _harmless(draw, history, number):
    extra = [
        step("evidence", f"more{number}", version=draw(versions)),
        step("ruling", "r2", **RULED["uk"]),
        step("product", f"q{number}"),
        step("intended-use", f"u{number}"),
        decided(f"n{number}", "refused", version="version/v3"),
    ]
    return _inserted(draw, history, draw(st.sampled_from(extra)))


def _move(draw, history, _):
    return [*history, *draw(st.sampled_from(
        [[to("paused"), to("live")], [to("paused")], [to("retired"), to("live")], [to("live")]]
    ))]  # fmt: skip


def _drop(draw, history, _):
    at = draw(st.integers(0, len(history) - 1))
    return history[:at] + history[at + 1 :]


def _swap(draw, history, _):
    at = draw(st.integers(0, len(history) - 2))
    return [*history[:at], history[at + 1], history[at], *history[at + 2 :]]


def _rule(draw, history, _):
    """Type a place and a route, or have the ruling of another place computed."""
    law, route = draw(places)
    typed = {"jurisdiction": law, "route": route}
    changed = draw(st.sampled_from([typed, RULED.get(law, typed)]))
    return [(k, n, b | changed if k == "ruling" else b) for k, n, b in history]


def _place(draw, history, _):
    """Take the deployment elsewhere, with or without the ruling of that place."""
    law = draw(st.sampled_from([*RULED, "atlantis"]))
    ruled = RULED.get(law, {}) if draw(st.booleans()) else {}
    of_kind = {"deployment": {"place": law}, "ruling": ruled}
    return [(k, n, b if k == "move" else b | of_kind.get(k, {})) for k, n, b in history]


def _stranger(draw, history, number):
    """Let a record name another product, version or ruling than it should."""
    kind, field, other = draw(st.sampled_from([
        ("intended-use", "product", "product/q"), ("version", "product", "product/q"),
        ("evidence", "version", "version/v2"), ("determination", "version", "version/v2"),
        ("deployment", "version", "version/v2"), ("determination", "ruling", "ruling/r2"),
        ("version", "change", INSIDE | {"kinds": ["input"]}),
        ("version", "previous", "version/v3"),
    ]))  # fmt: skip
    changed = [(k, n, b | {field: other} if k == kind else b) for k, n, b in history]
    first = [step("product", "q")] if draw(st.booleans()) else []
    return [*first, *changed]


def _again(draw, history, _):
    """Put a record on file once more under its name."""
    records = [entry for entry in history if entry[0] != "move"]
    return _inserted(draw, history, draw(st.sampled_from(records)))


EDITS = [_decide, _decide, _harmless, _harmless, _harmless, _move, _move, _drop, _swap, _rule,
         _place,
         _stranger, _again]  # fmt: skip


def gate_says(prefix: str) -> str:
    gate = gate_of(MADE, prefix)
    return gate.advice_verdict_without_record(
        f"deployment/{prefix}x", gate.encounter_pseudonym("e"), GOOD
    ).rule


def test_histories_written_past_the_desk_are_allowed_exactly_when_they_are_lawful():
    rules = Counter[str]()

    @settings(max_examples=PROOFS.size(100, 600), deadline=None)
    @given(histories())
    def drawn(history):
        prefix = f"a{next(COUNT)}-"
        for entry in history:
            write(MADE, entry, prefix)
        tell(MADE, gate_of(MADE, prefix), prefix)
        rule = gate_says(prefix)
        assert (rule == "gate.allowed") == lawful(history), rule
        rules[rule] += 1

    drawn()
    # Histories that are all refused, or all allowed, would prove nothing.
    allowed = rules["gate.allowed"]
    assert min(allowed, rules.total() - allowed) >= rules.total() // 4, rules
    assert len(rules) >= PROOFS.size(5, 9), rules


def test_whatever_the_desk_lets_through_the_gate_agrees_with_a_plain_reading():
    steps = Counter[bool]()

    @settings(max_examples=PROOFS.size(80, 400), deadline=None)
    @given(histories())
    def drawn(history):
        prefix, accepted_steps, was_allowed = f"b{next(COUNT)}-", [], False
        tell(MADE, gate_of(MADE, prefix), prefix)
        for entry in history:
            through = ask_desk(MADE, entry, prefix)
            steps[through] += 1
            accepted_steps += [entry] if through else []
            allowed = gate_says(prefix) == "gate.allowed"
            assert allowed == lawful(accepted_steps)
            was_allowed |= allowed
            went_live = through and entry[0] == "move" and entry[2] == "live"
            assert allowed or not went_live, "the desk made live what may not advise"
        examples.drawn += 1
        examples.reached += was_allowed

    # Every history begins where nothing is allowed; many must come to where something is.
    with most_examples_reach(0.2) as examples:
        drawn()
    assert min(steps[True], steps[False]) >= steps.total() // 10, steps
