"""Where to look first in a vehicle sent to physical inspection.

The order is a stated prior, not a frequency: it ranks the places named in thirteen published finds
of the region (among or disguised as goods 4, structural cavity or double floor 3 to 4, outside or
under the vehicle 2, fuel tank 1, luggage 1), spread over the vehicle classes by judgement. It is
learnt from no data yet. It looks at what kind of vehicle stands there and never at why it was
picked, so that a random check cannot be told from a scored one by its search order.
"""

from dataclasses import dataclass

from engine.records import Crossing, Method, VehicleClass

PLACES_VERSION = "prior-1"
"""Changes whenever the tables below change; kept with every decision."""
SEARCHED_FIRST = 5
"""Places of a search order."""


@dataclass(frozen=True, slots=True)
class Search:
    """One step of a search order."""

    place: str
    method: Method
    why: str


_HOW: dict[str, tuple[Method, str]] = {
    "cargo.among": ("xray", "most published finds of the region were among the goods"),
    "cargo.disguised": ("physical", "loads were sold as goods: potatoes, shoe polish, cotton"),
    "cargo.packaging": ("canine", "packaging hides small amounts from an image"),
    "trailer.floor": ("physical", "double floors are among the most frequent structural finds"),
    "trailer.front_wall": ("xray", "a false front wall shows as a shortened load space"),
    "trailer.sides": ("xray", "cavities in side walls stand out in an image"),
    "chassis.underbody": ("physical", "loads were fixed under trailers with magnets"),
    "chassis.frame": ("physical", "frame rails are open cavities within arm's reach"),
    "chassis.spare_wheel": ("physical", "a spare wheel is quickly filled and quickly checked"),
    "fuel.tank": ("xray", "a tank smaller inside than outside was found before"),
    "cab.bunk": ("canine", "the bunk is the driver's own space"),
    "cab.bags": ("canine", "luggage held finds, once inside a spare gearbox"),
    "cab.dash": ("canine", "panels come off without tools"),
    "cab.seat": ("physical", "seat shells are cavities within reach of everybody aboard"),
    "cab.roof": ("physical", "roof linings hide flat packages"),
    "engine.bay": ("physical", "heat and smell keep dogs off: look with a mirror"),
}

_PRIOR: dict[VehicleClass, tuple[str, ...]] = {
    "truck": (
        "cargo.among",
        "trailer.floor",
        "chassis.underbody",
        "fuel.tank",
        "trailer.front_wall",
        "cargo.disguised",
        "chassis.spare_wheel",
        "cab.bunk",
    ),
    "van": ("cargo.among", "cab.bags", "trailer.sides", "chassis.underbody", "cab.dash"),
    "bus": ("cab.bags", "cab.roof", "cab.seat", "chassis.underbody", "fuel.tank"),
    "car": ("cab.bags", "cab.dash", "chassis.spare_wheel", "cab.seat", "fuel.tank", "engine.bay"),
    "rail_wagon": (
        "cargo.among",
        "chassis.frame",
        "cargo.disguised",
        "trailer.floor",
        "cargo.packaging",
    ),
    "other": (
        "cargo.among",
        "chassis.underbody",
        "cargo.packaging",
        "cab.bags",
        "chassis.frame",
        "trailer.floor",
    ),
}


def search_order(crossing: Crossing) -> tuple[Search, ...]:
    """Return the places to search first, in order; an empty conveyance is searched for cavities."""
    places = _PRIOR[crossing.vehicle_class]
    if crossing.is_empty:
        places = tuple(place for place in places if not place.startswith("cargo."))
    return tuple(Search(place, *_HOW[place]) for place in places[:SEARCHED_FIRST])
