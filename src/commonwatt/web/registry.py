"""Every page, in the order of the menu."""

from __future__ import annotations

from typing import Final

import commonwatt.web.pages.fleet as fleet
from commonwatt.web.look import Page

PAGES: Final[tuple[Page, ...]] = (fleet.PAGE,)
