"""The dossier for readers and for machines."""

import json

import pytest

from commonwatt.clinic.dossier import dossier_html, fhir_bundle
from commonwatt.clinic.errors import MoveError
from tests.clinic_factories import BODIES, put, with_live


@pytest.fixture
def made():
    desk = with_live()
    body = {
        "deployment": "deployment/x",
        "type": "incident",
        "severity": "serious",
        "code": "missed <b>",
    }
    put(desk, "event", "e1", body)
    put(desk, "version", "v2", BODIES["version"])
    return desk.registry


@pytest.mark.parametrize(("language", "said"), [("en", "Determinations"), ("zh-Hant", "裁定")])
def test_a_dossier_holds_what_belongs_to_the_version_in_the_readers_language(made, language, said):
    page = dossier_html(made, "version/v1", language=language)
    assert said in page
    assert "determination/d" in page
    assert "missed &lt;b&gt;" in page
    assert "version/v2" not in page


def test_a_version_without_records_says_so(made):
    assert "Nothing on record." in dossier_html(made, "version/v2", language="en")


def test_the_bundle_names_device_definition_and_incident(made):
    bundle = fhir_bundle(made, "version/v1")
    kinds = [entry["resource"]["resourceType"] for entry in bundle["entry"]]
    assert kinds == ["DeviceDefinition", "Device", "AdverseEvent"]
    assert "/" not in bundle["entry"][1]["resource"]["id"]
    json.dumps(bundle)


def test_an_unknown_version_is_refused(made):
    with pytest.raises(MoveError, match="a version on record"):
        dossier_html(made, "version/none", language="en")
