"""Evaluation report as one HTML page with plots.

Assumes the dictionary of :mod:`models.evaluation.report`. The page is one file: plots are inline
SVG, nothing is fetched, no script runs, and it prints. Markup stands in ``templates/report.html``,
which escapes every text; this module says what is in each table.

Plots are readable without colours: kinds of line, marker and place carry the meaning, colour only
repeats it; every plot has a sentence for readers who do not see it.
"""

import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from models.array_types import Floats
from models.evaluation.report_text import (
    AIMS,
    COLUMNS,
    ESTIMATES,
    FIGURES,
    LISTS,
    LOGS,
    SHARES,
    STATED,
    TARGET_LISTS,
    VIEWS,
    count_noun,
    fairness,
    format_estimate,
    summary,
)

Report = Mapping[str, Any]
Draw = Callable[[Axes], None]

INK, BLUE, RUST, WINE, GREY = "#22303c", "#2f6690", "#b3541e", "#7a1f2b", "#7d8890"
_STYLE = {
    "svg.fonttype": "none",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 9,
}
_WIDTH, _HEIGHT, _ROW = 5.6, 3.5, 0.27
_LEAST_RISK = 1e-5
_TICKS = (0.0, 0.01, 0.03, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawing with its caption."""

    svg: Markup
    text: str


def draw_plot(draw: Draw, *, name: str, text: str, rows: int = 0) -> Plot:
    """Draw one plot of the page, whose identifiers begin with ``name``, unique there.

    ``draw`` draws into axes. ``text`` is the caption, which also describes the drawing to readers
    who cannot see it. ``rows`` is given where a plot has one line a group: its height follows.
    """
    height = max(1.6, 1.0 + _ROW * rows) if rows else _HEIGHT
    with mpl.rc_context(_STYLE | {"svg.hashsalt": name}):
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        draw(figure.add_subplot())
        buffer = io.StringIO()
        figure.savefig(
            buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None}
        )
    return Plot(_shrink_svg(buffer.getvalue(), name, text), text)


def _shrink_svg(svg: str, name: str, text: str) -> Markup:
    """Return the drawing alone: no header, no invisible digits, no identifier twice."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    body = re.sub(r'<g id="[^"]*"', "<g", body)
    body = re.sub(r' d="[^"]*"', lambda d: re.sub(r"(\d\.\d)\d+", r"\1", d.group()), body)
    body = re.sub(r"\n\s*", "\n", body)
    body = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{name}-", body)
    label = Markup('<svg role="img" aria-label="{}" ').format(text)
    # Matplotlib escapes the labels that it draws: its output is markup already.
    return Markup(body.replace("<svg ", label, 1))  # noqa: S704


def plot_capture(axes: Axes, report: Report, *, target: str) -> None:
    """Share of finds caught against the share inspected, with the line of a random choice."""
    views = report["targets"][target]
    for curve, view, name, colour, line in (
        (views["inspected"]["curve"], "inspected", "inspected rows", BLUE, "-"),
        (views["random_curve"], "random_stream", "random checks", RUST, "--"),
    ):
        if curve["knowable"]:
            label = f"{name} ({count_noun(views[view]['finds'], 'find')})"
            axes.plot(curve["capacity"], curve["caught"], line, color=colour, label=label)
            for end in ("low", "high"):
                axes.plot(curve["capacity"], curve[end], line, color=colour, linewidth=0.5)
        else:
            axes.plot([], [], " ", label=f"{name}: not yet knowable")
    axes.plot([0, 1], [0, 1], ":", color=INK, linewidth=1, label="at random")
    axes.axvline(report["capacity"], color=GREY, linewidth=1)
    axes.annotate(
        f"{report['capacity']:.0%} capacity",
        (report["capacity"], 1.0),
        (4, 2),
        textcoords="offset points",
        color=INK,
        fontsize=9,
        annotation_clip=False,
    )
    axes.set(xlabel="share inspected", ylabel="share of finds caught", xlim=(0, 1))
    axes.set_ylim(0, 1.02)
    axes.legend(loc="lower right")


def plot_reliability(axes: Axes, report: Report, *, target: str) -> None:
    """Stated chances against what came, in bins of equal count, with exact intervals."""
    bins = report["targets"][target]["inspected"]["reliability"]
    top = min(1.0, max([0.01, *bins["said"], *bins["came"]]) * 1.4)
    axes.plot([0, top], [0, top], ":", color=INK, linewidth=1)
    for value, low, high in zip(bins["said"], bins["low"], bins["high"], strict=True):
        axes.plot([value, value], [low, high], color=GREY, linewidth=1)
    axes.plot(bins["said"], bins["came"], "o", color=BLUE, markersize=5, clip_on=False)
    ticks = [tick for tick in _TICKS if tick <= top]
    axes.set_xscale("function", functions=(_root, _square))
    axes.set_yscale("function", functions=(_root, _square))
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set(xlabel="stated chance", ylabel="share found", xlim=(0, top), ylim=(0, top))


def _root(x: Floats) -> Floats:
    return np.sqrt(np.maximum(x, 0.0))


def _square(x: Floats) -> Floats:
    return np.square(x)


def plot_outcomes(axes: Axes, report: Report) -> None:
    """Where the risks of each outcome lie: median, middle half and middle nine tenths."""
    kept = report["scores_by_outcome"]
    for place, one in enumerate(kept.values()):
        q = [max(_LEAST_RISK, value) for value in one["quantiles"]]
        axes.plot([q[1], q[19]], [place, place], color=GREY, linewidth=1.5)
        axes.plot([q[5], q[15]], [place, place], color=BLUE, linewidth=7, alpha=0.55)
        axes.plot([q[10]], [place], "|", color=INK, markersize=14, markeredgewidth=2)
    axes.set_yticks(range(len(kept)), [f"{name} ({o['rows']:,})" for name, o in kept.items()])
    axes.set(xscale="log", xlabel="risk", ylim=(-0.6, len(kept) - 0.4))


def plot_rates(axes: Axes, report: Report, *, column: str) -> None:
    """Rates of discrepancies by group with their intervals, next to the mean stated chance."""
    groups = {
        name: one
        for name, one in reversed(report["groups"]["discrepancy"][column].items())
        if one["inspected"]["value"] is not None
    }
    ends = [0.05]
    for place, one in enumerate(groups.values()):
        found = one["inspected"]
        sure = found["knowable"]
        colour = BLUE if sure else GREY
        axes.plot(
            [found["low"], found["high"]],
            [place, place],
            "-" if sure else ":",
            color=colour,
            linewidth=2 if sure else 1,
        )
        axes.plot([found["value"]], [place], "o" if sure else ".", color=colour, markersize=5)
        axes.plot([one["mean_chance"]], [place], "D", markersize=5, mfc="none", color=RUST)
        ends.append(max(found["high"] if sure else found["value"], one["mean_chance"]))
    axes.plot([], [], "o-", color=BLUE, label="found")
    axes.plot([], [], ".:", color=GREY, label="found, not yet knowable")
    axes.plot([], [], "D", mfc="none", color=RUST, label="stated chance")
    axes.set_yticks(range(len(groups)), list(groups))
    axes.set(xlabel="share of inspections with a find", xlim=(0, min(1.0, max(ends) * 1.1)))
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)


def plot_families(axes: Axes, report: Report) -> None:
    """What average precision loses when a family of features is shuffled."""
    kept = sorted(
        ((name, one) for name, one in report["families"].items() if one["value"] is not None),
        key=lambda pair: pair[1]["value"],
    )
    for place, (_, one) in enumerate(kept):
        axes.plot([one["low"], one["high"]], [place, place], color=GREY, linewidth=1.5)
        sure = one["low"] > 0
        face = BLUE if sure else "white"
        axes.plot([one["value"]], [place], "o", color=BLUE, mfc=face, markersize=6)
    axes.axvline(0, color=INK, linewidth=1, linestyle=":")
    labels = [f"{name} ({one['features']})" for name, one in kept]
    axes.set_yticks(range(len(kept)), labels)
    axes.set(xlabel="loss of average precision when shuffled")


def plot_drift(axes: Axes, report: Report) -> None:
    """How far the farthest features have moved since the ninety days before."""
    kept = list(reversed(report["drift"]["features"]))
    for place, one in enumerate(kept):
        axes.plot([0, one["psi"]], [place, place], color=GREY, linewidth=1)
        face = RUST if one["moved"] else "white"
        axes.plot([one["psi"]], [place], "o", color=RUST, mfc=face, markersize=6)
    axes.axvline(0.1, color=INK, linewidth=1, linestyle=":")
    axes.set_yticks(range(len(kept)), [one["name"] for one in kept])
    axes.set(xlabel="population stability index", xlim=(0, None))


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


def render_report(report: Report, *, title: str = "Evaluation") -> str:
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
    if target == "seizure":
        tables.append(_tabulate_aims(report))
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


def _tabulate_aims(report: Report) -> Table:
    """Return what two lists reach at equal minutes, and one rank of both."""
    rows = [
        (words, [FigureCell(report["equal_minutes"][aim][key], share=True) for key in LISTS])
        for aim, words in AIMS.items()
    ]
    note = "Share of the finds that were made; searches and papers have minutes of their own."
    return Table([("",), *((name,) for name in LISTS.values())], rows, note)


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
        partial(plot_capture, report=report, target=target),
        name=f"capture-{target}",
        text=f"Share of {target} finds caught against the share of vehicles inspected, with the "
        "95 % interval of each point.",
    )
    yield draw_plot(
        partial(plot_reliability, report=report, target=target),
        name=f"chance-{target}",
        text=f"Share of inspections that found a {target} (dots, with 95 % intervals) against the "
        "stated chance; on the dotted line they agree. Both axes are stretched near 0.",
    )
    if target == "discrepancy":
        yield draw_plot(
            partial(plot_outcomes, report=report),
            name="outcomes",
            text="Risk by outcome: median, middle half (thick) and middle nine tenths (thin).",
            rows=len(report["scores_by_outcome"]) + 2,
        )


def _build_groups(report: Report) -> Section:
    """Return the outcome test: its figures by target, and plots of discrepancies."""
    drawn = [
        draw_plot(
            partial(plot_rates, report=report, column=column),
            name=column.replace("_", "-"),
            text=f"Share of inspections that found a discrepancy by {COLUMNS[column]} with 95 % "
            "intervals, and the mean chance that was stated for them.",
            rows=len(report["groups"]["discrepancy"][column]) + 2,
        )
        for column in ("post", "shift", "vehicle_class")
    ]
    tables = [
        Table(
            [(COLUMNS[column],), *((head,) for head in _GROUP_HEADS)],
            [
                (name, _describe_group(one, _read_verdict(verdicts[column], name)))
                for name, one in groups.items()
            ],
            f"Finds of a {target} by {COLUMNS[column]}, of vehicles {TARGET_LISTS[target]}.",
        )
        for target, verdicts in report["outcome_test"].items()
        for column, groups in report["groups"][target].items()
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
        families = partial(plot_families, report=report)
        drawn.append(draw_plot(families, name="families", text=text, rows=len(known) + 1))
    if "drift" in report:
        moved = report["drift"]
        text = (
            f"Features that moved farthest since the ninety days before; {moved['moved']} of "
            f"{moved['of']} moved beyond chance and 0.1 (filled). Rates of those without a history "
            "of their own follow the network's rate, and move together."
        )
        rows = len(moved["features"]) + 1
        drift = partial(plot_drift, report=report)
        drawn.append(draw_plot(drift, name="drift", text=text, rows=rows))
    return Section(list(_tabulate_proxies(report["proxies"])), drawn)


def _tabulate_proxies(proxies: Mapping[str, Any]) -> Iterator[Table]:
    names = ", ".join(proxies["features"])
    heads = ("plate country", "arrivals", "chosen", "without proxies")
    for target, words in TARGET_LISTS.items():
        rows: list[tuple[str, Sequence[Cell]]] = [
            (
                name,
                [
                    f"{one['arrivals']:,}",
                    FigureCell(one["searched"], share=True),
                    FigureCell(one["without_proxies"], share=True),
                ],
            )
            for name, one in proxies[target]["by_country"].items()
        ]
        note = f"Share {words}, with and without possible proxies of origin: {names}."
        if rows:
            yield Table([(head,) for head in heads], rows, note)
