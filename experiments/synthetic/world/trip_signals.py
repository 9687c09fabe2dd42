"""Signs of a trip at the barrier: hour, driver, trailer, seals, time on the road.

Every sign has innocent causes: carriers differ in how untidy they are, and an untidy one breaks
seals, lends trailers and drives at night. A run of a circle only raises the odds. What the signs
say about a run is kept as the log of their likelihood ratio, so that the true probability of a run,
given who controls whom and all its signs, is known exactly.
"""

from dataclasses import dataclass

import numpy as np

from engine.domain.time_units import DAY, HOUR, MINUTE
from engine.domain.time_zones import utc_offsets
from experiments.synthetic.config import Bools, Config, Floats, Ints, pick_within
from experiments.synthetic.world.fleet import Carriers, Pool, Vehicles
from experiments.synthetic.world.network import (
    CAR,
    PAIRS,
    POSTS,
    TRUCK,
    VAN,
    WAGON,
    leaving_and_entering,
)
from experiments.synthetic.world.smuggling_rings import COVER_LANES, FRONTS, KEY_DRIVERS, Circles
from experiments.synthetic.world.traders import Lanes
from experiments.synthetic.world.trips import ESCORT, ORDINARY, RUN, Calls

NIGHT = np.array([0.12, 0.11, 0.24, 0.15, 0.33])
LESS_LOADED = np.array([0.0, 0.55, 0.0, 1.0, 1.1])
"""Vans carry declared goods less often than trucks; cars and buses do not."""
GAP_HOURS = np.array([2.0, 4.0, 4.0, 9.0, 20.0])


@dataclass(frozen=True, slots=True)
class Habits:
    """One entry a trip."""

    entry_at: Ints
    """UTC microseconds of arrival at the post of entry."""
    exit_at: Ints
    has_mirror: Bools
    """Whether the exit record reached this network."""
    driver: Ints
    trailer: Ints
    """At entry; -1 where the conveyance has none."""
    exit_trailer: Ints
    lane: Ints
    """-1 for an empty or private trip."""
    is_sealed: Bools
    seal_changed: Bools
    evidence: Floats
    """Log likelihood ratio of a run against an ordinary trip of a front."""


class Signs:
    """Draws yes-or-no signs and adds up what each says about a run."""

    def __init__(self, rng: np.random.Generator, is_run: Bools) -> None:
        self.rng = rng
        self.is_run = is_run
        self.evidence = np.zeros(len(is_run))

    def draw(self, usual: Floats, in_run: Floats | float, *, where: Bools | None = None) -> Bools:
        """Return which trips show a sign, shape (n,); evidence only where it can be seen."""
        run_rate = np.broadcast_to(np.asarray(in_run, dtype=np.float64), usual.shape)
        shown = self.rng.random(len(usual)) < np.where(self.is_run, run_rate, usual)
        ratio = np.where(shown, run_rate / usual, (1 - run_rate) / (1 - usual))
        self.evidence += np.log(ratio) if where is None else np.where(where, np.log(ratio), 0.0)
        return shown if where is None else shown & where


def adopt(
    config: Config,
    calls: Calls,
    given: tuple[Vehicles, Carriers, Circles, Pool, Lanes],
    *,
    places: Floats,
    season: Floats,
) -> Habits:
    """Give every trip its habits; arrays have shape (n,)."""
    vehicles, carriers, circles, pool, lanes = given
    rng = config.rng("habits")
    kind = vehicles.vehicle_class[calls.vehicle]
    owner = vehicles.carrier[calls.vehicle]
    mess = np.where(owner >= 0, carriers.mess[owner], 0.15)
    front = circles.vehicle_front[calls.vehicle]
    signs = Signs(rng, calls.role == RUN)
    night = signs.draw(NIGHT[kind] + 0.25 * mess, 0.34)
    entry_at = _entry_times(config, rng, calls, (night, kind, owner))
    driver = _drivers(signs, calls, (vehicles, pool, mess, front))
    lane = _lanes(signs, calls, (lanes, circles, kind, owner, front), places=places, season=season)
    mirror, transit = _mirrors(signs, calls, (kind, mess))
    has_trailer = (kind == TRUCK) & (rng.random(len(kind)) < 0.93)
    swapped = signs.draw(0.02 + 0.12 * mess, 0.2, where=mirror & has_trailer)
    trailer = np.where(has_trailer, _own_or_lent(rng, calls.vehicle, pool, 0.03 + 0.1 * mess), -1)
    before = np.where(swapped, pool.member(calls.vehicle, rng.random(len(kind))), trailer)
    sealed = (lane >= 0) & (rng.random(len(kind)) < np.where(kind == WAGON, 0.9, 0.62))
    changed = signs.draw(0.02 + 0.12 * mess, 0.26, where=mirror & sealed)
    return Habits(
        entry_at=entry_at,
        exit_at=entry_at - transit,
        has_mirror=mirror,
        driver=driver,
        trailer=trailer,
        exit_trailer=before,
        lane=lane,
        is_sealed=sealed,
        seal_changed=changed,
        evidence=signs.evidence,
    )


def _mirrors(signs: Signs, calls: Calls, given: tuple[Ints, Floats]) -> tuple[Bools, Ints]:
    """Draw whether the exit record came, and how long the trip took between the posts."""
    kind, mess = given
    rng, n = signs.rng, len(kind)
    absent = np.array([pair.mirror_absent for pair in PAIRS])[calls.pair]
    one_sided = absent >= 1.0
    absent = np.minimum(0.9, absent + 0.1 * (mess - 0.17))
    mirror = ~signs.draw(absent, np.minimum(absent + 0.13, 0.95)) & ~one_sided
    slow = signs.draw(0.05 + 0.1 * mess, 0.36, where=mirror)
    hours = np.array([pair.transit_hours for pair in PAIRS])[calls.pair]
    hours = hours * np.exp(rng.normal(0, 0.35, n)) * np.where(kind == CAR, 0.6, 1.0)
    hours = hours * np.where(slow, rng.uniform(1.8, 4.5, n), 1.0)
    return mirror, np.maximum(hours * HOUR, 10 * MINUTE).astype(np.int64)


def _entry_times(
    config: Config, rng: np.random.Generator, calls: Calls, given: tuple[Bools, Ints, Ints]
) -> Ints:
    night, kind, owner = given
    n = len(kind)
    leave, enter = leaving_and_entering(calls.pair, calls.direction)
    midnight = config.first_midnight + calls.day * DAY
    offset = _utc_offset_hours(np.where(enter < 0, leave, enter), midnight)
    by_day = np.clip(rng.normal(13.2, 3.4, n), 6.0, 21.99)
    hour = np.where(night, (22.0 + 8.0 * rng.random(n)) % 24.0, by_day) - offset
    at = midnight + (hour * HOUR).astype(np.int64)
    at = at // 1_000_000 * 1_000_000
    plain = np.flatnonzero(calls.role == ORDINARY)  # these stand first, sorted by vehicle and day
    at[plain] = _apart(at[plain], calls.vehicle[plain], GAP_HOURS[kind[plain]])
    road = (calls.pair * 2 + calls.direction)[plain]
    at[plain] = _convoys(rng, at[plain], (calls.vehicle[plain], owner[plain], road))
    escorts = np.flatnonzero(calls.role == ESCORT)
    ahead = rng.integers(3 * 60, 25 * 60, len(escorts)) * 1_000_000
    at[escorts] = at[calls.partner[escorts]] - ahead
    return np.asarray(at, dtype=np.int64)


def _utc_offset_hours(post: Ints, at: Ints) -> Floats:
    """Return local time less UTC of each post at its time."""
    by_zone = {zone: utc_offsets(at, zone) / HOUR for zone in {post.timezone for post in POSTS}}
    table = np.array([by_zone[post.timezone] for post in POSTS])
    return np.asarray(table[post, np.arange(len(at))], dtype=np.float64)


def _apart(at: Ints, vehicle: Ints, gap_hours: Floats) -> Ints:
    """Push trips of one vehicle at least a gap apart, later ones later."""
    if len(at) == 0:
        return at
    second = 1_000_000  # whole seconds, so that vehicles times span stays far below 2**63
    rank = np.arange(len(at)) - np.searchsorted(vehicle, vehicle, side="left")
    shift = rank * (gap_hours * HOUR / second).astype(np.int64)
    base = int(at.min())
    since = (at - base) // second - shift
    lane = vehicle * np.int64(since.max() - since.min() + 1)  # vehicles cannot push each other
    pushed = np.maximum.accumulate(since + lane) - lane + shift
    return np.asarray(base + pushed * second, dtype=np.int64)


def _convoys(rng: np.random.Generator, at: Ints, given: tuple[Ints, Ints, Ints]) -> Ints:
    """Let some lawful trips of one carrier cross minutes apart, where their own plans allow it."""
    vehicle, owner, road = given
    order = np.lexsort((at, road, owner))
    mine, lead = order[1:], order[:-1]
    wanted = at[lead] + rng.integers(2 * 60, 25 * 60, len(mine)) * 1_000_000
    same = (owner[mine] >= 0) & (owner[mine] == owner[lead]) & (road[mine] == road[lead])
    same &= (vehicle[mine] != vehicle[lead]) & (at[mine] - at[lead] < 2 * DAY)
    before = np.where(np.roll(vehicle, 1) == vehicle, np.roll(at, 1), 0)[mine]
    moved = same & (wanted - before > 12 * HOUR) & (wanted < at[mine])
    moved &= rng.random(len(mine)) < 0.25
    result = at.copy()
    result[mine[moved]] = wanted[moved]
    return result


def _own_or_lent(rng: np.random.Generator, vehicle: Ints, pool: Pool, rate: Floats) -> Ints:
    lent = rng.random(len(vehicle)) < rate
    return np.where(lent, pool.member(vehicle, rng.random(len(vehicle))), vehicle)


def _drivers(signs: Signs, calls: Calls, given: tuple[Vehicles, Pool, Floats, Ints]) -> Ints:
    """Draw who drives: the main driver, a colleague, or one of the circle's key drivers.

    Driver numbers: v for the main driver of vehicle v, n + v for its relief, then the key drivers.
    """
    vehicles, pool, mess, front = given
    n = len(vehicles.carrier)
    is_private = vehicles.carrier[calls.vehicle] < 0
    main = np.where(
        calls.day >= vehicles.new_driver_from[calls.vehicle], n + calls.vehicle, calls.vehicle
    )
    lent = signs.rng.random(len(main)) < np.where(is_private, 0.06, 0.1 + 0.35 * mess)
    colleague = pool.member(calls.vehicle, signs.rng.random(len(main)))
    other = np.where(is_private, n + calls.vehicle, colleague)
    in_circle = front >= 0
    key = signs.draw(
        np.where(in_circle, 0.12, 0.5), np.where(in_circle, 0.75, 0.5), where=in_circle
    )
    member = 2 * n + front // FRONTS * KEY_DRIVERS + signs.rng.integers(0, KEY_DRIVERS, len(main))
    return np.where(key, member, np.where(lent, other, main))


def _lanes(
    signs: Signs,
    calls: Calls,
    given: tuple[Lanes, Circles, Ints, Ints, Ints],
    *,
    places: Floats,
    season: Floats,
) -> Ints:
    """Draw what is carried: a contract of the carrier, the spot market, or a cover lane.

    ``season`` is by line and day.
    """
    lanes, circles, kind, owner, front = given
    rng, n = signs.rng, len(kind)
    usual = np.array([pair.loaded for pair in PAIRS])[calls.pair, calls.direction]
    usual = np.clip(usual * LESS_LOADED[kind], 0.001, 0.97)
    can_load = np.isin(kind, (VAN, TRUCK, WAGON))
    loaded = signs.draw(usual, np.minimum(usual + 0.1, 0.975), where=can_load)
    group = calls.pair * 2 + calls.direction
    contract = places[np.maximum(owner, 0), calls.direction, rng.integers(0, places.shape[2], n)]
    u = np.where((rng.random(n) < 0.72) & (owner >= 0), contract, rng.random(n))
    lane = find_lanes(lanes, group, u)
    for _ in range(2):  # out of season: look for something else
        off = rng.random(n) > season[lanes.line[lane], calls.day]
        lane = np.where(off, find_lanes(lanes, group, rng.random(n)), lane)
    controls = (front >= 0) & loaded
    cover = signs.draw(np.full(n, 0.3), 0.8, where=controls)
    own = circles.vehicle_lane[calls.vehicle] + rng.integers(0, COVER_LANES, n)
    suits = circles.vehicle_road[calls.vehicle] == group
    return np.where(loaded, np.where(cover & suits, own, lane), -1)


def find_lanes(lanes: Lanes, group: Ints, u: Floats) -> Ints:
    """Return a lane of each trip's group, shape (n,), at place ``u`` of the group's weights."""
    ordinary = np.count_nonzero(lanes.weight)  # cover lanes come last and weigh nothing
    return pick_within(lanes.weight[:ordinary], lanes.group[:ordinary], group=group, u=u)
