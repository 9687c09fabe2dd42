"""The bytes of a block, written and read by compiled functions.

A block has three bytes: how many states it holds (the highest bit says that times are whole
seconds), how many sums a state has, and how many numbers it carries. Then, state by state, what
changed against the one before, the first against zeros:

- the time, in seconds or microseconds;
- of several sums, bits that say which changed, in whole bytes, lowest first; then these. One sum
  stands there without bits;
- for each carried number a tag, and its bytes where the tag says so.

Differences are zigzag variable-length integers, seven bits a byte, lowest first. Sums wrap around
as int64 do. A block whose length is a multiple of eight is followed by one more byte: the length
tells a block from a single state, whose numbers take eight bytes each.
"""

import numpy as np
from numpy.typing import NDArray

from features.offline.kernel import Ints, compile_kernel

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]
Number = int | np.int64

MOST_STATES = 32
"""States in one block: what a row takes beyond its states is little then, and a read is quick."""
MOST_BYTES = 800
"""A block is over once it has more: SQLite keeps a row of up to 1,002 bytes on one page."""
HEAD = 3
_WHOLE, _COUNT = 128, 127
_SECOND = 1_000_000
_OWN_TIME, _AS_BEFORE, _NAN = 9, 10, 11
"""Tags of a carried number; 0 to 8 are how many bytes of it follow, the lower ones being zeros."""
_NAN_BITS = 0x7FF8_0000_0000_0000


@compile_kernel
def _write_number(out: Bytes, at: int, value: int) -> int:
    """Write an integer at a place; return the place behind it."""
    left = np.uint64((value << 1) ^ (value >> 63))
    while left >= np.uint64(128):
        out[at] = np.uint8((left & np.uint64(127)) | np.uint64(128))
        left >>= np.uint64(7)
        at += 1
    out[at] = np.uint8(left)
    return at + 1


@compile_kernel
def _read_number(packed: Bytes, at: Number, end: Number) -> tuple[Number, Number]:
    """Return an integer, and the place behind it; -1 where the bytes are over before."""
    left, shift = np.uint64(0), np.uint64(0)
    while at < end and shift < np.uint64(64):
        byte = np.uint64(packed[at])
        left |= (byte & np.uint64(127)) << shift
        shift += np.uint64(7)
        at += 1
        if byte < np.uint64(128):
            half, sign = np.int64(left >> np.uint64(1)), np.int64(left & np.uint64(1))
            return half ^ -sign, at
    return 0, -1


@compile_kernel
def _write_carried(out: Bytes, at: int, bits: int, before: int, stamp: int) -> int:
    """Write a carried number, given by its bits, with those before it and those of its time."""
    if bits == stamp:
        out[at] = _OWN_TIME
        return at + 1
    if bits == before:
        out[at] = _AS_BEFORE
        return at + 1
    if bits == _NAN_BITS:
        out[at] = _NAN
        return at + 1
    left, size = np.uint64(bits), 8
    while size > 0 and (left & np.uint64(255)) == np.uint64(0):
        left >>= np.uint64(8)
        size -= 1
    out[at] = size
    for place in range(size):
        out[at + 1 + place] = np.uint8((left >> np.uint64(8 * place)) & np.uint64(255))
    return at + 1 + size


@compile_kernel
def _write_state(out: Bytes, at: int, row: Ints, before: Ints, sums: int, stamp: int) -> int:
    """Write what changed from one state to the next, without its time."""
    if sums == 1:
        at = _write_number(out, at, row[0] - before[0])
    elif sums > 1:
        bits = at
        for _ in range(0, sums, 8):
            out[at] = 0
            at += 1
        for place in range(sums):
            if row[place] != before[place]:
                out[bits + place // 8] |= np.uint8(1 << place % 8)
                at = _write_number(out, at, row[place] - before[place])
    for place in range(sums, len(row)):
        at = _write_carried(out, at, row[place], before[place], stamp)
    return at


@compile_kernel
def _find_run(entity: Ints, known_at: Ints, begin: int) -> tuple[int, int]:
    """Return up to where rows are of one entity, at most a block's, and the unit of their times."""
    stop, unit = begin, _SECOND
    while stop < len(entity) and stop - begin < MOST_STATES and entity[stop] == entity[begin]:
        if known_at[stop] % _SECOND != 0:
            unit = 1
        stop += 1
    return stop, unit


@compile_kernel
def write_blocks(
    entity: Ints, known_at: Ints, stamps: Ints, states: Ints, sums: int, out: Bytes
) -> tuple[Ints, Ints]:
    """Write the states of a group in blocks, one behind another.

    Parameters
    ----------
    entity, known_at, stamps : int64 array of shape (m,)
        In the order of the table: keys, UTC microseconds, and the bits of these as float64.
    states : int64 array of shape (m, width)
        The sums, then the bits of what is carried.
    out : uint8 array
        Room for all blocks.

    Returns
    -------
    first, end : int64 array of shape (n_blocks,)
        Row of each block's first state, and where its bytes end.
    """
    first, end = np.empty(len(entity), np.int64), np.empty(len(entity), np.int64)
    nothing = np.zeros(states.shape[1], np.int64)
    count = at = row = 0
    while row < len(entity):
        begin, head, last, before = row, at, 0, nothing
        stop, unit = _find_run(entity, known_at, begin)
        at += HEAD
        while row < stop and at - head <= MOST_BYTES:
            at = _write_number(out, at, known_at[row] // unit - last)
            at = _write_state(out, at, states[row], before, sums, stamps[row])
            last, before = known_at[row] // unit, states[row]
            row += 1
        out[head] = row - begin + (_WHOLE if unit == _SECOND else 0)
        out[head + 1], out[head + 2] = sums, states.shape[1] - sums
        if (at - head) % 8 == 0:
            out[at] = 0
            at += 1
        first[count], end[count] = begin, at
        count += 1
    return first[:count], end[:count]


@compile_kernel
def _read_sums(packed: Bytes, at: Number, end: Number, sums: Number, row: Ints) -> Number:
    """Add to sums what changed; return the place behind, -1 where the bytes are over before."""
    bits, one = at, sums == 1
    at += 0 if one else (sums + 7) // 8
    if at > end:
        return -1
    for place in range(sums):
        if one or packed[bits + place // 8] >> (place % 8) & 1:
            step, at = _read_number(packed, at, end)
            if at < 0:
                return -1
            row[place] += step
    return at


@compile_kernel
def _read_carried(
    packed: Bytes, at: Number, end: Number, before: Number, stamp: Number
) -> tuple[Number, Number]:
    """Return the bits of a carried number, and the place behind; -1 where the bytes are over."""
    tag = np.int64(packed[at]) if at < end else np.int64(255)
    at += 1
    if tag == _OWN_TIME:
        return stamp, at
    if tag == _AS_BEFORE:
        return before, at
    if tag == _NAN:
        return _NAN_BITS, at
    if tag > 8 or at + tag > end:
        return 0, -1
    found = np.uint64(0)
    for byte in range(tag):
        found |= np.uint64(packed[at + byte]) << np.uint64(8 * (8 - tag + byte))
    return np.int64(found), at + tag


@compile_kernel
def _read_state(
    packed: Bytes, at: Number, end: Number, sums: Number, time: Number, row: Ints, floats: Floats
) -> Number:
    """Turn the state before into the next one; return the place behind it, -1 where it is cut off.

    ``at`` is behind its time. ``row`` and ``floats`` are the same memory of shape (width,).
    """
    at = _read_sums(packed, at, end, sums, row)
    for place in range(sums, len(row)):
        if at < 0:
            return -1
        before = row[place]
        floats[place] = np.float64(time)
        row[place], at = _read_carried(packed, at, end, before, row[place])
    return at


@compile_kernel
def read_last(packed: Bytes, asked: int) -> Ints:
    """Return of each block the last state before a cut; the first one, whatever the cut.

    Parameters
    ----------
    packed : uint8 array
        The bytes of n int64 each of cuts (UTC microseconds) and of the blocks' lengths, then the
        blocks, one behind another.
    asked : int
        How many blocks these are, n.

    Returns
    -------
    found : int64 array of shape (2 n + sum of widths,)
        At which of its bytes the state of each block ends, -1 from one that is none on; when the
        state after it became known, 0 where it is the last; the states.
    """
    numbers = packed[: 16 * asked].view(np.int64)
    total: Number = 0
    begin: Number = 0
    for block in range(asked):
        size = numbers[asked + block]
        if size < HEAD:
            return np.full(asked, -1)
        head = 16 * asked + begin
        total += np.int64(packed[head + 1]) + np.int64(packed[head + 2])
        begin += size
    found = np.zeros(2 * asked + total, np.int64)
    floats = found.view(np.float64)
    found[:asked] = -1
    at: Number = 16 * asked
    here: Number = 2 * asked
    time: Number = 0
    for block in range(asked):
        end, sums, cut = at + numbers[asked + block], np.int64(packed[at + 1]), numbers[block]
        unit = _SECOND if packed[at] & _WHOLE else 1
        count, stop = packed[at] & _COUNT, here + sums + np.int64(packed[at + 2])
        row, same = found[here:stop], floats[here:stop]
        at, time = at + HEAD, 0
        for number in range(count):
            step, at = _read_number(packed, at, end)
            if at < 0:
                return found
            time += step
            if number and time * unit >= cut:
                found[asked + block] = time * unit
                break
            at = _read_state(packed, at, end, sums, time * unit, row, same)
            if at < 0:
                return found
        found[block], here, at = 8 * stop, stop, end
    return found


@compile_kernel
def read_all(packed: Bytes) -> tuple[Ints, Ints]:
    """Return the times and the states of a block; none of one that is none.

    ``packed`` is its bytes; int64 arrays of shape (n_states,) and (n_states, width).
    """
    nothing = np.empty(0, np.int64), np.empty((0, 0), np.int64)
    if len(packed) < HEAD:
        return nothing
    count, sums = np.int64(packed[0] & _COUNT), np.int64(packed[1])
    unit = _SECOND if packed[0] & _WHOLE else 1
    times = np.empty(count, np.int64)
    states = np.zeros((count, sums + np.int64(packed[2])), np.int64)
    row = np.zeros(states.shape[1], np.int64)
    floats = row.view(np.float64)
    at: Number = HEAD
    time: Number = 0
    for number in range(count):
        step, at = _read_number(packed, at, len(packed))
        if at < 0:
            return nothing
        time += step
        times[number] = time * unit
        at = _read_state(packed, at, len(packed), sums, times[number], row, floats)
        if at < 0:
            return nothing
        for place in range(len(row)):
            states[number, place] = row[place]
    if at % 8 == 0 and at < len(packed) and packed[at] == 0:
        at += 1
    return (times, states) if at == len(packed) else nothing
