"""Every time on every page stands in one zone, which is named beside it."""

import re
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from commonwatt.cli.serve import serve
from commonwatt.core.errors import UsageError
from commonwatt.web.instants import (
    console_instant_text_in_zone,
    console_utc_offset_text,
    console_zone,
    is_written_instant,
    server_zone_name,
)
from commonwatt.web.registry import PAGES
from commonwatt.web.roles import ConsoleRole
from commonwatt.web.tasks.supervisor import start_task
from tests.web.console import HTML, running
from tests.web.sample import sample_store, sample_what_if

ZONE = "Asia/Hong_Kong"
# Any time of day with minutes; a date alone, and a duration of hours, have no zone.
TIME = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?([^<,;]{0,8})"
)


@pytest.fixture(scope="module")
def console(tmp_path_factory):
    root = tmp_path_factory.mktemp("zones")
    sample_store(root)
    sample_what_if(root, ["fleet.order=qssf"], mean_queue_delay_s=1.0)
    with running(root, time_zone=ZONE) as made:
        now = datetime.now(ZoneInfo("UTC"))
        start_task(made.desk, "explain", {"job": "2400"}, "ada", now=now)
        with made.visitor(*ConsoleRole) as visitor:
            visitor.post("/account/tokens", json={"label": "a program"})
        yield made


@pytest.mark.parametrize("language", ["en", "zh-Hant"])
def test_every_time_of_every_page_names_the_one_zone(console, language):
    addresses = [page.name for page in PAGES]
    addresses += ["account", "accounts", "runs/tables/runs", "ledger/tables/entries"]
    with console.visitor(*ConsoleRole) as visitor:
        # The first opening of Treasury compiles its engine; beside other loads that takes a while.
        visitor.timeout = 600
        run = visitor.get("/programme.json").json()["runs"][0]
        work = visitor.get("/works").json()[0]["work_id"]
        addresses += [f"runs?run={run}", f"works/{work}"]
        times = 0
        for address in addresses:
            mark = "&" if "?" in address else "?"
            page = visitor.get(f"/{address}{mark}lang={language}", headers=HTML).text
            # What scripts read to draw their axes in the same zone.
            assert f'data-time-zone="{ZONE}"' in page
            assert f"{ZONE}" in page.split('<footer class="foot">')[1]
            for match in TIME.finditer(page):
                times += 1
                assert match[1].startswith(" UTC+8"), (address, match[0])
    assert times > 20


def test_files_keep_their_instants_in_utc_for_programs(console):
    with console.visitor(*ConsoleRole) as visitor:
        row = visitor.get("/ledger/tables/entries.json").json()["data"][0]
    assert row["at"].endswith("+00:00")


def test_a_day_is_the_day_of_the_zone():
    zone = ZoneInfo(ZONE)
    assert console_instant_text_in_zone("2026-11-29T20:15:00Z", zone) == "2026-11-30 04:15 UTC+8"


@given(
    st.datetimes(
        min_value=datetime(1990, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.timezones()
    ),
    st.timezones(),
)
def test_an_instant_is_read_back_from_its_text_in_any_zone(at, zone):
    day, time, offset = console_instant_text_in_zone(at, zone).split(" ")
    sign, hours, minutes = re.fullmatch(r"UTC(?:([+−])(\d+)(?::(\d\d))?)?", offset).groups()
    shift = (int(hours or 0) * 60 + int(minutes or 0)) * (-1 if sign == "−" else 1)
    shown = datetime.fromisoformat(f"{day}T{time}+00:00").timestamp() - shift * 60
    # Some zones once stood seconds beside the minute; since 1990 none does.
    assert (
        shown == at.replace(second=0, microsecond=0).timestamp() or abs(shown - at.timestamp()) < 60
    )


@given(st.datetimes(timezones=st.timezones()))
def test_what_python_writes_as_an_instant_is_known_for_one(at):
    offset = at.utcoffset().total_seconds()
    whole_minutes = offset % 60 == 0
    assert is_written_instant(at.isoformat()) is whole_minutes
    assert not is_written_instant(at.replace(tzinfo=None).isoformat())
    assert not is_written_instant(at.date().isoformat())


@pytest.mark.parametrize(
    "name", ["Hongkong/Central", "../../etc/passwd", "", "\0", "UTC+8", "posix"]
)
def test_a_zone_that_is_none_is_refused_with_a_remedy(name):
    with pytest.raises(UsageError) as caught:
        console_zone(name)
    assert "such as Asia/Hong_Kong" in str(caught.value)


@pytest.mark.parametrize("name", ["Asia/Hong_Kong", "UTC", "Etc/GMT-8", "America/St_Johns"])
def test_a_zone_of_the_list_is_taken(name):
    assert console_zone(name).key == name


def test_the_command_refuses_a_zone_before_it_makes_anything(tmp_path):
    store = tmp_path / "runs"
    answer = CliRunner().invoke(
        serve, ["--port", "0", "--store", str(store), "--time-zone", "Mars/Olympus"]
    )
    assert answer.exit_code != 0
    assert not store.exists()


def test_the_server_is_asked_for_its_zone(tmp_path):
    link = tmp_path / "localtime"
    assert server_zone_name({"TZ": ":Asia/Tokyo"}, link) == "Asia/Tokyo"
    assert server_zone_name({"TZ": "no such zone"}, link) == "UTC"
    assert server_zone_name({}, link) == "UTC"
    folder = next(
        path for path in map(Path, ("/usr/share/zoneinfo", "/usr/lib/zoneinfo")) if path.is_dir()
    )
    link.symlink_to(folder / "Europe" / "Lisbon")
    assert server_zone_name({}, link) == "Europe/Lisbon"


def test_an_offset_names_no_abbreviation_that_three_countries_share():
    winter = datetime(2026, 1, 1, 12, tzinfo=ZoneInfo("UTC"))
    for zone in ("Asia/Taipei", "America/Chicago", "America/Havana"):
        assert "CST" not in console_utc_offset_text(winter.astimezone(ZoneInfo(zone)))
