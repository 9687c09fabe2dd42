"""Operators that turn reads and facts into features.

Finishers work on float64 with the four correctly rounded operations alone, so that they give the
same bits everywhere, and are cast once to float32; unknown stays NaN. Features of one operator are
finished together, and their common inputs are prepared once.

Each operator is written twice: for arrays, and for one row in Python's own floats. They are the
same float64, and a call of numpy takes as long as twenty of their operations.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np

from engine.domain.time_units import DAY
from features.catalogue.mirror_features import (
    finish_match,
    finish_matched,
    finish_one_match,
    finish_one_matched,
)
from features.catalogue.recency import weigh, weigh_one
from features.catalogue.spec import Fact, Feature, Floats, Read

Item = Read | Fact
Values = Sequence[float]


@dataclass(frozen=True, slots=True)
class Operator:
    """How features of one kind are finished."""

    of_rows: Callable[..., Floats]
    """Takes own inputs (n_own, k, n), common inputs (n_common, n) and parameters (k, 1) of k
    features and n rows; returns float64 (k, n)."""
    of_one: Callable[..., Values]
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


def _rate_of_one(own: Sequence[Values], common: Values, strength: Values) -> Values:
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


def _first_comparable_of_one(own: Sequence[Values], _common: Values) -> Values:
    return [
        nan if seen != seen or (comparable == 0.0 and ever > 0.0) else float(seen == 0.0)
        for seen, comparable, ever in zip(*own, strict=True)
    ]


def _differs(own: Floats, _common: Floats) -> Floats:
    gap = own[0] - own[1]  # NaN where either is, and NaN is not even equal to itself
    return np.where(gap != gap, nan, gap != 0.0)


def _differs_of_one(own: Sequence[Values], _common: Values) -> Values:
    gaps = (now - then for now, then in zip(*own, strict=True))
    return [nan if gap != gap else float(gap != 0.0) for gap in gaps]


def _ratio_of_one(own: Sequence[Values], _common: Values, scale: Values) -> Values:
    return [x / s / y if y > 0.0 else nan for x, y, s in zip(*own, scale, strict=True)]


def _against(own: Floats, _common: Floats, scale: Any) -> Floats:
    return _divide(own[0], _divide(own[1] / scale, own[2]))


def _against_of_one(own: Sequence[Values], common: Values, scale: Values) -> Values:
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


def _spread_of_one(_own: Sequence[Values], common: Values, part: Values, scale: Values) -> Values:
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
    of_one: tuple[Values, ...]
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

    def finish_one(self, own: Sequence[Values], common: Values) -> Values:
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
