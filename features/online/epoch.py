"""Start of a counter epoch: a load anchored in the journal, and counters that start from it.

Both are one transaction under the writer's lock, so that a decision's ``epoch`` always says which
history its counters held. A history that joins later opens a new epoch: everything is counted
again, the journal's own records included. What a running service records while the history is being
encoded is counted on top, under the same lock.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert

from engine.decision.inspection_minutes import Taught, lessons_of, taught_anew, teach
from engine.journal.entries import Draft, Entry, JournalRecord
from engine.journal.idempotency import inspection_name, seizure_name
from engine.journal.journal import Journal
from engine.journal.kinds import HISTORY_LOADED
from engine.journal.payloads import HistoryBody
from engine.storage.database import Store
from engine.storage.home import Home
from features.catalogue.plan import Plan
from features.history.journal_history import read_event_log, records
from features.history.labels import SearchRow, act_minutes, read_searches
from features.history.tables import Tables
from features.offline.encoded_history import EncodedHistory, read_log
from features.online.backfill import backfill
from features.online.crossing_index import EPOCH, keep_loaded_names
from features.online.online_features import OnlineFeatures
from features.online.projection import CounterProjection
from features.online.recorded_events import event_of


def open_epoch(
    home: Home,
    store: Store,
    plan: Plan,
    *,
    about: HistoryBody,
    report: Callable[[str], None],
) -> Entry:
    """Count a home's whole history again; return the journal entry that anchors its digest.

    The home has the history as it is to be known from now on. ``about`` is what the record says
    besides the digests (counts of the load, notes); ``report`` is called with the name of each step
    as it begins.
    """
    report("reading the history")
    with store.read() as connection:
        upto = Journal(store).head(connection).seq
        tables = read_event_log(home, connection)
    report(f"encoding {tables.crossings.num_rows:,} crossings")
    log = read_log(tables, plan)
    report("filling the counters")
    start = _EpochStart(
        log,
        plan,
        OnlineFeatures(plan, tables.network),
        epoch=tables.digest,
        upto=upto,
        taught=act_minutes(tables),
        searches=read_searches(tables),
        names=report_names(tables),
    )
    body: HistoryBody = {
        "epoch": tables.digest,
        "definitions": plan.digest,
        "upto": upto,
        **about,
    }
    return Journal(store, [start]).append([HISTORY_LOADED.draft(tables.digest, body)])[0]


def report_names(tables: Tables) -> list[str]:
    """Return the names that the acts and seizures of a history take."""
    acts = map(inspection_name, tables.inspections["inspection_id"].to_pylist())
    finds = map(seizure_name, tables.seizures["seizure_id"].to_pylist())
    return list(dict.fromkeys([*acts, *finds]))


@dataclass(frozen=True, slots=True)
class _EpochStart:
    """Replaces the counters in the transaction that records the load."""

    log: EncodedHistory
    plan: Plan
    features: OnlineFeatures
    epoch: str
    upto: int
    taught: Sequence[Taught]
    searches: Sequence[SearchRow]
    names: Sequence[str]

    def apply(self, connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
        """Fill the counters from the log, then count what was recorded after it was read."""
        backfill(connection, self.log, self.plan, searches=self.searches)
        taught_anew(connection, self.taught)
        keep_loaded_names(connection, self.names)
        late = list(records(connection, after=self.upto))
        counters = CounterProjection(self.plan)
        counters.apply(connection, [self._as_draft(record) for record in late])
        counters.make_due(connection, entries[-1][0].known_at)
        for record in late:
            teach(connection, lessons_of(record.kind, record.body))
        connection.execute(delete(EPOCH))
        row = {"one": 1, "epoch": self.epoch, "definitions": self.plan.digest}
        connection.execute(insert(EPOCH), row)

    def _as_draft(self, record: JournalRecord[Any]) -> tuple[Entry, Draft]:
        entry = Entry("", record.seq, record.known_at, record.kind, "", "", b"", b"")
        event = event_of(self.features, record.kind, record.body)
        return entry, Draft(record.kind, "", "", {}, extra=event)
