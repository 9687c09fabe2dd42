"""Index of decisions by the identifiers of their vehicle, its parties and its papers.

Identifiers are folded (:func:`engine.domain.identifiers.fold`) and kept with some of their endings,
so that one range of the index answers a search for the beginning of an identifier, for any three
characters in a row of a plate, for the digits of a container and for the last characters of a VIN.
Texts are UTF-8 bytes, whose order is the same on both stores. Drivers are not in it: their
pseudonyms are for models.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from sqlalchemy import (
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
from engine.journal.entries import Draft, Entry, list_bodies
from engine.journal.kinds import DECISION
from engine.queue.queue import DECISIONS
from engine.storage.database import METADATA, Int64, declare_columns, insert_rows

IDENTIFIERS = Table(
    "decision_identifiers",
    METADATA,
    *declare_columns(LargeBinary, "text"),
    *declare_columns(SmallInteger, "kind"),
    *declare_columns(Int64, "seq"),
    PrimaryKeyConstraint("text", "kind", "seq", name="decision_identifiers_pk"),
    sqlite_with_rowid=False,
)


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


def project_identifiers(connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
    """Keep the identifiers of every decision."""
    rows = [
        (*text, entry.seq)
        for entry, body in list_bodies(entries, DECISION)
        for text in list_texts(body)
    ]
    # A row that an edit put there must not keep decisions from being recorded.
    insert_rows(connection, IDENTIFIERS, sorted(rows), skips_known=True)


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
    brought = body["arrival"].get("declarations") or [body["arrival"].get("declaration") or {}]
    found = [(IdentifierKind.DECISION, body["decision"]["decision_id"])]
    for source, names in ((crossing, _OF_CROSSING), *((papers, _OF_PAPERS) for papers in brought)):
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
    newest = list(connection.execute(query.join(matched, matched.c.seq == _D.seq)))
    kinds: defaultdict[int, set[IdentifierKind]] = defaultdict(set)
    of_found = select(_I.seq, _I.kind).where(is_match, _I.seq.in_([row.seq for row in newest]))
    for seq, kind in connection.execute(of_found):
        kinds[seq].add(IdentifierKind(kind))
    return [FoundDecision(*row, kinds=sorted(kinds[row.seq])) for row in newest]


def _match(asked: bytes) -> ColumnElement[bool]:
    after = asked[:-1] + bytes([asked[-1] + 1])  # a byte of UTF-8 is never 255
    within = and_(_I.text >= asked, _I.text < after)
    return and_(within, or_(_I.kind.not_in(_WHOLE), _I.text == asked))
