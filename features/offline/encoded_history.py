"""A history as one event log: every crossing encoded once, every stream as arrays of integers.

Assumes the tables of :mod:`features.history.tables`: validated, with a ``known_at`` for each
record. An event is visible to a crossing when it became known strictly before that crossing's
``as_of``; rows with equal times do not see each other.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine.domain.time_units import moment
from features.catalogue.encoder import FACTS
from features.catalogue.event_streams import (
    CROSSINGS,
    FINDS,
    INSPECTIONS,
    MEASURES,
    PASSED,
    SPREAD,
    scale_measure,
)
from features.catalogue.find_spread import ENTITIES, KINDS, Finds, known_since
from features.catalogue.find_spread import MEASURES as MEASURES_OF_SPREAD
from features.catalogue.find_spread import STREAMS as FIND_STREAMS
from features.catalogue.plan import Group, Plan
from features.catalogue.spec import Floats
from features.history.labels import TakingRow, act_events, find_events, read_takings
from features.history.record_rows import TIMES
from features.history.tables import Tables
from features.offline.column_encoder import encode_crossings
from features.offline.column_file import ScratchFile, StoredColumn
from features.offline.compact_columns import (
    FLOATS,
    WHOLE,
    Facts,
    Keys,
    Measures,
    Names,
    Texts,
    narrowest,
)
from features.offline.derived_measures import mark_sightings, pass_hits_on, stack_hits
from features.offline.spread_snapshots import SpreadInputs, spread_finds, store_spread

Ints = NDArray[np.int64]
CHUNK = 20_000
_PLATE = (("plate",), ("plate",))
_NAMED = (("containers",), ("containers",))
"""Read for the names of what crossed, and counted under by no feature."""


@dataclass(frozen=True, slots=True)
class Events:
    """One stream's events, in the order in which they became known.

    Attributes
    ----------
    known_at : int64 array of shape (m,)
        UTC microseconds, ascending.
    row : int64 array of shape (m,)
        The crossing each event belongs to, whose entities it is counted under.
    measures : mapping of str to int64 array of shape (m,)
        What each event adds to each counter, scaled.
    keys : mapping of tuple of str to int64 array of shape (m,), optional
        For events that are not counted under the entities of their crossing: the key of each under
        each combination, 0 where it is not counted there.
    parts : mapping of tuple of str to Events
        Of such a stream, the events that are counted under each combination, where they are apart.
    """

    known_at: Ints
    row: Ints
    measures: Mapping[str, Ints]
    keys: Mapping[tuple[str, ...], Ints] | None = None
    parts: Mapping[tuple[str, ...], "Events"] = field(default_factory=dict)

    def amounts(self, measure: str, rows: Ints | slice = slice(None)) -> Ints:
        """Return what events add to a measure: an int64 array of shape (m,), or of ``rows``."""
        if measure == "n" and "n" not in self.measures:
            return np.ones(len(self.row), np.int64)[rows]
        if isinstance(self.measures, Measures):
            return self.measures.pick(measure, rows)
        return self.measures[measure][rows]


@dataclass(frozen=True, slots=True)
class EncodedHistory:
    """All crossings of a history and all streams, ready for the bulk kernel.

    Attributes
    ----------
    crossing_id : Names, as an object array of shape (n,)
    post : object array of shape (n,)
    known_at, as_of : int64 array of shape (n,)
        When each crossing became known, and the cut of its features; ascending in ``known_at``.
    keys : Keys, as an int64 array of shape (n_lookups, n)
        Keys each crossing is counted under and looks up, 0 where not known.
    facts : Facts, as a float64 array of shape (n_facts, n)
        NaN where unknown.
    plate_key : int64 array of shape (n,)
        Key of the folded plate, 0 where none was read.
    streams : mapping of str to Events
    takings : sequence of TakingRow
        Of crossings with finds of their acts.
    """

    crossing_id: Names
    post: NDArray[np.object_]
    known_at: Ints
    as_of: Ints
    keys: Keys
    facts: Facts
    plate_key: Ints
    streams: Mapping[str, Events]
    takings: Sequence[TakingRow] = ()

    def __len__(self) -> int:
        return len(self.crossing_id)

    @property
    def ends(self) -> int:
        """Time by which everything of it is known and read, UTC microseconds; 0 where it is empty.

        Strictly before it lies whatever one of its crossings could see.
        """
        return 1 + int(max(self.as_of.max(), self.known_at[-1])) if len(self) else 0

    def events_of(self, group: Group) -> Events:
        """Return the events of a group: those of its stream, of which some may not be counted."""
        events = self.streams[group.stream]
        return events.parts.get(group.by, events)

    def event_keys(self, plan: Plan, group: Group) -> Ints:
        """Return the keys under which the events of a group are counted.

        An int64 array of shape (m,), one an event of :meth:`events_of`; 0 where it is not counted.
        """
        events = self.events_of(group)
        if events.keys is not None:
            return events.keys[group.by]
        return self.keys_under(plan, group.by)[events.row]

    def keys_under(self, plan: Plan, by: tuple[str, ...]) -> Ints:
        """Return the key of each crossing under a combination of entities: int64, shape (n,)."""
        keys: Ints = self.keys[plan.column[by, by]]
        return keys


def read_log(
    tables: Tables,
    plan: Plan,
    progress: Callable[[int, int], None] | None = None,
    *,
    before: int | None = None,
) -> EncodedHistory:
    """Encode a history for the combinations of entities that a plan wants.

    Crossings are sorted by ``known_at``; a column ``as_of`` says where features were cut earlier
    than the record became known, as it is for decisions of the running service. ``progress`` is
    called with the number of rows done and the number of all. Snapshots are made that are known
    ``before`` a time, UTC microseconds; default: those that its crossings see.
    """
    return derive(encode_history(tables, plan, progress), plan, before=before)


def encode_history(
    tables: Tables,
    plan: Plan,
    progress: Callable[[int, int], None] | None = None,
    *,
    scratch: ScratchFile | None = None,
    is_read_whole: bool = False,
) -> EncodedHistory:
    """Encode the records of a history without what depends on the past; see :func:`read_log`.

    With :func:`derive` apart, the tables can be let go before more is made of them. Facts lie in
    the file ``scratch``, and so do entities, and keys that do not fit into memory. Facts that are
    carried from one crossing to the next stay in memory, where they are not ``is_read_whole``, a
    column at a time: a few rows of each would be read from everywhere.
    """
    n = tables.crossings.num_rows
    acts, finds = act_events(tables), find_events(tables)  # before there is more in memory
    carried = {read.measure for read in plan.reads if read.is_last and not is_read_whole}
    facts: dict[str, NDArray[Any] | StoredColumn] = {}

    def keep(name: str, values: Floats) -> None:
        column = narrowest(values, FLOATS)
        facts[name] = column if scratch is None or name in carried else scratch.store(column)
        if progress is not None:
            progress(n * len(facts) // len(FACTS), n)

    entities = encode_crossings(tables, tables.network, keep)
    wanted = {name for of, _ in (*plan.lookups, _PLATE, _NAMED) for name in of}
    entities = {name: _store_codes(entities[name], scratch) for name in sorted(wanted)}
    held = Facts([facts[name] for name in FACTS])
    known_at = ints(tables.crossings["known_at"])
    names = tables.crossings.column_names
    measured = {name: narrowest(scale_measure(name, held), WHOLE) for name in MEASURES}
    post = pc.dictionary_encode(tables.crossings["post"]).combine_chunks()
    return EncodedHistory(
        Names(tables.crossings["crossing_id"]),
        post.dictionary.to_numpy(zero_copy_only=False)[post.indices.to_numpy()],
        known_at,
        ints(tables.crossings["as_of"]) if "as_of" in names else known_at,
        Keys(plan.lookups, entities, n, scratch=scratch),
        held,
        Keys((_PLATE,), entities, n)[0],
        {
            CROSSINGS.name: Events(known_at, np.arange(n), Measures(measured)),
            INSPECTIONS.name: Events(*acts),
            FINDS.name: Events(*finds),
        },
        read_takings(tables),
    )


def _store_codes(texts: Texts, scratch: ScratchFile | None) -> Texts:
    codes: Any = texts.codes if scratch is None else scratch.store(texts.codes)
    return replace(texts, codes=codes)


def derive(
    log: EncodedHistory,
    plan: Plan,
    *,
    before: int | None = None,
    scratch: ScratchFile | None = None,
) -> EncodedHistory:
    """Add what depends on the past: measures of crossings, hits passed on, and finds spread.

    Snapshots are made that are known ``before`` a time; see :func:`read_log`. They lie in the file
    ``scratch``.
    """
    crossings, inspections = log.streams[CROSSINGS.name], log.streams[INSPECTIONS.name]
    measures = {name: narrowest(found, WHOLE) for name, found in crossings.measures.items()}
    for name in plan.derived:
        seen = CROSSINGS.derived[name]
        found = mark_sightings(log.keys[plan.column[seen.by, seen.by]], log.known_at, seen)
        measures[name] = narrowest(found, WHOLE)
    streams = {
        CROSSINGS.name: replace(crossings, measures=Measures(measures)),
        PASSED.name: _passed_hits(plan, log.keys, log.known_at, inspections),
        SPREAD.name: _spread_finds(log, plan, log.ends if before is None else before, scratch),
    }
    return replace(log, streams={**log.streams, **streams})


def _passed_hits(plan: Plan, keys: Keys, known_at: Ints, inspections: Events) -> Events:
    """Hits passed on along the links of a plan, as a stream of their own."""
    hits = np.flatnonzero(inspections.measures["hit"])
    row, at = inspections.row[hits], inspections.known_at[hits]
    sign = np.asarray(inspections.measures["hit"])[hits]
    linked_at = known_since(at, row, sign)

    def column(entity: str) -> Ints:
        found: Ints = keys[plan.column[(entity,), (entity,)]]
        return found

    parts = [
        pass_hits_on(column(link.via), column(link.to), known_at, hit_row=row, hit_at=linked_at)
        for link in plan.links
    ]
    way, hit, other = stack_hits(parts, at)
    measures = {link.measure: np.zeros(len(way), np.int64) for link in plan.links}
    under: dict[tuple[str, ...], Ints] = {
        (link.to,): np.zeros(len(way), np.int64) for link in plan.links
    }
    for number, link in enumerate(plan.links):
        measures[link.measure][way == number] = sign[hit][way == number]
        under[(link.to,)][way == number] = other[way == number]
    return Events(at[hit], row[hit], measures, under)


def _spread_finds(
    log: EncodedHistory, plan: Plan, before: int, scratch: ScratchFile | None
) -> Events:
    """Snapshots of finds spread along links, where features of a plan read them."""
    inputs = spread_inputs(log, plan)
    if scratch is None:
        return to_spread_events(*spread_finds(inputs, before=before))
    stored: Any = store_spread(inputs, scratch, before=before)  # read as arrays are
    whole, *kinds = (to_spread_events(*columns) for columns in stored)
    return replace(whole, parts={(name,): one for name, one in zip(ENTITIES, kinds, strict=True)})


def spread_inputs(log: EncodedHistory, plan: Plan, *, first: int = 0) -> SpreadInputs:
    """Return what snapshots of a history are made of; nothing where no feature reads them.

    ``first`` is the number of the first crossing, where a history comes in parts.
    """
    rows = len(log) if plan.spread else 0
    keys = np.zeros((len(ENTITIES), rows), np.int64)
    for place, name in enumerate(ENTITIES if rows else ()):
        keys[place] = log.keys[plan.column[(name,), (name,)]]
    finds = {kind: _merge_finds(log, counted, first) for kind, counted in KINDS.items()}
    return SpreadInputs(keys, log.known_at[:rows], finds if rows else {})


class SpreadKeys(Mapping[tuple[str, ...], Ints]):
    """Keys of snapshots by kind of entity, each made on demand: every event has one of six.

    Parameters
    ----------
    entity, key : integer array of shape (m,)
        The place of each event's entity in ``ENTITIES``, and its key.
    """

    def __init__(self, entity: NDArray[Any], key: Ints) -> None:
        self._entity, self._key = entity, key

    def __getitem__(self, by: tuple[str, ...]) -> Ints:
        return np.where(self._entity[:] == ENTITIES.index(by[0]), self._key[:], 0)

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        return ((name,) for name in ENTITIES)

    def __len__(self) -> int:
        return len(ENTITIES)


def to_spread_events(
    known_at: Ints, entity: NDArray[Any], key: Ints, change: Sequence[NDArray[Any]] | NDArray[Any]
) -> Events:
    """Return snapshots, as :func:`spread_finds` makes them, as a stream.

    Parameters
    ----------
    known_at, entity, key : array of shape (changes,)
        UTC microseconds; the place of the entity's kind; the entity.
    change : array of shape (measures, changes)
        By how much each value changes.
    """
    measures = Measures(dict(zip(MEASURES_OF_SPREAD, change, strict=True)))
    row = np.broadcast_to(np.int64(0), len(known_at))  # they belong to no crossing
    return Events(known_at, row, measures, SpreadKeys(entity, key))


def _merge_finds(log: EncodedHistory, counted: Sequence[tuple[str, str]], first: int) -> Finds:
    """Join the finds that several streams count, in the order in which they became known."""
    parts = [log.streams[stream] for stream, _ in counted]
    amounts = [events.amounts(name) for events, (_, name) in zip(parts, counted, strict=True)]
    known_at = np.concatenate([one.known_at for one in parts])
    place = np.repeat(np.arange(len(parts)), [len(one.row) for one in parts])
    source = (np.concatenate([one.row for one in parts]) + first) * FIND_STREAMS + place
    order = np.argsort(known_at, kind="stable")
    return Finds(known_at[order], source[order], np.concatenate(amounts)[order])


def ints(column: Any) -> Ints:
    """Return a pyarrow.ChunkedArray of n int64 without nulls as an int64 array of shape (n,)."""
    return np.asarray(column.to_numpy(), np.int64)


def arrivals(tables: Tables) -> Iterator[tuple[Any, Any]]:
    """Yield each crossing with its declaration, None where it has none; in the tables' order."""
    declared = pc.index_in(
        tables.crossings["declaration_id"], tables.declarations["declaration_id"]
    )
    owner = pc.index_in(tables.goods_items["declaration_id"], tables.declarations["declaration_id"])
    starts = np.searchsorted(owner.to_numpy(), np.arange(tables.declarations.num_rows + 1))
    for begin in range(0, tables.crossings.num_rows, CHUNK):
        crossings = _records(tables.crossings.slice(begin, CHUNK))
        wanted = declared.slice(begin, CHUNK)
        places = pc.unique(pc.drop_null(wanted)).to_numpy()
        heads = dict(zip(places, _declarations(tables, places, starts), strict=True))
        for crossing, place in zip(crossings, wanted.to_pylist(), strict=True):
            yield crossing, None if place is None else heads[place]


def _declarations(tables: Tables, places: Ints, starts: Ints) -> Iterator[Any]:
    firsts, lasts = starts[places], starts[places + 1]
    wanted = [np.arange(a, b) for a, b in zip(firsts, lasts, strict=True)]
    rows = pa.array(np.concatenate(wanted) if wanted else np.empty(0, np.int64))
    items = iter(list(_records(tables.goods_items.take(rows))))
    heads = _records(tables.declarations.take(pa.array(places)))
    for head, count in zip(heads, lasts - firsts, strict=True):
        head.items = [next(items) for _ in range(count)]
        yield head


def _records(table: pa.Table) -> Iterator[Any]:
    """Yield a table's rows as objects with its columns as attributes, times as datetimes."""
    names = table.column_names
    columns = [table[name].to_pylist() for name in names]
    for place, name in enumerate(names):
        if name in TIMES:
            columns[place] = [None if t is None else moment(t) for t in columns[place]]
    for values in zip(*columns, strict=True):
        yield SimpleNamespace(**dict(zip(names, values, strict=True)))
