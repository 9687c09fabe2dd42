"""Binary layout of a group's state in a counter row, and the group's number.

Assumes that a state is its sums as int64, then what the last event carried as float64.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from math import nan
from struct import Struct

from engine.domain.time_units import WEEK
from features.catalogue.event_streams import SPREAD
from features.catalogue.plan import Group, Plan
from features.catalogue.spec import EVER, Read

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
def layouts(plan: Plan) -> dict[Group, StateLayout]:
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
