"""A Grafana dashboard of the controller's figures, made from their table."""

from __future__ import annotations

import json
from typing import Any

from commonwatt.catalogue.measures import measure_label_text
from commonwatt.operate.engines.exporter import COUNTERS, GAUGES


def controller_grafana_dashboard_json() -> str:
    """Return the dashboard as JSON: one panel a figure, counters as rates."""
    figures = {f"commonwatt_{k}": v for k, v in GAUGES.items()}
    rates = {f"rate(commonwatt_{k}_total[5m])": v for k, v in COUNTERS.items()}
    panels = [
        _grafana_panel(i, query, measure_label_text(figure), labels)
        for i, (query, (figure, labels)) in enumerate((figures | rates).items())
    ]
    return json.dumps(
        {
            "title": "Commonwatt operate",
            "uid": "commonwatt-operate",
            "schemaVersion": 39,
            "refresh": "10s",
            "time": {"from": "now-6h", "to": "now"},
            "panels": panels,
        },
        indent=2,
    )


def _grafana_panel(i: int, query: str, title: str, labels: list[str]) -> dict[str, Any]:
    legend = " ".join(f"{{{{{name}}}}}" for name in labels)
    return {
        "id": i + 1,
        "type": "timeseries",
        "title": title,
        "datasource": {"type": "prometheus", "uid": "${DS_PROMETHEUS}"},
        "gridPos": {"h": 8, "w": 12, "x": 12 * (i % 2), "y": 8 * (i // 2)},
        "targets": [{"expr": query, "legendFormat": legend or title, "refId": "A"}],
    }
