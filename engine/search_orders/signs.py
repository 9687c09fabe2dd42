"""What is seen of a vehicle at the post: its goods, and what differs from the opposite post."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from engine.domain.precursors import is_controlled
from engine.domain.records import Arrival, GoodsItem

_LIQUIDS = (
    "15", "2009", "22", "2707", "2709", "2710", "2711", "2806", "2807", "2902", "2905", "2909",
    "2914", "2915", "3814", "3826",
)  # fmt: skip
_POWDERS = ("09", "10", "11", "12", "17", "25", "28", "29", "31", "32", "34", "38", "39")
_SOLIDS = ("27", "40", "44", "68", "69", "70", "72", "73", "74", "76", "84", "85", "87")
_SECTIONS: tuple[tuple[int, str], ...] = (
    (14, "produce"), (24, "food"), (27, "mineral"), (38, "chemical"), (40, "plastic"),
    (49, "wood"), (67, "textile"), (71, "stone"), (83, "metal"), (85, "machine"),
    (89, "vehicle"), (99, "other"),
)  # fmt: skip
Form = Literal["liquid", "powder", "solid", "produce", "packed"]


def goods_group(chapter: int) -> str:
    """Return the group of goods under which searches are counted, of an HS chapter.

    >>> goods_group(7), goods_group(29), goods_group(87)
    ('produce', 'chemical', 'vehicle')
    """
    return next((name for last, name in _SECTIONS if chapter <= last), "other")


def items_of(arrival: Arrival) -> Sequence[GoodsItem]:
    """Return the goods items that are declared."""
    return arrival.declaration.items if arrival.declaration else ()


def main_item(arrival: Arrival) -> GoodsItem | None:
    """Return the most valuable goods item, of equals the heaviest; None without a declaration."""
    return max(
        items_of(arrival),
        key=lambda one: (one.customs_value_usd or 0.0, one.net_mass_kg or 0.0, -one.item_no),
        default=None,
    )


def form_of(hs_code: str) -> Form:
    """Return what goods are like to hide in.

    >>> form_of("291521"), form_of("070190"), form_of("8703")
    ('liquid', 'produce', 'solid')
    """
    if hs_code.startswith(_LIQUIDS):
        return "liquid"
    if hs_code.startswith(_POWDERS):
        return "powder"
    if hs_code.startswith(_SOLIDS):
        return "solid"
    return "produce" if hs_code[:2] <= "08" else "packed"


Precaution = Literal["chemicals", "dangerous_goods"]


def precautions(arrival: Arrival) -> tuple[Precaution, ...]:
    """Return what officers protect themselves from, by the goods that are declared."""
    items = items_of(arrival)
    found: list[Precaution] = []
    if any(item.un_number for item in items):
        found.append("dangerous_goods")
    if any(item.hs_code.startswith(("28", "29")) for item in items):
        found.append("chemicals")
    return tuple(found)


def declares_precursor(arrival: Arrival) -> bool:
    """Tell whether a precursor is among the goods, by their HS codes."""
    return any(is_controlled(item.hs_code) for item in items_of(arrival))


Sign = Literal["came_laden", "heavier", "lighter", "trailer_differs", "seals_differ", "same_seals"]
OF_OPPOSITE = (
    "mirror_was_empty", "mirror_mass_gap", "mirror_trailer_differs", "mirror_seals_differ",
)  # fmt: skip
"""Features that signs are made of: what the opposite post's record of the vehicle says."""


def find_signs(
    arrival: Arrival, features: Mapping[str, float], *, load_kg: float, mass_kg: float
) -> tuple[Sign, ...]:
    """Return what the opposite post recorded otherwise, the gravest first.

    The masses of both posts differ if the scales of the two cannot: by more than ``mass_kg``. A
    vehicle that left empty came laden unless they say that it gained ``load_kg`` at most.
    """
    seen = {name: features.get(name, math.nan) for name in OF_OPPOSITE}
    gap = seen["mirror_mass_gap"]
    came_laden = seen["mirror_was_empty"] == 1.0 and arrival.crossing.is_empty is False
    found: dict[Sign, bool] = {
        "came_laden": came_laden and not gap <= load_kg,
        "heavier": gap > mass_kg,
        "lighter": gap < -mass_kg,
        "trailer_differs": seen["mirror_trailer_differs"] == 1.0,
        "seals_differ": seen["mirror_seals_differ"] == 1.0,
        "same_seals": seen["mirror_seals_differ"] == 0.0 and bool(arrival.crossing.seal_numbers),
    }
    return tuple(sign for sign, is_there in found.items() if is_there)
