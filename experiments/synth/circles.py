"""How smuggling circles work.

A circle controls fronts (small carriers with vehicles and drivers of their own), a few key drivers
whom all its fronts share, and consignees for its cover loads. One front works at a time; after a
seizure the circle goes quiet, then comes back, often with another front on another road and
another way of hiding. Shares and preferences are assumed, see docs/synthetic.md.
"""

from dataclasses import dataclass, replace

import numpy as np

from experiments.synth import fleet, parties
from experiments.synth.config import Config, Floats, Ints, pick
from experiments.synth.network import BUS, CAR, PAIRS, TRUCK, VAN, countries_of

FRONTS = 3
KEY_DRIVERS = 5
COVER_LANES = 3
LOADS_A_YEAR = 22.0
CIRCLE_LOADS = 0.0046
"""Circle loads as a share of entries: far above life, so that 100,000 crossings teach."""

CONCEALMENTS = (
    ("among_goods", "cargo.among", "TW", 3.0),
    ("inside_goods", "cargo.inside", "TW", 1.6),
    ("disguised", "cargo.disguised", "T", 1.2),
    ("packaging", "cargo.packaging", "TV", 1.0),
    ("double_floor", "trailer.floor", "T", 2.2),
    ("false_wall", "trailer.front_wall", "T", 1.3),
    ("refrigeration_unit", "trailer.refrigeration", "T", 0.5),
    ("magnet", "chassis.underbody", "TVBC", 1.8),
    ("frame_cavity", "chassis.frame", "TVW", 0.8),
    ("spare_wheel", "chassis.spare_wheel", "TVC", 0.7),
    ("axle", "chassis.axle", "TW", 0.3),
    ("false_tank", "fuel.false_tank", "T", 0.9),
    ("fuel_tank", "fuel.tank", "TVC", 1.0),
    ("cab_cavity", "cab.roof", "TV", 0.8),
    ("bunk", "cab.bunk", "T", 0.5),
    ("dashboard", "cab.dash", "CVB", 1.0),
    ("seat", "cab.seat", "CBV", 0.9),
    ("luggage", "cab.bags", "CBV", 1.6),
    ("engine_bay", "engine.bay", "C", 0.5),
    ("body", "person", "BC", 0.8),
)
"""Free code, place code, vehicle classes (first letters) and weight: DOMAIN 1's cases as a prior."""

SUBSTANCES = (
    ("opium", "narcotic", 1.0),
    ("heroin", "narcotic", 1.3),
    ("hashish", "narcotic", 2.2),
    ("cannabis", "narcotic", 0.8),
    ("methamphetamine", "psychotropic", 1.2),
    ("mephedrone", "psychotropic", 0.8),
    ("pregabalin", "psychotropic", 0.7),
    ("acetic_anhydride", "precursor", 0.5),
    ("unidentified", "other", 0.2),
)


@dataclass(frozen=True, slots=True)
class Circles:
    """Circles and their fronts; front ``f`` belongs to circle ``f // FRONTS``."""

    load_rate: Floats
    """Per circle: chance that a suitable trip of the working front is a run."""
    road: Ints
    """Per front: pair * 2 + direction."""
    concealment: Ints
    substance: Ints
    quantity_g: Floats
    """Per front: median of a load."""
    established: Ints
    """Per front: 1 if it trades lawfully before the circle uses it."""
    lane: Ints
    """Per front: its first cover lane; COVER_LANES of them follow."""
    vehicle_front: Ints
    """Per vehicle of the whole fleet: its front, or -1."""

    @property
    def count(self) -> int:
        """How many circles there are."""
        return len(self.load_rate)


def hideouts(rng: np.random.Generator, vehicle_class: Ints) -> Ints:
    """Draw a way of hiding for each vehicle class given."""
    letters = "CVBTW"
    fit = np.array([[w * (c in kinds) for _, _, kinds, w in CONCEALMENTS] for c in letters])
    total = np.cumsum(fit, axis=1)
    u = rng.random(len(vehicle_class)) * total[vehicle_class, -1]
    return (total[vehicle_class] <= u[:, None]).sum(axis=1).astype(np.int64)


def substances(rng: np.random.Generator, count: int) -> Ints:
    """Draw substances."""
    return pick(np.array([weight for _, _, weight in SUBSTANCES]), rng.random(count))


def enlist(
    config: Config, entries: float, given: tuple[fleet.Vehicles, fleet.Carriers, parties.Lanes]
) -> tuple[Circles, fleet.Vehicles, fleet.Carriers, parties.Lanes]:
    """Add circles to a lawful world: their fronts, vehicles and cover lanes come last."""
    vehicles, carriers, lanes = given
    rng = config.rng("circles")
    count = max(3, round(entries * CIRCLE_LOADS / (LOADS_A_YEAR * config.years * 0.8)))
    fronts = count * FRONTS
    threat = np.array([pull for pair in PAIRS for pull in pair.threat])
    volume = np.repeat([pair.volume for pair in PAIRS], 2)
    threat[-2:] = 0.0  # nothing known of the far side of a rail post without a pair
    road = pick(threat * volume**0.5, rng.random(fronts))
    kind = np.array([TRUCK, VAN, BUS, CAR])[
        pick(np.array([0.72, 0.1, 0.08, 0.1]), rng.random(fronts))
    ]
    is_rail = np.array([pair.is_rail for pair in PAIRS])[road // 2]
    kind = np.where(is_rail, 4, kind)
    size = rng.integers(2, 6, fronts)
    added = _front_vehicles(config, rng, (len(carriers.mess), road, kind, size))
    circles = Circles(
        load_rate=rng.beta(4, 5, count),
        road=road,
        concealment=hideouts(rng, kind),
        substance=substances(rng, fronts),
        quantity_g=rng.lognormal(np.log(14_000), 1.0, fronts),
        established=(rng.random(fronts) < 0.4).astype(np.int64),
        lane=len(lanes.group) + COVER_LANES * np.arange(fronts),
        vehicle_front=np.append(
            np.full(len(vehicles.carrier), -1), np.repeat(np.arange(fronts), size)
        ),
    )
    owners = fleet.Carriers(
        country=np.append(carriers.country, [countries_of(r // 2, r % 2)[0] for r in road]),
        mess=np.append(carriers.mess, rng.beta(1.4, 5.0, fronts)),
        second_pair=np.append(carriers.second_pair, road // 2),
    )
    covers = _cover_lanes(rng, lanes, road)
    return circles, fleet.join([vehicles, added]), owners, parties.join([lanes, covers])


def _front_vehicles(
    config: Config, rng: np.random.Generator, given: tuple[int, Ints, Ints, Ints]
) -> fleet.Vehicles:
    first, road, kind, size = given
    front = np.repeat(np.arange(len(road)), size)
    n = len(front)
    ends = np.array([countries_of(r // 2, r % 2) for r in road])
    home = np.where(rng.random(len(road)) < 0.7, ends[:, 0], ends[:, 1])
    late = rng.random(n) < 0.2
    return fleet.Vehicles(
        carrier=first + front,
        vehicle_class=kind[front],
        country=home[front],
        pair=road[front] // 2,
        yearly_trips=LOADS_A_YEAR * 5.0 / size[front] * rng.lognormal(-0.1, 0.45, n),
        born=np.where(late, rng.random(n) * config.days, -1.0),
        retired=np.full(n, np.inf),
        new_driver_from=np.full(n, np.inf),
        tare_kg=fleet.TARE_KG[kind[front]] * np.exp(rng.normal(0, 0.07, n)),
        is_company=kind[front] != CAR,
    )


def _cover_lanes(rng: np.random.Generator, lanes: parties.Lanes, road: Ints) -> parties.Lanes:
    """Give each front lanes to the circle's own consignees, with goods that hide a load well."""
    n = len(road) * COVER_LANES
    front = np.repeat(np.arange(len(road)), COVER_LANES)
    circle = front // FRONTS
    like = rng.integers(0, len(lanes.group), n)
    base = parties.Lanes(**{name: getattr(lanes, name)[like] for name in lanes.__slots__})
    ends = np.array([countries_of(r // 2, r % 2) for r in road])[front]
    own = int(lanes.consignee.max()) + 1 + 2 * circle + rng.integers(0, 2, n)
    hired = rng.random(n) < 0.25  # a lawful consignee's name is borrowed
    line = np.concatenate([parties.cover_lines(rng, int(r), COVER_LANES) for r in road])
    return replace(
        base,
        group=road[front],
        weight=np.zeros(n),
        line=line,
        origin=ends[:, 0],
        dispatch=ends[:, 0],
        destination=ends[:, 1],
        consignee=np.where(hired, base.consignee, own),
        consignor=np.where(hired, base.consignor, int(lanes.consignor.max()) + 1 + circle),
        level=rng.normal(-0.25, 0.3, n),
    )
