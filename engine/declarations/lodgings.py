"""Declarations ahead as the store has them: each version, its keys, and which vehicle used which.

Every row names the record of the journal that it follows from and when that became known, so that
the tables answer as of any time: with what was known strictly before it.

A declaration is found by digests of 63 bits, each of a kind and a folded value, so that their table
holds no plate and takes little room. Two values share a digest by chance in one of about 10^18
pairs; a match is then held against the declaration itself.

A sender lodges, amends and withdraws a declaration; no other sender may change it, and a withdrawn
one stays withdrawn. Each version is a record that names the version before it.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Index,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
    func,
    or_,
    select,
    text,
)

from engine.domain.advance_declarations import AdvanceDeclaration, MatchKind
from engine.domain.identifiers import fold
from engine.domain.records import Arrival, OptionalReason
from engine.domain.time_units import DAY, micros
from engine.errors import ConflictError, NotFoundError
from engine.journal.entries import Draft
from engine.journal.idempotency import MESSAGE_IDENTIFIER_TAKEN, IdempotencyClaim
from engine.journal.journal import JournalReader
from engine.journal.kinds import (
    DECLARATION_CANCELLED,
    DECLARATION_LODGED,
    CancelledBody,
    LodgedBody,
    ReportBody,
    dump_arrival,
)
from engine.storage.database import METADATA, Int64, declare_columns, fetch_rows, record_table
from engine.storage.dialect import Dialect


@lru_cache(maxsize=1 << 14)
def digest(kind: MatchKind, value: str) -> int:
    """Return the digest of an identifier; that of a declaration is not folded.

    >>> digest("plate", "01 a 123 bc") == digest("plate", "01A123BC") != digest("tir", "01A123BC")
    True
    """
    text = value if kind == "declaration_id" else fold(value) or value
    found = hashlib.blake2b(f"{kind}\x1f{text}".encode("utf-8", "surrogatepass"), digest_size=8)
    return int.from_bytes(found.digest(), "big") >> 1


_PAPERS: tuple[tuple[MatchKind, str], ...] = (
    ("declaration_id", "declaration_id"),
    ("tir", "tir_carnet"),
    ("cmr", "cmr_number"),
)


def list_arrival_keys(arrival: Arrival) -> list[tuple[MatchKind, int]]:
    """Return the digests of an arrival with their kinds, the surest first, each once."""
    return list_body_keys(dump_arrival(arrival))


def list_body_keys(arrival: Any) -> list[tuple[MatchKind, int]]:
    """Return the same of an arrival as a record's body holds it."""
    crossing = arrival["crossing"]
    brought = arrival.get("declarations") or [arrival.get("declaration") or {}]
    given: list[tuple[MatchKind, str | None]] = [
        *(
            (kind, papers.get(name) or crossing.get(name))
            for kind, name in _PAPERS
            for papers in brought
        ),
        *(("container", number) for number in crossing.get("container_numbers") or ()),
        ("plate", crossing.get("plate")),
        ("trailer", crossing.get("trailer_plate")),
    ]
    found = ((kind, digest(kind, value)) for kind, value in given if value)
    return list(dict.fromkeys(found))


def list_lodged_keys(lodged: AdvanceDeclaration) -> list[tuple[int, int]]:
    """Return the digests of a declaration ahead, each with its vehicle: 0 for the papers."""
    found = [(key, 0) for _, key in list_paper_keys(lodged)]
    for number in range(1, len(lodged.expected_vehicles) + 1):
        found += [(key, number) for _, key in list_vehicle_keys(lodged, number)]
    return list(dict.fromkeys(found))


def list_paper_keys(lodged: AdvanceDeclaration) -> list[tuple[MatchKind, int]]:
    """Return the digests of its papers with their kinds, the surest first."""
    papers = lodged.declaration
    given: list[tuple[MatchKind, str | None]] = [
        ("declaration_id", papers.declaration_id),
        ("tir", papers.tir_carnet),
        ("cmr", papers.cmr_number),
    ]
    return [(kind, digest(kind, value)) for kind, value in given if value]


def list_vehicle_keys(lodged: AdvanceDeclaration, number: int) -> Iterator[tuple[MatchKind, int]]:
    """Yield the digests of one of its vehicles, counted from 1, with their kinds."""
    vehicle = lodged.expected_vehicles[number - 1]
    for container in vehicle.container_numbers:
        yield "container", digest("container", container)
    if vehicle.plate:
        yield "plate", digest("plate", vehicle.plate)
    if vehicle.trailer_plate:
        yield "trailer", digest("trailer", vehicle.trailer_plate)


VALID = 30 * DAY
"""How long a declaration is expected that does not say until when."""
GRACE = DAY
"""How far outside its window a vehicle may come and still be the one that was announced."""
LODGED: Final = "lodged"
CANCELLED: Final = "cancelled"

VERSIONS = record_table(
    "advance_declarations",
    *declare_columns(String, "declaration_id"),
    *declare_columns(SmallInteger, "version"),
    *declare_columns(Int64, "known_at"),
    *declare_columns(String, "post", "lodged_by", "state"),
    *declare_columns(Int64, "due_at", "expires_at"),
    *declare_columns(SmallInteger, "vehicles"),
    Column("is_current", Boolean, nullable=False),
    UniqueConstraint("declaration_id", "version"),
)
"""A cancellation is the last version of its declaration."""
_V = VERSIONS.c
_IS_CURRENT = text("is_current")
Index(
    "advance_declarations_due_ix",
    _V.due_at,
    _V.seq,
    sqlite_where=_IS_CURRENT,
    postgresql_where=_IS_CURRENT,
)
Index("advance_declarations_known_ix", _V.known_at)
KEYS = Table(
    "advance_keys",
    METADATA,
    Column("key", Int64, primary_key=True, autoincrement=False),
    Column("seq", Int64, primary_key=True, autoincrement=False),
    Column("vehicle", SmallInteger, primary_key=True, autoincrement=False),
)
"""Digests under which each version is expected; vehicle 0 for those of the papers."""
USES = Table(
    "advance_uses",
    METADATA,
    Column("declaration_id", String, primary_key=True),
    Column("vehicle", SmallInteger, primary_key=True, autoincrement=False),
    *declare_columns(Int64, "seq", "known_at"),
    *declare_columns(SmallInteger, "version"),
    *declare_columns(String, "decision_id", "crossing_id", "matched_by"),
    *declare_columns(Int64, "decision_seq"),
    Index("advance_uses_crossing_ix", "crossing_id"),
)
"""One row for each vehicle that came: the key lets no two crossings use one."""
ALERTS = record_table(
    "advance_alerts",
    Column("decision_id", String, primary_key=True),
    *declare_columns(Int64, "known_at"),
    *declare_columns(String, "code", "declaration_id", "matched_by"),
    *declare_columns(SmallInteger, "version"),
    *declare_columns(Int64, "decision_seq"),
    Index("advance_alerts_decision_ix", "decision_id"),
)
_U = USES.c


@dataclass(frozen=True, slots=True)
class LodgedVersion:
    """One version of a declaration ahead, without its content."""

    seq: int
    declaration_id: str
    version: int
    known_at: int
    post: str
    """Empty where it is expected at any post."""
    lodged_by: str
    state: Literal["lodged", "cancelled"]
    due_at: int
    """When it is expected, UTC microseconds; when it was lodged, where it does not say."""
    expires_at: int
    """From when on no vehicle is matched by it."""
    vehicles: int

    @property
    def is_cancelled(self) -> bool:
        """Tell whether it is withdrawn."""
        return self.state == CANCELLED


@dataclass(frozen=True, slots=True)
class Use:
    """A vehicle that came for a declaration."""

    declaration_id: str
    vehicle: int
    seq: int
    known_at: int
    version: int
    decision_id: str
    crossing_id: str
    matched_by: MatchKind
    decision_seq: int
    """The record of the decision; ``seq`` is another one where the declaration came too late."""


_VERSION = (
    "SELECT seq, declaration_id, version, known_at, post, lodged_by, state, due_at, expires_at,"
    " vehicles FROM advance_declarations WHERE "
)
_USE = (
    "SELECT declaration_id, vehicle, seq, known_at, version, decision_id, crossing_id, matched_by,"
    " decision_seq FROM advance_uses WHERE "
)


def due_at(lodged: AdvanceDeclaration, known_at: int) -> int:
    """Return when a declaration is expected."""
    first = lodged.arrives_from or lodged.arrives_until
    return known_at if first is None else micros(first)


def expires_at(lodged: AdvanceDeclaration, known_at: int) -> int:
    """Return from when on no vehicle is matched by a declaration."""
    last = lodged.arrives_until
    return max(known_at, due_at(lodged, known_at)) + VALID if last is None else micros(last) + GRACE


def has_lodgings(connection: Connection) -> bool:
    """Tell whether any declaration was ever lodged ahead; microseconds where none was."""
    return bool(fetch_rows(connection, "SELECT 1 FROM advance_declarations LIMIT 1"))


def read_versions(
    connection: Connection, declaration_ids: Collection[str], *, before: int
) -> dict[str, LodgedVersion]:
    """Return the version of each declaration that was known before a time; unknown ones absent."""
    if not declaration_ids:
        return {}
    among, values = Dialect.of(connection).among(sorted(declaration_ids))
    sql = f"{_VERSION}known_at < ? AND declaration_id {among} ORDER BY version"
    found = (LodgedVersion(*row) for row in fetch_rows(connection, sql, [before, *values]))
    return {one.declaration_id: one for one in found}


def read_history(connection: Connection, declaration_id: str) -> list[LodgedVersion]:
    """Return every version of a declaration, the oldest first; raises ``NotFoundError``."""
    sql = f"{_VERSION}declaration_id = ? ORDER BY version"
    found = [LodgedVersion(*row) for row in fetch_rows(connection, sql, [declaration_id])]
    if not found:
        raise NotFoundError("declaration", declaration_id)
    return found


def read_since(connection: Connection, known_at: int) -> list[LodgedVersion]:
    """Return the versions that became known at a time or later, the oldest first."""
    sql = f"{_VERSION}known_at >= ? ORDER BY seq"
    return [LodgedVersion(*row) for row in fetch_rows(connection, sql, [known_at])]


def read_uses(
    connection: Connection, declaration_ids: Collection[str], *, before: int | None = None
) -> dict[str, list[Use]]:
    """Return who used which declaration, as known before a time where one is given."""
    found: dict[str, list[Use]] = {}
    if not declaration_ids:
        return found
    among, values = Dialect.of(connection).among(sorted(declaration_ids))
    known, cut = ("", []) if before is None else ("known_at < ? AND ", [before])
    sql = f"{_USE}{known}declaration_id {among} ORDER BY vehicle"
    for row in fetch_rows(connection, sql, [*cut, *values]):
        found.setdefault(row[0], []).append(Use(*row))
    return found


def find_keys(
    connection: Connection, keys: Sequence[int], *, before: int
) -> list[tuple[int, int, int, str]]:
    """Return (key, vehicle, seq, declaration_id) of versions known before a time."""
    among, values = Dialect.of(connection).among(keys)
    return fetch_rows(connection, f"{_KEYED} {among}", [before, *values])


_KEYED = (
    "SELECT k.key, k.vehicle, k.seq, v.declaration_id FROM advance_keys k"
    " JOIN advance_declarations v ON v.seq = k.seq WHERE v.known_at < ? AND k.key"
)


def read_contents(connection: Connection, seqs: Iterable[int]) -> dict[int, AdvanceDeclaration]:
    """Return what versions say, by their records' numbers; erased ones are absent."""
    bodies = JournalReader(connection).bodies(sorted(set(seqs)))
    return {seq: read_content(body) for seq, body in bodies.items() if "lodged" in body}


def read_content(body: Mapping[str, Any]) -> AdvanceDeclaration:
    """Return what the record of a version says."""
    return AdvanceDeclaration.model_validate(body["lodged"], strict=False)


def list_current(
    connection: Connection,
    *,
    post: str | None,
    hidden: Collection[str] = (),
    lodged_by: str | None = None,
    since: int | None = None,
    until: int | None = None,
    now: int,
    is_expected: bool = True,
    after: int | None = None,
    most: int,
) -> list[LodgedVersion]:
    """Return declarations in their present version, the first expected first.

    Those of ``post`` and of any post; all but ``hidden`` posts without one. ``is_expected`` leaves
    out those that are cancelled, expired or used by all of their vehicles. ``since`` and ``until``
    bound when they are due; ``after`` is the record's number of the last one before.
    """
    conditions: list[Any] = [text("advance_declarations.is_current")]
    if post is not None:
        conditions.append(_V.post.in_([post, ""]))
    if hidden:
        conditions.append(_V.post.not_in(hidden))
    if lodged_by is not None:
        conditions.append(_V.lodged_by == lodged_by)
    if since is not None:
        conditions.append(_V.due_at >= since)
    if until is not None:
        conditions.append(_V.due_at <= until)
    if is_expected:
        used = select(func.count()).where(_U.declaration_id == _V.declaration_id)
        is_open = _V.vehicles > used.scalar_subquery()
        conditions += [_V.state == LODGED, _V.expires_at > now, is_open]
    if after is not None:
        last = select(_V.due_at).where(_V.seq == after).scalar_subquery()
        conditions.append(or_(_V.due_at > last, (_V.due_at == last) & (_V.seq > after)))
    columns = [_V[name] for name in LodgedVersion.__slots__]
    query = select(*columns).where(*conditions).order_by(_V.due_at, _V.seq).limit(most)
    return [LodgedVersion(*row) for row in connection.execute(query)]


def alerts_of(connection: Connection, decision_id: str) -> list[dict[str, Any]]:
    """Return what became known of a decision's declarations ahead after it, the newest first."""
    names = ("code", "declaration_id", "version", "matched_by", "known_at")
    query = (
        select(*(ALERTS.c[name] for name in names))
        .where(ALERTS.c.decision_id == decision_id)
        .order_by(ALERTS.c.seq.desc())
    )
    return [dict(zip(names, row, strict=True)) for row in connection.execute(query)]


_EVER = (1 << 63) - 1
_WITHDRAWN = "it was cancelled: lodge it under another identifier"


def find_current(connection: Connection, declaration_id: str) -> LodgedVersion | None:
    """Return the last version of a declaration, None for an unknown one."""
    return read_versions(connection, [declaration_id], before=_EVER).get(declaration_id)


def find_same(
    connection: Connection, lodged: AdvanceDeclaration, claim: IdempotencyClaim
) -> int | None:
    """Return the record of the present version where it has this very content, from this sender."""
    known = find_current(connection, lodged.declaration_id)
    if known is None or known.is_cancelled:
        return None
    body: ReportBody = JournalReader(connection).body(known.seq)  # type: ignore[assignment]
    return known.seq if body["claim"]["fingerprint"] == claim.fingerprint else None


def draft_version(
    connection: Connection, lodged: AdvanceDeclaration, *, by: str, claim: IdempotencyClaim
) -> Draft[LodgedBody]:
    """Return the record of a new version.

    Raises ``ConflictError`` where the identifier is another sender's, or its declaration cancelled.
    """
    name = lodged.declaration_id
    known = find_current(connection, name)
    if known is not None:
        _check_sender(known, by)
        if known.is_cancelled:
            raise ConflictError(claim.kind, name, _WITHDRAWN)
    body: LodgedBody = {
        "claim": claim.as_dict(),
        "by": by,
        "version": 1 if known is None else known.version + 1,
        "replaces": None if known is None else known.seq,
        "lodged": lodged.model_dump(mode="json", exclude_none=True),
    }
    return DECLARATION_LODGED.draft(name, body, post=lodged.post or "")


def draft_cancellation(
    connection: Connection,
    declaration_id: str,
    cancellation: OptionalReason,
    *,
    by: str,
    claim: IdempotencyClaim,
) -> Draft[CancelledBody]:
    """Return the record that withdraws a declaration.

    Raises ``NotFoundError``, and ``ConflictError`` for one of another sender or a cancelled one.
    """
    known = find_current(connection, declaration_id)
    if known is None:
        raise NotFoundError("declaration", declaration_id)
    _check_sender(known, by)
    if known.is_cancelled:
        raise ConflictError(claim.kind, declaration_id, "it was cancelled before")
    body: CancelledBody = {
        "claim": claim.as_dict(),
        "by": by,
        "version": known.version + 1,
        "replaces": known.seq,
    }
    if cancellation.reason is not None:
        body["reason"] = cancellation.reason
    return DECLARATION_CANCELLED.draft(declaration_id, body, post=known.post)


def _check_sender(known: LodgedVersion, by: str) -> None:
    if known.lodged_by != by:
        raise ConflictError(DECLARATION_LODGED, known.declaration_id, MESSAGE_IDENTIFIER_TAKEN)
