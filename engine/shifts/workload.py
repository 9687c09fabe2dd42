"""Workload behind a post's cut: its roster, the minutes used, the arrivals still expected.

A roster states the inspection minutes of a shift, who is on it, and what equipment works. It is the
last one that a supervisor put for the post, else the network file's, and holds until the next one.
A roster put within a shift states all minutes of the shift, those already spent among them: a post
that loses half its bays at noon puts half the minutes.

Arrivals still to come are those of the same hours in the post's last 28 days, corrected by how busy
this shift has been so far. All of it is read when a decision is made, and stands in it as two
shares by value.

The share above the cut is set again for every arrival, so that the expected minutes of those still
to come above it are the minutes left. Profiles, rules and the watch list are served first, since a
person answers for each of them; then the random stream, whose minutes are reserved; the score has
what remains, and yields first when there is too little. Red vehicles use the minutes of physical
inspection, yellow ones those of documents and scanner.

The minutes that a shift has used and the vehicles that wait are sums over records of the journal.
The desk keeps the totals of its last snapshot and adds the decisions made since; any other record
(an act, a release, a review, an amendment) may have changed earlier addends, and then the totals
are read again. Assumes that snapshots only move forward, as those of one thread do.
"""

import json
import math
from bisect import bisect_left, insort
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar, NamedTuple

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError
from sqlalchemy import Column, Connection, Float, String, Table, delete

from engine.decision.decision import Decision
from engine.decision.inspection_minutes import (
    LearnedMinutes,
    Minutes,
    learn_minutes,
    lessons_of,
    shrink_mean,
    teach,
)
from engine.domain.field_types import Code, Identifier
from engine.domain.network import Count, Network, ShiftPeriod
from engine.domain.records import Method, Record, VehicleClass
from engine.domain.time_units import DAY, RECENT_WINDOW
from engine.errors import RecordError
from engine.journal.entries import Draft, Entry, list_bodies
from engine.journal.kinds import DECISION, QUEUE_EXPIRED, ROSTER, TICK
from engine.ports import Features
from engine.search_orders.order import NEEDED, is_working, join_equipment
from engine.selection import INSPECTED, RANDOM, RANDOM_PAPERS, Channel, Policy
from engine.storage.database import METADATA, Int64, declare_columns, fetch_rows, insert_rows

MOST_MINUTES = 100_000.0
MOST_TEAMS = 100
MOST_EQUIPMENT = 16

ROSTERS = Table(
    "rosters",
    METADATA,
    Column("post", String, primary_key=True),
    Column("method", String, primary_key=True),
    *declare_columns(Float(53), "minutes"),
    *declare_columns(Int64, "seq"),
    *declare_columns(String, "teams", "equipment"),
)
_R = ROSTERS.c
_OF_POST = "SELECT method, minutes, teams, equipment FROM rosters WHERE post = ?"


def _once_each(teams: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(teams)) != len(teams):
        raise PydanticCustomError("duplicate_id", "a team is named twice")
    return teams


class Roster(Record):
    """The inspection minutes of a shift, and who inspects."""

    minutes: Annotated[
        dict[Method, Annotated[float, Field(ge=0, le=MOST_MINUTES, allow_inf_nan=False)]],
        Field(min_length=1),
    ]
    """By method; a method that is not named bounds nothing."""
    teams: Annotated[
        tuple[Identifier, ...], Field(max_length=MOST_TEAMS), AfterValidator(_once_each)
    ] = ()
    """Codes of the teams or officers on the shift; a referred vehicle is assigned one at random."""
    equipment: Annotated[dict[Code, Count], Field(max_length=MOST_EQUIPMENT)] = Field(
        default_factory=dict
    )
    """How many of each work in the shift, such as xray or canine; else as the network file says."""
    EXAMPLE: ClassVar = {"minutes": {"physical": 600.0, "xray": 240.0, "canine": 180.0}}


@dataclass(frozen=True, slots=True)
class Hands:
    """What a post has to inspect with."""

    minutes: Mapping[str, float]
    """By method."""
    teams: tuple[str, ...] = ()
    equipment: Mapping[str, int] = field(default_factory=dict)
    """How many of each work, by code; what is not named is not known."""


def require_known_equipment(roster: Roster, post: str, network: Network) -> None:
    """Refuse equipment that no method uses and that the network file does not give to the post.

    A misspelt scanner would else be one that the order never asks for. Raises ``RecordError``.
    """
    known = network.posts.get(post)
    codes = sorted({*NEEDED.values(), *({} if known is None else known.equipment)})
    if not roster.equipment.keys() <= set(codes):
        raise RecordError(
            "roster", "equipment", "unknown_equipment", f"known at this post: {', '.join(codes)}"
        )


def read_roster(connection: Connection, post: str, network: Network) -> Hands:
    """Return the roster of a post; what it does not say is as the network file states it."""
    known = network.posts.get(post)
    stated = {} if known is None else known.equipment
    rows = fetch_rows(connection, _OF_POST, [post])
    if not rows:
        return Hands({} if known is None else known.roster, (), join_equipment(stated, {}))
    minutes = {method: minutes for method, minutes, *_ in rows}
    _, _, teams, equipment = rows[0]
    return Hands(minutes, tuple(json.loads(teams)), join_equipment(stated, json.loads(equipment)))


def has_scanner(connection: Connection, post: str, network: Network) -> bool:
    """Tell whether a post can scan now; so, as far as nothing is known of its equipment."""
    return is_working("xray", read_roster(connection, post, network).equipment)


def project_rosters(connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
    """Keep rosters, and what acts teach about minutes."""
    for entry, body in list_bodies(entries, ROSTER):
        connection.execute(delete(ROSTERS).where(_R.post == entry.post))
        teams, equipment = json.dumps(body["teams"]), json.dumps(body["equipment"])
        rows = [
            (entry.post, method, time, entry.seq, teams, equipment)
            for method, time in body["minutes"].items()
        ]
        insert_rows(connection, ROSTERS, rows)
    for entry, draft in entries:
        teach(connection, lessons_of(entry.kind, draft.body))


MOST_CAUGHT_UP = 10_000
"""Records since the last snapshot from which on reading all again is quicker than catching up."""


class Picks(NamedTuple):
    """Decisions of one post in one channel for one reason, and their expected minutes."""

    channel: int
    basis: str | None
    decisions: int
    minutes: float


def picks(snapshot: Connection, post: str, since: int) -> list[Picks]:
    """Return what was decided at a post from then on (UTC microseconds), added up."""
    return [Picks(*row) for row in fetch_rows(snapshot, _PICKS, (post, since))]


_PICKS = (
    "SELECT channel, basis, count(*), sum(minutes) FROM decisions "
    "WHERE post = ? AND known_at >= ? GROUP BY channel, basis"
)
_WAITING = (
    "SELECT known_at, place FROM decisions "
    "WHERE decisions.waiting AND post = ? AND +known_at >= ? ORDER BY place"
)
"""The sign keeps both stores from looking at everybody of a day for the few who wait."""
_RECORDED = (
    "SELECT j.kind, d.post, d.known_at, d.channel, d.basis, d.minutes, d.place, d.waiting, "
    "d.amends FROM journal j LEFT JOIN decisions d ON d.seq = j.seq WHERE j.seq > ?"
)


class _Decided(NamedTuple):
    """A record since the last snapshot; all but its kind is None where it is no decision."""

    kind: str
    post: str
    known_at: int
    channel: int
    basis: str | None
    minutes: float
    place: int
    waiting: bool
    amends: str | None

    @property
    def moves_nothing(self) -> bool:
        """Tell whether decisions that were added up before stand as they stood."""
        return self.kind in (TICK, QUEUE_EXPIRED) or (self.kind == DECISION and self.amends is None)


@dataclass(slots=True)
class _Spent:
    since: int
    picks: dict[tuple[int, str | None], Picks]

    def add(self, one: _Decided) -> None:
        had = self.picks.get((one.channel, one.basis), Picks(one.channel, one.basis, 0, 0.0))
        more = had._replace(decisions=had.decisions + 1, minutes=had.minutes + one.minutes)
        self.picks[one.channel, one.basis] = more


@dataclass(slots=True)
class _Line:
    """Who waits at a post: the same vehicles in the order of their places, and as they came."""

    places: list[int]
    came: deque[tuple[int, int]]

    def add(self, one: _Decided) -> None:
        insort(self.places, one.place)
        self.came.append((one.known_at, one.place))

    def leave(self, since: int) -> None:
        """Let go who has been waiting since before then."""
        while self.came and self.came[0][0] < since:
            _, place = self.came.popleft()
            del self.places[bisect_left(self.places, place)]


class Tally:
    """Sums of the decisions of each post, as of the snapshot that it last caught up with."""

    def __init__(self) -> None:
        self._seq = 0
        self._spent: dict[str, _Spent] = {}
        self._lines: dict[str, _Line] = {}

    def catch_up(self, snapshot: Connection, head: int) -> None:
        """Take in what was recorded up to ``head``, the last record that a snapshot sees."""
        if self._spent or self._lines:
            since = [] if head == self._seq else self._recorded(snapshot, head)
            if since is None:
                self._spent, self._lines = {}, {}
            else:
                self._add(since)
        self._seq = head

    def _recorded(self, snapshot: Connection, head: int) -> list[_Decided] | None:
        """Return the decisions since the last snapshot; None where more than that has changed."""
        if head - self._seq > MOST_CAUGHT_UP:
            return None
        found = [_Decided(*row) for row in fetch_rows(snapshot, _RECORDED, (self._seq,))]
        if not all(one.moves_nothing for one in found):
            return None
        return [one for one in found if one.kind == DECISION]

    def _add(self, since: Sequence[_Decided]) -> None:
        for one in since:
            if one.post in self._spent:
                self._spent[one.post].add(one)
            if one.waiting and one.post in self._lines:
                self._lines[one.post].add(one)

    def spent(self, snapshot: Connection, post: str, since: int) -> Sequence[Picks]:
        """Return what ``picks`` returns."""
        found = self._spent.get(post)
        if found is None or found.since != since:
            read = {(row.channel, row.basis): row for row in picks(snapshot, post, since)}
            found = self._spent[post] = _Spent(since, read)
        return list(found.picks.values())

    def places(self, snapshot: Connection, post: str, *, as_of: int) -> Sequence[int]:
        """Return the places of the vehicles that wait at a post, ascending."""
        since = as_of - DAY
        line = self._lines.get(post)
        if line is None:
            waits = fetch_rows(snapshot, _WAITING, (post, since))
            line = _Line([place for _, place in waits], deque(sorted(waits)))
            self._lines[post] = line
        line.leave(since)
        return line.places


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
    """Return the policy for one arrival; a channel without a roster keeps its fixed share."""
    red, yellow = sides.get(Channel.RED), sides.get(Channel.YELLOW)
    share: dict[Channel, float] = {}
    if red is not None:
        share[Channel.RED] = red.share(reserved=policy.random_share, expected=minutes.red)
    if yellow is not None:
        reserved = policy.random_yellow_share
        share[Channel.YELLOW] = yellow.share(reserved=reserved, expected=minutes.yellow)
    return fit_shares(policy, red=share.get(Channel.RED), yellow=share.get(Channel.YELLOW))


def fit_shares(policy: Policy, *, red: float | None, yellow: float | None) -> Policy:
    """Return a policy with the shares by score that rosters set; None keeps the fixed share.

    What is left of ``MOST_TOGETHER`` below the red picks is all that the yellow ones may take. The
    fixed shares of the other lists stay, and what a roster sets has to fit beside them.
    """
    if yellow is None:
        return policy if red is None else replace(policy, red_share=min(red, policy.most_red))
    red = policy.red_share if red is None else red
    yellow = min(yellow, max(MOST_TOGETHER - red, 0.0), policy.most_yellow)
    return replace(policy, red_share=red, yellow_share=yellow)


OURS = (RANDOM, RANDOM_PAPERS, "score")
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
        """Return how many arrivals to expect until the shift ends, the current one included."""
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
                c: sum(row.minutes for row in _keep_channel(rows, c) if row.basis not in OURS)
                / max(decisions, 1)
                for c in INSPECTED
            },
            learnt=learn_minutes(snapshot),
        )


def _keep_channel(rows: Iterable[Picks], channel: Channel) -> list[Picks]:
    return [row for row in rows if row.channel == channel]


def _mean(rows: Iterable[Picks], channel: Channel) -> float:
    ours = [row for row in _keep_channel(rows, channel) if row.basis in OURS]
    picks, minutes = sum(row.decisions for row in ours), sum(row.minutes for row in ours)
    return shrink_mean(minutes, picks, usual=PRIOR_MEAN[channel], prior_acts=PRIOR_PICKS)
