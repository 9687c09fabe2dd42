"""Plan of a world: all trips that could happen in it.

Everything that does not depend on who is searched is drawn here once, for all policies alike: the
population, the trips with their runs and escorts, habits, cargo, loads, masses. What happens then
is for :mod:`experiments.synthetic.world_simulation` to say, day by day.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from experiments.synthetic import fleet, smuggling, trade, trips
from experiments.synthetic.posts import (
    CAR,
    GOODS_CLASSES,
    PAIRS,
    POSTS,
    Bools,
    Config,
    Floats,
    Ints,
    countries_of,
    leaving_and_entering,
    take,
)
from experiments.synthetic.trips import Cargo, Items, draw_cargo

LONE = np.array([0.0010, 0.0012, 0.0016, 0.0012, 0.0005])
"""Chance that a lone opportunist carries, by vehicle class: nothing that is recorded tells."""
REPEATERS = 0.004
"""Share of private and passenger vehicles that carry again and again, once in fifteen trips."""


@dataclass(frozen=True, slots=True)
class Loads:
    """One entry a trip: what is hidden, if the trip takes place."""

    carries: Bools
    prior: Floats
    """True probability of carrying; runs of circles enter with their posterior in unfold."""
    hiding: Ints
    """Index into ``hiding.WAYS`` as long as nothing was found, -1 where nothing is carried."""
    choices: NDArray[np.int8]
    """Shape (loads, ways): the ways that each load's journey allows, as its circle prefers them."""
    choices_of: Ints
    """Row of ``choices``; -1 where nothing is carried for a circle."""
    substance: Ints
    quantity_g: Floats
    entry_kg: Floats
    """Weighbridge at entry; NaN where not weighed."""
    exit_kg: Floats


@dataclass(frozen=True, slots=True)
class WorldPlan:
    """All trips that could happen, sorted by arrival at the post of entry."""

    config: Config
    vehicles: fleet.Vehicles
    carriers: fleet.Carriers
    lanes: trade.Lanes
    circles: smuggling.Circles
    calls: trips.Calls
    habits: trips.Habits
    cargo: Cargo
    items: Items
    loads: Loads
    exit_post: Ints
    """Index into ``network.POSTS``, -1 for none; likewise the next."""
    entry_post: Ints
    front: Ints
    """-1 where no circle controls the vehicle."""
    body: Ints
    """What each trip carries its goods in, an index into ``fleet.BODIES``."""
    event: Ints
    """The run that decides whether this trip takes place, -1 where none does."""


def draw_plan(config: Config, trips_wanted: float) -> WorldPlan:
    """Draw a world of about ``trips_wanted`` trips."""
    vehicles, carriers = fleet.draw_fleet(config, trips_wanted)
    lanes, contracts = trade.draw_lanes(config, trips_wanted, len(carriers.mess))
    ring, lawful = smuggling.add_circles(config, trips_wanted, (vehicles, carriers, lanes))
    vehicles, carriers, lanes = lawful
    pool = fleet.find_pools(vehicles)
    calls = trips.draw_calls(config, (vehicles, carriers, ring, pool), target=trips_wanted)
    more = config.rng("contracts").random((ring.count * smuggling.FRONTS, 2, trade.CONTRACTS))
    season = trade.weigh_seasons()[:, config.months()]
    ways = trips.draw_habits(
        config,
        calls,
        (vehicles, carriers, ring, pool, lanes),
        places=np.concatenate([contracts, more]),
        season=season,
    )
    calls, ways = _by_arrival(calls, ways)
    cargo, items = draw_cargo(config, calls, (ways, vehicles, lanes))
    body = fleet.draw_bodies(
        config,
        (calls.vehicle, vehicles.vehicle_class, lanes.line),
        lane=ways.lane,
        line=lanes.line[ways.lane],
        at=ways.entry_at,
    )
    exit_post, entry_post = leaving_and_entering(calls.pair, calls.direction)
    posts = (exit_post, entry_post)
    return WorldPlan(
        config=config,
        vehicles=vehicles,
        carriers=carriers,
        lanes=lanes,
        circles=ring,
        calls=calls,
        habits=ways,
        cargo=cargo,
        items=items,
        loads=_loads(config, calls, (vehicles, lanes, ring, ways, cargo, body), posts=posts),
        exit_post=exit_post,
        entry_post=entry_post,
        front=ring.vehicle_front[calls.vehicle],
        body=body,
        event=np.where(calls.role == trips.RUN, np.arange(len(calls.role)), calls.partner),
    )


def _by_arrival(calls: trips.Calls, ways: trips.Habits) -> tuple[trips.Calls, trips.Habits]:
    """Sort trips by arrival; partners keep pointing at each other."""
    order = np.argsort(ways.entry_at, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    moved = take(calls, order)
    partner = np.where(moved.partner >= 0, place[moved.partner], -1)
    return replace(moved, partner=partner), take(ways, order)


def lone_rate(config: Config, calls: trips.Calls, vehicles: fleet.Vehicles) -> Floats:
    """Return how likely each trip is to carry without any circle, shape (n,)."""
    rng = config.rng("opportunists")
    kind = vehicles.vehicle_class[calls.vehicle]
    pull = np.array([list(pair.threat) for pair in PAIRS])[calls.pair, calls.direction]
    repeats = rng.random(len(vehicles.carrier)) < REPEATERS
    again = repeats[calls.vehicle] & (kind <= 2)
    return np.asarray(LONE[kind] * (0.8 + 0.45 * pull) + np.where(again, 1 / 15, 0.0))


def _loads(
    config: Config,
    calls: trips.Calls,
    given: tuple[fleet.Vehicles, trade.Lanes, smuggling.Circles, trips.Habits, Cargo, Ints],
    *,
    posts: tuple[Ints, Ints],
) -> Loads:
    vehicles, lanes, ring, ways, cargo, body = given
    rng = config.rng("loads")
    n = len(calls.vehicle)
    kind = vehicles.vehicle_class[calls.vehicle]
    front = ring.vehicle_front[calls.vehicle]
    is_run = calls.role == trips.RUN
    prior = np.where(is_run, 0.0, lone_rate(config, calls, vehicles))
    carries = np.where(is_run, ~calls.dry, rng.random(n) < prior)
    usual = is_run & (rng.random(n) < 0.85)
    median = np.where(is_run, ring.quantity_g[front], np.where(kind == CAR, 700.0, 1500.0))
    quantity = np.minimum(median * np.exp(rng.normal(0, 0.8, n)), 775_000.0)
    way, choices, of_load = _hidden(
        config,
        (kind, lanes, ring, ways, body),
        of=(carries, np.where(is_run, front, -1)),
        kg=quantity / 1000,
    )
    held = 1000 * smuggling.fit_quantity(quantity / 1000, kind, way)
    quantity = np.asarray(np.where(carries, held, quantity), np.float64)
    hidden = np.where(carries, quantity / 1000 * 1.25 + np.where(is_run, 25.0, 0.0), 0.0)
    before = np.where(rng.random(n) < 0.3, 0.0, hidden)  # some take their load between the posts
    entry_kg, exit_kg = _weigh(
        rng,
        (kind, posts),
        total=(vehicles.tare_kg[calls.vehicle] + cargo.gross_kg),
        hidden=(hidden, before),
    )
    return Loads(
        carries=carries,
        prior=prior,
        hiding=way,
        choices=choices,
        choices_of=of_load,
        substance=np.where(usual, ring.substance[front], smuggling.draw_substances(rng, n)),
        quantity_g=np.round(quantity, 1),
        entry_kg=entry_kg,
        exit_kg=np.where(ways.has_mirror, exit_kg, np.nan),
    )


def _hidden(
    config: Config,
    given: tuple[Ints, trade.Lanes, smuggling.Circles, trips.Habits, Ints],
    *,
    of: tuple[Bools, Ints],
    kg: Floats,
) -> tuple[Ints, NDArray[np.int8], Ints]:
    """Draw how each load may be hidden: the first way, all ways, and which load has which of them.

    ``of`` says what carries, and for which front it runs (-1 for none).
    """
    kind, lanes, ring, ways, body = given
    carries, front = of
    rng = config.rng("hiding")
    rows = np.flatnonzero(carries)
    lane, mine = ways.lane[rows], front[rows]
    journey = smuggling.Journey(
        vehicle_class=kind[rows],
        body=body[rows],
        family=smuggling.FAMILY[lanes.line[lane]],
        laden=lane >= 0,
        seal_seen=(ways.has_mirror & ways.is_sealed)[rows],
        seal_changed=ways.seal_changed[rows],
        swapped=((ways.trailer != ways.exit_trailer) & ways.has_mirror)[rows],
        kg=kg[rows],
        has_workshop=mine >= 0,
    )
    may = smuggling.draw_allowed(rng, journey)
    any_way = smuggling.draw_method(rng, journey, may)
    keeps = (mine >= 0) & (rng.random(len(rows)) < smuggling.KEEPS)
    places = ring.way_order[np.maximum(mine, 0) // smuggling.FRONTS]
    choices = smuggling.rank_methods(places, may, first=np.where(keeps, -1, any_way))
    way, of_load = np.full((2, len(kind)), -1)
    way[rows] = choices[:, 0]
    of_load[rows[mine >= 0]] = np.flatnonzero(mine >= 0)
    return way, choices, of_load


def _weigh(
    rng: np.random.Generator,
    given: tuple[Ints, tuple[Ints, Ints]],
    *,
    total: Floats,
    hidden: tuple[Floats, Floats],
) -> tuple[Floats, Floats]:
    """Weigh goods vehicles where there is a weighbridge: 0.5 to 1 % noise, a bias of its own."""
    kind, (exit_post, entry_post) = given
    has_scale = np.array([post.has_scale for post in POSTS] + [False])
    spread = np.append(rng.uniform(0.005, 0.01, len(POSTS)), 0.0)
    bias = np.append(rng.normal(1.0, 0.003, len(POSTS)), 1.0)
    weighed = []
    for post, load_kg in zip((entry_post, exit_post), hidden, strict=True):
        mass = (total + load_kg) * bias[post] * (1 + rng.normal(0, 1, len(kind)) * spread[post])
        here = has_scale[post] & np.isin(kind, GOODS_CLASSES) & (rng.random(len(kind)) < 0.92)
        weighed.append(np.where(here, np.round(mass / 20) * 20, np.nan))
    return weighed[0], weighed[1]


def entry_country(entry_post: Ints, pair: Ints, direction: Ints) -> Ints:
    """Return the country index that each trip enters, shape (n,)."""
    table = np.array([[countries_of(p, d)[1] for d in (0, 1)] for p in range(len(PAIRS))])
    return np.asarray(table[pair, direction], dtype=np.int64)
