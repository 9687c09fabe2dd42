"""A drawing of a vehicle class from its left side, with the places of a search order numbered.

Our own outlines: they show where to look, not any make. Whatever has no outline of its own is drawn
as a truck; a finer place than the table knows is drawn at its group.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

WIDTH, HEIGHT = 640, 215
RADIUS = 12
_GROUND = 200
Point = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Outline:
    """How one class looks, and where its places are."""

    bodies: tuple[str, ...]
    """SVG paths."""
    glass: tuple[str, ...]
    wheels: tuple[tuple[int, int, int], ...]
    """Centre and radius."""
    places: Mapping[str, Point]


@dataclass(frozen=True, slots=True)
class Mark:
    """One numbered place."""

    number: int
    x: int
    y: int
    at: Point
    """What it points to."""
    place: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """A vehicle with marks."""

    outline: Outline
    marks: tuple[Mark, ...]
    ground: int = _GROUND
    width: int = WIDTH
    height: int = HEIGHT
    radius: int = RADIUS


TRUCK: Final = Outline(
    (
        "M22 172V100Q24 84 36 76L54 34H138V172Z",
        "M138 160H620V172H138Z",
        "M170 24H620V158H170Z",
    ),
    ("M34 96L56 50H84V96Z",),
    ((62, 178, 20), (196, 178, 20), (478, 178, 20), (526, 178, 20), (574, 178, 20)),
    {
        "cab.seat": (92, 120), "cab.dash": (44, 108), "cab.roof": (98, 40), "cab.bunk": (122, 88),
        "cab.bags": (116, 138), "engine.bay": (46, 148), "fuel.tank": (128, 168),
        "fuel.false_tank": (250, 180), "chassis.frame": (345, 166),
        "chassis.underbody": (400, 184), "chassis.spare_wheel": (300, 182),
        "chassis.tyre": (574, 178), "chassis.axle": (526, 178), "chassis.air_tank": (228, 168),
        "trailer.front_wall": (174, 80), "trailer.floor": (450, 154), "trailer.roof": (400, 28),
        "trailer.doors": (616, 84), "trailer.sides": (560, 110),
        "trailer.refrigeration": (178, 42), "cargo.among": (300, 92), "cargo.inside": (370, 100),
        "cargo.packaging": (240, 120), "cargo.disguised": (450, 92), "person": (72, 84),
    },
)  # fmt: skip
VAN: Final = Outline(
    ("M60 170V118Q62 94 108 86L166 40H556Q574 40 574 58V170Z",),
    ("M122 88L170 50H216V88Z",),
    ((152, 176, 24), (476, 176, 24)),
    {
        "cab.seat": (196, 122), "cab.dash": (134, 104), "cab.roof": (196, 44),
        "cab.bags": (232, 140), "engine.bay": (88, 128), "fuel.tank": (284, 168),
        "fuel.false_tank": (330, 178), "chassis.frame": (372, 166),
        "chassis.underbody": (410, 182), "chassis.spare_wheel": (540, 166),
        "chassis.tyre": (476, 176), "chassis.axle": (152, 176), "chassis.air_tank": (250, 176),
        "trailer.front_wall": (262, 76), "trailer.floor": (430, 158), "trailer.roof": (400, 44),
        "trailer.doors": (570, 104), "trailer.sides": (516, 84), "cargo.among": (350, 102),
        "cargo.inside": (400, 120), "cargo.packaging": (310, 128), "cargo.disguised": (450, 104),
        "person": (206, 84),
    },
)  # fmt: skip
CAR: Final = Outline(
    ("M54 168Q44 128 106 120L190 112Q238 60 292 58H404Q456 60 496 112L566 124Q596 132 588 168Z",),
    ("M212 110Q246 74 292 70H334V110Z", "M350 110V70H400Q438 74 466 110Z"),
    ((164, 172, 27), (486, 172, 27)),
    {
        "cab.seat": (322, 132), "cab.dash": (214, 120), "cab.roof": (344, 62),
        "cab.bags": (540, 134), "engine.bay": (112, 140), "fuel.tank": (432, 156),
        "fuel.false_tank": (400, 168), "chassis.frame": (330, 166),
        "chassis.underbody": (290, 178), "chassis.spare_wheel": (548, 160),
        "chassis.tyre": (486, 172), "chassis.axle": (164, 172), "person": (298, 94),
    },
)  # fmt: skip
BUS: Final = Outline(
    ("M36 170V70Q38 34 74 34H592Q606 34 606 52V170Z",),
    ("M44 96V74Q48 48 78 48H96V96Z", *(f"M{x} 48h62v44h-62Z" for x in range(112, 540, 74))),
    ((136, 176, 24), (484, 176, 24)),
    {
        "cab.seat": (300, 104), "cab.dash": (58, 112), "cab.roof": (330, 40),
        "cab.bags": (320, 148), "engine.bay": (578, 138), "fuel.tank": (206, 158),
        "fuel.false_tank": (244, 172), "chassis.frame": (420, 166),
        "chassis.underbody": (380, 182), "chassis.spare_wheel": (82, 158),
        "chassis.tyre": (484, 176), "chassis.axle": (136, 176), "chassis.air_tank": (434, 150),
        "person": (200, 78),
    },
)  # fmt: skip
RAIL: Final = Outline(
    ("M40 38H600V156H40Z", "M30 156H610V168H30Z", "M268 44H372V156H268Z"),
    (),
    ((112, 182, 17), (168, 182, 17), (472, 182, 17), (528, 182, 17)),
    {
        "trailer.front_wall": (44, 96), "trailer.floor": (220, 152), "trailer.roof": (440, 42),
        "trailer.doors": (320, 70), "trailer.sides": (570, 70), "trailer.refrigeration": (60, 56),
        "cargo.among": (160, 90), "cargo.inside": (240, 110), "cargo.packaging": (410, 120),
        "cargo.disguised": (500, 96), "chassis.frame": (320, 162),
        "chassis.underbody": (390, 176), "chassis.axle": (140, 182), "chassis.air_tank": (250, 176),
    },
)  # fmt: skip
OUTLINES: Final[Mapping[str, Outline]] = {
    "truck": TRUCK, "van": VAN, "car": CAR, "bus": BUS, "rail_wagon": RAIL, "other": TRUCK,
}  # fmt: skip


def draw_vehicle(vehicle_class: str, places: Sequence[str | None]) -> Drawing:
    """Return the drawing of a class with these places numbered in their order.

    A step without a place has a number and no mark.
    """
    outline = OUTLINES[vehicle_class]
    marks: list[Mark] = []
    for number, place in enumerate(places, 1):
        if place is None:
            continue
        at = _point(outline, place)
        x, y = at
        while any(abs(x - one.x) < 2 * RADIUS and abs(y - one.y) < 2 * RADIUS for one in marks):
            x, y = (x + 2 * RADIUS, y) if x < WIDTH - 3 * RADIUS else (at[0], y - 2 * RADIUS)
        marks.append(Mark(number, x, y, at, place))
    return Drawing(outline, tuple(marks))


def _point(outline: Outline, place: str) -> Point:
    """Return where a place is: itself, the middle of its group, or the middle of the vehicle."""
    if place in outline.places:
        return outline.places[place]
    group = place.partition(".")[0]
    near = [point for name, point in outline.places.items() if name.partition(".")[0] == group]
    if not near:
        return WIDTH // 2, HEIGHT // 2
    return sum(x for x, _ in near) // len(near), sum(y for _, y in near) // len(near)
