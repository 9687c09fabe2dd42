"""History of a vehicle and its parties before a time, for display.

All of it comes from the counters behind the features, with the same strict ``<``: a reviewer sees
what a feature could have known. A count between two times is the difference of two seeks, however
often an entity crossed; acts and finds are rare, and the last of them are read. Counters hold keys
and times, no names: the caller supplies the names.

Tied entities are those along which hits are passed on (:mod:`features.online.crossing_index`), with
the same bound: other drivers of the vehicle, other vehicles of its driver, other consignees of its
carrier, and so on. A tied entity is known by its key and by the time of the crossing that tied it,
at which the records hold its name.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal, get_args

from sqlalchemy import Connection, select

from engine.domain.time_units import WEEK
from features.catalogue.event_streams import CROSSINGS, FINDS, INSPECTIONS, PASSED
from features.catalogue.plan import Group, Plan
from features.catalogue.spec import FAN_OUT
from features.online.counter_states import WEEKS, StateLayout, list_layouts
from features.online.counter_store import latest, newest
from features.online.crossing_index import PASSAGES, TieLookup, follow_tie, list_ways

Whose = Literal["plate", "trailer", "driver", "carrier", "consignee", "declarant"]
WHOSE: tuple[Whose, ...] = get_args(Whose)
"""Entities whose past is shown, in the order in which they are."""
MOST_EVENTS = 40
"""Events of one kind read for one entity, the last of them."""
MOST_CROSSINGS = 12
"""Crossings of the vehicle that are listed, the last of them."""

Kind = Literal["clear", "find", "seizure", "elsewhere", "passed"]
Asked = tuple[Group, int, int]
"""(group, entity key, cut): what had been counted strictly before the cut."""


@dataclass(frozen=True, slots=True)
class EntityEvent:
    """Something that became known about an entity."""

    known_at: int
    """UTC microseconds."""
    kind: Kind
    """An act that found nothing, something, or led to a seizure; goods found elsewhere and linked
    back; a hit passed on from a linked entity."""
    count: int


@dataclass(frozen=True, slots=True)
class EntityHistory:
    """What was known of one entity."""

    whose: Whose
    weeks: tuple[int, ...]
    """Crossings in each of the last ``WEEKS`` weeks, the oldest first."""
    ever: int
    """Crossings ever known."""
    totals: Mapping[Kind, int]
    """Events of each kind within these weeks, whether listed or not. A trailer and a declarant
    have seizures counted among their finds."""
    events: tuple[EntityEvent, ...]
    """The last of them, the newest first."""


@dataclass(frozen=True, slots=True)
class EarlierCrossing:
    """An earlier crossing of the vehicle."""

    crossing_id: str
    post: str
    is_entry: bool
    arrived_at: int
    """UTC microseconds."""


class EntityHistoryReader:
    """Reads the counters of a plan for display."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._layouts = list_layouts(plan)

    @cached_property
    def streams(self) -> Mapping[str, tuple[str, ...]]:
        """Streams counted under a single entity, by entity."""
        found: dict[str, tuple[str, ...]] = {}
        for group in self.plan.groups:
            if len(group.by) == 1:
                found[group.by[0]] = (*found.get(group.by[0], ()), group.stream)
        return found

    def key(self, keys: Sequence[int], *by: str) -> int:
        """Return the key of a combination of entities among a crossing's keys, 0 if not known."""
        return keys[self.plan.column[by, by]]

    def read_sums(self, connection: Connection, asked: Sequence[Asked]) -> list[dict[str, int]]:
        """Return the sums of entities before cuts, each a (group, key, cut), in one statement.

        By measure since the first event; zeros where there was none. The connection holds one
        snapshot.
        """
        found = [self._layouts[group] for group, _, _ in asked]
        lookups = [
            (layout.number, key, cut) for layout, (_, key, cut) in zip(found, asked, strict=True)
        ]
        states = latest(connection, lookups)
        return [_sums(layout, state) for layout, state in zip(found, states, strict=True)]

    def past(
        self, connection: Connection, keys: Sequence[int], *, as_of: int
    ) -> list[EntityHistory]:
        """Return what was known of a crossing's entities, in the order of ``WHOSE``.

        An unknown entity is absent. ``keys`` has the crossing's n_lookups keys in the plan's order,
        0 where not known. Records known at or after ``as_of`` (UTC microseconds) are invisible; the
        connection holds one snapshot.
        """
        cuts = [as_of - back * WEEK for back in range(WEEKS, -1, -1)]
        known = [(whose, key) for whose in WHOSE if (key := self.key(keys, whose))]
        asked = [(Group(CROSSINGS.name, (who,)), key, cut) for who, key in known for cut in cuts]
        counts = [sums["n"] for sums in self.read_sums(connection, asked)]
        found = []
        for place, (whose, key) in enumerate(known):
            own = counts[place * len(cuts) : (place + 1) * len(cuts)]
            weeks = tuple(after - before for before, after in pairwise(own))
            totals, events = self._events(connection, whose, key, since=cuts[0], until=as_of)
            found.append(EntityHistory(whose, weeks, own[-1], totals, events))
        return found

    def _events(
        self, connection: Connection, whose: str, key: int, *, since: int, until: int
    ) -> tuple[dict[Kind, int], tuple[EntityEvent, ...]]:
        groups = [
            Group(stream, (whose,))
            for stream in (INSPECTIONS.name, FINDS.name, PASSED.name)
            if stream in self.streams[whose]
        ]
        cuts = (since, until)
        ends = self.read_sums(connection, [(group, key, cut) for group in groups for cut in cuts])
        totals: dict[Kind, int] = {}
        events: list[EntityEvent] = []
        for place, group in enumerate(groups):
            before, after = ends[2 * place : 2 * place + 2]
            for kind, count in _yield_events(group.stream, before, after):
                totals[kind] = totals.get(kind, 0) + count
            events += self._yield_last(connection, group, key, since=since, until=until)
        events.sort(key=lambda one: one.known_at, reverse=True)
        return totals, tuple(events[:MOST_EVENTS])

    def _yield_last(
        self, connection: Connection, group: Group, key: int, *, since: int, until: int
    ) -> Iterator[EntityEvent]:
        """Yield the last events of a group; each row less the one before it is one event.

        A row that makes an earlier find a seizure, or a seizure a find, is no event of its own: the
        earlier one is listed as what it became.
        """
        layout = self._layouts[group]
        rows = newest(connection, (layout.number, key), before=until, most=MOST_EVENTS + 1)
        became_finds = 0
        for place, (known_at, state) in enumerate(rows[:MOST_EVENTS]):
            if known_at < since:
                return
            older = rows[place + 1][1] if place + 1 < len(rows) else None
            result = dict(_yield_events(group.stream, _sums(layout, older), _sums(layout, state)))
            if set(result) == {"find", "seizure"} and not sum(result.values()):
                became_finds += result["find"]
                continue
            if became_finds and set(result) == {"seizure" if became_finds > 0 else "find"}:
                result = {"find" if became_finds > 0 else "seizure": sum(result.values())}
                became_finds -= 1 if became_finds > 0 else -1
            for kind, count in result.items():
                if count > 0:
                    yield EntityEvent(known_at, kind, count)


def passages(connection: Connection, plate: int, *, as_of: int) -> list[EarlierCrossing]:
    """Return the last crossings of a vehicle known before ``as_of``, the newest first.

    ``plate`` is the plate's key, ``as_of`` in UTC microseconds; the connection holds one snapshot.
    """
    column = PASSAGES.c
    query = (
        select(column.crossing_id, column.post, column.is_entry, column.arrived_at)
        .where(column.plate_key == plate, column.known_at < as_of)
        .order_by(column.arrived_at.desc(), column.crossing_id.desc())
        .limit(MOST_CROSSINGS)
    )
    return [EarlierCrossing(*row) for row in connection.execute(query)]


def _sums(layout: StateLayout, state: bytes | None) -> dict[str, int]:
    packed = layout.packing.unpack(layout.empty if state is None else state)
    return dict(zip(layout.sums, packed, strict=False))


def _yield_events(
    stream: str, before: Mapping[str, int], after: Mapping[str, int]
) -> Iterator[tuple[Kind, int]]:
    """Yield what events a difference of sums says there were.

    A later act that finds what the first did not adds a hit and no inspection.
    """
    step = {name: after[name] - before[name] for name in after}
    if stream == FINDS.name:
        kinds: dict[Kind, int] = {"elsewhere": step["n"]}
    elif stream == PASSED.name:
        kinds = {"passed": sum(step.values())}
    else:
        seizures = step.get("seizure", 0)
        kinds = {
            "clear": step["n"] - step["hit"],
            "find": step["hit"] - seizures,
            "seizure": seizures,
        }
    yield from ((kind, count) for kind, count in kinds.items() if count)


SHOWN = 3
"""Entities shown of one link: those with most finds first, then those linked last."""


@dataclass(frozen=True, slots=True)
class TiedEntity:
    """A linked entity, and what was known of it."""

    key: int
    since: int
    """When the link became known, UTC microseconds."""
    crossings: int
    inspected: int
    hits: int


@dataclass(frozen=True, slots=True)
class TieGroup:
    """All that are linked to a crossing in one way."""

    via: str
    """The crossing's own entity that links them."""
    to: str
    """Kind of the linked entities."""
    known: int
    """How many of the last ``FAN_OUT`` linked."""
    is_bounded: bool
    """There may be more: the bound was reached."""
    passed: int
    """Hits that came along these links to the crossing's own ``to``, ever."""
    fellows: tuple[TiedEntity, ...]


@dataclass(frozen=True, slots=True)
class CoOccurrence:
    """Two entities of the crossing, and how often they had crossed together before."""

    one: str
    other: str
    crossings: int


def read_tie_groups(
    reader: EntityHistoryReader, connection: Connection, keys: Sequence[int], *, as_of: int
) -> list[TieGroup]:
    """Return the entities linked to those of a crossing.

    Links whose ``via`` is not known are absent. ``keys`` has the crossing's n_lookups keys in the
    plan's order, 0 where not known. A link known at or after ``as_of`` (UTC microseconds) is not
    seen; the connection holds one snapshot.
    """
    found = []
    for way in list_ways(reader.plan):
        if not keys[way.via]:
            continue
        others = follow_tie(connection, way, keys, before=as_of)
        fellows = _fellows(reader, connection, way, others, as_of=as_of)
        passed = 0
        if keys[way.to]:
            asked = [(Group(PASSED.name, (way.link.to,)), keys[way.to], as_of)]
            passed = reader.read_sums(connection, asked)[0][way.link.measure]
        link, many = way.link, len(others) == FAN_OUT
        found.append(TieGroup(link.via, link.to, len(others), many, passed, fellows[:SHOWN]))
    return found


def count_co_occurrences(
    reader: EntityHistoryReader, connection: Connection, keys: Sequence[int], *, as_of: int
) -> list[CoOccurrence]:
    """Return how often pairs of a crossing's entities had crossed together; unknown pairs absent.

    ``keys`` and ``as_of`` are those of :func:`read_link_groups`.
    """
    pairs = sorted({way.link.pair for way in list_ways(reader.plan)})
    known = [pair for pair in pairs if reader.key(keys, *pair)]
    asked = [(Group(CROSSINGS.name, pair), reader.key(keys, *pair), as_of) for pair in known]
    counts = reader.read_sums(connection, asked)
    return [
        CoOccurrence(one, other, sums["n"])
        for (one, other), sums in zip(known, counts, strict=True)
    ]


def _fellows(
    reader: EntityHistoryReader,
    connection: Connection,
    way: TieLookup,
    others: Sequence[tuple[int, int]],
    *,
    as_of: int,
) -> tuple[TiedEntity, ...]:
    asked = [
        (Group(stream, (way.link.to,)), key, as_of)
        for key, _ in others
        for stream in (CROSSINGS.name, INSPECTIONS.name)
    ]
    sums = reader.read_sums(connection, asked)
    made = [
        TiedEntity(key, since, sums[2 * at]["n"], sums[2 * at + 1]["n"], sums[2 * at + 1]["hit"])
        for at, (key, since) in enumerate(others)
    ]
    return tuple(sorted(made, key=lambda one: -one.hits))  # stable: those linked last stay first
