"""Instants as people read them: one zone on every page, named beside each time.

A server keeps time in UTC. Which zone its pages speak is a setting, and never the
browser's: two people who talk about one page would read two times there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from commonwatt.core.errors import UsageError
from commonwatt.core.messages import Message

UTC_NAME: Final = "UTC"
_ISO: Final = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)"  # with its offset
)
_LOCALTIME: Final = Path("/etc/localtime")


def console_zone(name: str) -> ZoneInfo:
    """Return the zone of a name such as Asia/Hong_Kong.

    Raises:
        UsageError: There is no such zone on this machine.

    >>> console_zone("Asia/Hong_Kong").key
    'Asia/Hong_Kong'
    """
    try:
        return ZoneInfo(name)
    # A name with a null byte or a way out of the folder of zones is a ValueError, and a folder of
    # that name an OSError.
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(
            "--time-zone",
            found=name[:40],
            wanted=Message("a zone of the IANA list, such as Asia/Hong_Kong or UTC"),
        ) from None


def server_zone_name(
    environment: Mapping[str, str] = os.environ, localtime: Path = _LOCALTIME
) -> str:
    """Return the zone that this machine is set to, or UTC where it does not say by name."""
    link = str(localtime.resolve()) if localtime.is_symlink() else ""
    _, _, linked = link.partition("/zoneinfo/")
    for name in (environment.get("TZ", "").removeprefix(":"), linked):
        try:
            if name and ZoneInfo(name):
                return name
        except (ZoneInfoNotFoundError, ValueError, OSError):
            continue
    return UTC_NAME


def console_instant_text_in_zone(instant: datetime | str, zone: ZoneInfo) -> str:
    """Return an instant in a zone, its offset beside it.

    >>> console_instant_text_in_zone("2026-11-29T20:15:00Z", ZoneInfo("Asia/Hong_Kong"))
    '2026-11-30 04:15 UTC+8'
    >>> console_instant_text_in_zone("2026-11-29T20:15:00+00:00", ZoneInfo("UTC"))
    '2026-11-29 20:15 UTC'
    """
    at = _instant_with_zone_else_utc(instant).astimezone(zone)
    return f"{at:%Y-%m-%d %H:%M} {console_utc_offset_text(at)}"


def console_iso_day_text_in_zone(instant: datetime | str, zone: ZoneInfo) -> str:
    """Return the day of an instant in a zone.

    >>> console_iso_day_text_in_zone("2026-11-29T20:15:00Z", ZoneInfo("Asia/Hong_Kong"))
    '2026-11-30'
    """
    return f"{_instant_with_zone_else_utc(instant).astimezone(zone):%Y-%m-%d}"


def console_utc_offset_text(at: datetime) -> str:
    """Return how far an aware instant's zone stands from UTC.

    Not its abbreviation: CST is the time of Taipei, of Chicago and of Havana.

    >>> console_utc_offset_text(datetime(2026, 7, 1, tzinfo=ZoneInfo("Asia/Kathmandu")))
    'UTC+5:45'
    >>> console_utc_offset_text(datetime(2026, 1, 1, tzinfo=ZoneInfo("America/New_York")))
    'UTC−5'
    """
    offset = at.utcoffset()
    minutes = round(offset.total_seconds() / 60) if offset is not None else 0
    if not minutes:
        return UTC_NAME
    hours, rest = divmod(abs(minutes), 60)
    sign = "+" if minutes > 0 else "−"
    return f"{UTC_NAME}{sign}{hours}" + (f":{rest:02d}" if rest else "")


def is_written_instant(text: str) -> bool:
    """Return whether a text is an instant with its offset, as tables hold it.

    >>> is_written_instant("2026-11-29T20:15:00Z"), is_written_instant("2026-11-29")
    (True, False)
    """
    return _ISO.fullmatch(text) is not None


def _instant_with_zone_else_utc(instant: datetime | str) -> datetime:
    at = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    # Everything that the console keeps is in UTC; a time without an offset is one of those.
    return at if at.tzinfo is not None else at.replace(tzinfo=ZoneInfo(UTC_NAME))
