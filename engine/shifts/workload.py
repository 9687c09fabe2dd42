"""Workload behind a post's cut: its roster, the minutes used, the arrivals still expected.

The roster is what a supervisor put for the post last, else the network file's. Arrivals still to
come are those of the same hours in the post's last 28 days, corrected by how busy this shift has
been so far. All of it is read where a decision is made, and stands in it as two shares by value.

The share above the cut is set again for every arrival, so that the expected minutes of those still
to come above it are the minutes left. Profiles, rules and the watch list are served first, since a
person answers for each of them; then the random stream, whose minutes are reserved; the score has
what remains, and yields first when there is too little. Red vehicles use the minutes of physical
inspection, yellow ones those of documents and scanner.
"""

import math
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from engine.decision.decision import Decision
from engine.decision.inspection_minutes import LearnedMinutes, Minutes, learn_minutes
from engine.domain.network import Network
from engine.domain.records import Method, VehicleClass
from engine.domain.time_units import DAY, RECENT_WINDOW
from engine.ports import Features
from engine.selection.policy import INSPECTED, Channel, Policy
from engine.selection.randomization import ShiftPeriod
from engine.shifts.rosters import read_roster
from engine.shifts.running_totals import Picks, Tally, picks

METHODS: Mapping[Channel, tuple[Method, ...]] = {
    Channel.RED: ("physical",),
    Channel.YELLOW: ("documents", "xray"),
}
"""Whose minutes a channel uses. Dogs and weighbridges go with either and bound neither."""
MOST_SHARE = 0.25
"""No channel takes more of the arrivals by score, however many minutes are left."""
MOST_TOGETHER = 0.30
"""Nor do both together. Below the riskiest three in ten hardly anything is known against a vehicle,
and a random check of the same minutes is expected to find more (decision 4)."""
CAUTION = 1.0
"""Standard deviations of what random checks and profiles may still take that are kept back."""
SLACK = 0.05
"""Part of a shift's minutes by which one last long inspection may exceed them."""


@dataclass(frozen=True, slots=True)
class MinutesUsed:
    """Expected minutes of what was sent to one channel so far in a shift."""

    ours: float = 0.0
    """Picked by score or at random."""
    mandated: float = 0.0
    """Picked by a profile, a rule or the watch list."""


@dataclass(frozen=True, slots=True)
class ExpectedRemainder:
    """What is expected of the rest of a shift."""

    arrivals: float
    """Arrivals still to come, the one at hand included."""
    mean: float
    """Expected minutes of one pick in this channel."""
    mandated: float
    """Minutes that profiles, rules and the watch list will take, for each arrival."""


@dataclass(frozen=True, slots=True)
class ChannelCapacity:
    """One channel of a shift: its minutes, what they went to, what is still to come."""

    minutes: float
    spent: MinutesUsed
    outlook: ExpectedRemainder

    @property
    def left(self) -> float:
        """Minutes not spoken for yet."""
        return self.minutes - self.spent.ours - self.spent.mandated

    @property
    def is_oversubscribed(self) -> bool:
        """Tell whether profiles, rules and the watch list alone ask for more than there is."""
        return self.spent.mandated > self.minutes

    def share(self, *, reserved: float, expected: float) -> float:
        """Return the share of arrivals that the score may pick.

        ``reserved`` is the share of the random stream, ``expected`` the minutes that the arrival at
        hand would take: where it does not fit any more, the score does not pick it.
        """
        coming = max(self.outlook.arrivals, 1.0)
        promised = coming * (self.outlook.mandated + reserved * self.outlook.mean)
        # What chance may add to that is kept back too; it shrinks as the shift runs out.
        spread = CAUTION * math.sqrt(promised * self.outlook.mean)
        free = self.left - promised - spread
        if free <= 0.0 or expected > self.left + SLACK * self.minutes:
            return 0.0
        return min(MOST_SHARE, free / (coming * self.outlook.mean))


def adapt_policy(
    policy: Policy, sides: Mapping[Channel, ChannelCapacity], minutes: Minutes
) -> Policy:
    """Return the policy for one arrival; a channel without a roster keeps its fixed share.

    What is left of ``MOST_TOGETHER`` below the red picks is all that the yellow ones may take.
    """
    red, yellow = sides.get(Channel.RED), sides.get(Channel.YELLOW)
    share: dict[str, float] = {}
    if red is not None:
        share["red_share"] = red.share(reserved=policy.random_share, expected=minutes.red)
    if yellow is not None:
        free = max(MOST_TOGETHER - share.get("red_share", policy.red_share), 0.0)
        share["yellow_share"] = min(yellow.share(reserved=0.0, expected=minutes.yellow), free)
    return replace(policy, **share)


OURS = ("random", "score")
"""Bases whose picks the score's cut has to make room for; all others are served first."""
PRIOR_ARRIVALS = 10.0
"""Arrivals that the usual pace counts as, against the pace of this shift."""
PRIOR_PICKS = 20.0
"""Picks that the prior mean of their minutes counts as."""
PRIOR_MEAN: Mapping[Channel, float] = {Channel.RED: 45.0, Channel.YELLOW: 15.0}
"""Minutes of a pick where a post has made none."""


@dataclass(frozen=True, slots=True)
class HourlyBaseline:
    """What is usual at a post in the hours of a shift; read once, as it opens."""

    shift: ShiftPeriod
    arrivals: Sequence[int]
    """Microseconds after the opening at which entries arrived, all days together, ascending."""
    days: float
    """Days that these arrivals are of."""
    means: Mapping[Channel, float]
    mandated: Mapping[Channel, float]
    """Minutes that profiles, rules and the watch list took, for each decision."""
    learnt: LearnedMinutes

    def expect_arrivals(self, now: int, so_far: int) -> float:
        """Return how many arrivals are still to come, the one at hand included."""
        if not self.arrivals:
            return 0.0
        passed = bisect_left(self.arrivals, now - self.shift.opens_at) / self.days
        pace = (so_far + PRIOR_ARRIVALS) / (passed + PRIOR_ARRIVALS)
        return 1.0 + pace * (len(self.arrivals) / self.days - passed)


@dataclass(slots=True)
class OpenShiftLoad:
    """One shift of one post while a batch is being decided."""

    usual: HourlyBaseline
    minutes: Mapping[Channel, float]
    """The roster, for each channel that has one."""
    now: int
    decisions: int
    spent: dict[tuple[Channel, bool], float] = field(default_factory=lambda: defaultdict(float))
    """Minutes by channel and by whether they were picked by score or at random."""
    teams: tuple[str, ...] = ()
    """Who inspects, as the roster names them."""
    equipment: Mapping[str, int] = field(default_factory=dict)
    """How many of each work, by code."""

    def expect_minutes(self, vehicle_class: VehicleClass) -> Minutes:
        """Return the expected minutes of a vehicle."""
        return self.usual.learnt.expect_minutes(vehicle_class)

    def policy(self, fixed: Policy, minutes: Minutes) -> Policy:
        """Return the policy for the next arrival."""
        return adapt_policy(fixed, self.sides(), minutes) if self.minutes else fixed

    def sides(self) -> dict[Channel, ChannelCapacity]:
        """Return where each channel that has a roster stands."""
        coming = self.usual.expect_arrivals(self.now, self.decisions)
        return {
            channel: ChannelCapacity(
                minutes,
                MinutesUsed(self.spent[channel, True], self.spent[channel, False]),
                ExpectedRemainder(coming, self.usual.means[channel], self.usual.mandated[channel]),
            )
            for channel, minutes in self.minutes.items()
        }

    def count_decision(self, decision: Decision) -> None:
        """Count a decision of this batch, which the store does not hold yet."""
        self.decisions += 1
        if decision.is_referred:
            self.spent[decision.channel, decision.selection.basis in OURS] += decision.minutes


class Workload:
    """Reads where the shifts of posts stand."""

    def __init__(self, features: Features, network: Network) -> None:
        self._features = features
        self._network = network
        self._usual: dict[str, HourlyBaseline] = {}

    def read_load(
        self, snapshot: Connection, shift: ShiftPeriod, *, now: int, tally: Tally | None = None
    ) -> OpenShiftLoad:
        """Return where a shift stands; what is usual at its post is read once a shift.

        ``tally`` has the running totals of a caller that asks for every batch.
        """
        hands = read_roster(snapshot, shift.post, self._network)
        minutes = hands.minutes
        usual = self._usual.get(shift.post)
        if usual is None or usual.shift != shift:
            usual = self._usual[shift.post] = self._look_back(snapshot, shift)
        bound = {
            channel: sum(minutes[m] for m in methods if m in minutes)
            for channel, methods in METHODS.items()
            if any(m in minutes for m in methods)
        }
        if not bound:
            return OpenShiftLoad(usual, bound, now, 0, teams=hands.teams, equipment=hands.equipment)
        spent = picks if tally is None else tally.spent
        rows = spent(snapshot, shift.post, shift.opens_at)
        decided = sum(row.decisions for row in rows)
        running = OpenShiftLoad(
            usual, bound, now, decided, teams=hands.teams, equipment=hands.equipment
        )
        for row in rows:
            running.spent[Channel(row.channel), row.basis in OURS] += row.minutes
        return running

    def _look_back(self, snapshot: Connection, shift: ShiftPeriod) -> HourlyBaseline:
        since = shift.opens_at - RECENT_WINDOW
        arrived = self._features.entries(snapshot, shift.post, since=since, until=shift.opens_at)
        length = shift.closes_at - shift.opens_at
        offsets = sorted(o for at in arrived if (o := (at - shift.opens_at) % DAY) < length)
        days = (shift.opens_at - min(arrived)) / DAY if arrived else 1.0
        rows = picks(snapshot, shift.post, since)
        decisions = sum(row.decisions for row in rows)
        return HourlyBaseline(
            shift,
            offsets,
            max(days, 1.0),
            means={c: _mean(rows, c) for c in INSPECTED},
            mandated={
                c: sum(row.minutes for row in _of(rows, c) if row.basis not in OURS)
                / max(decisions, 1)
                for c in INSPECTED
            },
            learnt=learn_minutes(snapshot),
        )


def _of(rows: Iterable[Picks], channel: Channel) -> list[Picks]:
    return [row for row in rows if row.channel == channel]


def _mean(rows: Iterable[Picks], channel: Channel) -> float:
    ours = [row for row in _of(rows, channel) if row.basis in OURS]
    picks, minutes = sum(row.decisions for row in ours), sum(row.minutes for row in ours)
    mean: float = (minutes + PRIOR_PICKS * PRIOR_MEAN[channel]) / (picks + PRIOR_PICKS)
    return mean
