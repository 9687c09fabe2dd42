"""The bulk kernel: every as-of read of one group of counters, for every crossing, in one pass.

Events are laid out entity by entity in the order in which they became known, each with what its
entity had counted before it. Two kinds of pointer then walk along: one stands at the first event
that a crossing may not see, one for each window at the first event inside it. A read is the
difference of two running sums: exact in int64 and linear in events and crossings. The numpy twin
(:mod:`features.reference`) gives the same numbers by another road.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.int64]
_BLOCK = 64
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
    event_code, query_code, count = codes(event_key, query_key)
    return walk(
        event_code,
        event_time,
        amounts,
        query_code,
        query_time,
        spans,
        read_amount,
        read_span,
        count,
    )


@compiled
def codes(event_key: Ints, query_key: Ints) -> tuple[Ints, Ints, int]:
    """Number the entities that events have; 0 (not known) and strangers get -1."""
    bits = 4
    while (1 << bits) < 2 * len(event_key):
        bits += 1
    slot_key, slot_code = np.zeros(1 << bits, np.int64), np.full(1 << bits, -1)
    event_code, query_code = np.full(len(event_key), -1), np.full(len(query_key), -1)
    count = 0
    for i in range(len(event_key)):
        if event_key[i] != 0:
            at = _slot(slot_key, event_key[i], bits)
            if slot_key[at] == 0:
                slot_key[at], slot_code[at] = event_key[i], count
                count += 1
            event_code[i] = slot_code[at]
    for i in range(len(query_key)):
        if query_key[i] != 0:
            query_code[i] = slot_code[_slot(slot_key, query_key[i], bits)]
    return event_code, query_code, count


@compiled
def _slot(slot_key: Ints, key: int, bits: int) -> int:
    """Where a key stands in the table, or the free place where it belongs."""
    at = np.int64((np.uint64(key) * _SPREAD) >> np.uint64(64 - bits))
    while slot_key[at] not in (0, key):
        at = (at + 1) & ((1 << bits) - 1)
    return int(at)


@compiled
def _starts(code: Ints, count: int) -> Ints:
    """Where each entity's rows begin once sorted; one more place for the end."""
    start = np.zeros(count + 1, np.int64)
    for c in code:
        if c >= 0:
            start[c + 1] += 1
    for c in range(count):
        start[c + 1] += start[c]
    return start


@compiled
def _laid(event_code: Ints, event_time: Ints, amounts: Ints, start: Ints) -> tuple[Ints, Ints]:
    """Sort events by entity, stably; each row is (time, event, sums before it...).

    Also returns each entity's sums over all its events.
    """
    m, width = len(event_code), len(amounts)
    laid, place = np.empty((m + 1, width + 2), np.int64), start[:-1].copy()
    total = np.zeros((len(start) - 1, width), np.int64)
    for i in range(m):
        c = event_code[i]
        if c >= 0:
            j = place[c]
            place[c] = j + 1
            laid[j, 0], laid[j, 1] = event_time[i], i
            for a in range(width):
                laid[j, 2 + a] = total[c, a]
                total[c, a] += amounts[a, i]
    return laid, total


@compiled
def _sorted(code: Ints, start: Ints) -> Ints:
    """Rows by entity, stably; rows without an entity are left out."""
    order, place = np.empty(start[-1], np.int64), start[:-1].copy()
    for i in range(len(code)):
        if code[i] >= 0:
            order[place[code[i]]] = i
            place[code[i]] += 1
    return order


@compiled
def walk(  # noqa: C901 - one walk with two kinds of pointer
    event_code: Ints,
    event_time: Ints,
    amounts: Ints,
    query_code: Ints,
    query_time: Ints,
    spans: Ints,
    read_amount: Ints,
    read_span: Ints,
    count: int,
) -> Ints:
    """Walk both along, entity by entity; see :func:`group_reads`."""
    start, query_start = _starts(event_code, count), _starts(query_code, count)
    laid, total = _laid(event_code, event_time, amounts, start)
    order, reads = _sorted(query_code, query_start), len(read_amount)
    rows = np.zeros((len(query_code), reads + 1), np.int64)
    rows[:, reads] = -1
    since, upto = np.empty(len(spans), np.int64), np.empty(len(amounts), np.int64)
    for c in range(count):
        begin, end = start[c], start[c + 1]
        since[:] = begin
        seen = begin
        for q in range(query_start[c], query_start[c + 1]):
            row = order[q]
            cut = query_time[row]
            while seen < end and laid[seen, 0] < cut:
                seen += 1
            for a in range(len(upto)):
                upto[a] = total[c, a] if seen == end else laid[seen, 2 + a]
            for w in range(len(spans)):
                while spans[w] > 0 and since[w] < seen and laid[since[w], 0] < cut - spans[w]:
                    since[w] += 1
            for r in range(reads):
                a, first = read_amount[r], since[read_span[r]]
                rows[row, r] = 0 if first == seen else upto[a] - laid[first, 2 + a]
            if seen > begin:
                rows[row, reads] = laid[seen - 1, 1]
    return _columns(rows)


@compiled
def _columns(rows: Ints) -> Ints:
    """Transpose block by block: written row by row, read column by column."""
    n, width = rows.shape
    out = np.empty((width, n), np.int64)
    for begin in range(0, n, _BLOCK):
        for c in range(width):
            for r in range(begin, min(begin + _BLOCK, n)):
                out[c, r] = rows[r, c]
    return out
