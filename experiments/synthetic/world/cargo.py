"""Cargo: what is loaded, what is declared, and where the two differ.

A wrong declaration is one of: undervalued, misdescribed as goods of lower duty, or short of mass;
private vehicles may carry undeclared goods. What the value says about it is known exactly, so the
true probability of a discrepancy, given its lane and its value, is too.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.synthetic.config import Bools, Config, Floats, Ints, pick
from experiments.synthetic.world.fleet import Vehicles
from experiments.synthetic.world.goods import DUTY, LINES, PACKAGE_KG, TONNES, USD_PER_KG
from experiments.synthetic.world.traders import Lanes
from experiments.synthetic.world.trip_signals import Habits
from experiments.synthetic.world.trips import Calls

NONE, UNDERVALUED, MISDESCRIBED, SHORT_MASS, UNDECLARED = range(5)
KIND_SHARES = np.array([0.5, 0.3, 0.2])
CAPACITY = np.array([0.0, 0.075, 0.0, 1.0, 2.9])
"""Cargo of each vehicle class, as a share of a full truck's."""
NOISE = 0.15
"""Standard deviation of the log of an honest value around its lane's level."""
UNDERVALUE = (0.8, 0.3)
MISVALUE = (0.3, 0.3)
PRIVATE_TRADER = 0.045


@dataclass(frozen=True, slots=True)
class Cargo:
    """One entry a trip."""

    is_declared: Bools
    discrepancy: NDArray[np.int8]
    p_discrepancy: Floats
    gross_kg: Floats
    """What is truly loaded, without any hidden load."""
    declared_kg: Floats
    value_shift: Floats
    """Log of the declared value over the lane's level."""


@dataclass(frozen=True, slots=True)
class Items:
    """One entry a goods item, in the order of trips."""

    trip: Ints
    item_no: Ints
    line: Ints
    """As declared."""
    net_kg: Floats
    gross_kg: Floats
    value_usd: Floats
    packages: Ints


def load(
    config: Config, calls: Calls, given: tuple[Habits, Vehicles, Lanes]
) -> tuple[Cargo, Items]:
    """Load and declare every trip."""
    habits, vehicles, lanes = given
    rng = config.rng("cargo")
    lane, n = habits.lane, len(habits.lane)
    kind = vehicles.vehicle_class[calls.vehicle]
    is_loaded = lane >= 0
    declared = is_loaded & (rng.random(n) < 0.955)
    rate = _rates(config, calls, lanes, (lane, kind, declared))
    wrong = rng.random(n) < rate
    which = 1 + pick(KIND_SHARES, rng.random(n))
    discrepancy = np.where(wrong, np.where(declared, which, UNDECLARED), NONE).astype(np.int8)
    shift = rng.normal(0, NOISE, n)
    low = rng.normal(*UNDERVALUE, n)
    shift -= np.where(discrepancy == UNDERVALUED, low, 0.0)
    shift -= np.where(discrepancy == MISDESCRIBED, rng.normal(*MISVALUE, n), 0.0)
    fill = rng.beta(5.0, 1.4, n)
    net = np.where(is_loaded, TONNES[lanes.line[lane]] * 1000 * CAPACITY[kind] * fill, 0.0)
    gross = net * (1.02 + 0.05 * rng.random(n))
    slip = rng.normal(0, 0.008, n) + np.where(rng.random(n) < 0.05, rng.normal(0, 0.06, n), 0.0)
    cut = np.where(discrepancy == SHORT_MASS, rng.uniform(0.1, 0.4, n), 0.0)
    cargo = Cargo(
        is_declared=declared,
        discrepancy=discrepancy,
        p_discrepancy=np.where(declared, _posterior(rate, shift), rate),
        gross_kg=gross * np.exp(slip),
        declared_kg=gross * (1 - cut),
        value_shift=shift,
    )
    return cargo, _items(rng, lanes, (lane, cargo, net * (1 - cut)))


def _rates(config: Config, calls: Calls, lanes: Lanes, given: tuple[Ints, Ints, Bools]) -> Floats:
    """Return how likely each trip is to differ from what is declared, before its value is seen."""
    lane, kind, declared = given
    rng = config.rng("traders")
    vehicles = int(calls.vehicle.max()) + 1 if len(calls.vehicle) else 1
    trades = np.where(rng.random(vehicles) < PRIVATE_TRADER, rng.beta(2.5, 4.0, vehicles), 0.006)
    started = calls.day >= lanes.fraud_from[lane]
    by_lane = np.where(started, lanes.fraud[lane], np.minimum(lanes.fraud[lane], 0.012))
    by_vehicle = trades[calls.vehicle] * np.where(kind <= 2, 1.0, 0.25)
    return np.clip(np.where(declared, by_lane, by_vehicle), 0.0005, 0.9)


def _posterior(rate: Floats, shift: Floats) -> Floats:
    """Update the rate by the value: Bayes over the kinds of wrong declaration."""

    def density(mean: float, spread: float) -> Floats:
        return np.asarray(np.exp(-0.5 * ((shift - mean) / spread) ** 2) / spread)

    honest = density(0.0, NOISE)
    wrong = KIND_SHARES[0] * density(-UNDERVALUE[0], float(np.hypot(UNDERVALUE[1], NOISE)))
    wrong = wrong + KIND_SHARES[1] * density(-MISVALUE[0], float(np.hypot(MISVALUE[1], NOISE)))
    wrong = wrong + KIND_SHARES[2] * honest
    return np.asarray(rate * wrong / (rate * wrong + (1 - rate) * honest))


def cheaper_lines() -> Ints:
    """Return for each line, shape (lines,), cheaper goods that it could be called, or itself."""
    found = []
    for line in range(len(LINES)):
        below = (DUTY[line] > DUTY) & (USD_PER_KG[line] > USD_PER_KG)
        near = np.flatnonzero(below & (np.abs(np.log(USD_PER_KG / USD_PER_KG[line])) < 1.6))
        found.append(int(near[(line * 31) % len(near)]) if len(near) else line)
    return np.array(found)


def _items(rng: np.random.Generator, lanes: Lanes, given: tuple[Ints, Cargo, Floats]) -> Items:
    lane, cargo, net = given
    trips = np.flatnonzero(cargo.is_declared)
    main = lanes.line[lane[trips]]
    mixed = rng.random(len(trips)) < np.where(USD_PER_KG[main] > 1.2, 0.38, 0.06)
    counts = np.where(mixed, 1 + rng.geometric(0.45, len(trips)).clip(1, 9), 1)
    trip = np.repeat(trips, counts)
    number = 1 + np.arange(len(trip)) - np.repeat(np.cumsum(counts) - counts, counts)
    line = lanes.line[lane[trip]]
    near = np.clip(line + rng.integers(-2, 3, len(trip)), 0, len(LINES) - 1)
    other = np.where(rng.random(len(trip)) < 0.5, near, lanes.side_line[lane[trip]])
    true_line = np.where(number == 1, line, other)
    part = rng.gamma(np.where(number == 1, 4.0, 1.2))
    total = np.bincount(trip, part, minlength=len(lane))
    mass = net[trip] * part / total[trip]
    mis = (cargo.discrepancy[trip] == MISDESCRIBED) & (number == 1)
    value = mass * USD_PER_KG[true_line] * np.exp(lanes.level[lane[trip]] + cargo.value_shift[trip])
    shown = np.where(mis, cheaper_lines()[true_line], true_line)
    tare = cargo.declared_kg[trip] / np.maximum(net[trip], 1e-9)
    return Items(
        trip=trip,
        item_no=number,
        line=shown,
        net_kg=np.maximum(np.round(mass, 1), 0.1),
        gross_kg=np.maximum(np.round(mass * tare, 1), 0.1),
        value_usd=np.maximum(np.round(value, 2), 1.0),
        packages=np.maximum(1, np.round(mass / PACKAGE_KG[shown])).astype(np.int64),
    )
