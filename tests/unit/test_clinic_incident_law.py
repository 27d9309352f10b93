"""Whose class counts where an incident is reported, and what is said where no period is on file."""

import itertools
import json

import pytest

from commonwatt.cli import root
from commonwatt.cli.frame import run_main
from commonwatt.clinic.domain.errors import RulesError
from commonwatt.clinic.domain.registry.records import REPORTERS, SEVERITIES
from commonwatt.clinic.domain.registry.rulings import product_class_by_scheme_in_place
from commonwatt.clinic.domain.rules import load_regulatory_rule_book
from commonwatt.clinic.usecases.queries import (
    open_reporting_duties,
    reporting_periods_by_place_and_event,
    untimed_reporting_rules_by_place,
)
from tests.clinic_commands import enrol_by_commands, register_by_commands
from tests.clinic_factories import BODIES, FACTS, NAMES, NOW, desk, put, ruling, with_live

PLACES = tuple(load_regulatory_rule_book(site_folders=()).places)
INCIDENT = {"deployment": "deployment/x", "type": "incident", "code": "missed-finding",
            "aware_at": NOW.isoformat()}  # fmt: skip


def incident(made, name, severity, place, **more):
    put(made, "event", name, INCIDENT | {"severity": severity, "jurisdiction": place} | more)


def look_up(made):
    return made.registry.untimed_reporting_duties(
        reporting_periods_by_place_and_event(),
        untimed_reporting_rules_by_place(),
        classes_of=product_class_by_scheme_in_place,
    )


def with_product(place="hk", **facts):
    """Return the smallest clinic up to its deployment, on a product with some other facts."""
    made = desk()
    changed = {"intended-use": {"facts": FACTS | facts}, "ruling": ruling(place, FACTS | facts),
               "deployment": {"place": place}}  # fmt: skip
    for kind, body in BODIES.items():
        put(made, kind, NAMES[kind], body | changed.get(kind, {}))
    return made


@pytest.mark.parametrize("place", PLACES)
def test_the_graver_incident_has_every_duty_of_the_lesser_one_and_no_later_date(place):
    made = with_live()
    for severity in SEVERITIES:
        incident(made, severity, severity, place)
    due = {name: {} for name in SEVERITIES}
    for duty in open_reporting_duties(made.registry):
        due[duty.severity][duty.reporter] = duty.due_at
    for graver, lesser in itertools.pairwise(SEVERITIES):
        assert all(due[graver][who] <= at for who, at in due[lesser].items())


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("severity", SEVERITIES)
def test_no_incident_is_without_a_duty_and_without_a_word_on_it(place, severity):
    made = with_live()
    incident(made, "e", severity, place)
    assert open_reporting_duties(made.registry) or look_up(made)


@pytest.mark.parametrize(
    ("ruled", "place", "facts", "rule"),
    [("hk", "eu", {}, "eu.mdr.art87.death"), ("eu", "ch", {"ivd": "cancer"}, "ch.iv.death"),
     ("ch", "eu", {"ivd": "cancer"}, "eu.ivdr.art82.death"), ("eu", "eu", {}, "eu.mdr.art87.death"),
     ("eu", "eu", {"ivd": "cancer"}, "eu.ivdr.art82.death")],
)  # fmt: skip
def test_an_incident_runs_under_the_class_of_the_product_where_it_is_reported(
    ruled, place, facts, rule
):
    made = with_product(ruled, **facts)
    incident(made, "e", "death", place, reporter="manufacturer")
    assert [duty.rule for duty in open_reporting_duties(made.registry)] == [rule]


def test_a_product_whose_class_is_not_on_file_is_reported_under_every_period():
    made = with_product("eu", ivd="cancer")
    incident(made, "e", "death", "hk")
    [duty] = open_reporting_duties(made.registry)
    assert (duty.rule, (duty.due_at - duty.aware_at).days) == ("hk.ae.death", 10)
    # Sound twin: what the book says is class I of Hong Kong, which is not listed, has no clock.
    low = with_product(significance="inform")
    incident(low, "e", "death", "hk")
    assert open_reporting_duties(low.registry) == []
    assert [(each.reporter, each.rule) for each in look_up(low)] == [("", "")]


def test_no_ruling_is_recorded_where_the_book_holds_no_rule_for_the_product():
    with pytest.raises(RulesError, match=r"no rule on file for such a product \(hk\.gap\.ivd\)"):
        ruling("hk", FACTS | {"ivd": "cancer"})
    # Sound twins: the same product where there is a rule, and another one here.
    assert ruling("eu", FACTS | {"ivd": "cancer"})["classes"]["ivd"] == "C"
    assert ruling("hk")["route"] == "approval"


def test_a_hospital_that_reports_without_a_period_on_file_is_named_beside_the_maker():
    made = with_live()
    incident(made, "e", "death", "au")
    assert [duty.reporter for duty in open_reporting_duties(made.registry)] == ["manufacturer"]
    assert [(each.reporter, each.rule, each.severity) for each in look_up(made)] == [
        ("user-facility", "au.facility", "death")
    ]
    # Where each who must report has a period, there is nothing to look up.
    elsewhere = with_live()
    incident(elsewhere, "e", "death", "us")
    assert look_up(elsewhere) == []


@pytest.mark.parametrize("reporter", REPORTERS)
def test_an_incident_that_names_who_reports_asks_of_that_one_alone(reporter):
    made = with_live()
    incident(made, "e", "death", "au", reporter=reporter)
    timed = [duty.reporter for duty in open_reporting_duties(made.registry)]
    named = [(each.reporter, each.rule) for each in look_up(made)]
    if reporter == "manufacturer":
        assert (timed, named) == (["manufacturer"], [])
    else:
        rule = "au.facility" if reporter == "user-facility" else ""
        assert (timed, named) == ([], [(reporter, rule)])


def test_what_a_report_has_closed_is_looked_up_no_more():
    made = with_live()
    incident(made, "e", "death", "il")
    assert [each.rule for each in look_up(made)] == ["il.law.report"]
    report = {"deployment": "deployment/x", "type": "action", "severity": "death",
              "code": "report-sent", "closes": "event/e", "report_number": "IL-1"}  # fmt: skip
    put(made, "event", "r", report)
    assert look_up(made) == []


def test_the_command_says_what_to_look_up_instead_of_nothing_on_record(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    enrol_by_commands()
    register_by_commands(tmp_path)
    capsys.readouterr()

    def said(*words):
        assert run_main(root, ["clinic", "incident", *words]) == 0
        return capsys.readouterr().out

    report = ("--severity", "death", "--code", "missed", "--key", "safety-officer.pem", "--place")
    assert "Nothing on record." in said("duties")
    first = said("report", "deployment/x", "e-house", *report, "house")
    assert "Nothing on record." not in first
    assert "event/e-house: no rule of house on file says who must report it by when." in first
    assert "not the same as no duty" in first
    second = said("report", "deployment/x", "e-au", *report, "au")
    assert "au.r57.death" in second
    assert "in au the user-facility must report it as well (au.facility)" in second
    chinese = said("duties", "--lang", "zh-Hant")
    assert "請向主管機關查明" in chinese
    assert "no rule of" not in chinese
    answer = json.loads(said("duties", "--json"))
    assert [duty["rule"] for duty in answer["duties"]] == ["au.r57.death"]
    assert [(each["event"], each["rule"]) for each in answer["look_up"]] == [
        ("event/e-house", ""), ("event/e-au", "au.facility"),
    ]  # fmt: skip
