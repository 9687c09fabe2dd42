"""Panels of a decision's page: the paired post's record, the usual, and the past.

A panel is data that the page's template draws as SVG; a table or a list next to it has the same
figures.

The comparison with the paired post and the strips for time and price stand on the decision's own
features, so they show what those features knew at that time; the paired post's figures are computed
back from the differences. Of seals, trailer, driver, consignee and goods the features know whether
they are the same, not what they were. Masses are compared with those of the vehicles of the class
that were decided at the post last before this one.

The timeline has a lane for each entity: bars are its crossings by week, to a scale of its own, and
above them are acts and finds in the week in which they became known. Its right edge is the
decision.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import isnan, log, nan
from statistics import quantiles
from typing import Any, Final, Literal

from sqlalchemy import Connection, select

from api.decisions.vehicle_history import PastOf, TiedEntity
from api.web.i18n import N_
from engine.criteria.profiles.readable_fields import DERIVED
from engine.domain.network import Network
from engine.domain.time_units import moment
from engine.explanation.reasons import Reason
from engine.journal.journal import JournalReader
from engine.queue.mirror_alerts import HEAVY
from engine.queue.queue import DECISIONS, QueuedDecision

State = Literal["same", "differs", "unknown", "plain", "apart"]
DEAR = 0.25
"""Values of both papers differ from here on: freight and insurance come on top of an export's."""
OLD_DAYS = 3.0
"""A record older than this is hardly the other half of the same movement."""


@dataclass(frozen=True, slots=True)
class ComparedField:
    """One thing that both posts may have recorded."""

    code: str
    state: State
    there: datetime | float | bool | str | None = None
    """None where it is not known, or known only to be the same or another."""
    here: datetime | float | bool | str | None = None


@dataclass(frozen=True, slots=True)
class MirrorComparison:
    """Both records; ``days`` is the age of the paired post's."""

    days: float
    transit: float | None
    """Minutes between them."""
    rows: tuple[ComparedField, ...]

    @property
    def is_old(self) -> bool:
        """Tell whether the paired post's record is likely of an earlier movement."""
        return self.days > OLD_DAYS


def compare_sides(
    crossing: Mapping[str, Any],
    features: Mapping[str, float],
    *,
    apart: Collection[str] = (),
) -> MirrorComparison | None:
    """Return both sides of a crossing, None where the paired post's record was not known.

    ``apart`` holds codes of rows whose identifiers are of different domains: not comparable.
    """
    days = features.get("mirror_days", nan)
    if isnan(days):
        return None
    transit = features.get("transit_us", nan)
    arrived = datetime.fromisoformat(crossing["arrived_at"])
    left = None if isnan(transit) else arrived - timedelta(microseconds=transit)
    seals = ", ".join(crossing.get("seal_numbers", ()))
    code = features["hs_number"]
    goods = None if isnan(code) else f"{code:06.0f}"
    rows = (
        ComparedField("time", "plain", left, arrived),
        _compare_mass(crossing, features),
        _compare_load(crossing, features),
        _compare_name("trailer", crossing.get("trailer_plate"), features["mirror_trailer_differs"]),
        _compare_name("seals", seals, features["mirror_seals_differ"]),
        _compare_name("driver", crossing.get("driver_ref"), features["mirror_driver_differs"]),
        _compare_name("consignee", None, features["mirror_consignee_differs"]),
        _compare_name("goods", goods, features["mirror_goods_differ"]),
        _compare_amount(
            "value", features["customs_value_usd"], features["mirror_value_ratio"], DEAR
        ),
        _compare_amount("net", features["net_mass_kg"], features["mirror_net_mass_ratio"], HEAVY),
    )
    shown = tuple(replace(row, state="apart") if row.code in apart else row for row in rows)
    return MirrorComparison(days, None if isnan(transit) else transit / 60e6, shown)


def fill_from_manifest(found: MirrorComparison, manifest: Mapping[str, Any]) -> MirrorComparison:
    """Return the comparison with what the partner's manifest names, where that was compared.

    The features know of seals, trailer and goods whether they are the same, not what they were.
    """
    named = {
        "trailer": manifest.get("trailer_plate"),
        "seals": ", ".join(manifest.get("seal_numbers", ())),
    }
    rows = tuple(
        replace(row, there=named.get(row.code) or row.there) if row.state == "differs" else row
        for row in found.rows
    )
    return replace(found, rows=rows)


def _compare_mass(crossing: Mapping[str, Any], features: Mapping[str, float]) -> ComparedField:
    here, gap = crossing.get("weighed_mass_kg"), features["mirror_mass_gap"]
    if here is None or isnan(gap):
        return ComparedField("mass", "unknown", None, here)
    ratio = features["mirror_mass_ratio"]
    is_like = isnan(ratio) or 1 - HEAVY <= ratio <= 1 + HEAVY
    return ComparedField("mass", "same" if is_like else "differs", here - gap, here)


def _compare_amount(code: str, here: float, ratio: float, tolerance: float) -> ComparedField:
    if isnan(ratio) or not ratio:
        return ComparedField(code, "unknown", None, None if isnan(here) else here)
    is_like = 1 - tolerance <= ratio <= 1 + tolerance
    return ComparedField(code, "same" if is_like else "differs", here / ratio, here)


def _compare_load(crossing: Mapping[str, Any], features: Mapping[str, float]) -> ComparedField:
    here, there = crossing.get("is_empty"), features["mirror_was_empty"]
    known = None if isnan(there) else there >= 0.5
    if here is None or known is None:
        return ComparedField("load", "unknown", known, here)
    return ComparedField("load", "same" if here == known else "differs", known, here)


def _compare_name(code: str, here: str | None, differs: float) -> ComparedField:
    if isnan(differs):
        return ComparedField(code, "unknown", None, here or None)
    return ComparedField(code, "differs" if differs >= 0.5 else "same", None, here or None)


@dataclass(frozen=True, slots=True)
class WeighedMass:
    """One mass of the vehicle on this passage: whose figure it is, and when it was weighed."""

    post: str
    name: str
    weighed_at: datetime
    kg: float | None
    """None where the post did not weigh it."""
    is_empty: bool | None
    known_at: datetime | None = None
    """When it became known, if that was after the first decision."""
    is_decided_on: bool = False
    """Whether this decision was made after that."""
    gained_kg: float | None = None
    """More, or less, than the mass before; None where either is not known."""
    width: float = 0.0
    """Of 100, the heaviest being all."""

    @property
    def is_far(self) -> bool:
        """Tell whether it differs from the mass before by more than fuel and a driver weigh."""
        return abs(self.gained_kg or 0.0) >= FAR_KG


FAR_KG = 1_500.0
SAME_TIME = timedelta(seconds=2)
"""Times of one record that features and the record itself state may lie so far apart."""


def list_masses(
    crossing: Mapping[str, Any],
    records: Sequence[Mapping[str, float]],
    *,
    network: Network,
    late: Sequence[tuple[int, Mapping[str, Any]]],
    told_at: int | None,
) -> list[WeighedMass]:
    """Return the masses of a passage in the order in which they were weighed.

    A record of an earlier passage of the vehicle is none of them. ``records`` are the features of
    the decision, and of the one before a late record. ``late`` are crossings that the opposite post
    told of after the first decision, each with when it became known; this decision was made on
    those up to ``told_at``.
    """
    found = [
        replace(_read_mass(one, network), known_at=moment(at), is_decided_on=at <= (told_at or 0))
        for at, one in late
    ]
    for features in records:
        there = _infer_mass(crossing, features, network)
        known = [one.weighed_at for one in found]
        if there is not None and not any(abs(at - there.weighed_at) < SAME_TIME for at in known):
            found.append(there)
    found.append(_read_mass(crossing, network))
    return _compare_masses(sorted(found, key=lambda one: one.weighed_at))


def _read_mass(crossing: Mapping[str, Any], network: Network) -> WeighedMass:
    post = network.posts.get(crossing["post"])
    return WeighedMass(
        crossing["post"],
        crossing["post"] if post is None else post.name,
        datetime.fromisoformat(crossing["arrived_at"]),
        crossing.get("weighed_mass_kg"),
        crossing.get("is_empty"),
    )


def _infer_mass(
    crossing: Mapping[str, Any], features: Mapping[str, float], network: Network
) -> WeighedMass | None:
    """Return what the opposite post weighed, by the features; None without a record of it."""
    pair, here = network.pair(crossing["post"]), crossing.get("weighed_mass_kg")
    gained, empty, minutes = (
        DERIVED[name].value(*(features[each] for each in DERIVED[name].inputs))
        for name in ("mass_gained_kg", "left_empty", "minutes_across")
    )
    if pair is None or isnan(minutes):
        return None
    return WeighedMass(
        pair,
        network.name_opposite(crossing["post"]),
        datetime.fromisoformat(crossing["arrived_at"]) - timedelta(minutes=minutes),
        None if here is None or isnan(gained) else here - gained,
        None if isnan(empty) else empty >= 0.5,
    )


def _compare_masses(known: Sequence[WeighedMass]) -> list[WeighedMass]:
    most = max((one.kg or 0.0 for one in known), default=0.0) or 1.0
    found: list[WeighedMass] = []
    before: float | None = None
    for one in known:
        gained = None if one.kg is None or before is None else one.kg - before
        found.append(replace(one, gained_kg=gained, width=100.0 * (one.kg or 0.0) / most))
        before = before if one.kg is None else one.kg
    return found


STRIP_WIDTH = 240.0
"""Of a strip."""
MOST, FEWEST = 40, 8
"""Vehicles that a mass is compared with: those decided last, and below this many none."""
FARTHEST = 8.0
"""Times the usual price, and its inverse: the ends of the strip."""
PRICES = ("value_over_usual_of_hs6_origin", "value_over_usual_of_origin", "value_over_usual")
"""Prices against the usual, from the most alike goods on."""


@dataclass(frozen=True, slots=True)
class UsualStrip:
    """One figure of the vehicle on a line, with what is usual."""

    code: str
    value: float
    """Minutes, USD for each kilogram, or kilograms."""
    x: float
    """Where the vehicle stands on the line."""
    band: tuple[float, float]
    """Where the usual ones stand: from and to, on the line."""
    usual: tuple[float, ...]
    """Share that took less; usual price; the middle half of masses, from and to."""
    ticks: str = ""
    """An SVG path with the others, one by one."""
    others: int = 0


def draw_strips(
    connection: Connection,
    known: QueuedDecision,
    crossing: Mapping[str, object],
    features: Mapping[str, float],
    reasons: Sequence[Reason],
) -> list[UsualStrip]:
    """Return the strips of a decision for which enough is known."""
    own = crossing.get("weighed_mass_kg")
    others = () if own is None else _read_masses(connection, known, str(crossing["vehicle_class"]))
    found = (
        draw_transit(features),
        draw_price(features, find_usual_price(reasons)),
        None if own is None else draw_mass(float(str(own)), others),
    )
    return [one for one in found if one is not None]


def draw_transit(features: Mapping[str, float]) -> UsualStrip | None:
    """Return the strip of the time from the opposite post; None where it is not known.

    The line is the share of vehicles that took less, and its band the middle half.
    """
    share, microseconds = features["transit_share"], features["transit_us"]
    if isnan(share) or isnan(microseconds):
        return None
    band = (STRIP_WIDTH / 4, 3 * STRIP_WIDTH / 4)
    return UsualStrip("transit", microseconds / 60e6, STRIP_WIDTH * share, band, (share,))


def find_usual_price(reasons: Sequence[Reason]) -> Mapping[str, Any] | None:
    """Return the parameters of the first reason, or figure in one, that states a usual price."""
    stated = [
        parameters
        for one in reasons
        for parameters in (
            one.parameters,
            *(figure["parameters"] for figure in one.parameters.get("figures", ())),
        )
    ]
    prices = (one for one in stated if one.get("noun") == "value_per_kg")
    return next((one for one in prices if {"whom", "there"} <= one.keys()), None)


def draw_price(
    features: Mapping[str, float], stated: Mapping[str, Any] | None = None
) -> UsualStrip | None:
    """Return the strip of the price a kilogram, on a scale of times the usual; None as above.

    The usual is the one that a reason states, so that a page has one; ``stated`` are the parameters
    of that reason. The band is what reads like the usual: from three quarters to four thirds of it.
    """
    price = features["value_per_kg"]
    ratio = next((features[name] for name in PRICES if not isnan(features[name])), 0.0)
    if stated is not None:
        ratio = price / stated["there"]
    if isnan(price) or ratio <= 0.0:
        return None
    band = (_place_ratio(3 / 4), _place_ratio(4 / 3))
    whom = () if stated is None else stated["whom"]
    code = "price_of_consignee" if "consignee" in whom else "price"
    return UsualStrip(code, price, _place_ratio(ratio), band, (price / ratio,))


def draw_mass(own: float, others: Sequence[float]) -> UsualStrip | None:
    """Return the strip of a mass among others'; None where these are too few."""
    if len(others) < FEWEST:
        return None
    least, most = min(own, *others), max(own, *others)
    scale = STRIP_WIDTH / ((most - least) or 1.0)
    low, _, high = quantiles(others, n=4)
    ticks = "".join(f"M{(one - least) * scale:.0f} 4v12" for one in others)
    return UsualStrip(
        "mass",
        own,
        (own - least) * scale,
        ((low - least) * scale, (high - least) * scale),
        (low, high),
        ticks,
        len(others),
    )


def _place_ratio(ratio: float) -> float:
    """Return where a ratio stands on the line: the middle is the usual, each end eight times."""
    part = log(max(min(ratio, FARTHEST), 1 / FARTHEST)) / log(FARTHEST)
    return STRIP_WIDTH * (1.0 + part) / 2.0


def _read_masses(connection: Connection, known: QueuedDecision, vehicle_class: str) -> list[float]:
    """Return masses of the vehicles of a class that were decided at the post last before one."""
    column = DECISIONS.c
    query = (
        select(column.seq)
        .where(column.post == known.post, column.known_at <= known.known_at)
        .where(column.vehicle_class == vehicle_class, column.seq < known.seq)
        .order_by(column.known_at.desc())
        .limit(MOST)
    )
    bodies = JournalReader(connection).bodies(list(connection.scalars(query)))
    masses = (one["arrival"]["crossing"].get("weighed_mass_kg") for one in bodies.values())
    return [float(mass) for mass in masses if mass is not None]


LONGEST_NAME = 20
"""Characters of a name that are drawn; the list has all of it."""
TIE_KINDS: Final[Mapping[tuple[str, str], str]] = {
    ("plate", "driver"): N_("other drivers of this vehicle"),
    ("plate", "trailer"): N_("other trailers of this vehicle"),
    ("trailer", "plate"): N_("other vehicles with this trailer"),
    ("driver", "plate"): N_("other vehicles of this driver"),
    ("driver", "carrier"): N_("other carriers of this driver"),
    ("carrier", "consignee"): N_("other consignees of this carrier"),
    ("consignee", "carrier"): N_("other carriers of this consignee"),
}
"""What (via, to) links."""


def shorten_name(name: str) -> str:
    """Return as much of a name as is drawn."""
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def name_tied(fellow: TiedEntity) -> str:
    """Return the name of a linked entity, or the mark that stands for it."""
    return str(fellow.name or f"#{fellow.mark}")


LEFT, RIGHT, LANE, TOP = 138, 626, 64, 4
"""Where lanes begin and end, how high one is, and where the first begins."""
BASE, TALL = 58, 17
"""Where in a lane its bars stand, and how high the highest is."""
EVENT_ROWS: Final[Mapping[str, int]] = {
    "find": 9, "seizure": 9, "elsewhere": 21, "passed": 21, "clear": 33,
}  # fmt: skip
"""Where in a lane events of a kind stand: what was found above, what found nothing below."""
NAME_WIDTH = 50
"""Room that the name of a month needs before the right edge, on a phone as well."""
WEEK = timedelta(days=7)
SPANS: Final = (13, 26, 52)
"""Weeks that a line may show: as few as hold all that is known."""
SHAPES: Final[Mapping[str, str]] = {
    "clear": "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "find": "m0-6l6 6-6 6-6-6z",
    "seizure": "m-5-5h10v10h-10z",
    "elsewhere": "m-6-5h12l-6 10z",
    "passed": "m-5 4h10l-5-9z",
}
"""How each kind of event looks: by shape, colour only helps."""
ORDER: Final = ("clear", "passed", "elsewhere", "find", "seizure")
"""What is drawn over what."""


@dataclass(frozen=True, slots=True)
class TimelineMark:
    """The events of one kind in one week."""

    kind: str
    x: float
    y: float
    count: int


@dataclass(frozen=True, slots=True)
class TimelineLane:
    """One entity."""

    whose: str
    short: str
    """As much of its name as is drawn."""
    top: int
    bars: str
    """One SVG path for all weeks."""
    signs: tuple[TimelineMark, ...]


@dataclass(frozen=True, slots=True)
class Month:
    """Where a month begins."""

    x: float
    begins: datetime


@dataclass(frozen=True, slots=True)
class Timeline:
    """All lanes."""

    lanes: tuple[TimelineLane, ...]
    months: tuple[Month, ...]
    weeks: int
    """Of how many weeks it is."""
    width: int
    height: int
    left: int = LEFT
    right: int = RIGHT


def draw_timeline(entities: Sequence[PastOf], until: datetime) -> Timeline:
    """Return the drawing of entities; ``until`` is a local time."""
    span = max([_span(one, until) for one in entities], default=SPANS[0])
    lanes = tuple(
        _lane(one, until, TOP + LANE * place, weeks=span) for place, one in enumerate(entities)
    )
    bottom = TOP + LANE * len(lanes)
    return Timeline(lanes, tuple(_months(until, span)), span, RIGHT + 14, bottom + 20)


def _span(one: PastOf, until: datetime) -> int:
    """Return how many weeks hold all that an entity's line would show."""
    weeks: Sequence[int] = one.crossings_by_week
    first = next((at for at, count in enumerate(weeks) if count), len(weeks))
    times = [datetime.fromisoformat(event.known_at) for event in one.events]
    longest = max([len(weeks) - first, *((until - at) // WEEK + 1 for at in times)])
    return next((span for span in SPANS if span >= longest), SPANS[-1])


def _lane(one: PastOf, until: datetime, top: int, *, weeks: int) -> TimelineLane:
    counts: Sequence[int] = one.crossings_by_week[-weeks:]
    most, step, foot = max([*counts, 1]), (RIGHT - LEFT) / weeks, top + BASE
    bars = "".join(
        f"M{LEFT + step * at:.1f} {foot}v-{TALL * count / most:.1f}h{step - 2:.1f}V{foot}z"
        for at, count in enumerate(counts)
        if count
    )
    found: dict[tuple[str, int], int] = {}
    for event in one.events:
        at = _week(datetime.fromisoformat(event.known_at), until, weeks)
        found[event.kind, at] = found.get((event.kind, at), 0) + event.count
    order = sorted(found, key=lambda each: (ORDER.index(each[0]), each[1]))
    signs = tuple(
        TimelineMark(
            kind, round(LEFT + step * (at + 0.5), 1), top + EVENT_ROWS[kind], found[kind, at]
        )
        for kind, at in order
    )
    return TimelineLane(one.whose, shorten_name(one.name or "–"), top, bars, signs)


def _week(known_at: datetime, until: datetime, weeks: int) -> int:
    """Return the week of a time, the last one being that before ``until``."""
    back = (until - known_at) // WEEK
    return min(max(weeks - 1 - back, 0), weeks - 1)


def _months(until: datetime, weeks: int) -> Sequence[Month]:
    """Return where the line's months begin, every second one of a long line.

    A month that has just begun is left out: its name would run out of the drawing.
    """
    since, found = until - WEEK * weeks, list[Month]()
    at = until.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while at > since:
        share = (at - since) / (until - since)
        found.append(Month(round(LEFT + (RIGHT - LEFT) * share, 1), at))
        at = (at - timedelta(days=1)).replace(day=1)
    found = [one for one in found if one.x <= RIGHT - NAME_WIDTH]
    return found[:: 2 if weeks > SPANS[0] else 1][::-1]
