"""An insider who plays against the product: the ways in which he runs, and how he chooses.

He sees what a checkpoint sees: which of his vehicles were searched. He knows the rules, so he knows
which records they read. A run of a circle may take place in other ways than its own, one a function
below: other trips take its place, for a price in ordinary runs. All ways of all runs are planned
ahead, so that every record that could be is encoded once; which of them happens is decided day by
day. He takes the way with the least expected cost: its price, and what he loses where it is
searched, by what he has seen of it. A way that was seldom tried is taken for a good one.

Prices and losses are assumed. All of it is synthetic: the best way through a generated world says
nothing about a real border.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.domain.time_units import DAY, HOUR
from experiments.synthetic.inspections import Choice
from experiments.synthetic.posts import Bools, Ints, take
from experiments.synthetic.smuggling import FRONTS
from experiments.synthetic.trips import ESCORT, ORDINARY, RUN
from experiments.synthetic.world_plan import WorldPlan
from experiments.synthetic.world_simulation import Underworld

SEARCHED = 12.0
"""What a search costs him, in ordinary runs: load, vehicle and driver, at its chance of a find."""
OPTIMISM = 4.0
"""Runs without a search that a way counts as, beyond those tried."""
EXPECTED_RUNS = 30.0
"""Runs over which a circle reckons what it pays once."""
PARTS = 3
PARCEL_G = 200.0


@dataclass(frozen=True, slots=True)
class Copies:
    """Trips that take the place of runs; one entry a trip."""

    run: Ints
    """Row of the run, whose load, day and hour it has unless ``columns`` say otherwise."""
    source: Ints
    """Row of the trip that it is like in all else."""
    columns: Mapping[str, NDArray[Any]]
    """By name in ``Calls``, ``Habits`` or ``Loads``."""
    is_rival: Bools | None = None
    """Takes the place of its source too, which is a lawful trip; None where none does."""


class Donors:
    """Lawful laden entries, by road and class of vehicle."""

    def __init__(self, plan: WorldPlan) -> None:
        self.plan, self.rng = plan, plan.config.rng("insider")
        kind = plan.vehicles.vehicle_class[plan.calls.vehicle]
        self.road = (plan.calls.pair * 2 + plan.calls.direction) * 8 + kind
        lawful = (plan.front < 0) & (plan.calls.role == ORDINARY) & (plan.entry_post >= 0)
        self.trips = np.flatnonzero(lawful & (plan.habits.lane >= 0))

    def find(
        self, runs: Ints, *, busiest: Ints | None = None, within: int | None = None
    ) -> tuple[Ints, Ints]:
        """Return the runs that have a lawful trip on their road and in their class, and that trip.

        ``busiest``, shape (trips,), numbers parties: the busiest one of the road and class lends.
        ``within`` is how far apart run and trip may arrive, microseconds.
        """
        at, found = self.plan.habits.entry_at, np.full(len(runs), -1)
        for road in np.unique(self.road[runs]).tolist():
            there = self.trips[self.road[self.trips] == road]
            if busiest is not None:
                there = there[busiest[there] >= 0]
                counts = np.bincount(busiest[there], minlength=1)
                there = there[busiest[there] == counts.argmax()]
            for place in np.flatnonzero(self.road[runs] == road).tolist():
                near = there
                if within is not None:
                    near = there[np.abs(at[there] - at[runs[place]]) < within]
                if len(near):
                    found[place] = self.rng.choice(near)
        return runs[found >= 0], found[found >= 0]


def _vehicle_of(plan: WorldPlan, trips: Ints) -> dict[str, NDArray[Any]]:
    """Return the vehicle, driver and trailer of some trips."""
    habits = plan.habits
    return {
        "vehicle": plan.calls.vehicle[trips],
        "driver": habits.driver[trips],
        "trailer": habits.trailer[trips],
        "exit_trailer": habits.exit_trailer[trips],
    }


def swap_parties(plan: WorldPlan, runs: Ints, donors: Donors) -> Copies:
    """Hire the vehicle, the driver and so the firm of a lawful trip; papers and goods stay."""
    runs, lent = donors.find(runs)
    return Copies(runs, runs, _vehicle_of(plan, lent))


def split_load(plan: WorldPlan, runs: Ints, donors: Donors) -> Copies:
    """Send a third of the load in each of three vehicles of the front, an hour apart."""
    own = np.flatnonzero((plan.front >= 0) & (plan.calls.role == ORDINARY))
    key = plan.front * 1000 + donors.road
    mates = [donors.rng.choice(own[key[own] == key[run]], PARTS) for run in runs.tolist()]
    like, run = np.concatenate(mates), np.repeat(runs, PARTS)
    later = np.tile(np.arange(PARTS), len(runs)) * HOUR
    parts = {
        "entry_at": plan.habits.entry_at[run] + later,
        "quantity_g": plan.loads.quantity_g[run] / PARTS,
    }
    return Copies(run, run, _vehicle_of(plan, like) | parts)


def buy_trusted_firm(plan: WorldPlan, runs: Ints, donors: Donors) -> Copies:
    """Buy the road's busiest lawful carrier, and hide the load in one of its usual trips."""
    runs, lent = donors.find(runs, busiest=plan.vehicles.carrier[plan.calls.vehicle])
    return Copies(runs, lent, {})


def hide_behind_importer(plan: WorldPlan, runs: Ints, donors: Donors) -> Copies:
    """Carry usual goods of the road's busiest consignee, under its name."""
    lane = plan.habits.lane
    consignee = np.where(lane >= 0, plan.lanes.consignee[lane], -1)
    runs, lent = donors.find(runs, busiest=consignee)
    return Copies(runs, lent, _vehicle_of(plan, runs))


def send_decoys(plan: WorldPlan, runs: Ints, donors: Donors) -> Copies:
    """Send the vehicle without a load the day before; where that is searched, the run is left."""
    run, is_decoy = np.tile(runs, 2), np.repeat([True, False], len(runs))
    columns = {
        "entry_at": plan.habits.entry_at[run] - DAY * is_decoy,
        "carries": plan.loads.carries[run] & ~is_decoy,
    }
    return Copies(run, run, columns)


def plant_parcel(plan: WorldPlan, runs: Ints, donors: Donors) -> Copies:
    """Hide a parcel in a rival's vehicle of these hours, and have it searched on a hint."""
    known, rival = donors.find(runs, within=12 * HOUR)
    run, source = np.concatenate([runs, known]), np.concatenate([runs, rival])
    is_rival = np.arange(len(run)) >= len(runs)
    columns = {
        "entry_at": plan.habits.entry_at[source],
        "carries": plan.loads.carries[run] | is_rival,
        "quantity_g": np.where(is_rival, PARCEL_G, plan.loads.quantity_g[run]),
        "hiding": np.where(is_rival, 0, plan.loads.hiding[run]),
        "choices_of": np.where(is_rival, -1, plan.loads.choices_of[run]),
    }
    return Copies(run, source, columns, is_rival)


def keep_exit_away(plan: WorldPlan, runs: Ints, donors: Donors) -> Copies:
    """See to it that the record of the exit never arrives."""
    return Copies(runs, runs, {"has_mirror": np.zeros(len(runs), np.bool_)})


@dataclass(frozen=True, slots=True)
class Way:
    """One way of running."""

    make: Callable[[WorldPlan, Ints, Donors], Copies] | None
    """None for the run as it was planned."""
    price: float
    """In ordinary runs."""
    once: float = 0.0
    """Paid by each circle that ever takes it."""


WAYS: Mapping[str, Way] = {
    "plain": Way(None, 1.0),
    "swap_parties": Way(swap_parties, 2.0),
    "split_load": Way(split_load, 3.0),
    "buy_trusted_firm": Way(buy_trusted_firm, 1.5, once=30.0),
    "hide_behind_importer": Way(hide_behind_importer, 1.5),
    "send_decoys": Way(send_decoys, 2.0),
    "plant_parcel": Way(plant_parcel, 2.5),
    "keep_exit_away": Way(keep_exit_away, 1.5),
}
PLAIN = 0
_PRICE = np.array([way.price for way in WAYS.values()])
_ONCE = np.array([way.once for way in WAYS.values()])


@dataclass(frozen=True, slots=True)
class Schemes:
    """A plan with every way of every run; one entry a trip of it."""

    plan: WorldPlan
    way: Ints
    """Index into ``WAYS`` of what belongs to a run, -1 of all else."""
    is_rival: Bools
    """Carries a planted parcel, on which there is a hint."""
    replaced_by: Ints
    """Trip of a rival that takes its place, -1 for none."""


def plan_schemes(plan: WorldPlan) -> Schemes:
    """Add every way of every run to a plan."""
    n = len(plan.calls.vehicle)
    runs = np.flatnonzero((plan.calls.role == RUN) & (plan.entry_post >= 0))
    donors, parts = Donors(plan), []
    way = np.where(np.isin(plan.calls.role, (RUN, ESCORT)), PLAIN, -1)
    for number, one in enumerate(WAYS.values()):
        if one.make is not None:
            parts.append(one.make(plan, runs, donors))
            way = np.append(way, np.full(len(parts[-1].run), number))
    run = np.concatenate([part.run for part in parts])
    source = np.concatenate([np.arange(n), *(part.source for part in parts)])
    is_rival = np.zeros(len(source), np.bool_)
    grown = _copy_trips(plan, source, run)
    first = n
    for part in parts:
        rows = np.arange(first, first + len(part.run))
        for name, values in part.columns.items():
            columns = (grown.calls, grown.habits, grown.loads)
            getattr(next(one for one in columns if hasattr(one, name)), name)[rows] = values
        if part.is_rival is not None:
            is_rival[rows] = part.is_rival
        first += len(part.run)
    replaced_by = np.full(len(source), -1)
    replaced_by[source[is_rival]] = np.flatnonzero(is_rival)
    # A load is weighed with the goods that it was put among; at the exit where it was loaded there.
    hidden = grown.loads.quantity_g * grown.loads.carries / 1000 * 1.25
    lent = np.flatnonzero(source[n:] != run) + n
    for mass in (grown.loads.entry_kg, grown.loads.exit_kg):
        mass[lent] = np.round((mass + hidden)[lent] / 20) * 20
    transit = (plan.habits.entry_at - plan.habits.exit_at)[source]
    grown.habits.exit_at[:] = grown.habits.entry_at - transit
    return _by_arrival(Schemes(grown, way, is_rival, replaced_by))


def _copy_trips(plan: WorldPlan, source: Ints, run: Ints) -> WorldPlan:
    """Return a plan of trips like those of ``source``; the last ones replace runs."""
    own = np.append(source[: len(source) - len(run)], run)
    first = np.searchsorted(plan.items.trip, source)
    counts = np.searchsorted(plan.items.trip, source, side="right") - first
    rows = np.repeat(first - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
    by_trip = [one.name for one in fields(plan.loads) if one.name != "choices"]
    loads = {name: getattr(plan.loads, name)[own] for name in by_trip}
    calls, habits = take(plan.calls, source), take(plan.habits, source)
    calls.day[:], calls.dry[:], calls.role[:] = (
        one[own] for one in (plan.calls.day, plan.calls.dry, plan.calls.role)
    )
    calls.partner[len(source) - len(run) :] = -1
    habits.entry_at[:] = plan.habits.entry_at[own]
    loads |= {name: getattr(plan.loads, name)[source] for name in ("entry_kg", "exit_kg")}
    return replace(
        plan,
        calls=calls,
        habits=habits,
        cargo=take(plan.cargo, source),
        items=replace(take(plan.items, rows), trip=np.repeat(np.arange(len(source)), counts)),
        loads=replace(plan.loads, **loads),
        **_take_arrays(plan, source)
        | {"front": plan.front[own], "event": np.append(plan.event[source[: -len(run)]], run)},
    )


def _take_arrays(plan: WorldPlan, rows: Ints) -> dict[str, Any]:
    """Return what a plan holds of trips as plain arrays, of some trips."""
    held = {one.name: getattr(plan, one.name) for one in fields(plan)}
    return {name: one[rows] for name, one in held.items() if isinstance(one, np.ndarray)}


def _by_arrival(given: Schemes) -> Schemes:
    """Sort trips by arrival; trips keep pointing at one another."""
    plan = given.plan
    order = np.argsort(plan.habits.entry_at, kind="stable")
    place = np.empty(len(order) + 1, np.int64)
    place[order], place[-1] = np.arange(len(order)), -1
    items = replace(plan.items, trip=place[plan.items.trip])
    calls, loads = take(plan.calls, order), plan.loads
    by_trip = [one.name for one in fields(loads) if one.name != "choices"]
    return Schemes(
        replace(
            plan,
            calls=replace(calls, partner=place[calls.partner]),
            habits=take(plan.habits, order),
            cargo=take(plan.cargo, order),
            items=take(items, np.argsort(items.trip, kind="stable")),
            loads=replace(loads, **{name: getattr(loads, name)[order] for name in by_trip}),
            **_take_arrays(plan, order) | {"event": place[plan.event[order]]},
        ),
        given.way[order],
        given.is_rival[order],
        place[given.replaced_by[order]],
    )


class Insider(Underworld):
    """Circles whose runs take the ways that cost least; ``ways`` are those he may take."""

    def __init__(self, schemes: Schemes, ways: Sequence[int], *, begins: int) -> None:
        super().__init__(schemes.plan)
        n = len(schemes.way)
        self.schemes, self.ways, self.begins = schemes, ways, begins
        self.taken = np.full(n, -1)
        """By run, the way that it takes."""
        self.is_left: Bools = np.zeros(n, np.bool_)
        """By run, whether its decoy was searched."""
        self.may = np.zeros((len(WAYS), n), np.bool_)
        own = schemes.way >= 0
        self.may[schemes.way[own], schemes.plan.event[own]] = True
        self.tried, self.searched, self.spent = np.zeros((3, len(WAYS)))
        self.has_bought: Bools = np.zeros((len(WAYS), schemes.plan.circles.count), np.bool_)

    def resolve(self, rows: Ints, now: int) -> Bools:
        """Return which of the day's trips take place, shape (n,)."""
        happens = super().resolve(rows, now)
        way, event = self.schemes.way[rows], self.plan.event[rows]
        for run in np.unique(event[way >= 0]).tolist():
            if self.takes_place[run] == 1 and self.taken[run] < 0:
                self.taken[run] = self._choose(run, now)
        is_quiet = self.quiet_until[self.plan.front[rows] // FRONTS] > now
        runs = (way == self.taken[event]) & ~self.is_left[event] & ~is_quiet
        happens &= (way < 0) | runs
        there = np.zeros(len(self.schemes.way) + 1, np.bool_)
        there[rows] = happens
        return np.asarray(happens & ~there[self.schemes.replaced_by[rows]])

    def _choose(self, run: int, now: int) -> int:
        """Return the way with the least expected cost, as far as he has seen."""
        if now < self.begins:
            return PLAIN
        circle = self.plan.front[run] // FRONTS
        once = np.where(self.has_bought[:, circle], 0.0, _ONCE)
        cost = _PRICE + once / EXPECTED_RUNS
        cost += SEARCHED * self.searched / (self.tried + OPTIMISM)
        ways = np.array([way for way in self.ways if self.may[way, run]] or [PLAIN])
        way = int(ways[cost[ways].argmin()])
        self.spent[way] += _PRICE[way] + once[way]
        self.has_bought[way, circle] = True
        return way

    def see(self, rows: Ints, choice: Choice) -> None:
        """See which of his vehicles were searched; rows are of shape (n,)."""
        is_searched = (choice.basis >= 0) & ~np.asarray(choice.is_look, np.bool_)
        way = self.schemes.way[rows]
        own = (way >= 0) & ~self.schemes.is_rival[rows] & (self.plan.calls.role[rows] == RUN)
        own &= self.plan.habits.entry_at[rows] >= self.begins
        np.add.at(self.tried, way[own], 1)
        np.add.at(self.searched, way[own & is_searched], 1)
        self.is_left[self.plan.event[rows[own & is_searched]]] = True

    def react(self, rows: Ints, now: int) -> None:
        """Let the owners of seized loads react; a rival loses its vehicle, no circle goes quiet."""
        rivals = self.schemes.is_rival[rows]
        self.gone[self.plan.calls.vehicle[rows[rivals]]] = True
        super().react(rows[~rivals], now)
