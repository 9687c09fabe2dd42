"""Searches of chosen vehicles, and what they find.

A search is a set of methods; each method covers some places and finds what is there with a
probability below one. Acts of papers and scales alone happen, except in the random stream, which
has a minimum of thoroughness.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.domain.records import PLACES
from experiments.synthetic.config import Bools, Floats, Ints
from experiments.synthetic.unfolding.historical_policy import RANDOM
from experiments.synthetic.world.cargo import (
    MISDESCRIBED,
    NONE,
    SHORT_MASS,
    UNDECLARED,
    UNDERVALUED,
)
from experiments.synthetic.world.concealment import WAYS
from experiments.synthetic.world.network import BUS, CAR, POSTS, TRUCK, WAGON
from experiments.synthetic.world.world_plan import WorldPlan

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
HIDING_PLACE = np.array([PLACES.index(way.place) for way in WAYS])
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


def has_place() -> Bools:
    """Return which places each vehicle class has, shape (classes, places)."""
    group = np.array([place.split(".")[0] for place in PLACES])
    table = np.ones((5, len(PLACES)), dtype=np.bool_)
    table[:TRUCK] &= (group != "trailer")[None, :]
    table[CAR] &= np.array([place not in ("cab.bunk", "chassis.air_tank") for place in PLACES])
    table[BUS] &= group != "cargo"
    table[WAGON] &= np.isin(group, ("chassis", "cargo"))
    return table


CLASS_PLACES = has_place()


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
    methods = _methods(rng, plan, (rows, basis, kind))
    if is_look is not None:
        methods[is_look, DOCUMENTS] = True
        methods[is_look, CANINE:] = False
    boost = np.where(basis == RANDOM, 0.1, 0.0)[:, None]
    covered = np.zeros((len(rows), len(METHODS), len(PLACES)), dtype=np.bool_)
    for method in (XRAY, CANINE, PHYSICAL):
        rate = np.minimum(COVERS[method][PLACE_GROUP][None, :] + boost, 0.98)
        rate = np.where(COVERS[method][PLACE_GROUP] > 0, rate, 0.0)
        seen = rng.random((len(rows), len(PLACES))) < rate
        covered[:, method] = seen & methods[:, method, None] & CLASS_PLACES[kind]
    found = _draw_finds(rng, plan.loads.carries[rows], covered, place=HIDING_PLACE[hiding[rows]])
    kind_of_wrong = plan.cargo.discrepancy[rows]
    chance = 1.0 - np.where(methods, 1.0 - NOTICES.T[kind_of_wrong], 1.0).prod(axis=1)
    noticed = (kind_of_wrong != NONE) & (rng.random(len(rows)) < chance)
    outcome = np.where(found, SEIZURE, np.where(noticed, DISCREPANCY, CLEAR)).astype(np.int8)
    minutes = (methods @ MINUTES) * CLASS_MINUTES[kind] * np.exp(rng.normal(0, 0.25, len(rows)))
    minutes += np.where(found, rng.uniform(40, 160, len(rows)), 0.0)
    started, completed, recorded = _times(rng, plan.habits.entry_at[rows], minutes)
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


def _methods(
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


def _times(rng: np.random.Generator, arrived: Ints, minutes: Floats) -> tuple[Ints, Ints, Ints]:
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


KINDS = {UNDERVALUED: "undervalued", MISDESCRIBED: "misdescribed", SHORT_MASS: "short_mass"}
KINDS |= {NONE: "", UNDECLARED: "undeclared"}
