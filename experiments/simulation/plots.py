"""Two plots of a simulation in one SVG: hits for each hour by policy, and over the year."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_MARKS = ("o", "s", "^", "D", "*")
_LINES = (":", "-.", (0, (3, 1, 1, 1)), "--", "-")
_INKS = ("#7d8890", "#b3541e", "#7a1f2b", "#22303c", "#2f6690")


def draw(result: Mapping[str, Any], out: Path) -> None:
    """Write the plots; marks and kinds of line tell policies apart without colours."""
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "simulate", "font.size": 10}):
        figure = Figure(figsize=(9.0, 3.8), layout="constrained")
        left, right = figure.subplots(1, 2)
        _plot_rates(left, result["policies"])
        _plot_year(right, result)
        figure.suptitle(result["notice"], fontsize=8)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    out.write_text(buffer.getvalue(), "utf-8")


def _plot_rates(axes: Axes, policies: list[Mapping[str, Any]]) -> None:
    for at, one in enumerate(policies):
        seeds = one["by_seed"]
        mark, ink = _MARKS[at % 5], _INKS[at % 5]
        axes.plot([at] * len(seeds), seeds, mark, color=ink, alpha=0.5, markersize=4)
        axes.plot([at], [one["hits_per_hour"]], mark, color=ink, markersize=9)
    axes.set_xticks(range(len(policies)), [one["name"] for one in policies])
    axes.set_ylim(bottom=0.0)
    axes.set_ylabel("hits for each hour of searching")


def _plot_year(axes: Axes, result: Mapping[str, Any]) -> None:
    for at, (name, hits) in enumerate(result["hits_by_shift"].items()):
        total = np.cumsum(hits) / result["seeds"]
        weeks = np.arange(1, len(hits) + 1) * result["shift_days"] / 7
        axes.plot(weeks, total, label=name, linestyle=_LINES[at % 5], color=_INKS[at % 5])
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel("weeks")
    axes.set_ylabel("hits so far, mean of the worlds")
    axes.legend(frameon=False)
