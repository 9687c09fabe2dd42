"""Worlds that several tests look at, made once."""

from datetime import UTC, datetime
from functools import cache

import numpy as np
from numpy.typing import NDArray

from engine.domain.time_units import micros
from experiments.synthetic.folder import generate
from experiments.synthetic.posts import Config
from experiments.synthetic.world_simulation import World
from tests.support.sizes import PROOF

END = datetime(2026, 1, 1, tzinfo=UTC)
SIZE = 1_000_000 if PROOF else 60_000


def config(crossings: int, *, seed: int = 3, days: int = 365) -> Config:
    return Config(crossings, seed, micros(END), days)


@cache
def world(seed: int = 3) -> World:
    """Return a year of the usual size."""
    return generate(config(SIZE, seed=seed))[0]


def deviation(seen: NDArray[np.bool_], expected: NDArray[np.float64]) -> float:
    """Return by how many standard deviations a count of independent events misses its mean."""
    spread = float(np.sqrt((expected * (1 - expected)).sum()))
    return float(seen.sum() - expected.sum()) / max(spread, 1e-9)


def deviations(
    seen: NDArray[np.bool_], expected: NDArray[np.float64], *, parts: int = 10
) -> list[float]:
    """Return the deviations of equal parts, in order of the expected probability."""
    order = np.argsort(expected, kind="stable")
    return [deviation(seen[part], expected[part]) for part in np.array_split(order, parts)]
