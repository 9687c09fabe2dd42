"""How the reads and facts of features become numbers.

Finishers work on float64 with the four correctly rounded operations alone, so that they give the
same bits everywhere, and are cast once to float32; unknown stays NaN. Features of one operator are
finished together, and what all of them are made of is worked out once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.times import DAY
from features.definitions import Fact, Feature, Floats, Read
from features.matching import finish_match, finish_matched

Item = Read | Fact


def _divide(part: Floats, whole: Floats) -> Floats:
    """Quotient, NaN where the divisor is not positive; elementwise and free of warnings."""
    out = np.full(part.shape, np.nan)
    np.divide(part, whole, out=out, where=whole > 0.0)
    return out


def _differs(own: Floats, _common: Floats) -> Floats:
    gap = own[0] - own[1]  # NaN where either is, and NaN is not even equal to itself
    return np.where(gap != gap, np.nan, gap != 0.0)


def _rate(own: Floats, common: Floats, strength: Any) -> Floats:
    hits, events = own
    all_hits, all_events = common
    # One hit in fifty is where a base rate starts from before anything is known.
    base = (all_hits + 1.0) / (all_events + 50.0)
    rate: Floats = (hits + strength * base) / (events + strength)
    return rate


def _is_zero(own: Floats, _common: Floats) -> Floats:
    (x,) = own
    return np.where(x != x, np.nan, x == 0.0)


@dataclass(frozen=True, slots=True)
class Operator:
    """How features of one kind are finished."""

    made: Callable[..., Floats]
    """Takes own inputs (n_own, k, n), common inputs (n_common, n) and parameters (k, 1) of k
    features and n rows; returns float64 (k, n)."""
    common: tuple[int, ...] = ()
    """Places of the inputs that features share with others to be finished together."""


OPERATORS: Mapping[str, Operator] = {
    "value": Operator(lambda own, _: own[0]),
    "scaled": Operator(lambda own, _, scale: own[0] / scale),
    "ratio": Operator(lambda own, _, scale: _divide(own[0] / scale, own[1])),
    "rate": Operator(_rate, (2, 3)),
    "since": Operator(lambda own, common: (common[0] - own[0]) / float(DAY), (0,)),
    "is_zero": Operator(_is_zero),
    "differs": Operator(_differs),
    "against": Operator(
        lambda own, _, scale: _divide(own[0], _divide(own[1] / scale, own[2])),
    ),
    "matched": Operator(finish_matched, tuple(range(1, 12))),
    "match": Operator(finish_match, tuple(range(11))),
}


@dataclass(frozen=True, slots=True)
class Together:
    """Features that are finished in one go: of one operator, with the same common inputs."""

    operator: str
    places: tuple[int, ...]
    """Which features, k of them."""
    own: tuple[tuple[Item, ...], ...]
    """Inputs of their own, by input, then by feature."""
    common: tuple[Item, ...]
    parameters: tuple[Floats, ...]
    """Each of shape (k, 1)."""

    def finish(self, own: Floats, common: Floats) -> Floats:
        """Return float64 features (k, n) from inputs (n_own, k, n) and (n_common, n)."""
        return OPERATORS[self.operator].made(own, common, *self.parameters)


def together(features: Mapping[int, Feature]) -> list[Together]:
    """Sort features, each with its place, into those that are finished in one go."""
    found: dict[tuple[str, tuple[Item, ...]], list[int]] = {}
    for place, feature in features.items():
        common = tuple(feature.inputs[at] for at in OPERATORS[feature.operator].common)
        found.setdefault((feature.operator, common), []).append(place)
    return [
        Together(
            operator,
            tuple(places),
            _columns([_own(features[place]) for place in places]),
            common,
            tuple(
                np.array(column, np.float64)[:, None]
                for column in _columns([features[place].parameters for place in places])
            ),
        )
        for (operator, common), places in found.items()
    ]


def _own(feature: Feature) -> tuple[Item, ...]:
    common = OPERATORS[feature.operator].common
    return tuple(item for at, item in enumerate(feature.inputs) if at not in common)


def _columns(rows: Sequence[tuple[Any, ...]]) -> tuple[tuple[Any, ...], ...]:
    return tuple(zip(*rows, strict=True))
