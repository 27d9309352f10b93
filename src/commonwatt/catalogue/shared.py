"""Measures that more than one wing names: a label stands once, so these stand below them all."""

from __future__ import annotations

from typing import Final

from commonwatt.catalogue.measures import COUNT, TEXT, Measure
from commonwatt.core.messages import Message

SITE: Final = Measure(
    "site", Message("Site"), "", Message("The place where machines stand, by its title"), TEXT
)
SITE_NAME: Final = Measure(
    "site_name", Message("Name of the site"), "", Message("The site's name in the programme"), TEXT
)
TENANT: Final = Measure(
    "tenant", Message("Tenant"), "", Message("Who submits jobs, by its title"), TEXT
)
GPUS: Final = Measure("gpus", Message("GPUs"), "GPU", Message("Number of GPUs"), COUNT)
INPUT: Final = Measure(
    "input", Message("Input"), "", Message("The name of an input of a calculation"), TEXT
)
UNIT: Final = Measure("unit", Message("Unit"), "", Message("The unit of the row's values"), TEXT)
SOURCE: Final = Measure(
    "source", Message("Source"), "", Message("Where a value comes from, in words"), TEXT
)
DATED: Final = Measure("dated", Message("Dated"), "", Message("The date that a source bears"), TEXT)
CONFIDENCE: Final = Measure(
    "confidence",
    Message("Confidence"),
    "",
    Message("How far a source may be trusted: official, report, press, estimate or memory"),
    TEXT,
)
NOTE: Final = Measure("note", Message("Note"), "", Message("What else a reader should know"), TEXT)
