"""Reading the regions of the auditor, and any table that it ships."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from typing import Final

from commonwatt.audit.domain.regions import RegionTable
from commonwatt.core.shipped import DATA as SHIPPED

DATA: Final = SHIPPED / "audit"


def read_audit_csv_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def load_claim_region_table(folder: Path = DATA) -> RegionTable:
    """Return the shipped regions; read once, because every claim asks for its own."""
    rows = read_audit_csv_rows(folder / "regions.csv")
    return RegionTable(
        parents={row["region"]: row["parent"] for row in rows},
        names={
            " ".join(name.replace("-", " ").split()): row["region"]
            for row in rows
            for name in row["names"].split("|")
        },
        hubs={row["region"]: row["hub"] for row in rows if row["hub"]},
    )
