"""Graph of the entities linked to a vehicle and its parties, drawn as SVG.

To the left stand the crossing's own entities, joined where they had crossed together before; to the
right, for each, the entities that it is linked to, a few of each kind. A list repeats the figures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from api.web.i18n import N_

OWN_X, OWN_WIDTH, OWN_HEIGHT = 70, 172, 36
FELLOW_X, FELLOW_WIDTH, ROW = 300, 324, 24
HEADER, GAP, TOP = 20, 12, 8
WIDTH = FELLOW_X + FELLOW_WIDTH + 8
LONGEST = 20
"""Characters of a name that are drawn; the list has all of it."""
KINDS: Final[Mapping[tuple[str, str], str]] = {
    ("plate", "driver"): N_("other drivers of this vehicle"),
    ("plate", "trailer"): N_("other trailers of this vehicle"),
    ("trailer", "plate"): N_("other vehicles with this trailer"),
    ("driver", "plate"): N_("other vehicles of this driver"),
    ("driver", "carrier"): N_("other carriers of this driver"),
    ("carrier", "consignee"): N_("other consignees of this carrier"),
    ("consignee", "carrier"): N_("other carriers of this consignee"),
}
"""What (via, to) links."""


@dataclass(frozen=True, slots=True)
class OwnEntity:
    """One entity of the crossing."""

    whose: str
    name: str
    y: float
    """Its middle."""


@dataclass(frozen=True, slots=True)
class EntityPair:
    """Two of them that had crossed together, or not."""

    path: str
    x: float
    y: float
    crossings: int


@dataclass(frozen=True, slots=True)
class OtherEntity:
    """A linked entity."""

    name: str
    y: float
    path: str
    crossings: int
    inspected: int
    hits: int

    @property
    def found(self) -> str:
        """What inspections of it found, as a sign and two numbers."""
        return f"{'◆' if self.hits else '○'} {self.hits}/{self.inspected}"


@dataclass(frozen=True, slots=True)
class LinkedGroup:
    """Those whom one entity links in one way."""

    kind: str
    y: float
    known: int
    passed: int
    others: tuple[OtherEntity, ...]


@dataclass(frozen=True, slots=True)
class LinkGraph:
    """All of it."""

    own: tuple[OwnEntity, ...]
    joins: tuple[EntityPair, ...]
    groups: tuple[LinkedGroup, ...]
    height: float
    width: int = WIDTH
    own_box: tuple[int, int, int] = (OWN_X, OWN_WIDTH, OWN_HEIGHT)
    other_box: tuple[int, int] = (FELLOW_X, FELLOW_WIDTH)


def graph(found: Mapping[str, Any]) -> LinkGraph:
    """Return the drawing of a decision's past, as the JSON route answers it."""
    own: list[OwnEntity] = []
    groups: list[LinkedGroup] = []
    y = float(TOP)
    for one in found["entities"]:
        ties = [tie for tie in found["ties"] if tie["via"] == one["whose"] and tie["fellows"]]
        heights = [HEADER + ROW * len(tie["fellows"]) for tie in ties]
        height = max(sum(heights), OWN_HEIGHT)
        middle, at = y + height / 2, y + (height - sum(heights)) / 2
        own.append(OwnEntity(one["whose"], short(one["name"] or "–"), middle))
        for tie, tall in zip(ties, heights, strict=True):
            groups.append(_group(tie, at, middle))
            at += tall
        y += height + GAP
    return LinkGraph(tuple(own), tuple(_joins(found["together"], own)), tuple(groups), y)


def short(name: str) -> str:
    """Return as much of a name as is drawn."""
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"


def name_of_linked(fellow: Mapping[str, Any]) -> str:
    """Return the name of a linked entity, or the mark that stands for it."""
    return str(fellow["name"] or f"#{fellow['mark']}")


def _group(tie: Mapping[str, Any], top: float, middle: float) -> LinkedGroup:
    others = []
    for place, fellow in enumerate(tie["fellows"]):
        y = top + HEADER + ROW * place + ROW / 2
        bend = f"C{FELLOW_X - 20} {middle:g} {FELLOW_X - 40} {y:g} {FELLOW_X} {y:g}"
        path = f"M{OWN_X + OWN_WIDTH} {middle:g}{bend}"
        counts = (fellow["crossings"], fellow["inspected"], fellow["hits"])
        others.append(OtherEntity(short(name_of_linked(fellow)), y, path, *counts))
    kind = KINDS[tie["via"], tie["to"]]
    return LinkedGroup(kind, top + HEADER - 6, tie["known"], tie["passed"], tuple(others))


def _joins(together: Sequence[Mapping[str, Any]], own: Sequence[OwnEntity]) -> Sequence[EntityPair]:
    """Return arcs to the left of the entities; the further apart two are, the wider."""
    at = {one.whose: (place, one.y) for place, one in enumerate(own)}
    found = []
    for pair in together:
        (one, y), (other, z) = sorted((at[pair["one"]], at[pair["other"]]))
        out = OWN_X - 22 * (other - one)
        path = f"M{OWN_X} {y:g}C{out} {y:g} {out} {z:g} {OWN_X} {z:g}"
        found.append(EntityPair(path, OWN_X - 0.75 * (OWN_X - out), (y + z) / 2, pair["crossings"]))
    return found
