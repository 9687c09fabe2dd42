"""Counters of a whole history: their backfill, the epoch that a load opens, their recount.

The rows of a backfill equal those that single appends would have written: cumulative sums by entity
in the order in which events became known, ties in time folded into one row.

A load is anchored in the journal, and counters start from it, in one transaction under the writer's
lock: a decision's ``epoch`` always says which history its counters held. A history that joins later
opens a new epoch: everything is counted again, the journal's own records included. Records that a
running service makes while the history is being encoded are counted on top, under the same lock.

A recount checks the counters of the store by one backfill of all records; the same records give the
same rows (``tests/unit/features/online/test_parity_replay.py``). Data that the last load replaced
(inspection minutes, names of loaded reports) is derived as that load derived it, from the records
known then. A recount reads only loads that a record names, under the network that was declared
last: a load or a network file without a record is a fault of its own and moves nothing here.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import chain, repeat
from typing import Any, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sqlalchemy import Connection, delete, func, insert, select

from engine.audit.file_anchors import (
    DeclaredNetwork,
    parse_network,
    read_declared_networks,
    read_load_anchors,
    read_replaced_loads,
)
from engine.criteria.policy import read_goods_classes
from engine.decision.inspection_minutes import Taught, lessons_of, relearn, teach
from engine.domain.network import IdentifierField, Network
from engine.domain.time_units import DAY
from engine.errors import RiskError
from engine.journal.entries import Draft, Entry, JournalRecord, Projection
from engine.journal.idempotency import inspection_name, seizure_name
from engine.journal.journal import JOURNAL, Journal, JournalReader
from engine.journal.kinds import CROSSING, DECISION, HISTORY_LOADED, HistoryBody, LoadBody
from engine.storage.database import Store, indexes_apart, insert_rows, take_statistics
from engine.storage.home import Home
from features.catalogue.encoder import FACTS
from features.catalogue.event_streams import FINDS, INSPECTIONS, vehicles
from features.catalogue.find_spread import ENTITIES, EVERY, LAG, last_cut
from features.catalogue.plan import Plan
from features.history.labels import SearchRow, act_minutes, read_searches
from features.history.tables import Tables, read_beginning, read_event_log, read_records
from features.offline.column_file import ScratchFile
from features.offline.derived_measures import first_pairs, order_by_key
from features.offline.encoded_history import (
    EncodedHistory,
    Events,
    derive,
    encode_history,
    read_log,
)
from features.offline.memory_release import release_memory
from features.online import spread_snapshots
from features.online.counter_log import void_log
from features.online.counter_states import StateLayout, list_layouts
from features.online.counter_store import COUNTERS, copy_counters, measures
from features.online.crossing_index import (
    EPOCH,
    LOADED_PARTIES,
    PASSAGES,
    TIES,
    keep_loaded_names,
    keep_ties,
    list_ways,
    pack_many_keys,
    read_event,
)
from features.online.loaded_parties import ROLES, PartyColumn, fill_parties
from features.online.online_features import OnlineFeatures
from features.online.projection import CounterProjection
from features.online.search_counts import AT_ONCE, SearchedVehicle, count_history, forget
from features.online.spread_snapshots import read_head

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Labels = NDArray[np.int8]
Mask = NDArray[np.bool_]
_ARRIVED, _ENTRY = FACTS.index("arrived_at"), FACTS.index("is_entry")
_CHUNK = 20_000
_EVENTS, _PARTS = 500_000, 8
"""Of one group that are counted at a time, and those of the last one's entity; in how many parts at
most, because each of them reads the columns that lie in a file."""


def backfill(
    connection: Connection,
    log: EncodedHistory,
    plan: Plan,
    *,
    searches: Sequence[SearchRow] = (),
    before: int | None = None,
    reads_from: int | None = None,
    recorded: Ints | None = None,
) -> None:
    """Replace counters and passages by those of a history, inside one writer's transaction.

    ``recorded`` are the times of the crossings that are records of this service: the parties of all
    others are kept by name; none are without it. ``searches`` has the places searched in its
    vehicles. ``before`` is that with which snapshots of the log were made, see
    :func:`features.offline.encoded_history.read_log`. Nothing will be read as of a time before
    ``reads_from`` (UTC microseconds): states that no later read can see are left out. All are kept
    by default.
    """
    connection.execute(delete(COUNTERS))
    void_log(connection)
    for group, layout in sorted(list_layouts(plan).items(), key=lambda pair: pair[1].number):
        events, under = log.events_of(group), log.event_keys(plan, group)
        carried = _read_carried(log, events, layout)
        for order, entity in _yield_entities(under):
            lasts, known_at, states = _states(
                events, entity, layout, order=order, carried=carried, reads_from=reads_from
            )
            copy_counters(connection, layout, entity[lasts], known_at=known_at, states=states)
    connection.execute(delete(TIES))
    keep_ties(connection, _yield_ties(log, plan))
    with indexes_apart(connection, PASSAGES):
        connection.execute(delete(PASSAGES))
        label = _labels(log)
        for begin in range(0, len(log), _CHUNK):
            insert_rows(connection, PASSAGES, _passages(log, label, begin=begin))
    if recorded is not None:
        fill_parties(
            connection,
            _list_party_columns(log),
            crossing_id=log.crossing_id,
            known_at=log.known_at,
            is_loaded=~np.isin(log.known_at, recorded),
        )
    spread_snapshots.forget(connection)
    if plan.spread:
        ends = log.ends if before is None else before
        _fill_spread(
            connection, log, plan, ends, since=spread_snapshots.oldest_crossing(reads_from)
        )
    forget(connection)
    some = (searches[begin : begin + AT_ONCE] for begin in range(0, len(searches), AT_ONCE))
    looked = (_yield_searches(log, each) for each in some)
    count_history(connection, chain.from_iterable(looked))
    filled = (COUNTERS, PASSAGES, TIES, LOADED_PARTIES, *spread_snapshots.FILLED)
    take_statistics(connection, filled)


def _list_party_columns(log: EncodedHistory) -> Iterator[PartyColumn]:
    for role in ROLES:
        texts = log.keys.texts("containers" if role == "container" else role)
        yield PartyColumn(role, texts.codes, texts.values.to_pylist())


def read_recorded_times(connection: Connection) -> Ints:
    """Return when the crossings that this service recorded became known, an int64 array."""
    query = select(JOURNAL.c.known_at).where(JOURNAL.c.kind.in_([CROSSING, DECISION]))
    return np.fromiter(connection.scalars(query), np.int64)


def _fill_spread(
    connection: Connection, log: EncodedHistory, plan: Plan, before: int, *, since: int
) -> None:
    """Keep what later snapshots are made of, and up to where they are made."""
    keys = np.array([log.keys[plan.column[(name,), (name,)]] for name in ENTITIES])
    for begin in range(int(np.searchsorted(log.known_at, since)), len(log), _CHUNK):
        part = slice(begin, begin + _CHUNK)
        packed = _as_bytes(keys[:, part])
        known_at, names = log.known_at[part].tolist(), log.crossing_id[part].tolist()
        spread_snapshots.keep(connection, list(zip(known_at, names, packed, strict=True)), [])
    spread_snapshots.keep(connection, [], list(_yield_finds(log, keys)))
    if before:
        spread_snapshots.write_head(connection, last_cut(before))


def _yield_finds(log: EncodedHistory, keys: Ints) -> Iterator[tuple[object, ...]]:
    steps: Counter[tuple[int, str]] = Counter()
    for stream in (INSPECTIONS, FINDS):
        events = log.streams[stream.name]
        amounts = np.array([events.amounts(name) for name in measures(stream)])
        for at, (known_at, row) in enumerate(
            zip(events.known_at.tolist(), events.row.tolist(), strict=True)
        ):
            added = spread_snapshots.find_amounts(stream.name, amounts[:, at])
            if any(added):
                name = str(log.crossing_id[row])
                step, packed = (
                    steps[known_at, name],
                    spread_snapshots.pack_keys(keys[:, row].tolist()),
                )
                steps[known_at, name] += 1
                yield known_at, name, step, stream is FINDS, *added, packed


def _yield_searches(
    log: EncodedHistory, searches: Sequence[SearchRow]
) -> Iterator[SearchedVehicle]:
    """Yield the places searched in vehicles."""
    rows = np.array([row for _, row, _, _ in searches], np.intp)
    names, kinds = log.crossing_id[rows].tolist(), vehicles(log.facts, rows)
    for at, (_, _, searched, found) in enumerate(searches):
        yield SearchedVehicle(names[at], kinds[at], searched, found)


def _yield_ties(log: EncodedHistory, plan: Plan) -> Iterator[tuple[int, int, int, int]]:
    for way in list_ways(plan):
        via, to = log.keys[way.via], log.keys[way.to]
        rows = first_pairs(via, to, log.known_at)  # in the order of the table's key
        columns = (column[rows].tolist() for column in (via, log.known_at, to))
        yield from zip(repeat(way.number), *columns, strict=False)


def _yield_entities(under: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Yield the places of a group's events by entity and time, and the entities; some at a time.

    ``under`` has the key of each event, shape (m,), 0 where it is not counted. States of a whole
    group would take more memory than all else that a load holds.
    """
    counted = np.flatnonzero(under)
    order = counted[order_by_key(under[counted])]  # events are in the order of time
    entity, most = under[order], max(_EVENTS, -(-len(order) // _PARTS))
    begin = 0
    while begin < len(order):
        last = entity[min(begin + most, len(order)) - 1]
        end = int(np.searchsorted(entity, last, "right"))
        yield order[begin:end], entity[begin:end]
        begin = end


def _read_carried(log: EncodedHistory, events: Events, layout: StateLayout) -> list[Floats]:
    """Return what the states of a group carry of each event: float64 arrays of shape (m,).

    They lie in a file, and are read once a group.
    """
    return [
        events.known_at[:].astype(np.float64)
        if name == "known_at"
        else log.facts[FACTS.index(name), events.row]
        for name in layout.carried
    ]


def _states(
    events: Events,
    entity: Ints,
    layout: StateLayout,
    *,
    order: Ints,
    carried: Sequence[Floats],
    reads_from: int | None,
) -> tuple[Ints, Ints, Ints]:
    """Return the states of a group's entities in the table's order, with where they stand.

    ``entity`` is that of each event in ``order``, ``carried`` what each event of the group says
    (:func:`_read_carried`). Returned are the places in ``order`` of the events whose states are
    rows, shape (m,), their times, and the states, shape (m, width).
    """
    known_at = events.known_at[order]
    is_last = np.r_[entity[1:] != entity[:-1], True][: len(order)]
    lasts = np.flatnonzero(is_last | np.r_[known_at[1:] != known_at[:-1], True][: len(order)])
    if reads_from is not None:
        lasts = _drop_unreachable(lasts, is_last, known_at, since=reads_from - layout.reach)
    starts = np.flatnonzero(np.r_[True, is_last[:-1]][: len(order)])
    packed = np.empty((len(lasts), layout.width), "<i8")
    which = np.searchsorted(starts, lasts, "right") - 1
    for place, measure in enumerate(layout.sums):
        amounts = events.amounts(measure, order)
        running = np.cumsum(amounts)
        # Less what it was before the entity's first event.
        packed[:, place] = running[lasts] - (running[starts] - amounts[starts])[which]
    for place, column in enumerate(carried, len(layout.sums)):
        packed[:, place] = column[order[lasts]].astype("<f8").view("<i8")
    return lasts, known_at[lasts], packed


def _drop_unreachable(lasts: Ints, is_last: Mask, known_at: Ints, *, since: int) -> Ints:
    """Leave out the states that the next one of the entity replaced before any read.

    A cut at ``since`` or later reads a state where the next one is known then or later.
    """
    until = np.append(known_at[lasts[1:]], 0)[: len(lasts)]
    return lasts[is_last[lasts] | (until >= since)]


def _labels(log: EncodedHistory) -> Labels:
    """Return what acts say of each crossing, and what their finds teach.

    Columns ``inspected``, ``hit``, ``seizure`` and ``taught``: an int8 array of shape (4, n).
    """
    acts = log.streams["inspections"]
    label = np.zeros((4, len(log)), np.int8)
    for place, measure in enumerate(("n", "hit", "seizure")):
        np.add.at(label[place], acts.row, acts.measures[measure])
    for row, seizure, taught in log.takings:
        label[2:, row] = seizure, taught
    return label


def _passages(log: EncodedHistory, label: Labels, *, begin: int) -> list[tuple[object, ...]]:
    """Return rows of crossings, in the order of the table's columns."""
    part = slice(begin, begin + _CHUNK)
    columns = (
        log.crossing_id[part].tolist(),
        log.post[part].tolist(),
        log.plate_key[part].tolist(),
        (log.facts[_ENTRY, part] == 1.0).tolist(),
        log.facts[_ARRIVED, part].astype(np.int64).tolist(),
        log.known_at[part].tolist(),
        pack_many_keys(log.keys[:, part].T),
        *label[:, part].tolist(),
        vehicles(log.facts, part),
    )
    return list(zip(*columns, strict=True))


def _as_bytes(keys: Ints) -> list[bytes]:
    """Return the keys of n crossings, of shape (k, n), as the tables hold them."""
    rows = np.ascontiguousarray(keys.T, "<i8")
    packed: list[bytes] = rows.view(f"V{8 * rows.shape[1]}").ravel().tolist()
    return packed


def open_epoch(
    home: Home,
    store: Store,
    plan: Plan,
    *,
    about: LoadBody | None,
    report: Callable[[str], None],
    only: Collection[str] | None = None,
    after: Sequence[Draft] = (),
    projections: Sequence[Projection] = (),
) -> Entry:
    """Count a home's whole history again; return the journal entry that anchors its digest.

    The history is that of the loads with a digest in ``only``, by default of all that the home has.
    ``about`` is the load that it ends with, if there is a new one; ``report`` is called with the
    name of each step as it begins. The record follows those of ``after``, which ``projections``
    apply, in the same transaction.
    """
    report("reading the history")
    release_memory()
    with store.read() as connection:
        head = Journal(store).head(connection)
        reads_from = _oldest_read(connection, head.known_at)
        tables = read_event_log(home, connection, only=only, counts_again=True)
    release_memory()
    upto = head.seq
    report(f"encoding {tables.crossings.num_rows:,} crossings")
    scratch = ScratchFile(home.root)
    taught, searches, names = act_minutes(tables), read_searches(tables), list_act_names(tables)
    log = encode_history(tables, plan, scratch=scratch, is_read_whole=True)
    digest, network = tables.digest, tables.network
    del tables
    release_memory()
    # All that snapshots known by now depend on is known.
    before = max(head.known_at + 1, log.ends)
    log = derive(log, plan, before=before, scratch=scratch)
    release_memory()
    report("filling the counters")
    body: HistoryBody = {
        "load": about,
        "epoch": digest,
        "definitions": plan.digest,
        "upto": upto,
        "reads_from": reads_from,
    }
    start = partial(
        _start_epoch,
        log=log,
        plan=plan,
        features=OnlineFeatures(plan, network),
        body=body,
        before=before,
        taught=taught,
        searches=searches,
        names=names,
    )
    drafts = [*after, HISTORY_LOADED.draft(digest, body)]
    return Journal(store, [*projections, start]).append(drafts)[-1]


def _oldest_read(connection: Connection, head: int) -> int:
    """Return from when on counters are read as of: by decisions to come and by those so far.

    A decision is recorded within seconds of its cut. ``head`` is when the last record became known;
    both are in UTC microseconds.
    """
    query = select(func.min(JOURNAL.c.known_at)).where(JOURNAL.c.kind == DECISION)
    first = connection.scalar(query)
    return head if first is None else min(head, first - DAY)


def list_act_names(tables: Tables) -> list[str]:
    """Return the names that the acts and seizures of a history take."""
    acts = map(inspection_name, tables.inspections["inspection_id"].to_pylist())
    finds = map(seizure_name, tables.seizures["seizure_id"].to_pylist())
    return list(dict.fromkeys([*acts, *finds]))


def _start_epoch(
    connection: Connection,
    entries: Sequence[tuple[Entry, Draft]],
    *,
    log: EncodedHistory,
    plan: Plan,
    features: OnlineFeatures,
    body: HistoryBody,
    before: int,
    taught: Sequence[Taught],
    searches: Sequence[SearchRow],
    names: Sequence[str],
) -> None:
    """Fill the counters from the log, then count what was recorded after it was read."""
    reads_from = body["reads_from"]
    backfill(
        connection,
        log,
        plan,
        searches=searches,
        before=before,
        reads_from=reads_from,
        recorded=read_recorded_times(connection),
    )
    relearn(connection, taught)
    keep_loaded_names(connection, names)
    late = list(read_records(connection, after=body["upto"]))
    counters = CounterProjection(plan)
    counters(connection, [_as_draft(features, record) for record in late])
    counters.make_due(connection, entries[-1][0].known_at)
    for record in late:
        teach(connection, lessons_of(record.kind, record.body))
    connection.execute(delete(EPOCH))
    row = {"one": 1, "epoch": body["epoch"], "definitions": plan.digest}
    connection.execute(insert(EPOCH), row)


def _as_draft(features: OnlineFeatures, record: JournalRecord[Any]) -> tuple[Entry, Draft]:
    entry = Entry("", record.seq, record.known_at, record.kind, "", "", b"", b"")
    event = read_event(features, record.kind, record.body)
    return entry, Draft(record.kind, "", "", {}, extra=event)


UNREADABLE = (OSError, ValueError, KeyError, RiskError, pa.ArrowException)
"""What a history that was changed on disk may raise."""


class Recount:
    """Counters expected from a home's loads and journal; projects the last ``history`` record."""

    def __init__(self, home: Home, live: Connection, plan: Plan) -> None:
        self.home, self.live, self.plan = home, live, plan
        self.notes: list[str] = []
        self.is_readable = True
        """False where a load is not as it was recorded: its tables say nothing then."""
        opened = list(JournalReader(self.live).bodies_of(HISTORY_LOADED))
        self._last: tuple[int, Mapping[str, Any]] = opened[-1] if opened else (0, {})
        self._loads = read_load_anchors(self.live).keys()
        erased = [seq for seq, _ in read_replaced_loads(self.live).values()]
        self._is_erased = max(erased, default=0) > self._last[0]
        self._declared = read_declared_networks(self.live)

    def __call__(self, connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
        """Replace what the last load replaced; earlier ones leave nothing behind."""
        for entry, draft in entries:
            if entry.kind == HISTORY_LOADED and entry.seq == self._last[0]:
                row = {name: draft.body[name] for name in ("epoch", "definitions")}
                connection.execute(delete(EPOCH))
                connection.execute(insert(EPOCH), [{"one": 1} | row])
                if not self.is_readable:
                    continue
                try:
                    self._teach(connection, draft.body["upto"], before=entry.seq)
                except UNREADABLE:
                    self.is_readable = False

    def fill(self, connection: Connection) -> bool:
        """Fill the counters; False, with a note, where they cannot be compared."""
        if self._is_erased:
            self.notes.append("counters: not compared, loaded rows that they count are erased")
            return False
        if not self.is_readable:
            self.notes.append("counters: not compared, the loaded history was changed")
            return False
        if self._last[1].get("definitions", self.plan.digest) != self.plan.digest:
            self.notes.append("counters: not compared, they serve other feature definitions")
            return False
        if _has_other_network(self._declared, self._last[0]):
            self.notes.append(
                "counters: not compared, pairs, time zones or domains of identifiers were changed "
                "since they began; darvoza load fills them again"
            )
            return False
        try:
            tables = self._tables(None)
            before = self._snapshots_before(tables)
            log = read_log(tables, self.plan, before=before)
            backfill(
                connection,
                log,
                self.plan,
                searches=read_searches(tables),
                before=before,
                reads_from=self._last[1].get("reads_from"),
                recorded=read_recorded_times(self.live),
            )
        except UNREADABLE:
            self.is_readable = False
            return self.fill(connection)
        return True

    def _snapshots_before(self, tables: Tables) -> int:
        """Return the time before which snapshots of a history are known; 0: none are made.

        The store says up to which cut they are made, which the journal must have reached. If that
        is lost, they are made up to the journal's last cut: the first crossing begins them.
        """
        cut = None
        with suppress(ValueError):  # an edit left no number; the table is made again
            cut = read_head(self.live)
        if cut is None and not tables.crossings.num_rows:
            return 0
        reached: int = self.live.scalar(select(func.max(JOURNAL.c.known_at))) or 0
        last = reached // EVERY * EVERY
        return (last if cut is None else min(cut, last)) + LAG + 1

    def _teach(self, connection: Connection, upto: int, *, before: int) -> None:
        tables = self._tables(upto)
        relearn(connection, act_minutes(tables))
        keep_loaded_names(connection, list_act_names(tables))
        for record in read_records(self.live, after=upto, upto=before):
            teach(connection, lessons_of(record.kind, record.body))

    def _tables(self, upto: int | None) -> Tables:
        found = read_event_log(self.home, self.live, only=self._loads, upto=upto)
        if not self._declared:
            return found
        return replace(found, network=parse_network(self._declared[-1].text))


def counts_differently(connection: Connection) -> bool:
    """Tell whether network or classes of goods say other things since the counters began."""
    last = next(JournalReader(connection).records(HISTORY_LOADED, newest=1), None)
    if _has_other_network(read_declared_networks(connection), last.seq if last else 0):
        return True
    tables = [
        read_goods_classes(connection, at=at).by_code for at in (read_beginning(connection), None)
    ]
    before, now = ({code: one.is_load for code, one in table.items()} for table in tables)
    return before != now


def _has_other_network(declared: Sequence[DeclaredNetwork], since: int) -> bool:
    before = [one for one in declared if one.seq <= since][-1:]
    after = [one for one in declared if one.seq > since]
    seen = [_facts_of_posts(parse_network(one.text)) for one in (*before, *after)]
    return any(one != seen[0] for one in seen)


def _facts_of_posts(network: Network) -> dict[str, tuple[str | None, ...]]:
    """Return what the encoder takes from a network, by post."""
    fields: tuple[IdentifierField, ...] = get_args(IdentifierField)
    return {
        code: (
            network.pair(code),
            network.timezone(code),
            *(network.domain_of(name, code) for name in fields),
        )
        for code in network.posts
    }
