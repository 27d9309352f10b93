"""Our recognisers inside Presidio and its inside ours, with the real one where it is installed."""

import importlib.util
from types import SimpleNamespace

import pytest

from commonwatt.core.errors import MissingExtraError
from commonwatt.sandbox.domain.findings import IdentifierLabel, IdentifierSpan
from commonwatt.sandbox.engines.deidentify import presidio

INSTALLED = importlib.util.find_spec("presidio_analyzer") is not None


@pytest.mark.skipif(not INSTALLED, reason="presidio-analyzer is not installed (bench group)")
def test_presidio_finds_what_we_find():
    recognizer = presidio.commonwatt_recogniser_for_presidio()
    entities = recognizer.analyze("Dr Chan saw A123456(3)", ["PERSON", "HK_ID"], None)
    assert [(entity.entity_type, entity.start, entity.end) for entity in entities] == [
        ("PERSON", 3, 7), ("HK_ID", 12, 22),
    ]  # fmt: skip
    assert recognizer.analyze("Dr Chan", ["HK_ID"], None) == []


@pytest.mark.skipif(INSTALLED, reason="presidio-analyzer is installed")
def test_without_presidio_the_error_says_how_to_get_it():
    with pytest.raises(MissingExtraError, match=r"pip install .commonwatt\["):
        presidio.commonwatt_recogniser_for_presidio()


def test_an_analyzer_of_a_site_becomes_a_recogniser():
    results = [
        SimpleNamespace(entity_type="PERSON", start=0, end=3),
        SimpleNamespace(entity_type="ZODIAC", start=4, end=7),
    ]
    analyzer = SimpleNamespace(analyze=lambda text, language: results)
    assert list(presidio.recogniser_from_presidio(analyzer)("Ann Leo")) == [
        IdentifierSpan(0, 3, IdentifierLabel.NAME),
        IdentifierSpan(4, 7, IdentifierLabel.OTHER_NUMBER),
    ]


def test_every_kind_has_a_name_in_presidio():
    assert set(presidio.ENTITIES) == set(IdentifierLabel)
