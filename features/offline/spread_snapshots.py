"""Snapshots of finds spread along ties, of a whole history: one event an entity at each cut.

An event adds the difference to the entity's value at the cut before, so that the counter's sum is
the value as of the last cut, which every engine reads. The service makes the same rows in
:mod:`features.online.spread_snapshots`.

Compiled functions compute what :func:`features.catalogue.find_spread.values_as_of` computes in
numpy. One cut follows the other here, so crossings join and leave, and crossings of the same
entities count together. Both have the same bits, because every sum is of whole numbers below
2^52.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.catalogue.find_spread import (
    BITS,
    CROSSINGS_FOR,
    ENTITIES,
    KINDS,
    LAG,
    LEAST,
    MEASURES,
    PRIOR,
    STEPS,
    Codes,
    Finds,
    Ints,
    active_cuts,
    find_weights,
    last_cut,
    number_entities,
)
from features.catalogue.spec import Floats
from features.offline.column_file import ScratchFile, StoredParts
from features.offline.kernel import SPREAD, compile_kernel


class CrossingWindow:
    """Crossings known within some time before a cut, and the values of entities as of that cut.

    Parameters
    ----------
    codes : int32 array of shape (kinds, n)
        Number of each entity of each crossing, 0 where not known.
    size : int
        One more than the largest number.
    """

    def __init__(self, codes: Codes, size: int) -> None:
        rows = np.ascontiguousarray(codes.T)
        slots = np.full(1 << (2 * len(rows)).bit_length(), -1, np.int32)
        self._which, first = np.empty(len(rows), np.int32), np.empty(len(rows), np.int32)
        self._distinct = rows[first[: _number_rows(rows, self._which, first, slots)]]
        self._times = np.zeros(len(self._distinct), np.int32)
        self._over = np.full(size, float(PRIOR))
        self._begin = self._end = 0
        self._held = np.zeros((len(MEASURES), size), np.int64)

    def move(self, begin: int, end: int) -> None:
        """Hold the crossings from ``begin`` to before ``end``; neither may be less than before."""
        for rows, step in ((slice(self._end, end), 1), (slice(self._begin, begin), -1)):
            _count(self._which[rows], step, self._distinct, self._times, self._over)
        self._begin, self._end = begin, end

    def spread(self, finds: Sequence[tuple[Ints, Ints]]) -> tuple[Codes, Codes]:
        """Spread finds from their entities along the crossings held; return what changes by it.

        Parameters
        ----------
        finds : sequence of (int64 array of shape (f,), int64 array of shape (f,))
            By kind of find the numbers of its crossings, and the weight of each one's finds.

        Returns
        -------
        entity : int32 array of shape (m,)
            Numbers of the entities of which a value is another than before, ascending.
        change : int32 array of shape (len(MEASURES), m)
            By how much each of their values is another.
        """
        totals = np.zeros((len(finds), len(self._over)))
        for total, (crossing, weight) in zip(totals, finds, strict=True):
            of = self._distinct[self._which[crossing]]
            np.add.at(total, of, weight[:, None].astype(np.float64))
        values = np.empty((len(finds), STEPS + 1, len(self._over)))
        _spread(self._distinct, self._times, self._over, totals, values)
        entity = np.empty(len(self._over), np.int32)
        change = np.empty((len(MEASURES), len(entity)), np.int32)  # values are within SCALE
        kept = float(LEAST), -1 << 53 - BITS  # a float has its leading binary digits first
        count = _take_changes(values.reshape(change.shape), kept, self._held, entity, change)
        return entity[:count], change[:, :count]


@compile_kernel
def _number_rows(rows: Codes, which: Codes, first: Codes, slots: Codes) -> int:
    """Number distinct rows of ``rows``, shape (n, kinds), from 0 on; return how many there are.

    ``which`` gets the number of each row, ``first`` the row at which each number begins; both have
    the shape (n,). ``slots`` has a power of two of places, at least 2 n, of -1.
    """
    mask, one, count = np.uint64(len(slots) - 1), np.uint64(1), 0
    for i in range(len(rows)):
        found = np.uint64(0)
        for kind in range(rows.shape[1]):
            found = (found ^ np.uint64(rows[i, kind])) * SPREAD
        at = (found >> np.uint64(32)) & mask
        while slots[at] >= 0 and not _are_same(rows, first[slots[at]], i):
            at = (at + one) & mask
        if slots[at] < 0:
            slots[at] = count
            first[count] = i
            count += 1
        which[i] = slots[at]
    return count


@compile_kernel
def _are_same(rows: Codes, one: int, other: int) -> bool:
    for kind in range(rows.shape[1]):  # noqa: SIM110 - a generator is not compiled
        if rows[one, kind] != rows[other, kind]:
            return False
    return True


@compile_kernel
def _count(which: Codes, step: int, distinct: Codes, times: Codes, over: Floats) -> None:
    """Count crossings, or with -1 take them back: by combination, and by entity."""
    for i in range(len(which)):
        times[which[i]] += step
        for kind in range(distinct.shape[1]):
            over[distinct[which[i], kind]] += step


@compile_kernel
def _spread(distinct: Codes, times: Codes, over: Floats, totals: Floats, values: Floats) -> None:
    """Fill in the values of each kind of find and step: shape (finds, steps, size).

    ``totals``, shape (finds, size), has the weights of finds, and is overwritten.
    """
    for find in range(len(totals)):
        total = totals[find]
        for step in range(values.shape[1]):
            value = values[find, step]
            total[0] = 0.0  # the unknown
            for entity in range(len(total)):
                value[entity] = np.floor(total[entity] / over[entity])
            if step + 1 < values.shape[1]:
                total[:] = 0.0
                _add_crossings(distinct, times, value, total)


@compile_kernel
def _add_crossings(distinct: Codes, times: Codes, value: Floats, total: Floats) -> None:
    """Add the value of each crossing to the totals of its entities."""
    kinds = distinct.shape[1]  # rows by number: an array of each would take as long as the sums
    for at in range(len(distinct)):
        if times[at] == 0:
            continue
        most, own, known = 0.0, 0.0, 0
        for kind in range(kinds):
            entity = np.uint32(distinct[at, kind])
            most = max(most, value[entity])
            own += value[entity]
            known += entity != 0
        if most > 0.0:
            amount = times[at] * np.floor((6.0 * known * most + 4.0 * own) / (10.0 * known))
            for kind in range(kinds):
                total[np.uint32(distinct[at, kind])] += amount


@compile_kernel
def _take_changes(
    values: Floats, kept: tuple[float, int], held: Ints, entity: Codes, change: Codes
) -> int:
    """Coarsen values, and put them in the place of those held; return how many entities change.

    ``values`` and ``held`` have the shape (measures, size), ``kept`` the least value and the bits
    that stay. ``entity`` and ``change`` get what :meth:`CrossingWindow.spread` returns.
    """
    bits, count, (least, mask) = values.view(np.int64), 0, kept
    for at in range(values.shape[1]):
        is_other = False
        for measure in range(len(values)):
            bits[measure, at] &= mask if values[measure, at] >= least else 0
            value = np.int64(values[measure, at])
            change[measure, count] = value - held[measure, at]
            is_other |= value != held[measure, at]
            held[measure, at] = value
        entity[count] = at
        count += is_other
    return count


Int64s = NDArray[np.int64]
Snapshots = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]
_COLUMNS = (np.int64, np.int8, np.int64, *[np.int32] * len(MEASURES))
"""Of snapshots: when known, the kind of entity, its key, and the change of each value."""


@dataclass(frozen=True, slots=True)
class SpreadInputs:
    """What the snapshots of a history of n crossings are made of."""

    keys: Int64s
    """Shape (len(ENTITIES), n), 0 where not known."""
    known_at: Int64s
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
