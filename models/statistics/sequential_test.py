"""Sequential test of whether inspections still find what was stated (an e-detector).

Assumes that stated chances may be off by a fifth of their odds for no reason worth an alarm. What
is beyond that is gathered as evidence: how much likelier the outcomes are if the odds have fallen
to 0.6, 0.4 or 0.2 of what was stated, summed over every time at which that could have begun
(Shiryaev, 1963; as an e-detector: Shin, Ramdas and Rinaldo, 2022). While stated chances hold, the
evidence after t periods is t at most on average: it stays below the threshold for that many periods
on average, however often it is looked at, and within t periods an alarm has a probability of at
most t / threshold.

Restarting the detector discards the accumulated evidence, so that a slow loss is found late or
never. And it may be looked at within a period as well, after any search: no more
than one is added for each period that has begun.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.array_types import Floats, Labels

TOLERANCE = 0.8
"""Stated odds times this are still as stated."""
FALLEN = (0.6, 0.4, 0.2)
"""Multiples of the stated odds that the alarm looks for."""
RISEN = (1.7, 2.5, 5.0)
"""The same for random checks, which find more than stated where something new goes unseen."""
QUIET = 1.0
"""Evidence up to this is what a period without any change leaves."""
THRESHOLD = 520.0
"""Periods between false alarms at least, on average: ten years of weeks."""


@dataclass(frozen=True, slots=True)
class EDetector:
    """Evidence that outcomes have left what was stated, one part for each alternative."""

    odds: tuple[float, ...] = FALLEN
    evidence: tuple[float, ...] = (0.0, 0.0, 0.0)
    periods: int = 0
    began: int = 0
    """The last period whose evidence was none: what changed, changed about then."""
    highest: float = 0.0
    """The most evidence that there was after any search: an alarm that was given stays said."""

    @property
    def total(self) -> float:
        """The evidence of all alternatives together."""
        return sum(self.evidence) / len(self.evidence)

    @property
    def is_alarming(self) -> bool:
        """Whether stated chances can no longer be believed."""
        return self.total >= THRESHOLD

    @property
    def has_alarmed(self) -> bool:
        """Whether they could not be believed after any of the searches so far."""
        return self.highest >= THRESHOLD

    def as_dict(self) -> dict[str, Any]:
        """Return what a report keeps of it."""
        return {
            "weeks": self.periods,
            "evidence": self.total,
            "threshold": THRESHOLD,
            "alarmed": self.has_alarmed,
        }


def watch_more() -> EDetector:
    """Return a watch over random checks, which alarms when they find more than stated."""
    return EDetector(odds=RISEN)


def update_detector(watch: EDetector, stated: Floats, found: Labels) -> EDetector:
    """Return the watch after one more period.

    Parameters
    ----------
    watch : Watch
    stated : float64 array of shape (k,)
        Chance of a find as stated before each search of the period, by the model then in force.
    found : int8 array of shape (k,)
        1 or 0, in the order in which they became known. Searches whose outcome is not known yet
        belong to the period in which it is.
    """
    fallen = watch.odds[0] < 1
    odds = np.clip(stated, 1e-9, 1 - 1e-9)
    odds = odds / (1 - odds)
    held = odds * (TOLERANCE if fallen else 1 / TOLERANCE)
    grown = np.empty((len(watch.odds), len(stated) + 1))
    for row, before, multiple in zip(grown, watch.evidence, watch.odds, strict=True):
        changed = odds * multiple
        gain = (
            np.where(found == 1, np.log(changed / held), 0.0) + np.log1p(held) - np.log1p(changed)
        )
        # Far beyond the threshold the exact number says no more.
        so_far = np.minimum(np.concatenate(([0.0], np.cumsum(gain))), 60.0)
        row[:] = np.minimum(1e30, (before + 1.0) * np.exp(so_far))
    made = replace(
        watch,
        evidence=tuple(grown[:, -1].tolist()),
        periods=watch.periods + 1,
        highest=max(watch.highest, float(grown.mean(axis=0).max())),
    )
    return replace(made, began=made.periods) if made.total <= QUIET else made


def over(
    watch: EDetector, stated: Floats, found: Labels, *, periods: NDArray[np.int64]
) -> EDetector:
    """Return the watch after many searches, period by period.

    Parameters
    ----------
    stated, found : arrays of shape (n,)
        As :func:`after` takes them.
    periods : int64 array of shape (n,)
        The number of the period in which each became known; one without a search adds nothing.
    """
    for period in np.unique(periods):
        here = periods == period
        watch = update_detector(watch, stated[here], found[here])
    return watch
