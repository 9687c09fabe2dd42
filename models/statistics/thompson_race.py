"""Thompson sampling between a champion and a challenger after a change.

Assumes that it is unknown at the alarm whether half of the old knowledge still holds. So both
stay: the champion, fitted on everything, and a challenger, fitted on what came since the change.
They share the searches on which they disagree by what they find there (Thompson, 1933), never less
than a floor for either, until one is clearly better or the time is over. While there is no alarm
there is one champion and nothing is shared, so where nothing shifts nothing is lost.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import betainc, betaln

from models.array_types import Floats, Mask

FLOOR = 0.1
"""Least share of the disputed searches for either side: without it the worse can never recover."""
MEMORY = 0.92
"""What a period's finds weigh in the next: a challenger that learns is not judged by its start."""
SHORTEST, LONGEST = 6, 26
"""Periods of a race, weeks say, before and after which it is decided."""
SURE = 0.99
_GRID = 2001


@dataclass(frozen=True, slots=True)
class ArmCounts:
    """What champion and challenger found where they disagreed, and for how long they have raced."""

    champion: tuple[float, float] = (0.0, 0.0)
    """Finds, and searches without one; older ones weigh less."""
    challenger: tuple[float, float] = (0.0, 0.0)
    periods: int = 0

    @property
    def better(self) -> float:
        """Chance that the challenger's disputed searches find more, under even priors."""
        return more_likely(self.challenger, self.champion)

    @property
    def share(self) -> float:
        """Probability with which the challenger's word decides a disputed search."""
        return float(np.clip(self.better, FLOOR, 1 - FLOOR))

    @property
    def winner(self) -> str | None:
        """``champion`` or ``challenger`` once the race is decided, else None."""
        better, over = self.better, self.periods >= LONGEST
        if self.periods < SHORTEST:
            return None
        if better >= SURE or (over and better >= 0.5):
            return "challenger"
        return "champion" if better <= 1 - SURE or over else None


def propensities(champion: Mask, challenger: Mask, *, share: float) -> Floats:
    """Return how likely each arrival is searched when two rankings share one budget.

    Parameters
    ----------
    champion, challenger : bool arrays of shape (n,)
        Arrivals within capacity by each ranking; ``share`` in [0, 1] is the challenger's.

    Returns
    -------
    float64 array of shape (n,)
        1 where both want it, ``share`` or ``1 - share`` where one does, 0 elsewhere: as many
        searches as one ranking would take, if both take as many. One number a movement decides, so
        these are the propensities to log.
    """
    return np.where(challenger, share, 0.0) + np.where(champion, 1.0 - share, 0.0)


def update_counts(
    race: ArmCounts, *, champion: tuple[int, int], challenger: tuple[int, int]
) -> ArmCounts:
    """Return the race after one more period, given finds, and searches without one, of each side.

    They are of arrivals that this side alone wanted. What both wanted says nothing about either.
    """

    def accumulate(before: tuple[float, float], now: tuple[int, int]) -> tuple[float, float]:
        return before[0] * MEMORY + now[0], before[1] * MEMORY + now[1]

    return replace(
        race,
        champion=accumulate(race.champion, champion),
        challenger=accumulate(race.challenger, challenger),
        periods=race.periods + 1,
    )


def more_likely(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Return the chance that one hit rate exceeds another, given finds and misses of both.

    Posteriors are Beta with one find and one miss added to each side.
    """
    a, b = one[0] + 1.0, one[1] + 1.0
    edges = np.linspace(0.0, 1.0, _GRID)
    middle = (edges[1:] + edges[:-1]) / 2
    density = np.exp((a - 1) * np.log(middle) + (b - 1) * np.log1p(-middle) - betaln(a, b))
    below = betainc(other[0] + 1.0, other[1] + 1.0, middle)
    return float(np.clip(density @ below / density.sum(), 0.0, 1.0))
