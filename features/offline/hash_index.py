"""Dense numbers for entities, so that a part can be sorted by counting.

A hash table of keys and numbers with open addressing, at most half full. Its size is a power of
two; no entity has key 0.
"""

import numpy as np
from numpy.typing import NDArray

from features.offline.compilation import compile_kernel
from features.offline.radix_partition import SPREAD, Ints

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
