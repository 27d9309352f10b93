"""Every event and every field of the log stands in the reference."""

import re
from pathlib import Path

from commonwatt.core.log import LOG_FIELDS, LogEvent

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "log.md"
SOURCE = Path(__file__).parents[2] / "src" / "commonwatt"


def test_the_page_names_every_event_and_no_other():
    table = "".join(row for row in PAGE.read_text().splitlines() if row.startswith("| `"))
    first = [row.split("|")[1] for row in PAGE.read_text().splitlines() if row.startswith("| `")]
    named = {word for cell in first for word in re.findall(r"`([^`]+)`", cell)}
    assert named == {event.value for event in LogEvent}
    fields = set(re.findall(r"`([a-z_]+)`", table)) - named
    assert fields <= set(LOG_FIELDS)


def test_every_event_and_every_field_is_used():
    source = "".join(path.read_text() for path in SOURCE.rglob("*.py"))
    unused = [event.name for event in LogEvent if f"LogEvent.{event.name}" not in source]
    assert unused == []
    calls = re.findall(r"log_(?:event|context)\(([^()]*(?:\([^()]*\)[^()]*)*)\)", source)
    used = {name for call in calls for name in re.findall(r"\b([a-z_]+)=", call)}
    assert set(LOG_FIELDS) == used & set(LOG_FIELDS) | {"frames", "incident"}
