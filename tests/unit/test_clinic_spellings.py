"""What people and machines write for the same thing is read as the same thing."""

import pytest

from commonwatt.catalogue.units import parse_quantity
from commonwatt.clinic.domain.guides.facts import parse_guide_fact
from commonwatt.clinic.domain.words import NO_WORDS, YES_WORDS
from commonwatt.clinic.engines.gateway.institution import (
    load_clinic_institution,
    read_clinic_institution_secret,
)
from commonwatt.clinic.engines.gateway.models import load_logistic_model
from commonwatt.core.errors import InputError
from tests.clinic_institution import hospital

TEXTS = {"en": "x", "zh-Hant": "x"}
HEAT = parse_guide_fact(
    "heat", {"type": "number", "unit": "°C", "from": 25, "to": 45, **TEXTS}, "here"
)
FLAG = parse_guide_fact("flag", {"type": "flag", **TEXTS}, "here")


@pytest.mark.parametrize("text", [
    "38", "38 °C", "38 Cel", "38 degC", "38 ℃", "38 攝氏度", "100.4 °F", "100.4 ℉", "100.4 degF",
    "100.4 [degF]", "100.4°F", "100.4 Fahrenheit", "100.4 華氏度", "311.15 K",
])  # fmt: skip
def test_a_temperature_in_every_usual_unit_is_that_of_the_guide(text):
    assert float(HEAT.canonical_text(text)) == pytest.approx(38)


@pytest.mark.parametrize("text", ["38 °F", "100.4 Cel", "38 [degR]", "38 kg", "[degF]", "38 F"])
def test_a_temperature_out_of_range_or_in_no_unit_is_none(text):
    assert HEAT.canonical_text(text) is None


def test_the_scale_of_fahrenheit_is_that_of_its_two_fixed_points():
    assert parse_quantity("32 °F", to="°C") == pytest.approx(0, abs=1e-12)
    assert parse_quantity("212 °F", to="K") == pytest.approx(373.15)


@pytest.mark.parametrize("form", [str, str.upper, str.title, " {} ".format])
@pytest.mark.parametrize("word", sorted(YES_WORDS | NO_WORDS))
def test_a_flag_is_read_as_an_outcome_of_a_table_is(word, form):
    assert FLAG.canonical_text(form(word)) == ("yes" if word in YES_WORDS else "no")


@pytest.mark.parametrize("word", ["", "maybe", "yesno", "2", "不是"])
def test_what_is_neither_yes_nor_no_is_no_flag(word):
    assert FLAG.canonical_text(word) is None


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_files_are_read_with_the_mark_that_an_editor_puts_first(tmp_path, mark):
    hospital(tmp_path)
    (tmp_path / "secret").write_text("ab" * 32)
    for name in ("qmh.toml", "model.json", "secret"):
        path = tmp_path / name
        path.write_bytes(mark + path.read_bytes())
    assert load_clinic_institution(tmp_path / "qmh.toml").name == "qmh"
    assert load_logistic_model(tmp_path / "model.json").intercept == -1
    (tmp_path / "secret").chmod(0o600)
    assert read_clinic_institution_secret(tmp_path / "secret") == bytes.fromhex("ab" * 32)
    (tmp_path / "qmh.toml").write_bytes(mark + b"institution = ")
    with pytest.raises(InputError, match="institution file in TOML"):
        load_clinic_institution(tmp_path / "qmh.toml")
