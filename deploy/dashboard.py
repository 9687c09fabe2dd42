"""Print the dashboard for Grafana, made from the service's own list of metrics.

``make dashboard`` writes ``deploy/dashboard.json`` with it: a panel a metric, in the order in which
``api.service.metrics`` declares them. Grafana asks for the data source when it imports the file.
"""

import json
import sys
from typing import Any

from prometheus_client.metrics_core import Metric

from api.service.metrics import Metrics

WIDTH, HEIGHT, COLUMNS = 8, 7, 3
"""Of a panel, in Grafana's grid of 24 columns."""
FROM = '{instance=~"$instance"}'


def write_queries(metric: Metric) -> list[tuple[str, str]]:
    """Return the queries of a metric, each with its legend.

    A counter is shown as its rate, a histogram by its median and its 99 %, a gauge as it is.
    """
    over = f"{FROM}[$__rate_interval]"
    if metric.type == "counter":
        return [(f"sum without (instance, job) (rate({metric.name}_total{over}))", "__auto")]
    if metric.type == "histogram":
        buckets = f"sum by (le) (rate({metric.name}_bucket{over}))"
        return [
            (f"histogram_quantile({share}, {buckets})", legend)
            for share, legend in (("0.5", "median"), ("0.99", "99 %"))
        ]
    return [(f"{metric.name}{FROM}", "__auto")]


def draw_panel(place: int, metric: Metric) -> dict[str, Any]:
    """Return the panel of a metric; ``place`` counts from 0, row by row."""
    row, column = divmod(place, COLUMNS)
    return {
        "id": place + 1,
        "type": "timeseries",
        "title": metric.name,
        "description": metric.documentation,
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "gridPos": {"x": column * WIDTH, "y": row * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {
            "defaults": {"unit": "s" if metric.name.endswith("_seconds") else "short", "min": 0},
            "overrides": [],
        },
        "targets": [
            {"refId": chr(ord("A") + number), "expr": expression, "legendFormat": legend}
            for number, (expression, legend) in enumerate(write_queries(metric))
        ],
    }


def draw_dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana imports it."""
    panels = [draw_panel(place, one) for place, one in enumerate(Metrics().registry.collect())]
    return {
        "title": "Darvoza",
        "uid": "darvoza",
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-24h", "to": "now"},
        "templating": {
            "list": [
                {"name": "source", "type": "datasource", "query": "prometheus"},
                {
                    "name": "instance",
                    "type": "query",
                    "datasource": {"type": "prometheus", "uid": "${source}"},
                    "query": "label_values(darvoza_ready, instance)",
                    "refresh": 2,
                    "multi": True,
                    "includeAll": True,
                },
            ]
        },
        "panels": panels,
    }


if __name__ == "__main__":
    json.dump(draw_dashboard(), sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")
