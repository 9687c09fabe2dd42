"""Start of a counter epoch: a load anchored in the journal, and counters that start from it.

Both are one transaction under the writer's lock, so that a decision's ``epoch`` always says which
history its counters held. A history that joins later opens a new epoch: everything is counted
again, the journal's own records included. What a running service records while the history is being
encoded is counted on top, under the same lock.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from engine.decision.inspection_minutes import Taught, lessons_of, relearn, teach
from engine.domain.time_units import DAY
from engine.journal.entries import Draft, Entry, JournalRecord, Projection
from engine.journal.idempotency import inspection_name, seizure_name
from engine.journal.journal import JOURNAL, Journal
from engine.journal.kinds import DECISION, HISTORY_LOADED
from engine.journal.payloads import HistoryBody, LoadBody
from engine.storage.database import Store
from engine.storage.home import Home
from features.catalogue.plan import Plan
from features.history.journal_history import read_event_log, records
from features.history.labels import SearchRow, act_minutes, read_searches
from features.history.tables import Tables
from features.offline.column_file import ScratchFile
from features.offline.encoded_history import EncodedHistory, derive, encode_history
from features.offline.memory_release import release_memory
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
        tables = read_event_log(home, connection, only=only)
    release_memory()
    upto = head.seq
    report(f"encoding {tables.crossings.num_rows:,} crossings")
    scratch = ScratchFile(home.root)
    taught, searches, names = act_minutes(tables), read_searches(tables), report_names(tables)
    log = encode_history(tables, plan, scratch=scratch, is_read_whole=True)
    digest, network = tables.digest, tables.network
    del tables
    release_memory()
    # All that snapshots known by now depend on is known.
    before = max(head.known_at + 1, log.ends)
    log = derive(log, plan, before=before, scratch=scratch)
    release_memory()
    report("filling the counters")
    start = _EpochStart(
        log,
        plan,
        OnlineFeatures(plan, network),
        epoch=digest,
        upto=upto,
        before=before,
        reads_from=reads_from,
        taught=taught,
        searches=searches,
        names=names,
    )
    body: HistoryBody = {
        "load": about,
        "epoch": digest,
        "definitions": plan.digest,
        "upto": upto,
        "reads_from": reads_from,
    }
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
    before: int
    reads_from: int
    taught: Sequence[Taught]
    searches: Sequence[SearchRow]
    names: Sequence[str]

    def apply(self, connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
        """Fill the counters from the log, then count what was recorded after it was read."""
        backfill(
            connection,
            self.log,
            self.plan,
            searches=self.searches,
            before=self.before,
            reads_from=self.reads_from,
        )
        relearn(connection, self.taught)
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
