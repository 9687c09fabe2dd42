"""Time of the journal: the wall clock, held against the time since the machine started.

A wall clock can be set to anything; the time since boot only runs. Both are read together. Where
the wall clock strays from what the time since boot allows, the journal's time goes on by the time
since boot, and the wall clock is not followed until a person accepts it: a record of its own. The
anchor of that reckoning is kept in the store, so that every process of the machine reckons alike.

After a restart of the machine nothing says how long it was off. Then the wall clock is followed
where it lies no more than ``LONGEST_OFF`` after the journal's head, which is too little to reveal
the seed of a shift that may still run.

Assumes that the machine's clock was right when the store was first written to. A machine that is
suspended counts on; a virtual machine that its host pauses does not, and a person has to accept
its clock.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sqlalchemy import Column, Connection, String, Table, delete, insert, select

from engine.domain.time_units import HOUR, MINUTE, rfc3339
from engine.journal.entries import Draft, Entry, ProjectionInput
from engine.journal.kinds import CLOCK_ACCEPTED, ClockBody
from engine.storage.database import METADATA, Int64

ALLOWED, LARGEST_ALLOWED = 5 * MINUTE, HOUR
"""How far the two may differ when the anchor is new, and at most."""
DRIFT = 1000
"""A thousandth of the time since the anchor is allowed on top."""
LONGEST_OFF = 12 * HOUR
"""How long a machine may have been off before a person has to say that its clock is right."""

ANCHORS = Table(
    "clock_anchors",
    METADATA,
    Column("boot_id", String, primary_key=True),
    Column("since_boot", Int64, nullable=False),
    Column("held_at", Int64, nullable=False),
)
"""For each start of a machine: its time since boot at an instant of the journal's time, both in
microseconds."""
_A = ANCHORS.c
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Anchor(ProjectionInput):
    """An instant of the journal's time and the time since boot at it, microseconds."""

    since_boot: int
    held_at: int


@dataclass(frozen=True, slots=True)
class Reading:
    """The time, and the deviation of the wall clock from it."""

    now: int
    """UTC microseconds."""
    ahead: int = 0
    """Microseconds that the wall clock is ahead, negative where it is behind; 0 where followed."""

    @property
    def is_held(self) -> bool:
        """Tell whether the wall clock is not followed."""
        return self.ahead != 0


class AnchoredClock:
    """Reads the time for one journal; a thread may read while another does."""

    def __init__(self) -> None:
        self._anchor: Anchor | None = None
        self._is_kept = False

    def read(self, connection: Connection, *, wall: int, head: int) -> Reading:
        """Return the time at this wall clock, where the journal's head is at ``head``.

        The store is asked for its anchor at first, and whenever the wall clock strays: another
        process may have recorded that a person accepts it.
        """
        passed = since_boot()
        anchor = self._anchor
        if anchor is None or _judge(anchor, wall, passed).is_held:
            anchor = self._kept(connection) or _first(connection, wall, head, passed=passed)
            self._anchor = anchor
        return _judge(anchor, wall, passed)

    def keep(self, connection: Connection) -> None:
        """Write down the anchor, for every process, unless one of them has."""
        if self._is_kept or self._anchor is None:
            return
        kept = self._kept(connection)
        if kept is None:
            row = {"since_boot": self._anchor.since_boot, "held_at": self._anchor.held_at}
            connection.execute(insert(ANCHORS), [row | {"boot_id": boot_id()}])
        else:
            self._anchor = kept
        self._is_kept = True

    @staticmethod
    def _kept(connection: Connection) -> Anchor | None:
        query = select(_A.since_boot, _A.held_at).where(_A.boot_id == boot_id())
        row = connection.execute(query).one_or_none()
        return None if row is None else Anchor(*row)


def _first(connection: Connection, wall: int, head: int, *, passed: int) -> Anchor:
    """Return the anchor of a start of the machine that has none in the store yet."""
    is_new = connection.execute(select(_A.boot_id).limit(1)).first() is None
    is_near = wall - head <= LONGEST_OFF
    return Anchor(passed, max(wall, head) if is_new or is_near else head)


def _judge(anchor: Anchor, wall: int, passed: int) -> Reading:
    run = passed - anchor.since_boot
    expected = anchor.held_at + run
    strays = wall - expected
    if abs(strays) <= min(ALLOWED + abs(run) // DRIFT, LARGEST_ALLOWED):
        return Reading(wall)
    return Reading(expected, strays)


def project_anchors(connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
    """Forget every anchor, and keep the one that was accepted on this machine.

    A replay, which has no time since boot, leaves the anchors as they are.
    """
    for entry, draft in entries:
        if entry.kind == CLOCK_ACCEPTED and isinstance(draft.extra, Anchor):
            row = {"since_boot": draft.extra.since_boot, "held_at": draft.extra.held_at}
            connection.execute(delete(ANCHORS))
            connection.execute(insert(ANCHORS), [row | {"boot_id": boot_id()}])


def draft_acceptance(reading: Reading, *, by: str, why: str) -> Draft:
    """Return the record by which a person accepts the wall clock."""
    wall = reading.now + reading.ahead
    body: ClockBody = {
        "held_at": rfc3339(reading.now),
        "accepted_at": rfc3339(wall),
        "by": by,
        "why": why,
    }
    return CLOCK_ACCEPTED.draft("", body, extra=Anchor(since_boot(), wall))


def since_boot() -> int:
    """Return microseconds since the machine started, a suspension included."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime_ns(clock) // 1000


@cache
def boot_id() -> str:
    """Return the name of this start of the machine; where it has none, of this process."""
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except OSError:
        return f"process-{os.getpid()}-{os.urandom(8).hex()}"
