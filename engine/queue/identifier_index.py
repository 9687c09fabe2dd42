"""Index of decisions by the identifiers of their vehicle, its parties and its papers.

Identifiers are folded (:func:`engine.domain.identifiers.fold`) and kept with some of their endings,
so that one range of the index answers a search for the beginning of an identifier, for any three
characters in a row of a plate, for the digits of a container and for the last characters of a VIN.
Texts are UTF-8 bytes, whose order is the same on both stores. Drivers are not in it: their
pseudonyms are for models.

Eighteen texts of a decision lie on as many pages of their table, so they are written behind. The
transaction that records decisions puts their texts in one row of a log. Once the log is long enough
a part of it is frozen, and every later append merges a slice of that part, sorted by key, so that
texts that share a page are written together. A row is its own key and never changes; a search reads
the log too, in its own snapshot.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from operator import attrgetter
from secrets import randbits
from struct import Struct
from struct import error as StructError  # noqa: N812 - named as a class is
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    and_,
    or_,
    select,
)

from engine.domain.identifiers import fold
from engine.errors import DamagedStoreError
from engine.journal.entries import Draft, Entry, list_bodies
from engine.journal.kinds import DECISION
from engine.queue.queue import DECISIONS
from engine.storage.database import (
    METADATA,
    Int64,
    declare_columns,
    execute_many,
    fetch_rows,
    insert_rows,
    memory_of,
    record_table,
    split_in_slices,
    upsert_rows,
)
from engine.storage.dialect import Dialect

IDENTIFIERS = Table(
    "decision_identifiers",
    METADATA,
    *declare_columns(LargeBinary, "text"),
    *declare_columns(SmallInteger, "kind"),
    *declare_columns(Int64, "seq"),
    PrimaryKeyConstraint("text", "kind", "seq", name="decision_identifiers_pk"),
    sqlite_with_rowid=False,
)
IDENTIFIER_LOG = record_table("identifier_log", *declare_columns(LargeBinary, "texts"))
"""Rows that may not be in their table yet: those of decisions that were recorded together, under
the number of the last of them."""
IDENTIFIER_MERGE = Table(
    "identifier_merge",
    METADATA,
    Column("one", SmallInteger, primary_key=True, autoincrement=False),
    *declare_columns(Int64, "run", "frozen", "reached"),
)
"""One row, how far the log is merged; see :class:`MergeState`. None before the first merge."""

LONGEST_LOG = 2_000
"""Records from the oldest of the log to the newest from which on it is frozen: 36,000 texts."""
MOST_LOGGED = 256
"""Decisions of one append up to which they go to the log; more are a bulk and go to the table."""
MERGED_EACH, LEAST_MERGED = 2, 64
"""Rows that an append merges for each that it adds, and at least: a merge is over before the next
one begins."""

IdentifierText = tuple[bytes, int]
"""(folded text, kind of identifier)."""
IdentifierRow = tuple[bytes, int, int]
"""(folded text, kind of identifier, number of the record)."""

_NAME = "identifier merge"
_DECISION, _TEXT = Struct("<qH"), Struct("<BH")
"""Number of the record and how many texts follow; kind and length of one."""
_STATE = "SELECT run, frozen, reached, (SELECT MAX(seq) FROM journal) AS head FROM identifier_merge"
_ENDS = "SELECT (SELECT min(seq) FROM identifier_log), (SELECT max(seq) FROM identifier_log)"
_LOG = "SELECT seq, texts FROM identifier_log WHERE seq > ? AND seq <= ? ORDER BY seq"
_DELETE = "DELETE FROM identifier_log WHERE seq <= ?"
_END = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class MergeState:
    """How far a frozen part of the log is merged."""

    run: int = 0
    """Drawn for every merge, so that no process goes on with rows that it remembers of another."""
    frozen: int = 0
    """Number of the last record of the frozen part; 0 where nothing is being merged."""
    reached: int = 0
    """Rows of it, sorted by key, that are in the table."""


def append(
    connection: Connection, decisions: Sequence[tuple[int, Sequence[IdentifierText]]]
) -> None:
    """Keep the texts of some decisions by the number of their record, and merge a slice.

    Inside the writer's transaction, decisions in the order of their records.
    """
    if not decisions:
        return
    if len(decisions) > MOST_LOGGED:
        rows = [(*text, seq) for seq, texts in decisions for text in texts]
        _insert(connection, rows)
        return
    added = sum(len(texts) for _, texts in decisions)
    _merge_slice(connection, most=max(LEAST_MERGED, MERGED_EACH * added))
    packed = b"".join([_pack(*one) for one in decisions])
    insert_rows(connection, IDENTIFIER_LOG, [(decisions[-1][0], packed)])


def settle(connection: Connection) -> None:
    """Merge all of the log, and empty it, inside the writer's transaction."""
    _insert(connection, read_waiting(connection))
    _empty(connection, upto=_END)


def void(connection: Connection) -> None:
    """Empty the log where the table is replaced, inside the writer's transaction."""
    _empty(connection, upto=_END)


def read_waiting(connection: Connection) -> list[IdentifierRow]:
    """Return the rows that a snapshot has in the log alone, sorted by key."""
    state = _read_state(connection)
    frozen = sorted(_read_rows(connection, 0, state.frozen))[state.reached :]
    return sorted([*frozen, *_read_rows(connection, state.frozen, _END)])


def read_logged(connection: Connection, part: bytes) -> Iterator[IdentifierRow]:
    """Yield the rows of the log, merged or not, that were recorded together with a text's part."""
    for seq, packed in fetch_rows(connection, _LOG, [0, _END]):
        if part in (texts := bytes(packed)):
            yield from _unpack(seq, texts)


def _merge_slice(connection: Connection, *, most: int) -> None:
    state = _read_state(connection)
    if not state.frozen:
        ((oldest, newest),) = fetch_rows(connection, _ENDS)
        if oldest is None or newest - oldest < LONGEST_LOG:
            return
        state = MergeState(randbits(62), newest)
    rows = _frozen_rows(connection, state)
    part = rows[state.reached : state.reached + most]
    _insert(connection, part)
    if state.reached + len(part) == len(rows):
        _empty(connection, upto=state.frozen)
    else:
        _write_state(connection, MergeState(state.run, state.frozen, state.reached + len(part)))


def _frozen_rows(connection: Connection, state: MergeState) -> list[IdentifierRow]:
    """Return what is being merged, sorted by key; read from the log once a run and process."""
    memory = memory_of(connection)
    found: tuple[int, list[IdentifierRow]] | None = memory.get(_NAME)
    if found is None or found[0] != state.run:
        found = memory[_NAME] = state.run, sorted(_read_rows(connection, 0, state.frozen))
    return found[1]


def _insert(connection: Connection, rows: Sequence[IdentifierRow]) -> None:
    # A row that an edit put there must not keep decisions from being recorded.
    insert_rows(connection, IDENTIFIERS, rows, skips_known=True)


def _empty(connection: Connection, *, upto: int) -> None:
    execute_many(connection, Dialect.of(connection).spell(_DELETE), [(upto,)])
    _write_state(connection, MergeState())
    memory_of(connection).pop(_NAME, None)


def _read_state(connection: Connection) -> MergeState:
    """Return how far a merge is; raises ``DamagedStoreError`` for more than there are records."""
    for run, frozen, reached, head in fetch_rows(connection, _STATE):
        if frozen > (head or _END):
            why = "identifier_merge: the journal has not come as far as it says"
            raise DamagedStoreError(why, IDENTIFIER_MERGE.name, "one 1")
        return MergeState(run, frozen, reached)
    return MergeState()


def _write_state(connection: Connection, state: MergeState) -> None:
    upsert_rows(connection, IDENTIFIER_MERGE, [(1, state.run, state.frozen, state.reached)])


def _read_rows(connection: Connection, after: int, upto: int) -> list[IdentifierRow]:
    found = fetch_rows(connection, _LOG, [after, upto])
    return [row for seq, packed in found for row in _unpack(seq, packed)]


def _pack(seq: int, texts: Sequence[IdentifierText]) -> bytes:
    each = [_TEXT.pack(kind, len(text)) + text for text, kind in texts]
    return b"".join((_DECISION.pack(seq, len(each)), *each))


def _unpack(key: int, packed: bytes) -> list[IdentifierRow]:
    """Return the rows that were packed together under a key, the number of their last record.

    Raises ``DamagedStoreError`` if the key is another.
    """
    last, rows = 0, list[IdentifierRow]()
    try:
        packed, at = bytes(packed), 0
        while at < len(packed):
            last, count = _DECISION.unpack_from(packed, at)
            at += _DECISION.size
            for _ in range(count):
                kind, size = _TEXT.unpack_from(packed, at)
                begin = at + _TEXT.size
                at = begin + size
                rows.append((packed[begin:at], kind, last))
    except (StructError, TypeError):
        last = 0
    if last != key:
        row = f"seq {key}"
        why = f"identifier_log, {row}: its key is not the number of the last record in it"
        raise DamagedStoreError(why, IDENTIFIER_LOG.name, row)
    return rows


class IdentifierKind(IntEnum):
    """What an identifier names; numbers stand in the store, names in answers."""

    DECISION = 0
    CROSSING = 1
    PLATE = 2
    TRAILER_PLATE = 3
    VIN = 4
    CONTAINER = 5
    SEAL = 6
    CARRIER = 7
    DECLARANT = 8
    CONSIGNOR = 9
    CONSIGNEE = 10
    DECLARATION = 11
    TIR = 12
    CMR = 13

    @property
    def code(self) -> str:
        """Return its name in answers."""
        return self.name.lower()


SHORTEST_SEARCH = 3
"""Characters of the shortest text, folded, that may be looked for."""
_AT_ONCE = 500
"""Numbers of records in one statement."""
_PAPERS = (
    (IdentifierKind.DECLARATION, "declaration_id"),
    (IdentifierKind.TIR, "tir_carnet"),
    (IdentifierKind.CMR, "cmr_number"),
)
_OF_CROSSING = (
    (IdentifierKind.CROSSING, "crossing_id"),
    (IdentifierKind.PLATE, "plate"),
    (IdentifierKind.TRAILER_PLATE, "trailer_plate"),
    (IdentifierKind.VIN, "vin"),
    (IdentifierKind.CARRIER, "carrier_id"),
    *_PAPERS,
)
_OF_PAPERS = (
    (IdentifierKind.DECLARANT, "declarant_id"),
    (IdentifierKind.CONSIGNOR, "consignor_id"),
    (IdentifierKind.CONSIGNEE, "consignee_id"),
    *_PAPERS,
)
_OF_EACH = (
    (IdentifierKind.CONTAINER, "container_numbers"),
    (IdentifierKind.SEAL, "seal_numbers"),
)
_WHOLE = (IdentifierKind.DECISION, IdentifierKind.CROSSING)
"""Kinds that are found by the whole identifier alone: those of a post begin alike."""
_PLATES = (IdentifierKind.PLATE, IdentifierKind.TRAILER_PLATE)
_ENDINGS: Mapping[IdentifierKind, int] = {IdentifierKind.CONTAINER: 4, IdentifierKind.VIN: 9}
"""Where the ending begins that is found too: after the owner's code, and at the vehicle's own
part."""

_I, _D = IDENTIFIERS.c, DECISIONS.c


@dataclass(frozen=True, slots=True)
class FoundDecision:
    """A decision that a search found, as the queue knows it."""

    seq: int
    decision_id: str
    crossing_id: str
    post: str
    known_at: int
    channel: int
    """Where it stands, or stood last."""
    waiting: bool
    amends: str | None
    kinds: Sequence[IdentifierKind]
    """Which of its identifiers the text is, or is a part of."""


class IdentifierProjection:
    """Keeps the identifiers of every decision."""

    def apply(self, connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
        """Add those of new decisions."""
        found = list_bodies(entries, DECISION)
        append(connection, [(entry.seq, list_texts(body)) for entry, body in found])


def list_texts(body: Mapping[str, Any]) -> list[tuple[bytes, int]]:
    """Return the texts under which a decision's record is found, each with its kind."""
    texts = [
        (ending.encode("utf-8", "surrogatepass"), int(kind))
        for kind, value in _identifiers(body)
        for ending in _endings(kind, fold(value))
    ]
    return list(dict.fromkeys(texts))


def _identifiers(body: Mapping[str, Any]) -> list[tuple[IdentifierKind, str]]:
    crossing = body["arrival"]["crossing"]
    papers = body["arrival"].get("declaration") or {}
    found = [(IdentifierKind.DECISION, body["decision"]["decision_id"])]
    for source, names in ((crossing, _OF_CROSSING), (papers, _OF_PAPERS)):
        found += [(kind, value) for kind, name in names if (value := source.get(name))]
    for kind, name in _OF_EACH:
        found += [(kind, value) for value in crossing.get(name) or () if value]
    return found


def _endings(kind: IdentifierKind, text: str) -> list[str]:
    """Return a folded identifier and the endings under which it is found."""
    found = [text] if text else []
    if kind in _PLATES:
        found += [text[start:] for start in range(1, len(text) - SHORTEST_SEARCH + 1)]
    elif kind in _ENDINGS and len(text) >= _ENDINGS[kind] + SHORTEST_SEARCH:
        found.append(text[_ENDINGS[kind] :])
    return found


def find_decisions(
    connection: Connection,
    asked: str,
    *,
    post: str | None,
    hidden: Collection[str] = (),
    before: int | None = None,
    most: int,
) -> list[FoundDecision]:
    """Return the decisions that a folded text finds, the newest first.

    ``post`` None means all, but for ``hidden`` posts; ``before`` is a record's number. A text of
    fewer than ``SHORTEST`` characters finds nothing.
    """
    if len(asked) < SHORTEST_SEARCH:
        return []
    text = asked.encode("utf-8", "surrogatepass")
    kinds = _find_logged(connection, text)
    columns = (_D.seq, _D.decision_id, _D.crossing_id, _D.post, _D.known_at)
    query = select(*columns, _D.channel, _D.waiting, _D.amends).order_by(_D.seq.desc()).limit(most)
    if before is not None:
        query = query.where(_D.seq < before)
    if post is not None:
        query = query.where(_D.post == post)
    if hidden:
        query = query.where(_D.post.not_in(hidden))
    is_match = _match(text)
    matched = select(_I.seq).where(is_match).distinct().subquery()
    rows = list(connection.execute(query.join(matched, matched.c.seq == _D.seq)))
    for some in split_in_slices(sorted(kinds, reverse=True), _AT_ONCE):
        rows += connection.execute(query.where(_D.seq.in_(some)))
    newest = sorted(dict.fromkeys(rows), key=attrgetter("seq"), reverse=True)[:most]
    of_found = select(_I.seq, _I.kind).where(is_match, _I.seq.in_([row.seq for row in newest]))
    for seq, kind in connection.execute(of_found):
        kinds[seq].add(IdentifierKind(kind))
    return [FoundDecision(*row, kinds=sorted(kinds[row.seq])) for row in newest]


def _find_logged(connection: Connection, asked: bytes) -> defaultdict[int, set[IdentifierKind]]:
    """Return the records that a text finds in the log, and by which of their identifiers."""
    found: defaultdict[int, set[IdentifierKind]] = defaultdict(set)
    for text, kind, seq in read_logged(connection, asked):
        if text == asked if kind in _WHOLE else text.startswith(asked):
            found[seq].add(IdentifierKind(kind))
    return found


def _match(asked: bytes) -> ColumnElement[bool]:
    after = asked[:-1] + bytes([asked[-1] + 1])  # a byte of UTF-8 is never 255
    within = and_(_I.text >= asked, _I.text < after)
    return and_(within, or_(_I.kind.not_in(_WHOLE), _I.text == asked))
