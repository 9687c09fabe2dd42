"""What does a model's worth look like? The report as one page with plots, readable anywhere.

Assumes the dictionary of :mod:`models.report`. The page is one file: plots are inline SVG, nothing
is fetched, no script runs.
"""

import io
from collections.abc import Mapping
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from models.report_text import FIGURES, VIEWS, paragraph, said

_INK, _RISK, _CALM, _GRAVE = "#22303c", "#b3541e", "#4a7fa5", "#7a1f2b"
_SHARES = frozenset({"hit_rate_at_capacity", "recall_at_capacity", "base_rate"})
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;color:#22303c;max-width:60rem;margin:2rem auto;"
    "padding:0 1rem}table{border-collapse:collapse;margin:1rem 0}td,th{padding:.25rem .8rem;"
    "text-align:left;border-bottom:1px solid #d8dee4}.notice{background:#fdf3e7;padding:.6rem 1rem}"
    "figure{margin:1rem 0}svg{max-width:100%;height:auto}td.n{text-align:right}"
)


def report_html(report: Mapping[str, Any], *, title: str = "Evaluation") -> str:
    """Return the page.

    Parameters
    ----------
    report : mapping
        As :func:`models.report.report` made it.
    title : str
        Shown as the heading: the version, say.

    Returns
    -------
    str
        A whole HTML document, the same for the same report.
    """
    parts = [f"<h1>{escape(title)}</h1>"]
    if report.get("notice"):
        parts.append(f'<p class="notice">{escape(report["notice"])}</p>')
    parts.append(f"<p>{escape(paragraph(report))}</p>")
    if report.get("targets"):
        parts += [_figures(report), _plots(report), _groups(report)]
    if report["cannot_tell"]:
        told = "".join(f"<li>{escape(line)}</li>" for line in report["cannot_tell"])
        parts.append(f"<h2>What the data cannot tell</h2><ul>{told}</ul>")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body>{''.join(parts)}</body></html>"
    )


def _figures(report: Mapping[str, Any]) -> str:
    """Return one table a target: figures by view."""
    made = []
    for target, views in report["targets"].items():
        head = "".join(
            f"<th>{escape(text)}<br>{views[view]['rows']:,} rows, {views[view]['finds']:,} finds"
            "</th>"
            for view, text in VIEWS.items()
        )
        rows = "".join(
            f"<tr><th>{escape(name)}</th>"
            + "".join(f"<td>{said(views[view][key], share=key in _SHARES)}</td>" for view in VIEWS)
            + "</tr>"
            for key, name in FIGURES.items()
        )
        made.append(f"<h2>{escape(target.capitalize())}</h2><table><tr><th></th>{head}</tr>{rows}")
        made.append("</table>")
    peers = "".join(
        f"<tr><th>{escape(name)}</th><td>{said(figure, share=False)}</td></tr>"
        for name, figure in report["peers"].items()
    )
    if peers:
        made.append(f"<h2>Average precision beside simpler methods</h2><table>{peers}</table>")
    return "".join(made)


def _plots(report: Mapping[str, Any]) -> str:
    """Return the plots, each with the sentence that says what it shows."""
    made = []
    for target in report["targets"]:
        text = f"Share of {target} finds caught against the share of vehicles inspected."
        made.append(_plot(_capture, report, target, text=text))
        text = f"Chance of a {target} as stated, against what inspections found."
        made.append(_plot(_reliability, report, target, text=text))
    made.append(_plot(_outcomes, report, "", text="Risk by outcome: quantiles of each."))
    for column in ("post", "vehicle_class"):
        text = f"Hit rate of inspections by {column.replace('_', ' ')}, with 95 % intervals."
        made.append(_plot(_rates, report, column, text=text))
    return "".join(made)


def _plot(draw: Any, report: Mapping[str, Any], what: str, *, text: str) -> str:
    """Draw one figure to SVG whose bytes do not depend on the day."""
    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    draw(figure.add_subplot(), report, what)
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "darvoza", "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    body = svg[svg.index("<svg") :]
    return f"<figure>{body}<figcaption>{escape(text)}</figcaption></figure>"


def _capture(axes: Axes, report: Mapping[str, Any], target: str) -> None:
    views = report["targets"][target]
    for curve, name, colour in (
        (views["inspected"]["curve"], "inspected rows", _CALM),
        (views["random_curve"], "random checks", _RISK),
    ):
        if curve["capacity"]:
            axes.plot(curve["capacity"], curve["caught"], color=colour, label=name)
    axes.plot([0, 1], [0, 1], color=_INK, linewidth=0.8, linestyle=":", label="by lot")
    axes.axvline(report["capacity"], color=_INK, linewidth=0.8)
    axes.set(xlabel="share inspected", ylabel="share of finds caught", xlim=(0, 1), ylim=(0, 1.02))
    axes.legend(frameon=False)


def _reliability(axes: Axes, report: Mapping[str, Any], target: str) -> None:
    bins = report["targets"][target]["inspected"]["reliability"]
    top = max([0.01, *bins["said"], *bins["came"]]) * 1.05
    axes.plot([0, top], [0, top], color=_INK, linewidth=0.8, linestyle=":")
    axes.plot(bins["said"], bins["came"], color=_RISK, marker="o", markersize=4)
    axes.set(xlabel="stated chance", ylabel="share found", xlim=(0, top), ylim=(0, top))


def _outcomes(axes: Axes, report: Mapping[str, Any], what: str) -> None:
    colours = {"clear": _CALM, "discrepancy": _RISK, "seizure": _GRAVE, "not inspected": "#9aa5ae"}
    for name, kept in report["scores_by_outcome"].items():
        quantiles = kept["quantiles"]
        shares = [step / (len(quantiles) - 1) for step in range(len(quantiles))]
        label = f"{name} ({kept['rows']:,})"
        axes.plot(quantiles, shares, color=colours[name], label=label)
    axes.set(xlabel="risk", ylabel="share at or below", ylim=(0, 1.02))
    axes.legend(frameon=False)


def _rates(axes: Axes, report: Mapping[str, Any], column: str) -> None:
    groups = {
        name: kept["inspected"]
        for name, kept in report["groups"][column].items()
        if kept["inspected"]["value"] is not None
    }
    for place, kept in enumerate(groups.values()):
        axes.plot([kept["low"], kept["high"]], [place, place], color=_CALM, linewidth=2)
        axes.plot([kept["value"]], [place], color=_INK, marker="o", markersize=4)
    axes.set_yticks(range(len(groups)), list(groups))
    axes.set(xlabel="share of inspections with a find")


def _groups(report: Mapping[str, Any]) -> str:
    """Return one table a grouping: the outcome test's numbers."""
    made = []
    for column, groups in report["groups"].items():
        rows = "".join(
            f'<tr><th>{escape(name)}</th><td class="n">{kept["arrivals"]:,}</td>'
            f'<td class="n">{kept["within_capacity"]:,}</td>'
            f"<td>{said(kept['random_stream'], share=True)}</td>"
            f"<td>{said(kept['inspected'], share=True)}</td>"
            f"<td>{said(kept['at_capacity'], share=True)}</td></tr>"
            for name, kept in groups.items()
        )
        made.append(
            f"<h2>By {escape(column.replace('_', ' '))}</h2><table><tr><th></th><th>arrivals</th>"
            "<th>within capacity</th><th>hit rate of random checks</th><th>of inspections</th>"
            f"<th>of inspections within capacity</th></tr>{rows}</table>"
        )
    return "".join(made)
