"""Comparison of the tables of a home with a replay of its journal.

The journal is walked first (:mod:`engine.audit.verification`); then its records are replayed
through the same projections that wrote the live tables, and every table is compared. A difference
means that a table was written to without a record, or that a record was lost: the tables no longer
say what happened, and ``darvoza rebuild`` makes them again.

For a caller of the service the end of the journal is checked by a worker process
(:func:`check`): it walks tens of thousands of records, and on a thread of the service it would hold
up every decision meanwhile.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table

from api.auth.tables import StoredSecrets
from api.migrations.upgrade import newest
from api.service.assembly import projections
from engine.audit.file_anchors import parse_network, read_declared_networks, read_network_in_force
from engine.audit.projection_replay import (
    Comparison,
    Replay,
    Restore,
    find_type_faults,
    open_scratch_store,
    tables_of,
)
from engine.audit.store_check import ALTERED_TABLE, find_object_faults, find_structure_faults
from engine.audit.verification import FAULTS_KEPT, verify_snapshot
from engine.domain.network import Network
from engine.errors import DamagedStoreError
from engine.journal.areas import list_declared_tables, list_tables
from engine.journal.entries import Draft, Entry, JournalFault, Projection
from engine.journal.journal import Journal
from engine.journal.kinds import (
    CROSSING,
    DECISION,
    DECLARATION_CANCELLED,
    DECLARATION_LODGED,
    HISTORY_LOADED,
    INSPECTION,
    NETWORK_DECLARED,
    SEIZURE,
    JournalFindings,
)
from engine.journal.receipts import public_key_of
from engine.queue.mirror_alerts import MirrorProjection
from engine.storage.database import Store, fetch_rows, read_any_text
from engine.storage.home import Home
from features.catalogue.plan import current_plan
from features.online.counter_log import read_waiting as read_waiting_counters
from features.online.counter_states import expand_rows
from features.online.counter_store import COUNTERS
from features.online.projection import CounterProjection

NOT_COMPARED: Mapping[str, str] = {
    name: rule.not_compared for name, rule in list_tables().items() if rule.not_compared
}
"""Every table that is not compared, and why not."""
COUNTED = (
    "counters", "passages", "links", "loaded_parties", "searched_places", "place_counts",
    "spread_crossings", "spread_finds", "spread_head",
)  # fmt: skip
"""Tables of the counters: compared with one backfill, which only a command can make."""
BEHIND: Mapping[str, Callable[[Connection], Sequence[tuple[Any, ...]]]] = {
    COUNTERS.name: read_waiting_counters,
}
"""What reads the rows of a table that are not written to it yet."""


def expand_counters(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of the table of counters; one that cannot be unpacked differs as it is."""
    for row in rows:
        try:
            yield from list(expand_rows([row]))
        except DamagedStoreError:
            yield row


PACKED: Mapping[str, Callable[[Iterable[tuple[Any, ...]]], Iterable[tuple[Any, ...]]]] = {
    COUNTERS.name: expand_counters
}
"""What yields the rows that a table holds several of in one."""
OF_LOADS = ("act_minutes", "loaded_reports", "counter_epoch")
"""Tables that a load replaces, from files that only a command reads."""


class DatedMirror:
    """The alerts of the paired post, under the network that was declared when a record came."""

    def __init__(self, first: Network) -> None:
        self._mirror = MirrorProjection(first)

    def __call__(self, connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
        """Keep alerts; a declared network holds from its record on."""
        for entry, draft in entries:
            if entry.kind == NETWORK_DECLARED:
                network = parse_network(draft.body["file"])
                self._mirror = MirrorProjection(network)
        self._mirror(connection, entries)


@dataclass(slots=True)
class ProjectionCheck:
    """Compares the projections of a live store with a replay of its journal."""

    live: Connection
    network: Network
    projections: Sequence[Projection]
    """All of them, as the service has them; the counters among them are left to ``fill``."""
    history: Projection | None = None
    """Replaces what a load does besides the counters; None where its files cannot be read."""
    fill: Callable[[Connection], bool] | None = None
    """Fills the counters of the replay; None where nothing can."""
    skipped: Mapping[str, str] = field(default_factory=lambda: NOT_COMPARED)
    notes: list[str] = field(default_factory=list)
    tables: dict[str, int] = field(default_factory=dict)
    """Rows compared, by table."""

    def faults(self) -> Iterator[JournalFault]:
        """Yield every difference, and every object of the database that is not ours."""
        yield from find_object_faults(self.live, list_declared_tables())
        yield from find_structure_faults(self.live, list_declared_tables())
        yield from version_faults(self.live)
        with open_scratch_store() as replayed:
            secrets = StoredSecrets(self.live)
            replay = self.replay(secrets.restorers())
            yield from replay.advance(self.live, replayed)
            comparison = Comparison(self.live, replayed, replay.unread, BEHIND, PACKED)
            tables = self.filled(replayed, replay)
            yield from self._key_faults({table.name for table in tables})
            for table in tables:
                before = comparison.rows
                yield from comparison.faults(table)
                self.tables[table.name] = comparison.rows - before
            if replay.unread:
                self.notes.append(
                    f"{len(replay.unread)} records were not replayed: no readable body"
                )

    def _key_faults(self, compared: Collection[str]) -> Iterator[JournalFault]:
        """Yield rows that wait under a wrong key for a table which is not compared."""
        for read in (read for name, read in BEHIND.items() if name not in compared):
            try:
                read(self.live)
            except DamagedStoreError as error:
                yield JournalFault(0, "differs", error.why, error.table, error.key)

    def replay(self, restorers: Mapping[str, Restore]) -> Replay:
        """Return a replay of these projections, the counters left out."""
        declared = read_declared_networks(self.live)
        first = parse_network(declared[0].text) if declared else self.network
        own: list[Projection] = [] if self.history is None else [self.history]
        for one in self.projections:
            if isinstance(one, MirrorProjection):
                own.append(DatedMirror(first))
            elif not isinstance(one, CounterProjection):
                own.append(one)
        return Replay(own, restorers, alone=frozenset({HISTORY_LOADED, NETWORK_DECLARED}))

    def filled(self, replayed: Connection, replay: Replay) -> Sequence[Table]:
        """Fill what a replay leaves to others, and return the tables that say something then."""
        left_out = dict(self.skipped)
        if replay.kinds_unread & {DECLARATION_LODGED, DECLARATION_CANCELLED}:
            left_out["decided_keys"] = "kept since a declaration ahead that is erased"
        if self.fill is None:
            left_out |= dict.fromkeys((*COUNTED, *OF_LOADS), "only a command reads the history")
        elif replay.kinds_unread & _COUNTED_KINDS:
            self.notes.append("counters: not compared, bodies that they count are erased")
            left_out |= dict.fromkeys((*COUNTED, "act_minutes"), "bodies are erased")
        elif not self.fill(replayed):
            left_out |= dict.fromkeys((*COUNTED, *OF_LOADS), "see the notes")
        return tables_of(list_declared_tables().tables, left_out)


def version_faults(connection: Connection) -> Iterator[JournalFault]:
    """Yield that the store says another version of its tables than it has: none starts on it."""
    versions = [row[0] for row in fetch_rows(connection, "SELECT version_num FROM alembic_version")]
    if versions != [newest()]:
        yield JournalFault(
            0, ALTERED_TABLE, "alembic_version: not the version of the tables", "alembic_version"
        )


_COUNTED_KINDS = frozenset({DECISION, CROSSING, INSPECTION, SEIZURE})


def bound_faults(faults: Iterator[JournalFault]) -> tuple[int, tuple[JournalFault, ...]]:
    """Return how many faults there are, and the first of them."""
    found, kept = 0, []
    for fault in faults:
        found += 1
        if found <= FAULTS_KEPT:
            kept.append(fault)
    return found, tuple(kept)


MOST_FAULTS = 20
"""Faults that the record of a check lists; it counts all."""


def check(root: Path, given: bytes) -> bytes:
    """Return what a check of a home's last records finds, as JSON; their number is given."""
    home = Home(root)
    with Store(home.database_url) as store, store.read() as snapshot:
        head = Journal(store).head(snapshot).seq
        found = check_records(home, snapshot, head, most=int(given))
    return json.dumps(found).encode()


def check_records(home: Home, snapshot: Connection, head: int, *, most: int) -> JournalFindings:
    """Check the last records of a journal, and its tables where these are all."""
    after = max(head - most, 0)
    network = read_network_in_force(home, snapshot)
    own = projections(current_plan(), network)
    projected = ProjectionCheck(snapshot, network, own)
    with read_any_text(snapshot):
        walked = verify_snapshot(snapshot, after=after, public_key=public_key_of(home))
        misfits = [] if after else list(find_type_faults(snapshot, list_declared_tables()))
        others = () if after or misfits else projected.faults()
        found, faults = bound_faults(chain(misfits, others))
    return {
        "after": after,
        "upto": head,
        "checked": walked.checked,
        "drawn": walked.drawn,
        "compared": sum(projected.tables.values()),
        "erased": walked.erased,
        "found": walked.found + found,
        "faults": [asdict(one) for one in (*walked.faults, *faults)[:MOST_FAULTS]],
    }
