"""Trips between paired posts, and the parties to them.

Assumes heavy tails everywhere: gamma activity of vehicles, Zipf sizes of carriers and traders. All
numbers are assumed; nothing follows a real post.
"""

from dataclasses import dataclass

import numpy as np

from engine.domain.time_units import DAY, HOUR
from experiments.synthetic.config import Bools, Config, Floats, Ints, pick, pick_within

POSTS = (
    ("M1-A", "UZ"), ("M1-B", "KZ"), ("M2-A", "UZ"), ("M2-B", "TJ"),
    ("M3-A", "KG"), ("M3-B", "KZ"), ("M4-A", "TJ"), ("M4-B", "KG"),
)  # fmt: skip
"""Code and country; posts 2k and 2k + 1 face each other."""
PAIRS = len(POSTS) // 2
CAR, TRUCK = 0, 1
CLASSES = ("car", "truck")
GOODS, ORIGINS, LANES = 90, 12, 4
CROSSINGS_A_TRIP = 1.72
"""An entry, and its exit where that is recorded."""
_TRIPS_A_VEHICLE = 9.0
_TRUCKS = 0.5
_MIRRORED = 0.72


@dataclass(slots=True)
class Trips:
    """One value a trip, shape (n,), ordered by entry; -1 where there is no such party."""

    vehicle: Ints
    driver: Ints
    trailer: Ints
    carrier: Ints
    consignee: Ints
    consignor: Ints
    declarant: Ints
    goods: Ints
    origin: Ints
    pair: Ints
    way: Ints
    """0 from the first post of the pair to the second, 1 back."""
    exit_at: Ints
    entry_at: Ints
    is_truck: Bools
    is_mirrored: Bools
    """Whether the exit was recorded."""

    @property
    def line(self) -> Ints:
        """Number of the pair and the way, shape (n,)."""
        return self.pair * 2 + self.way


def draw_trips(config: Config) -> Trips:
    """Draw the trips of a network, in the order of their entries."""
    rng = config.rng("traffic")
    count = max(60, round(config.crossings / CROSSINGS_A_TRIP))
    vehicles = max(20, round(count / _TRIPS_A_VEHICLE))
    carriers = max(4, vehicles // 12)
    is_truck = rng.random(vehicles) < _TRUCKS
    carrier_of = np.where(is_truck, pick(_zipf(carriers), rng.random(vehicles)), -1)
    vehicle = pick(rng.gamma(0.6, 1.0, vehicles) + 0.02, rng.random(count))
    entry = _entry_times(rng, config, count)
    carrier = carrier_of[vehicle]
    transit = rng.lognormal(np.log(3.0), 0.45, count) * np.where(is_truck[vehicle], 1.0, 0.5)
    home = rng.integers(0, PAIRS, vehicles)
    pair = np.where(rng.random(count) < 0.9, home[vehicle], rng.integers(0, PAIRS, count))
    lane = _draw_lanes(rng, carriers, np.where(rng.random(count) < 0.72, carrier, -1))
    return Trips(
        vehicle=vehicle,
        driver=_swap(rng, vehicle, carrier_of, share=0.12),
        trailer=np.where(carrier >= 0, _swap(rng, vehicle, carrier_of, share=0.1), -1),
        carrier=carrier,
        **lane,
        pair=pair,
        way=_alternate(vehicle, rng.integers(0, 2, vehicles)),
        exit_at=entry - (transit * HOUR).astype(np.int64),
        entry_at=entry,
        is_truck=is_truck[vehicle],
        is_mirrored=rng.random(count) < _MIRRORED,
    )


def _zipf(count: int) -> Floats:
    return np.asarray(1.0 / (np.arange(count) + 3.0) ** 0.9, np.float64)


def _entry_times(rng: np.random.Generator, config: Config, count: int) -> Ints:
    """Draw times of entry, ascending: fewer at night, and a busy autumn."""
    season = 1.0 + 0.25 * np.sin(2 * np.pi * (np.arange(config.days) / 365.0 - 0.6))
    day = pick(season, rng.random(count))
    hour = pick(np.where(np.arange(24) < 6, 0.35, 1.0), rng.random(count)) + rng.random(count)
    return np.sort(config.first_midnight + day * DAY + (hour * HOUR).astype(np.int64))


def _alternate(vehicle: Ints, first: Ints) -> Ints:
    """Let each vehicle go there and back by turns."""
    order = np.argsort(vehicle, kind="stable")
    starts = np.searchsorted(vehicle[order], np.arange(len(first)))
    turn = np.empty(len(vehicle), np.int64)
    turn[order] = np.arange(len(vehicle)) - starts[vehicle[order]]
    return np.asarray((turn + first[vehicle]) % 2, np.int64)


def _swap(rng: np.random.Generator, vehicle: Ints, carrier_of: Ints, *, share: float) -> Ints:
    """Return each trip's driver or trailer: the vehicle's own, or another of the same carrier."""
    order = np.argsort(carrier_of, kind="stable")
    other = pick_within(
        np.ones(len(order)),
        carrier_of[order],
        group=carrier_of[vehicle],
        u=rng.random(len(vehicle)),
    )
    swapped = (carrier_of[vehicle] >= 0) & (rng.random(len(vehicle)) < share)
    return np.asarray(np.where(swapped, order[other], vehicle), np.int64)


def _draw_lanes(rng: np.random.Generator, carriers: int, carrier: Ints) -> dict[str, Ints]:
    """Draw one of each carrier's trade relations a trip; -1 everywhere where a vehicle is empty."""
    lanes = carriers * LANES
    traders = max(6, lanes // 3)
    table = {
        "consignee": pick(_zipf(traders), rng.random(lanes)),
        "consignor": pick(_zipf(traders), rng.random(lanes)),
        "declarant": pick(_zipf(max(5, traders // 8)), rng.random(lanes)),
        "goods": pick(_zipf(GOODS), rng.random(lanes)),
        "origin": pick(_zipf(ORIGINS), rng.random(lanes)),
    }
    lane = carrier * LANES + pick(np.array([0.5, 0.25, 0.15, 0.1]), rng.random(len(carrier)))
    return {
        name: np.where(carrier >= 0, values[np.maximum(lane, 0)], -1)
        for name, values in table.items()
    }
