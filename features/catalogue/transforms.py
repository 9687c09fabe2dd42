"""Operators that turn reads and facts into features, and rates in which late events count more.

Finishers work on float64 with correctly rounded operations alone (the four and the square root), so
that they give the same bits everywhere, and are cast once to float32; unknown stays NaN. Features
of one operator are finished together, and their common inputs are prepared once. Each operator is
written twice, for arrays and for one row in Python's own floats; both give the same float64, and
one row needs no call of numpy.

In a recent rate the weight of an event halves every ``HALF_LIFE`` days, in steps: the sum over each
window has a fixed weight, and an event counts for all windows that it lies in. Windows are
differences of cumulative counters as everywhere, so a counter needs to remember nothing more.
Weights are whole sixty-fourths: a weighted sum of integers is exact in float64, in any order.

A smuggler has so many loads a year, however many other crossings he has: one find on a firm with a
thousand passages says little of the next passage, and much on a firm with ten. In a rate of
seizures each passage therefore counts as part of an inspection without a find, and a find elsewhere
counts as a find.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import log, nan, sqrt
from typing import Any

import numpy as np

from engine.domain.time_units import DAY
from features.catalogue.event_streams import CROSSINGS, FINDS, INSPECTIONS
from features.catalogue.mirror_features import (
    finish_match,
    finish_matched,
    finish_one_match,
    finish_one_matched,
)
from features.catalogue.spec import EVER, Fact, Feature, Floats, Read, Stream

HALF_LIFE = 90
"""Days after which an event counts half."""
WINDOWS = (90, 365)
"""Days, ascending; older events count nothing."""
_PARTS = 64
RowValues = Sequence[float]


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


def weigh_one(
    own: Sequence[RowValues], weights: Sequence[RowValues]
) -> tuple[RowValues, RowValues]:
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


Item = Read | Fact


@dataclass(frozen=True, slots=True)
class Operator:
    """How features of one kind are finished."""

    of_rows: Callable[..., Floats]
    """Takes own inputs (n_own, k, n), common inputs (n_common, n) and parameters (k, 1) of k
    features and n rows; returns float64 (k, n)."""
    of_one: Callable[..., RowValues]
    """The same for one row: own inputs (n_own, k), common inputs (n_common,), parameters (k,)."""
    common: tuple[int, ...] = ()
    """Places of the inputs that features share with others to be finished together."""


def _divide(part: Floats, whole: Floats) -> Floats:
    """Quotient, NaN where the divisor is not positive; elementwise and free of warnings."""
    out = np.full(part.shape, np.nan)
    np.divide(part, whole, out=out, where=whole > 0.0)
    return out


def _rate(own: Floats | Sequence[Floats], common: Floats, strength: Any) -> Floats:
    hits, events = own
    all_hits, all_events = common
    # One hit in fifty is where a base rate starts from before anything is known.
    base = (all_hits + 1.0) / (all_events + 50.0)
    rate: Floats = (hits + strength * base) / (events + strength)
    return rate


def _rate_of_one(own: Sequence[RowValues], common: RowValues, strength: RowValues) -> RowValues:
    all_hits, all_events = common
    base = (all_hits + 1.0) / (all_events + 50.0)
    return [(hits + s * base) / (n + s) for hits, n, s in zip(*own, strength, strict=True)]


def _is_zero(own: Floats, _common: Floats) -> Floats:
    (x,) = own
    return np.where(x != x, nan, x == 0.0)


def _first_comparable(own: Floats, _common: Floats) -> Floats:
    _, comparable, ever = own
    found = _is_zero(own[:1], _common)
    np.copyto(found, nan, where=(comparable == 0.0) & (ever > 0.0))
    return found


def _first_comparable_of_one(own: Sequence[RowValues], _common: RowValues) -> RowValues:
    return [
        nan if seen != seen or (comparable == 0.0 and ever > 0.0) else float(seen == 0.0)
        for seen, comparable, ever in zip(*own, strict=True)
    ]


def _differs(own: Floats, _common: Floats) -> Floats:
    gap = own[0] - own[1]  # NaN where either is, and NaN is not even equal to itself
    return np.where(gap != gap, nan, gap != 0.0)


def _differs_of_one(own: Sequence[RowValues], _common: RowValues) -> RowValues:
    gaps = (now - then for now, then in zip(*own, strict=True))
    return [nan if gap != gap else float(gap != 0.0) for gap in gaps]


def _distance(own: Floats, _common: Floats) -> Floats:
    x, y, z = (own[axis] - own[axis + 3] for axis in range(3))
    found: Floats = np.sqrt(x * x + y * y + z * z)
    return found


def _distance_of_one(own: Sequence[RowValues], _common: RowValues) -> RowValues:
    gaps = ((x - a, y - b, z - c) for x, y, z, a, b, c in zip(*own, strict=True))
    return [sqrt(x * x + y * y + z * z) for x, y, z in gaps]


def _ratio_of_one(own: Sequence[RowValues], _common: RowValues, scale: RowValues) -> RowValues:
    return [x / s / y if y > 0.0 else nan for x, y, s in zip(*own, scale, strict=True)]


def _against(own: Floats, _common: Floats, scale: Any) -> Floats:
    return _divide(own[0], _divide(own[1] / scale, own[2]))


def _against_of_one(own: Sequence[RowValues], common: RowValues, scale: RowValues) -> RowValues:
    usual = _ratio_of_one(own[1:], common, scale)
    return [x / u if u > 0.0 else nan for x, u in zip(own[0], usual, strict=True)]


def _spread(_own: Floats, common: Floats, part: Any, scale: Any) -> Floats:
    """Largest, second and sum of the values that are known, k features of n rows."""
    ordered = np.sort(np.where(np.isnan(common), -np.inf, common), axis=0)
    total = np.where(np.isinf(ordered[-1]), nan, np.nansum(common, axis=0))
    parts = np.stack([ordered[-1], ordered[-2], total])
    parts[np.isinf(parts)] = nan
    made: Floats = parts[part[:, 0].astype(np.intp)] / scale
    return made


def _spread_of_one(
    _own: Sequence[RowValues], common: RowValues, part: RowValues, scale: RowValues
) -> RowValues:
    known = [x for x in common if x == x]
    largest, second = [*sorted(known, reverse=True)[:2], nan, nan][:2]
    parts = largest, second, sum(known) if known else nan
    return [parts[int(which)] / s for which, s in zip(part, scale, strict=True)]


OPERATORS: Mapping[str, Operator] = {
    "value": Operator(lambda own, _: own[0], lambda own, _: own[0]),
    "scaled": Operator(
        lambda own, _, scale: own[0] / scale,
        lambda own, _, scale: [x / s for x, s in zip(own[0], scale, strict=True)],
    ),
    "ratio": Operator(lambda own, _, scale: _divide(own[0] / scale, own[1]), _ratio_of_one),
    "rate": Operator(_rate, _rate_of_one, (2, 3)),
    "recent_rate": Operator(
        lambda own, common, strength, *weights: _rate(weigh(own, weights), common, strength),
        lambda own, common, strength, *weights: _rate_of_one(
            weigh_one(own, weights), common, strength
        ),
        (2, 3),
    ),
    "since": Operator(
        lambda own, common: (common[0] - own[0]) / float(DAY),
        lambda own, common: [(common[0] - x) / float(DAY) for x in own[0]],
        (0,),
    ),
    "less": Operator(
        lambda own, _, scale: (own[0] - own[1]) / scale,
        lambda own, _, scale: [(x - y) / s for x, y, s in zip(*own, scale, strict=True)],
    ),
    "distance": Operator(_distance, _distance_of_one),
    "is_zero": Operator(
        _is_zero, lambda own, _: [nan if x != x else float(x == 0.0) for x in own[0]]
    ),
    "first_comparable": Operator(_first_comparable, _first_comparable_of_one),
    "differs": Operator(_differs, _differs_of_one),
    "against": Operator(_against, _against_of_one),
    "matched": Operator(finish_matched, finish_one_matched, tuple(range(1, 12))),
    "match": Operator(finish_match, finish_one_match, tuple(range(11))),
    "spread": Operator(_spread, _spread_of_one, tuple(range(6))),
}


@dataclass(frozen=True, slots=True)
class FeatureBatch:
    """Features that are computed together: of one operator, with the same common inputs."""

    operator: str
    places: tuple[int, ...]
    """Which features, k of them."""
    own: tuple[tuple[Item, ...], ...]
    """Inputs of their own, by input, then by feature."""
    common: tuple[Item, ...]
    parameters: tuple[Floats, ...]
    """Each of shape (k, 1)."""
    of_one: tuple[RowValues, ...]
    """The same for one row."""

    def finish(self, own: Floats, common: Floats) -> Floats:
        """Compute the features of n rows.

        Parameters
        ----------
        own : float64 array of shape (n_own, k, n)
            Inputs of each feature; NaN where unknown.
        common : float64 array of shape (n_common, n)
            Inputs that all k features share.

        Returns
        -------
        float64 array of shape (k, n)
            In each feature's unit; NaN where unknown.
        """
        return OPERATORS[self.operator].of_rows(own, common, *self.parameters)

    def finish_one(self, own: Sequence[RowValues], common: RowValues) -> RowValues:
        """Return the features of one row from inputs (n_own, k) and (n_common,)."""
        return OPERATORS[self.operator].of_one(own, common, *self.of_one)


def batch_features(features: Mapping[int, Feature]) -> list[FeatureBatch]:
    """Group features, each with its place, into batches that are computed together."""
    found: dict[tuple[str, tuple[Item, ...]], list[int]] = {}
    for place, feature in features.items():
        common = tuple(feature.inputs[at] for at in OPERATORS[feature.operator].common)
        found.setdefault((feature.operator, common), []).append(place)
    return [
        _batch(operator, common, {place: features[place] for place in places})
        for (operator, common), places in found.items()
    ]


def _batch(
    operator: str, common: tuple[Item, ...], features: Mapping[int, Feature]
) -> FeatureBatch:
    own = [
        [item for at, item in enumerate(feature.inputs) if at not in OPERATORS[operator].common]
        for feature in features.values()
    ]
    parameters = _columns([feature.parameters for feature in features.values()])
    return FeatureBatch(
        operator,
        tuple(features),
        _columns(own),
        common,
        tuple(np.array(column, np.float64)[:, None] for column in parameters),
        parameters,
    )


def _columns(rows: Sequence[Sequence[Any]]) -> tuple[tuple[Any, ...], ...]:
    return tuple(zip(*rows, strict=True))
