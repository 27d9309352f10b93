"""Public records from outside: model cards and their faults, FDA's list, adverse events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from commonwatt.clinic.domain.rules import classify_product, load_regulatory_rule_book
from commonwatt.clinic.domain.tables import CARDS
from commonwatt.clinic.io.imports import (
    ModelCard,
    load_device_adverse_events,
    load_fda_devices,
    load_model_card,
    model_card_faults,
)


def device_records_summary_and_card_table(
    paths: Sequence[Path], on: date
) -> tuple[dict[str, Any], pl.DataFrame]:
    """Return what some public records hold; the kind of each is read off its name.

    Args:
        paths: CHAI model cards (.xml), FDA's list (.json), adverse event reports (.csv);
            the last two may be gzipped.
        on: The day whose law classifies the cards.

    Raises:
        EvidenceError: A file is not of its kind.
    """
    kinds = {path: path.name.removesuffix(".gz").rpartition(".")[2] for path in paths}
    cards = {path.name: load_model_card(path) for path, kind in kinds.items() if kind == "xml"}
    rows = [row for name, card in cards.items() for row in _model_card_fault_rows(name, card, on)]
    answer: dict[str, Any] = {"cards": rows}
    answer["devices"] = [
        _fda_devices_summary(path) for path, kind in kinds.items() if kind not in ("xml", "csv")
    ]
    answer["events"] = [
        _device_adverse_events_summary(path) for path, kind in kinds.items() if kind == "csv"
    ]
    names = [column.name for column in CARDS.columns]
    return answer, CARDS.build_frame(**{name: [row[name] for row in rows] for name in names})


def _model_card_fault_rows(file: str, card: ModelCard, on: date) -> list[dict[str, str]]:
    category = (
        classify_product(load_regulatory_rule_book(), card.facts, jurisdiction="imdrf", on=on)
        .verdicts[0]
        .klass
    )
    head = {"file": file, "name": card.name, "version": card.version, "category": category}
    faults = model_card_faults(card, category)
    return [head | {"rule": f.rule, "found": f.found} for f in faults] or [
        head | {"rule": "", "found": ""}
    ]


def _fda_devices_summary(path: Path) -> dict[str, Any]:
    devices = load_fda_devices(path)
    counts = {
        "routes": Counter(device.route for device in devices),
        "classes": Counter(device.klass for device in devices),
        "panels": Counter(device.panel for device in devices),
    }
    return {"file": path.name, "devices": len(devices)} | {
        name: dict(count.most_common()) for name, count in counts.items()
    }


def _device_adverse_events_summary(path: Path) -> dict[str, Any]:
    reports = load_device_adverse_events(path)
    return {
        "file": path.name,
        "reports": len(reports),
        "severities": dict(Counter(report.severity for report in reports).most_common()),
        "left_empty": dict(
            Counter(name for report in reports for name in report.missing).most_common()
        ),
    }
