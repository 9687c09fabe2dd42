"""Finds spread along links in one policy's world so far, made at each cut by the product's own way.

Assumes that features are asked for in the order of time, and that whatever became known before a
cut has been taken in when the first arrival after it asks.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from experiments.simulation.candidate_records import Candidates
from experiments.synthetic.config import Bools, Floats, Ints
from features.catalogue.event_streams import FINDS, INSPECTIONS
from features.catalogue.find_spread import (
    CROSSINGS_FOR,
    ENTITIES,
    EVERY,
    KINDS,
    LAG,
    MEASURES,
    STREAMS,
    Finds,
    active_cuts,
    last_cut,
    values_as_of,
)

Events = Mapping[str, Sequence[tuple[int, int, tuple[int, ...]]]]
"""By stream (known at, row, amounts)."""
_PLACES = {INSPECTIONS.name: ("n", "hit", "seizure"), FINDS.name: ("grams", "n")}


class WorldSnapshots:
    """The snapshots of a world."""

    def __init__(self, given: Candidates) -> None:
        self._known_at = given.log.known_at
        self._as_of = given.log.as_of
        self._codes = np.zeros((len(ENTITIES), len(given.log)), np.int32)
        self._size = 1
        for place, name in enumerate(ENTITIES):
            codes = given.codes[(name,), (name,)]
            self._codes[place] = np.where(codes < 0, 0, codes + self._size)
            self._size += len(given.index[name,].keys)
        self._is_known = {name: given.keys[(name,), (name,)] != 0 for name in ENTITIES}
        self._times: list[int] = []
        self._values: list[Ints] = []
        self._made = 0

    def values(
        self, entity: str, names: Sequence[str], rows: Ints, there: Bools, events: Events
    ) -> Floats:
        """Return values of one entity of some arrivals, float64 of shape (rows, names).

        ``there`` marks the rows that exist, ``events`` are the acts and finds so far.
        """
        as_of = self._as_of[rows]
        self._make(int(as_of.max()) if len(as_of) else 0, there, events)
        which = np.searchsorted(self._times, as_of)
        held = np.array([np.zeros((len(MEASURES), self._size), np.int64), *self._values])
        code = self._codes[ENTITIES.index(entity)][rows]
        found = held[which, :, code][:, [MEASURES.index(name) for name in names]]
        return np.where(self._is_known[entity][rows][:, None], found, np.nan)

    def _make(self, as_of: int, there: Bools, events: Events) -> None:
        due = last_cut(as_of)
        if due <= self._made:
            return
        finds = {kind: _merge(events, counted) for kind, counted in KINDS.items()}
        at = np.concatenate([one.known_at for one in finds.values()])
        for cut in active_cuts(at, after=self._made, upto=due).tolist():
            rows = np.flatnonzero(there & (self._known_at >= cut - CROSSINGS_FOR))
            seen = self._codes[:, rows[self._known_at[rows] < cut]]
            values = values_as_of(seen, self._codes, finds, cut=cut, size=self._size)
            self._times.append(cut + LAG)
            self._values.append(values)
        # Arrivals come in the order of time: what lies weeks back is not asked for again.
        self._times, self._values = self._times[-_KEPT:], self._values[-_KEPT:]
        self._made = due


_KEPT = 30 * 86_400_000_000 // EVERY


def _merge(events: Events, counted: Sequence[tuple[str, str]]) -> Finds:
    rows = [
        (known_at, STREAMS * row + source, amounts[_PLACES[stream].index(name)])
        for source, (stream, name) in enumerate(counted)
        for known_at, row, amounts in events.get(stream, ())
    ]
    columns = np.array(rows, np.int64).reshape(-1, 3)
    known_at, source, amount = columns[np.argsort(columns[:, 0], kind="stable")].T
    return Finds(known_at, source, amount)
