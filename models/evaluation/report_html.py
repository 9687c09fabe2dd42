"""Evaluation report as one HTML page with plots.

Assumes the dictionary of :mod:`models.evaluation.report`. The page is one file: plots are inline
SVG, nothing is fetched, no script runs, and it prints. Markup stands in ``templates/report.html``,
which escapes every text; this module says what is in each table.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from models.evaluation import plots
from models.evaluation.plots import Plot, Report, draw_plot
from models.evaluation.report_text import (
    COLUMNS,
    ESTIMATES,
    FIGURES,
    LOGS,
    SHARES,
    STATED,
    VIEWS,
    count_noun,
    fairness,
    format_estimate,
    summary,
)

_LONG = 40
"""Characters of a cell that may be broken into lines."""
GROUP_FIGURES = ("random_stream", "inspected", "at_capacity", "random_recall", "recall")
_GROUP_HEADS = (
    "arrivals",
    "within capacity",
    "hit rate of random checks",
    "of inspections",
    "of inspections within capacity",
    "recall of finds by random checks",
    "of all finds",
    "mean stated chance",
    "against the others",
)
_VERDICTS = {"lower": "finds less", "higher": "finds more", "no_difference": "no difference seen"}


@dataclass(frozen=True, slots=True)
class FigureCell:
    """A cell with an estimate and its interval."""

    estimate: Mapping[str, Any]
    share: bool
    """Whether it is a share, written in percent."""


Cell = str | FigureCell | None
"""A text, an estimate, or None for "not yet knowable" without a reason."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the page."""

    heads: Sequence[tuple[str, ...]]
    """Lines of each column's head."""
    rows: Sequence[tuple[str, Sequence[Cell]]]
    caption: str


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page under one heading."""

    tables: Sequence[Table]
    plots: Sequence[Plot]
    name: str = ""


def report_html(report: Report, *, title: str = "Evaluation") -> str:
    """Return the page as one HTML document, the same for the same report.

    ``title`` is shown as the heading: the version, say.
    """
    is_judged = bool(report.get("targets"))
    return (
        _environment()
        .get_template("report.html")
        .render(
            report=report,
            title=title,
            summary=summary(report),
            fairness=" ".join(fairness(report)),
            targets=[_build_target(report, target) for target in report["targets"]],
            groups=_build_groups(report) if is_judged else None,
            model=_build_model(report) if is_judged and "families" in report else None,
        )
    )


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(format_estimate=format_estimate, cell_class=_cell_class)
    return made


def _cell_class(cell: Cell) -> str:
    """Return a cell's class: numbers alone are set to the right, long texts may break."""
    if not isinstance(cell, str):
        return "s"
    if cell.replace(",", "").isdigit():
        return "n"
    return "long" if len(cell) > _LONG else "s"


def _build_target(report: Report, target: str) -> Section:
    """Return one target: figures by view, what it would have found, and its plots."""
    views = report["targets"][target]
    tables = [_tabulate_views(views)]
    if target == "discrepancy" and report["peers"]:
        tables += _tabulate_peers(report)
    tables.append(_tabulate_policy_value(views))
    return Section(tables, list(_draw_target(report, target)), target)


def _tabulate_views(views: Mapping[str, Any]) -> Table:
    heads = [
        (
            text,
            f"{count_noun(views[view]['rows'], 'row')}, "
            f"worth {views[view]['effective_rows']:,.0f}, "
            f"{count_noun(views[view]['finds'], 'find')}",
        )
        for view, text in VIEWS.items()
    ]
    rows: list[tuple[str, Sequence[Cell]]] = [
        (name, [FigureCell(views[view][key], key in SHARES) for view in VIEWS])
        for key, name in FIGURES.items()
    ]
    rows += [
        (name, ["", "", FigureCell(views["inspected"][key], share=False)])
        for key, name in STATED.items()
        if key in views["inspected"]
    ]
    note = "Figures with 95 % intervals. Capacity: the riskiest share of each post's daily entries."
    return Table([("",), *heads], rows, note)


def _tabulate_peers(report: Report) -> list[Table]:
    """Return how simpler methods do."""
    precision = [(name, [FigureCell(one, share=False)]) for name, one in report["peers"].items()]
    gains = [
        (name, [FigureCell(one, share=True)]) for name, one in report.get("advantage", {}).items()
    ]
    note = "Discrepancies more for each search within capacity, from all draws of the engine."
    return [
        Table([("",), ("average precision",)], precision, "Compared with simpler methods."),
        Table([("than by",), ("more finds",)], gains, note),
    ]


def _tabulate_policy_value(views: Mapping[str, Any]) -> Table:
    """Return what the model would have found, had it chosen, with what the log can bear."""
    columns = [
        (views["policy_value"][log][side], (f"{words},", f"by {LOGS[log]}"))
        for side, words in (("searched", "of those it would search"), ("released", "of the others"))
        for log in LOGS
    ]
    rows: list[tuple[str, Sequence[Cell]]] = [
        (name, [FigureCell(value[key], share=True) for value, _ in columns])
        for key, name in ESTIMATES.items()
    ]
    hourly = [FigureCell(value["hits_per_hour"], share=False) for value, _ in columns]
    logs = [value["diagnostics"] for value, _ in columns]
    rows += [
        ("finds an hour of search", hourly),
        ("draws", [f"{one['drawn']:,}, worth {one['effective']:,.0f} even ones" for one in logs]),
        ("largest share of weight in one draw", [f"{one['largest_weight']:.1%}" for one in logs]),
        ("without evidence", [f"{one['not_carried_out']:.1%}" for one in logs]),
        ("sum of weights (1 expected)", [f"{one['covered']:.2f}" for one in logs]),
        ("reasons against an estimate", ["; ".join(one["faults"]) or "none" for one in logs]),
    ]
    note = "Had this model chosen: hit rates estimated from logged draws."
    return Table([("",), *(head for _, head in columns)], rows, note)


def _draw_target(report: Report, target: str) -> Iterator[Plot]:
    yield draw_plot(
        partial(plots.capture, report=report, target=target),
        name=f"capture-{target}",
        text=f"Share of {target} finds caught against the share of vehicles inspected, with the "
        "95 % interval of each point.",
    )
    yield draw_plot(
        partial(plots.reliability, report=report, target=target),
        name=f"chance-{target}",
        text=f"Share of inspections that found a {target} (dots, with 95 % intervals) against the "
        "stated chance; on the dotted line they agree. Both axes are stretched near 0.",
    )
    if target == "discrepancy":
        yield draw_plot(
            partial(plots.outcomes, report=report),
            name="outcomes",
            text="Risk by outcome: median, middle half (thick) and middle nine tenths (thin).",
            rows=len(report["scores_by_outcome"]) + 2,
        )


def _build_groups(report: Report) -> Section:
    """Return the outcome test: its plots and its figures."""
    drawn = [
        draw_plot(
            partial(plots.rates, report=report, column=column),
            name=column.replace("_", "-"),
            text=f"Hit rate of inspections by {COLUMNS[column]} with 95 % intervals, and the mean "
            "chance that was stated for them.",
            rows=len(report["groups"][column]) + 2,
        )
        for column in ("post", "shift", "vehicle_class")
    ]
    tables = [
        Table(
            [(COLUMNS[column],), *((head,) for head in _GROUP_HEADS)],
            [
                (name, _describe_group(one, _read_verdict(report["outcome_test"][column], name)))
                for name, one in groups.items()
            ],
            f"Discrepancies by {COLUMNS[column]}.",
        )
        for column, groups in report["groups"].items()
    ]
    return Section(tables, drawn)


def _describe_group(one: Mapping[str, Any], verdict: Cell) -> list[Cell]:
    stated = "" if one["mean_chance"] is None else f"{one['mean_chance']:.1%}"
    return [
        f"{one['arrivals']:,}",
        f"{one['within_capacity']:,}",
        *(FigureCell(one[key], share=True) if key in one else "" for key in GROUP_FIGURES),
        stated + (" (not what was found)" if one["calibrated"] is False else ""),
        verdict,
    ]


def _read_verdict(outcome_test: Mapping[str, Sequence[str]], group: str) -> Cell:
    """Return what the outcome test says of a group: None where it is not yet knowable."""
    if group in outcome_test["not_knowable"]:
        return None
    return next((text for key, text in _VERDICTS.items() if group in outcome_test[key]), "")


def _build_model(report: Report) -> Section:
    """Return what takes the model itself to compute: families, proxies and drift."""
    drawn = []
    known = [one for one in report["families"].values() if one["value"] is not None]
    if known:
        text = (
            "Average precision of discrepancies lost when a family of features is shuffled (number "
            "of features in brackets); filled where the interval leaves 0 out."
        )
        families = partial(plots.families, report=report)
        drawn.append(draw_plot(families, name="families", text=text, rows=len(known) + 1))
    if "drift" in report:
        moved = report["drift"]
        text = (
            f"Features that moved farthest since the ninety days before; {moved['moved']} of "
            f"{moved['of']} moved beyond chance and 0.1 (filled). Rates of those without a history "
            "of their own follow the network's rate, and move together."
        )
        rows = len(moved["features"]) + 1
        drift = partial(plots.drift, report=report)
        drawn.append(draw_plot(drift, name="drift", text=text, rows=rows))
    return Section(list(_tabulate_proxies(report["proxies"])), drawn)


def _tabulate_proxies(proxies: Mapping[str, Any]) -> Iterator[Table]:
    if not proxies["by_country"]:
        return
    rows: list[tuple[str, Sequence[Cell]]] = [
        (
            name,
            [
                f"{one['arrivals']:,}",
                FigureCell(one["searched"], share=True),
                FigureCell(one["without_proxies"], share=True),
            ],
        )
        for name, one in proxies["by_country"].items()
    ]
    names = ", ".join(proxies["features"])
    note = f"Share within capacity with and without possible proxies of origin: {names}."
    heads = ("plate country", "arrivals", "searched", "without proxies")
    yield Table([(head,) for head in heads], rows, note)
