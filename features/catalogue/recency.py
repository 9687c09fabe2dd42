"""Rates in which late inspections count more, and rates of seizures that traffic holds down.

The weight of an event halves every ``HALF_LIFE`` days, in steps: the sum over each window has a
fixed weight, and an event counts for all windows that it lies in. Windows are differences of
cumulative counters as everywhere, so a weighted sum is as exact as they are, and a counter needs to
remember nothing more. Weights are whole sixty-fourths: a weighted sum of integers is then exact in
float64, in any order, on every engine.

Who smuggles has so many loads a year, whatever else crosses with him: one find on a firm with a
thousand passages says little of the next one, and much on a firm with ten. So in a rate of seizures
each passage counts as part of an inspection without a find, and a find elsewhere counts as one.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from math import log
from typing import Any

from engine.domain.time_units import DAY
from features.catalogue.event_streams import CROSSINGS, FINDS, INSPECTIONS
from features.catalogue.spec import EVER, Feature, Floats, Read, Stream

HALF_LIFE = 90
"""Days after which an event counts half."""
WINDOWS = (90, 365)
"""Days, ascending; older events count nothing."""
_PARTS = 64
Values = Sequence[float]


def step_weights(half_life: float, windows: Sequence[int]) -> tuple[float, ...]:
    """Return the weight of the sum over each window, in whole sixty-fourths.

    An event weighs the sum over the windows that it lies in: about the mean of ``2 ** (-age /
    half_life)`` over all ages that lie in the same windows.

    Examples
    --------
    >>> step_weights(90, (90, 365))
    (0.515625, 0.203125)
    """
    means = [
        (2 ** (-begin / half_life) - 2 ** (-end / half_life)) / log(2) * half_life / (end - begin)
        for begin, end in pairwise((0, *windows))
    ]
    weights = [round(_PARTS * mean) for mean in (*means, 0.0)]
    return tuple((weight - older) / _PARTS for weight, older in pairwise(weights))


WEIGHTS = step_weights(HALF_LIFE, WINDOWS)
"""Of each window."""


PASSAGE, ELSEWHERE = 8 / _PARTS, 24 / _PARTS
"""Weights of a passage, as an inspection without a find, and of a find elsewhere, both within the
longest window, over which an inspection weighs a third on average."""


def recent_rate(stream: Stream, measure: str, who: str, strength: float) -> Feature:
    """Rate of a measure in which late events count more, shrunk as ``smoothed_rate`` is.

    Inputs are the sum of the measure and the number of events within the shortest window, the same
    of all events ever known, then the same within each longer window. Such a rate is stated by the
    counts of the shortest window. ``strength`` is in events of full weight; after it stand, of each
    window, the weights of the sum and of the number.
    """

    def counts(by: tuple[str, ...], window: int) -> list[Read]:
        return [Read(stream.name, by, by, name, window) for name in (measure, "n")]

    shortest, *longer = [counts((who,), days * DAY) for days in WINDOWS]
    reads = [*shortest, *counts((), EVER), *(read for pair in longer for read in pair)]
    meaning = (
        f"{measure} rate of {stream.plural} of the same {who} within {WINDOWS[-1]} days, of which "
        f"the last {WINDOWS[0]} count most, smoothed"
    )
    weights = (weight for weight in WEIGHTS for _ in range(2))
    return Feature("recent_rate", tuple(reads), (strength, *weights), "share", meaning)


def seizure_rate(who: str, strength: float) -> Feature:
    """Recent rate of seizures, held down by traffic; finds elsewhere count as seizures."""
    recent = recent_rate(INSPECTIONS, "seizure", who, strength)
    window = WINDOWS[-1] * DAY
    traffic = (Read(stream.name, (who,), (who,), "n", window) for stream in (FINDS, CROSSINGS))
    return replace(
        recent,
        inputs=(*recent.inputs, *traffic),
        parameters=(*recent.parameters, ELSEWHERE, PASSAGE),
        meaning=f"{recent.meaning}; held down by its crossings, finds elsewhere included",
    )


def weigh(own: Floats, weights: Sequence[Any]) -> tuple[Floats, Floats]:
    """Return weighted sums of a measure and weighted numbers of events.

    Parameters
    ----------
    own : float64 array of shape (2 * n_windows, k, n)
        Of each window the sum and the number; NaN where the entity is not known.
    weights : 2 * n_windows float64 arrays of shape (k, 1)

    Returns
    -------
    two float64 arrays of shape (k, n)
    """
    found, events = own[0] * weights[0], own[1] * weights[1]
    for place in range(2, len(weights), 2):
        found += own[place] * weights[place]
        events += own[place + 1] * weights[place + 1]
    return found, events


def weigh_one(own: Sequence[Values], weights: Sequence[Values]) -> tuple[Values, Values]:
    """Return the same for one row, from inputs of shape (2 * n_windows, k)."""
    found, events = (
        [
            sum(x * weight for x, weight in zip(column, own_weights, strict=True))
            for column, own_weights in zip(
                zip(*own[start::2], strict=True), zip(*weights[start::2], strict=True), strict=True
            )
        ]
        for start in (0, 1)
    )
    return found, events
