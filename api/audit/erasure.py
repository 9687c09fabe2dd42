"""Erasure of recorded bodies by two people, and the export of what is held on a subject.

The first person proposes, by a date, a subject or the retention schedule; the second repeats the
command. The erasure is one transaction: approval, signed erasures, deleted bodies and rows. After a
crash all of it is done or nothing; files of cases are deleted once it stands. Hashes stay, so that
the chain verifies. Assumes that the store forgets what is deleted once its log is written back
(:func:`engine.audit.erasures.forget_deleted`).

Rows that say something of the erased records are deleted, or blanked if the row has to stay: an
identifier that was taken stays taken, and arrivals of an hour stay counted. Counters are sums under
digests of identifiers; those that no remaining crossing uses are deleted, so that the features of
every crossing that is kept stay exact.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Table, bindparam, delete, select, update

from api.audit.proposals import Criteria, ErasureProposal
from api.auth.callers import Caller
from api.http.answers import AcknowledgedStep, Answer, describe_step
from api.proposals.matters import Approval, Step
from api.service.runtime import Runtime
from engine.audit.erasures import (
    ERASABLE,
    RecordGroup,
    RecordGroups,
    erasure_draft,
    finish_removals,
    forget_deleted,
    lock_loads,
    names_subject,
    read_erasable,
)
from engine.criteria.dual_control import (
    ApprovalState,
    draft_approval,
    read_approval_states,
)
from engine.criteria.watchlist import read_entries, read_expiry
from engine.domain.time_units import DAY, rfc3339
from engine.domain.validation import read_toml
from engine.errors import ConflictError, InputError
from engine.journal.areas import (
    list_declared_tables,
    list_held,
    list_projections,
    list_tables,
    sweep_areas,
)
from engine.journal.batch_worker import StoredRecord
from engine.journal.entries import Draft, Entry
from engine.journal.journal import JOURNAL, Journal
from engine.journal.kinds import DECISION, SENSITIVE_READ, ErasureGrounds
from engine.queue.queue import DECISIONS
from engine.queue.reviews import holds_vehicle
from engine.storage.database import execute_many, fetch_rows, split_in_slices
from engine.storage.dialect import Dialect
from engine.storage.home import Home
from features.catalogue.plan import Plan
from features.intake.stored_loads import (
    HistoryRows,
    read_rows,
    select_rows,
    stage_erasure,
)
from features.online.counter_log import settle_log, void_log
from features.online.counter_states import list_layouts
from features.online.counter_store import insert_states
from features.online.crossing_index import PASSAGES, list_ways, pack_keys, unpack_keys
from features.online.loaded_parties import drop_erased_containers

_ROWS_AT_ONCE = 500
_PASSAGES = 20_000
Keys = NDArray[np.int64]


@dataclass(slots=True)
class ErasedRows:
    """Deletes and blanks rows in the transaction that records an erasure; a projection."""

    plan: Plan
    sequences: Sequence[int] = ()
    crossings: Sequence[str] = ()
    decisions: list[str] = field(default_factory=list)

    def __call__(self, connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
        """Take from every table what it holds of the erased records."""
        if Dialect.of(connection).is_sqlite:
            connection.exec_driver_sql("PRAGMA secure_delete = ON")
        table = list_declared_tables().tables["decisions"]
        for some in split_in_slices(self.sequences, _ROWS_AT_ONCE):
            query = select(table.c.decision_id).where(table.c.seq.in_(some))
            self.decisions += connection.scalars(query)
        keys = self._read_keys(connection)
        for name, rule in list_tables().items():
            for column in rule.erased_by:
                self._erase(connection, list_declared_tables().tables[name], column, rule.blanked)
        if keys.size:
            connection.execute(
                update(PASSAGES)
                .where(PASSAGES.c.crossing_id == bindparam("which"))
                .values(entity_keys=pack_keys([0] * len(self.plan.lookups))),
                [{"which": name} for name in self.crossings],
            )
            self._delete_counters(connection, keys)
            drop_erased_containers(connection, self.plan, self.crossings)

    def _ids(self, column: str) -> Sequence[object]:
        if column == "seq":
            return self.sequences
        return self.crossings if column == "crossing_id" else self.decisions

    def _erase(
        self, connection: Connection, table: Table, column: str, blanked: Mapping[str, object]
    ) -> None:
        """Delete the rows of the erased records, or write over what they say."""
        change = update(table).values(blanked) if blanked else delete(table)
        for some in split_in_slices(self._ids(column), _ROWS_AT_ONCE):
            connection.execute(change.where(table.c[column].in_(some)))

    def _read_keys(self, connection: Connection) -> Keys:
        """Return the keys of the erased crossings, an array of shape (crossings, lookups)."""
        found: list[bytes] = []
        for some in split_in_slices(self.crossings, _ROWS_AT_ONCE):
            query = select(PASSAGES.c.entity_keys).where(PASSAGES.c.crossing_id.in_(some))
            found += connection.scalars(query)
        width = len(self.plan.lookups)
        rows = [unpack_keys(bytes(one)) for one in found]
        kept = [row[:width] for row in rows if width <= len(row) < width + 8]
        return np.array(kept, np.int64).reshape(-1, width)

    def _delete_counters(self, connection: Connection, keys: Keys) -> None:
        """Delete what was counted under keys that no remaining crossing has."""
        gone = np.setdiff1d(keys, [0])
        for some in _kept_keys(connection):
            gone = np.setdiff1d(gone, some, assume_unique=True)
        is_gone = np.isin(keys, gone)
        groups = {
            (layout.number, key)
            for group, layout in list_layouts(self.plan).items()
            for at in [self.plan.column[group.by, group.by]]
            for key in keys[is_gone[:, at], at].tolist()
        }
        linked = {
            (way.number, int(row[way.via]), int(row[way.to]))
            for way in list_ways(self.plan)
            for row in keys[is_gone[:, way.via] | is_gone[:, way.to]]
        }
        settle_log(connection, insert_states)
        spell = Dialect.of(connection).spell
        for sql, rows in (
            ("DELETE FROM counters WHERE grp = ? AND entity = ?", groups),
            ("DELETE FROM links WHERE way = ? AND via = ? AND other = ?", linked),
            ("DELETE FROM place_counts WHERE entity = ?", {(key,) for key in gone.tolist()}),
            ("DELETE FROM loaded_parties WHERE entity = ?", {(key,) for key in gone.tolist()}),
        ):
            execute_many(connection, spell(sql), list(rows))
        void_log(connection)


def _kept_keys(connection: Connection) -> Iterator[Keys]:
    """Yield the keys of the crossings that are left, some at a time, in bounded memory."""
    last = ""
    while rows := fetch_rows(connection, _NEXT, [last, _PASSAGES]):
        last = rows[-1][0]
        keys = [key for _, packed in rows for key in unpack_keys(bytes(packed))]
        yield np.unique(np.array(keys, np.int64))


_NEXT = (
    "SELECT crossing_id, entity_keys FROM passages WHERE crossing_id > ? "
    "ORDER BY crossing_id LIMIT ?"
)


ONE_ERASURE = 10_000
"""Records that one erasure names; larger ones are several records of one transaction."""
_AT_ONCE = 500


def read_schedule(home: Home) -> dict[str, int]:
    """Read ``retention.toml``: days by kind; raises ``InputError`` naming the key and the rule."""
    name = home.retention.name
    known = read_toml(home.retention)
    for kind, days in known.items():
        if kind not in ERASABLE:
            raise InputError(name, f"{kind}: not a kind of record that may be erased")
        if type(days) is not int or days < 1:
            raise InputError(name, f"{kind}: a whole number of days, at least 1")
    if not known:
        raise InputError(name, "it names no kind of record")
    return known


@dataclass(frozen=True, slots=True)
class ErasureResult(Answer):
    """What one step did, or would do."""

    state: str
    """``proposed`` or ``erased``."""
    by: tuple[str, ...]
    records: int
    loaded: int
    """Crossings, acts and finds of the loaded history."""
    waiting: int
    """Groups that are kept because the vehicle waits in a queue, or an envelope for its receipt."""
    in_force: int
    """Entries of the watch list that are kept because they are in force, and open cases."""
    is_overwritten: bool = True
    """False where a reader kept the deleted content in the store's log: run the command again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedErasure(AcknowledgedStep):
    """A proposed erasure; its fields are those of :class:`ErasureResult`."""

    by: tuple[str, ...]
    records: int
    loaded: int
    waiting: int
    in_force: int
    is_overwritten: bool


def prepare_erasure(step: Step, proposed: ErasureProposal) -> Mapping[str, Any]:
    """Return an erasure as its proposal records it.

    Raises ``ConflictError`` where no record that may be erased fits.
    """
    with lock_loads(step.service.home):
        finish_removals(step.service.home, step.connection)
        found = _count_erasure(step.service, step.connection, proposed.criteria, at=step.now)
    if not found.records and not found.loaded:
        raise ConflictError("erasure", "", "no record that may be erased fits")
    return proposed.model_dump(mode="json", exclude_none=True)


def describe_proposal(service: Runtime, done: StoredRecord) -> ProposedErasure:
    """Return what a proposed erasure would erase now."""
    criteria = _read_criteria(done.body["content"])
    with lock_loads(service.home), service.store.read() as connection:
        found = _count_erasure(service, connection, criteria, at=done.entry.known_at)
    found = replace(found, by=(done.body["by"],))
    return ProposedErasure(**(describe_step(service, done) | asdict(found)))


def _read_criteria(content: Mapping[str, Any]) -> Criteria:
    return Criteria.model_validate(content["criteria"])


def _count_erasure(
    service: Runtime, connection: Connection, criteria: Criteria, *, at: int
) -> ErasureResult:
    selection = _Selection(criteria, RecordGroups(criteria.subject))
    chosen = selection.choose(connection, proposed_at=at, now=service.journal.now(connection))
    selection.loaded = _select_loaded(service.home, criteria, at).count
    return selection.result("proposed", (), chosen)


def _select_loaded(home: Home, criteria: Criteria, proposed_at: int) -> HistoryRows:
    return select_rows(home, subject=criteria.subject, cuts=criteria.cuts(proposed_at))


def erase(step: Step, pending: ApprovalState, _: Approval) -> ErasureResult:
    """Approve a proposed erasure, and erase: approval, signed erasures and rows at once.

    Raises ``ConflictError`` where it was erased meanwhile.
    """
    service, people = step.service, (pending.author, step.caller.person)
    home, store, criteria = service.home, service.store, _read_criteria(pending.content)
    with lock_loads(home):
        with store.read() as connection:
            finish_removals(home, connection)
        approval = draft_approval("erasure", pending, by=step.caller.person)
        selection = _Selection(criteria, RecordGroups(criteria.subject))
        with store.read() as connection:
            selection.groups.read(connection)  # before the lock, so that other writers do not wait
        loaded = _select_loaded(home, criteria, pending.proposed_at)
        selection.loaded = loaded.count
        replaced = stage_erasure(home, loaded)
        rows = ErasedRows(service.plan)
        about: ErasureGrounds = {
            "proposed_by": pending.author,
            "proposed_at": rfc3339(pending.proposed_at),
            # The subject itself must not stay, which is why the proposal is erased too.
            "criteria": "subject" if criteria.subject else pending.content["criteria"],
        }
        result: list[ErasureResult] = []

        def find(connection: Connection, now: int) -> Sequence[Draft]:
            if read_approval_states(connection, "erasure").get(pending.subject) != pending:
                raise ConflictError("erasure", "", "another person erased it meanwhile")
            chosen = selection.choose(connection, proposed_at=pending.proposed_at, now=now)
            result.append(selection.result("erased", people, chosen))
            sequences = sorted({pending.sequence, *(s for one in chosen for s in one.sequences)})
            rows.sequences = sequences
            rows.crossings = [one.key[1] for one in chosen if one.key[0] == "movement"]
            rows.crossings += loaded.crossings
            erasures = _draft_erasures(service, connection, sequences, about, by=people[1])
            return [approval, *replaced, *erasures]

        Journal(store, [*list_projections(), rows]).append_found(find)
        with store.read() as connection:
            finish_removals(home, connection)
        sweep_areas(home, store)
    return replace(result[0], is_overwritten=forget_deleted(store))


def _draft_erasures(
    service: Runtime,
    connection: Connection,
    sequences: Sequence[int],
    about: ErasureGrounds,
    *,
    by: str,
) -> Iterator[Draft]:
    journal_id = service.journal.head(connection).journal_id
    for some in split_in_slices(sequences, ONE_ERASURE):
        leaves = dict(_read_leaves(connection, some))
        why = "approved by two people"
        yield erasure_draft(service.signer, journal_id, leaves, by=by, why=why, about=about)


def _read_leaves(connection: Connection, sequences: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    for some in split_in_slices(sequences, _AT_ONCE):
        query = select(JOURNAL.c.seq, JOURNAL.c.leaf).where(JOURNAL.c.seq.in_(some))
        yield from ((seq, bytes(leaf)) for seq, leaf in connection.execute(query))


@dataclass(slots=True)
class _Selection:
    """The groups that fit some criteria, but those that are still needed."""

    criteria: Criteria
    groups: RecordGroups
    loaded: int = 0
    waiting: int = 0
    in_force: int = 0

    def choose(self, connection: Connection, *, proposed_at: int, now: int) -> list[RecordGroup]:
        """Return the groups to erase, after taking in what was recorded since."""
        self.groups.read(connection)
        fit = [one for one in self.groups.groups.values() if self.criteria.takes(one, proposed_at)]
        waiting = select(DECISIONS.c.crossing_id).where(DECISIONS.c.waiting)
        waits = {("movement", crossing) for crossing in connection.scalars(waiting)}
        waits |= {  # also of an edited row: what is erased is gone
            one.key
            for one in fit
            if one.latest.get(DECISION, 0) >= now - DAY
            and holds_vehicle(connection, one.key[1], as_of=now)
        }
        held = {
            ("entry", one.subject)
            for one in (
                *read_entries(connection).values(),
                *read_approval_states(connection, "known_lawful").values(),
            )
            if one.state != "retired" and read_expiry(one) > now
        }
        needed = list_held(connection, [one.key for one in fit])
        waits |= {one for one in needed if one[0] == "record"}
        held |= needed - waits
        self.waiting = sum(one.key in waits for one in fit)
        self.in_force = sum(one.key in held for one in fit)
        return [one for one in fit if one.key not in waits | held]

    def result(
        self, state: str, by: tuple[str, ...], chosen: Sequence[RecordGroup]
    ) -> ErasureResult:
        """Return the result of a step for these groups."""
        records = sum(len(one.sequences) for one in chosen)
        return ErasureResult(state, by, records, self.loaded, self.waiting, self.in_force)


def export_subject(service: Runtime, caller: Caller, subject: str) -> dict[str, Any]:
    """Return every record that names a subject and may be erased, as JSON values.

    Each reading is recorded first, by the number of the record and never by the subject. Raises
    ``NotAllowedError``.
    """
    caller.must_see_all()
    store, by, role = service.store, caller.person, caller.role.value
    with store.read() as connection:
        chosen = RecordGroups(subject)
        chosen.read(connection)
        named = {
            seq for one in chosen.groups.values() if one.names_subject for seq in one.sequences
        }
        kinds = {one.seq: one.kind for one in read_erasable(connection) if one.seq in named}
    drafts = [
        SENSITIVE_READ.draft(str(seq), {"by": by, "role": role, "sequence": seq, "kind": kind})
        for seq, kind in (kinds or {0: "subject"}).items()
    ]
    service.journal.append(drafts)
    with store.read() as connection:
        records = [
            {
                "sequence": one.seq,
                "known_at": rfc3339(one.known_at),
                "kind": one.kind,
                "post": one.post,
                "names_subject": names_subject(one.body, subject),
                "body": _without_other_rows(one.body, subject),
            }
            for one in read_erasable(connection)
            if one.seq in named
        ]
    loaded = read_rows(service.home, select_rows(service.home, subject=subject, cuts={}))
    return {"subject": subject, "records": records, "loaded": loaded}


def _without_other_rows(body: Any, subject: str) -> Any:
    """Return a body; of a list of the watch list with the rows alone that name the subject."""
    content = body.get("content")
    if not isinstance(content, dict) or "rows" not in content:
        return body
    rows = [row for row in content["rows"] if names_subject(row, subject)]
    return {**body, "content": {**content, "rows": rows}}
