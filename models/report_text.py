"""What does a supervisor need to hear about a model? One paragraph, and one page of figures.

Assumes the dictionary of :mod:`models.report`; nothing is computed here.
"""

from collections.abc import Mapping
from typing import Any

VIEWS = {
    "random_stream": "random checks",
    "inverse_propensity": "engine-drawn, weighted to all arrivals",
    "inspected": "inspected rows, as they were selected",
}
FIGURES = {
    "hit_rate_at_capacity": "hit rate at capacity",
    "recall_at_capacity": "recall at capacity",
    "base_rate": "hit rate over all",
    "lift": "lift over random",
    "average_precision": "average precision",
    "auc": "AUC",
}
_SHARES = frozenset({"hit_rate_at_capacity", "recall_at_capacity", "base_rate"})


def said(figure: Mapping[str, Any], *, share: bool) -> str:
    """Return an estimate as text: the figure and its interval, or that it is not yet knowable."""
    if not figure["knowable"]:
        return "not yet knowable"
    form = "{:.1%}" if share else "{:.3f}"
    value, low, high = (form.format(figure[key]) for key in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def paragraph(report: Mapping[str, Any]) -> str:
    """Return what a supervisor should know, in plain words."""
    if not report.get("targets"):
        return "The model could not be judged: " + " ".join(report["cannot_tell"])
    capacity = f"{report['capacity']:.0%}"
    parts = [
        f"Judged on {report['arrivals']:,} arrivals between {report['period']['from'][:10]} and "
        f"{report['period']['until'][:10]}, by a model that had seen nothing of them."
    ]
    for target, views in report["targets"].items():
        name = best_view(views)
        rate, lift = views[name]["hit_rate_at_capacity"], views[name]["lift"]
        if not rate["knowable"]:
            parts.append(f"How often the riskiest {capacity} hold a {target} is not yet knowable.")
            continue
        often = f"Of the riskiest {capacity} at each post, {said(rate, share=True)} held a {target}"
        times = f", {lift['value']:.1f} times the rate over all" if lift["knowable"] else ""
        parts.append(f"{often}{times} ({VIEWS[name]}).")
    seen = report["targets"]["discrepancy"]["inspected"]
    if seen["rows"]:
        error = seen["reliability"]["error"]
        parts.append(f"A stated chance of a discrepancy is off by {error:.1%} on average.")
    parts += report["cannot_tell"]
    if report["notice"]:
        parts.append(report["notice"])
    return " ".join(parts)


def best_view(views: Mapping[str, Any]) -> str:
    """Return the least biased view whose hit rate at capacity can be told."""
    for name in VIEWS:
        if views[name]["hit_rate_at_capacity"]["knowable"]:
            return name
    return "inspected"


def page(report: Mapping[str, Any]) -> str:
    """Return all figures as text for a terminal."""
    lines = [paragraph(report), ""]
    for target, views in report.get("targets", {}).items():
        for view, title in VIEWS.items():
            kept = views[view]
            if not kept["rows"]:
                lines.append(f"{target}, {title}: no rows, so not yet knowable")
                continue
            lines.append(f"{target}, {title}: {kept['rows']:,} rows, {kept['finds']:,} finds")
            for key, name in FIGURES.items():
                lines.append(f"    {name:24}{said(kept[key], share=key in _SHARES)}")
        if views["inspected"]["rows"]:
            error = views["inspected"]["reliability"]["error"]
            lines.append(f"    {'calibration error':24}{error:.4f}")
    for name, figure in report.get("peers", {}).items():
        lines.append(f"average precision, {name}: {said(figure, share=False)}")
    return "\n".join(lines) + "\n"
