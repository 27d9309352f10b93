"""Which programmes come with the package: asked by lists and forms, which read none of them."""

from __future__ import annotations

from typing import Final

from commonwatt.core.shipped import DATA, ShippedCollection

PROGRAMMES: Final = ShippedCollection(DATA / "programmes", "*.toml")


def shipped_programme_names() -> list[str]:
    """Return the names of the programmes that come with the package."""
    return list(PROGRAMMES.names())
