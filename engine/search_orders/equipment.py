"""Equipment that works at a post, and the method by which each place is searched with it.

What a post's network file states holds until a roster says what works in the shift. Equipment is a
count by code; a code without a count is not known, and taken to be there. Hands and papers are
always there.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from engine.domain.records import Method
from engine.search_orders.priors import MINUTES, STAND_INS, how

NEEDED: Mapping[Method, str] = {"xray": "xray", "canine": "canine", "weighing": "weighbridge"}
"""Code of the equipment that a method needs; the other methods need none."""
STAND_IN = 2.0
"""Times its own minutes that a method takes for the finds of the one that suits, by judgement."""


@dataclass(frozen=True, slots=True)
class PlaceMethod:
    """How a place is searched with what works at a post."""

    method: Method
    minutes: float
    """Minutes that a search takes for the finds that the method that suits would make."""
    wanted: Method | None = None
    """The method that suits, where it is not there."""


def join_equipment(stated: Mapping[str, int], tonight: Mapping[str, int]) -> Mapping[str, int]:
    """Return what works in a shift: as its roster says, else as the network file states.

    A file that states some of a post's equipment states all of it: what it does not name is not
    there. A roster speaks for what it names.
    """
    unnamed = dict.fromkeys(NEEDED.values(), 0) if stated else {}
    return {**unnamed, **stated, **tonight}


def is_working(method: Method, equipment: Mapping[str, int]) -> bool:
    """Tell whether a method can be used with what works at a post."""
    return equipment.get(NEEDED.get(method, ""), 1) > 0


def choose_method(place: str, equipment: Mapping[str, int]) -> PlaceMethod | None:
    """Return the quickest method for a place; None where no method that is there reaches it."""
    wanted = how(place)[0]
    if is_working(wanted, equipment):
        return PlaceMethod(wanted, MINUTES[wanted])
    others = [
        PlaceMethod(method, STAND_IN * MINUTES[method], wanted)
        for method in STAND_INS.get(place, ())
        if is_working(method, equipment)
    ]
    return min(others, key=lambda other: other.minutes, default=None)
