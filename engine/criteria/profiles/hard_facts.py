"""Sentences of profiles on what is impossible across the line: both figures, and both times.

A profile that states a hard fact says what no lawful passage can show: a lorry that left the
opposite post empty and arrives laden, for example. The expression decides whether it fits; a
sentence here says what was recorded there and here. All of it was declared or measured. What the
papers contradict has no other time than the arrival's, and states none.

A time is when the vehicle was at a post, where it is weighed, and not when the record of it became
known.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.criteria.match import HardFact
from engine.domain.network import Network
from engine.domain.records import Arrival
from engine.domain.time_units import HOUR, micros, rfc3339
from engine.explanation.messages import Message

Row = Mapping[str, float]
NEAR_KM = 0.5
"""How exactly a post lies where a distance says."""


@dataclass(frozen=True, slots=True)
class _Passage:
    arrival: Arrival
    row: Row
    network: Network
    limit: float | None

    @property
    def both(self) -> dict[str, Any]:
        """Both posts, the masses at both, and when the vehicle was at each."""
        crossing = self.arrival.crossing
        came, mass = micros(crossing.arrived_at), crossing.weighed_mass_kg
        gap, across = self.row["mirror_mass_gap"], self.row["transit_us"]
        return {
            "opposite": self.network.name_opposite(crossing.post),
            "kg": mass,
            "kg_there": None if mass is None or math.isnan(gap) else mass - gap,
            "came_at": rfc3339(came),
            "left_at": None if math.isnan(across) else rfc3339(came - round(across)),
        }


def say_fact(
    fact: HardFact, arrival: Arrival, row: Row, *, network: Network, limit: float | None
) -> Message:
    """Return the sentence of a fact that holds of an arrival.

    ``row`` has the features by name; ``limit`` is the tolerance of the profile at the post.
    """
    return _SENTENCES[fact](_Passage(arrival, row, network, limit))


def _load(one: _Passage) -> Message:
    way = "empty" if one.arrival.crossing.is_empty else "laden"
    return Message(f"fact_came_{way}", one.both)


def _mass(one: _Passage) -> Message:
    gap = one.row["mirror_mass_gap"]
    return Message(f"fact_mass_{'gained' if gap > 0 else 'lost'}", one.both | {"gap": abs(gap)})


def _seals(one: _Passage) -> Message:
    return Message("fact_seals", one.both | {"names": list(one.arrival.crossing.seal_numbers)})


def _trailer(one: _Passage) -> Message:
    return Message("fact_trailer", one.both | {"text": one.arrival.crossing.trailer_plate})


def _too_soon(one: _Passage) -> Message:
    found = one.both | {"elapsed": one.row["transit_us"], "minutes": one.limit}
    return Message("fact_too_soon", found)


def _two_places(one: _Passage) -> Message:
    km, hours = one.row["plate_km_since"], one.row["plate_hours_since"]
    crossing = one.arrival.crossing
    came = micros(crossing.arrived_at)
    found = {
        "place": _name_post_at(one.network, crossing.post, km),
        "km": km,
        "seen_at": rfc3339(came - round(hours * HOUR)),
        "came_at": rfc3339(came),
    }
    return Message("fact_two_places" if found["place"] else "fact_elsewhere", found)


def _name_post_at(network: Network, here: str, km: float) -> str:
    """Return the post that lies so far from here; empty where none or several do.

    Features know how far a vehicle was, and keep no names.
    """
    own = network.position_of(here)
    near = [
        post.name
        for code, post in network.posts.items()
        if code != here and abs(math.dist(own, network.position_of(code)) - km) < NEAR_KM
    ]
    return near[0] if len(near) == 1 else ""


def _papers(one: _Passage) -> Message:
    declared, crossing = one.arrival.declaration, one.arrival.crossing
    ends = () if declared is None else (declared.dispatch_country, declared.destination_country)
    named = () if declared is None else declared.route_countries
    path = [each for each in (ends[0], *named, ends[1]) if each] if ends else []
    here = one.network.posts.get(crossing.post)
    found = {
        "names": list(dict.fromkeys(path)),
        "post": crossing.post if here is None else here.name,
        "opposite": one.network.name_opposite(crossing.post),
    }
    return Message("fact_papers", found)


def _body(one: _Passage) -> Message:
    declared, crossing = one.arrival.declaration, one.arrival.crossing
    codes = [] if declared is None else [item.hs_code for item in declared.items]
    return Message("fact_body", {"body": crossing.body_type, "names": list(dict.fromkeys(codes))})


_SENTENCES: Mapping[HardFact, Callable[[_Passage], Message]] = {
    "load": _load,
    "mass": _mass,
    "seals": _seals,
    "trailer": _trailer,
    "two_places": _two_places,
    "too_soon": _too_soon,
    "papers": _papers,
    "body": _body,
}
