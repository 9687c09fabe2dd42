"""Plots of an evaluation report as small SVG, readable without colours.

Assumes the dictionary of :mod:`models.evaluation.report`. Kinds of line, marker and place carry the
meaning, colour only repeats it; every plot has a sentence for those who do not see it.
"""

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from models.array_types import Floats
from models.evaluation.report_text import count_noun

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


def capture(axes: Axes, report: Report, *, target: str) -> None:
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


def reliability(axes: Axes, report: Report, *, target: str) -> None:
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


def outcomes(axes: Axes, report: Report) -> None:
    """Where the risks of each outcome lie: median, middle half and middle nine tenths."""
    kept = report["scores_by_outcome"]
    for place, one in enumerate(kept.values()):
        q = [max(_LEAST_RISK, value) for value in one["quantiles"]]
        axes.plot([q[1], q[19]], [place, place], color=GREY, linewidth=1.5)
        axes.plot([q[5], q[15]], [place, place], color=BLUE, linewidth=7, alpha=0.55)
        axes.plot([q[10]], [place], "|", color=INK, markersize=14, markeredgewidth=2)
    axes.set_yticks(range(len(kept)), [f"{name} ({o['rows']:,})" for name, o in kept.items()])
    axes.set(xscale="log", xlabel="risk", ylim=(-0.6, len(kept) - 0.4))


def rates(axes: Axes, report: Report, *, column: str) -> None:
    """Hit rates of inspections by group with their intervals, next to the mean stated chance."""
    groups = {
        name: one
        for name, one in reversed(report["groups"][column].items())
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


def families(axes: Axes, report: Report) -> None:
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


def drift(axes: Axes, report: Report) -> None:
    """How far the farthest features have moved since the ninety days before."""
    kept = list(reversed(report["drift"]["features"]))
    for place, one in enumerate(kept):
        axes.plot([0, one["psi"]], [place, place], color=GREY, linewidth=1)
        face = RUST if one["moved"] else "white"
        axes.plot([one["psi"]], [place], "o", color=RUST, mfc=face, markersize=6)
    axes.axvline(0.1, color=INK, linewidth=1, linestyle=":")
    axes.set_yticks(range(len(kept)), [one["name"] for one in kept])
    axes.set(xlabel="population stability index", xlim=(0, None))
