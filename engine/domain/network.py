"""Border posts of a deployment: opposite posts, time zones, changes of shift, weights of finds.

The network file is TOML: ``[[posts]]`` with code, name and country, and optionally the keys of
:class:`BorderPost` and :class:`Network`; ``synthetic = true`` at its top marks synthetic data.
Pairs must agree: if A names B, B names A or no post. B may be missing from the file: it is then a
post across the border that does not report here, so no record of it is expected.

Time zones are those of the tz database that the ``tzdata`` package carries. The database of the
machine is not read: two machines of one deployment would otherwise disagree on the hour of an
arrival, and features must be equal on all of them.

A find is what one inspected crossing carried, weighed in discrepancies by the weights of the file.
Its quantity of a class is the sum over its seizures, and the class that weighs most stands for the
find: one consignment filed as several seizures is no graver than the same filed as one.
"""

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from engine.domain.field_types import Code, Country, Identifier, PostCode
from engine.domain.goods import DEFAULT_GRAVITY, GoodsClasses, shipped_goods_classes
from engine.domain.records import SUBSTANCES, Outcome, Record, SubstanceClass
from engine.domain.time_units import DAY, HOUR, micros, moment, rfc3339
from engine.domain.validation import read_document
from engine.errors import HomeError, InputError, UnknownPostError

Instants = NDArray[np.int64]

DEFAULT_TIME_ZONE = "Asia/Tashkent"
"""Zone of a post whose country the database does not name, and of posts in no network file."""

_CAPITALS: Mapping[str, str] = MappingProxyType(
    {
        "AU": "Australia/Sydney",
        "BR": "America/Sao_Paulo",
        "CA": "America/Toronto",
        "FM": "Pacific/Pohnpei",
        "PS": "Asia/Hebron",
        "RU": "Europe/Moscow",
        "UA": "Europe/Kyiv",
        "UZ": "Asia/Tashkent",
    }
)
"""Zones of capitals that are not the first row of their country in ``zone.tab``."""


def country_time_zone(country: str) -> str:
    """Return the zone of a country's capital, by its ISO 3166-1 alpha-2 code."""
    return _country_zones().get(country, DEFAULT_TIME_ZONE)


def check_time_zone(name: str) -> str:
    """Return the name of a zone of the database; raises a ``PydanticCustomError`` for others."""
    if name not in _zone_names():
        raise PydanticCustomError("unknown_time_zone", "no zone of the tz database")
    return name


@cache
def open_time_zone(name: str) -> ZoneInfo:
    """Return a zone with its transitions, past and future."""
    with (resources.files("tzdata") / "zoneinfo").joinpath(*name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def local_time(instant: datetime, zone: str) -> datetime:
    """Return what the clocks of a zone show at an instant.

    >>> local_time(datetime.fromisoformat("2026-03-01T16:30Z"), "Asia/Bishkek").hour
    22
    """
    return instant.astimezone(open_time_zone(zone))


def wall_time(instant: int, zone: str) -> int:
    """Return what the clocks of a zone show at an instant, as microseconds since 1970 there."""
    return micros(local_time(moment(instant), zone).replace(tzinfo=UTC))


def instant_of(wall: int, zone: str) -> int:
    """Return when the clocks of a zone show a time; both in microseconds.

    The earlier instant where they show it twice; where they leave it out, the clock is read as if
    it had not been moved yet.
    """
    return micros(moment(wall).replace(tzinfo=open_time_zone(zone)).astimezone(UTC))


def utc_offsets(instants: Instants, zone: str) -> Instants:
    """Return local time less UTC at many instants.

    Instants and offsets are int64 arrays of shape (n,), in microseconds. A zone changes its offset
    at most once within a day.
    """
    if not len(instants):
        return np.zeros(0, np.int64)
    first, last = int(instants.min()), int(instants.max())
    changes, offsets = [], [_offset(first, zone)]
    for day in range(first, last + DAY, DAY):
        if _offset(min(day + DAY, last), zone) != offsets[-1]:
            changes.append(_find_change(day, min(day + DAY, last), zone))
            offsets.append(_offset(changes[-1], zone))
    place = np.searchsorted(np.array(changes, np.int64), instants, side="right")
    return np.array(offsets, np.int64)[place]


def _offset(instant: int, zone: str) -> int:
    return wall_time(instant, zone) - instant


def _find_change(before: int, after: int, zone: str) -> int:
    """Return the first instant after ``before`` with the offset of ``after``, by bisection."""
    wanted = _offset(after, zone)
    while after - before > 1:
        middle = (before + after) // 2
        before, after = (before, middle) if _offset(middle, zone) == wanted else (middle, after)
    return after


@cache
def _zone_names() -> frozenset[str]:
    return frozenset((resources.files("tzdata") / "zones").read_text("utf-8").split())


@cache
def _country_zones() -> Mapping[str, str]:
    table = (resources.files("tzdata") / "zoneinfo" / "zone.tab").read_text("utf-8")
    rows = [line.split("\t") for line in table.splitlines() if not line.startswith("#")]
    # The first row of a country is that of its most populous zone, in most cases the capital's.
    first = {row[0]: row[2] for row in reversed(rows)}
    return MappingProxyType({**first, **_CAPITALS})


DEFAULT_SEVERITY = DEFAULT_GRAVITY
"""Weight of a seizure against a discrepancy, for a substance class without a weight of its own."""

IdentifierField = Literal[
    "driver_ref", "carrier_id", "consignee_id", "consignor_id", "declarant_id"
]
"""Fields whose values can be compared only within their domain."""

Count = Annotated[int, Field(ge=0, le=10_000)]
Minutes = Annotated[float, Field(ge=0)]
Weight = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]


def _check_agencies(codes: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(codes)) != len(codes):
        raise PydanticCustomError("duplicate_id", "the same agency is named twice")
    if "none" in codes:
        raise PydanticCustomError("malformed_code", "none is no agency's code")
    return codes


def _check_degrees(limit: int) -> AfterValidator:
    def check(value: float) -> float:
        if not -limit <= value <= limit:
            rule = "degrees from -{limit} to {limit}"
            raise PydanticCustomError("coordinate_outside", rule, {"limit": limit})
        return value

    return AfterValidator(check)


class BorderPost(Record):
    """One border post. What its file leaves open is filled in by the defaults named here."""

    code: PostCode
    name: Annotated[str, Field(min_length=1, max_length=100)]
    country: Country
    pair: PostCode | None = None
    timezone: Annotated[str, AfterValidator(check_time_zone)] = ""
    """Zone of the tz database; by default that of the country's capital."""
    administration: Annotated[Identifier, Field(max_length=32)] = ""
    """Administration that runs the post; by default the country's code."""
    agencies: Annotated[
        tuple[Code, ...], Field(max_length=16), AfterValidator(_check_agencies)
    ] = ()
    """Agencies that share the post, such as customs; empty where one agency is there alone."""
    kind: Literal["road", "rail"] = "road"
    lat: Annotated[float, _check_degrees(90)] | None = None
    """Degrees north, WGS 84."""
    lon: Annotated[float, _check_degrees(180)] | None = None
    """Degrees east, WGS 84."""
    roster: dict[str, Minutes] = Field(default_factory=dict)
    """Inspection minutes of a shift, by method."""
    equipment: dict[Code, Count] = Field(default_factory=dict)
    """How many of each the post has, such as xray, canine or weighbridge; empty is not known."""

    @model_validator(mode="before")
    @classmethod
    def _fill_defaults(cls, raw: Any) -> Any:
        country = raw.get("country") if isinstance(raw, dict) else None
        if not isinstance(country, str):
            return raw
        return {"timezone": country_time_zone(country), "administration": country, **raw}

    @model_validator(mode="after")
    def _check_position(self) -> "BorderPost":
        if (self.lat is None) != (self.lon is None):
            missing = "lat" if self.lat is None else "lon"
            raise PydanticCustomError("missing_key", "lat and lon go together", {"field": missing})
        return self


class SeverityBand(Record):
    """Weight of a seizure of one substance class from a quantity on."""

    substance_class: SubstanceClass
    from_g: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """Grams of the class in one find, the bound included."""
    weight: Weight


def _check_bands(bands: tuple[SeverityBand, ...]) -> tuple[SeverityBand, ...]:
    if len({(band.substance_class, band.from_g) for band in bands}) != len(bands):
        raise PydanticCustomError("duplicate_id", "two bands of a class begin at one quantity")
    return bands


class _NetworkFile(Record):
    synthetic: bool = False
    severity: dict[SubstanceClass, Weight] = Field(default_factory=dict)
    severity_bands: Annotated[
        tuple[SeverityBand, ...], Field(max_length=64), AfterValidator(_check_bands)
    ] = ()
    identifiers: dict[IdentifierField, Identifier] = Field(default_factory=dict)
    posts: Annotated[tuple[BorderPost, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Network:
    """The posts of one deployment, by code. An empty network has no post and no pair."""

    posts: Mapping[str, BorderPost] = field(default_factory=lambda: MappingProxyType({}))
    synthetic: bool = False
    """True for a synthetic network: every display of its figures must say so."""
    severity: Mapping[SubstanceClass, float] = field(default_factory=lambda: MappingProxyType({}))
    """Weights by substance class, as far as the file states them; see ``severity_of``."""
    identifiers: Mapping[IdentifierField, str] = field(default_factory=lambda: MappingProxyType({}))
    """Shared domains of identifiers by field, as far as the file states them; see ``domain_of``."""

    severity_bands: tuple[SeverityBand, ...] = ()
    """Weights by substance class and quantity, as far as the file states them."""

    def post(self, code: str) -> BorderPost:
        """Return one post; raises ``UnknownPostError``."""
        try:
            return self.posts[code]
        except KeyError:
            raise UnknownPostError(code) from None

    def pair(self, code: str) -> str | None:
        """Return the code of the opposite post, None where no opposite post reports here."""
        post = self.posts.get(code)
        return None if post is None or post.pair not in self.posts else post.pair

    def name_opposite(self, code: str) -> str:
        """Return the name of the opposite post, empty where no opposite post reports here."""
        opposite = self.pair(code)
        return "" if opposite is None else self.posts[opposite].name

    def position_of(self, code: str) -> tuple[float, float, float]:
        """Return where a post lies, in km from the centre of the earth; NaN where not known."""
        post = self.posts.get(code)
        if post is None or post.lat is None or post.lon is None:
            return math.nan, math.nan, math.nan
        return _locate(post.lat, post.lon)

    def timezone(self, code: str) -> str:
        """Return the zone of a post's clocks; a post that no network names has the default."""
        post = self.posts.get(code)
        return DEFAULT_TIME_ZONE if post is None else post.timezone

    def severity_of(self, substance_class: SubstanceClass, grams: float | None = None) -> float:
        """Return how many discrepancies a seizure of a substance class weighs.

        That of the highest band that the quantity reaches, else that of the class; an unknown
        quantity reaches none.
        """
        band = self.band_of(substance_class, grams)
        return self.severity.get(substance_class, DEFAULT_SEVERITY) if band is None else band.weight

    def band_of(self, substance_class: SubstanceClass, grams: float | None) -> SeverityBand | None:
        """Return the highest band of a class that a quantity reaches, None where there is none."""
        reached = (
            band
            for band in self.severity_bands
            if band.substance_class == substance_class
            and grams is not None
            and grams >= band.from_g
        )
        return max(reached, key=lambda band: band.from_g, default=None)

    @property
    def states_severity(self) -> bool:
        """Tell whether the file weighs seizures at all: else all of them weigh alike."""
        return bool(self.severity or self.severity_bands)

    def domain_of(self, name: IdentifierField, code: str) -> str:
        """Return the domain within which a field's values at a post can be compared.

        A domain that the file names is shared by all administrations; else it is the post's
        administration. Posts that no network names are of one administration, without a name.
        """
        post = self.posts.get(code)
        return self.identifiers.get(name, "" if post is None else post.administration)

    def are_comparable(self, name: IdentifierField, one: str, other: str | None) -> bool:
        """Tell whether a field's values at two posts can be compared."""
        return other is not None and self.domain_of(name, one) == self.domain_of(name, other)

    def covers(self, name: IdentifierField, other: IdentifierField) -> bool:
        """Tell whether a field is comparable at all posts at which the other one is."""
        return name in self.identifiers or other not in self.identifiers

    def with_additions(self, other: "Network", *, since: "Network") -> "Network":
        """Return this network with what another one has in addition to an earlier one."""

        def join(name: str) -> Any:
            own, new, old = (getattr(one, name) for one in (self, other, since))
            added = {key: value for key, value in new.items() if key not in old}
            return MappingProxyType({**added, **own})

        tables = {name: join(name) for name in ("posts", "severity", "identifiers")}
        classes = {one.substance_class for one in (*self.severity_bands, *since.severity_bands)}
        bands = [one for one in other.severity_bands if one.substance_class not in classes]
        return replace(self, **tables, severity_bands=(*self.severity_bands, *bands))


EARTH_KM = 6371.0


@cache
def _locate(lat: float, lon: float) -> tuple[float, float, float]:
    north, east = math.radians(lat), math.radians(lon)
    across = EARTH_KM * math.cos(north)
    return across * math.cos(east), across * math.sin(east), EARTH_KM * math.sin(north)


def read_network(path: Path, *, text: str | None = None) -> Network:
    """Read a network file; raises ``InputError`` naming the field and the rule.

    ``text`` is its content where a record holds it.
    """
    found = read_document(path, _NetworkFile, text=text)
    return Network(
        MappingProxyType(_pair_posts(path, found.posts)),
        found.synthetic,
        MappingProxyType(found.severity),
        MappingProxyType(found.identifiers),
        found.severity_bands,
    )


def write_network(network: Network) -> str:
    """Return a network as :func:`read_network` reads it."""
    head = "synthetic = true\n" if network.synthetic else ""
    head += _table("severity", network.severity) + _table("identifiers", network.identifiers)
    head += "".join(map(_band, network.severity_bands))
    return head + "".join(_post(post) for post in network.posts.values())


def _band(band: SeverityBand) -> str:
    return "".join(
        ["[[severity_bands]]\n"]
        + [f"{key} = {_literal(value)}\n" for key, value in band.model_dump().items()]
    )


def _post(post: BorderPost) -> str:
    values = post.model_dump(exclude={"roster", "equipment"}, exclude_none=True)
    lines = ["", "[[posts]]", *(f"{key} = {_literal(value)}" for key, value in values.items())]
    tables = _table("posts.roster", post.roster) + _table("posts.equipment", post.equipment)
    return "\n".join(lines) + "\n" + tables


def _table(name: str, values: Mapping[Any, Any]) -> str:
    lines = [f"{_literal(key)} = {_literal(value)}\n" for key, value in values.items()]
    return "".join([f"[{name}]\n", *lines]) if lines else ""


def _literal(value: Any) -> str:
    # JSON's escapes are TOML's, except for DEL, which TOML wants escaped too; a list is the same.
    if isinstance(value, str | tuple):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)


def read_home_network(path: Path) -> Network:
    """Return a home's network; without a file it is empty, and any post may report.

    Raises ``HomeError`` where the file is not usable.
    """
    try:
        return read_network(path) if path.exists() else Network()
    except InputError as error:
        raise HomeError(error.path, error.why) from None


def _pair_posts(path: Path, posts: tuple[BorderPost, ...]) -> dict[str, BorderPost]:
    known = {post.code: post for post in posts}
    if len(known) != len(posts):
        raise InputError(path.name, "posts: two posts have the same code (duplicate_id)")
    for post in posts:
        other = known.get(post.pair or "")
        if other is not None and other.pair not in (None, post.code):
            raise InputError(path.name, f"posts.pair: {post.code} and {other.code} disagree (pair)")
    return known


TakenAmount = tuple[SubstanceClass, float | None, str | None]
"""Substance class, grams and class of goods of one seizure; None where it is not known."""


def weigh_find(
    network: Network,
    outcome: Outcome,
    seizures: Iterable[TakenAmount],
    classes: GoodsClasses | None = None,
) -> float:
    """Return what an inspected crossing weighs: 0 where nothing was found, 1 for a discrepancy.

    Goods of a class that is no substance weigh what ``classes`` says, by default the shipped table.
    A seizure whose record has not come yet weighs what one weighs by default.
    """
    total, table = sum_amounts(seizures), classes or shipped_goods_classes()
    if total:
        return max(
            network.severity_of(of, grams)
            if code is None or code in SUBSTANCES
            else table.gravity(code)
            for of, grams, code in total
        )
    return {"clear": 0.0, "discrepancy": 1.0, "seizure": DEFAULT_SEVERITY}[outcome]


def sum_amounts(seizures: Iterable[TakenAmount]) -> list[TakenAmount]:
    """Return the quantity of each class in one find, of those seizures that state one."""
    of: dict[tuple[SubstanceClass, str | None], list[float]] = defaultdict(list)
    for substance_class, grams, code in seizures:
        named = None if code in SUBSTANCES else code
        of[substance_class, named] += [] if grams is None else [grams]
    by_name = sorted(of.items(), key=lambda one: (one[0][0], one[0][1] or ""))
    return [(name, sum(grams) if grams else None, code) for (name, code), grams in by_name]


@dataclass(frozen=True, slots=True)
class ShiftPeriod:
    """One shift of one post, half open: ``opens_at <= t < closes_at``, UTC microseconds."""

    post: str
    opens_at: int
    closes_at: int

    @property
    def shift_id(self) -> str:
        """The shift's name in the journal."""
        return f"{self.post}@{rfc3339(self.opens_at)}"


def read_opening(shift_id: str) -> int:
    """Return when a shift opened, by its name in the journal: UTC microseconds."""
    return micros(datetime.fromisoformat(shift_id.rpartition("@")[2]))


@dataclass(frozen=True, slots=True)
class ShiftHours:
    """When shifts change at a post: all in microseconds."""

    utc_offset: int = 5 * HOUR
    """Local time minus UTC, of posts that the network does not name."""
    starts: int = 8 * HOUR
    """Local time of day at which a shift begins."""
    length: int = 12 * HOUR
    """Length of a shift; divides a day."""


@dataclass(frozen=True, slots=True)
class ShiftPlan:
    """When shifts change: one begins at ``starts``, local time, then every ``length``.

    Where a post's clocks are moved, the shift meanwhile is so much longer or shorter. Other hours
    take effect when the shift ends in which they were decided; the first shift after that lasts
    until the next change by the new hours.
    """

    hours: Callable[[str], Sequence[tuple[int, ShiftHours]]] = lambda _post: ()
    """Returns the hours of a post, each with the instant at which they were decided, the oldest
    first; those of the first entry hold before it too."""
    network: Network = field(default_factory=Network)
    """Names the time zone of each post."""

    def shift(self, post: str, instant: int) -> ShiftPeriod:
        """Return the shift of a post that an instant falls into."""
        return self._find(post, instant)[0]

    def local_start(self, post: str, instant: int) -> int:
        """Return the local time of day at which the shift of an instant began, microseconds."""
        found, hours = self._find(post, instant)
        zone = self._zone(post)
        at = found.opens_at
        return (at + hours.utc_offset if zone is None else wall_time(at, zone)) % DAY

    def _find(self, post: str, instant: int) -> tuple[ShiftPeriod, ShiftHours]:
        """Return the shift of an instant, and the hours by which it is one."""
        known = self.hours(post) or ((0, ShiftHours()),)
        hours, since = known[0][1], None
        for decided_at, others in known[1:]:
            if since is None or decided_at >= since:  # else both hold from the same end on
                since_then = self._shift(post, decided_at, hours, since=since).closes_at
                if instant < since_then:
                    break
                since = since_then
            hours = others
        return self._shift(post, instant, hours, since=since), hours

    def _shift(
        self, post: str, instant: int, hours: ShiftHours, *, since: int | None
    ) -> ShiftPeriod:
        """Return the shift of an instant by some hours, which hold since an instant."""
        zone = self._zone(post)
        local = instant + hours.utc_offset if zone is None else wall_time(instant, zone)
        begins = local - (local - hours.starts) % hours.length
        ends = begins + hours.length
        opens_at, closes_at = (self._instant(post, wall, hours) for wall in (begins, ends))
        if instant >= closes_at:  # the clocks show the change of shifts a second time
            opens_at, closes_at = closes_at, self._instant(post, ends + hours.length, hours)
        elif instant < opens_at:  # or leave it out
            opens_at, closes_at = self._instant(post, begins - hours.length, hours), opens_at
        return ShiftPeriod(post, opens_at if since is None else max(opens_at, since), closes_at)

    def _instant(self, post: str, wall: int, hours: ShiftHours) -> int:
        zone = self._zone(post)
        return wall - hours.utc_offset if zone is None else instant_of(wall, zone)

    def _zone(self, post: str) -> str | None:
        known = self.network.posts.get(post)
        return None if known is None else known.timezone
