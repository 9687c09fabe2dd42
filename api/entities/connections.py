"""Everything connected with a vehicle, a party, a find or a case: two steps, with their dates.

From each vehicle or party one goes to those that took part in its last passages, and from these on
once more. What is not followed is said and never left out silently: a *hub* had more than
``HUB_PASSAGES`` passages, and what it has in common with others says little; above
``MOST_FOLLOWED`` the rest of a step is shown and not followed; above ``MOST_NODES`` the rest is
counted. Of a step those with the fewest passages are followed first, and their connections are
listed first: a broker of everybody takes no room from the vehicle that was seized.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from xml.etree.ElementTree import Element, SubElement, tostring

from api.entities.answers import (
    AskedTime,
    CaseAbout,
    EntityView,
    FindView,
    PassageView,
    describe_passage,
    list_cases,
    list_finds,
)
from api.entities.looks import Purpose, record_look
from api.entities.passages import Entity, EntityKind, Passage, PassageReader
from api.http.answers import Answer, Time
from api.service.runtime import Runtime
from engine.domain.identifiers import fold
from engine.domain.time_units import rfc3339
from features.online.loaded_parties import PartyRole

STEPS = 2
FOLLOWED = (100, 40)
"""Passages of each vehicle or party, the last of them, from which one goes on; by step."""
HUB_PASSAGES = 500
MOST_FOLLOWED, MOST_NODES = 60, 300
MOST_DRAWN = 30
VEHICLES: frozenset[EntityKind] = frozenset({"plate", "trailer", "container"})
Cut = Literal["hub", "not_followed", "last_step"]
Key = tuple[EntityKind, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectedView(Answer):
    """A vehicle or a party that something is connected with."""

    kind: EntityKind
    value: str
    roles: list[PartyRole]
    """As what it took part in the passages that were followed."""
    step: int
    """0 where one begins, 1 for those of its passages, 2 for those of theirs."""
    total: int | None
    """Its passages that the caller may see; null where they were not counted."""
    followed: int
    """How many of them, the last ones, one went on from."""
    finds: int
    """Passages with a find among those that led here."""
    cut: Cut | None
    """Why one did not go on from it: a hub, too many in its step, or the last step; null where its
    last passages were followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionView(Answer):
    """Two that took part in the same passages."""

    one_kind: EntityKind
    one: str
    one_roles: list[PartyRole]
    """As what the first took part in the passages of both."""
    other_kind: EntityKind
    other: str
    other_roles: list[PartyRole]
    step: int
    """That of the further one; 0 between two where one begins."""
    passages: int
    """Of those that were followed."""
    first: Time
    last: Time
    finds: int
    crossing_id: str
    """The last of these passages."""
    post: str
    """Where it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits(Answer):
    """What was left out."""

    passages_of_start: int
    """Passages of each that one begins with, at most."""
    passages_of_others: int
    hub_passages: int
    """A vehicle or a party with more passages is not followed."""
    hubs: int
    """How many were not followed for that."""
    most_followed: int
    not_followed: int
    """How many of the first step were not followed because there were more than that."""
    most_nodes: int
    left_out: int
    """How many more there are that are not in the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionsView(Answer):
    """What a vehicle, a party, a find or a case is connected with."""

    tables = ("connections", "connected", "found_in", "finds", "cases")
    of: Literal["entity", "seizure", "case"]
    name: str
    as_of: Time
    is_now: bool
    synthetic: bool
    connected: list[ConnectedView]
    connections: list[ConnectionView]
    found_in: list[PassageView]
    """The passages that are counted as finds, with a discrepancy or a seizure, the newest first."""
    finds: list[FindView]
    """Goods seized in the passages that were followed."""
    cases: list[CaseAbout]
    limits: ConnectionLimits


@dataclass(slots=True)
class _Node:
    entity: Entity
    step: int
    passages: dict[str, Passage] = field(default_factory=dict)
    """Those that led here."""
    roles: set[PartyRole] = field(default_factory=set)
    total: int | None = None
    followed: int = 0
    cut: Cut | None = None

    @property
    def finds(self) -> int:
        return sum(one.found == "find" for one in self.passages.values())


class _Walk:
    """Goes from passage to party and on, for one reader."""

    def __init__(self, reader: PassageReader) -> None:
        self.reader = reader
        self.nodes: dict[Key, _Node] = {}
        self.ties: dict[tuple[Key, Key], dict[str, Passage]] = {}
        self.passages: dict[str, Passage] = {}
        self.left_out: set[Key] = set()
        self.not_followed = 0

    def go(self, entities: Sequence[Entity], *, steps: int) -> None:
        for entity in entities:
            self._add(entity, step=0)
        for step in range(steps):
            self._follow([one for one in self.nodes.values() if one.step == step], step)
        for node in self.nodes.values():
            if node.step == steps:
                node.cut = "last_step"

    def _follow(self, frontier: Sequence[_Node], step: int) -> None:
        ranked = sorted(frontier, key=lambda one: (-one.finds, -len(one.passages)))
        for node in ranked[MOST_FOLLOWED:]:
            node.cut = "not_followed"
        self.not_followed += len(ranked[MOST_FOLLOWED:])
        most = FOLLOWED[min(step, 1)]
        read = [(node, self.reader.read(node.entity, most=most)) for node in ranked[:MOST_FOLLOWED]]
        for node, found in sorted(read, key=lambda each: each[1].total):
            node.total = found.total
            if step and found.total > HUB_PASSAGES:
                node.cut = "hub"
                continue
            node.followed = len(found.shown)
            for one in found.shown:
                self._pass(node, one, step)

    def _pass(self, node: _Node, one: Passage, step: int) -> None:
        self.passages[one.crossing_id] = one
        start = _key(node.entity)
        for party in one.parties:
            other = self._add(party.entity, step=step + 1)
            if other is None:
                continue
            other.roles.add(party.role)
            if other is node:
                continue
            other.passages[one.crossing_id] = one
            first, second = sorted((start, _key(other.entity)))
            self.ties.setdefault((first, second), {})[one.crossing_id] = one

    def _add(self, entity: Entity, *, step: int) -> _Node | None:
        key = _key(entity)
        if key not in self.nodes:
            if len(self.nodes) >= MOST_NODES:
                self.left_out.add(key)
                return None
            self.nodes[key] = _Node(entity, step)
        return self.nodes[key]


def _key(entity: Entity) -> Key:
    return entity.kind, entity.text


@dataclass(frozen=True, slots=True)
class Start:
    """Where one begins."""

    of: Literal["entity", "seizure", "case"]
    name: str
    entities: Sequence[Entity]


def begin_with_crossings(
    reader: PassageReader, of: Literal["seizure", "case"], name: str, crossings: Sequence[str]
) -> Start:
    """Return the start with those who took part in some crossings, as far as they may be seen."""
    passages = reader.read_crossings(crossings)
    found = {_key(one.entity): one.entity for each in passages for one in each.parties}
    return Start(of, name, list(found.values()))


def describe_connections(
    service: Runtime, reader: PassageReader, start: Start, at: AskedTime, purpose: Purpose
) -> ConnectionsView:
    """Return what a start is connected with, once it is recorded who looks and why."""
    walk = _Walk(reader)
    walk.go(start.entities, steps=STEPS)
    followed = sorted(walk.passages.values(), key=lambda one: -one.arrived_at)
    searched = [one for one in followed if one.seq is not None]
    finds = list_finds(reader, searched, most=None)
    found_in = [one for one in followed if one.found == "find"]
    found = ConnectionsView(
        of=start.of,
        name=start.name,
        as_of=rfc3339(at.shown),
        is_now=at.is_now,
        synthetic=service.network.synthetic,
        connected=[_describe_node(one) for one in walk.nodes.values()],
        connections=list(_describe_ties(walk)),
        found_in=[describe_passage(one) for one in found_in],
        finds=[one for _, one in finds],
        cases=list_cases(reader, [one.seizure_id for _, one in finds]),
        limits=ConnectionLimits(
            passages_of_start=FOLLOWED[0],
            passages_of_others=FOLLOWED[1],
            hub_passages=HUB_PASSAGES,
            hubs=sum(one.cut == "hub" for one in walk.nodes.values()),
            most_followed=MOST_FOLLOWED,
            not_followed=walk.not_followed,
            most_nodes=MOST_NODES,
            left_out=len(walk.left_out),
        ),
    )
    shown = {one.crossing_id for one in found.connections}
    shown |= {one.crossing_id for one in found_in}
    seen = [one.seq for one in searched if one.crossing_id in shown and one.seq is not None]
    record_look(service, reader.caller, "connections", [*seen, *(n for n, _ in finds)], purpose)
    return found


def _describe_node(node: _Node) -> ConnectedView:
    return ConnectedView(
        kind=node.entity.kind,
        value=node.entity.value,
        roles=sorted(node.roles),
        step=node.step,
        total=node.total,
        followed=node.followed,
        finds=node.finds,
        cut=node.cut,
    )


def _describe_ties(walk: _Walk) -> Iterator[ConnectionView]:
    """Yield the connections by step.

    In a step come first those of a vehicle where one begins, then those of who has the fewest
    passages there, then those with finds, then those of most passages.
    """

    def rank(each: tuple[tuple[Key, Key], Mapping[str, Passage]]) -> tuple[Any, ...]:
        ends = [walk.nodes[key] for key in each[0]]
        begins = [one for one in ends if one.step == 0]
        is_of_vehicle = any(one.entity.kind in VEHICLES for one in begins)
        begun = not is_of_vehicle, not begins, sorted(one.total or 0 for one in begins)
        step = max(one.step for one in ends)
        return step, *begun, -_count_finds(each[1]), -len(each[1]), each[0]

    for (one, other), passages in sorted(walk.ties.items(), key=rank):
        last = max(passages.values(), key=lambda each: each.arrived_at)
        yield ConnectionView(
            one_kind=one[0],
            one=walk.nodes[one].entity.value,
            one_roles=_list_roles(walk.nodes[one].entity, passages),
            other_kind=other[0],
            other=walk.nodes[other].entity.value,
            other_roles=_list_roles(walk.nodes[other].entity, passages),
            step=max(walk.nodes[one].step, walk.nodes[other].step),
            passages=len(passages),
            first=rfc3339(min(each.arrived_at for each in passages.values())),
            last=rfc3339(last.arrived_at),
            finds=_count_finds(passages),
            crossing_id=last.crossing_id,
            post=last.post,
        )


def _list_roles(entity: Entity, passages: Mapping[str, Passage]) -> list[PartyRole]:
    return sorted({role for one in passages.values() for role in one.roles_of(entity)})


def _count_finds(passages: Mapping[str, Passage]) -> int:
    return sum(one.found == "find" for one in passages.values())


_ATTRIBUTES = (
    ("kind", "node", "string"), ("value", "node", "string"), ("roles", "node", "string"),
    ("step", "node", "int"),
    ("total", "node", "int"), ("followed", "node", "int"), ("finds", "node", "int"),
    ("cut", "node", "string"),
    ("passages", "edge", "int"), ("first", "edge", "string"), ("last", "edge", "string"),
    ("finds_together", "edge", "int"),
)  # fmt: skip


def write_graphml(found: ConnectionsView) -> bytes:
    """Return the connections as GraphML (graphml.graphdrawing.org, 2002), in UTF-8."""
    root = Element("graphml", xmlns="http://graphml.graphdrawing.org/xmlns")
    for name, domain, kind in _ATTRIBUTES:
        key = {"id": name, "for": domain, "attr.name": name, "attr.type": kind}
        SubElement(root, "key", key)
    graph = SubElement(root, "graph", id=_clean(found.name), edgedefault="undirected")
    for one in found.connected:
        node = SubElement(graph, "node", id=_name_node(one.kind, one.value))
        _set(node, "roles", ";".join(one.roles))
        for name in ("kind", "value", "step", "total", "followed", "finds", "cut"):
            _set(node, name, getattr(one, name))
    for tie in found.connections:
        edge = SubElement(
            graph,
            "edge",
            source=_name_node(tie.one_kind, tie.one),
            target=_name_node(tie.other_kind, tie.other),
        )
        for name in ("passages", "first", "last"):
            _set(edge, name, getattr(tie, name))
        _set(edge, "finds_together", tie.finds)
    written: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _name_node(kind: str, value: str) -> str:
    return f"{kind}:{_clean(fold(value))}"


def _set(element: Element, name: str, value: object) -> None:
    if value is not None:
        SubElement(element, "data", key=name).text = _clean(str(value))


def _clean(text: str) -> str:
    """Return a text without what no XML may hold, such as half of a surrogate pair."""
    return "".join(one for one in text if one.isprintable() and not "\ud800" <= one <= "\udfff")


@dataclass(frozen=True, slots=True)
class DrawnNode:
    """A vehicle or a party in the drawing."""

    kind: EntityKind
    value: str
    step: int
    finds: int
    x: float = 0.0
    y: float = 0.0

    @property
    def key(self) -> Key:
        """What it is drawn once for."""
        return self.kind, self.value


@dataclass(frozen=True, slots=True)
class DrawnTie:
    """A line between two of them."""

    one: DrawnNode
    other: DrawnNode
    passages: int
    finds: int

    @property
    def width(self) -> float:
        """Of the line, thicker for more passages."""
        return min(1 + self.passages / 4, 6)


@dataclass(frozen=True, slots=True)
class GraphDrawing:
    """Where the SVG has its nodes: rings by step."""

    nodes: Sequence[DrawnNode]
    ties: Sequence[DrawnTie]
    left_out: int
    """How many more the tables have."""
    left: int = -60
    width: int = 1160

    @property
    def top(self) -> float:
        """Where the drawing begins."""
        return min((one.y for one in self.nodes), default=0) - 60

    @property
    def height(self) -> float:
        """From the first node to the last, with room for their names."""
        return max((one.y for one in self.nodes), default=0) + 60 - self.top


def draw_company(found: EntityView) -> GraphDrawing:
    """Return the drawing of an entity amid its company."""
    centre = DrawnNode(found.kind, found.value, 0, 0)
    others = [DrawnNode(one.kind, one.value, 1, one.finds) for one in found.companions]
    ties = [
        (centre.key, node.key, one.passages, one.finds)
        for node, one in zip(others, found.companions, strict=True)
    ]
    return _draw([centre, *others], ties)


def draw_connections(found: ConnectionsView) -> GraphDrawing:
    """Return the drawing of connections, those that the table has first."""
    ties = [
        ((tie.one_kind, tie.one), (tie.other_kind, tie.other), tie.passages, tie.finds)
        for tie in found.connections
    ]
    first: dict[Key, int] = {}
    for at, (one, other, *_) in enumerate(ties):
        first.setdefault(one, at)
        first.setdefault(other, at)
    nodes = [DrawnNode(one.kind, one.value, one.step, one.finds) for one in found.connected]
    return _draw(sorted(nodes, key=lambda one: (one.step, first.get(one.key, len(ties)))), ties)


def _draw(ranked: Sequence[DrawnNode], ties: Sequence[tuple[Key, Key, int, int]]) -> GraphDrawing:
    """Place the first ``MOST_DRAWN`` nodes on rings around those of step 0."""
    chosen = ranked[:MOST_DRAWN]
    places: dict[Key, DrawnNode] = {}
    for step in range(STEPS + 1):
        ring = [one for one in chosen if one.step == step]
        for at, one in enumerate(ring):
            angle = 2 * math.pi * at / len(ring) + 0.3 * step
            reach = (70 if len(ring) > 1 else 0) if step == 0 else 100 + 75 * step
            x, y = 520 + 1.65 * reach * math.cos(angle), 300 + reach * math.sin(angle)
            places[one.key] = replace(one, x=round(x, 1), y=round(y, 1))
    lines = [
        DrawnTie(places[one], places[other], passages, finds)
        for one, other, passages, finds in ties
        if one in places and other in places
    ]
    return GraphDrawing(list(places.values()), lines, len(ranked) - len(chosen))
