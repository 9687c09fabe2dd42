"""Inspections: the policy that chooses vehicles, the searches, and the seizures.

The historical policy chooses in three ways, drawn apart: a random stream of 2 %, always on; a score
that adds up what an officer can see, imperfectly, scaled so that each post fills its capacity; and
picks that no engine drew (an officer's own eye, the word of the neighbouring service). The
propensity logged is the exact probability of the first two together; it is unknown (NaN) for the
third.

A search is a set of methods; each method covers some places and finds what is there with a
probability below one. Acts of papers and scales alone happen, except in the random stream, which
has a minimum of thoroughness.

A load that no search found may surface inland within weeks: then the record names the plate, rarely
the crossing, and comes late. A vehicle is caught inland before it crosses again, so a plate and a
time lead back to one crossing. Some inland seizures belong to no crossing of this network.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.domain.records import PLACES
from engine.domain.time_units import DAY, HOUR
from experiments.synthetic.fleet import BODY_HAS
from experiments.synthetic.posts import (
    BUS,
    CAR,
    PAIRS,
    POSTS,
    TRUCK,
    VAN,
    WAGON,
    Bools,
    Floats,
    Ints,
)
from experiments.synthetic.smuggling import HIDING_PLACE
from experiments.synthetic.trips import (
    HONEST,
    MISDESCRIBED,
    RUN,
    SHORT_MASS,
    UNDECLARED,
    UNDERVALUED,
)
from experiments.synthetic.world_plan import WorldPlan

BASES = ("random", "score", "officer", "counterpart")
RANDOM, SCORE, OFFICER, COUNTERPART = range(4)
RANDOM_SHARE = 0.02
CAPACITY_SHARE = 0.045
"""Of a post's entries a day; posts differ by half."""
MAX_SCORE_PICK = 0.75
MEMORY_DAYS = 60.0
HEAT = np.array([0.0, 0.35, 2.0])
"""How much a clear act, a discrepancy and a seizure stay in mind."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Who is searched among the arrivals of a day; one entry an arrival."""

    basis: NDArray[np.int8]
    """Index into ``BASES``, -1 where it was not chosen."""
    propensity: Floats
    """Probability with which the engine-drawn ways could have chosen it."""
    is_look: Bools | None = None
    """Chosen for documents and scan alone; None where none is."""


@dataclass(frozen=True, slots=True)
class Results:
    """What became known: rows of the plan, and what the acts found."""

    rows: Ints
    outcome: Ints
    """0 clear, 1 discrepancy, 2 seizure."""
    is_full: Bools
    """Whether more than papers and scales was used, or something found."""


class InspectionPolicy(Protocol):
    """Chooses the vehicles to search; sees only what was known by the morning."""

    def choose(self, rows: Ints) -> Choice:
        """Choose among the arrivals of one day: rows of the plan, shape (n,), as they arrive."""
        ...

    def learn(self, results: Results) -> None:
        """Take in results that were recorded since the last choice."""
        ...


class HistoricalPolicy:
    """The policy of the past: a random stream, an officer's score, picks by eye and by word."""

    def __init__(self, plan: WorldPlan) -> None:
        rng = plan.config.rng("officers")
        n = len(plan.calls.vehicle)
        self.plan = plan
        self.looks = _add_up_looks(plan) + rng.normal(0, 0.9, n)
        self.u_random, self.u_score, self.u_other = rng.random((3, n))
        self.is_tipped = rng.random(n) < np.where(plan.calls.role == RUN, 0.045, 0.0004)
        self.capacity = CAPACITY_SHARE * rng.uniform(0.6, 1.5, len(POSTS))
        self.mean = np.full((2, len(POSTS)), 1e-9)
        vehicles = len(plan.vehicles.carrier)
        self.seen = plan.vehicles.born < 0
        self.heat_vehicle = np.zeros(vehicles)
        self.heat_carrier = np.zeros(len(plan.carriers.mess) + 1)
        self.heat_party = np.zeros(int(plan.lanes.consignee.max()) + 2)

    def choose(self, rows: Ints) -> Choice:
        """Score rows of shape (n,), fill each post's capacity, add picks by eye and by word."""
        post = self.plan.entry_post[rows]
        weight = self._weights(rows)
        share = self.capacity[post]
        norm = self._typical(post, weight)
        p_score = np.minimum(MAX_SCORE_PICK, share * weight / norm[post])
        basis = np.full(len(rows), -1, np.int8)
        basis[self.u_other[rows] < 0.002 * np.minimum(weight / norm[post], 10.0)] = OFFICER
        basis[self.is_tipped[rows]] = COUNTERPART
        basis[self.u_score[rows] < p_score] = SCORE
        basis[self.u_random[rows] < RANDOM_SHARE] = RANDOM
        self.seen[self.plan.calls.vehicle[rows]] = True
        return Choice(basis, 1.0 - (1.0 - RANDOM_SHARE) * (1.0 - p_score))

    def learn(self, results: Results) -> None:
        """Remember vehicles, carriers and consignees with a hit; memories fade."""
        for heat in (self.heat_vehicle, self.heat_carrier, self.heat_party):
            heat *= 1.0 - 1.0 / MEMORY_DAYS
        hits = np.flatnonzero(results.outcome > 0)
        weight = HEAT[results.outcome[hits]]
        vehicle = self.plan.calls.vehicle[results.rows[hits]]
        np.add.at(self.heat_vehicle, vehicle, weight)
        np.add.at(self.heat_carrier, self.plan.vehicles.carrier[vehicle], weight)
        np.add.at(self.heat_party, self._party(results.rows[hits]), weight)
        self.heat_carrier[-1] = self.heat_party[-1] = 0.0

    def _party(self, rows: Ints) -> Ints:
        lane = self.plan.habits.lane[rows]
        return np.where(lane >= 0, self.plan.lanes.consignee[lane], -1)

    def _weights(self, rows: Ints) -> Floats:
        heat = self.recall_finds(rows, carrier=0.9, party=0.6)
        score = self.looks[rows] + heat + 0.45 * ~self.seen[self.plan.calls.vehicle[rows]]
        return np.asarray(np.exp(np.clip(score, -4.0, 3.5)), dtype=np.float64)

    def recall_finds(self, rows: Ints, *, carrier: float = 1.0, party: float = 1.0) -> Floats:
        """Return what is remembered of each vehicle and its parties, weighted, shape (n,)."""
        vehicle = self.plan.calls.vehicle[rows]
        of_carrier = self.heat_carrier[self.plan.vehicles.carrier[vehicle]]
        heat = 1.0 * np.minimum(self.heat_vehicle[vehicle], 1.0)
        heat += carrier * np.minimum(of_carrier, 2.0)
        heat += party * np.minimum(self.heat_party[self._party(rows)], 2.0)
        return np.asarray(heat, np.float64)

    def _typical(self, post: Ints, weight: Floats) -> Floats:
        """Return each post's mean weight over the last weeks, before today where there were any."""
        total = np.bincount(post, weight, minlength=len(POSTS))
        count = np.bincount(post, minlength=len(POSTS))
        known = self.mean[1] > 1.0
        overall = weight.mean() if len(weight) else 1.0
        norm = np.where(known, self.mean[0] / np.maximum(self.mean[1], 1e-9), overall)
        self.mean = self.mean * (1.0 - 1.0 / 28.0) + np.array([total, count])
        return np.asarray(norm, dtype=np.float64)


def _add_up_looks(plan: WorldPlan) -> Floats:
    """Add up what an officer can see on arrival, with an officer's weights."""
    ways, cargo, loads = plan.habits, plan.cargo, plan.loads
    kind = plan.vehicles.vehicle_class[plan.calls.vehicle]
    local = (ways.entry_at // HOUR + 5) % 24
    threat = np.array([list(pair.threat) for pair in PAIRS])[plan.calls.pair, plan.calls.direction]
    known = np.nan_to_num(loads.exit_kg / loads.entry_kg, nan=1.0)
    score = 0.35 * ((local >= 22) | (local < 6)) + 0.7 * ways.seal_changed
    score = score + 0.5 * (ways.trailer != ways.exit_trailer) * ways.has_mirror
    score = score + 0.6 * (np.abs(known - 1.0) > 0.03)
    score = score + 0.3 * (ways.entry_at - ways.exit_at > 12 * HOUR) * ways.has_mirror
    score = score + 0.7 * (cargo.is_declared & (cargo.value_shift < -0.5))
    score = score + 0.5 * np.minimum(threat, 1.2) + 0.25 * ~ways.has_mirror
    score = (
        score + 0.3 * ((kind == TRUCK) | (kind == VAN)) + 0.2 * ((ways.lane < 0) & (kind == TRUCK))
    )
    return np.asarray(score, dtype=np.float64)


METHODS = ("documents", "weighing", "xray", "canine", "physical")
DOCUMENTS, WEIGHING, XRAY, CANINE, PHYSICAL = range(5)
MINUTES = np.array([9.0, 6.0, 14.0, 11.0, 42.0])
CLASS_MINUTES = np.array([0.55, 0.8, 1.2, 1.0, 1.3])

GROUPS = ("cab", "engine", "fuel", "chassis", "trailer", "cargo", "person")
FINDS = np.array(
    [
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        [0.40, 0.30, 0.50, 0.45, 0.75, 0.70, 0.0],
        [0.60, 0.40, 0.35, 0.50, 0.50, 0.60, 0.55],
        [0.80, 0.65, 0.65, 0.80, 0.70, 0.65, 0.75],
    ]
)
"""Chance that a method finds a load in a place that it covers, by group of places [assumed]."""
COVERS = np.array(
    [
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        [0.70, 0.60, 0.85, 0.85, 0.95, 0.95, 0.0],
        [0.90, 0.60, 0.70, 0.80, 0.75, 0.85, 0.65],
        [0.80, 0.50, 0.50, 0.60, 0.65, 0.75, 0.50],
    ]
)
"""Chance that a method covers a place, by group."""
NOTICES = np.array(
    [
        [0.0, 0.70, 0.55, 0.30, 0.10],
        [0.0, 0.0, 0.0, 0.85, 0.0],
        [0.0, 0.05, 0.35, 0.30, 0.45],
        [0.0, 0.0, 0.05, 0.0, 0.10],
        [0.0, 0.20, 0.65, 0.45, 0.65],
    ]
)
"""Chance that a method notices a discrepancy, by kind."""

PLACE_GROUP = np.array([GROUPS.index(place.split(".")[0]) for place in PLACES])
CLEAR, DISCREPANCY, SEIZURE = range(3)


@dataclass(frozen=True, slots=True)
class Acts:
    """One entry an inspection act."""

    row: Ints
    """The trip of the plan."""
    basis: NDArray[np.int8]
    propensity: Floats
    started_at: Ints
    completed_at: Ints
    recorded_at: Ints
    methods: Bools
    """Shape (acts, methods)."""
    places: Bools
    """Shape (acts, places)."""
    minutes: Floats
    outcome: NDArray[np.int8]


def find_places() -> Bools:
    """Return which places each vehicle class has, shape (classes, places)."""
    group = np.array([place.split(".")[0] for place in PLACES])
    table = np.ones((5, len(PLACES)), dtype=np.bool_)
    table[:TRUCK] &= (group != "trailer")[None, :]
    table[CAR] &= np.array([place not in ("cab.bunk", "chassis.air_tank") for place in PLACES])
    table[BUS] &= group != "cargo"
    table[WAGON] &= np.isin(group, ("chassis", "cargo"))
    return table


CLASS_PLACES = find_places()


def search(
    plan: WorldPlan,
    rng: np.random.Generator,
    *,
    rows: Ints,
    given: tuple[NDArray[np.int8], Floats],
    hiding: Ints,
    is_look: Bools | None = None,
) -> Acts:
    """Search the chosen trips; ``given`` are basis and propensity, ``hiding`` how each trip hides.

    Arrays have shape (n,). ``is_look`` says of each whether it stops short of dogs and hands:
    documents for certain, scales and scanner as in any search.
    """
    basis, propensity = given
    kind = plan.vehicles.vehicle_class[plan.calls.vehicle[rows]]
    methods = _draw_methods(rng, plan, (rows, basis, kind))
    if is_look is not None:
        methods[is_look, DOCUMENTS] = True
        methods[is_look, CANINE:] = False
    has_place = CLASS_PLACES[kind] & BODY_HAS[plan.body[rows]]
    boost = np.where(basis == RANDOM, 0.1, 0.0)[:, None]
    covered = np.zeros((len(rows), len(METHODS), len(PLACES)), dtype=np.bool_)
    for method in (XRAY, CANINE, PHYSICAL):
        rate = np.minimum(COVERS[method][PLACE_GROUP][None, :] + boost, 0.98)
        rate = np.where(COVERS[method][PLACE_GROUP] > 0, rate, 0.0)
        seen = rng.random((len(rows), len(PLACES))) < rate
        covered[:, method] = seen & methods[:, method, None] & has_place
    found = _draw_finds(rng, plan.loads.carries[rows], covered, place=HIDING_PLACE[hiding[rows]])
    kind_of_wrong = plan.cargo.discrepancy[rows]
    chance = 1.0 - np.where(methods, 1.0 - NOTICES.T[kind_of_wrong], 1.0).prod(axis=1)
    noticed = (kind_of_wrong != HONEST) & (rng.random(len(rows)) < chance)
    outcome = np.where(found, SEIZURE, np.where(noticed, DISCREPANCY, CLEAR)).astype(np.int8)
    minutes = (methods @ MINUTES) * CLASS_MINUTES[kind] * np.exp(rng.normal(0, 0.25, len(rows)))
    minutes += np.where(found, rng.uniform(40, 160, len(rows)), 0.0)
    started, completed, recorded = _draw_times(rng, plan.habits.entry_at[rows], minutes)
    return Acts(
        row=rows,
        basis=basis,
        propensity=propensity,
        started_at=started,
        completed_at=completed,
        recorded_at=recorded,
        methods=methods,
        places=np.asarray(covered.any(axis=1)),
        minutes=np.round(minutes, 1),
        outcome=outcome,
    )


def _draw_methods(
    rng: np.random.Generator, plan: WorldPlan, given: tuple[Ints, NDArray[np.int8], Ints]
) -> Bools:
    rows, basis, kind = given
    n = len(rows)
    post = plan.entry_post[rows]
    scanner = np.array([p.has_scanner for p in POSTS])[post]
    scale = np.array([p.has_scale for p in POSTS])[post]
    papers_only = (rng.random(n) < 0.12) & (basis != RANDOM)
    u = rng.random((n, 4))
    methods = np.zeros((n, len(METHODS)), dtype=np.bool_)
    methods[:, DOCUMENTS] = (u[:, 0] < 0.9) | papers_only
    methods[:, WEIGHING] = scale & (kind >= TRUCK) & (u[:, 1] < 0.4)
    methods[:, XRAY] = scanner & (u[:, 2] < np.where(kind == TRUCK, 0.65, 0.3)) & ~papers_only
    methods[:, CANINE] = (u[:, 3] < 0.5) & ~papers_only
    weak = ~methods[:, XRAY] & ~methods[:, CANINE]
    physical = np.where(weak, 1.0, np.where(basis == RANDOM, 0.8, 0.7))
    methods[:, PHYSICAL] = (rng.random(n) < physical) & ~papers_only
    return methods


def _draw_finds(rng: np.random.Generator, carries: Bools, covered: Bools, *, place: Ints) -> Bools:
    here = covered[np.arange(len(place)), :, place]
    chance = 1.0 - np.where(here, 1.0 - FINDS[:, PLACE_GROUP[place]].T, 1.0).prod(axis=1)
    return np.asarray(carries & (rng.random(len(place)) < chance))


def _draw_times(
    rng: np.random.Generator, arrived: Ints, minutes: Floats
) -> tuple[Ints, Ints, Ints]:
    """Start after a wait; record within the hour mostly, some after days, a few after weeks."""
    n = len(arrived)
    minute = 60_000_000
    started = arrived + (rng.uniform(4, 110, n) * minute).astype(np.int64)
    completed = started + (minutes * minute).astype(np.int64)
    u = rng.random(n)
    lag = rng.lognormal(np.log(35), 0.9, n)
    lag = np.where(u < 0.12, rng.uniform(0.5, 5, n) * 1440, lag)
    lag = np.where(u < 0.03, rng.uniform(6, 45, n) * 1440, lag)
    whole = 1_000_000
    recorded = completed + (lag * minute).astype(np.int64)
    return started // whole * whole, completed // whole * whole, recorded // whole * whole


WRONG_NAMES = {UNDERVALUED: "undervalued", MISDESCRIBED: "misdescribed", SHORT_MASS: "short_mass"}
WRONG_NAMES |= {HONEST: "", UNDECLARED: "undeclared"}


SURFACES = 0.04
"""Chance that an undetected load is seized inland: about three finds in ten [assumed]."""
UNRELATED = 0.04
"""Inland seizures of vehicles that never crossed here, per inland seizure."""


@dataclass(frozen=True, slots=True)
class Seizures:
    """One entry a seizure."""

    row: Ints
    """The trip of the plan that carried it, -1 for a vehicle that never crossed here."""
    act: Ints
    """Index of the inspection act, -1 inland."""
    names_crossing: Bools
    seized_at: Ints
    recorded_at: Ints
    quantity_g: Floats


class Inland:
    """Loads that surface inland."""

    def __init__(self, plan: WorldPlan) -> None:
        rng = plan.config.rng("inland")
        n = len(plan.calls.vehicle)
        self.plan = plan
        at = plan.habits.entry_at
        free = _next_trip(plan) - at
        self.surfaces = plan.loads.carries & (rng.random(n) < SURFACES) & (free > 2 * HOUR)
        wait = (rng.uniform(0.1, 9.0, n) * DAY).astype(np.int64)
        self.seized_at = at + np.minimum(wait, (0.8 * free).astype(np.int64))
        lag = rng.uniform(3 * DAY, 45 * DAY, n).astype(np.int64)
        self.recorded_at = self.seized_at + lag
        self.rows: list[int] = []

    def surface(self, rows: Ints, acts: Acts) -> list[tuple[int, int]]:
        """Return (trip, time) of loads of the day's rows, shape (n,), to be seized inland."""
        found = acts.row[acts.outcome == SEIZURE]
        missed = rows[self.surfaces[rows] & ~np.isin(rows, found)].tolist()
        self.rows += missed
        return [(row, int(self.seized_at[row])) for row in missed]


def _next_trip(plan: WorldPlan) -> Ints:
    """Return when each trip's vehicle could next be on the road: its next departure.

    A run and the trips that take its place, or whose place it takes, never happen together.
    """
    order = np.lexsort((plan.habits.entry_at, plan.calls.vehicle))
    event = np.where(plan.event >= 0, plan.event, np.arange(len(order)))[order]
    vehicle = plan.calls.vehicle[order]
    ends = np.append((np.diff(event) != 0) | (np.diff(vehicle) != 0), True)
    then = np.flatnonzero(ends)[np.cumsum(np.append(0, ends[:-1]))] + 1
    then_or_none = np.minimum(then, len(order) - 1)
    same = (then < len(order)) & (vehicle[then_or_none] == vehicle)
    free = np.empty(len(order), np.int64)
    never = np.iinfo(np.int64).max // 4
    free[order] = np.where(same, plan.habits.exit_at[order[then_or_none]], never)
    return free


def collect_seizures(plan: WorldPlan, acts: Acts, inland: Inland) -> Seizures:
    """Return all seizures: those of acts, those inland, and some of strangers."""
    rng = plan.config.rng("seizures")
    made = np.flatnonzero(acts.outcome == SEIZURE)
    later = np.array(sorted(inland.rows), dtype=np.int64)
    strangers = rng.poisson(UNRELATED * len(later) + 0.3)
    span = plan.config.days * DAY
    elsewhere = plan.config.first_midnight + (rng.random(strangers) * span).astype(np.int64)
    row = np.concatenate([acts.row[made], later, np.full(strangers, -1)])
    seized = np.concatenate([acts.completed_at[made], inland.seized_at[later], elsewhere])
    act = np.concatenate([made, np.full(len(later) + strangers, -1)])
    at_post = act >= 0
    lag = rng.lognormal(np.log(6 * HOUR), 1.0, len(row)).astype(np.int64)
    known = np.where(
        at_post, np.maximum(seized + lag, np.append(acts.recorded_at, 0)[act]), seized + 9 * DAY
    )
    known = np.where(~at_post & (row >= 0), inland.recorded_at[row], known)
    quantity = plan.loads.quantity_g[row] * np.where(at_post, 1.0, rng.uniform(0.3, 1.0, len(row)))
    second = 1_000_000
    return Seizures(
        row=row,
        act=act,
        names_crossing=at_post | ((rng.random(len(row)) < 0.25) & (row >= 0)),
        seized_at=seized // second * second,
        recorded_at=known // second * second,
        quantity_g=np.round(quantity, 1),
    )
