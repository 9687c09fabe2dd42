"""Trips: vehicles, days and directions.

Each vehicle makes a Poisson number of trips within its life, there and back by turns, on days drawn
by season and weekday. On top come the runs that circles plan: a run is a variant of an ordinary
trip of a front, and which of the two takes place is decided only when the days unfold; escorts
cross minutes ahead of a run and exist only with it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.domain.time_units import DAY
from experiments.synthetic.config import Bools, Config, Floats, Ints
from experiments.synthetic.world.fleet import Carriers, Pool, Vehicles
from experiments.synthetic.world.network import GOODS_CLASSES, PAIRS
from experiments.synthetic.world.smuggling_rings import FRONTS, Circles

ORDINARY, RUN, ESCORT = range(3)
DRY_RUNS = 0.2
"""Share of runs that carry nothing: rehearsals, or a load that did not come."""
ESCORTED = 0.45

GOODS_MONTHS = np.array([0.74, 0.78, 0.92, 0.97, 1.0, 1.06, 1.1, 1.14, 1.2, 1.16, 1.04, 0.89])
PEOPLE_MONTHS = np.array([0.8, 0.78, 0.95, 1.0, 1.04, 1.1, 1.26, 1.28, 1.02, 0.96, 0.9, 0.91])
GOODS_WEEK = np.array([1.02, 1.08, 1.1, 1.1, 1.08, 0.9, 0.72])
PEOPLE_WEEK = np.array([0.93, 0.9, 0.92, 0.96, 1.14, 1.15, 1.0])
"""Monday first. Both year and week shapes are assumed."""


@dataclass(frozen=True, slots=True)
class Calls:
    """One entry a trip that could happen, before hours and habits."""

    vehicle: Ints
    day: Ints
    pair: Ints
    direction: Ints
    role: NDArray[np.int8]
    partner: Ints
    """Of an ordinary trip its run (or -1), of a run its ordinary trip, of an escort its run."""
    dry: Bools


def day_weights(config: Config, months: Floats, week: Floats) -> Floats:
    """Return the traffic of each day of the span, mean about 1, shape (days + 1,)."""
    first = np.datetime64(config.first_midnight // DAY, "D")
    dates = first + np.arange(config.days + 1)
    weekday = (dates.astype(np.int64) + 3) % 7
    month = config.months()
    weights = months[month] * week[weekday]
    nowruz = (month == 2) & (np.abs((dates - dates.astype("datetime64[M]")).astype(int) - 21) <= 1)
    noise = config.rng("weather").normal(0, 0.08, len(dates))
    return np.asarray(weights * np.where(nowruz, 0.45, 1.0) * np.exp(noise), dtype=np.float64)


def ordinary(config: Config, vehicles: Vehicles, target: float) -> tuple[Ints, Ints, Ints]:
    """Draw ordinary trips, shape (n,): vehicle, day, direction, sorted by vehicle and day."""
    rng = config.rng("trips")
    is_goods = np.isin(vehicles.vehicle_class, GOODS_CLASSES)
    totals = [
        np.append(0.0, np.cumsum(day_weights(config, *shape)))
        for shape in ((PEOPLE_MONTHS, PEOPLE_WEEK), (GOODS_MONTHS, GOODS_WEEK))
    ]
    first = np.clip(np.floor(vehicles.born), 0, config.days).astype(np.int64)
    last = np.clip(np.ceil(vehicles.retired), first, config.days + 1).astype(np.int64)
    low, high = (np.where(is_goods, totals[1][edge], totals[0][edge]) for edge in (first, last))
    expected = vehicles.yearly_trips / 365.0 * (high - low)
    counts = rng.poisson(expected * (target / expected.sum()))
    vehicle = np.repeat(np.arange(len(counts)), counts)
    u = low[vehicle] + rng.random(len(vehicle)) * (high - low)[vehicle]
    people, goods = (np.searchsorted(total, u, side="right") - 1 for total in totals)
    day = np.minimum(np.where(is_goods[vehicle], goods, people), config.days)
    order = np.argsort(vehicle * (config.days + 1) + day, kind="stable")
    rank = np.arange(len(vehicle)) - np.repeat(np.cumsum(counts) - counts, counts)
    phase = rng.integers(0, 2, len(counts))[vehicle]
    back = (rank % 2) == 1
    return vehicle, _returns(rng, day[order], back, vehicle), (rank + phase) % 2


def _returns(rng: np.random.Generator, day: Ints, back: Bools, vehicle: Ints) -> Ints:
    """Bring return trips close to their outward trips: people come home within days."""
    stay = rng.exponential(2.5, len(day))
    before = np.roll(day, 1)
    after = np.where(np.roll(vehicle, -1) == vehicle, np.roll(day, -1), 10**6)
    home = before + np.minimum(stay, 0.8 * (after - before).clip(0)).astype(np.int64)
    return np.where(back, np.minimum(home, np.maximum(day, before)), day)


def call(
    config: Config, given: tuple[Vehicles, Carriers, Circles, Pool], *, target: float
) -> Calls:
    """Return ordinary trips, then runs, then escorts."""
    vehicles, carriers, circles, pool = given
    vehicle, day, direction = ordinary(config, vehicles, target)
    rng = config.rng("roads")
    owner = vehicles.carrier[vehicle]
    front = circles.vehicle_front[vehicle]
    is_rail = np.array([pair.is_rail for pair in PAIRS])[vehicles.pair[vehicle]]
    strays = (rng.random(len(vehicle)) < 0.09) & (owner >= 0) & (front < 0) & ~is_rail
    pair = np.where(strays, carriers.second_pair[owner], vehicles.pair[vehicle])
    suits = (front >= 0) & (circles.vehicle_road[vehicle] == pair * 2 + direction)
    rate = circles.load_rate[np.maximum(front, 0) // FRONTS]
    run_of = np.flatnonzero(suits & (rng.random(len(vehicle)) < rate))
    n, runs = len(vehicle), len(run_of)
    other = pool.member(vehicle[run_of], rng.random(runs))
    led = np.flatnonzero((other != vehicle[run_of]) & (rng.random(runs) < ESCORTED))
    source = np.concatenate([np.arange(n), run_of, run_of[led]])
    partner = np.concatenate([np.full(n, -1), run_of, n + led])
    partner[run_of] = n + np.arange(runs)
    riders = np.concatenate([vehicle, vehicle[run_of], other[led]])
    role = np.repeat(np.array([ORDINARY, RUN, ESCORT], np.int8), [n, runs, len(led)])
    dry = (role == RUN) & (rng.random(len(source)) < DRY_RUNS)
    return Calls(riders, day[source], pair[source], direction[source], role, partner, dry)
