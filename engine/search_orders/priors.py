"""Prior of the places where loads are hidden, stated before anything is learnt.

It ranks the places named in thirteen published finds of the region (among or disguised as goods 4,
structural cavity or double floor 3 to 4, outside or under the vehicle 2, fuel tank 1, luggage 1),
spread over the vehicle classes by judgement: an order, turned into rates of a stated size, so that
it can be outvoted by what searches find.
"""

from collections.abc import Mapping
from types import MappingProxyType

from engine.domain.records import PLACES, Method, VehicleClass

LIKELIEST = 0.002
"""Finds per search of the likeliest place of a class: one in 500, by judgement."""

FIRST: Mapping[VehicleClass, tuple[str, ...]] = MappingProxyType(
    {
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
        "car": (
            "cab.bags",
            "cab.dash",
            "chassis.spare_wheel",
            "cab.seat",
            "fuel.tank",
            "engine.bay",
        ),
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
)
"""The checklist of each class, likeliest first; every other place that it has comes after these."""

_LACKS: Mapping[VehicleClass, tuple[str, ...]] = MappingProxyType(
    {
        "truck": (),
        "van": ("cab.bunk", "trailer.refrigeration"),
        "bus": ("cargo.", "trailer.", "cab.bunk"),
        "car": ("cargo.", "trailer.", "cab.bunk", "chassis.air_tank"),
        "rail_wagon": ("cab.", "engine.", "fuel.", "chassis.spare_wheel", "chassis.tyre", "person"),
        "other": (),
    }
)
"""Places, or whole groups with a dot, that no vehicle of a class has: searched only after a find.

A van's load space counts as its trailer.
"""

_HOW: Mapping[str, tuple[Method, str]] = MappingProxyType(
    {
        "cargo.among": ("xray", "most published finds of the region were among the goods"),
        "cargo.inside": ("xray", "goods are hollowed out: what is inside weighs and shades"),
        "cargo.disguised": ("physical", "loads were sold as goods: potatoes, shoe polish, cotton"),
        "cargo.packaging": ("canine", "packaging hides small amounts from an image"),
        "trailer.floor": ("physical", "double floors are among the most frequent structural finds"),
        "trailer.front_wall": ("xray", "a false front wall shows as a shortened load space"),
        "trailer.sides": ("xray", "cavities in side walls stand out in an image"),
        "trailer.roof": ("xray", "a thick roof shows in an image"),
        "trailer.doors": ("physical", "door leaves are hollow and quickly tapped"),
        "trailer.refrigeration": ("physical", "a cooling unit has room behind its panels"),
        "chassis.underbody": ("physical", "loads were fixed under trailers with magnets"),
        "chassis.frame": ("physical", "frame rails are open cavities within arm's reach"),
        "chassis.spare_wheel": ("physical", "a spare wheel is quickly filled and quickly checked"),
        "chassis.tyre": ("xray", "a filled tyre shows in an image"),
        "chassis.axle": ("xray", "axle tubes are closed to the hand"),
        "chassis.air_tank": ("physical", "an air tank that holds no air is quickly told"),
        "fuel.tank": ("xray", "a tank smaller inside than outside was found before"),
        "fuel.false_tank": ("physical", "a tank without a line to the engine is no tank"),
        "cab.bunk": ("canine", "the bunk is the driver's own space"),
        "cab.bags": ("canine", "luggage held finds, once inside a spare gearbox"),
        "cab.dash": ("canine", "panels come off without tools"),
        "cab.seat": ("physical", "seat shells are cavities within reach of everybody aboard"),
        "cab.roof": ("physical", "roof linings hide flat packages"),
        "engine.bay": ("physical", "heat and smell keep dogs off: look with a mirror"),
        "person": ("canine", "what is worn leaves the vehicle empty"),
    }
)
"""How each place is searched best, and why it is a place to think of."""
_OTHERWISE: tuple[Method, str] = ("physical", "something was found there before")


def how(place: str) -> tuple[Method, str]:
    """Return the method for a place, and what speaks for it before anything is learnt."""
    return _HOW.get(place, _OTHERWISE)


STAND_INS: Mapping[str, tuple[Method, ...]] = MappingProxyType(
    {
        "cargo.among": ("canine", "physical"),
        "cargo.inside": ("canine",),
        "cargo.packaging": ("physical",),
        "trailer.front_wall": ("physical",),
        "trailer.sides": ("physical",),
        "trailer.roof": ("physical",),
        "chassis.tyre": ("canine",),
        "fuel.tank": ("physical",),
        "cab.bunk": ("physical",),
        "cab.bags": ("physical",),
        "cab.dash": ("physical",),
        "person": ("physical",),
    }
)
"""Methods that reach a place where the one that suits is not there, by judgement.

A place that is not named is searched by its own method or not at all: an axle tube by a scanner.
"""

MINUTES: Mapping[Method, float] = MappingProxyType(
    {"documents": 2.0, "weighing": 3.0, "canine": 5.0, "xray": 6.0, "physical": 8.0}
)
"""Minutes that searching one place takes by its method, by judgement: acts give only their sum."""


def group(place: str) -> str:
    """Return the group of a place code."""
    return place.partition(".")[0]


def _prior(vehicle_class: VehicleClass) -> Mapping[str, float]:
    """Turn an order into rates: the k-th place gets 2/(k + 1) of the first, the rest alike less."""
    first = FIRST[vehicle_class]
    last = LIKELIEST * 2 / (len(first) + 2)
    ranked = {place: LIKELIEST * 2 / (at + 2) for at, place in enumerate(first)}
    lacked = _LACKS[vehicle_class]
    others = {place: last for place in PLACES if not place.startswith(lacked)}
    return MappingProxyType(others | ranked)


PRIOR: Mapping[VehicleClass, Mapping[str, float]] = MappingProxyType(
    {vehicle_class: _prior(vehicle_class) for vehicle_class in FIRST}
)
"""Finds per search of each place that a class has, likeliest by ``FIRST``."""
