"""The append-only journal: every event is one record, and no change stays undetected.

Bodies have a table of their own, so that one can be erased without breaking the chain
(:mod:`engine.journal.hash_chain`). The chain alone detects an edit without recomputation; receipts
(:mod:`engine.journal.receipts`) kept elsewhere detect an edit with it. ``known_at`` rises strictly,
so that "known before" is a total order.

Records that are appended together are applied by the projections in parts. Within a part decisions
join the queue before anything else happens to them. Own records are never appended in another
order; copies of another journal are.

A journal whose first record begins exercises is a journal of exercises for good: the chain commits
to it. It takes accounts and exercises alone; any other journal takes no record of an exercise. A
store of the other sort is refused when it is opened, and each record when it is appended. No
journal takes a record of a kind that no area declares.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast, overload

from pydantic_core import from_json
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    FromClause,
    Index,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
    inspect,
    select,
    text,
    true,
    type_coerce,
)
from sqlalchemy.types import NULLTYPE

from engine.domain.time_units import SECOND, SystemClock
from engine.errors import ErasedError, NotAllowedError, NotFoundError, StoreUnavailableError
from engine.journal.areas import list_rules
from engine.journal.clock import AnchoredClock, Reading
from engine.journal.entries import (
    Body_co,
    Clock,
    Draft,
    Entry,
    Head,
    JournalRecord,
    Kind,
    Projection,
)
from engine.journal.hash_chain import GENESIS, ChainedFields, canonical, chain_of, leaf_of, new_salt
from engine.journal.kinds import COPIED, DECISION, TICK
from engine.storage.database import (
    METADATA,
    CommitUnknownError,
    Int64,
    Store,
    declare_columns,
    fetch_rows,
    insert_rows,
    record_table,
    split_in_slices,
)

Pair = tuple[Entry, Draft]


def split_parts(pairs: Sequence[Pair]) -> Iterator[Sequence[Pair]]:
    """Yield the records in order; a copied decision after others of its crossing begins a part."""
    if not any(COPIED in draft.body for _, draft in pairs):
        yield pairs
        return
    touched: set[str] = set()
    start = 0
    for at, (entry, draft) in enumerate(pairs):
        crossing = draft.body.get("crossing_id")
        if entry.kind == DECISION and crossing in touched:
            yield pairs[start:at]
            start, touched = at, set()
        if isinstance(crossing, str):
            touched.add(crossing)
    yield pairs[start:]


_FIRST = text("SELECT kind FROM journal WHERE seq = 1")


def begins_exercises(kind: str) -> bool:
    """Tell whether a journal that begins with a record of this kind is one of exercises."""
    rule = list_rules().get(kind)
    return rule is not None and rule.begins_exercises


def is_exercise_journal(connection: Connection) -> bool | None:
    """Tell whether a store's journal is one of exercises; None while it has no record."""
    kind = connection.scalar(_FIRST)
    return None if kind is None else begins_exercises(kind)


def require_sort(store: Store, *, training: bool) -> None:
    """Refuse a store whose journal is of the other sort; raises ``NotAllowedError``."""
    with store.read() as connection:
        if not inspect(connection).has_table("journal"):
            return
        found = is_exercise_journal(connection)
    if found and not training:
        raise NotAllowedError("this is a training home: only darvoza training opens it")
    if training and found is False:
        raise NotAllowedError("this home is not a training home: no exercise is recorded in it")


def require_kinds(kinds: Iterable[str], *, training: bool) -> None:
    """Refuse records that do not belong in a journal of this sort; raises ``NotAllowedError``."""
    rules = list_rules()
    for kind in kinds:
        if (rule := rules.get(kind)) is None:
            raise NotAllowedError(f"no area declares records of kind {kind}")
        if training and rule.journals == "live":
            raise NotAllowedError(f"a training journal takes no record of kind {kind}")
        if not training and rule.journals == "exercise":
            raise NotAllowedError(f"only a training journal takes a record of kind {kind}")


JOURNAL = record_table(
    "journal",
    *declare_columns(Int64, "known_at"),
    *declare_columns(String, "kind", "subject", "post", "origin"),
    Column("origin_seq", Int64),
    *declare_columns(LargeBinary, "leaf", "chain"),
    UniqueConstraint("known_at"),
)
Index(
    "journal_origin_ix",
    JOURNAL.c.origin,
    JOURNAL.c.origin_seq,
    unique=True,
    # Records of this journal's own have no such number and cost nothing here.
    sqlite_where=JOURNAL.c.origin_seq.is_not(None),
    postgresql_where=JOURNAL.c.origin_seq.is_not(None),
)
"""What came from elsewhere is recorded once, whatever was checked before."""
BODIES = record_table("journal_bodies", *declare_columns(LargeBinary, "salt", "body"))
IDENTITY = Table(
    "journal_identity",
    METADATA,
    Column("journal_id", String, primary_key=True),
    Column("created", Int64, nullable=False),
)
"""One row, made with the tables: which journal this is."""


# Plain SQL for speed: the head is read with every decision and every batch.
_LOOK = """
SELECT i.journal_id, j.seq, j.known_at, j.chain, {now}
FROM journal_identity i LEFT JOIN journal j ON j.seq = (SELECT max(seq) FROM journal)
"""
_ENTRY = select(
    IDENTITY.c.journal_id,
    *(JOURNAL.c[name] for name in ("seq", "known_at", "kind", "subject", "post", "leaf", "chain")),
).join_from(JOURNAL, IDENTITY, true())
_POSTGRES_NOW = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"


_AT_ONCE = 500
"""Parameters of one statement."""
_BODY = type_coerce(BODIES.c.body, NULLTYPE)
"""As the driver reads it: an edited store can have a value of any type there."""
_J = JOURNAL.c
_READ = select(_J.seq, _J.known_at, _J.kind, _J.subject, _J.post, _BODY).join_from(
    JOURNAL, BODIES, BODIES.c.seq == _J.seq
)


def parse_body(stored: Any) -> Any:
    """Return a body that the store holds; raises ``TypeError`` or ``ValueError`` if unreadable.

    Quicker than the standard parser, which alone reads a surrogate without its pair: a page of the
    queue reads a body for each vehicle.
    """
    try:
        return from_json(stored, cache_strings="keys")
    except ValueError:
        return json.loads(stored)


class JournalReader:
    """Reads records with their bodies, in the snapshot of one connection.

    What is read is not verified: records that grant power are read with
    :mod:`engine.journal.power_records`, and :mod:`engine.audit.verification` verifies the chain.
    Erased records are passed over.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def body(self, seq: int) -> dict[str, Any]:
        """Return one body; raises ``NotFoundError``, and its ``ErasedError`` for an erased one."""
        found = self._connection.scalar(select(_BODY).where(BODIES.c.seq == seq))
        if found is None:
            known = self._connection.scalar(select(_J.kind).where(_J.seq == seq))
            raise NotFoundError("record", str(seq)) if known is None else ErasedError(known, "")
        return parse_body(found)

    def bodies(self, seqs: Sequence[int]) -> dict[int, dict[str, Any]]:
        """Return bodies by sequence; erased ones are absent."""
        found: dict[int, dict[str, Any]] = {}
        for some in split_in_slices(seqs, _AT_ONCE):
            query = select(BODIES.c.seq, _BODY).where(BODIES.c.seq.in_(some))
            found |= {seq: parse_body(body) for seq, body in self._connection.execute(query)}
        return found

    def records(
        self,
        *kinds: Kind[Body_co],
        where: Sequence[ColumnElement[bool]] = (),
        join: FromClause | None = None,
        oldest: int | None = None,
        newest: int | None = None,
    ) -> Iterator[JournalRecord[Body_co]]:
        """Yield the records of some kinds, or of all without one, in the journal's order.

        ``where`` has conditions on ``JOURNAL`` and on the table of ``join``, which has the number
        of a record in its column ``seq``. At most ``oldest`` are read, or ``newest``, the newest
        first.
        """
        query = _READ.where(*where)
        if kinds:
            query = query.where(_J.kind.in_(kinds))
        if join is not None:
            query = query.join(join, join.c.seq == _J.seq)
        query = query.order_by(_J.seq if newest is None else _J.seq.desc())
        if (most := oldest or newest) is None:
            query = query.execution_options(yield_per=2 * _AT_ONCE)
        else:
            query = query.limit(most)
        for seq, known_at, kind, subject, post, body in self._connection.execute(query):
            yield JournalRecord(seq, known_at, kind, subject, post, parse_body(body))

    def bodies_of(self, *kinds: Kind[Body_co]) -> Iterator[tuple[int, Body_co]]:
        """Yield (seq, body) of some kinds in order, without unreadable bodies.

        An unreadable body is a fault of the chain, which the verification reports.
        """
        query = _READ.where(_J.kind.in_(kinds)).order_by(_J.seq)
        rows = self._connection.execute(query, execution_options={"yield_per": 2 * _AT_ONCE})
        for seq, *_, stored in rows:
            try:
                body = parse_body(stored)
            except (TypeError, ValueError, RecursionError):
                continue
            if isinstance(body, dict):
                yield seq, cast("Any", body)


class Journal:
    """Appends records, and reads them back."""

    def __init__(
        self,
        store: Store,
        projections: Sequence[Projection] = (),
        clock: Clock | None = None,
    ) -> None:
        """Without a clock PostgreSQL's is used, one for all processes; on SQLite the machine's.

        Those two are held against the time since boot (:mod:`engine.journal.clock`), a given one is
        not.
        """
        self._store = store
        self._projections = tuple(projections)
        self._held = AnchoredClock() if clock is None else None
        self._clock = clock or (SystemClock() if store.dialect.is_sqlite else None)
        self._is_training: bool | None = None
        """Which sort of journal it is; None until it is known to have a first record."""
        self._look = _LOOK.format(now="0" if self._clock else _POSTGRES_NOW)

    def append(self, drafts: Sequence[Draft]) -> list[Entry]:
        """Append all drafts or none, durably, and apply the projections to them.

        Raises ``StoreUnavailableError`` where the store did not accept them. Any other exception is
        the fault of a draft, and undoes all of them.
        """
        return self._append(drafts)

    def head(self, connection: Connection) -> Head:
        """Return the last record that this connection's snapshot sees."""
        return self._head(connection)[0]

    def entry(self, connection: Connection, seq: int) -> Entry:
        """Return a record; raises ``NotFoundError``."""
        query = _ENTRY.where(JOURNAL.c.seq == seq)
        found = connection.execute(query).one_or_none()
        if found is None:
            raise NotFoundError("record", str(seq))
        return Entry(*found)

    @overload
    def body(self, connection: Connection, seq: int) -> dict[str, Any]: ...

    @overload
    def body(self, connection: Connection, seq: int, *, of: Kind[Body_co]) -> Body_co: ...

    def body(self, connection: Connection, seq: int, *, of: Kind[Any] | None = None) -> Any:
        """Return a record's body, of a kind that is known; raises ``NotFoundError`` without one."""
        return JournalReader(connection).body(seq)

    def append_found(self, find: Callable[[Connection, int], Sequence[Draft]]) -> list[Entry]:
        """Append the drafts that ``find`` returns for the store and the time, under the lock."""
        return self._commit(
            lambda connection, head, now: [
                _seal(draft) for draft in find(connection, max(head.as_of, now))
            ]
        )

    def now(self, connection: Connection) -> int:
        """Return the journal's time, which is later than its last record: UTC microseconds."""
        head, reading = self._timed(connection)
        return max(head.as_of, reading.now)

    def reading(self, connection: Connection) -> Reading:
        """Return the time, and whether the wall clock is followed."""
        return self._timed(connection)[1]

    def ensure_recent(self) -> None:
        """Append a ``tick`` where the head lies over a second back, so that windows move on."""
        with self._store.read() as connection:
            head, reading = self._timed(connection)
        if self._is_stale(head, reading.now):
            self._append([TICK.draft("", {})], only_if_stale=True)

    def _append(self, drafts: Sequence[Draft], *, only_if_stale: bool = False) -> list[Entry]:
        sealed = [
            _seal(draft) for draft in drafts
        ]  # before the lock, so that other writers do not wait for it
        if not sealed:
            return []
        if only_if_stale:
            return self._commit(lambda _, head, now: sealed if self._is_stale(head, now) else [])
        return self._commit(lambda *_: sealed)

    def _commit(self, find: "Callable[[Connection, Head, int], list[_SealedBody]]") -> list[Entry]:
        """Append what ``find`` returns for the store, its head and the time, under the lock."""
        entries: list[Entry] = []
        try:
            with self._store.write() as connection:
                head, reading = self._timed(connection)
                sealed = find(connection, head, reading.now)
                if not sealed:
                    return []
                self._require_kinds(connection, [seal.draft.kind for seal in sealed])
                if self._held is not None:
                    self._held.keep(connection)
                entries = _chain_drafts(head, reading.now, sealed)
                self._insert(connection, entries, sealed)
        except CommitUnknownError as unknown:
            if entries:
                self._settle(entries[-1], unknown)
        return entries

    def _require_kinds(self, connection: Connection, kinds: Sequence[str]) -> None:
        """Keep exercises out of live journals and everything else out of training journals."""
        if self._is_training is None:
            self._is_training = is_exercise_journal(connection)
        found = self._is_training
        require_kinds(kinds, training=begins_exercises(kinds[0]) if found is None else found)

    def _timed(self, connection: Connection) -> tuple[Head, Reading]:
        """Return the head, and the time by the clock that goes with this store."""
        head, wall = self._head(connection)
        if self._held is None:
            return head, Reading(wall)
        return head, self._held.read(connection, wall=wall, head=head.known_at)

    def _head(self, connection: Connection) -> tuple[Head, int]:
        """Return the head, and what the clock says that goes with this store."""
        found = fetch_rows(connection, self._look)
        if not found:
            raise StoreUnavailableError("it holds no journal yet")
        journal_id, seq, known_at, chain, now = found[0]
        head = Head(journal_id, seq or 0, known_at or 0, GENESIS if seq is None else bytes(chain))
        return head, self._clock.now() if self._clock else now

    @staticmethod
    def _is_stale(head: Head, now: int) -> bool:
        return now - head.known_at > SECOND

    def _insert(
        self, connection: Connection, entries: list[Entry], sealed: "list[_SealedBody]"
    ) -> None:
        both = list(zip(entries, sealed, strict=True))
        insert_rows(connection, BODIES, [(entry.seq, seal.salt, seal.body) for entry, seal in both])
        insert_rows(connection, JOURNAL, [_record(entry, seal.draft) for entry, seal in both])
        pairs = [(entry, seal.draft) for entry, seal in both]
        for part in split_parts(pairs):
            for projection in self._projections:
                projection(connection, part)

    def _settle(self, last: Entry, unknown: CommitUnknownError) -> None:
        """Find out whether a batch whose commit was not confirmed was stored; raises where not.

        The salt makes its chain value unique. The lock waits for a writer that still holds it, so
        the batch cannot be stored after this check.
        """
        try:
            with self._store.write() as connection:
                chain = connection.scalar(select(JOURNAL.c.chain).where(JOURNAL.c.seq == last.seq))
        except StoreUnavailableError:
            raise unknown from None
        if chain != last.chain:
            raise StoreUnavailableError(unknown.why) from unknown


@dataclass(frozen=True, slots=True)
class _SealedBody:
    draft: Draft
    salt: bytes
    body: bytes
    leaf: bytes


def _record(entry: Entry, draft: Draft) -> tuple[object, ...]:
    """Return an entry as a row of the journal's table."""
    about = (entry.known_at, entry.kind, entry.subject, entry.post)
    return (entry.seq, *about, draft.origin, draft.origin_seq, entry.leaf, entry.chain)


def _seal(draft: Draft) -> _SealedBody:
    salt, body = new_salt(), canonical(draft.body)
    return _SealedBody(draft, salt, body, leaf_of(salt, body))


def _chain_drafts(head: Head, now: int, sealed: Sequence[_SealedBody]) -> list[Entry]:
    """Return the drafts' entries, numbered from the head on, with strictly rising times."""
    entries: list[Entry] = []
    chain = head.chain
    first = max(now, head.as_of)
    for offset, seal in enumerate(sealed):
        draft = seal.draft
        after = entries[-1].known_at if entries else head.known_at
        about = (head.seq + 1 + offset, first + offset, draft.kind, draft.subject, draft.post)
        link = ChainedFields(*about, draft.origin, draft.origin_seq, seal.leaf)
        chain = chain_of(chain, head.journal_id, link)
        entries.append(Entry(head.journal_id, *about, seal.leaf, chain, after))
    return entries
