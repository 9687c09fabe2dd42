"""Known lawful trade over a synthetic year of one post: sooner released, and still known.

Traders with an entry pass next to everybody else. Chances, draws and the rule that suspends an
entry are the engine's own; the score, the loads, the minutes of a search and the bays are assumed.
A search finds a load with a fixed chance. Vehicles that are sent to officers wait for a bay in the
order in which they came; all others leave after the minutes of their papers.

One trader is bought: from a day on a part of its vehicles carry loads, and its score stays that of
a trader. This is the worst case for the lane, because only drawn searches then find the loads.

All of it is synthetic: it says what follows from the rules, and nothing about a border.
"""

import heapq
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any

import numpy as np

from engine.criteria.policy import LawfulTrade
from engine.domain.time_units import DAY
from engine.queue.lawful_trade import WINDOW, LaneCounts
from engine.selection import (
    LAWFUL_CHECK,
    PAPERS,
    RANDOM,
    RANDOM_PAPERS,
    SCORE,
    Chance,
    Channel,
    Levels,
    Policy,
    Selection,
    lower_chances,
    lower_factor,
    random_chances,
    score_chances,
    select,
)
from models.statistics.intervals import clopper_pearson

NOTICE = "SYNTHETIC: one post with assumed traders; nothing here is a finding about a real border."
PURPOSES = (RANDOM, RANDOM_PAPERS, SCORE, PAPERS, LAWFUL_CHECK)
BOUND = LawfulTrade().bound
FIND = 0.85
"""Chance that a search finds a load."""
PAPER_MINUTES = 10.0
BAYS: Mapping[Channel, int] = {Channel.RED: 3, Channel.YELLOW: 2}
SERVICE: Mapping[Channel, float] = {Channel.RED: 60.0, Channel.YELLOW: 20.0}
"""Mean minutes of a search and of a look at the papers; exponential."""
LOAD_LEVEL = 4.0
"""How far a load raises a score, traders' loads apart: the largest of so many even numbers."""
TRADER_LEVEL = 1.3
"""How far a trader's score lies below others': an even number to this power."""


@dataclass(frozen=True, slots=True)
class LaneSetting:
    """The assumed post."""

    days: int = 365
    traders: int = 10
    passages: float = 1.5
    """Of each trader a day."""
    others: float = 60.0
    """Other arrivals a day."""
    trader_loads: float = 0.0005
    """Share of a trader's vehicles with a load."""
    other_loads: float = 0.004
    bought_on: int = 90
    bought_loads: float = 1 / 3
    """Share of the bought trader's vehicles with a load from that day on."""


@dataclass(slots=True)
class LaneYear:
    """What became of one year."""

    lane_minutes: list[float] = field(default_factory=list)
    """From arrival to release, of vehicles that an entry fitted."""
    other_minutes: list[float] = field(default_factory=list)
    counts: list[LaneCounts] = field(default_factory=list)
    """Of each trader's entry; the first trader is bought."""
    carried: list[int] = field(default_factory=list)
    """Loads on the vehicles that each entry fitted."""
    through: int = 0
    """Loads that were not found, on all vehicles."""
    sent: int = 0
    suspended_on: dict[int, float] = field(default_factory=dict)
    """By trader, the day on which the rule ended its entry."""
    recent: dict[int, deque[tuple[float, LaneCounts]]] = field(default_factory=dict)
    """By trader, the vehicles of the days by which it is judged."""


@dataclass(frozen=True, slots=True)
class _Arrival:
    day: float
    trader: int
    """-1 of all others."""
    level: float
    carries: bool


def simulate_lane(
    seed: int, setting: LaneSetting, *, policy: Policy | None = None, has_lane: bool = True
) -> LaneYear:
    """Return a year of the post; without a lane the same arrivals meet no entry."""
    policy = Policy() if policy is None else policy
    rng, draws = (np.random.default_rng((seed, part)) for part in (0, 1))
    year = LaneYear(counts=[LaneCounts()] * setting.traders, carried=[0] * setting.traders)
    bays = {channel: [0.0] * size for channel, size in BAYS.items()}
    for one in _draw_arrivals(rng, setting):
        is_lane = has_lane and one.trader >= 0 and one.trader not in year.suspended_on
        drawn = dict(zip(PURPOSES, draws.random(len(PURPOSES)).tolist(), strict=True))
        effort, luck = draws.exponential(), draws.random()
        made = _choose(policy, one.level, drawn, is_lane=is_lane)
        is_found = one.carries and made.channel is Channel.RED and luck < FIND
        year.sent += one.carries
        year.through += one.carries and not is_found
        minutes = _release(bays, made.channel, one.day * 1440.0, effort)
        (year.lane_minutes if is_lane else year.other_minutes).append(minutes)
        if is_lane:
            _count(year, one, made, is_found=is_found)
    return year


def _draw_arrivals(rng: np.random.Generator, setting: LaneSetting) -> Iterator[_Arrival]:
    """Yield the arrivals of a year in order."""
    daily = setting.traders * setting.passages + setting.others
    number = int(rng.poisson(daily * setting.days))
    days = np.sort(rng.random(number)) * setting.days
    is_trader = rng.random(number) < setting.traders * setting.passages / daily
    trader = np.where(is_trader, rng.integers(0, setting.traders, number), -1)
    rate = np.where(is_trader, setting.trader_loads, setting.other_loads)
    rate = np.where((trader == 0) & (days >= setting.bought_on), setting.bought_loads, rate)
    carries = rng.random(number) < rate
    level = rng.random(number)
    level = np.where(
        is_trader, level**TRADER_LEVEL, np.where(carries, level ** (1 / LOAD_LEVEL), level)
    )
    for row in zip(days.tolist(), trader.tolist(), level.tolist(), carries.tolist(), strict=True):
        yield _Arrival(*row)


def _choose(
    policy: Policy, level: float, drawn: Mapping[str, float], *, is_lane: bool
) -> Selection:
    picked: Sequence[Chance] = score_chances(policy, Levels(level, level))
    chances = [*picked, *random_chances(policy)]
    if is_lane:
        checked = Chance(LAWFUL_CHECK, Channel.RED, policy.lawful_floor)
        lowered = lower_chances(picked, lower_factor(policy))
        chances = [*lowered, *random_chances(policy), checked]
    return select(chances, drawn)


def _release(
    bays: Mapping[Channel, list[float]], channel: Channel, at: float, effort: float
) -> float:
    """Return the minutes from an arrival to its release; the bay is taken meanwhile."""
    if channel not in bays:
        return PAPER_MINUTES
    begins = max(heapq.heappop(bays[channel]), at + PAPER_MINUTES)
    ends = begins + effort * SERVICE[channel]
    heapq.heappush(bays[channel], ends)
    return ends - at


def _count(year: LaneYear, one: _Arrival, made: Selection, *, is_found: bool) -> None:
    """Count a vehicle for its entry, and end the entry where it is beyond its bound."""
    was = year.counts[one.trader]
    is_searched, is_drawn = made.channel is Channel.RED, made.basis in (RANDOM, LAWFUL_CHECK)
    now = LaneCounts(1, int(is_searched), int(is_found), int(is_drawn), int(is_drawn and is_found))
    year.counts[one.trader] = _add((was, now))
    year.carried[one.trader] += one.carries
    recent = year.recent.setdefault(one.trader, deque())
    recent.append((one.day, now))
    while recent[0][0] < one.day - WINDOW / DAY:
        recent.popleft()
    if is_found and _add([counts for _, counts in recent]).is_beyond(BOUND):
        year.suspended_on[one.trader] = one.day


def _add(counts: Iterable[LaneCounts]) -> LaneCounts:
    return LaneCounts(*map(sum, zip(*map(astuple, counts), strict=True)))


def cover_truth(year: LaneYear) -> bool:
    """Tell whether the interval of the drawn searches covers the share of loads in the lane.

    The truth is the share of all vehicles of the lane with a load that a search would find.
    """
    drawn = sum(one.drawn for one in year.counts)
    low, high = clopper_pearson(sum(one.drawn_loads for one in year.counts), drawn)
    truth = FIND * sum(year.carried) / sum(one.vehicles for one in year.counts)
    return low <= truth <= high


def compare_lane(seeds: int, setting: LaneSetting | None = None) -> dict[str, Any]:
    """Return what a lane does in so many years, next to the same years without one."""
    setting = LaneSetting() if setting is None else setting
    with_lane = [simulate_lane(seed, setting) for seed in range(seeds)]
    without = [simulate_lane(seed, setting, has_lane=False) for seed in range(seeds)]
    waited = sorted(
        one.suspended_on[0] - setting.bought_on for one in with_lane if 0 in one.suspended_on
    )
    honest = sum(len(one.suspended_on.keys() - {0}) for one in with_lane)
    return {
        "notice": NOTICE,
        "seeds": seeds,
        "days": setting.days,
        "release": {
            "lane": _spread([one.lane_minutes for one in with_lane]),
            "others": _spread([one.other_minutes for one in with_lane]),
            "all_without_lane": _spread([one.other_minutes for one in without]),
        },
        "loads": {
            "sent": sum(one.sent for one in with_lane),
            "through": sum(one.through for one in with_lane),
            "through_without_lane": sum(one.through for one in without),
        },
        "covered": sum(map(cover_truth, with_lane)),
        "bought": {
            "suspended": len(waited),
            "median_days": float(np.median(waited)) if waited else None,
            "most_days": float(np.quantile(waited, 0.95)) if waited else None,
        },
        "honest_suspended": honest / (seeds * (setting.traders - 1)),
    }


def _spread(minutes: Sequence[Sequence[float]]) -> dict[str, float]:
    """Return the mean and some quantiles of minutes."""
    every = np.concatenate([np.asarray(one) for one in minutes])
    median, long, longest = np.quantile(every, (0.5, 0.9, 0.95)).tolist()
    return {"mean": float(every.mean()), "median": median, "p90": long, "p95": longest}
