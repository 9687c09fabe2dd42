"""The bulk kernel: every as-of read of one group of counters, for every crossing.

Events are sorted by entity, in each in the order in which they became known. Pointers then walk
along with an entity's crossings: one stands at the first event that a crossing may not see, one for
each window at the first event inside it. A read is the difference of two running sums: exact in
int64, and linear in events and crossings. The numpy twin (:mod:`features.reference`) gives the same
numbers by another road.

What bounds it is memory, not arithmetic: pointers take four bytes, which holds for 2^32 events, and
rows are first dealt into parts by their keys, so that all that is done to one entity happens within
what a processor holds close, however long the history is.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Places = NDArray[np.uint32]
Dealt = tuple[Places, Ints]
"""(where each row stands once rows lie part by part, where each part begins)."""
DEALT_FROM = 1 << 18
"""Fewer events than this fit into a processor's cache as they are."""
PART_ROWS = 1 << 16
"""Events of a part at most, about."""
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
    bits = (len(event_key) // PART_ROWS).bit_length() if len(event_key) >= DEALT_FROM else 0
    # A stream that asks about itself, as the crossings do, is dealt and sorted once.
    asks_itself = event_key is query_key or np.array_equal(event_key, query_key)
    events = _dealt(event_key, bits) if bits else None
    queries = events if asks_itself else _dealt(query_key, bits) if bits else None
    keys, rows = _laid(event_key, events), _laid(np.arange(len(event_key)), events)
    asked = keys if asks_itself else _laid(query_key, queries)
    # Memory comes from numpy, which asks for large pages: new small ones cost more than the sums.
    code = np.zeros(len(keys), np.uint32)
    query_code = code if asks_itself else np.zeros(len(asked), np.uint32)
    bounds = _bounds(events, keys), _bounds(queries, asked)
    count = _codes(keys, bounds[0], asked, bounds[1], code, query_code)
    start, order = _grouped(code, count)
    found = (start, order) if asks_itself else _grouped(query_code, count)
    times, cuts = _laid(event_time, events), _laid(query_time, queries)
    back = np.append(0, np.where(spans == 0, _EVER, spans))
    out = np.empty((len(read_amount) + 1, len(query_key)), np.int64)
    column = out[-1] if queries is None else np.empty(len(query_key), np.int64)
    places = np.zeros((len(back), len(query_key)), np.uint32)
    inner = _taken(times, order), _taken(cuts, found[1])
    _place(start, order, inner[0], *found, inner[1], back, rows, places, column)
    del rows, times, cuts, inner
    _put_back(column, queries, out[-1])
    sums = [_sums(order, _laid(amount, events)) for amount in amounts]
    for r, (amount, span) in enumerate(zip(read_amount, read_span, strict=True)):
        column = out[r] if queries is None else column
        _read(places[0], places[1 + span], sums[amount], column)
        _put_back(column, queries, out[r])
    return out


def _laid(values: Ints, dealt: Dealt | None) -> Ints:
    """Lay values out part by part, in each in their order."""
    if dealt is None:
        return values
    out = np.empty_like(values)
    _lay(values, dealt[0], out)
    return out


def _put_back(values: Ints, dealt: Dealt | None, out: Ints) -> None:
    """Undo ``_laid``; without parts the values are where they belong."""
    if dealt is not None:
        _take(values, dealt[0], out)


def _taken(values: Ints, places: Places) -> Ints:
    out = np.empty(len(places), np.int64)
    _take(values, places, out)
    return out


@compiled
def _lay(values: Ints, places: Places, out: Ints) -> None:
    for i in range(len(places)):
        out[places[i]] = values[i]


@compiled
def _take(values: Ints, places: Places, out: Ints) -> None:
    for i in range(len(places)):
        out[i] = values[places[i]]


def _bounds(dealt: Dealt | None, keys: Ints) -> Ints:
    return np.array([0, len(keys)]) if dealt is None else dealt[1]


def _dealt(keys: Ints, bits: int) -> Dealt:
    """Where each row stands once rows lie part by part, by their keys; where each part begins."""
    places = np.empty(len(keys), np.uint32)
    return places, _deal(keys, bits, places)


@compiled
def _deal(keys: Ints, bits: int, places: Places) -> Ints:
    shift, bounds = np.uint64(64 - bits), np.zeros((1 << bits) + 1, np.int64)
    for key in keys:
        bounds[np.int64((np.uint64(key) * _SPREAD) >> shift) + 1] += 1
    for part in range(1 << bits):
        bounds[part + 1] += bounds[part]
    next_ = bounds.copy()
    for i, key in enumerate(keys):
        p = np.int64((np.uint64(key) * _SPREAD) >> shift)
        places[i] = next_[p]
        next_[p] += 1
    return bounds


@compiled
def _codes(
    keys: Ints, bounds: Ints, asked: Ints, asked_bounds: Ints, code: Places, asked_code: Places
) -> int:
    """Number the entities of events from 1 on, part by part; nobody and strangers stay 0."""
    count = 1
    for p in range(len(bounds) - 1):
        slots, at, before = np.zeros((1 << 10, 2), np.int64), bounds[p], count
        while True:
            most = before + len(slots) // 2
            at, count = _numbered(keys, code, at, bounds[p + 1], slots, count, most)
            if at == bounds[p + 1]:
                break
            slots = _doubled(slots)
        if asked is not keys:
            _recalled(asked, asked_code, asked_bounds[p], asked_bounds[p + 1], slots)
    return count


@compiled
def _numbered(
    keys: Ints, code: Places, begin: int, end: int, slots: Ints, count: int, most: int
) -> tuple[int, int]:
    """Number entities as they appear, up to ``most``; return where it stopped, and the next number.

    The table is the same all along: to hand over another one costs more than to look into it.
    """
    for i in range(begin, end):
        key = keys[i]
        if key != 0:
            at = _slot(slots, key)
            if slots[at, 0] == 0:
                if count == most:
                    return i, count
                slots[at, 0] = key
                slots[at, 1] = count
                count += 1
            code[i] = slots[at, 1]
    return end, count


@compiled
def _recalled(asked: Ints, code: Places, begin: int, end: int, slots: Ints) -> None:
    for i in range(begin, end):
        if asked[i] != 0:
            code[i] = slots[_slot(slots, asked[i]), 1]


@compiled
def _slot(slots: Ints, key: int) -> np.uint64:
    """Where a key stands in the table, or the free place where it belongs.

    Unsigned, so that no place is taken to count from the end; two comparisons, as looking into a
    tuple takes five times as long.
    """
    mask, one = np.uint64(len(slots) - 1), np.uint64(1)
    at = ((np.uint64(key) * _SPREAD) >> np.uint64(32)) & mask
    while slots[at, 0] != 0 and slots[at, 0] != key:
        at = (at + one) & mask
    return at


@compiled
def _doubled(slots: Ints) -> Ints:
    larger = np.zeros((2 * len(slots), 2), np.int64)
    for old in range(len(slots)):
        if slots[old, 0] != 0:
            larger[_slot(larger, slots[old, 0])] = slots[old]
    return larger


def _grouped(code: Places, count: int) -> tuple[Ints, Places]:
    """Sort rows by entity, stably, leaving out those of none; also where each entity begins."""
    start, order = np.zeros(count + 1, np.int64), np.empty(len(code), np.uint32)
    return start, order[: _group(code, start, np.empty_like(start), order)]


@compiled
def _group(code: Places, start: Ints, place: Ints, order: Places) -> int:
    for c in code:
        start[c + 1] += 1
    start[1] = 0
    for c in range(len(start) - 1):
        start[c + 1] += start[c]
    place[:] = start
    for i, c in enumerate(code):
        if c != 0:
            order[place[c]] = i
            place[c] += 1
    return int(start[-1])


@compiled
def _place(
    start: Ints,
    order: Places,
    time: Ints,
    query_start: Ints,
    query_order: Places,
    cut: Ints,
    back: Ints,
    rows: Ints,
    places: Places,
    last: Ints,
) -> None:
    """Fill in where each query's pointers stand in ``order``, and the last event it may see."""
    last[:] = -1
    for c in range(1, len(start) - 1):
        begin, end = np.uint64(start[c]), np.uint64(start[c + 1])
        asked = range(query_start[c], query_start[c + 1])
        for w in range(len(back)):
            at, span = begin, back[w]
            for q in asked:
                since = cut[q] - span
                while at < end and time[at] < since:
                    at += np.uint64(1)
                places[w, query_order[q]] = at
        for q in asked:
            row = query_order[q]
            if places[0, row] > begin:
                last[row] = rows[order[places[0, row] - np.uint64(1)]]


def _sums(order: Places, amount: Ints) -> Ints:
    """Sums of the sorted amounts, running on across entities: only differences are read."""
    sums = np.zeros(len(order) + 1, np.int64)
    _add_up(order, amount, sums)
    return sums


@compiled
def _add_up(order: Places, amount: Ints, sums: Ints) -> None:
    total = 0
    for j in range(len(order)):
        total += amount[order[j]]
        sums[j + 1] = total


@compiled
def _read(upto: Places, since: Places, sums: Ints, column: Ints) -> None:
    for i in range(len(upto)):
        column[i] = sums[upto[i]] - sums[since[i]]
