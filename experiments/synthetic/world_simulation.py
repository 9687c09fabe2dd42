"""Simulation of the world day by day, with reactions to finds.

A policy chooses among the day's arrivals, acts find or miss, and circles react: after a seizure a
circle goes quiet, loses the vehicle and the driver, and often comes back with another front. Plans
are fixed before; a plan can be unfolded under any policy, with the same random numbers.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine.domain.time_units import DAY
from experiments.synthetic import inspections
from experiments.synthetic.inspections import Choice, InspectionPolicy, Results
from experiments.synthetic.posts import Bools, Floats, Ints, join
from experiments.synthetic.smuggling import FRONTS, MOVES
from experiments.synthetic.trips import DRY_RUNS, ESCORT, HONEST, ORDINARY
from experiments.synthetic.world_plan import WorldPlan

Progress = Callable[[int, int], None]
DRIVER_HELD_DAYS = 75
CAREFUL = 0.25
"""Finds after which the traders of a lane are careful."""
CAREFUL_DAYS = 45.0
"""For how long, on average."""


@dataclass(frozen=True, slots=True)
class World:
    """A plan, and what became of it."""

    plan: WorldPlan
    happens: Bools
    """Per trip of the plan."""
    p_seizure: Floats
    """True probability of carrying, given who controls whom, the circle's state and all signs."""
    p_discrepancy: Floats
    """True probability of a wrong declaration, given its lane, its value and who is careful."""
    hiding: Ints
    """Per trip: how its load is hidden, an index into ``hiding.WAYS``; -1 where none is."""
    propensity: Floats
    """Per trip: what the policy gave it; NaN where it never arrived."""
    acts: inspections.Acts
    seizures: inspections.Seizures


class Traders:
    """Caution of traders over the days: of lanes, and of vehicles that trade without papers.

    After a find of a wrong declaration most traders go on as before. Some send nothing wrong on
    that lane for weeks, so that what was learnt of them fades. Assumed, see docs/synthetic.md.
    """

    def __init__(self, plan: WorldPlan) -> None:
        rng = plan.config.rng("traders' nerves")
        n = len(plan.calls.vehicle)
        lane, lanes = plan.habits.lane, len(plan.lanes.group)
        named = plan.cargo.is_declared & (lane >= 0)
        self.who = np.where(named, lane, lanes + plan.calls.vehicle)
        self.wrong = plan.cargo.discrepancy != HONEST
        self.lawful = plan.front < 0
        self.until = np.zeros(lanes + len(plan.vehicles.carrier), np.int64)
        self.days = np.where(rng.random(n) < CAREFUL, rng.exponential(CAREFUL_DAYS, n), 0.0)
        self.p_wrong = plan.cargo.p_discrepancy.copy()

    def hold_back(self, rows: Ints, now: int) -> Bools:
        """Return which of the day's trips stay away, shape (n,); careful traders are honest."""
        careful = self.lawful[rows] & (self.until[self.who[rows]] > now)
        self.p_wrong[rows[careful]] = 0.0
        return np.asarray(careful & self.wrong[rows])

    def react(self, rows: Ints, now: int) -> None:
        """Make traders careful whose wrong declarations were found; rows of shape (n,)."""
        until = now + (self.days[rows] * DAY).astype(np.int64)
        np.maximum.at(self.until, self.who[rows], until)


class Underworld:
    """The state of the circles while days go by."""

    def __init__(self, plan: WorldPlan) -> None:
        rng = plan.config.rng("underworld")
        self.plan = plan
        n = len(plan.calls.vehicle)
        self.working = np.zeros(plan.circles.count, np.int64)
        self.quiet_until = np.zeros(plan.circles.count, np.int64)
        self.gone = np.zeros(len(plan.vehicles.carrier), dtype=np.bool_)
        self.held_until = np.zeros(int(plan.habits.driver.max(initial=0)) + 1, np.int64)
        self.takes_place = np.full(n, -1, np.int8)
        self.u_stays_home, self.u_switch = rng.random((2, n))
        self.pause_days = 4.0 + rng.exponential(15.0, n)
        self.p_run = np.zeros(n)
        self.hiding = plan.loads.hiding.copy()
        self.given_up = np.zeros(plan.circles.way_order.shape, np.bool_)
        self.u_moves = plan.config.rng("ways given up").random(n)

    def resolve(self, rows: Ints, now: int) -> Bools:
        """Return which of the day's trips take place, shape (n,); decides runs still open."""
        plan = self.plan
        front = plan.front[rows]
        circle = np.maximum(front, 0) // FRONTS
        works = (front >= 0) & (self.working[circle] == front % FRONTS)
        is_quiet = (front >= 0) & (self.quiet_until[circle] > now)
        event = plan.event[rows]
        open_ = (event >= 0) & (self.takes_place[event] < 0)
        goes = works & ~is_quiet & (self.held_until[plan.habits.driver[event]] <= now)
        self.takes_place[event[open_]] = goes[open_]
        self._suspect(rows, works & ~is_quiet)
        self._hide(rows)
        role = plan.calls.role[rows]
        ran = (event >= 0) & (self.takes_place[event] == 1)
        happens = np.where(role == ORDINARY, ~ran, ran)
        trades = works | (plan.circles.established[front] == 1)
        at_home = is_quiet & (self.u_stays_home[rows] < 0.8)
        stays = (role == ORDINARY) & (front >= 0) & (~trades | at_home)
        return np.asarray(happens & ~stays & ~self.gone[plan.calls.vehicle[rows]])

    def _hide(self, rows: Ints) -> None:
        """Hide the loads of runs in the first way that their circles have not given up."""
        loads = self.plan.loads
        runs = rows[loads.choices_of[rows] >= 0]
        ways = loads.choices[loads.choices_of[runs]].astype(np.int64)
        left = (ways >= 0) & ~self.given_up[self.plan.front[runs] // FRONTS, ways.T].T
        self.hiding[runs] = ways[np.arange(len(runs)), left.argmax(axis=1)]

    def _suspect(self, rows: Ints, goes: Bools) -> None:
        """Note how likely each trip of a working front is a run, given all its signs."""
        plan = self.plan
        front = plan.front[rows]
        suits = goes & (
            plan.circles.vehicle_road[plan.calls.vehicle[rows]]
            == plan.calls.pair[rows] * 2 + plan.calls.direction[rows]
        )
        suits &= plan.calls.role[rows] != ESCORT
        rate = plan.circles.load_rate[np.maximum(front, 0) // FRONTS]
        odds = rate / (1 - rate) * np.exp(np.clip(plan.habits.evidence[rows], -30, 30))
        self.p_run[rows] = np.where(suits, odds / (1 + odds), 0.0)

    def see(self, rows: Ints, choice: Choice) -> None:
        """See who was chosen among the day's arrivals, shape (n,); these circles do not look."""

    def react(self, rows: Ints, now: int) -> None:
        """Let the owners of seized loads react; rows of shape (n,)."""
        plan = self.plan
        self.gone[plan.calls.vehicle[rows]] = True
        self.held_until[plan.habits.driver[rows]] = now + DRIVER_HELD_DAYS * DAY
        moved = rows[(plan.loads.choices_of[rows] >= 0) & (self.u_moves[rows] < MOVES)]
        self.given_up[plan.front[moved] // FRONTS, self.hiding[moved]] = True
        for row in rows[plan.front[rows] >= 0].tolist():
            circle = int(plan.front[row]) // FRONTS
            self.quiet_until[circle] = now + int(self.pause_days[row] * DAY)
            if self.u_switch[row] < 0.3 and self.working[circle] == plan.front[row] % FRONTS:
                self.working[circle] = (self.working[circle] + 1) % FRONTS


def simulate_world(
    plan: WorldPlan,
    policy: InspectionPolicy,
    *,
    circles: Underworld | None = None,
    progress: Progress | None = None,
) -> World:
    """Let the days go by under a policy; ``circles`` are fresh ones of the plan by default."""
    n, config = len(plan.calls.vehicle), plan.config
    below, above, inland = circles or Underworld(plan), Traders(plan), inspections.Inland(plan)
    rng = config.rng("search")
    happens, propensity = np.zeros(n, dtype=np.bool_), np.full(n, np.nan)
    first = config.first_midnight - DAY
    edges = np.searchsorted(
        plan.habits.entry_at, first + DAY * np.arange(config.days + 4, dtype=np.int64)
    )
    acts: list[inspections.Acts] = []
    known: defaultdict[int, list[Results]] = defaultdict(list)
    lost: defaultdict[int, list[int]] = defaultdict(list)
    for day, (low, high) in enumerate(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)):
        now = first + day * DAY
        below.react(np.array(sorted(lost.pop(day, [])), dtype=np.int64), now)
        policy.learn(_merge(known.pop(day, [])))
        today = np.arange(low, high)
        happens[low:high] = below.resolve(today, now) & ~above.hold_back(today, now)
        rows = np.flatnonzero(happens[low:high] & (plan.entry_post[low:high] >= 0)) + low
        choice = policy.choose(rows)
        propensity[rows] = choice.propensity
        below.see(rows, choice)
        chosen = choice.basis >= 0
        done = inspections.search(
            plan,
            rng,
            rows=rows[chosen],
            given=(choice.basis[chosen], choice.propensity[chosen]),
            hiding=below.hiding,
            is_look=None if choice.is_look is None else choice.is_look[chosen],
        )
        acts.append(done)
        for part, late in _by_day(done, first):
            known[late].append(part)
        below.react(done.row[done.outcome == inspections.SEIZURE], now)
        above.react(done.row[done.outcome == inspections.DISCREPANCY], now)
        for row, when in inland.surface(rows, done):
            lost[(when - first) // DAY + 1].append(row)
            late = int(inland.recorded_at[row] - first) // DAY + 1
            found = np.array([row]), np.array([inspections.SEIZURE]), np.array([True])
            known[late].append(Results(*found))
        if progress is not None:
            progress(day + 1, len(edges) - 1)
    everything = join(acts)
    p_seizure = 1 - (1 - plan.loads.prior) * (1 - below.p_run * (1 - DRY_RUNS))
    return World(
        plan=plan,
        happens=happens,
        p_seizure=p_seizure,
        p_discrepancy=above.p_wrong,
        hiding=below.hiding,
        propensity=propensity,
        acts=everything,
        seizures=inspections.collect_seizures(plan, everything, inland),
    )


def _by_day(acts: inspections.Acts, first: int) -> list[tuple[Results, int]]:
    """Split results by the morning on which they are known."""
    day = (acts.recorded_at - first) // DAY + 1
    outcome = acts.outcome.astype(np.int64)
    is_full = acts.methods[:, inspections.XRAY :].any(axis=1) | (outcome > 0)
    return [
        (Results(acts.row[day == one], outcome[day == one], is_full[day == one]), one)
        for one in np.unique(day).tolist()
    ]


def _merge(parts: list[Results]) -> Results:
    none = np.zeros(0, np.int64)
    return join([Results(none, none, none.astype(np.bool_)), *parts])
