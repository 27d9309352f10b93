"""Regions and countries by the name that a user gives, or the names that come closest."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from commonwatt.core.errors import UsageError
from commonwatt.core.messages import Message
from commonwatt.siting.domain.library_region import LibraryRegion
from commonwatt.siting.io.library_regions import load_library_regions
from commonwatt.study.programme.regions import (
    COUNTRY_CODES,
    country_of_region,
    region_remedy,
)
from commonwatt.treasury.domain.country import Country
from commonwatt.treasury.io.country.folder import load_country, shipped_countries

_LONGEST_PLACE: Final = 200  # a title takes 300, and says more than the place


def library_region_called(name: str) -> LibraryRegion:
    """Return a region of the library.

    Raises:
        UsageError: None is called so; the remedy names the closest, and what to do without.
    """
    regions = load_library_regions()
    if name in regions:
        return regions[name]
    raise UsageError(
        "--region",
        found=repr(name) if name else Message("no region"),
        wanted=Message("one of {names}", {"names": ", ".join(regions)}),
        remedy=_remedy_for_unknown_region(name, regions.values()),
    )


def _remedy_for_unknown_region(name: str, regions: Iterable[LibraryRegion]) -> Message:
    # People name a country or a city; the library calls its regions otherwise.
    names = {name: region.name for region in regions for name in _names_of_region(region)}
    within = [names[each] for each in names if name and name.casefold() in each]
    closest = list(dict.fromkeys([*within, *_closest_names(name, names)]))[:3]
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


def _names_of_region(region: LibraryRegion) -> tuple[str, ...]:
    return region.name, region.english.casefold(), region.chinese


def _closest_names(name: str, names: dict[str, str]) -> list[str]:
    close = difflib.get_close_matches(name.casefold()[:40], names, n=3, cutoff=0.6)
    return [names[each] for each in close]


def check_place_has_country(place: str, zone: str) -> None:
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
    if place and country_of_region(zone) not in COUNTRY_CODES:
        raise UsageError(
            "--zone",
            found=repr(zone) if zone else Message("no country of the place"),
            wanted=Message("a region that begins with a country's code (ISO 3166)"),
            remedy=region_remedy(zone),
        )


def country_called(name: str) -> Country | None:
    """Return a shipped country, or that of a folder; None for no name.

    Raises:
        UsageError: Neither is called so.
        InputError: A file of the folder is at fault.
    """
    if not name:
        return None
    if name in shipped_countries() or Path(name).exists():
        return load_country(name)
    close = _closest_names(name, {each: each for each in shipped_countries()})
    raise UsageError(
        "--country",
        found=repr(name),
        wanted=Message(
            "one of {names}, or a folder with country.toml",
            {"names": ", ".join(shipped_countries())},
        ),
        remedy=Message("Closest: {closest}.", {"closest": ", ".join(close)})
        if close
        else Message("Without --country the programme has no debt path, and all else is computed."),
    )
