"""The records of a history one after the other, and in batches, as a journal is told of them."""

import random
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection

from engine.domain.time_units import DAY
from engine.journal.entries import Draft
from features.online.online_features import OnlineFeatures
from tests.unit.features.random_histories import History

Step = tuple[int, int, Any]
"""(when, what first at equal times, the record)."""


def until(found: History, time: int) -> History:
    """What of a history became known before a time."""
    return History(
        [row for row in found.crossings if row[0] < time],
        [row for row in found.inspections if row[0] < time],
        [row for row in found.seizures if row[0] < time],
    )


class SetClock:
    """Tells the time it was told."""

    def __init__(self) -> None:
        self.time = 0

    def now(self) -> int:
        return self.time


def steps(found: History) -> list[Step]:
    """All records in the order in which they became known."""
    crossings = [(t, 0, (c, d)) for t, c, d in found.crossings]
    acts = [(t, 1, act) for t, act in found.inspections]
    finds = [(t, 2, seizure) for t, seizure, _ in found.seizures]
    return sorted([*crossings, *acts, *finds], key=lambda step: step[:2])


def batches(order: Sequence[Step], most: int, *, seed: int = 0) -> Iterator[Sequence[Step]]:
    """Cut the records into batches of 1 to ``most``, as they come together at a busy barrier."""
    rng, begin = random.Random(seed), 0
    while begin < len(order):
        size = rng.randint(1, most)
        yield order[begin : begin + size]
        begin += size


def rough(order: Sequence[Step], most: int, *, seed: int = 0) -> list[tuple[int, Sequence[Step]]]:
    """Return batches with what a bad clock says at each: it stands still, or steps back a day."""
    rng, time, out = random.Random(seed), order[0][0], []
    for batch in batches(order, most, seed=seed):
        luck = rng.random()
        if luck > 0.2:
            time = batch[-1][0] - (DAY if luck < 0.4 else 0)
        out.append((time, batch))
    return out


def name_of(kind: int, record: Any) -> str:
    """Return the identifier of a step's record."""
    found = (lambda: record[0].crossing_id, lambda: record.inspection_id, lambda: record.seizure_id)
    return str(found[kind]())


def draft(
    features: OnlineFeatures, connection: Connection, step: Step, events: Iterator[Any]
) -> Draft:
    """Return what is recorded of a step; a crossing's event is the next of those read."""
    _, kind, record = step
    if kind == 0:
        event = next(events)
    else:
        event = features.act(record) if kind == 1 else features.find(connection, record)
    return Draft("roster", name_of(kind, record), "", {}, extra=event)
