"""What can only be chosen is never looked up as a path, nor taken for something else."""

import shutil

import pytest

from commonwatt.treasury.io.country.folder import country_folder, shipped_country_names
from commonwatt.web.parameters import ParameterKind
from commonwatt.web.registry import PAGES
from commonwatt.web.roles import ConsoleRole

CLOSED = [
    (page.name, parameter)
    for page in PAGES
    for parameter in page.parameters
    if parameter.kind is ParameterKind.CHOICE and parameter.closed
]


def test_a_country_is_a_name_and_no_folder_of_the_server(console, tmp_path):
    own = tmp_path / "own"
    shutil.copytree(country_folder("finland"), own)
    texts = [
        str(own),
        str(own / "country.toml"),
        str(tmp_path / "missing"),
        str(country_folder("finland")),
        f"{country_folder('finland')}/../finland",
        "../finland",
        "finland/",
        "./finland",
        "Finland",
        "shipped:finland",
        "/etc",
        "/etc/passwd",
        "",
    ]
    with console.visitor(ConsoleRole.VIEWER) as visitor:
        visitor.timeout = None  # the first page of a process compiles
        answers = {
            text: visitor.get(path, params={"country": text})
            for text in texts
            if len(text) <= 100
            for path in ("/treasury.json",)
        }
        assert len(answers) >= 8
        # Nothing chosen is the page's own choice.
        assert answers.pop("").status_code == 200
        assert {answer.status_code for answer in answers.values()} == {422}
        # The same words for what lies there and what does not.
        assert len({answer.text for answer in answers.values()}) == 1
        assert "one of finland, hongkong" in next(iter(answers.values())).json()["wanted"]
        for ending in ("", "/tables/years.csv", "/charts/debt.json"):
            answer = visitor.get(f"/treasury{ending}", params={"country": str(own)})
            assert answer.status_code == 422


def test_every_shipped_country_can_be_chosen(console):
    with console.visitor(ConsoleRole.VIEWER) as visitor:
        visitor.timeout = None  # the first page of a process compiles
        for name in shipped_country_names():
            assert visitor.get("/treasury.json", params={"country": name}).status_code == 200


@pytest.mark.parametrize(
    ("page", "parameter"), CLOSED, ids=lambda part: getattr(part, "name", part)
)
def test_a_word_that_is_no_choice_is_refused_and_every_choice_is_taken(console, page, parameter):
    with console.visitor(*ConsoleRole) as visitor:
        visitor.timeout = None  # the first page of a process compiles
        for text in ("nonsense", parameter.default.upper(), f"{parameter.default} "):
            answer = visitor.get(f"/{page}.json", params={parameter.name: text})
            assert answer.status_code == 422
            assert answer.json()["where"] == parameter.name
        for choice, _ in parameter.options(None):
            answer = visitor.get(f"/{page}.json", params={parameter.name: choice})
            assert answer.status_code == 200
