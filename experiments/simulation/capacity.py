"""Capacity: what all policies of one world share, and the desk that spends the minutes of posts.

All policies of one world have the same trips, past, roster and random numbers. At 50,000 crossings
a year a post sees four entries a day, so a shift of hours would have less than one search to give:
here the minutes of a post's shifts in four weeks stand together as one roster. Searches are charged
at their expected minutes, worked out from the constants of the world.

A roster has two budgets: minutes of search, and minutes of papers (documents and scan). A policy
ranks arrivals for each, or for both alike; the desk spends the minutes of the post on them. The
share above a cut is set again for every arrival by :mod:`engine.shifts.workload`; random checks are
drawn independently, and the probability with which each arrival could have been chosen is kept.
Until the measured year begins the historical policy chooses, so that all policies start from the
same past.
"""

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.decision.inspection_minutes import LearnedMinutes
from engine.domain.network import ShiftPeriod
from engine.domain.time_units import DAY
from engine.selection import Channel
from engine.shifts.workload import HourlyBaseline, OpenShiftLoad
from experiments.simulation.world_records import Candidates, encode_candidates
from experiments.synthetic import inspections
from experiments.synthetic.folder import TRIPS_A_CROSSING
from experiments.synthetic.inspections import (
    COUNTERPART,
    RANDOM,
    SCORE,
    Choice,
    HistoricalPolicy,
    Results,
)
from experiments.synthetic.posts import POSTS, TRUCK, Bools, Config, Floats, Ints
from experiments.synthetic.trips import ORDINARY
from experiments.synthetic.world_plan import WorldPlan as Trips
from experiments.synthetic.world_plan import draw_plan
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan

SEARCH, LOT, LOOK = range(3)
"""How a vehicle is inspected: searched by choice, random check, documents and scan alone."""
SHIFT_DAYS = 28
"""Days whose minutes stand together; also from one refit to the next."""
CAPACITY = 0.10
"""Full searches that the roster allows, as a share of entries: what the product's shares ask for
(4 % by score, 3 % at random, 8 % of documents and scan at a third of the minutes)."""
PAPERS_SHARE = 0.5
"""Part of the minutes that is for papers, as in most rosters of the synthetic network: 480 minutes
of documents and 480 of physical inspection a shift."""
_NOISE = float(np.exp(0.25**2 / 2))  # mean of the log-normal spread of a search's minutes


@dataclass(frozen=True, slots=True)
class Span:
    """How large a world is, and for how long it is looked at."""

    crossings: int = 50_000
    """A year."""
    days: int = 364
    """Measured, from the end of the past on."""
    past_days: int = 182
    """Searched by the historical policy, the same for all."""
    capacity: float = CAPACITY
    """Searches that the roster allows, as a share of entries."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One world before any policy; one entry a trip unless stated otherwise."""

    trips: Trips
    records: Candidates
    span: Span
    minutes: Floats
    """Expected minutes, shape (3, trips): ``SEARCH``, ``LOT``, ``LOOK``."""
    budget: Floats
    """Minutes of each post's roster for ``SHIFT_DAYS``."""
    u_random: Floats
    u_pick: Floats
    """Numbers drawn once, the second of shape (3, trips), for the list of searches, for that of
    papers and for what is mandated: every policy meets the same luck."""
    is_tipped: Bools
    """On which another administration gives a hint: always searched."""

    @property
    def begins(self) -> int:
        """UTC microseconds from which policies choose for themselves."""
        return self.trips.config.first_midnight + self.span.past_days * DAY

    @property
    def ends(self) -> int:
        """UTC microseconds at which the count stops."""
        return self.begins + self.span.days * DAY


def draw_trips(seed: int, span: Span, *, end: int) -> Trips:
    """Draw the trips of a world."""
    days = span.past_days + span.days
    wanted = span.crossings * days / 365.0
    return draw_plan(Config(round(wanted), seed, end, days), wanted * TRIPS_A_CROSSING)


def draw_setting(trips: Trips, span: Span, *, is_tipped: Bools | None = None) -> Setting:
    """Draw the luck of a world, and encode every record that its trips could leave."""
    n = len(trips.calls.vehicle)
    u_random, *u_pick = trips.config.rng("simulated draws").random((4, n))
    minutes = expected_minutes(trips)
    return Setting(
        trips=trips,
        records=encode_candidates(trips, Plan(CATALOGUE)),
        span=span,
        minutes=minutes,
        budget=span.capacity * _sum_minutes(trips, minutes[0]),
        u_random=u_random,
        u_pick=np.array(u_pick),
        is_tipped=np.zeros(n, np.bool_) if is_tipped is None else is_tipped,
    )


def expected_minutes(trips: Trips) -> Floats:
    """Return minutes, shape (3, trips): of a chosen search, a random check, a look at papers.

    Follows how :mod:`experiments.synthetic.inspections` draws its methods; what a find
    takes beyond that is no part of a roster.
    """
    kind, post = trips.vehicles.vehicle_class[trips.calls.vehicle], trips.entry_post
    scanner = np.array([p.has_scanner for p in POSTS])[post]
    scale = np.array([p.has_scale for p in POSTS])[post]
    scanned = np.where(scanner, np.where(kind == TRUCK, 0.65, 0.3), 0.0)
    weighed = np.where(scale & (kind >= TRUCK), 0.4, 0.0)
    made = []
    for papers_only, physical in ((0.12, 0.7), (0.0, 0.8)):
        weak = (1 - scanned) * 0.5
        shares = np.array(
            [
                np.full(len(kind), 0.9 + 0.1 * papers_only),
                weighed,
                scanned * (1 - papers_only),
                np.full(len(kind), 0.5 * (1 - papers_only)),
                (weak + (1 - weak) * physical) * (1 - papers_only),
            ]
        )
        made.append(inspections.MINUTES @ shares * inspections.CLASS_MINUTES[kind] * _NOISE)
    looks = np.array([np.ones(len(kind)), weighed, 0.88 * scanned])
    made.append(
        inspections.MINUTES[: len(looks)] @ looks * inspections.CLASS_MINUTES[kind] * _NOISE
    )
    return np.array(made)


def _sum_minutes(trips: Trips, minutes: Floats) -> Floats:
    """Return the minutes of searching everybody at each post, from its lawful traffic."""
    usual = (trips.calls.role == ORDINARY) & (trips.entry_post >= 0)
    total = np.bincount(trips.entry_post[usual], minutes[usual], minlength=len(POSTS))
    return np.asarray(total * SHIFT_DAYS / trips.config.days)


BEHIND = 4
"""Rosters behind a post's usual arrivals; they are four weeks each."""
LEAST_RANDOM_SHARE = 0.01
"""Least share of random checks where they alone choose, so that every arrival is reached."""
_USUAL_PICKS = 20.0  # picks that a post's mean minutes count as, against those made
_SEED = 20.0  # arrivals that the ranking over all posts counts as, against a post's own


class Chooser:
    """One policy: ranks arrivals, and may learn from what was found; this one does not."""

    random_share: float | None = 0.0
    """Share of random checks; None where they alone choose."""
    random_papers = 0.0
    """Share of random looks at papers."""
    basis = SCORE
    """What the acts of its own choice are called."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting

    def score(self, rows: Ints) -> Floats:
        """Return what arrivals are ranked by, highest first; asked once for each.

        Of shape (2, n), for searches and for papers; or (1, n), where who comes next after those to
        be searched is looked at.
        """
        return np.zeros((1, len(rows)))

    def again(self, rows: Ints) -> Floats | None:
        """Return the scores of earlier arrivals, as ``score`` does, where they have changed."""
        return None

    def chance(self, place: "Place", share: float) -> float:
        """Return the probability of choosing one arrival, where ``share`` of arrivals may be."""
        return float(place.percentile >= 1.0 - share)

    def mandate(self, rows: Ints) -> Floats:
        """Return with what chance arrivals are searched whatever their score, shape (n,)."""
        return self.setting.is_tipped[rows].astype(np.float64)

    def note_searches(self, rows: Ints, choice: Choice) -> None:
        """Note who of these rows, shape (n,), was chosen, and why."""

    def learn(self, results: Results, *, at: int) -> None:
        """Take in results known at a time, UTC microseconds."""

    def refit(self, now: int) -> None:
        """Learn again from all that is known, as a roster begins."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an arrival stands among those of its post's last four weeks."""

    score: float
    percentile: float
    typical: float
    """Mean score there."""


@dataclass(slots=True)
class Roster:
    """Expected minutes of one post's four weeks: what there was, and what was spent."""

    post: int
    opens_at: int
    """UTC microseconds."""
    minutes: float
    spent: float = 0.0


class SimulatedDesk:
    """Spends each post's minutes on what a policy ranks first."""

    def __init__(self, setting: Setting, chooser: Chooser) -> None:
        n = len(setting.u_random)
        self.setting, self.chooser = setting, chooser
        self.is_random: Bools = np.zeros(n, np.bool_)
        self.how: NDArray[np.int8] = np.full(n, SEARCH, np.int8)
        self.p_random: Floats = np.full(n, np.nan)
        self.p_other: Floats = np.full(n, np.nan)
        self.rosters: list[Roster] = []
        self._past = HistoricalPolicy(setting.trips)
        self._now = setting.trips.config.first_midnight - 2 * DAY
        self._open: dict[int, tuple[OpenShiftLoad, Roster]] = {}
        self._recent: deque[tuple[int, Ints, Floats]] = deque()
        self._arrived: dict[int, list[int]] = defaultdict(list)
        self._picks: dict[tuple[int, Channel, bool], list[tuple[int, float]]] = defaultdict(list)
        self._mean = _means(setting)

    def learn(self, results: Results) -> None:
        """Open the day: take in what became known since the last one."""
        self._now += DAY
        if self._now < self.setting.begins:
            self._past.learn(results)
        # Known before the day begins, so that its arrivals may use it.
        self.chooser.learn(results, at=self._now - 1)

    def choose(self, rows: Ints) -> Choice:
        """Choose among the arrivals of a day, shape (n,)."""
        since = self._now - self.setting.begins
        if since >= 0 and since % (SHIFT_DAYS * DAY) == 0:
            self._open.clear()
            self.chooser.refit(self._now)
            self._rescore()
        scores = self.chooser.score(rows)
        choice = self._past.choose(rows) if since < 0 else self._chosen(rows, scores)
        self._recent.append((self._now, rows, scores))
        while self._recent[0][0] <= self._now - SHIFT_DAYS * DAY:
            self._recent.popleft()
        self.chooser.note_searches(rows, choice)
        for row in rows.tolist():
            at = int(self.setting.trips.habits.entry_at[row])
            self._arrived[int(self.setting.trips.entry_post[row])].append(at)
        return choice

    def _rescore(self) -> None:
        for _ in range(len(self._recent)):
            day, rows, scores = self._recent.popleft()
            revised = self.chooser.again(rows)
            self._recent.append((day, rows, scores if revised is None else revised))

    def _chosen(self, rows: Ints, scores: Floats) -> Choice:
        posts = self.setting.trips.entry_post[rows]
        basis = np.full(len(rows), -1, np.int8)
        lists = [self._places(posts, rows, scores, at) for at in range(len(scores))]
        mandates = self.chooser.mandate(rows).tolist()
        for i, (mandate, *places) in enumerate(zip(mandates, *lists, strict=True)):
            row, post = int(rows[i]), int(posts[i])
            running, _ = self._shift(post)
            running.now = int(self.setting.trips.habits.entry_at[row])
            search, look = self._chances(row, running, places)
            # One list draws one number: its chances are nested.
            u_search, u_look, u_mandate = self.setting.u_pick[[0, len(places) - 1, 2], row]
            is_mandated = u_mandate < mandate
            missed = (1 - search) * (1 - look) if len(places) > 1 else 1 - max(search, look)
            self.p_other[row] = 1 - (1 - mandate) * missed
            self.is_random[row] = self.setting.u_random[row] < self.p_random[row]
            if self.is_random[row]:
                basis[i], self.how[row] = RANDOM, LOT
            elif is_mandated or u_search < search:
                basis[i], self.how[row] = self.chooser.basis, SEARCH
                if self.setting.is_tipped[row]:
                    basis[i] = COUNTERPART
            elif u_look < look:
                basis[i], self.how[row] = self.chooser.basis, LOOK
            if basis[i] >= 0:
                self._spend(post, row, is_ours=self.is_random[row] or not is_mandated)
            running.decisions += 1
        both = (1 - self.p_random[rows]) * (1 - self.p_other[rows])
        return Choice(basis, 1 - both, is_look=self.how[rows] == LOOK)

    def _chances(
        self, row: int, running: OpenShiftLoad, places: Sequence[Place]
    ) -> tuple[float, float]:
        """Return the chances that the policy's own choice searches an arrival, and looks at it."""
        chooser, minutes = self.chooser, self.setting.minutes[:, row].tolist()
        sides = running.sides()
        red = sides[Channel.RED].share(
            reserved=chooser.random_share or 0.0, expected=minutes[SEARCH]
        )
        yellow = sides[Channel.YELLOW].share(reserved=chooser.random_papers, expected=minutes[LOOK])
        look = chooser.chance(places[-1], yellow if len(places) > 1 else red + yellow)
        look = 1 - (1 - look) * (1 - chooser.random_papers)
        if chooser.random_share is None:
            self.p_random[row] = max(red, LEAST_RANDOM_SHARE)
            return 0.0, look
        self.p_random[row] = chooser.random_share
        return chooser.chance(places[0], red), look

    def _spend(self, post: int, row: int, *, is_ours: bool) -> None:
        cost = float(self.setting.minutes[self.how[row], row])
        running, roster = self._open[post]
        channel = Channel.YELLOW if self.how[row] == LOOK else Channel.RED
        running.spent[channel, is_ours] += cost
        roster.spent += cost
        self._picks[post, channel, is_ours].append((self._now, cost))

    def _places(self, posts: Ints, rows: Ints, scores: Floats, at: int) -> "list[Place]":
        """Place each arrival among those of the last four weeks, its own post's above all.

        ``at`` is the row of ``scores`` that has the list.
        """
        scores = scores[at]
        before = np.concatenate([scores[:0], *(found[at] for _, _, found in self._recent)])
        where = self.setting.trips.entry_post[
            np.concatenate([rows[:0], *(found for _, found, _ in self._recent)])
        ]
        overall = np.sort(before)
        own = {post: np.sort(before[where == post]) for post in np.unique(posts).tolist()}
        made = []
        for post, score in zip(posts.tolist(), scores.tolist(), strict=True):
            n = len(own[post])
            share = (_below(own[post], score) * n + _below(overall, score) * _SEED) / (n + _SEED)
            typical = (own[post].sum() + _SEED * overall.mean()) / (n + _SEED)
            made.append(Place(score, float(share), float(typical)))
        return made

    def _shift(self, post: int) -> tuple[OpenShiftLoad, Roster]:
        if post not in self._open:
            begins, length = self.setting.begins, SHIFT_DAYS * DAY
            opens = self._now - (self._now - begins) % length
            shift = ShiftPeriod(POSTS[post].code, opens, opens + length)
            back = max(opens - BEHIND * length, self.setting.trips.config.first_midnight)
            offsets = sorted(
                (at - opens) % length for at in self._arrived[post] if back <= at < opens
            )
            budget = float(self.setting.budget[post])
            minutes = {
                Channel.RED: budget * (1 - PAPERS_SHARE),
                Channel.YELLOW: budget * PAPERS_SHARE,
            }
            usual = HourlyBaseline(
                shift,
                offsets,
                (opens - back) / length,
                means={channel: self._usual_pick(post, channel, opens) for channel in minutes},
                mandated={
                    channel: sum(self._recent_picks(post, channel, opens, is_ours=False))
                    / max(len(offsets), 1)
                    for channel in minutes
                },
                learnt=LearnedMinutes(()),
            )
            roster = Roster(post, opens, sum(minutes.values()))
            self.rosters.append(roster)
            self._open[post] = OpenShiftLoad(usual, minutes, self._now, 0), roster
        return self._open[post]

    def _usual_pick(self, post: int, channel: Channel, opens: int) -> float:
        """Return the mean minutes of what was picked in a post's last rosters."""
        recent = self._recent_picks(post, channel, opens, is_ours=True)
        prior = self._mean[LOOK if channel == Channel.YELLOW else SEARCH, post]
        return float((sum(recent) + _USUAL_PICKS * prior) / (len(recent) + _USUAL_PICKS))

    def _recent_picks(
        self, post: int, channel: Channel, opens: int, *, is_ours: bool
    ) -> list[float]:
        since = opens - BEHIND * SHIFT_DAYS * DAY
        return [cost for day, cost in self._picks[post, channel, is_ours] if day >= since]


def _below(values: Floats, score: float) -> float:
    """Return the share of values below a score; among equals, its middle."""
    if not len(values):
        return 0.5
    low = np.searchsorted(values, score, side="left")
    high = np.searchsorted(values, score, side="right")
    return float(low + high) / (2 * len(values))


def _means(setting: Setting) -> Floats:
    """Return the mean minutes of everybody at each post, shape (3, posts)."""
    post = setting.trips.entry_post
    here = post >= 0
    count = np.maximum(np.bincount(post[here], minlength=len(POSTS)), 1)
    sums = [np.bincount(post[here], one[here], minlength=len(POSTS)) for one in setting.minutes]
    return np.array(sums) / count
