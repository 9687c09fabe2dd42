"""Allocation of inspection capacity: the product's roster and cut, the same for every policy.

A policy ranks arrivals; this desk spends the post's minutes on them. The share above the cut is set
again for every arrival by :mod:`engine.shifts.workload`; random checks are drawn independently, and
the probability with which each arrival could have been chosen is kept. Until the measured year
begins the historical policy chooses, so that all policies start from the same past.
"""

from collections import defaultdict, deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.decision.inspection_minutes import LearnedMinutes
from engine.domain.time_units import DAY
from engine.selection.policy import Channel
from engine.selection.randomization import ShiftPeriod
from engine.shifts.workload import HourlyBaseline, OpenShiftLoad
from experiments.simulation.world_setup import LOOK, LOT, SEARCH, SHIFT_DAYS, Setting
from experiments.synthetic.config import Bools, Floats, Ints
from experiments.synthetic.unfolding.historical_policy import (
    RANDOM,
    SCORE,
    Choice,
    HistoricalPolicy,
    Results,
)
from experiments.synthetic.world.network import POSTS

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
    basis = SCORE
    """What the acts of its own choice are called."""
    looks = 0.0
    """Part of the minutes that goes to looks at documents and scan alone."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting

    def score(self, rows: Ints) -> Floats:
        """Return what arrivals are ranked by, shape (n,), highest first; asked once for each."""
        return np.zeros(len(rows))

    def again(self, rows: Ints) -> Floats | None:
        """Return the scores of earlier arrivals, shape (n,), where they have changed since."""
        return None

    def chance(self, place: "Place", share: float) -> float:
        """Return the probability of choosing one arrival, where ``share`` of arrivals may be."""
        return float(place.percentile >= 1.0 - share)

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
        self._picks: dict[tuple[int, Channel], list[tuple[int, float]]] = defaultdict(list)
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
        for i, place in enumerate(self._places(posts, rows, scores)):
            row, post = int(rows[i]), int(posts[i])
            running, _ = self._shift(post)
            running.now = int(self.setting.trips.habits.entry_at[row])
            search, either = self._chances(row, running, place)
            self.p_other[row] = either
            self.is_random[row] = self.setting.u_random[row] < self.p_random[row]
            if self.is_random[row]:
                basis[i], self.how[row] = RANDOM, LOT
            elif self.setting.u_pick[row] < search:
                basis[i], self.how[row] = self.chooser.basis, SEARCH
            elif self.setting.u_pick[row] < either:
                basis[i], self.how[row] = self.chooser.basis, LOOK
            if basis[i] >= 0:
                self._spend(post, row)
            running.decisions += 1
        both = (1 - self.p_random[rows]) * (1 - self.p_other[rows])
        return Choice(basis, 1 - both, is_look=self.how[rows] == LOOK)

    def _chances(self, row: int, running: OpenShiftLoad, place: "Place") -> tuple[float, float]:
        """Return with what chance an arrival is searched by choice, and searched or looked at."""
        random_share, minutes = self.chooser.random_share, self.setting.minutes[:, row].tolist()
        sides = running.sides()
        red = sides[Channel.RED].share(reserved=random_share or 0.0, expected=minutes[SEARCH])
        self.p_random[row] = max(red, LEAST_RANDOM_SHARE) if random_share is None else random_share
        if random_share is None:
            return 0.0, 0.0
        search = self.chooser.chance(place, red)
        if Channel.YELLOW not in sides:
            return search, search
        # As the product has it: who comes next after those to be searched is looked at.
        yellow = sides[Channel.YELLOW].share(reserved=0.0, expected=minutes[LOOK])
        return search, max(search, self.chooser.chance(place, red + yellow))

    def _spend(self, post: int, row: int) -> None:
        cost = float(self.setting.minutes[self.how[row], row])
        running, roster = self._open[post]
        channel = Channel.YELLOW if self.how[row] == LOOK else Channel.RED
        running.spent[channel, True] += cost
        roster.spent += cost
        self._picks[post, channel].append((self._now, cost))

    def _places(self, posts: Ints, rows: Ints, scores: Floats) -> "list[Place]":
        """Place each arrival among those of the last four weeks, its own post's above all."""
        before = np.concatenate([scores[:0], *(found for _, _, found in self._recent)])
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
            minutes = {Channel.RED: float(self.setting.budget[post]) * (1 - self.chooser.looks)}
            if self.chooser.looks:
                minutes[Channel.YELLOW] = float(self.setting.budget[post]) * self.chooser.looks
            usual = HourlyBaseline(
                shift,
                offsets,
                (opens - back) / length,
                means={channel: self._usual_pick(post, channel, opens) for channel in minutes},
                mandated=dict.fromkeys(minutes, 0.0),
                learnt=LearnedMinutes(()),
            )
            roster = Roster(post, opens, sum(minutes.values()))
            self.rosters.append(roster)
            self._open[post] = OpenShiftLoad(usual, minutes, self._now, 0), roster
        return self._open[post]

    def _usual_pick(self, post: int, channel: Channel, opens: int) -> float:
        """Return the mean minutes of what was picked in a post's last rosters."""
        since = opens - BEHIND * SHIFT_DAYS * DAY
        recent = [cost for day, cost in self._picks[post, channel] if day >= since]
        prior = self._mean[LOOK if channel == Channel.YELLOW else SEARCH, post]
        return float((sum(recent) + _USUAL_PICKS * prior) / (len(recent) + _USUAL_PICKS))


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
