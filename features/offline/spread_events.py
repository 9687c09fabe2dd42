"""Snapshots of finds spread along links, of a whole history: one event an entity at each cut.

An event adds the difference to the entity's value at the cut before, so that the counter's sum is
the value as of the last cut, which every engine reads. The service makes the same rows in
:mod:`features.online.spread_snapshots`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.catalogue.find_spread import (
    CROSSINGS_FOR,
    KINDS,
    LAG,
    MEASURES,
    Finds,
    active_cuts,
    last_cut,
    number_entities,
    values_as_of,
)

Ints = NDArray[np.int64]
Snapshots = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]


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
    known_at, finds = given.known_at, given.finds
    codes, table = number_entities(given.keys)
    held = np.zeros((len(MEASURES), len(table)), np.int64)
    times: list[int] = []
    who, change = [], []
    for cut in _cuts(finds, before):
        seen = slice(*np.searchsorted(known_at, [cut - CROSSINGS_FOR, cut]))
        values = values_as_of(codes[:, seen], codes, finds, cut=cut, size=len(table))
        moved = np.flatnonzero((values != held).any(axis=0))
        if len(moved):
            times.append(cut + LAG)
            who.append(moved.astype(np.int32))
            change.append((values[:, moved] - held[:, moved]).astype(np.int32))  # within SCALE
            held = values
    known = np.repeat(np.array(times, np.int64), [len(moved) for moved in who])
    which = np.concatenate([np.zeros(0, np.int32), *who])
    none = np.zeros((len(MEASURES), 0), np.int32)
    entity, key = table[:, 0].astype(np.int8), table[:, 1]
    return known, entity[which], key[which], np.concatenate([none, *change], axis=1)


def _cuts(finds: Mapping[str, Finds], before: int) -> Iterator[int]:
    at = np.concatenate([np.zeros(0, np.int64), *(found.known_at for found in finds.values())])
    yield from active_cuts(at, after=0, upto=last_cut(before)).tolist()
