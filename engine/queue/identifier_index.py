"""Index of records by the identifiers that they name.

Decisions and recorded crossings are found by their vehicle, its parties and its papers;
declarations ahead by the vehicles that they expect too; entries of the watch list and of known
lawful trade by what they name; seizures by their crossing and plate. Areas add their own records.

Identifiers are folded (:func:`engine.domain.identifiers.fold`) and kept with some of their endings,
so that one range of the index answers a search for the beginning of an identifier, for any three
characters in a row of a plate, for the digits of a container and for the last characters of a VIN.
Texts are UTF-8 bytes, whose order is the same on both stores. A driver is found by the whole
pseudonym, on the page of the driver alone.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import chain
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    LargeBinary,
    PrimaryKeyConstraint,
    Select,
    SmallInteger,
    Table,
    and_,
    func,
    or_,
    select,
)

from engine.domain.identifiers import fold
from engine.journal.entries import Draft, Entry
from engine.journal.journal import JOURNAL
from engine.journal.kinds import (
    CROSSING,
    DECISION,
    DECLARATION_LODGED,
    FIND_CONFIRMED,
    KNOWN_LAWFUL_PROPOSED,
    SEIZURE,
    WATCHLIST_NOTICED,
    WATCHLIST_PROPOSED,
)
from engine.queue.queue import DECISIONS
from engine.storage.database import METADATA, Int64, at_posts, declare_columns, insert_rows

IDENTIFIERS = Table(
    "record_identifiers",
    METADATA,
    *declare_columns(LargeBinary, "text"),
    *declare_columns(SmallInteger, "sort", "kind"),
    *declare_columns(Int64, "seq"),
    PrimaryKeyConstraint("text", "sort", "kind", "seq", name="record_identifiers_pk"),
    sqlite_with_rowid=False,
)


class RecordSort(IntEnum):
    """What a record is that names an identifier; numbers stand in the store.

    A sort has its own part of the index: the few entries that name a carrier are not looked for
    among all of its crossings.
    """

    PASSAGE = 0
    DECLARATION = 1
    ENTRY = 2
    FIND = 3
    CASE = 4


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
    DRIVER = 14
    PARTY = 15
    """A carrier, consignor, consignee or declarant, as an entry may leave it open."""
    SEIZURE = 16
    CASE = 17
    NATIONAL = 18
    """A text of a national field."""

    @property
    def code(self) -> str:
        """Return its name in answers."""
        return self.name.lower()


SHORTEST_SEARCH, LONGEST_SEARCH = 3, 64
"""Characters of the shortest text, folded, that may be looked for, and of the longest one."""
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
    (IdentifierKind.DRIVER, "driver_ref"),
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
_OF_ENTRIES = {
    "plate": IdentifierKind.PLATE,
    "trailer": IdentifierKind.TRAILER_PLATE,
    "vin": IdentifierKind.VIN,
    "container": IdentifierKind.CONTAINER,
    "seal": IdentifierKind.SEAL,
    "tir_carnet": IdentifierKind.TIR,
    "driver_ref": IdentifierKind.DRIVER,
    "party": IdentifierKind.PARTY,
    "carrier": IdentifierKind.CARRIER,
    "consignee": IdentifierKind.CONSIGNEE,
    "consignor": IdentifierKind.CONSIGNOR,
    "declarant": IdentifierKind.DECLARANT,
}
"""Kinds by what an entry names; see :data:`engine.criteria.watchlist.NAMED`."""
_WHOLE = (
    IdentifierKind.DECISION, IdentifierKind.CROSSING, IdentifierKind.SEIZURE, IdentifierKind.CASE,
    IdentifierKind.NATIONAL,
)  # fmt: skip
"""Kinds that are found by the whole identifier alone: those of a post begin alike, and a national
field may hold a word."""
_OF_FIND = (
    (IdentifierKind.SEIZURE, "seizure_id"),
    (IdentifierKind.CROSSING, "crossing_id"),
    (IdentifierKind.PLATE, "plate"),
)
Identifier = tuple[IdentifierKind, str]
"""What is named, as it was written."""
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


def project_identifiers(connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
    """Keep the identifiers that the core's records name."""
    for sort, kinds, read in _READERS:
        keep_identifiers(
            connection,
            sort,
            [(entry.seq, read(draft.body)) for entry, draft in entries if entry.kind in kinds],
        )


def keep_identifiers(
    connection: Connection, sort: RecordSort, named: Iterable[tuple[int, Sequence[Identifier]]]
) -> None:
    """Keep the identifiers that records of one sort name, by the number of each record."""
    rows = [
        (*text[:1], int(sort), *text[1:], seq)
        for seq, identifiers in named
        for text in list_texts(identifiers)
    ]
    # A row that an edit put there must not keep decisions from being recorded.
    insert_rows(connection, IDENTIFIERS, sorted(rows), skips_known=True)


def list_texts(identifiers: Iterable[Identifier]) -> list[tuple[bytes, int]]:
    """Return the texts under which a record is found, each with its kind."""
    texts = [
        (encode_text(ending), int(kind))
        for kind, value in identifiers
        for ending in _endings(kind, fold(value))
    ]
    return list(dict.fromkeys(texts))


def encode_text(folded: str) -> bytes:
    """Return a folded text as the index holds it."""
    return folded.encode("utf-8", "surrogatepass")


def _read_passage(body: Mapping[str, Any]) -> list[Identifier]:
    arrival = body["arrival"]
    found = _read_conveyance(arrival["crossing"])
    for papers in arrival.get("declarations") or [arrival.get("declaration") or {}]:
        found += _read_papers(papers)
    if "decision" in body:
        found.append((IdentifierKind.DECISION, body["decision"]["decision_id"]))
    return found


def _read_conveyance(crossing: Mapping[str, Any]) -> list[Identifier]:
    found = _pick(crossing, _OF_CROSSING) + _read_national(crossing)
    for kind, name in _OF_EACH:
        found += [(kind, value) for value in crossing.get(name) or () if value]
    return found


def _read_papers(declaration: Mapping[str, Any]) -> list[Identifier]:
    found = _pick(declaration, _OF_PAPERS) + _read_national(declaration)
    for item in declaration.get("items") or ():
        found += _read_national(item)
    return found


def _read_national(source: Mapping[str, Any]) -> list[Identifier]:
    return [
        (IdentifierKind.NATIONAL, value)
        for value in (source.get("national") or {}).values()
        if isinstance(value, str) and SHORTEST_SEARCH <= len(fold(value)) <= LONGEST_SEARCH
    ]


def _read_declaration(body: Mapping[str, Any]) -> list[Identifier]:
    lodged = body["lodged"]
    vehicles = (_read_conveyance(one) for one in lodged.get("vehicles") or ())
    return _read_papers(lodged["declaration"]) + list(chain.from_iterable(vehicles))


def _read_entry(body: Mapping[str, Any]) -> list[Identifier]:
    content = body.get("content") or {}
    return [
        (kind, str(row[name]))
        for row in content.get("rows") or (content,)
        for name, kind in _OF_ENTRIES.items()
        if row.get(name)
    ]


def _read_find(body: Mapping[str, Any]) -> list[Identifier]:
    seizure = body["seizure"]
    named = seizure | {"crossing_id": body["linked_crossing_id"]}
    return _pick(named, _OF_FIND)


def _pick(
    source: Mapping[str, Any], names: Iterable[tuple[IdentifierKind, str]]
) -> list[Identifier]:
    return [(kind, value) for kind, name in names if (value := source.get(name))]


_READERS: Sequence[
    tuple[RecordSort, frozenset[str], Callable[[Mapping[str, Any]], list[Identifier]]]
] = (
    (RecordSort.PASSAGE, frozenset({DECISION, CROSSING}), _read_passage),
    (RecordSort.DECLARATION, frozenset({DECLARATION_LODGED}), _read_declaration),
    (
        RecordSort.ENTRY,
        frozenset({WATCHLIST_PROPOSED, WATCHLIST_NOTICED, KNOWN_LAWFUL_PROPOSED}),
        _read_entry,
    ),
    (RecordSort.FIND, frozenset({SEIZURE, FIND_CONFIRMED}), _read_find),
)
"""What each sort of the core's records names."""


def _endings(kind: IdentifierKind, text: str) -> list[str]:
    """Return a folded identifier and the endings under which it is found."""
    found = [text] if text else []
    if kind in _PLATES:
        found += [text[start:] for start in range(1, len(text) - SHORTEST_SEARCH + 1)]
    elif kind in _ENDINGS and len(text) >= _ENDINGS[kind] + SHORTEST_SEARCH:
        found.append(text[_ENDINGS[kind] :])
    return found


@dataclass(frozen=True, slots=True)
class NamedBy:
    """Which records are asked for: those of one sort that name an identifier in some way."""

    sort: RecordSort
    kinds: Collection[IdentifierKind]
    text: str
    """The whole identifier, folded."""
    before: int
    """They were known before this time, UTC microseconds."""
    post: str | None = None
    """None means all, but for ``hidden`` ones."""
    hidden: Collection[str] = ()


def find_records(connection: Connection, asked: NamedBy, *, most: int) -> dict[int, int]:
    """Return the last ``most`` records by number, each with when it became known.

    The time of a query does not grow with the journal: each kind is one seek, read from its end.
    """
    found: dict[int, int] = {}
    for kind in asked.kinds:
        query = _select_named(asked, kind).order_by(_I.seq.desc()).limit(most)
        found |= {row.seq: row.known_at for row in connection.execute(query)}
    return dict(sorted(found.items(), reverse=True)[:most])


def count_records(connection: Connection, asked: NamedBy, *, most: int) -> int:
    """Return how many there are, ``most`` of each kind at most."""
    some = (_select_named(asked, kind).limit(most).subquery() for kind in asked.kinds)
    return sum(connection.scalar(select(func.count()).select_from(one)) or 0 for one in some)


def _select_named(asked: NamedBy, kind: IdentifierKind) -> Select[tuple[int, int]]:
    return (
        select(_I.seq, JOURNAL.c.known_at)
        .join(JOURNAL, JOURNAL.c.seq == _I.seq)
        .where(_I.text == encode_text(asked.text), _I.sort == int(asked.sort))
        .where(_I.kind == int(kind), JOURNAL.c.known_at < asked.before)
        .where(*at_posts(JOURNAL.c.post, asked.post, asked.hidden))
    )


def find_by_text(
    connection: Connection, sort: RecordSort, asked: str, *, most: int, kind: str | None = None
) -> list[int]:
    """Return the last ``most`` records of one sort that a folded text finds, the newest first.

    ``kind`` is that of the records, None for all of the sort; :func:`find_decisions` finds
    decisions. A text of fewer than ``SHORTEST_SEARCH`` characters finds nothing.
    """
    if len(asked) < SHORTEST_SEARCH:
        return []
    query = select(_I.seq).where(_match(sort, encode_text(asked))).distinct()
    if kind is not None:
        query = query.join(JOURNAL, JOURNAL.c.seq == _I.seq).where(JOURNAL.c.kind == kind)
    return list(connection.scalars(query.order_by(_I.seq.desc()).limit(most)))


def _read_matched(
    connection: Connection, is_match: ColumnElement[bool], seqs: Sequence[int]
) -> dict[int, list[IdentifierKind]]:
    kinds: defaultdict[int, set[IdentifierKind]] = defaultdict(set)
    query = select(_I.seq, _I.kind).where(is_match, _I.seq.in_(seqs))
    for seq, kind in connection.execute(query):
        kinds[seq].add(IdentifierKind(kind))
    return {seq: sorted(kinds[seq]) for seq in seqs}


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
    columns = (_D.seq, _D.decision_id, _D.crossing_id, _D.post, _D.known_at)
    query = select(*columns, _D.channel, _D.waiting, _D.amends).order_by(_D.seq.desc()).limit(most)
    if before is not None:
        query = query.where(_D.seq < before)
    query = query.where(*at_posts(_D.post, post, hidden))
    is_match = _match(RecordSort.PASSAGE, encode_text(asked))
    matched = select(_I.seq).where(is_match).distinct().subquery()
    newest = list(connection.execute(query.join(matched, matched.c.seq == _D.seq)))
    kinds = _read_matched(connection, is_match, [row.seq for row in newest])
    return [FoundDecision(*row, kinds=kinds[row.seq]) for row in newest]


def _match(sort: RecordSort, asked: bytes) -> ColumnElement[bool]:
    after = asked[:-1] + bytes([asked[-1] + 1])  # a byte of UTF-8 is never 255
    return and_(
        _I.text >= asked,
        _I.text < after,
        _I.sort == int(sort),
        _I.kind != int(IdentifierKind.DRIVER),
        or_(_I.kind.not_in(_WHOLE), _I.text == asked),
    )
