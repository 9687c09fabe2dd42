"""Arrivals that are read together ask for each state once, and each gets what it asked for."""

import numpy as np
import pytest

from features.catalogue.plan import current_plan
from features.online.counter_store import CounterReader, Ints

ARRIVALS, ENTITIES = 500, 40
CUT = 1_795_850_400_000_000
"""UTC microseconds."""


@pytest.fixture(scope="module")
def reader() -> CounterReader:
    return CounterReader(current_plan())


def draw(reader: CounterReader) -> tuple[Ints, Ints]:
    """Return keys of arrivals, a third of them not known, and a cut of its own for each."""
    rng = np.random.default_rng(1)
    pool = rng.integers(1, 1 << 63, (int(reader._of.max()) + 1, ENTITIES))
    chosen = rng.integers(0, ENTITIES, (ARRIVALS, len(pool)))
    keys = np.take_along_axis(pool, chosen.T, axis=1).T
    keys[rng.random(keys.shape) < 1 / 3] = 0
    return keys, CUT - rng.permutation(ARRIVALS) * 777


def count_wrong(reader: CounterReader) -> int:
    """Count the look-ups that got another state than theirs, or one that is asked for twice."""
    keys, as_of = draw(reader)
    of_all = keys.take(reader._of, axis=1)
    known = of_all.ravel().nonzero()[0]
    asked, which = reader._distinct(keys, as_of, known)
    columns = np.array([column[2:] for column in reader._columns], np.int64)
    number, back, window = (np.broadcast_to(each, of_all.shape) for each in columns.T)
    wanted = np.stack((number, of_all, as_of[:, None] - back, window), axis=2).reshape(-1, 4)
    wrong = (asked.take(which, axis=0) != wanted.take(known, axis=0)).any(axis=1).sum()
    return int(wrong) + len(asked) - len(np.unique(asked, axis=0))


def test_each_look_up_gets_its_own_state(reader: CounterReader) -> None:
    assert count_wrong(reader) == 0


def test_numbers_that_leave_64_bits_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seeded bug: groups by long numbers, as the table has them, instead of by their place."""
    reader = CounterReader(current_plan())
    numbers = np.array([column[2] for column in reader._columns], np.int64)
    monkeypatch.setattr(reader, "_group", numbers << 8)
    assert count_wrong(reader) > 0
