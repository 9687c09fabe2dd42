"""The bulk kernel: every as-of read of one group of counters, for every crossing.

Events are sorted by entity, in each in the order in which they became known. Pointers then walk
along with an entity's crossings: one points to the first event that a crossing may not see, one for
each window to the first event inside it. A read is the difference of two running sums: exact in
int64, and linear in events and crossings. The second implementation
(:mod:`features.offline.reference_kernel`) gives the same numbers by binary search.

Memory bandwidth is the bound, not arithmetic. Rows are first partitioned by key, and one part after
the other is finished within the processor's cache: entities of a part get dense numbers from a hash
table, so that the part can be sorted by counting. A long history passes through memory three times:
into its parts, through the reads, back into the order of crossings. All of it happens in the buffer
that is returned. Pointers take four bytes: enough for 2^32 events.

Functions are compiled by numba, which keeps them on disk for the next process.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

F = TypeVar("F", bound=Callable[..., Any])


def compile_kernel(function: F) -> F:
    """Compile a function with numba, once for a machine: it is kept on disk."""
    return cast("F", njit(cache=True)(function))


Ints = NDArray[np.int64]
BLOCK_ROWS = 1 << 16
"""Rows sorted at one time: the range of a uint16."""
SPREAD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio: Fibonacci hashing
Partition = tuple[NDArray[np.uint16], Ints, Ints, int]
"""Place of each row within its block (n,), rows of each block by part (n_blocks, n_parts), begin of
each part (n_parts + 1,), and rows of a block."""


def partition_rows(keys: Ints, bits: int) -> Partition:
    """Partition rows by their ``keys`` (int64, shape (n,)) into 2^bits parts.

    Returned is what :func:`lay` and :func:`put_back` need; two bytes a row.
    """
    local = np.empty(len(keys), np.uint16)
    counts = np.zeros((-(-len(keys) // BLOCK_ROWS), 1 << bits), np.int64)
    _partition(keys, bits, local, counts, BLOCK_ROWS)
    return local, counts, np.append(0, counts.sum(axis=0).cumsum()), BLOCK_ROWS


@compile_kernel
def _partition(keys: Ints, bits: int, local: NDArray[np.uint16], counts: Ints, size: int) -> None:
    shift, at = np.uint64(64 - bits), np.empty(counts.shape[1], np.int64)
    for block, own in enumerate(counts):
        rows = range(block * size, min((block + 1) * size, len(keys)))
        for i in rows:
            own[np.int64((np.uint64(keys[i]) * SPREAD) >> shift)] += 1
        at[0] = 0
        at[1:] = own[:-1].cumsum()
        for i in rows:
            part = np.int64((np.uint64(keys[i]) * SPREAD) >> shift)
            local[i] = at[part]
            at[part] += 1


@compile_kernel
def lay(values: Ints, how: Partition, laid: Ints) -> None:
    """Copy a column into the order of parts, stable within each part.

    ``values`` and ``laid``, which gets them, are int64 of shape (n,) and must not overlap.
    """
    local, counts, bounds, size = how
    at, sorted_ = bounds[:-1].copy(), np.empty(size, np.int64)
    for block in range(len(counts)):
        begin, first = block * size, 0
        for i in range(begin, min(begin + size, len(values))):
            sorted_[local[i]] = values[i]
        for part, count in enumerate(counts[block]):
            laid[at[part] : at[part] + count] = sorted_[first : first + count]
            at[part] += count
            first += count


@compile_kernel
def put_back(laid: Ints, how: Partition, values: Ints) -> None:
    """Copy a column from the order of parts back into the order of rows: undoes :func:`lay`.

    ``laid`` and ``values``, which gets them, are int64 of shape (n,) and must not overlap.
    """
    local, counts, bounds, size = how
    at, sorted_ = bounds[:-1].copy(), np.empty(size, np.int64)
    for block in range(len(counts)):
        begin, first = block * size, 0
        for part, count in enumerate(counts[block]):
            sorted_[first : first + count] = laid[at[part] : at[part] + count]
            at[part] += count
            first += count
        for i in range(begin, min(begin + size, len(values))):
            values[i] = sorted_[local[i]]


@compile_kernel
def count_up(rows: Ints) -> None:
    """Fill ``rows`` (int64, shape (n,)) with 0, 1, 2 and so on, without a temporary array."""
    for i in range(len(rows)):
        rows[i] = i


Places = NDArray[np.uint32]


@compile_kernel
def number_entities(keys: Ints, code: Places, slots: Ints) -> tuple[Ints, int]:
    """Number entities from 1 on, in the order in which they appear.

    Parameters
    ----------
    keys : int64 array of shape (n,)
        63-bit keys, 0 where no entity is known.
    code : uint32 array of shape (at least n,)
        Gets the number of each row, 0 where no entity is known.
    slots : int64 array of shape (2^b, 2)
        Table of keys and numbers, overwritten; the part before left it large enough in most cases.

    Returns
    -------
    slots : int64 array of shape (2^c, 2)
        The table, larger where it had to grow.
    count : int
        The next number.
    """
    slots[:] = 0
    at, count = 0, 1
    while True:
        at, count = _number(keys, code, at, slots, count)
        if at == len(keys):
            return slots, count
        slots = _double_slots(slots)


@compile_kernel
def _number(keys: Ints, code: Places, at: int, slots: Ints, count: int) -> tuple[int, int]:
    """Number entities until the table is half full; return where it stopped, and the next number.

    The same table is passed throughout: passing another one costs more than a look-up.
    """
    most = 1 + len(slots) // 2
    for i in range(at, len(keys)):
        key = keys[i]
        if key == 0:
            code[i] = 0
            continue
        place = _slot(slots, key)
        if slots[place, 0] == 0:
            if count == most:
                return i, count
            slots[place, 0] = key
            slots[place, 1] = count
            count += 1
        code[i] = slots[place, 1]
    return len(keys), count


@compile_kernel
def look_up_numbers(asked: Ints, code: Places, slots: Ints) -> None:
    """Look up the numbers of entities.

    Parameters
    ----------
    asked : int64 array of shape (n,)
        63-bit keys, 0 where no entity is known.
    code : uint32 array of shape (at least n,)
        Gets the number of each row, 0 where the key is 0 or not in the table.
    slots : int64 array of shape (2^b, 2)
        From :func:`number_entities`.
    """
    for i in range(len(asked)):
        code[i] = slots[_slot(slots, asked[i]), 1] if asked[i] != 0 else 0


@compile_kernel
def _slot(slots: Ints, key: int) -> np.uint64:
    """Return the place of a key in the table, or the free place where it belongs.

    Unsigned, so that no place counts from the end; two comparisons, because membership in a tuple
    takes five times as long.
    """
    mask, one = np.uint64(len(slots) - 1), np.uint64(1)
    at = ((np.uint64(key) * SPREAD) >> np.uint64(32)) & mask
    while slots[at, 0] != 0 and slots[at, 0] != key:
        at = (at + one) & mask
    return at


@compile_kernel
def _double_slots(slots: Ints) -> Ints:
    larger = np.zeros((2 * len(slots), 2), np.int64)
    for old in range(len(slots)):
        if slots[old, 0] != 0:
            larger[_slot(larger, slots[old, 0])] = slots[old]
    return larger


PARTITION_FROM = 1 << 18
"""Fewer events than this fit into a processor's cache without partition."""
PART_ROWS = 1 << 16
"""Approximate largest number of events of a part."""
_KEYS, _TIMES, _ROWS, _AMOUNTS = range(4)
"""Rows of a buffer of partitioned events; amounts from the last one on."""
Given = tuple[Ints, Ints, Ints, Ints]
"""Events: keys (m,), times (m,), amounts (n_amounts, m), and which of these are summed."""
Laid = tuple[Ints, Ints, Ints, Ints, Ints]
"""The same in the order of parts, and the row that each event had."""
Queries = tuple[Ints, Ints]
"""Keys and cuts of queries, each (n,)."""
Grouped = tuple[Ints, Places, Ints]
"""Queries sorted by entity: where each entity begins, which they are, their cuts."""
Asks = tuple[Ints, Ints, Ints, bool]
"""The sum and the pointer of each read, how far pointers lie back, whether the last is wanted."""
_EVER = 1 << 62  # a window that no two times are apart


def group_reads(
    event_key: Ints,
    event_time: Ints,
    amounts: Ints,
    query_key: Ints,
    query_time: Ints,
    spans: Ints,
    read_amount: Ints,
    read_span: Ints,
    *,
    last: bool = True,
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
    last : bool, default=True
        Whether the last event is wanted.

    Returns
    -------
    int64 array of shape (n_reads + last, n)
        The sums; in the last row the position of the last event seen, -1 where there is none.
    """
    added = np.flatnonzero([not _is_ones(amount) for amount in amounts])
    sum_of = np.full(len(amounts), -1)  # where events count one each, there is nothing to add up
    sum_of[added] = np.arange(len(added))
    back = np.append(0, np.where(spans == 0, _EVER, spans))
    asks = sum_of[read_amount], 1 + read_span, back, last
    events, queries = (event_key, event_time, amounts, added), (query_key, query_time)
    # A stream that queries itself, as the crossings do, is partitioned and sorted once.
    itself = _is_same(event_key, query_key) and _is_same(event_time, query_time)
    made, size = len(read_amount) + int(last), max(len(event_key), len(query_key))
    if size >= PARTITION_FROM:
        bits = max((size // PART_ROWS).bit_length(), 1)
        return _read_partitioned(events, queries, asks, made, itself=itself, bits=bits)
    out = np.empty((made, len(query_key)), np.int64)
    ends = np.array([0, len(event_key)]), np.array([0, len(query_key)])
    _read_parts(
        (*events, np.arange(len(event_key) if last else 0)), queries, ends, itself, asks, out
    )
    return out


def _is_same(one: Ints, other: Ints) -> bool:
    return one is other or np.array_equal(one, other)


def _read_partitioned(
    events: Given, queries: Queries, asks: Asks, made: int, *, itself: bool, bits: int
) -> Ints:
    """Partition rows, compute the reads, and put them back into the order of queries."""
    keys, times, amounts, added = events
    # The first row is free, so that each column moves up by one as it is put back.
    out = np.empty((max(1 + made, _AMOUNTS + len(added)), len(queries[0])), np.int64)
    asked = partition_rows(queries[0], bits)
    laid, own = out, asked
    if not itself:
        own = partition_rows(keys, bits)
        laid = np.empty((_AMOUNTS + len(added), len(keys)), np.int64)
        lay(queries[0], asked, out[_KEYS])
        lay(queries[1], asked, out[_TIMES])
    if asks[-1]:
        count_up(laid[0])
        lay(laid[0], own, laid[_ROWS])
    for row, column in ((_KEYS, keys), (_TIMES, times)):
        lay(column, own, laid[row])
    for row, amount in enumerate(added):
        lay(amounts[amount], own, laid[_AMOUNTS + row])
    of_parts = laid[_KEYS], laid[_TIMES], laid[_AMOUNTS:], np.arange(len(added)), laid[_ROWS]
    parts = out[_KEYS], out[_TIMES]
    _read_parts(of_parts, parts, (own[2], asked[2]), itself, asks, out[1:])
    for row in range(made):
        put_back(out[row + 1], asked, out[row])
    return out[:made]


@compile_kernel
def _is_ones(amount: Ints) -> bool:
    for each in amount:  # noqa: SIM110 - a generator is not compiled
        if each != 1:
            return False
    return True


@compile_kernel
def _take(values: Ints, places: Places, out: Ints) -> None:
    for i in range(len(places)):
        out[i] = values[places[i]]


@compile_kernel
def _read_parts(
    events: Laid, queries: Queries, bounds: Queries, itself: bool, asks: Asks, out: Ints
) -> None:
    """Compute the reads of one part after the other.

    They may overwrite the part's rows, which are no longer needed by then.
    """
    keys, times, amounts, added, rows = events
    (begins, asked), back = bounds, asks[2]
    most, most_asked = np.diff(begins).max(), np.diff(asked).max()
    code, order, time = _room(most), _room(most), np.empty(most, np.int64)
    asked_code, asked_order, cut = (
        _room(most_asked),
        _room(most_asked),
        np.empty(most_asked, np.int64),
    )
    places, seen = np.zeros((len(back), most_asked), np.uint32), np.empty(most_asked, np.int64)
    slots, sums = np.zeros((1 << 10, 2), np.int64), np.zeros((len(added), most + 1), np.int64)
    for part in range(len(begins) - 1):
        begin, end, first, n = (
            begins[part],
            begins[part + 1],
            asked[part],
            asked[part + 1] - asked[part],
        )
        slots, count = number_entities(keys[begin:end], code, slots)
        start = _group_rows(code[: end - begin], count, order)
        _take(times[begin:end], order[: start[-1]], time)
        if itself:
            of = start, order, time
        else:
            look_up_numbers(queries[0][first : first + n], asked_code, slots)
            of = _group_rows(asked_code[:n], count, asked_order), asked_order, cut
            _take(queries[1][first : first + n], asked_order[: of[0][-1]], cut)
        places[:, :n] = 0
        _sort_by_key(start, time, of, back, places)
        if asks[3]:
            _last(start, order, of, places[0], rows[begin:end], seen[:n])
        for row in range(len(added)):
            _add_up(order[: start[-1]], amounts[added[row], begin:end], sums[row])
        _write(places[:, :n], sums, seen, asks, out[:, first : first + n])


@compile_kernel
def _room(rows: int) -> Places:
    return np.zeros(rows, np.uint32)


@compile_kernel
def _group_rows(code: Places, count: int, order: Places) -> Ints:
    """Sort rows by entity, stably, leaving out those of none; return where each entity begins."""
    start = np.zeros(count + 1, np.int64)
    for c in code:
        start[c + 1] += 1
    start[1] = 0
    for c in range(count):
        start[c + 1] += start[c]
    place = start.copy()
    for i, c in enumerate(code):
        if c != 0:
            order[place[c]] = i
            place[c] += 1
    return start


@compile_kernel
def _sort_by_key(start: Ints, time: Ints, asking: Grouped, back: Ints, places: Places) -> None:
    """Fill in where each query's pointers stand among the sorted events."""
    asked_start, asked_order, cut = asking
    for c in range(1, len(start) - 1):
        begin, end = np.uint64(start[c]), np.uint64(start[c + 1])
        for w in range(len(back)):
            at, span = begin, back[w]
            for q in range(asked_start[c], asked_start[c + 1]):
                since = cut[q] - span
                while at < end and time[at] < since:
                    at += np.uint64(1)
                places[w, asked_order[q]] = at


@compile_kernel
def _last(
    start: Ints, order: Places, asking: Grouped, upto: Places, rows: Ints, seen: Ints
) -> None:
    """Fill in the last event that each query may see."""
    seen[:] = -1
    for c in range(1, len(start) - 1):
        for q in range(asking[0][c], asking[0][c + 1]):
            row = asking[1][q]
            if upto[row] > start[c]:
                seen[row] = rows[order[upto[row] - np.uint32(1)]]


@compile_kernel
def _add_up(order: Places, amount: Ints, sums: Ints) -> None:
    """Sums of the sorted amounts, running on across entities: only differences are read."""
    total = 0
    for j in range(len(order)):
        total += amount[order[j]]
        sums[j + 1] = total


@compile_kernel
def _write(places: Places, sums: Ints, seen: Ints, asks: Asks, out: Ints) -> None:
    sum_of, span_of, _, last = asks
    for read in range(len(sum_of)):
        upto, since, column = places[0], places[span_of[read]], out[read]
        if sum_of[read] < 0:
            for i in range(len(column)):
                column[i] = np.int64(upto[i]) - np.int64(since[i])
        else:
            total = sums[sum_of[read]]
            for i in range(len(column)):
                column[i] = total[upto[i]] - total[since[i]]
    if last:
        for i in range(out.shape[1]):
            out[len(sum_of), i] = seen[i]
