"""Every page, in the order of the menu."""

from __future__ import annotations

from typing import Final

import commonwatt.web.pages.cluster as cluster
import commonwatt.web.pages.committee as committee
import commonwatt.web.pages.comparison as comparison
import commonwatt.web.pages.fleet as fleet
import commonwatt.web.pages.ledger as ledger
import commonwatt.web.pages.models as models
import commonwatt.web.pages.origins as origins
import commonwatt.web.pages.programme as programme
import commonwatt.web.pages.programmes as programmes
import commonwatt.web.pages.projects as rooms
import commonwatt.web.pages.runs as runs
import commonwatt.web.pages.sites as sites
import commonwatt.web.pages.treasury as treasury
from commonwatt.web.request_context import Page

PAGES: Final[tuple[Page, ...]] = (
    programme.PAGE,
    fleet.PAGE,
    sites.PAGE,
    treasury.PAGE,
    comparison.PAGE,
    origins.PAGE,
    rooms.PAGE,
    models.PAGE,
    committee.PAGE,
    ledger.PAGE,
    cluster.PAGE,
    programmes.PAGE,
    runs.PAGE,
)
