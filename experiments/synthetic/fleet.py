"""Fleet: vehicles, their bodies, owners and drivers, and the identifiers that they carry.

Activity is heavy-tailed: a few vehicles commute, most are rarely seen. Carriers are born and
retire. The main driver, the relief driver and the trailer of a vehicle are numbered after the
vehicle, so that the pool of a carrier is the drivers of its vehicles: vehicles of one carrier stand
side by side.

Formats of Uzbek, Kazakh, Kyrgyz and Tajik plates are public; Turkmen, Afghan and trailer formats
are assumed. Numbers are synthetic. Most VINs and container numbers have a correct check digit.

The body follows from the goods, and is the same whenever a vehicle carries goods of the same lane;
an empty vehicle comes with the body of its last load. Shares are assumed, see docs/synthetic.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from engine.domain.records import PLACES, BodyType
from engine.search_orders.rates import LACKED_BY_BODY
from experiments.synthetic.posts import (
    BUS,
    CAR,
    CLASSES,
    COUNTRIES,
    PAIRS,
    VAN,
    Bools,
    Config,
    Floats,
    Ints,
    class_volumes,
    countries_of,
    join,
    pick,
    pick_within,
)
from experiments.synthetic.trade import LINES

TRIPS_A_YEAR = np.array([7.0, 11.0, 34.0, 11.0, 3.5])
"""Mean one-way trips a year by vehicle class [assumed]."""
FLEET_SIZE = np.array([1.0, 2.2, 3.0, 4.5, 40.0])
NEW_PLATES = 0.03
"""Share of lawful vehicles that get another plate within the span: sold or registered again."""
TARE_KG = np.array([1450.0, 2300.0, 13200.0, 15600.0, 23500.0])
TARE_SPREAD = np.array([0.12, 0.15, 0.08, 0.07, 0.04])


@dataclass(frozen=True, slots=True)
class Vehicles:
    """One entry a vehicle; vehicles of one carrier are neighbours."""

    carrier: Ints
    """-1 for private vehicles."""
    vehicle_class: Ints
    country: Ints
    pair: Ints
    yearly_trips: Floats
    born: Floats
    """Day from which it is seen; may lie before day 0."""
    retired: Floats
    new_driver_from: Floats
    """Day on which the relief driver becomes the main one."""
    new_plate_from: Floats
    """Day from which it runs under another plate; its VIN stays."""
    tare_kg: Floats
    is_company: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Carriers:
    """One entry a carrier."""

    country: Ints
    mess: Floats
    """How untidy it is, in [0, 1]: broken seals, borrowed trailers, odd hours; no crime."""
    second_pair: Ints


def draw_carriers(config: Config, sizes: Ints) -> tuple[Carriers, Ints, Floats, Floats]:
    """Return carriers, and vehicle class, first and last day of each, shape (n,)."""
    rng = config.rng("carriers")
    n = int(sizes.sum())
    vehicle_class = np.repeat(np.arange(len(CLASSES)), sizes)
    born = np.where(rng.random(n) < 0.78, -1.0, rng.random(n) * config.days)
    life = np.where(rng.random(n) < 0.80, np.inf, rng.exponential(0.6 * config.days, n) + 10)
    pair_volume = np.array([pair.volume for pair in PAIRS])
    carriers = Carriers(
        country=np.zeros(n, np.int64),
        mess=rng.beta(1.1, 5.5, n),
        second_pair=pick(pair_volume[:-1], rng.random(n)),
    )
    return carriers, vehicle_class, born, born + life


def draw_fleet(config: Config, trips: float) -> tuple[Vehicles, Carriers]:
    """Return a population that makes about ``trips`` trips within the span."""
    rng = config.rng("vehicles")
    volumes = class_volumes()
    per_class = volumes.sum(axis=0) * trips / (TRIPS_A_YEAR * config.years * 0.86)
    counts = np.maximum(1, np.round(per_class)).astype(np.int64)
    sizes = np.maximum(1, np.round(counts / FLEET_SIZE)).astype(np.int64)
    sizes[CAR] = 0
    carriers, carrier_class, first, last = draw_carriers(config, sizes)
    parts: list[Vehicles] = []
    countries = np.zeros(len(carrier_class), np.int64)
    for kind in range(len(CLASSES)):
        home = np.flatnonzero(carrier_class == kind)
        share = volumes[:, kind] / volumes[:, kind].sum()
        pair, owner = _owners(rng, share, int(counts[kind]), home)
        country = _countries(rng, pair)
        if kind != CAR:
            countries[owner] = country  # the last vehicle decides; then all follow
            country = np.where(rng.random(len(owner)) < 0.94, countries[owner], country)
        start = first[owner] if kind != CAR else np.full(len(owner), -1.0)
        end = last[owner] if kind != CAR else np.full(len(owner), np.inf)
        parts.append(_vehicles(config, rng, (kind, owner, country, pair, start, end)))
    carriers = Carriers(countries, carriers.mess, carriers.second_pair)
    return join(parts), carriers


def _owners(rng: np.random.Generator, share: Floats, count: int, home: Ints) -> tuple[Ints, Ints]:
    """Give each vehicle a pair and a carrier; big carriers get most (Pareto)."""
    pair = np.sort(pick(share, rng.random(count)))
    if len(home) == 0:
        return pair, np.full(count, -1, np.int64)
    at = np.sort(pick(share, rng.random(len(home))))
    size = rng.pareto(1.5, len(home)) + 0.4
    chosen = np.sort(pick_within(size, at, group=pair, u=rng.random(count)))
    return at[chosen], home[chosen]


def _countries(rng: np.random.Generator, pair: Ints) -> Ints:
    """Draw where each vehicle is registered: at either end of its road, or in transit."""
    ends = np.array([countries_of(index, 0) for index in range(len(PAIRS))])
    u = rng.random(len(pair))
    passing = pick(np.array([0.25, 0.35, 0.2, 0.1, 0.1]), rng.random(len(pair)))
    return np.where(u < 0.52, ends[pair, 0], np.where(u < 0.92, ends[pair, 1], passing))


def _vehicles(
    config: Config, rng: np.random.Generator, given: tuple[int, Ints, Ints, Ints, Floats, Floats]
) -> Vehicles:
    kind, owner, country, pair, start, end = given
    n = len(owner)
    spread = 1.25 if kind == CAR else 0.9
    own_start = np.where(rng.random(n) < 0.75, -1.0, rng.random(n) * config.days)
    own_end = np.where(rng.random(n) < 0.85, np.inf, rng.random(n) * 1.3 * config.days)
    switch, replated = (
        np.where(rng.random(n) < share, rng.random(n) * config.days, np.inf)
        for share in (0.25, NEW_PLATES)
    )
    return Vehicles(
        carrier=owner,
        vehicle_class=np.full(n, kind, np.int64),
        country=country,
        pair=pair,
        yearly_trips=TRIPS_A_YEAR[kind] * rng.lognormal(-0.5 * spread**2, spread, n).clip(0, 25),
        born=np.maximum(start, own_start),
        retired=np.minimum(end, own_end),
        new_driver_from=switch,
        new_plate_from=replated,
        tare_kg=TARE_KG[kind] * np.exp(rng.normal(0, TARE_SPREAD[kind], n)),
        is_company=np.full(n, kind != CAR) & (rng.random(n) < 0.9),
    )


@dataclass(frozen=True, slots=True)
class Pool:
    """For each vehicle, the stretch of vehicles of the same owner."""

    start: Ints
    count: Ints

    def member(self, vehicle: Ints, u: Floats) -> Ints:
        """Return a vehicle of the same owner for each, shape (n,), drawn by the uniform numbers."""
        return self.start[vehicle] + (u * self.count[vehicle]).astype(np.int64)


def find_pools(vehicles: Vehicles) -> Pool:
    """Find the neighbours of each vehicle; a private vehicle is alone."""
    carrier = vehicles.carrier
    n = len(carrier)
    fresh = np.ones(n, dtype=np.bool_)
    fresh[1:] = (carrier[1:] != carrier[:-1]) | (carrier[1:] < 0)
    starts = np.flatnonzero(fresh)
    which = np.cumsum(fresh) - 1
    counts = np.diff(np.append(starts, n))
    return Pool(starts[which], counts[which])


STYLES = ("compact", "spaced", "dashed", "lower", "cyrillic")
"""How a plate reader may write one plate."""

_REGIONS = {
    "UZ": ["01", "10", "20", "25", "30", "40", "50", "60", "70", "75", "80", "85", "90", "95"],
    "KZ": [f"{n:02d}" for n in range(1, 21)],
    "KG": [f"{n:02d}" for n in range(1, 10)],
    "TJ": [f"{n:02d}" for n in range(1, 9)],
    "TM": ["AG", "AH", "BN", "DZ", "LB", "MR"],
    "AF": ["KBL", "BLH", "KDZ", "HRT", "NGR"],
}
_LETTERS = "ABCDEFHKMNPRSTUXYZ"
_CYRILLIC = str.maketrans("ABEKMHOPCTYX", "АВЕКМНОРСТУХ")
_VIN_ALPHABET = np.frombuffer(b"0123456789ABCDEFGHJKLMNPRSTUVWXYZ", np.uint8)
_VIN_VALUE = np.array([*range(10), *map(int, "12345678123457923456789")])
_VIN_WEIGHT = np.array([8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2])
_MAKERS = (b"XTC", b"LZZ", b"WDB", b"YV2", b"XWB", b"VF6", b"LGA", b"KMF", b"JTE", b"X9F")
_CONTAINER_OWNERS = (b"MSCU", b"TGHU", b"CXDU", b"TCNU", b"RZDU", b"TKRU", b"SEGU", b"UZTU")


def _letters(number: int, count: int) -> str:
    text = ""
    for _ in range(count):
        number, digit = divmod(number, len(_LETTERS))
        text = _LETTERS[digit] + text
    return text


def _plate(country: str, number: int, is_company: bool) -> str:
    regions = _REGIONS[country]
    rest, region = number // len(regions), regions[number % len(regions)]
    if country == "AF":
        return f"{region} {rest % 100_000:05d}"
    if country in ("TJ", "TM"):
        rest, digits = divmod(rest, 10_000)
        letters = _letters(rest % 324, 2)
        order = (f"{digits:04d}", letters) if country == "TJ" else (letters, f"{digits:04d}")
        return f"{order[0]} {order[1]} {region}"
    rest, digits = divmod(rest, 1000)
    letters = _letters(rest % 5832, 3)
    if country == "UZ":
        tail = (
            f"{digits:03d} {letters}" if is_company else f"{letters[0]} {digits:03d} {letters[1:]}"
        )
        return f"{region} {tail}"
    return (
        f"{digits:03d} {letters} {region}"
        if country == "KZ"
        else f"{region} KG {digits:03d} {letters}"
    )


def make_plates(
    rng: np.random.Generator, country: Ints, is_company: NDArray[np.bool_]
) -> list[str]:
    """Return one plate a vehicle, shape (n,), unlike all others of its country and kind."""
    start = rng.integers(0, 10**6, len(COUNTRIES))
    taken = dict.fromkeys(range(len(COUNTRIES)), 0)
    found = []
    for where, company in zip(country.tolist(), is_company.tolist(), strict=True):
        name = COUNTRIES[where]
        space = 500_000 if name == "AF" else 5_000_000
        number = (int(start[where]) + taken[where] * 611_953) % space  # a step coprime to both
        taken[where] += 1
        found.append(_plate(name, number, company))
    return found


def make_trailer_plates(rng: np.random.Generator, count: int) -> list[str]:
    """Return trailer plates: four digits, two letters, a region."""
    numbers = (int(rng.integers(0, 10**6)) + np.arange(count) * 611_953) % 32_000_000
    return [
        f"{n % 10_000:04d} {_letters(n // 10_000, 2)} {n % 14 * 5 + 1:02d}"
        for n in numbers.tolist()
    ]


def style_plates(found: list[str]) -> list[str]:
    """Return every plate in each of the styles: all compact ones first, then all spaced, ..."""
    compact = [plate.replace(" ", "") for plate in found]
    return [
        *compact,
        *found,
        *(plate.replace(" ", "-") for plate in found),
        *(plate.lower() for plate in compact),
        *(plate.translate(_CYRILLIC) for plate in compact),
    ]


def make_vins(rng: np.random.Generator, count: int) -> NDArray[np.str_]:
    """Return VINs, shape (count,); one in five has a check digit that does not hold.

    Outside China it need not hold.
    """
    code = rng.integers(0, len(_VIN_VALUE), (count, 17))
    code[:, 11:] = rng.integers(0, 10, (count, 6))
    lookup = {char: i for i, char in enumerate(_VIN_ALPHABET.tobytes())}
    makers = np.array([[lookup[char] for char in maker] for maker in _MAKERS])
    code[:, :3] = makers[rng.integers(0, len(makers), count)]
    check = (_VIN_VALUE[code] * _VIN_WEIGHT).sum(axis=1) % 11
    text = _VIN_ALPHABET[code].copy()
    right = np.frombuffer(b"0123456789X", np.uint8)[check]
    text[:, 8] = np.where(rng.random(count) < 0.8, right, text[:, 8])
    return text.view("S17").ravel().astype(np.str_)


def make_container_numbers(rng: np.random.Generator, count: int) -> NDArray[np.str_]:
    """Return container numbers, shape (count,), by ISO 6346; 2 % of check digits are wrong."""
    owner = np.array([list(name) for name in _CONTAINER_OWNERS], np.uint8)[
        rng.integers(0, len(_CONTAINER_OWNERS), count)
    ]
    digits = rng.integers(0, 10, (count, 6))
    letter_value = np.array([n for n in range(10, 39) if n % 11])[owner - ord("A")]
    values = np.concatenate([letter_value, digits], axis=1)
    check = (values * 2 ** np.arange(10)).sum(axis=1) % 11 % 10
    check = np.where(rng.random(count) < 0.02, (check + 1 + rng.integers(0, 9, count)) % 10, check)
    text = np.concatenate([owner, digits + 48, check[:, None] + 48], axis=1).astype(np.uint8)
    return np.ascontiguousarray(text).view("S11").ravel().astype(np.str_)


BODIES: tuple[BodyType, ...] = get_args(BodyType)
TILT, CONTAINER = BODIES.index("tilt"), BODIES.index("container")
_USUAL: Mapping[BodyType, float] = {"tilt": 0.66, "box": 0.17, "container": 0.15, "reefer": 0.02}
_BY_GOODS: Mapping[str, Mapping[BodyType, float]] = {
    "0701": {"tilt": 0.7, "reefer": 0.3},
    "0703": {"tilt": 0.7, "reefer": 0.3},
    "0702": {"reefer": 0.8, "tilt": 0.2},
    "0706": {"reefer": 0.4, "tilt": 0.6},
    "080610": {"reefer": 0.9, "tilt": 0.1},
    "080910": {"reefer": 0.9, "tilt": 0.1},
    "0807": {"tilt": 0.8, "reefer": 0.2},
    "02": {"reefer": 1.0},
    "04": {"reefer": 1.0},
    "1512": {"tank": 1.0},
    "2710": {"tank": 1.0},
    "2711": {"tank": 1.0},
    "2915": {"tank": 0.4, "container": 0.3, "tilt": 0.3},
    "3004": {"box": 0.6, "reefer": 0.4},
    "44": {"timber": 0.8, "flat": 0.2},
    "6802": {"flat": 0.5, "tilt": 0.4, "container": 0.1},
    "72": {"flat": 0.6, "tilt": 0.4},
    "8703": {"car_carrier": 0.8, "container": 0.2},
}
"""By the beginning of the HS code, the longest that fits; other goods travel as usual."""


def _weights(hs6: str) -> Mapping[BodyType, float]:
    fitting = [beginning for beginning in _BY_GOODS if hs6.startswith(beginning)]
    return _BY_GOODS[max(fitting, key=len)] if fitting else _USUAL


_SHARE = np.array([[_weights(line.hs6).get(body, 0.0) for body in BODIES] for line in LINES])
_OF_CLASS = {CAR: BODIES.index("car"), VAN: BODIES.index("van"), BUS: BODIES.index("bus")}

BODY_HAS: Bools = np.array(
    [[not place.startswith(LACKED_BY_BODY[body]) for place in PLACES] for body in BODIES]
)
"""Which places each body has, shape (bodies, places)."""


def draw_bodies(
    config: Config, given: tuple[Ints, Ints, Ints], *, lane: Ints, line: Ints, at: Ints
) -> Ints:
    """Return the body of each trip, shape (n,), as its place in ``BODIES``.

    ``given`` are the vehicle of each trip, the class of each vehicle, and the goods of each lane;
    ``lane`` is -1 for an empty trip, ``at`` says when the trip is made.
    """
    vehicle, vehicle_class, goods_of_lane = given
    rng = config.rng("bodies")
    own: Floats = rng.random(len(vehicle_class))
    asked: Floats = rng.random(len(goods_of_lane))
    u = (own[vehicle] + asked[lane]) % 1.0
    share = np.cumsum(_SHARE, axis=1)[line]
    body = np.where(lane >= 0, (share / share[:, -1:] <= u[:, None]).sum(axis=1), -1)
    body = _keep_body(body, vehicle, at)
    kind = vehicle_class[vehicle]
    for of_class, always in _OF_CLASS.items():
        body[kind == of_class] = always
    return np.asarray(body, dtype=np.int64)


def _keep_body(body: Ints, vehicle: Ints, at: Ints) -> Ints:
    """Give empty trips (-1) the body of the vehicle's trip before, else a tilt."""
    order = np.lexsort((at, vehicle))
    known = np.where(body[order] >= 0, np.arange(len(order)), -1)
    last = np.maximum.accumulate(known)
    is_own = (last >= 0) & (vehicle[order[last]] == vehicle[order])
    kept = np.empty_like(body)
    kept[order] = np.where(is_own, body[order[last]], TILT)
    return kept
