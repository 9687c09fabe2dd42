"""Strips that mark a vehicle among the usual: time from the opposite post, price, mass.

Assumes the decision's own features for time and price: the share of vehicles on the line that took
less, and the price a kilogram against the usual for the same goods. Masses are compared with those
of the vehicles of the class decided at the post last before it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan, log
from statistics import quantiles

from sqlalchemy import Connection, select

from engine.journal.journal import JournalReader
from engine.queue.queue import DECISIONS, QueuedDecision

WIDTH = 240.0
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
) -> list[UsualStrip]:
    """Return the strips of a decision for which enough is known."""
    own = crossing.get("weighed_mass_kg")
    others = () if own is None else _read_masses(connection, known, str(crossing["vehicle_class"]))
    found = (
        draw_transit(features),
        draw_price(features),
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
    band = (WIDTH / 4, 3 * WIDTH / 4)
    return UsualStrip("transit", microseconds / 60e6, WIDTH * share, band, (share,))


def draw_price(features: Mapping[str, float]) -> UsualStrip | None:
    """Return the strip of the price a kilogram, on a scale of times the usual; None as above.

    The band is what reads like the usual: from three quarters to four thirds of it.
    """
    price = features["value_per_kg"]
    ratio = next((features[name] for name in PRICES if not isnan(features[name])), 0.0)
    if isnan(price) or ratio <= 0.0:
        return None
    band = (_of_ratio(3 / 4), _of_ratio(4 / 3))
    return UsualStrip("price", price, _of_ratio(ratio), band, (price / ratio,))


def draw_mass(own: float, others: Sequence[float]) -> UsualStrip | None:
    """Return the strip of a mass among others'; None where these are too few."""
    if len(others) < FEWEST:
        return None
    least, most = min(own, *others), max(own, *others)
    scale = WIDTH / ((most - least) or 1.0)
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


def _of_ratio(ratio: float) -> float:
    """Return where a ratio stands on the line: the middle is the usual, each end eight times."""
    part = log(max(min(ratio, FARTHEST), 1 / FARTHEST)) / log(FARTHEST)
    return WIDTH * (1.0 + part) / 2.0


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
