"""Snapshots of finds spread along links, of a whole history: one event an entity at each cut.

An event adds the difference to the entity's value at the cut before, so that the counter's sum is
the value as of the last cut, which every engine reads. The service makes the same rows in
:mod:`features.online.spread_snapshots`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.catalogue.find_spread import (
    CROSSINGS_FOR,
    ENTITIES,
    KINDS,
    LAG,
    MEASURES,
    Finds,
    active_cuts,
    find_weights,
    last_cut,
    number_entities,
)
from features.offline.column_file import ScratchFile, StoredParts
from features.offline.spread_kernel import CrossingWindow

Ints = NDArray[np.int64]
Snapshots = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]
_COLUMNS = (np.int64, np.int8, np.int64, *[np.int32] * len(MEASURES))
"""Of snapshots: when known, the kind of entity, its key, and the change of each value."""


@dataclass(frozen=True, slots=True)
class SpreadInputs:
    """What the snapshots of a history of n crossings are made of."""

    keys: Ints
    """Shape (len(ENTITIES), n), 0 where not known."""
    known_at: Ints
    """UTC microseconds, ascending."""
    finds: Mapping[str, Finds]
    """By kind of find; crossings are numbered as in ``known_at``. Empty where nothing is made."""


def join_parts(parts: Sequence[SpreadInputs]) -> SpreadInputs:
    """Return the inputs of a history whose crossings came in parts, numbered throughout."""
    finds = {}
    for kind in KINDS if all(part.finds for part in parts) else ():
        found = [part.finds[kind] for part in parts]
        known_at = np.concatenate([one.known_at for one in found])
        order = np.argsort(known_at, kind="stable")
        source = np.concatenate([one.source for one in found])[order]
        amount = np.concatenate([one.amount for one in found])[order]
        finds[kind] = Finds(known_at[order], source, amount)
    keys = np.concatenate([part.keys for part in parts], axis=1)
    return SpreadInputs(keys, np.concatenate([part.known_at for part in parts]), finds)


def spread_finds(given: SpreadInputs, *, before: int) -> Snapshots:
    """Return the snapshots of a history that are known strictly before a time, as events.

    ``before`` is in UTC microseconds.

    Returns
    -------
    known_at, entity, key : int64, int8 and int64 array of shape (m,)
        By time: when the snapshot is known, the place of the entity in ``ENTITIES``, its key.
    change : int32 array of shape (len(MEASURES), m)
        Difference to the snapshot before: six of them a crossing, so they are held narrow.
    """
    none = tuple(np.zeros(0, kind) for kind in _COLUMNS)
    parts = zip(none, *_yield_columns(given, before), strict=True)
    known_at, entity, key, *change = map(np.concatenate, parts)
    return known_at, entity, key, np.array(change)


def store_spread(
    given: SpreadInputs, scratch: ScratchFile, *, before: int
) -> list[tuple[StoredParts, StoredParts, StoredParts, Sequence[StoredParts]]]:
    """Return what :func:`spread_finds` does, each column in a file.

    First of all entities, then of those of each kind in ``ENTITIES``.
    """
    found = [[StoredParts(kind) for kind in _COLUMNS] for _ in range(1 + len(ENTITIES))]
    for parts in _yield_columns(given, before):
        ends = np.searchsorted(parts[1], np.arange(len(ENTITIES) + 1)).tolist()  # in their order
        for place, part in enumerate(map(scratch.store, parts)):
            for columns, bounds in zip(found, [(0, len(part)), *pairwise(ends)], strict=True):
                columns[place].append(part.cut(*bounds))
    return [(known_at, entity, key, change) for known_at, entity, key, *change in found]


def _yield_columns(given: SpreadInputs, before: int) -> Iterator[tuple[NDArray[Any], ...]]:
    """Yield the columns of each cut's snapshots."""
    known_at, finds = given.known_at, given.finds
    codes, table = number_entities(given.keys)
    window = CrossingWindow(codes, len(table))
    del codes
    kind, key = table[:, 0].astype(np.int8), table[:, 1]
    for cut in _cuts(finds, before):
        window.move(*np.searchsorted(known_at, [cut - CROSSINGS_FOR, cut]).tolist())
        entity, change = window.spread([find_weights(finds[name], cut) for name in KINDS])
        if len(entity):
            yield np.full(len(entity), cut + LAG), kind[entity], key[entity], *change


def _cuts(finds: Mapping[str, Finds], before: int) -> Iterator[int]:
    at = np.concatenate([np.zeros(0, np.int64), *(found.known_at for found in finds.values())])
    yield from active_cuts(at, after=0, upto=last_cut(before)).tolist()
