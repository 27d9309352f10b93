"""Regions and countries by the name that a user gives, or the names that come closest."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from commonwatt.core.errors import UsageError
from commonwatt.core.messages import Message
from commonwatt.siting.domain.library_region import LibraryRegion
from commonwatt.siting.io.library_regions import load_siting_library_regions
from commonwatt.study.programme.regions import (
    COUNTRY_CODES,
    country_code_of_programme_region,
    programme_region_remedy_message,
)
from commonwatt.treasury.domain.country import Country
from commonwatt.treasury.io.country.folder import load_country, shipped_country_names

_LONGEST_PLACE: Final = 200  # a title takes 300, and says more than the place


def library_region_of_name(name: str) -> LibraryRegion:
    """Return a region of the library.

    Raises:
        UsageError: None is called so; the remedy names the closest, and what to do without.
    """
    regions = load_siting_library_regions()
    if name in regions:
        return regions[name]
    raise UsageError(
        "--region",
        found=repr(name) if name else Message("no region"),
        wanted=Message("one of {names}", {"names": ", ".join(regions)}),
        remedy=_unknown_library_region_remedy(name, regions.values()),
    )


def _unknown_library_region_remedy(name: str, regions: Iterable[LibraryRegion]) -> Message:
    # People name a country or a city; the library calls its regions otherwise.
    names = {name: region.name for region in regions for name in _names_of_library_region(region)}
    within = [names[each] for each in names if name and name.casefold() in each]
    closest = list(dict.fromkeys([*within, *_closest_library_region_names(name, names)]))[:3]
    values = {"closest": ", ".join(closest), "name": name or "NAME"}
    if closest:
        return Message(
            "Closest: {closest}. For a place that the library does not hold, name the region most"
            ' like it and the place: --region us-iowa --place "{name}" --zone KE',
            values,
        )
    return Message(
        "For a place that the library does not hold, name the region most like it and the place:"
        ' --region us-iowa --place "{name}" --zone KE',
        values,
    )


def _names_of_library_region(region: LibraryRegion) -> tuple[str, ...]:
    return region.name, region.english.casefold(), region.chinese


def _closest_library_region_names(name: str, names: dict[str, str]) -> list[str]:
    close = difflib.get_close_matches(name.casefold()[:40], names, n=3, cutoff=0.6)
    return [names[each] for each in close]


def check_started_place_and_zone(place: str, zone: str) -> None:
    """Raise where a place outside of the library does not say in which country it lies.

    Raises:
        UsageError: No zone, a zone of no country, a zone without a place, or a place that no
            title could hold.
    """
    if len(place) > _LONGEST_PLACE or not place.isprintable():
        raise UsageError(
            "--place",
            found=Message("{count} characters", {"count": str(len(place))}),
            wanted=Message(
                "at most {count} characters in one line", {"count": str(_LONGEST_PLACE)}
            ),
        )
    if zone and not place:
        raise UsageError(
            "--zone",
            found=repr(zone),
            wanted=Message("the place with it, as --place, or neither"),
        )
    if place and country_code_of_programme_region(zone) not in COUNTRY_CODES:
        raise UsageError(
            "--zone",
            found=repr(zone) if zone else Message("no country of the place"),
            wanted=Message("a region that begins with a country's code (ISO 3166)"),
            remedy=programme_region_remedy_message(zone),
        )


def started_country_called_or_none(name: str) -> Country | None:
    """Return a shipped country, or that of a folder; None for no name.

    Raises:
        UsageError: Neither is called so.
        InputError: A file of the folder is at fault.
    """
    if not name:
        return None
    if name in shipped_country_names() or Path(name).exists():
        return load_country(name)
    close = _closest_library_region_names(name, {each: each for each in shipped_country_names()})
    raise UsageError(
        "--country",
        found=repr(name),
        wanted=Message(
            "one of {names}, or a folder with country.toml",
            {"names": ", ".join(shipped_country_names())},
        ),
        remedy=Message("Closest: {closest}.", {"closest": ", ".join(close)})
        if close
        else Message("Without --country the programme has no debt path, and all else is computed."),
    )
