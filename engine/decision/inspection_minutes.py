"""Expected minutes of an inspection, learnt from acts, and the place in the queue that follows.

Acts are counted by vehicle class and by whether they were physical: a red vehicle is sent to a
physical act, a yellow one to another. A stated prior is used until acts outnumber it, so one long
search does not make every truck an hour slower.

Channels use different hands (red: bays and searching officers; yellow: desks and scanners), so a
red vehicle always comes before a yellow one. Within a channel the order is expected value per
expected minute.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Float,
    String,
    Table,
    bindparam,
    delete,
    insert,
    select,
)

from engine.domain.records import Method, VehicleClass
from engine.journal.kinds import INSPECTION, INSPECTION_CORRECTED, InspectionBody
from engine.selection import Channel
from engine.storage.database import METADATA, Int64, declare_columns

PRIOR: Mapping[VehicleClass, float] = {
    "car": 20.0,
    "van": 30.0,
    "bus": 60.0,
    "truck": 60.0,
    "rail_wagon": 90.0,
    "other": 45.0,
}
"""Minutes of a physical inspection, by judgement; documents and scan take a third of them."""
PRIOR_ACTS = 20
"""Acts that the prior counts as."""
LONGEST_ACT = 24 * 60.0
"""Minutes of one act beyond this are a slip of the pen and teach nothing."""
ACT_MINUTES = Table(
    "act_minutes",
    METADATA,
    Column("vehicle_class", String, primary_key=True),
    Column("is_physical", Boolean, primary_key=True),
    *declare_columns(Int64, "acts"),
    *declare_columns(Float(53), "minutes"),
)
"""What acts took so far."""
Taught = tuple[VehicleClass, bool, int, float]
"""(vehicle class, whether physical, number of acts, their minutes together)."""


@dataclass(frozen=True, slots=True)
class Minutes:
    """Expected minutes of one vehicle in each channel that sends it to officers."""

    red: float
    yellow: float

    def of(self, channel: Channel) -> float:
        """Return the minutes of a channel; none where the vehicle is not inspected."""
        return {Channel.RED: self.red, Channel.YELLOW: self.yellow}.get(channel, 0.0)


class LearnedMinutes:
    """Expected minutes by vehicle class, as they stood when this was made."""

    def __init__(self, taught: Sequence[Taught]) -> None:
        self._minutes = {
            vehicle_class: Minutes(
                _shrunk(taught, vehicle_class, prior, physical=True),
                _shrunk(taught, vehicle_class, prior / 3.0, physical=False),
            )
            for vehicle_class, prior in PRIOR.items()
        }

    def expect_minutes(self, vehicle_class: VehicleClass) -> Minutes:
        """Return what an inspection of this class is expected to take."""
        return self._minutes[vehicle_class]


def _shrunk(
    taught: Sequence[Taught], vehicle_class: VehicleClass, prior: float, *, physical: bool
) -> float:
    found = [row for row in taught if row[0] == vehicle_class and row[1] == physical]
    acts, minutes = sum(row[2] for row in found), sum(row[3] for row in found)
    return shrink_mean(minutes, acts, usual=prior, prior_acts=PRIOR_ACTS)


def shrink_mean(total: float, number: int, *, usual: float, prior_acts: float) -> float:
    """Return a mean drawn to what is usual, which counts as so many of what was counted.

    >>> shrink_mean(30.0, 10, usual=6.0, prior_acts=10.0)
    4.5
    """
    return (total + prior_acts * usual) / (number + prior_acts)


def lesson(
    vehicle_class: VehicleClass, methods: Sequence[Method], minutes: float | None
) -> Sequence[Taught]:
    """Return what one act teaches: nothing where it gave no minutes, or absurd ones."""
    if minutes is None or not 0.0 < minutes <= LONGEST_ACT:
        return ()
    return ((vehicle_class, is_physical(methods), 1, minutes),)


def lesson_of(act: InspectionBody) -> Sequence[Taught]:
    """Return what the record of an act teaches; nothing where a partner told of it."""
    who, found = act.get("vehicle_class"), act["inspection"]
    return lesson(who, found.get("methods", ()), found.get("minutes")) if who else ()


def lessons_of(kind: str, body: Any) -> Sequence[Taught]:
    """Return what a record teaches: an act, or what the correction of one changes."""
    if kind == INSPECTION:
        return lesson_of(body)
    if kind != INSPECTION_CORRECTED:
        return ()
    before: Any = {"vehicle_class": body["vehicle_class"], "inspection": body["was"]}
    taken = [(who, how, -acts, -minutes) for who, how, acts, minutes in lesson_of(before)]
    return (*taken, *lesson_of(body))


def is_physical(methods: Sequence[Method]) -> bool:
    """Tell whether an act was physical; one that names no methods counts as full."""
    return not methods or "physical" in methods


_C = ACT_MINUTES.c
_LEARNT = select(_C.vehicle_class, _C.is_physical, _C.acts, _C.minutes)


def learn_minutes(connection: Connection) -> LearnedMinutes:
    """Return what acts have taught so far."""
    rows = connection.execute(_LEARNT)
    return LearnedMinutes([(who, how, acts, minutes) for who, how, acts, minutes in rows])


_MORE = (
    ACT_MINUTES.update()
    .where(_C.vehicle_class == bindparam("who"), _C.is_physical == bindparam("how"))
    .values(acts=_C.acts + bindparam("more_acts"), minutes=_C.minutes + bindparam("more_minutes"))
)


def teach(connection: Connection, taught: Sequence[Taught]) -> None:
    """Add acts to what is known, inside the writer's transaction."""
    for who, how, acts, minutes in taught:
        more = {"who": who, "how": how, "more_acts": acts, "more_minutes": minutes}
        if connection.execute(_MORE, more).rowcount == 0:
            row = {"vehicle_class": who, "is_physical": how, "acts": acts, "minutes": minutes}
            connection.execute(insert(ACT_MINUTES), [row])


def relearn(connection: Connection, taught: Sequence[Taught]) -> None:
    """Forget what acts have taught, and learn it from a whole history."""
    connection.execute(delete(ACT_MINUTES))
    teach(connection, taught)


SHORTEST_ACT = 1.0
"""Minutes an inspection takes at least, so that no vehicle's place is beyond all bounds."""
CHANNEL_STEP = 10**12
"""What one channel is worth in a place: more than any risk."""
FORWARD = 2 * 10**11
"""What an alert adds to a place: more than any risk per minute, less than a channel."""
_SCALE = 10**11


def place_of(channel: Channel, risk: float, *, minutes: Minutes) -> int:
    """Return what a queue is ordered by, highest first; ``risk`` lies in [0, 1]."""
    per_minute = risk / max(minutes.of(channel) or minutes.red, SHORTEST_ACT)
    return int(channel) * CHANNEL_STEP + round(per_minute * _SCALE)
