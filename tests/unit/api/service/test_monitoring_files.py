"""Alerts and dashboard name the metrics that the service gives, and no others."""

import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml

from api.service.metrics import Metrics

ROOT = Path(__file__).parents[4]
NAME = re.compile(r"\bdarvoza_\w+")


def list_series() -> set[str]:
    """Return the names of all time series as Prometheus stores them."""
    series = set()
    for metric in Metrics().registry.collect():
        endings = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}
        series |= {metric.name + ending for ending in endings.get(metric.type, ("",))}
    return series


def read_alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text("utf-8"))["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


@pytest.mark.parametrize("rule", read_alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_reads_metrics_that_exist(rule: dict[str, Any]) -> None:
    named = set(NAME.findall(rule["expr"]))
    assert named or 'up{job="darvoza"}' in rule["expr"]
    assert named <= list_series()
    assert rule["annotations"]["summary"]


def test_each_alarm_of_the_page_is_an_alert() -> None:
    page = (ROOT / "docs" / "monitoring.md").read_text("utf-8")
    alarms = page.split("\n## Alarms\n", 1)[1].split("\n## ", 1)[0]
    assert {rule["alert"] for rule in read_alerts()} == set(re.findall(r"Darvoza\w+", alarms))


def test_each_metric_is_described_and_drawn() -> None:
    page = (ROOT / "docs" / "monitoring.md").read_text("utf-8")
    text = (ROOT / "deploy" / "dashboard.json").read_text("utf-8")
    names = [metric.name for metric in Metrics().registry.collect()]
    assert [panel["title"] for panel in json.loads(text)["panels"]] == names
    assert [name for name in names if name not in page] == []
    drawn = runpy.run_path(str(ROOT / "deploy" / "dashboard.py"))["draw_dashboard"]()
    assert json.loads(text) == drawn, "make dashboard"
