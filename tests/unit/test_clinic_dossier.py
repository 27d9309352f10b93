"""The dossier for readers and for machines."""

import json

import fhir.resources
import fhir.resources.R4B
import pytest

from commonwatt.cli import root
from commonwatt.cli.frame import run_main
from commonwatt.clinic.domain.errors import EvidenceError, StatusMoveError
from commonwatt.clinic.io.dossier import clinic_dossier_field_label, dossier_html
from commonwatt.clinic.io.fhir import (
    FhirRelease,
    clinic_fhir_bundle_faults,
    clinic_version_fhir_bundle,
)
from commonwatt.clinic.io.pdf import clinic_dossier_pdf_bytes
from commonwatt.clinic.io.registry import FIELDS
from commonwatt.core.errors import MissingExtraError
from commonwatt.ledger import actor_id_of
from tests.clinic_factories import BODIES, KEYS, NOW, put, with_live
from tests.clinic_institution import hospital

CHAIR = actor_id_of(KEYS["committee-chair"].public_key)
PEOPLE = {CHAIR: "Chair (committee-chair, HA)"}


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


@pytest.mark.parametrize(("language", "heading"), [("en", "Determinations"), ("zh-Hant", "裁定")])
def test_a_dossier_holds_what_belongs_to_the_version_in_the_readers_language(
    made, language, heading
):
    page = dossier_html(made, "version/v1", language=language, people=PEOPLE, on=NOW.date())
    assert heading in page
    assert "determination/d" in page
    assert "missed &lt;b&gt;" in page
    assert "version/v2" not in page
    # Who approved is somebody, and no digits of a key.
    assert "Chair (committee-chair, HA)" in page
    assert CHAIR not in page.split("determination/d")[0]


def test_a_version_without_records_says_so(made):
    assert "Nothing on record." in dossier_html(
        made, "version/v2", language="en", people={}, on=NOW.date()
    )


def test_the_bundle_names_device_definition_and_incident(made):
    bundle = clinic_version_fhir_bundle(made, "version/v1", on=NOW.date())
    kinds = [entry["resource"]["resourceType"] for entry in bundle["entry"]]
    assert kinds == ["DeviceDefinition", "Device", "Group", "AdverseEvent"]
    assert "/" not in bundle["entry"][1]["resource"]["id"]
    assert clinic_fhir_bundle_faults(json.loads(json.dumps(bundle))) == []


@pytest.mark.parametrize("release", list(FhirRelease))
def test_each_release_is_valid_to_the_library_of_fhir_and_to_our_own_check(made, release):
    bundle = json.loads(
        json.dumps(clinic_version_fhir_bundle(made, "version/v1", release, on=NOW.date()))
    )
    models = {FhirRelease.R4B: fhir.resources.R4B, FhirRelease.R5: fhir.resources}[release]
    models.get_fhir_model_class("Bundle").model_validate(bundle)
    other = {FhirRelease.R4B: fhir.resources, FhirRelease.R5: fhir.resources.R4B}[release]
    # The other release refuses it, so that the one that takes it does look.
    with pytest.raises(ValueError, match="validation error"):
        other.get_fhir_model_class("Bundle").model_validate(bundle)
    assert clinic_fhir_bundle_faults(bundle, release) == []
    assert clinic_fhir_bundle_faults(
        bundle, next(each for each in FhirRelease if each is not release)
    )


def test_both_releases_name_the_same_resources(made):
    bundles = [
        clinic_version_fhir_bundle(made, "version/v1", release, on=NOW.date())
        for release in FhirRelease
    ]
    names = [[entry["fullUrl"] for entry in bundle["entry"]] for bundle in bundles]
    assert names[0] == names[1]
    assert len(names[0]) == 4


def test_names_that_fhir_would_confuse_stay_apart(made):
    from commonwatt.clinic.io.fhir import clinic_fhir_resource_id

    names = ["event/a_b", "event/a-b", "event-a-b", "e" * 70, "e" * 71]
    assert len({clinic_fhir_resource_id(name) for name in names}) == len(names)
    assert max(len(clinic_fhir_resource_id(name)) for name in names) <= 64


def walk(value, path=()):
    if isinstance(value, dict):
        for name, child in value.items():
            yield (*path, name)
            yield from walk(child, (*path, name))
    elif isinstance(value, list):
        for i, child in enumerate(value):
            yield from walk(child, (*path, i))


NEEDED = {"resourceType", "type", "status", "actuality", "subject", "membership", "actual", "id",
          "fullUrl"}  # fmt: skip


@pytest.mark.parametrize("release", list(FhirRelease))
def test_a_bundle_that_lacks_what_its_release_requires_is_found_out(made, release):
    bundle = clinic_version_fhir_bundle(made, "version/v1", release, on=NOW.date())
    faulty = 0
    for path in list(walk(bundle)):
        broken = json.loads(json.dumps(bundle))
        place = broken
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = "\u0000?" if path[-1] in NEEDED else None
        if path[-1] in NEEDED and path[-2:] != ("entry", "fullUrl"):
            changed = clinic_fhir_bundle_faults(broken, release)
            faulty += bool(changed)
            if path[-1] != "fullUrl":
                assert changed, path
    assert faulty > 10


BARE = {"resourceType": "Bundle", "type": "collection"}


@pytest.mark.parametrize(
    "given_",
    [None, [], {}, {"resourceType": "Bundle"}, "x", BARE | {"entry": [1]}, BARE | {"entry": 1}],
)
def test_what_is_no_bundle_is_said_so(given_):
    assert clinic_fhir_bundle_faults(given_)


def test_every_field_that_a_dossier_shows_has_a_chinese_label():
    names = {field.name for fields in FIELDS.values() for field in fields}
    names |= {"metric", "group", "estimate", "low", "high", "rows", "events", "verdict", "kinds"}
    names |= {
        "floors",
        "most_threshold_shift",
        "deployment",
        "institution",
        "status",
        "approved by",
    }
    names |= {"undisclosed", "decisions", "event", "jurisdiction", "severity", "due at", "rule"}
    assert {
        name
        for name in names
        if clinic_dossier_field_label(name, "zh-Hant") == clinic_dossier_field_label(name, "en")
    } == set()


@pytest.mark.parametrize("language", ["en", "zh-Hant"])
def test_a_dossier_is_a_pdf_too_the_same_bytes_each_time(made, language):
    pytest.importorskip("weasyprint")
    page = dossier_html(made, "version/v1", language=language, people=PEOPLE, on=NOW.date())
    first = clinic_dossier_pdf_bytes(page)
    assert first.startswith(b"%PDF")
    assert clinic_dossier_pdf_bytes(page) == first


def test_a_letter_without_a_font_is_refused_rather_than_left_as_a_box():
    pytest.importorskip("weasyprint")
    with pytest.raises(EvidenceError, match=r"no font for 1 .* U\+F0000"):
        clinic_dossier_pdf_bytes("<p>裁定 \U000f0000</p>")


def test_a_missing_part_names_the_extra_that_installs_it(monkeypatch):
    def gone(name):
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr("commonwatt.core.extras.import_module", gone)
    with pytest.raises(MissingExtraError, match=r"commonwatt\[pdf\]"):
        clinic_dossier_pdf_bytes("<p>")


def test_what_stands_first_is_where_it_is_who_approved_it_and_what_is_owed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = hospital(tmp_path)
    event = {"deployment": "deployment/x", "type": "incident", "severity": "death"}
    at = made.registry.records["deployment/x"].at
    put(made, "event", "e1", event | {"jurisdiction": "cn", "code": "missed"}, at)
    made.ledger.engine.dispose()
    words = ["clinic", "model", "dossier", "version/v1", "--out", "d", "--pdf", "d.pdf"]
    assert run_main(root, [*words, "--lang", "zh-Hant"]) == 0
    page = (tmp_path / "d" / "dossier.html").read_text()
    for phrase in ("現況", "cn.ae.death", "運作中", "批准人", "成品 SHA-256"):
        assert phrase in page
    assert (tmp_path / "d.pdf").read_bytes().startswith(b"%PDF")
    assert clinic_fhir_bundle_faults(json.loads((tmp_path / "d" / "fhir.json").read_text())) == []
    r4b = json.loads((tmp_path / "d" / "fhir-r4b.json").read_text())
    assert clinic_fhir_bundle_faults(r4b, FhirRelease.R4B) == []


def test_an_unknown_version_is_refused(made):
    with pytest.raises(StatusMoveError, match="a version on record"):
        dossier_html(made, "version/none", language="en", people={}, on=NOW.date())
