"""The bulk kernel: every as-of read of one group of counters, for every crossing.

Events are sorted by entity, in each in the order in which they became known. Pointers then walk
along with an entity's crossings: one stands at the first event that a crossing may not see, one for
each window at the first event inside it. A read is the difference of two running sums: exact in
int64, and linear in events and crossings. The numpy twin (:mod:`features.reference`) gives the same
numbers by another road.

What bounds it is memory, not arithmetic: pointers take four bytes, which holds for 2^32 events.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Places = NDArray[np.uint32]
_EVER = 1 << 62  # a window that no two times are apart
_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio: Fibonacci hashing
F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile a function with numba, once for a machine: it is kept on disk."""
    return cast("F", njit(cache=True)(function))


def group_reads(
    event_key: Ints,
    event_time: Ints,
    amounts: Ints,
    query_key: Ints,
    query_time: Ints,
    spans: Ints,
    read_amount: Ints,
    read_span: Ints,
) -> Ints:
    """Compute the reads of one group of counters.

    Parameters
    ----------
    event_key, query_key : int64 array of shape (m,) and (n,)
        Entities; 0 where not known.
    event_time, query_time : int64 array of shape (m,) and (n,)
        UTC microseconds, both ascending; a query sees events strictly before its time.
    amounts : int64 array of shape (n_amounts, m)
        What each event adds.
    spans : int64 array of shape (n_spans,)
        Windows in microseconds; 0 reaches back to the beginning.
    read_amount, read_span : int64 array of shape (n_reads,)
        Which amount each read sums, over which window.

    Returns
    -------
    int64 array of shape (n_reads + 1, n)
        The sums; in the last row the position of the last event seen, -1 where there is none.
    """
    code, slots, count = _codes(event_key)
    start, order = _grouped(code, count)
    # A stream that asks about itself, as the crossings do, is sorted once.
    asks_itself = np.array_equal(event_key, query_key)
    found = (start, order) if asks_itself else _grouped(_found(slots, query_key), count)
    out = np.empty((len(read_amount) + 1, len(query_key)), np.int64)
    back = np.append(0, np.where(spans == 0, _EVER, spans))
    places = _places(start, order, event_time, *found, query_time, back, out[-1])
    _read(places, _sums(order, amounts), read_amount, read_span, out)
    return out


@compiled
def _codes(keys: Ints) -> tuple[Places, Ints, int]:
    """Number entities from 1 on as they appear; also a table from each key to its number."""
    code, slots, count = np.zeros(len(keys), np.uint32), np.zeros((1 << 10, 2), np.int64), 1
    for i, key in enumerate(keys):
        if key != 0:
            at = _slot(slots, key)
            if slots[at, 0] == 0:
                slots[at] = key, count
                count += 1
            code[i] = slots[at, 1]
            if 2 * count > len(slots):
                slots = _doubled(slots)
    return code, slots, count


@compiled
def _slot(slots: Ints, key: int) -> int:
    """Where a key stands in the table, or the free place where it belongs."""
    mask = len(slots) - 1
    at = np.int64((np.uint64(key) * _SPREAD) >> np.uint64(32)) & mask
    while slots[at, 0] not in (0, key):
        at = (at + 1) & mask
    return int(at)


@compiled
def _doubled(slots: Ints) -> Ints:
    larger = np.zeros((2 * len(slots), 2), np.int64)
    for old in range(len(slots)):
        if slots[old, 0] != 0:
            larger[_slot(larger, slots[old, 0])] = slots[old]
    return larger


@compiled
def _found(slots: Ints, keys: Ints) -> Places:
    """Numbers of entities; 0 for the unknown and for strangers."""
    code = np.zeros(len(keys), np.uint32)
    for i, key in enumerate(keys):
        if key != 0:
            code[i] = slots[_slot(slots, key), 1]
    return code


@compiled
def _grouped(code: Places, count: int) -> tuple[Ints, Places]:
    """Sort rows by entity, stably, leaving out those of none; also where each entity begins."""
    start = np.zeros(count + 1, np.int64)
    for c in code:
        start[c + 1] += 1
    start[1] = 0
    for c in range(count):
        start[c + 1] += start[c]
    order, place = np.empty(start[-1], np.uint32), start.copy()
    for i, c in enumerate(code):
        if c != 0:
            order[place[c]] = i
            place[c] += 1
    return start, order


@compiled
def _places(
    start: Ints,
    order: Places,
    event_time: Ints,
    query_start: Ints,
    query_order: Places,
    query_time: Ints,
    back: Ints,
    last: Ints,
) -> Places:
    """Where each query's pointers stand in ``order``, one row for each; fills in ``last``."""
    places = np.zeros((len(back), len(query_time)), np.uint32)
    last[:] = -1
    time, pointer = event_time[order], np.empty(len(back), np.uint32)
    for c in range(1, len(start) - 1):
        begin, end = np.uint32(start[c]), np.uint32(start[c + 1])
        pointer[:] = begin
        for q in range(query_start[c], query_start[c + 1]):
            row = query_order[q]
            for w in range(len(back)):
                at, since = pointer[w], query_time[row] - back[w]
                while at < end and time[at] < since:
                    at += np.uint32(1)
                pointer[w] = places[w, row] = at
            if pointer[0] > begin:
                last[row] = order[pointer[0] - 1]
    return places


@compiled
def _sums(order: Places, amounts: Ints) -> Ints:
    """Sums of the sorted amounts, running on across entities: only differences are read."""
    sums = np.zeros((len(amounts), len(order) + 1), np.int64)
    for a in range(len(amounts)):
        amount, total, row = amounts[a], 0, sums[a]
        for j in range(len(order)):
            total += amount[order[j]]
            row[j + 1] = total
    return sums


@compiled
def _read(places: Places, sums: Ints, read_amount: Ints, read_span: Ints, out: Ints) -> None:
    upto = places[0]
    for r in range(len(read_amount)):
        total, since, column = sums[read_amount[r]], places[1 + read_span[r]], out[r]
        for i in range(len(upto)):
            column[i] = total[upto[i]] - total[since[i]]
