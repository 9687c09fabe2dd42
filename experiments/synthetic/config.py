"""Configuration of a synthetic world: four numbers, and the same four make the same bytes.

Every part of the generator draws from its own stream, named after it, so that a change in one part
leaves the draws of the others alone.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from engine.domain.time_units import DAY

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Columns = TypeVar("Columns", bound="DataclassInstance")
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Config:
    """Size, seed and span of a world."""

    crossings: int
    seed: int
    end: int
    """UTC microseconds; nothing in the files is known at or after it."""
    days: int

    def __post_init__(self) -> None:
        if self.crossings < 1 or self.days < 1 or self.seed < 0:
            raise ValueError("crossings and days must be at least 1, the seed at least 0")

    def rng(self, part: str) -> np.random.Generator:
        """Return the random stream of one part of the generator."""
        name = zlib.crc32(part.encode())
        return np.random.default_rng([self.seed, self.crossings, self.days, name])

    @property
    def first_midnight(self) -> int:
        """UTC microseconds of the midnight at which day 0 begins."""
        return (self.end // DAY - self.days) * DAY

    def months(self) -> Ints:
        """Return the month (0 to 11) of each day of the span, shape (days + 1,)."""
        dates = np.datetime64(self.first_midnight // DAY, "D") + np.arange(self.days + 1)
        return dates.astype("datetime64[M]").astype(np.int64) % 12

    @property
    def years(self) -> float:
        """Length of the span, in years."""
        return self.days / 365.0


def join(parts: Sequence[Columns]) -> Columns:
    """Return one table of columns from several: the rows of all parts, in order."""
    names = [field.name for field in fields(parts[0])]
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return replace(parts[0], **joined)


def take(columns: Columns, rows: Ints) -> Columns:
    """Return some rows, shape (k,), of a table of columns, in the order given."""
    taken = {field.name: getattr(columns, field.name)[rows] for field in fields(columns)}
    return replace(columns, **taken)


def pick(weights: Floats, u: Floats) -> Ints:
    """Return indices drawn with the given weights, one for each uniform number: shape of ``u``."""
    total = np.cumsum(weights, dtype=np.float64)
    found = np.searchsorted(total / total[-1], u, side="right")
    return np.asarray(np.minimum(found, len(weights) - 1), dtype=np.int64)


def pick_within(weights: Floats, group_of: Ints, *, group: Ints, u: Floats) -> Ints:
    """Return options drawn within each one's group, shape of ``u``; ``group_of`` is sorted.

    Where a group has no option, the nearest option of another group is returned.
    """
    running = np.append(0.0, np.cumsum(weights, dtype=np.float64))
    first = np.searchsorted(group_of, group, side="left")
    last = np.searchsorted(group_of, group, side="right")
    goal = running[first] + u * (running[last] - running[first])
    found = np.searchsorted(running, goal, side="right") - 1
    found = np.clip(found, first, np.maximum(last - 1, first))
    return np.asarray(np.minimum(found, len(weights) - 1), dtype=np.int64)
