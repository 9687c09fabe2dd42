"""Configuration of a synthetic world, and the posts of its network, their traffic and equipment.

Names, countries and pairs are public; volumes, equipment and delays are assumed, see
docs/synthetic.md. A trip from A to B leaves at A's post and enters at B's.

The same four numbers make the same bytes. Every part of the generator draws from its own stream,
named after it, so that a change in one part leaves the draws of the others alone.
"""

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import TYPE_CHECKING, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from engine.decision.inspection_minutes import PRIOR
from engine.domain.network import IdentifierField, country_time_zone
from engine.domain.records import VehicleClass
from engine.domain.time_units import DAY

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


Columns = TypeVar("Columns", bound="DataclassInstance")
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Config:
    """Size, seed and span of a world."""

    crossings: int
    seed: int
    end: int
    """UTC microseconds; nothing in the files is known at or after it."""
    days: int

    def __post_init__(self) -> None:
        if self.crossings < 1 or self.days < 1 or self.seed < 0:
            raise ValueError("crossings and days must be at least 1, the seed at least 0")

    def rng(self, part: str) -> np.random.Generator:
        """Return the random stream of one part of the generator."""
        name = zlib.crc32(part.encode())
        return np.random.default_rng([self.seed, self.crossings, self.days, name])

    @property
    def first_midnight(self) -> int:
        """UTC microseconds of the midnight at which day 0 begins."""
        return (self.end // DAY - self.days) * DAY

    def months(self) -> Ints:
        """Return the month (0 to 11) of each day of the span, shape (days + 1,)."""
        dates = np.datetime64(self.first_midnight // DAY, "D") + np.arange(self.days + 1)
        return dates.astype("datetime64[M]").astype(np.int64) % 12

    @property
    def years(self) -> float:
        """Length of the span, in years."""
        return self.days / 365.0


def join(parts: Sequence[Columns]) -> Columns:
    """Return one table of columns from several: the rows of all parts, in order."""
    names = [field.name for field in fields(parts[0])]
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return replace(parts[0], **joined)


def take(columns: Columns, rows: Ints) -> Columns:
    """Return some rows, shape (k,), of a table of columns, in the order given."""
    taken = {field.name: getattr(columns, field.name)[rows] for field in fields(columns)}
    return replace(columns, **taken)


def pick(weights: Floats, u: Floats) -> Ints:
    """Return indices drawn with the given weights, one for each uniform number: shape of ``u``."""
    total = np.cumsum(weights, dtype=np.float64)
    found = np.searchsorted(total / total[-1], u, side="right")
    return np.asarray(np.minimum(found, len(weights) - 1), dtype=np.int64)


def pick_within(weights: Floats, group_of: Ints, *, group: Ints, u: Floats) -> Ints:
    """Return options drawn within each one's group, shape of ``u``; ``group_of`` is sorted.

    Where a group has no option, the nearest option of another group is returned.
    """
    running = np.append(0.0, np.cumsum(weights, dtype=np.float64))
    first = np.searchsorted(group_of, group, side="left")
    last = np.searchsorted(group_of, group, side="right")
    goal = running[first] + u * (running[last] - running[first])
    found = np.searchsorted(running, goal, side="right") - 1
    found = np.clip(found, first, np.maximum(last - 1, first))
    return np.asarray(np.minimum(found, len(weights) - 1), dtype=np.int64)


_CODES = "UZ KZ KG TJ TM AF CN RU TR IR IN AE PK DE KR PL BY"
COUNTRIES = tuple(_CODES.split())
HUBS = {
    "UZ": (41.3, 69.2), "KZ": (43.2, 76.9), "KG": (42.9, 74.6), "TJ": (38.6, 68.8),
    "TM": (38.0, 58.4), "AF": (34.5, 69.2), "CN": (43.8, 87.6), "RU": (55.8, 37.6),
    "TR": (39.9, 32.9), "IR": (35.7, 51.4), "IN": (28.6, 77.2), "AE": (25.2, 55.3),
    "PK": (33.7, 73.1), "DE": (52.5, 13.4), "KR": (37.6, 127.0), "PL": (52.2, 21.0),
    "BY": (53.9, 27.6),
}  # fmt: skip
"""Where the roads of each country meet, degrees north and east."""
ROADS = (
    "UZ-KZ UZ-KG UZ-TJ UZ-TM UZ-AF KZ-RU KZ-KG KZ-CN KG-CN KG-TJ TJ-AF TM-IR TM-AF AF-PK AF-IR "
    "IR-TR IR-PK IR-AE IR-IN PK-IN RU-BY BY-PL PL-DE TR-DE CN-KR RU-CN"
)
"""Countries with a road, or a ferry for lorries, between them."""
DETOUR = 1.15
"""How much longer than the shortest a route may be."""
CLASSES: tuple[VehicleClass, ...] = ("car", "van", "bus", "truck", "rail_wagon")
CAR, VAN, BUS, TRUCK, WAGON = range(5)
GOODS_CLASSES = (VAN, TRUCK, WAGON)


@dataclass(frozen=True, slots=True)
class SyntheticPost:
    """One post: where it is and what it has."""

    code: str
    name: str
    country: str
    has_scanner: bool
    has_scale: bool
    script: str
    """How its plate reader writes: compact, spaced, dashed, lower or cyrillic."""

    @property
    def timezone(self) -> str:
        """The zone of its clocks, which decide what night is: that of the country's capital."""
        return country_time_zone(self.country)


@dataclass(frozen=True, slots=True)
class PostPair:
    """Two posts that face each other (``b`` is -1 where the other side is not in the network)."""

    a: int
    b: int
    volume: float
    transit_hours: float
    mirror_absent: float
    """Share of trips whose exit record never reaches this network."""
    threat: tuple[float, float]
    """Relative pull on smugglers from a to b and from b to a."""
    loaded: tuple[float, float]
    """Share of trucks that are loaded, a to b and b to a."""
    is_rail: bool = False


POSTS = (
    SyntheticPost("UZ-OYB", "Oybek", "UZ", True, True, "compact"),
    SyntheticPost("TJ-FOT", "Fotehobod", "TJ", False, True, "cyrillic"),
    SyntheticPost("UZ-SAR", "Sariosiyo", "UZ", False, True, "spaced"),
    SyntheticPost("TJ-DUS", "Dusti", "TJ", False, False, "spaced"),
    SyntheticPost("UZ-AYR", "Ayritom", "UZ", True, True, "compact"),
    SyntheticPost("AF-HAI", "Hairatan", "AF", False, False, "dashed"),
    SyntheticPost("UZ-DUS", "Dustlik", "UZ", True, True, "spaced"),
    SyntheticPost("KG-DOS", "Dostuk", "KG", False, True, "cyrillic"),
    SyntheticPost("UZ-KUD", "Kudukli (rail)", "UZ", True, True, "compact"),
    SyntheticPost("TJ-PAK", "Pakhtaobod (rail)", "TJ", False, False, "compact"),
    SyntheticPost("UZ-ALA", "Alat", "UZ", True, True, "dashed"),
    SyntheticPost("TM-FAR", "Farap", "TM", False, False, "spaced"),
    SyntheticPost("UZ-YAL", "Yallama", "UZ", True, True, "compact"),
    SyntheticPost("KZ-KON", "B. Konysbaev", "KZ", True, True, "compact"),
    SyntheticPost("KZ-KOR", "Kordai", "KZ", True, True, "compact"),
    SyntheticPost("KG-AKZ", "Ak-Zhol", "KG", False, True, "lower"),
    SyntheticPost("KZ-SYP", "Sypatai Batyr", "KZ", False, False, "spaced"),
    SyntheticPost("KG-CHA", "Chaldybar", "KG", False, False, "cyrillic"),
    SyntheticPost("TJ-NPJ", "Nizhniy Panj", "TJ", True, True, "spaced"),
    SyntheticPost("AF-SHB", "Sherkhan Bandar", "AF", False, False, "dashed"),
    SyntheticPost("KG-KAI", "Kaindy (rail)", "KG", False, True, "compact"),
)

PLACES = {
    "UZ-OYB": (40.5, 69.1), "TJ-FOT": (40.4, 69.1), "UZ-SAR": (38.5, 67.9), "TJ-DUS": (38.5, 68.1),
    "UZ-AYR": (37.3, 67.4), "AF-HAI": (37.2, 67.4), "UZ-DUS": (40.6, 72.7), "KG-DOS": (40.5, 72.7),
    "UZ-KUD": (38.3, 67.9), "TJ-PAK": (38.4, 68.1), "UZ-ALA": (39.4, 63.7), "TM-FAR": (39.2, 63.6),
    "UZ-YAL": (41.0, 68.7), "KZ-KON": (41.1, 68.7), "KZ-KOR": (43.0, 74.7), "KG-AKZ": (42.9, 74.7),
    "KZ-SYP": (42.9, 73.4), "KG-CHA": (42.8, 73.4), "TJ-NPJ": (37.2, 68.6), "AF-SHB": (37.1, 68.6),
    "KG-KAI": (42.8, 73.7),
}  # fmt: skip
"""Roughly where each post lies, degrees north and east."""

PAIRS = (
    PostPair(0, 1, 0.155, 2.6, 0.24, (0.25, 1.0), (0.85, 0.50)),
    PostPair(2, 3, 0.070, 2.4, 0.33, (0.20, 0.9), (0.80, 0.45)),
    PostPair(4, 5, 0.045, 5.5, 0.40, (0.15, 1.3), (0.95, 0.30)),
    PostPair(6, 7, 0.160, 2.0, 0.26, (0.45, 0.5), (0.70, 0.65)),
    PostPair(8, 9, 0.022, 9.0, 0.21, (0.05, 0.4), (0.90, 0.40), is_rail=True),
    PostPair(10, 11, 0.065, 4.5, 0.36, (0.15, 0.6), (0.65, 0.80)),
    PostPair(12, 13, 0.205, 3.4, 0.20, (0.70, 0.2), (0.75, 0.70)),
    PostPair(14, 15, 0.170, 2.2, 0.22, (0.20, 0.6), (0.75, 0.60)),
    PostPair(16, 17, 0.060, 2.1, 0.34, (0.15, 0.5), (0.75, 0.60)),
    PostPair(18, 19, 0.033, 6.0, 0.39, (0.15, 1.5), (0.90, 0.35)),
    PostPair(20, -1, 0.015, 0.0, 1.00, (0.05, 0.2), (0.60, 0.90), is_rail=True),
)

ROAD_MIX = np.array([0.470, 0.075, 0.035, 0.420, 0.0])
"""Vehicle classes at a road post; with rail, trucks come to about 38 % of entries."""


def class_volumes() -> Floats:
    """Return the share of all trips by pair and class, shape (pairs, classes)."""
    rows = []
    for pair in PAIRS:
        mix = np.eye(5)[WAGON] if pair.is_rail else ROAD_MIX.copy()
        if pair.threat[1] > 1.2 or pair.transit_hours > 4:  # long, guarded roads: more trucks
            mix = mix * np.array([0.5, 0.9, 0.6, 1.6, 1.0])
        rows.append(pair.volume * mix / mix.sum())
    table = np.array(rows)
    return np.asarray(table / table.sum(), dtype=np.float64)


def post_country() -> Ints:
    """Return the country index of each post, shape (posts,)."""
    return np.array([COUNTRIES.index(post.country) for post in POSTS])


def leaving_and_entering(pair: Ints, direction: Ints) -> tuple[Ints, Ints]:
    """Return the posts a trip leaves and enters at, shape (n,); -1 outside the network."""
    a = np.array([p.a for p in PAIRS])[pair]
    b = np.array([p.b for p in PAIRS])[pair]
    return np.where(direction == 0, a, b), np.where(direction == 0, b, a)


def countries_of(pair: int, direction: int) -> tuple[int, int]:
    """Return country indices from and to; across an unlisted border (Kaindy) lies Kazakhstan."""
    where = post_country()
    here = int(where[PAIRS[pair].a])
    there = int(where[PAIRS[pair].b]) if PAIRS[pair].b >= 0 else COUNTRIES.index("KZ")
    return (here, there) if direction == 0 else (there, here)


def measure_km(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Return the kilometres between two places, degrees north and east."""
    (a, b), (c, d) = (map(math.radians, each) for each in (one, other))
    return 6371.0 * math.acos(
        min(1.0, math.sin(a) * math.sin(c) + math.cos(a) * math.cos(c) * math.cos(b - d))
    )


@cache
def find_routes() -> tuple[Floats, list[list[tuple[str, ...]]]]:
    """Return the shortest way between each two countries: its km, and the countries on it.

    The first has the shape (countries, countries); each way begins and ends with its ends.
    """
    n = len(COUNTRIES)
    km = np.full((n, n), np.inf)
    ways: list[list[tuple[str, ...]]] = [[() for _ in range(n)] for _ in range(n)]
    for at, name in enumerate(COUNTRIES):
        km[at, at], ways[at][at] = 0.0, (name,)
    for road in ROADS.split():
        one, other = road.split("-")
        for a, b in ((one, other), (other, one)):
            i, j = COUNTRIES.index(a), COUNTRIES.index(b)
            km[i, j], ways[i][j] = measure_km(HUBS[a], HUBS[b]), (a, b)
    for over in range(n):
        for i in range(n):
            for j in range(n):
                if km[i, over] + km[over, j] < km[i, j]:
                    km[i, j] = km[i, over] + km[over, j]
                    ways[i][j] = (*ways[i][over], *ways[over][j][1:])
    return km, ways


def is_on_the_way(start: Ints, here: Ints, there: Ints, end: Ints) -> NDArray[np.bool_]:
    """Tell whether the border from one country to the next lies on the way, shape (n,).

    All are indices of countries: where the way starts, the two at the border, where it ends.
    """
    km, _ = find_routes()
    across = km[start, here] + km[here, there] + km[there, end]
    return np.asarray(across <= DETOUR * km[start, end] + 1.0)


def name_route(start: int, here: int, there: int, end: int) -> str:
    """Return the countries on the way over a border, in order, separated as in files."""
    _, ways = find_routes()
    return ";".join(dict.fromkeys((*ways[start][here], *ways[there][end])))


def entry_shares() -> Floats:
    """Return the share of all entries by post and class, shape (posts, classes).

    Half of a pair's trips go each way. Where the other side is not in the network, only those that
    come in count.
    """
    found = np.zeros((len(POSTS), len(CLASSES)))
    for pair, volumes in zip(PAIRS, class_volumes(), strict=True):
        found[pair.a] += volumes
        if pair.b >= 0:
            found[pair.b] += volumes
    return np.asarray(found / found.sum(), dtype=np.float64)


SEARCHED: Mapping[str, float] = {"physical": 0.14, "documents": 0.22}
"""Shares of the entries for which posts are staffed by their traffic: searches of the vehicle, and
looks at papers or scans, which take a third of the minutes [assumed]."""
FEWEST_MINUTES = 60
"""Minutes of a shift that the quietest post has for each of the two."""


def staff_by_traffic(entries: float) -> list[dict[str, int]]:
    """Return the minutes of each post for a shift, in the order of ``POSTS``.

    ``entries`` is how many vehicles enter at all posts together in a shift. A post has the minutes
    that the shares of ``SEARCHED`` are expected to take of its own vehicles.
    """
    by_class = np.array([PRIOR[name] for name in CLASSES])
    of_a_pass = entries * entry_shares() @ by_class
    return [
        {
            method: max(FEWEST_MINUTES, 10 * round(share * part * minutes / 10))
            for (method, share), part in zip(SEARCHED.items(), (1.0, 1.0 / 3.0), strict=True)
        }
        for minutes in of_a_pass.tolist()
    ]


def network_toml(*, entries: float | None = None) -> str:
    """Return the network file; its first line says that nothing in it is real.

    With ``entries``, the vehicles that enter in a shift, each post is staffed by its traffic
    (``staff_by_traffic``); where it has a scanner, that takes half of the looks. Without it posts
    are staffed alike.
    """
    lines = ["synthetic = true", "", "[identifiers]"]
    lines += [f'{field} = "synthetic"' for field in get_args(IdentifierField)]
    other = {p.a: p.b for p in PAIRS} | {p.b: p.a for p in PAIRS}
    staffed = None if entries is None else staff_by_traffic(entries)
    for index, post in enumerate(POSTS):
        pair = other.get(index, -1)
        lines += ["", "[[posts]]", f'code = "{post.code}"', f'name = "{post.name}"']
        lines += [f'country = "{post.country}"', f'timezone = "{post.timezone}"']
        lat, lon = PLACES[post.code]
        lines += [f"lat = {lat}", f"lon = {lon}"]
        if pair >= 0:
            lines.append(f'pair = "{POSTS[pair].code}"')
        lines.append("[posts.roster]")
        lines += _roster(post, None if staffed is None else staffed[index], is_paired=pair >= 0)
        lines += ["[posts.equipment]", f"xray = {int(post.has_scanner)}", "canine = 1"]
        lines.append(f"weighbridge = {int(post.has_scale)}")
    return "\n".join(lines) + "\n"


def _roster(
    post: SyntheticPost, staffed: Mapping[str, int] | None, *, is_paired: bool
) -> list[str]:
    """Return the lines of a post's roster."""
    minutes = {"documents": 480, "physical": 480 if is_paired else 240, "xray": 360}
    if staffed is not None:
        looks = staffed["documents"]
        scans = looks // 2 if post.has_scanner else 0
        minutes = {"documents": looks - scans, "physical": staffed["physical"], "xray": scans}
    lines = [f"documents = {minutes['documents']}", f"physical = {minutes['physical']}"]
    lines += ["canine = 240"]
    lines += [f"xray = {minutes['xray']}"] if post.has_scanner else []
    return lines + (["weighing = 240"] if post.has_scale else [])
