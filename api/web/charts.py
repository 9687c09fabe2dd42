"""Small charts for pages: where the bars, dots and lines of our own SVG stand.

Numbers are placed here and drawn by ``figures.html``; a chart never says what the table next to it
does not.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 600, 90
_TOP = 8
"""Room above the tallest bar."""


@dataclass(frozen=True, slots=True)
class ChartBar:
    """One upright bar."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Bars:
    """Counts side by side, all on one scale that begins at nothing."""

    bars: tuple[ChartBar, ...]
    most: float
    mean: float
    mean_y: float
    width: int = WIDTH
    height: int = HEIGHT


def bars(values: Sequence[float]) -> Bars | None:
    """Return counts as bars with their mean; None where there are none."""
    if not values:
        return None
    most, step = max(values), WIDTH / len(values)
    mean = sum(values) / len(values)

    def height(value: float) -> float:
        return (HEIGHT - _TOP) * value / (most or 1.0)

    found = (
        ChartBar(
            round(place * step, 1),
            round(HEIGHT - height(value), 1),
            round(max(step - 1, 1), 1),
            round(height(value), 1),
        )
        for place, value in enumerate(values)
    )
    return Bars(tuple(found), most, mean, round(HEIGHT - height(mean), 1))


SIDE = 200
"""Width and height of a chart of shares against shares."""


@dataclass(frozen=True, slots=True)
class Dot:
    """One share with its interval, against another share; y runs downwards."""

    x: float
    y: float
    low: float
    high: float


def trace_line(across: Sequence[float], up: Sequence[float]) -> str:
    """Return the points of a line of shares against shares, as SVG takes them."""
    return " ".join(f"{SIDE * x:.1f},{SIDE * (1 - y):.1f}" for x, y in zip(across, up, strict=True))


def stretch_share(share: float) -> float:
    """Return where a share stands on an axis that gives small ones more room."""
    return round(SIDE * math.sqrt(min(max(share, 0.0), 1.0)), 1)


def dots(reliability: Mapping[str, Sequence[float]]) -> list[Dot]:
    """Return bins of stated chances against what was found, both axes stretched near 0."""
    names = ("said", "came", "low", "high")
    return [
        Dot(*(stretch_share(value), *(round(SIDE - stretch_share(one), 1) for one in found)))
        for value, *found in zip(*(reliability[name] for name in names), strict=True)
        if math.isfinite(value)
    ]


PSI_FULL = 4.0
"""Population stability index that fills a bar; both its axis and its marks are stretched near 0."""


def reach(psi: float) -> float:
    """Return how far a population stability index reaches on its bar, of ``SIDE``."""
    return round(SIDE * math.sqrt(min(max(psi, 0.0) / PSI_FULL, 1.0)), 1)
