"""Small charts for pages: where the bars, dots and lines of our own SVG stand.

Numbers are placed here and drawn by ``figures.html``; a chart never says what the table beside it
does not.
"""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 600, 90
_TOP = 8
"""Room above the tallest bar."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One upright bar."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Bars:
    """Counts side by side, all on one scale that begins at nothing."""

    bars: tuple[Bar, ...]
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
        Bar(
            round(place * step, 1),
            round(HEIGHT - height(value), 1),
            round(max(step - 1, 1), 1),
            round(height(value), 1),
        )
        for place, value in enumerate(values)
    )
    return Bars(tuple(found), most, mean, round(HEIGHT - height(mean), 1))
