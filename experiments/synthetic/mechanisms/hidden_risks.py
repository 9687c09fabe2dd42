"""Mechanisms: what makes a trip carry, or its papers be wrong.

*latent*: every party, goods and route has a log-normal propensity of its own; they add up, and
goods have seasons. *rings*: circles of vehicles, drivers and consignees whose members act together,
begin late, work in campaigns and let a car drive ahead. *signs*: parties hardly matter, the journey
shows it. *repeat*: a few drivers and consignees do it again and again, most at harvest, and rest
after a find. *circles*: cars without a carrier whose drivers change cars within a circle; only the
links between them say which circle carries. Five more are of groups that are never caught
(:mod:`experiments.synthetic.mechanisms.hidden_groups`). All numbers are assumed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from engine.domain.time_units import DAY
from experiments.synthetic.config import Bools, Config, Floats, Ints
from experiments.synthetic.mechanisms import hidden_groups
from experiments.synthetic.mechanisms.hidden_groups import GroupKind
from experiments.synthetic.mechanisms.traffic import LANES, Trips

Mechanism = Literal[GroupKind, "latent", "rings", "signs", "repeat", "circles"]
CIRCLE = 14
"""Cars, and as many drivers, of a circle."""
_CERTAIN = 30.0
"""Log-odds."""

LOAD_SIGNS = ("late", "seals", "driver", "trailer", "heavy", "night", "ahead")
PAPER_SIGNS = ("value", "mass", "dispatch")


@dataclass(frozen=True, slots=True)
class HiddenRisks:
    """What decides, before anything is seen: log-odds up to a constant, shape (n,) each."""

    load: Floats
    papers: Floats
    load_signs: float
    """Log-odds by which each sign of the journey is likelier with a load than without."""
    paper_signs: float
    leads: float
    """The same of a car that drives ahead; 0 where there are no such cars."""
    rests_days: float = 0.0
    """How long a driver or consignee rests after a find."""
    loads: float = 0.008
    """Mean chance of an entry to carry."""
    group: Ints | None = None
    """Number of the group whose trip it is, -1 for none; None where there are no groups."""
    is_spared: Bools | None = None
    """Trips of which a search that would find the load is not made."""
    is_reported: Bools | None = None
    """Trips whose load officers get a report of, so that they find it."""


def draw_risks(mechanism: Mechanism, trips: Trips, config: Config) -> HiddenRisks:
    """Draw the hidden risks of all trips by one mechanism; in *circles* drivers change cars."""
    return _MECHANISMS[mechanism](trips, config, config.rng(f"risks of {mechanism}"))


def _effects(rng: np.random.Generator, party: Ints, spread: float) -> Floats:
    """Draw a normal effect for each party; 0 where a trip has none."""
    effect = rng.normal(0.0, spread, int(party.max(initial=0)) + 1)
    return np.asarray(np.where(party >= 0, effect[np.maximum(party, 0)], 0.0), np.float64)


def _season(trips: Trips, phase: Floats) -> Floats:
    """Return a wave of a year, shape (n,), whose phase (in years) goods decide."""
    year = trips.entry_at / (365.0 * DAY)
    return np.asarray(np.sin(2 * np.pi * (year + phase[trips.goods])), np.float64)


def _latent(trips: Trips, config: Config, rng: np.random.Generator) -> HiddenRisks:
    kinds = trips.goods * 64 + trips.origin
    load = _effects(rng, trips.vehicle, 0.8) + _effects(rng, trips.driver, 0.9)
    load += _effects(rng, trips.carrier, 1.0) + _effects(rng, trips.consignee, 0.8)
    load += _effects(rng, trips.goods, 0.5) + _effects(rng, trips.line, 0.6)
    papers = _effects(rng, trips.consignee, 1.0) + _effects(rng, trips.declarant, 0.8)
    papers += _effects(rng, trips.carrier, 0.5)
    papers += _effects(rng, np.where(trips.goods >= 0, kinds, -1), 0.8)
    wave = _season(trips, rng.random(int(trips.goods.max()) + 2))
    return HiddenRisks(load + 0.6 * wave, papers + 0.6 * wave, 0.7, 0.9, 0.0)


def _rings(trips: Trips, config: Config, rng: np.random.Generator) -> HiddenRisks:
    count = max(3, len(trips.vehicle) // 2_500)
    begins = config.first_midnight + rng.uniform(-0.3, 0.95, count) * config.days * DAY
    ends = begins + rng.exponential(170.0, count) * DAY
    members = [_draw_members(rng, party, count) for party in _ring_parties(trips)]
    same = np.stack(members)  # each kind of party's ring, -1 for none
    ring = same.max(axis=0)
    together = ((same == ring) & (ring >= 0)).sum(axis=0)
    active = (ring >= 0) & (trips.entry_at >= begins[ring]) & (trips.entry_at < ends[ring])
    week = (trips.entry_at - config.first_midnight) // (14 * DAY)
    campaign = rng.random((count, int(week.max()) + 1)) < 0.35
    load = np.array([0.0, 3.0, 5.0, 6.0])[np.minimum(together, 3)] * active
    load += np.where(active, np.where(campaign[ring, week], 1.2, -0.8), 0.0)
    load += _effects(rng, trips.line, 0.4)
    frauds = _draw_members(rng, trips.consignee, 4 * count) >= 0
    helped = _draw_members(rng, trips.declarant, max(2, count // 2)) >= 0
    starts = rng.uniform(-0.5, 0.9, int(trips.consignee.max()) + 2) * config.days * DAY
    is_begun = trips.entry_at > config.first_midnight + starts[trips.consignee]
    papers = 2.4 * (frauds & is_begun) + 1.0 * helped + 0.8 * active
    return HiddenRisks(load, papers + _effects(rng, trips.goods, 0.5), 1.2, 1.2, 3.5)


def _ring_parties(trips: Trips) -> tuple[Ints, ...]:
    return trips.vehicle, trips.driver, trips.consignee


def _draw_members(rng: np.random.Generator, party: Ints, rings: int) -> Ints:
    """Put four parties of a kind into each ring; return each trip's ring, -1 for none."""
    total = int(party.max(initial=0)) + 1
    ring_of = np.full(total, -1)
    drawn = rng.permutation(np.unique(party[party >= 0]))[: LANES * rings]
    ring_of[drawn] = np.arange(len(drawn)) % rings
    return np.where(party >= 0, ring_of[np.maximum(party, 0)], -1)


def _signs(trips: Trips, config: Config, rng: np.random.Generator) -> HiddenRisks:
    load = _effects(rng, trips.line, 0.5) + 0.4 * trips.is_truck + _effects(rng, trips.driver, 0.3)
    papers = _effects(rng, trips.goods, 0.6) + _effects(rng, trips.consignee, 0.5)
    return HiddenRisks(load, papers, 2.0, 2.2, 1.5)


def _repeat(trips: Trips, config: Config, rng: np.random.Generator) -> HiddenRisks:
    driver = rng.random(int(trips.driver.max()) + 1) < 0.03
    trader = rng.random(int(trips.consignee.max()) + 2) < 0.1
    month = (trips.entry_at // DAY // 30) % 12
    harvest = np.isin(month, (7, 8, 9))
    load = 3.6 * driver[trips.driver] + 0.8 * harvest + _effects(rng, trips.line, 0.5)
    has_trader: Bools = trips.consignee >= 0
    papers = 2.4 * (trader[trips.consignee] & has_trader) + _effects(rng, trips.goods, 0.6)
    return HiddenRisks(load, papers + 0.5 * harvest, 0.9, 1.0, 2.5, rests_days=14.0)


def _circles(trips: Trips, config: Config, rng: np.random.Generator) -> HiddenRisks:
    cars = rng.permutation(np.unique(trips.vehicle[~trips.is_truck]))
    count = len(cars) // 2 // CIRCLE
    circle_of = np.full(int(trips.vehicle.max()) + 1, -1)
    members = cars[: count * CIRCLE].reshape(count, CIRCLE)
    circle_of[members] = np.arange(count)[:, None]
    circle = circle_of[trips.vehicle]
    changed = np.flatnonzero((circle >= 0) & (rng.random(len(circle)) < 0.6))
    # Drivers have the numbers of their own cars.
    trips.driver[changed] = members[circle[changed], rng.integers(0, CIRCLE, len(changed))]
    carries = (circle >= 0) & (circle % 5 == 0)
    papers = _effects(rng, trips.consignee, 1.0) + _effects(rng, trips.goods, 0.5)
    return HiddenRisks(4.0 * carries, papers, 0.7, 0.9, 0.0, loads=0.02)


def _groups(
    trips: Trips, config: Config, rng: np.random.Generator, *, kind: GroupKind
) -> HiddenRisks:
    number = hidden_groups.form_groups(kind, trips, config).number
    carries = (number >= 0) & (number < hidden_groups.CARRYING)
    month = (trips.entry_at - config.first_midnight) // (28 * DAY)
    campaign = rng.random((hidden_groups.CARRYING, int(month.max()) + 1)) < 0.6
    load = _effects(rng, trips.line, 0.4) + _effects(rng, trips.driver, 0.5) * ~carries
    load += np.where(carries, 4.2 + np.where(campaign[number * carries, month], 0.5, -0.7), 0.0)
    papers = _effects(rng, trips.consignee, 0.8) + _effects(rng, trips.goods, 0.5)
    is_reported = np.zeros(len(number), np.bool_)
    if kind != "importer":
        is_reported[hidden_groups.draw_strays(trips, config)] = True
        load += np.where(is_reported, _CERTAIN, 0.0)
    never = (number >= 0) & (number < hidden_groups.NEVER_CAUGHT)
    leads = 3.5 if kind == "fronts" else 0.0
    return HiddenRisks(
        load,
        papers,
        0.5,
        1.0,
        leads,
        loads=0.02,
        group=number,
        is_spared=never & (trips.entry_at < config.end - hidden_groups.QUARTER),
        is_reported=is_reported,
    )


_MECHANISMS: Mapping[Mechanism, Callable[[Trips, Config, np.random.Generator], HiddenRisks]] = {
    "latent": _latent,
    "rings": _rings,
    "signs": _signs,
    "repeat": _repeat,
    "circles": _circles,
    **{kind: partial(_groups, kind=kind) for kind in hidden_groups.KINDS},
}
