"""Data errors of synthetic records.

Readers confuse characters, posts write plates in their own way, fields stay empty. Dirty is not
invalid: every record keeps to the contract.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from experiments.synthetic.config import Bools, Floats, Ints
from experiments.synthetic.world.network import POSTS
from experiments.synthetic.world.vehicle_identifiers import STYLES

_CONFUSED = {
    "0": "O", "O": "0", "8": "B", "B": "8", "1": "I", "I": "1", "5": "S", "S": "5", "6": "G",
    "2": "Z", "Z": "2", "M": "H", "H": "N", "N": "M", "7": "1", "3": "8", "9": "0", "4": "A",
}  # fmt: skip
MISREAD = 0.015
OWN_STYLE = 0.86
NO_PLATE = 0.006


def styles(rng: np.random.Generator, post: Ints) -> Ints:
    """Return how each reading is written, shape (n,): mostly in the post's own style."""
    own = np.array([STYLES.index(p.script) for p in POSTS])[post]
    other = rng.integers(0, len(STYLES), len(post))
    return np.where(rng.random(len(post)) < OWN_STYLE, own, other)


def misread(rng: np.random.Generator, readings: pa.Array, *, share: float = MISREAD) -> pa.Array:
    """Confuse one character in some readings, as plate readers do."""
    rows = np.flatnonzero(rng.random(len(readings)) < share)
    if len(rows) == 0:
        return readings
    places = rng.random(len(rows))
    wrong: list[str | None] = []
    for text, place in zip(readings.take(pa.array(rows)).to_pylist(), places.tolist(), strict=True):
        if text is None:
            wrong.append(None)
            continue
        at = int(place * len(text))
        wrong.append(text[:at] + _CONFUSED.get(text[at].upper(), text[at]) + text[at + 1 :])
    mask = np.zeros(len(readings), dtype=np.bool_)
    mask[rows] = True
    return pc.replace_with_mask(readings, pa.array(mask), pa.array(wrong, pa.string()))


def blank(values: pa.Array, where: Bools) -> pa.Array:
    """Leave some fields empty, by a mask of shape (n,)."""
    return pc.if_else(pa.array(where), pa.scalar(None, values.type), values)


def leave_out(rng: np.random.Generator, values: pa.Array, share: float) -> pa.Array:
    """Leave a random share of fields empty."""
    return blank(values, some(rng, len(values), share))


def some(rng: np.random.Generator, count: int, share: float | Floats) -> Bools:
    """Return which of ``count`` rows are in a random share, shape (count,)."""
    return np.asarray(rng.random(count) < share)
