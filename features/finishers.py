"""How the reads and facts of a feature become one number.

Finishers work on float64 with the four correctly rounded operations alone, so that they give the
same bits everywhere, and are cast once to float32; unknown stays NaN.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from engine.times import DAY
from features.definitions import Floats
from features.matching import FINISHERS


def _divide(part: Floats, whole: Floats) -> Floats:
    """Quotient, NaN where the divisor is not positive; elementwise and free of warnings."""
    out = np.full(np.shape(part), np.nan)
    np.divide(part, whole, out=out, where=whole > 0.0)
    return out


def _differs(now: Floats, then: Floats) -> Floats:
    unknown = np.isnan(now) | np.isnan(then)
    return np.where(unknown, np.nan, (now != then).astype(np.float64))


def _rate(hits: Floats, events: Floats, all_hits: Floats, all_events: Floats, s: Any) -> Floats:
    # One hit in fifty is where a base rate starts from before anything is known.
    base = (all_hits + 1.0) / (all_events + 50.0)
    rate: Floats = (hits + s * base) / (events + s)
    return rate


OPERATORS: Mapping[str, Callable[..., Floats]] = {
    "value": lambda x: x,
    "scaled": lambda x, scale: x / scale,
    "ratio": lambda x, y, scale: _divide(x / scale, y),
    "rate": _rate,
    "since": lambda now, then: (now - then) / float(DAY),
    "is_zero": lambda x: np.where(np.isnan(x), np.nan, (x == 0.0).astype(np.float64)),
    "differs": _differs,
    "against": lambda fact, x, y, scale: _divide(fact, _divide(x / scale, y)),
}
"""Elementwise finishers: inputs, then parameters, broadcast; float64 in, float64 out."""


def finish(operator: str, inputs: Sequence[Floats] | Floats, parameters: Sequence[Any]) -> Floats:
    """Return float64 features from their inputs, all of one shape, which stand on a first axis."""
    if operator in FINISHERS:
        return FINISHERS[operator](np.asarray(inputs), *parameters)
    return OPERATORS[operator](*inputs, *parameters)
