"""Every table of moves against a plain list of the same: states, steps, roles, preconditions.

The list is written out once more by hand, as a person would tell it; every state (and none), every
step, every role and every truth of every precondition is tried.
"""

import sys
from itertools import product

import pytest

from commonwatt.clinic.domain.registry.lifecycle import DEPLOYMENT_LIFECYCLE, DeploymentFacts
from commonwatt.clinic.domain.registry.records import RECORD_ROLES
from commonwatt.core.errors import CommonwattError
from commonwatt.governance.lifecycle import MoveRefusal
from commonwatt.ledger.roles import LedgerRole
from commonwatt.operate.domain.care.lifecycle import (
    CARE_LIFECYCLE,
    OUT_OF_SERVICE,
    CareMoveFacts,
    CareStage,
)
from commonwatt.sandbox.domain.lifecycle import (
    DATASET_LIFECYCLE,
    OUTPUT_LIFECYCLE,
    PROJECT_LIFECYCLE,
    STEP_ROLES,
    STEPS_OF_OPEN_PROJECT,
    DatasetFacts,
    DatasetState,
    OutputFacts,
    ProjectRole,
    ProjectStanding,
    ProjectState,
    project_work_refusal_or_none,
)
from commonwatt.web.roles import ConsoleRole
from commonwatt.web.tasks.lifecycle import TASK_LIFECYCLE, TaskFacts

CUSTODIAN, CHECKER = "data-custodian", "output-checker"
PEOPLE = "researcher project-lead"
LEAD, STOP = "clinical-lead", "clinical-lead safety-officer"


def standing(opened, term, **_):
    return ProjectStanding(
        state=ProjectState.OPEN if opened else ProjectState.CLOSED,
        expires_on="2027-01-01", today="2027-01-01" if term else "2027-01-02",
    )  # fmt: skip


def dataset_facts(source, own, **truth):
    return DatasetFacts(
        project=standing(**truth), risk_sha256="a", signed_sha256="a" if own else "b",
        source=DatasetState.IMPORTED if source else DatasetState.DELETED,
    )  # fmt: skip


def output_facts(stranger, first, two, failed, priced, harmless, nobody, **truth):
    return OutputFacts(
        project=standing(**truth), author="a", checker="b" if stranger else "a",
        voters=frozenset("c" if first else "ab"), approvals=2 if two else 1, stopped=failed,
        preapproved=priced, differencing="" if harmless else "too much",
        opted_out_since=not nobody,
    )  # fmt: skip


def deployment_facts(basis, named):
    return DeploymentFacts(
        advice_refusal=lambda: None if basis else MoveRefusal(found="no basis"),
        named_as_fallback=named,
    )


def care_facts(thawed, room, approved):
    return CareMoveFacts(
        takes_out=True, frozen=not thawed, out=0 if room else 1, most_out=1, unapproved=not approved
    )


DRAIN = "thawed room approved"
TABLES = {
    "project": (PROJECT_LIFECYCLE, "opened term", standing, f"""
        -       open    open         {CUSTODIAN}  :
        open    closed  close        {CUSTODIAN}  :
        closed  open    open         {CUSTODIAN}  :
        closed  deleted delete-room  {CUSTODIAN}  :"""),
    "dataset": (DATASET_LIFECYCLE, "opened term source own", dataset_facts, f"""
        -             imported      import      {CUSTODIAN} : opened term
        -             de-identified deidentify  {CUSTODIAN} : opened term source
        de-identified signed        sign-risk   {CUSTODIAN} : opened term own
        imported      deleted       delete      {CUSTODIAN} :
        de-identified deleted       delete      {CUSTODIAN} :
        signed        deleted       delete      {CUSTODIAN} :"""),
    "output": (
        OUTPUT_LIFECYCLE, "opened term stranger first two failed priced harmless nobody",
        output_facts, f"""
        -        stopped  submit  {PEOPLE}              : failed
        -        waiting  submit  {PEOPLE}              : !failed
        -        waiting  ask     {PEOPLE}              :
        -        released ask     {PEOPLE}              : opened term priced
        waiting  approved vote    {CHECKER}             : opened term stranger first two
        waiting  rejected vote    {CHECKER}             : opened term stranger first
        approved released release {CUSTODIAN}           : opened term harmless nobody
        approved rejected recall  {CUSTODIAN} {CHECKER} :
        waiting  rejected erase   {CUSTODIAN} :
        approved rejected erase   {CUSTODIAN} :"""),
    "deployment": (DEPLOYMENT_LIFECYCLE, "basis named", deployment_facts, f"""
        -        proposed deployment {LEAD}         : basis
        proposed approved move       committee-chair: basis
        approved live     move       {LEAD}         : basis
        paused   live     move       {LEAD}         : basis
        approved live     fall-back  monitor        : named basis
        paused   live     fall-back  monitor        : named basis
        live     paused   move       {STOP} monitor :
        proposed retired  move       {STOP}         :
        approved retired  move       {STOP}         :
        live     retired  move       {STOP}         :
        paused   retired  move       {STOP}         :"""),
    "care": (CARE_LIFECYCLE, DRAIN, care_facts, "\n".join(
        [f"{a} {b} move operator :" for a, b in (
            line.split() for line in """
            in-service watched|in-service drained|watched in-service|watched reported
            watched drained|reported in-service|reported drained|drained reset|drained reboot
            drained test|drained handed-over|drained in-service|reset test|reset handed-over
            reboot test|reboot handed-over|test probation|test reset|test reboot
            test handed-over|test in-service|probation in-service|probation drained
            probation handed-over|handed-over test|handed-over in-service
            """.replace("\n", "|").split("|") if line.strip())]
        + [f"{a} {b} move care : {DRAIN if b == 'drained' else 'approved'}" for a, b in (
            line.split() for line in """
            in-service watched|in-service drained|watched in-service|watched reported
            watched drained|reported in-service|reported drained|drained reset|drained reboot
            drained test|drained handed-over|reset test|reset handed-over
            reboot test|reboot handed-over|test probation|test reset|test reboot
            test handed-over|probation in-service|probation drained|probation handed-over
            """.replace("\n", "|").split("|") if line.strip())])),
    "console run": (
        TASK_LIFECYCLE, "left", lambda left: TaskFacts(attempt=1 if left else 2), """
        -       waiting  work       registrar :
        waiting running  work-moved registrar : left
        running waiting  work-moved registrar : left
        waiting stopped  work-moved registrar :
        running finished work-moved registrar :
        running failed   work-moved registrar :
        running stopped  work-moved registrar :"""),
}  # fmt: skip


def plain_rows(text):
    """Return who may make a move and under which conditions, by move and role."""
    rows = {}
    for line in filter(str.strip, text.splitlines()):
        left, _, needs = line.partition(":")
        origin, to, step, *roles = left.split()
        for role in roles:
            rows[None if origin == "-" else origin, to, step, role] = needs.split()
    return rows


def plain_holds(need, truth):
    return not truth[need[1:]] if need.startswith("!") else truth[need]


@pytest.mark.parametrize("name", TABLES)
def test_the_engine_allows_what_a_plain_reading_of_the_list_does(name, record_property):
    lifecycle, conditions, facts_of, text = TABLES[name]
    conditions, rows = conditions.split(), plain_rows(text)
    steps = sorted({row.step for row in lifecycle.moves} | {"another"})
    states = [None, *lifecycle.states]
    known = {move[:3] for move in rows}
    truths = [dict(zip(conditions, t, strict=True)) for t in
              product((True, False), repeat=len(conditions))]  # fmt: skip
    tried = allowed = 0
    for move in product(states, lifecycle.states, steps):
        # What the list has not is refused whatever is true; the two ends stand for all of it.
        for truth in truths if move in known else (truths[0], truths[-1]):
            facts = facts_of(**truth)
            for role in LedgerRole:
                needs = rows.get((*move, role.value))
                right = needs is not None and all(plain_holds(need, truth) for need in needs)
                origin, to, step = move
                made = lifecycle.can_move(origin, to, step=step, roles={role}, facts=facts)
                assert made is right, (move, role, truth)
                tried, allowed = tried + 1, allowed + right
    assert 0 < allowed < tried
    record_property("tried", tried)
    sys.stdout.write(f"{name}: {tried:,} tried, {allowed:,} allowed\n")


@pytest.mark.parametrize("name", TABLES)
def test_asking_and_refusing_are_one_law(name):
    lifecycle, conditions, facts_of, _ = TABLES[name]
    for right in (True, False):
        facts = facts_of(**dict.fromkeys(conditions.split(), right))
        for row, role in product(lifecycle.moves, LedgerRole):
            how = {"step": row.step, "roles": {role}, "facts": facts}
            if lifecycle.can_move(row.origin, row.to, **how):
                lifecycle.check_move("x", row.origin, row.to, **how)
            else:
                with pytest.raises(CommonwattError):
                    lifecycle.check_move("x", row.origin, row.to, **how)


@pytest.mark.parametrize("opened", [True, False])
@pytest.mark.parametrize("term", [True, False])
def test_people_work_in_a_project_that_is_open_and_in_its_term(opened, term):
    refusal = project_work_refusal_or_none(standing(opened, term))
    words = {(False, True): "not open", (False, False): "not open", (True, False): "expired"}
    assert (refusal is None) is (opened and term)
    if refusal:
        assert words[opened, term] in str(refusal.found)


OTHER_STEPS = f"""
    open {CUSTODIAN} | close {CUSTODIAN} | delete {CUSTODIAN} | delete-room {CUSTODIAN}
    opt-out {CUSTODIAN} | erase {CUSTODIAN} | grant-budget {CUSTODIAN}
    recall {CUSTODIAN} {CHECKER}"""
OPEN_STEPS = f"""
    import {CUSTODIAN} | deidentify {CUSTODIAN} | sign-risk {CUSTODIAN} | lane {CUSTODIAN}
    release {CUSTODIAN} | submit {PEOPLE} | ask {PEOPLE} | twin {PEOPLE} | vote {CHECKER}"""


def test_every_step_of_a_project_has_its_roles_and_the_stopping_ones_need_no_open_project():
    def plain(text):
        rows = (row.split() for row in text.replace("\n", "|").split("|") if row.strip())
        return {step: set(roles) for step, *roles in rows}

    assert set(plain(OPEN_STEPS)) == STEPS_OF_OPEN_PROJECT
    assert plain(OTHER_STEPS) | plain(OPEN_STEPS) == {k: set(v) for k, v in STEP_ROLES.items()}


def test_a_node_takes_jobs_in_the_stages_that_say_so_and_in_no_other():
    serving = {"in-service", "watched", "reported", "probation"}
    assert {stage.value for stage in CareStage if stage not in OUT_OF_SERVICE} == serving


@pytest.mark.parametrize("takes_out", [True, False])
@pytest.mark.parametrize("frozen", [True, False])
def test_care_takes_out_as_many_nodes_as_the_policy_allows_and_no_more(takes_out, frozen):
    for out, most in product(range(4), range(4)):
        facts = CareMoveFacts(takes_out=takes_out, frozen=frozen, out=out, most_out=most)
        broken = CARE_LIFECYCLE.broken_precondition(
            CareStage.IN_SERVICE, CareStage.DRAINED, step="move", role=LedgerRole.CARE, facts=facts
        )
        name = "freeze" if frozen else "budget" if out >= most else None
        assert (broken and broken.name) == (name if takes_out else None)


def test_facts_that_nobody_stated_grant_nothing_and_claim_nothing():
    assert CareMoveFacts() == CareMoveFacts(
        takes_out=False, frozen=False, out=0, most_out=1, unapproved=False
    )
    assert TaskFacts() == TaskFacts(attempt=0)
    assert DeploymentFacts(advice_refusal=lambda: None).named_as_fallback is False
    project = ProjectStanding(state=ProjectState.OPEN, expires_on="2027-01-01", today="2027-01-01")
    facts = OutputFacts(project=project)
    assert facts == OutputFacts(
        project=project, approvals=0, stopped=False, preapproved=False, opted_out_since=False
    )


def test_every_role_that_a_table_names_stands_in_the_ledger():
    tables = [row.who for lifecycle, *_ in TABLES.values() for row in lifecycle.moves]
    tables += [*STEP_ROLES.values(), *RECORD_ROLES.values()]
    assert all(roles and all(type(role) is LedgerRole for role in roles) for roles in tables)
    derived = {role.value for kind in (ProjectRole, ConsoleRole) for role in kind}
    assert derived <= {role.value for role in LedgerRole}
