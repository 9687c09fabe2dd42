"""Online counters against the store's own floor: the same number of primary-key gets, `select 1`.

Real stores with a synthetic history backfilled. SQLite: all reads of a decision and the append of
its event, against a get by primary key for each state read or written: one execute and one fetch
on the driver, of a key known beforehand, and nothing written. The crossing's own row, which is
looked for and written too, is not among the gets. PostgreSQL: 42 look-ups in one statement against
the driver's shortest round trip, after the vacuum that the server does by itself. Hot and cold: the
entities with the longest and the shortest history. What commits is the journal's own and not timed
here.
"""

from collections import Counter as Counts
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from sqlalchemy import Connection

from engine.domain.time_units import DAY
from engine.journal.entries import Draft, Entry
from engine.ports import CrossingEvent
from engine.storage.database import METADATA, Store, fetch_rows
from experiments.benchmarks.runner import Bench, Row, row, take_turns
from experiments.support.postgres import Cluster
from experiments.synthetic.folder import open_network
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Group, Plan
from features.catalogue.spec import EVER
from features.intake.load import read_folder
from features.offline.encoded_history import EncodedHistory, read_log
from features.online.backfill import backfill
from features.online.counter_states import list_layouts
from features.online.counter_store import CounterReader, Lookup, latest
from features.online.projection import CounterProjection

CROSSINGS = 30_000
DECISIONS = 60
ROUNDS = 15
WARMING = 3
"""Rounds that are not counted: the pages and the code that all need come into memory."""
TOGETHER = 42
"""Look-ups in PostgreSQL's one statement."""
_GET = "SELECT state FROM counters WHERE grp = ? AND entity = ? AND known_at = ?"


def measure(data: Path | None = None) -> list[Row]:
    """Return the rows of ``bench lookup``, on the history in ``data`` or a synthetic one."""
    plan = Plan(CATALOGUE)
    with (
        TemporaryDirectory(prefix="bench-lookup-") as name,
        TemporaryDirectory(prefix="pg-", dir="/tmp") as server,  # socket paths are short
        open_network(data, crossings=CROSSINGS) as folder,
    ):
        log = read_log(read_folder(folder).tables, plan)
        with _fill_store(f"sqlite:///{name}/bench.sqlite", log, plan) as store:
            rows = _sqlite(store, log, plan)
        cluster = Cluster(Path(server))
        try:
            with cluster.database() as url, _fill_store(url, log, plan) as store:
                rows += _postgresql(store, log, plan)
        finally:
            cluster.stop()
        return rows


@contextmanager
def _fill_store(url: str, log: EncodedHistory, plan: Plan) -> Iterator[Store]:
    """Open a store with a history in its counters."""
    with Store(url) as store:
        METADATA.create_all(store.engine)
        with store.write() as connection:
            backfill(connection, log, plan)
        if not store.dialect.is_sqlite:  # what the server does by itself within a minute
            at_once = store.engine.execution_options(isolation_level="AUTOCOMMIT")
            with at_once.connect() as connection:
                connection.exec_driver_sql("VACUUM ANALYZE counters")
        yield store


def _sqlite(store: Store, log: EncodedHistory, plan: Plan) -> list[Row]:
    reader, projection = CounterReader(plan), CounterProjection(plan)
    drawn = np.random.default_rng(1).choice(len(log), DECISIONS, replace=False)
    keys, cut = log.keys[:, drawn].T.tolist(), int(log.known_at[-1]) + 1
    events = [_event(log, at, f"bench-{at}") for at in drawn]
    places = _places(plan, keys, cut)
    with store.read() as connection:  # nothing written in it stays
        written = [_replaced_states(plan, event, cut) for event in events]
        found = [
            _rows_before(connection, [*read, *added])
            for read, added in zip(places, written, strict=True)
        ]
        times = range(cut, cut + DECISIONS * (WARMING + ROUNDS))
        waiting = zip(times, cycle(keys), cycle(events), strict=False)

        def ours() -> None:
            for at, looked_up, event in islice(waiting, DECISIONS):
                _, (stood,) = reader.read_with_states(connection, [looked_up], [at])
                projection(connection, [_record_of(event, at, stood)])

        def gets() -> None:
            raw = connection.connection.cursor()
            for rows in found:
                for place in rows:
                    raw.execute(_GET, place).fetchone()

        turns = take_turns({"ours": ours, "gets": gets}, ROUNDS, warming=WARMING)
    gotten = sum(map(len, found)) // DECISIONS
    ratio = turns.ratio("ours", "gets")
    name = f"SQLite: read {len(plan.reads)} counters and append, against {gotten} primary-key gets"
    return [row(name, "times as long", ratio, "<= 2")]


def _postgresql(store: Store, log: EncodedHistory, plan: Plan) -> list[Row]:
    cut = int(log.known_at[-1]) + 1
    drawn = np.random.default_rng(2).choice(len(log), DECISIONS, replace=False)
    wanted = [_places(plan, [log.keys[:, at].tolist()], cut)[0][:TOGETHER] for at in drawn]
    hot, cold = _extremes(log, plan, cut)
    with store.read() as connection:

        def look_up(lookups: Sequence[Sequence[Lookup]]) -> Callable[[], object]:
            return lambda: [latest(connection, some) for some in lookups]

        def ones() -> None:
            for _ in wanted:
                fetch_rows(connection, "SELECT 1")

        contestants = {
            "ours": look_up(wanted),
            "select 1": ones,
            "hot": look_up([hot] * DECISIONS),
            "cold": look_up([cold] * DECISIONS),
        }
        turns = take_turns(contestants, ROUNDS, warming=WARMING)
    return [
        row(
            f"PostgreSQL: {TOGETHER} look-ups in one statement, against select 1",
            "times as long",
            turns.ratio("ours", "select 1"),
            "<= 9",
        ),
        row(
            f"PostgreSQL: {len(hot)} look-ups of the hottest key, against the coldest",
            "times as long",
            turns.ratio("hot", "cold"),
            "<= 1.5",
        ),
    ]


def _event(log: EncodedHistory, at: int, name: str) -> CrossingEvent:
    return CrossingEvent(
        name, "", 0, True, 0, tuple(log.keys[:, at].tolist()), log.facts[:, at].copy()
    )


def _record_of(event: CrossingEvent, at: int, stood: bytes) -> tuple[Entry, Draft]:
    """Return a record of a crossing like this one, known right after what it has seen."""
    new = replace(event, crossing_id=f"bench-{at}", cut=at, stood=stood)
    entry = Entry("", at, at, "", "", "", b"", b"", after=at - 1)
    return entry, Draft("", "", "", {}, extra=new)


def _places(plan: Plan, keys: Sequence[Sequence[int]], cut: int) -> list[list[Lookup]]:
    """Return every look-up of some decisions: each window's two ends, once."""
    numbers = {group: layout.number for group, layout in list_layouts(plan).items()}
    wanted = {
        (Group(read.stream, read.by), plan.column[read.of, read.by], back)
        for read in plan.reads
        for back in {0, read.window if read.window < EVER else 0}
    }
    return [
        [(numbers[group], row[at], cut - back) for group, at, back in sorted(wanted) if row[at]]
        for row in keys
    ]


def _replaced_states(plan: Plan, event: CrossingEvent, cut: int) -> list[Lookup]:
    """Return the states that recording a crossing replaces."""
    return [
        (layout.number, entity, cut)
        for group, layout in list_layouts(plan).items()
        if group.stream == "crossings" and (entity := event.keys[plan.column[group.by, group.by]])
    ]


def _rows_before(connection: Connection, wanted: Sequence[Lookup]) -> list[Lookup]:
    """Return the primary keys that the look-ups find; where there is none, the cut itself."""
    sql = "SELECT max(known_at) FROM counters WHERE grp = ? AND entity = ? AND known_at < ?"
    found = [connection.exec_driver_sql(sql, place).scalar() for place in wanted]
    return [
        (group, entity, cut if known_at is None else known_at)
        for (group, entity, cut), known_at in zip(wanted, found, strict=True)
    ]


def _extremes(log: EncodedHistory, plan: Plan, cut: int) -> tuple[list[Lookup], list[Lookup]]:
    """Return look-ups over many windows of the vehicle seen most, and of one seen once."""
    by = ("plate",)
    counted = Counts(log.keys[plan.column[by, by]].tolist())
    counted.pop(0, None)
    ranked = counted.most_common()
    number = list_layouts(plan)[Group("crossings", by)].number
    hot, cold = (
        [(number, entity, cut - back * DAY) for back in range(TOGETHER)]
        for entity in (ranked[0][0], ranked[-1][0])
    )
    return hot, cold


BENCH = Bench("lookup", measure, frozenset({"data"}))
