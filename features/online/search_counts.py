"""Counts of searches and finds by place in the vehicle, of vehicles that have something in common.

Counted are all vehicles, those of a class, those as laden or as empty too, and of a class those
with one body, with goods of one group, and on one way through one post.

Everything counts once a vehicle: a second act on it adds only further places, and a find makes its
place a searched one. So the counts do not depend on the order in which acts and finds became known,
and a whole history, counted at once, gives the same as one record after another. They are read in a
decision's snapshot: later records are not among them.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Column, Connection, String, Table, Text, bindparam, delete

from engine.ports import ActEvent, FindEvent
from engine.search_orders.rates import (
    ALL,
    BODY,
    CLASS,
    CORRIDOR,
    GOODS,
    LOAD,
    SCOPES,
    SearchCounts,
    any_of,
    count_places,
    goods_group,
)
from engine.storage.database import (
    METADATA,
    Int64,
    execute_rows,
    fetch_rows_among,
    insert_rows,
    upsert_rows,
)
from features.catalogue.encoder import key
from features.offline.derived_measures import order_by_key

Ints = NDArray[np.int64]

SEARCHED_PLACES = Table(
    "searched_places",
    METADATA,
    Column("crossing_id", String, primary_key=True),
    Column("searched", Text, nullable=False),
    Column("found", Text, nullable=False),
)
"""Where each searched vehicle was searched, and where something was found: codes, semicolons."""
PLACE_COUNTS = Table(
    "place_counts",
    METADATA,
    Column("entity", Int64, primary_key=True, autoincrement=False),
    Column("counts", Text, nullable=False),
)
"""By key of what vehicles have in common: a JSON object of [searched, found] by place code."""
AT_ONCE = 2_000
"""Vehicles that are counted together."""
_LOOKED_UP = 8_192
"""Rows asked for in one statement: SQLite takes 32,766 parameters."""

Sums = dict[str, list[int]]
"""[searched, found] by place code."""


@dataclass(frozen=True, slots=True)
class SearchedVehicle:
    """Places of a vehicle that one or more records name as searched."""

    crossing_id: str
    vehicle: str
    """What it is: ``features.catalogue.event_streams.vehicles``."""
    searched: Sequence[str]
    found: Sequence[str] = ()
    is_whole: bool = False
    """These are all places of the vehicle: those counted before are taken back."""


def named_places(event: ActEvent | FindEvent) -> tuple[Sequence[str], Sequence[str]]:
    """Return the places that an act or a find names as searched, and as having held something."""
    if isinstance(event, ActEvent):
        return event.places, ()
    place = () if event.place is None else (event.place,)
    return place, place


def read_searches(connection: Connection, vehicle: str) -> SearchCounts:
    """Return what is known of the places of such a vehicle, in one read."""
    scopes = _scopes(vehicle)
    known = dict(_rows(connection, _COUNTS, list(scopes.values())))
    counts = {
        scope: {place: (n, hits) for place, (n, hits) in json.loads(known[entity]).items()}
        for scope, entity in scopes.items()
        if entity in known
    }
    return SearchCounts(counts)


def count_history(connection: Connection, looked: Iterable[SearchedVehicle]) -> None:
    """Count a whole history where nothing is counted, inside the writer's transaction.

    The rows are those that :func:`count_searches` gives.
    """
    entities: list[list[int]] = []
    now: dict[str, Places] = {}
    for one in looked:
        if one.crossing_id not in now:
            scopes = _scopes(one.vehicle)
            entities.append([scopes.get(scope, 0) for scope in SCOPES])
        searched, found = now.setdefault(one.crossing_id, (set(), set()))
        searched |= {*one.searched, *one.found}
        found |= {*one.found}
    insert_rows(connection, SEARCHED_PLACES, _texts(now, {}))
    columns = np.array(entities, np.int64).reshape(-1, len(SCOPES)).T
    steps = _StepColumns(now.values())
    for entity in columns:
        insert_rows(connection, PLACE_COUNTS, steps.count_by(entity))


def count_searches(connection: Connection, looked: Sequence[SearchedVehicle]) -> None:
    """Add what records say about places, inside the writer's transaction."""
    for begin in range(0, len(looked), AT_ONCE):
        _count(connection, looked[begin : begin + AT_ONCE])


def _count(connection: Connection, looked: Sequence[SearchedVehicle]) -> None:
    names = list({one.crossing_id for one in looked})
    had = {
        name: (_codes(searched), _codes(found))
        for name, searched, found in _rows(connection, _SEARCHED, names)
    }
    now = dict(had)
    more: dict[int, Sums] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    for one in looked:
        before = now.get(one.crossing_id, (set(), set()))
        had_before = (set(), set()) if one.is_whole else before
        after = had_before[0] | {*one.searched, *one.found}, had_before[1] | {*one.found}
        now[one.crossing_id] = after
        steps = list(_steps(before, after))
        for entity in _scopes(one.vehicle).values():
            for place, searched, found in steps:
                sums = more[entity][place]
                sums[0] += searched
                sums[1] += found
    upsert_rows(connection, SEARCHED_PLACES, _texts(now, had))
    none = [{"which": name} for name, (left, _) in now.items() if not left and name in had]
    execute_rows(connection, _NO_PLACES, none)
    _add(connection, more)


def _scopes(vehicle: str) -> Mapping[str, int]:
    """Return the keys under which a vehicle's places are counted, by scope."""
    kind, load, body, chapter, way = vehicle.split(":")
    scopes = {
        ALL: key("places"),
        CLASS: key("places", kind),
        LOAD: key("places", kind, load),
    }
    if body:
        scopes[BODY] = key("places", kind, BODY, body)
    if chapter:
        scopes[GOODS] = key("places", kind, GOODS, goods_group(int(chapter)))
    if way:
        scopes[CORRIDOR] = key("places", kind, CORRIDOR, way)
    return scopes


def forget(connection: Connection) -> None:
    """Delete all counts of places, so that a whole history can be counted again."""
    connection.execute(delete(SEARCHED_PLACES))
    connection.execute(delete(PLACE_COUNTS))


Places = tuple[set[str], set[str]]
"""(searched, found) of one vehicle."""


def _steps(before: Places, after: Places) -> Iterator[tuple[str, int, int]]:
    """Yield (place or group, searched, found) for everything that counts for the first time.

    And, with -1, for what a correction takes back.
    """
    searched, found = (count_places(b) for b in before)
    now, hits = (count_places(b) for b in after)
    for place in sorted((now ^ searched) | (hits ^ found)):
        yield place, (place in now) - (place in searched), (place in hits) - (place in found)


def _texts(now: Mapping[str, Places], had: Mapping[str, Places]) -> list[tuple[str, str, str]]:
    return [
        (name, ";".join(sorted(searched)), ";".join(sorted(found)))
        for name, (searched, found) in now.items()
        if had.get(name) != (searched, found) and searched
    ]


def _codes(text: str) -> set[str]:
    return set(text.split(";")) if text else set()


def _add(connection: Connection, more: Mapping[int, Sums]) -> None:
    """Add to the counts of some entities."""
    known = dict(_rows(connection, _COUNTS, list(more)))
    rows = {
        entity: _plus(json.loads(known.get(entity, "{}")), sums) for entity, sums in more.items()
    }
    texts = {e: _write_json(s) for e, s in rows.items() if s}
    upsert_rows(connection, PLACE_COUNTS, list(texts.items()))
    execute_rows(connection, _NO_COUNTS, [{"which": e} for e, s in rows.items() if not s])


def _write_json(sums: Sums) -> str:
    return json.dumps(sums, sort_keys=True, separators=(",", ":"))


class _StepColumns:
    """What counts of n vehicles, in columns."""

    def __init__(self, places: Collection[Places]) -> None:
        names = sorted(count_places({place for searched, _ in places for place in searched}))
        number = {name: at for at, name in enumerate(names)}
        self._names = [json.dumps(name) for name in names]
        whole = np.array([number[any_of(name)] for name in names], np.int64)

        searched, found = (
            _number_places([each[which] for each in places], number, whole) for which in range(2)
        )
        searched = searched[np.argsort(searched % max(1, len(names)), kind="stable")]  # by place
        self._vehicle, self._place = np.divmod(searched, max(1, len(names)))
        self._searched, self._found = np.ones_like(searched), np.isin(searched, found).astype(int)

    def count_by(self, entity: Ints) -> list[tuple[int, str]]:
        """Return the rows of counts by entity.

        Parameters
        ----------
        entity : int64 array of shape (n,)
            Key of each vehicle's, 0 where not known.
        """
        known = np.flatnonzero(entity[self._vehicle])
        of = entity[self._vehicle[known]]
        order = known[order_by_key(of)]
        of, place = entity[self._vehicle[order]], self._place[order]
        if not len(of):
            return []
        starts = np.flatnonzero(np.r_[True, (of[1:] != of[:-1]) | (place[1:] != place[:-1])])
        of, place = of[starts], place[starts]
        searched, found = (np.add.reduceat(x[order], starts) for x in (self._searched, self._found))
        texts = self._write_counts(place, searched, found)
        begins = np.flatnonzero(np.r_[True, of[1:] != of[:-1]])
        bounds = pairwise([*begins.tolist(), len(of)])
        return [
            (key, f"{{{','.join(texts[begin:end])}}}")
            for key, (begin, end) in zip(of[begins].tolist(), bounds, strict=True)
        ]

    def _write_counts(self, place: Ints, searched: Ints, found: Ints) -> list[str]:
        """Return counts as they stand in JSON, arrays of shape (m,): most are written once."""
        bases = 1 + int(searched.max()), 1 + int(found.max())
        code = (place * bases[0] + searched) * bases[1] + found
        distinct, which = np.unique(code, return_inverse=True)
        left, hits = np.divmod(distinct, bases[1])
        columns = (x.tolist() for x in (*np.divmod(left, bases[0]), hits))
        texts = [f"{self._names[at]}:[{n},{hits}]" for at, n, hits in zip(*columns, strict=True)]
        return [texts[at] for at in which.tolist()]


def _number_places(sets: Sequence[set[str]], number: Mapping[str, int], whole: Ints) -> Ints:
    """Return the places of each set and their groups, each once.

    ``number`` is that of a place, ``whole`` that of each one's group, an int64 array of shape (p,).
    Returned are, ascending, the number of the set times p plus that of the place or group.
    """
    of = np.repeat(np.arange(len(sets)), [len(each) for each in sets])
    at = np.array([number[place] for place in chain.from_iterable(sets)], np.int64)
    found = np.sort(np.r_[of * len(whole) + at, of * len(whole) + whole[at]])
    # np.unique would put them into a table, which takes ten times as long.
    once: Ints = found[np.r_[True, found[1:] != found[:-1]][: len(found)]]
    return once


def _plus(one: Sums, other: Sums) -> Sums:
    out = dict(one)
    for name, (first, second) in other.items():
        had = out.get(name, (0, 0))
        out[name] = [had[0] + first, had[1] + second]
    return {name: sums for name, sums in out.items() if any(sums)}


_NO_PLACES = delete(SEARCHED_PLACES).where(SEARCHED_PLACES.c.crossing_id == bindparam("which"))
_NO_COUNTS = delete(PLACE_COUNTS).where(PLACE_COUNTS.c.entity == bindparam("which"))
_COUNTS = "SELECT entity, counts FROM place_counts WHERE entity"
_SEARCHED = "SELECT crossing_id, searched, found FROM searched_places WHERE crossing_id"


def _rows(connection: Connection, sql: str, keys: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """Find the rows with these keys."""
    for begin in range(0, len(keys), _LOOKED_UP):
        yield from fetch_rows_among(connection, sql, keys[begin : begin + _LOOKED_UP])
