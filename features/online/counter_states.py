"""States of counters: the layout of a group's state, and blocks of several states in one row.

A state is its sums as int64, then what the last event carried as float64. A load writes states of
one counter together, as a block (:mod:`features.online.block_kernel`). Kernels are loaded when a
block is first met: a home without a loaded history has none, and its service starts without the
compiler.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from math import nan
from struct import Struct, pack, unpack_from
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.domain.time_units import WEEK
from engine.errors import DamagedStoreError
from features.catalogue.event_streams import SPREAD
from features.catalogue.plan import Group, Plan
from features.catalogue.spec import EVER, Read
from features.online.counter_log import Row

WEEKS = 52
"""How far back the timeline of an entity reaches."""


@dataclass(frozen=True, slots=True)
class StateLayout:
    """Layout of one group's state."""

    group: Group
    number: int
    """Identifies the group and its layout in the table, whatever the catalogue's order."""
    sums: tuple[str, ...]
    carried: tuple[str, ...]

    packing: Struct
    """Little-endian: the sums, then what is carried."""

    reach: int
    """How long before a cut the oldest state lies that is read with it, in microseconds."""

    @property
    def empty(self) -> bytes:
        """The state of an entity without events: nothing counted, nothing carried."""
        return self.packing.pack(*[0] * len(self.sums), *[nan] * len(self.carried))

    @property
    def width(self) -> int:
        """Number of 8-byte places."""
        return len(self.sums) + len(self.carried)


@cache  # a decision's page asks each time; a plan does not change
def list_layouts(plan: Plan) -> dict[Group, StateLayout]:
    """Return each group's layout; raises ``ValueError`` should two numbers collide."""
    found = {}
    for group in plan.groups:
        reads = [read for read in plan.reads if (read.stream, read.by) == (group.stream, group.by)]
        # Displays need the joint crossings of pairs, whether a feature reads them or not.
        counted, value = ({"n"}, {"known_at"}) if group in plan.remembered else (set(), set())
        sums = tuple(sorted({read.measure for read in reads if not read.is_last} | counted))
        carried = tuple(sorted({read.measure for read in reads if read.is_last} | value))
        text = repr((group.stream, group.by, sums, carried)).encode()
        number = int.from_bytes(blake2b(text, digest_size=4).digest(), "big") >> 1
        packing = Struct(f"<{len(sums)}q{len(carried)}d")
        found[group] = StateLayout(group, number, sums, carried, packing, _reach(group, reads))
    if len({layout.number for layout in found.values()}) != len(found):
        raise ValueError("two counter groups have the same number: rename an entity")
    return found


def _reach(group: Group, reads: Sequence[Read]) -> int:
    """Return how far a group is read back: by the windows of features, and by a timeline."""
    windows = [read.window for read in reads if not read.is_last and read.window < EVER]
    is_shown = len(group.by) == 1 and group.stream != SPREAD.name
    return max([*windows, WEEKS * WEEK if is_shown else 0])


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
    from features.online.block_kernel import HEAD, write_blocks

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
    from features.online.block_kernel import read_last

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
    from features.online.block_kernel import read_all

    times, states = read_all(np.frombuffer(block, np.uint8))
    if not len(times):
        raise DamagedStoreError(_CUT_OFF, "counters")
    return [(time, state.tobytes()) for time, state in zip(times.tolist(), states, strict=True)]


def load_kernels() -> None:
    """Load the compiler, half a second or more, before the first look-up that needs it."""
    _, _, blocks = pack_blocks(np.ones(1, np.int64), np.ones(1, np.int64), _ONE, 1)
    pick_states(blocks, [2])
    unpack_block(*blocks)


_CUT_OFF = "counters: a block of states is cut off"
_ONE = np.ones((1, 1), np.int64)


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
