"""Recount of the counters, for a check of those in the store: one backfill of all records.

The live counters came about one record after another; a backfill of the same records gives the same
rows (``tests/store/features/online/test_parity_replay.py``) in a fraction of the time. What the
last load replaced (inspection minutes, names of loaded reports) is derived as that load derived it,
from the records known then.

Reads only loads that a record names, under the network that was declared last: a load or a network
file that was put there without a record is a fault of its own and moves nothing here.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, get_args

import pyarrow as pa
from sqlalchemy import Connection, delete, insert

from engine.audit.file_anchors import (
    DeclaredNetwork,
    parse_network,
    read_declared_networks,
    read_replaced_loads,
)
from engine.decision.inspection_minutes import lessons_of, relearn, teach
from engine.domain.network import IdentifierField, Network
from engine.errors import RiskError
from engine.journal.entries import Draft, Entry
from engine.journal.journal import JournalReader
from engine.journal.kinds import HISTORY_LOADED
from engine.storage.database import fetch_rows
from engine.storage.home import Home
from features.catalogue.find_spread import EVERY, LAG
from features.catalogue.plan import Plan
from features.history.journal_history import read_event_log, records
from features.history.labels import act_minutes, read_searches
from features.history.tables import Tables
from features.offline.encoded_history import read_log
from features.online.backfill import backfill
from features.online.crossing_index import EPOCH, keep_loaded_names
from features.online.epoch import report_names
from features.online.history_anchor import read_anchors
from features.online.spread.tables import read_head

_REACHED = (
    "SELECT (SELECT COALESCE(MAX(known_at), 0) FROM journal), "
    "(SELECT COUNT(*) FROM (SELECT 1 FROM spread_crossings LIMIT 1) AS first)"
)
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
        self._loads = read_anchors(self.live).keys()
        erased = [seq for seq, _ in read_replaced_loads(self.live).values()]
        self._is_erased = max(erased, default=0) > self._last[0]
        self._declared = read_declared_networks(self.live)

    def apply(self, connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
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
            tables, before = self._tables(None), self._snapshots_before()
            log = read_log(tables, self.plan, before=before)
            backfill(
                connection,
                log,
                self.plan,
                searches=read_searches(tables),
                before=before,
                reads_from=self._last[1].get("reads_from"),
            )
        except UNREADABLE:
            self.is_readable = False
            return self.fill(connection)
        return True

    def _snapshots_before(self) -> int:
        """Return the time before which snapshots are known that the store says are made; 0: none.

        None can be made of a cut that the journal has not reached, and with the first crossing one
        is made.
        """
        cut = None
        with suppress(ValueError):  # an edit left no number; the table is made again
            cut = read_head(self.live)
        ((reached, crossings),) = fetch_rows(self.live, _REACHED)
        if cut is None and not crossings:
            return 0
        last = int(reached // EVERY * EVERY)
        return (last if cut is None else min(cut, last)) + LAG + 1

    def _teach(self, connection: Connection, upto: int, *, before: int) -> None:
        tables = self._tables(upto)
        relearn(connection, act_minutes(tables))
        keep_loaded_names(connection, report_names(tables))
        for record in records(self.live, after=upto, upto=before):
            teach(connection, lessons_of(record.kind, record.body))

    def _tables(self, upto: int | None) -> Tables:
        found = read_event_log(self.home, self.live, only=self._loads, upto=upto)
        if not self._declared:
            return found
        return replace(found, network=parse_network(self._declared[-1].text))


def has_other_network(connection: Connection) -> bool:
    """Tell whether the network says other things to the encoder since the last load."""
    last = next(JournalReader(connection).records(HISTORY_LOADED, newest=1), None)
    return _has_other_network(read_declared_networks(connection), last.seq if last else 0)


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
