"""The programme page tells both sides of the debt, in the words and order of page one."""

import re
from html import unescape

import pytest

from commonwatt.catalogue.measures import measure_value_text
from commonwatt.study.measures import DEBT_GDP_WITH, DEBT_GDP_WITHOUT, PLANNED_EFFECTS
from commonwatt.study.rounded import rounded_net_text
from commonwatt.web.public_study import public_study
from commonwatt.web.roles import ConsoleRole
from tests.web.console import HTML

SIDES = PLANNED_EFFECTS[3:]


def _facts(console, language):
    with console.visitor(ConsoleRole.PLANNER) as visitor:
        return visitor.get(f"/programme.json?lang={language}").json()["facts"]


def _last_effect(console):
    run = public_study(console.desk)
    frame = console.desk.runs.frame(run, "funding_effect").filter(variant="programme")
    return run, frame.row(-1, named=True)


@pytest.mark.parametrize("language", ["en", "zh-Hant"])
def test_gross_debt_reserves_and_net_stand_side_by_side_with_their_intervals(console, language):
    labels = [fact["label"] for fact in _facts(console, language)]
    places = [
        next(i for i, label in enumerate(labels) if form.label.translate(language) in label)
        for form in (column.measure for column in SIDES)
    ]
    assert places == list(range(places[0], places[0] + 3)), labels
    _, last = _last_effect(console)
    for column, fact in zip(SIDES, _facts(console, language)[places[0] :], strict=False):
        assert fact["value"] == measure_value_text(last[column.name], column, language)
        assert "90" in fact["note"]


@pytest.mark.parametrize("language", ["en", "zh-Hant"])
def test_the_debt_with_the_programme_stands_before_that_without_it(console, language):
    labels = [fact["label"] for fact in _facts(console, language)]
    with_it = labels.index(DEBT_GDP_WITH.label.translate(language))
    assert labels[with_it + 1] == DEBT_GDP_WITHOUT.label.translate(language)


@pytest.mark.parametrize("language", ["en", "zh-Hant"])
def test_one_sentence_stands_between_the_planned_debt_and_the_median_of_the_chart(
    console, language
):
    run, last = _last_effect(console)
    median = console.desk.runs.frame(run, "funding_fan_with")["q50"][-1]
    with console.visitor(ConsoleRole.PLANNER) as visitor:
        page = unescape(visitor.get(f"/programme?lang={language}", headers=HTML).text)
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    assert f"{100 * median:.2f} %" in text
    net = measure_value_text(last[SIDES[2].name], SIDES[2], language)
    assert net in text


PARTS = [
    ("+5.84", "-5.28", "+11.11 HKD bn", True),
    ("+5.84", "-5.27", "+11.11 HKD bn", False),
    ("+0.107 % of GDP", "-0.097 % of GDP", "+0.205 % of GDP", True),
    ("+0.107 % of GDP", "-0.097 % of GDP", "+0.204 % of GDP", False),
    ("+1,005.84", "0.00", "+1,005.84", False),
    ("+6,776 萬港元", "-1.3 億港元", "+2.0 億港元", False),
    ("+5.84", "-5.28", "–", False),
]


@pytest.mark.parametrize(("gross", "reserves", "net", "is_rounded"), PARTS)
@pytest.mark.parametrize("language", ["en", "zh-Hant"])
def test_parts_that_do_not_add_up_as_they_are_shown_are_said_to_be_rounded(
    gross, reserves, net, is_rounded, language
):
    shown = rounded_net_text(gross, reserves, net, language)
    assert shown.startswith(net)
    assert (shown != net) == is_rounded
