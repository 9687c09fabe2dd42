"""Growth of costs with the history: powers between two sizes, and a picture of all sizes."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes

from experiments.benchmarks.scale.sized_home import SizedHome
from experiments.support.benchmark_harness import Row, row
from models.evaluation.report_html import draw_plot

MOST_STEEP = 1.1
"""Power of the number of crossings: a sort adds a logarithm to a line, a tenth over two decades."""
_MARKS = ("o", "s", "^", "D", "v", "P")


def measure_costs(home: SizedHome) -> dict[str, float]:
    """Return what a home took: processor seconds, megabytes of memory and of disk."""
    costs = {
        "load, s": home.load.seconds,
        "load, MB of memory": home.load.peak / 1e6,
        "disk, MB": home.disk_bytes / 1e6,
    }
    if home.features is not None:
        costs["features, s"] = home.features.seconds
    if home.train is not None:
        costs |= {
            "train, s": home.train.seconds,
            "train, MB of memory": home.train.peak / 1e6,
        }
    return costs


def fit_powers(small: SizedHome, large: SizedHome) -> list[Row]:
    """Return for each cost the power of the number of crossings that leads from one to the other.

    A power of 1 is growth in proportion. What a process takes at any size makes it smaller.
    """
    few, many = measure_costs(small), measure_costs(large)
    times = math.log(large.crossings / small.crossings)
    sizes = f"{small.crossings:,} to {large.crossings:,} crossings"
    return [
        row(
            f"{sizes}: {name}",
            "power",
            math.log(many[name] / few[name]) / times,
            f"<= {MOST_STEEP}",
        )
        for name in few
        if name in many
    ]


def draw(homes: Sequence[SizedHome], out: Path) -> None:
    """Write the costs of homes of several sizes as SVG, both axes logarithmic."""
    costs: Mapping[int, Mapping[str, float]] = {
        home.crossings: measure_costs(home) for home in homes
    }
    names = dict.fromkeys(name for each in costs.values() for name in each)

    def plot(axes: Axes) -> None:
        for mark, name in zip(_MARKS, names, strict=False):
            known = [(size, each[name]) for size, each in costs.items() if name in each]
            axes.plot(*zip(*known, strict=True), marker=mark, label=name)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("crossings loaded (SYNTHETIC)")
        axes.legend()

    text = "Processor seconds and megabytes by the number of crossings in a home."
    out.write_text(draw_plot(plot, name="scale", text=text).svg, "utf-8")
