"""Rows of blocks from a group's states, and states from blocks.

Kernels are loaded where a block is first met: a home without a loaded history has none, and its
service starts without the compiler.
"""

from collections.abc import Iterable, Iterator, Sequence
from struct import pack, unpack_from
from threading import Event
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import DamagedStoreError
from features.online.counter_log.tables import Row

Ints = NDArray[np.int64]


def is_block(state: bytes) -> bool:
    """Tell whether a row's state is a block: a single state has eight bytes a number."""
    return len(state) % 8 != 0


def pack_blocks(
    entity: Ints, known_at: Ints, states: Ints, sums: int
) -> tuple[list[int], list[int], list[bytes]]:
    """Return the rows of a group's states: entities, times of the first state in each, blocks.

    Parameters
    ----------
    entity, known_at : int64 array of shape (m,)
        Keys and UTC microseconds, in the order of the table.
    states : int64 array of shape (m, width)
        Sums first; what is carried is float64 in the same bytes.
    sums : int
        How many of them are sums.
    """
    from features.online.blocks.kernel import HEAD, write_blocks

    width = states.shape[1]
    most = HEAD + 1 + 10 + (sums + 7) // 8 + 10 * sums + 9 * (width - sums)
    out = np.empty(len(entity) * most, np.uint8)
    stamps = known_at.astype(np.float64).view(np.int64)
    first, end = write_blocks(entity, known_at, stamps, states, sums, out)
    ends = end.tolist()
    packed = out[: ends[-1] if ends else 0].tobytes()
    blocks = [packed[begin:stop] for begin, stop in zip([0, *ends], ends, strict=False)]
    return entity[first].tolist(), known_at[first].tolist(), blocks


def pick_states(blocks: Sequence[bytes], cuts: Sequence[int]) -> list[tuple[bytes, int]]:
    """Return of each block the state before a cut (UTC microseconds), which is after its first.

    With it comes when the state after it became known, 0 where it is the block's last one.

    Raises ``DamagedStoreError`` where one is no block.
    """
    from features.online.blocks.kernel import read_last

    asked = len(blocks)
    numbers = pack(f"={2 * asked}q", *cuts, *map(len, blocks))
    found = read_last(np.frombuffer(b"".join((numbers, *blocks)), np.uint8), asked).tobytes()
    if len(found) < 16 * asked:  # one is shorter than any block
        raise DamagedStoreError(_CUT_OFF, "counters")
    ends, after = (unpack_from(f"={asked}q", found, 8 * asked * part) for part in range(2))
    if ends[-1] < 0:
        raise DamagedStoreError(_CUT_OFF, "counters")
    begins = (16 * asked, *ends)
    states = [found[begin:end] for begin, end in zip(begins, ends, strict=False)]
    return list(zip(states, after, strict=True))


def unpack_block(block: bytes) -> list[tuple[int, bytes]]:
    """Return the (known_at, state) of a block; raises ``DamagedStoreError`` where it is none."""
    from features.online.blocks.kernel import read_all

    times, states = read_all(np.frombuffer(block, np.uint8))
    if not len(times):
        raise DamagedStoreError(_CUT_OFF, "counters")
    return [(time, state.tobytes()) for time, state in zip(times.tolist(), states, strict=True)]


def load_kernels() -> None:
    """Load the compiler, half a second or more, before the first look-up that needs it."""
    _, _, blocks = pack_blocks(np.ones(1, np.int64), np.ones(1, np.int64), _ONE, 1)
    pick_states(blocks, [2])
    unpack_block(*blocks)
    _LOADED.set()


def has_kernels() -> bool:
    """Tell whether the compiler is loaded, so that a writer need not wait for it."""
    return _LOADED.is_set()


_CUT_OFF = "counters: a block of states is cut off"
_ONE = np.ones((1, 1), np.int64)
_LOADED = Event()


def expand_rows(rows: Iterable[Sequence[Any]]) -> Iterator[Row]:
    """Yield the rows of the table of counters with each state of a block as a row."""
    for group, entity, known_at, state in rows:
        if isinstance(state, bytes) and is_block(state):
            (_, first), *others = unpack_block(state)
            yield group, entity, known_at, first  # found by the time of the row, whatever it has
            for time, one in others:
                yield group, entity, time, one
        else:
            yield group, entity, known_at, state
