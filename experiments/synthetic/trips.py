"""Trips: vehicles and days, signs at the barrier, and cargo.

Each vehicle makes a Poisson number of trips within its life, there and back by turns, on days drawn
by season and weekday. On top come the runs that circles plan: a run is a variant of an ordinary
trip of a front, and which of the two takes place is decided only when the days unfold; escorts
cross minutes ahead of a run and exist only with it.

Every sign at the barrier (hour, driver, trailer, seals, time on the road) has innocent causes:
carriers differ in how untidy they are, and an untidy one breaks seals, lends trailers and drives at
night. A run of a circle only raises the odds. What the signs say about a run is kept as the log of
their likelihood ratio, so that the true probability of a run, given who controls whom and all its
signs, is known exactly.

A wrong declaration is one of: undervalued, misdescribed as goods of lower duty, or short of mass;
private vehicles may carry undeclared goods. What the value says about it is known exactly, so the
true probability of a discrepancy, given its lane and its value, is too.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.domain.network import utc_offsets
from engine.domain.time_units import DAY, HOUR, MINUTE
from experiments.synthetic.fleet import Carriers, Pool, Vehicles
from experiments.synthetic.posts import (
    CAR,
    GOODS_CLASSES,
    PAIRS,
    PLACES,
    POSTS,
    TRUCK,
    VAN,
    WAGON,
    Bools,
    Config,
    Floats,
    Ints,
    countries_of,
    leaving_and_entering,
    measure_km,
    pick,
    pick_within,
)
from experiments.synthetic.smuggling import COVER_LANES, FRONTS, KEY_DRIVERS, Circles
from experiments.synthetic.trade import DUTY, LINES, PACKAGE_KG, TONNES, USD_PER_KG, Lanes

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


def draw_ordinary_trips(
    config: Config, vehicles: Vehicles, target: float
) -> tuple[Ints, Ints, Ints]:
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


def draw_calls(
    config: Config, given: tuple[Vehicles, Carriers, Circles, Pool], *, target: float
) -> Calls:
    """Return ordinary trips, then runs, then escorts."""
    vehicles, carriers, circles, pool = given
    vehicle, day, direction = draw_ordinary_trips(config, vehicles, target)
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


def draw_habits(
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
    driver = _draw_drivers(signs, calls, (vehicles, pool, mess, front))
    lane = _draw_lanes(
        signs, calls, (lanes, circles, kind, owner, front), places=places, season=season
    )
    mirror, transit = _mirrors(signs, calls, (kind, mess))
    transit = _after_the_trip_before(calls, entry_at, transit)
    through = (lane >= 0) & (lanes.destination[lane] != _into(calls))
    has_trailer = (kind == TRUCK) & (rng.random(len(kind)) < 0.93)
    broken = np.where(through, UNDER_SEAL, 0.02 + 0.12 * mess)
    swapped = signs.draw(broken, 0.2, where=mirror & has_trailer)
    trailer = np.where(has_trailer, _own_or_lent(rng, calls.vehicle, pool, 0.03 + 0.1 * mess), -1)
    before = np.where(swapped, pool.member(calls.vehicle, rng.random(len(kind))), trailer)
    sealed = (lane >= 0) & (rng.random(len(kind)) < np.where(kind == WAGON, 0.9, 0.62))
    changed = signs.draw(broken, 0.26, where=mirror & sealed)
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


UNDER_SEAL = 0.002
"""Lawful trips in transit whose seal or trailer is changed between the posts all the same."""


def _into(calls: Calls) -> Ints:
    """Return the country that each trip enters, shape (n,)."""
    table = np.array([[countries_of(pair, way)[1] for way in (0, 1)] for pair in range(len(PAIRS))])
    return np.asarray(table[calls.pair, calls.direction], dtype=np.int64)


def _after_the_trip_before(calls: Calls, entry_at: Ints, transit: Ints) -> Ints:
    """Return transits of which none begins before the vehicle can be there from its trip before.

    Ordinary trips alone are looked at: which of a run and its ordinary trip takes place is not
    known yet.
    """
    plain = np.flatnonzero(calls.role == ORDINARY)
    order = plain[np.lexsort((entry_at[plain], calls.vehicle[plain]))]
    drive = (_drive_hours(calls.pair[order]) * HOUR).astype(np.int64)
    free = entry_at[order] - np.roll(entry_at[order], 1) - drive
    is_same = calls.vehicle[order] == np.roll(calls.vehicle[order], 1)
    free[0] = 0
    is_same[0] = False
    capped = transit.copy()
    most = np.maximum(free * 9 // 10, 10 * MINUTE)
    capped[order] = np.where(is_same, np.minimum(transit[order], most), transit[order])
    return capped


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
    gap = GAP_HOURS[kind[plain]] + _drive_hours(calls.pair[plain])
    at[plain] = _apart(at[plain], calls.vehicle[plain], gap)
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


DRIVE_KMH = 45.0
"""In a straight line."""


def _drive_hours(pair: Ints) -> Floats:
    """Return how long it takes from the border of the trip before, shape (n,); 0 for the first."""
    places = np.array([PLACES[POSTS[one.a].code] for one in PAIRS])
    table = np.array([[measure_km(tuple(a), tuple(b)) for b in places] for a in places])
    hours = np.zeros(len(pair))
    hours[1:] = table[pair[:-1], pair[1:]] / DRIVE_KMH
    return hours


def _apart(at: Ints, vehicle: Ints, gap_hours: Floats) -> Ints:
    """Push trips of one vehicle at least a gap apart, later ones later.

    The gap of a trip is that from the one before.
    """
    if len(at) == 0:
        return at
    second = 1_000_000  # whole seconds, so that vehicles times span stays far below 2**63
    shift = np.cumsum((gap_hours * HOUR / second).astype(np.int64))
    shift -= shift[np.searchsorted(vehicle, vehicle, side="left")]
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


def _draw_drivers(signs: Signs, calls: Calls, given: tuple[Vehicles, Pool, Floats, Ints]) -> Ints:
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


def _draw_lanes(
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


HONEST, UNDERVALUED, MISDESCRIBED, SHORT_MASS, UNDECLARED = range(5)
WRONG_SHARES = np.array([0.5, 0.3, 0.2])
CARGO_CAPACITY = np.array([0.0, 0.075, 0.0, 1.0, 2.9])
"""Cargo of each vehicle class, as a share of a full truck's."""
VALUE_NOISE = 0.15
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


def draw_cargo(
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
    which = 1 + pick(WRONG_SHARES, rng.random(n))
    discrepancy = np.where(wrong, np.where(declared, which, UNDECLARED), HONEST).astype(np.int8)
    shift = rng.normal(0, VALUE_NOISE, n)
    low = rng.normal(*UNDERVALUE, n)
    shift -= np.where(discrepancy == UNDERVALUED, low, 0.0)
    shift -= np.where(discrepancy == MISDESCRIBED, rng.normal(*MISVALUE, n), 0.0)
    fill = rng.beta(5.0, 1.4, n)
    net = np.where(is_loaded, TONNES[lanes.line[lane]] * 1000 * CARGO_CAPACITY[kind] * fill, 0.0)
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
    return cargo, _draw_items(rng, lanes, (lane, cargo, net * (1 - cut)))


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

    honest = density(0.0, VALUE_NOISE)
    wrong = WRONG_SHARES[0] * density(-UNDERVALUE[0], float(np.hypot(UNDERVALUE[1], VALUE_NOISE)))
    wrong = wrong + WRONG_SHARES[1] * density(
        -MISVALUE[0], float(np.hypot(MISVALUE[1], VALUE_NOISE))
    )
    wrong = wrong + WRONG_SHARES[2] * honest
    return np.asarray(rate * wrong / (rate * wrong + (1 - rate) * honest))


def cheaper_lines() -> Ints:
    """Return for each line, shape (lines,), cheaper goods that it could be called, or itself."""
    found = []
    for line in range(len(LINES)):
        below = (DUTY[line] > DUTY) & (USD_PER_KG[line] > USD_PER_KG)
        near = np.flatnonzero(below & (np.abs(np.log(USD_PER_KG / USD_PER_KG[line])) < 1.6))
        found.append(int(near[(line * 31) % len(near)]) if len(near) else line)
    return np.array(found)


ALONE = np.array([one.hs6.startswith(("1512", "2710", "2711", "2915", "8703")) for one in LINES])
"""Goods that fill a tank or a car carrier, in which nothing else travels."""


def _draw_items(rng: np.random.Generator, lanes: Lanes, given: tuple[Ints, Cargo, Floats]) -> Items:
    lane, cargo, net = given
    trips = np.flatnonzero(cargo.is_declared)
    main = lanes.line[lane[trips]]
    mixed = rng.random(len(trips)) < np.where(USD_PER_KG[main] > 1.2, 0.38, 0.06)
    mixed &= ~ALONE[main]
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
