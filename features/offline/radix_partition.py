"""Radix partition of rows by key, so that one entity's rows fit a cache.

A block of rows is sorted within the cache first, so that memory is read and written in long runs in
both directions: into parts, and back into the order of rows.
"""

import numpy as np
from numpy.typing import NDArray

from features.offline.compilation import compile_kernel

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
