"""Tables of declarations ahead, and alerts of those that come late, from the journal's records.

A declaration that becomes known, or is changed, after its vehicle was decided on rewrites nothing:
an alert stands next to the decision, and the declaration counts as used, so that it is not matched
with the next crossing of the vehicle. Papers that a decided vehicle named lead to it for three
days. A plate alone leads to a vehicle that came without a declaration, within the window that the
declaration says, or else on the day before it was lodged.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Table, bindparam, delete, select, update

from engine.declarations.lodgings import (
    ALERTS,
    CANCELLED,
    KEYS,
    LODGED,
    USES,
    VERSIONS,
    LodgedVersion,
    due_at,
    expires_at,
    has_lodgings,
    list_body_keys,
    list_lodged_keys,
    list_paper_keys,
    list_vehicle_keys,
    read_content,
    read_contents,
    read_since,
    read_uses,
    read_versions,
)
from engine.domain.advance_declarations import AdvanceDeclaration, MatchKind
from engine.domain.records import Crossing
from engine.domain.time_units import DAY
from engine.errors import ErasedError
from engine.journal.entries import Draft, Entry
from engine.journal.journal import JournalReader
from engine.journal.kinds import COPIED, DECISION, DECLARATION_CANCELLED, DECLARATION_LODGED
from engine.queue.queue import DECISIONS
from engine.storage.database import METADATA, Int64, execute_rows, fetch_rows, insert_rows

LATE_ALERT, AMENDED_ALERT, CANCELLED_ALERT = "late", "amended", "cancelled"
LATE_WITHIN = 3 * DAY
"""How long after a decision its papers may be lodged and still be its papers."""

DECIDED = Table(
    "decided_keys",
    METADATA,
    Column("key", Int64, primary_key=True, autoincrement=False),
    Column("seq", Int64, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)
"""Digests under which decided vehicles are found, by the decisions' records."""


@dataclass(frozen=True, slots=True)
class _Decided:
    """A vehicle that was decided on."""

    seq: int
    decision_id: str
    crossing_id: str
    post: str
    known_at: int

    @property
    def decision(self) -> tuple[str, int]:
        """The decision and its record."""
        return self.decision_id, self.seq


@dataclass(frozen=True, slots=True)
class _Late:
    """A vehicle whose declaration came after its decision."""

    vehicle: int
    """Which of the declaration's vehicles it is."""
    kind: MatchKind
    decided: _Decided


def raise_alerts(
    connection: Connection,
    version: LodgedVersion,
    lodged: AdvanceDeclaration | None,
    *,
    upto: int | None = None,
) -> None:
    """Record what a version, or a cancellation without content, says after a decision.

    Decisions up to the record ``upto`` are looked at, or all.
    """
    uses = read_uses(connection, [version.declaration_id]).get(version.declaration_id, [])
    code = CANCELLED_ALERT if version.is_cancelled else AMENDED_ALERT
    rows = [
        _alert(version, use.decision_id, use.decision_seq, code=code, matched_by=use.matched_by)
        for use in uses
        if use.version < version.version
    ]
    if not uses and lodged is not None:
        late = _LateSearch(connection, version, lodged, upto or _LAST).find()
        insert_rows(connection, USES, [_use(version, one) for one in late])
        rows += [
            _alert(version, *one.decided.decision, code=LATE_ALERT, matched_by=one.kind)
            for one in late
        ]
    _insert_new(connection, version.seq, rows)


def _alert(
    version: LodgedVersion, decision_id: str, decision_seq: int, *, code: str, matched_by: str
) -> tuple[object, ...]:
    about = (version.known_at, code, version.declaration_id, matched_by, version.version)
    return (version.seq, decision_id, *about, decision_seq)


def _use(version: LodgedVersion, late: _Late) -> tuple[object, ...]:
    known = (version.seq, version.known_at, version.version)
    by = (late.decided.decision_id, late.decided.crossing_id, late.kind, late.decided.seq)
    return (version.declaration_id, late.vehicle, *known, *by)


def _insert_new(connection: Connection, seq: int, rows: Sequence[tuple[object, ...]]) -> None:
    """Insert alerts, each once: a version is looked at again with decisions made meanwhile."""
    if not rows:
        return
    query = "SELECT decision_id FROM advance_alerts WHERE seq = ?"
    known = {name for (name,) in fetch_rows(connection, query, [seq])}
    insert_rows(connection, ALERTS, [row for row in rows if row[1] not in known])


@dataclass(frozen=True, slots=True)
class _LateSearch:
    """Finds the vehicles that were decided on before their declaration came."""

    connection: Connection
    version: LodgedVersion
    lodged: AdvanceDeclaration
    upto: int

    def find(self) -> list[_Late]:
        """Return them; of more than the declaration expects none, because nothing is guessed."""
        for kind, key in list_paper_keys(self.lodged):
            if found := self._find_decided(key, kind=kind):
                if len(found) > self.version.vehicles:
                    return []
                return [_Late(number, kind, one) for number, one in enumerate(found, 1)]
        late: dict[str, _Late] = {}
        for number in range(1, self.version.vehicles + 1):
            if (one := self._find_vehicle(number)) is not None:
                late.setdefault(one.decided.crossing_id, one)
        return list(late.values())

    def _find_vehicle(self, number: int) -> _Late | None:
        """Return the vehicle without papers that the first known of its identifiers leads to."""
        for kind, key in list_vehicle_keys(self.lodged, number):
            decided = self._find_decided(key, kind=kind)
            found = [one for one in decided if self._came_without(one)]
            if found:
                return _Late(number, kind, found[0]) if len(found) == 1 else None
        return None

    def _find_decided(self, key: int, *, kind: MatchKind) -> list[_Decided]:
        """Return the last decision of each crossing that a digest leads to, the newest first."""
        asked = [key, self.version.known_at - LATE_WITHIN, self.upto]
        found: dict[str, _Decided] = {}
        for row in fetch_rows(self.connection, _BY_KEY, asked):
            one = _Decided(*row)
            if kind == "declaration_id" or self.version.post in ("", one.post):
                found.setdefault(one.crossing_id, one)
        return list(found.values())

    def _came_without(self, one: _Decided) -> bool:
        """Tell whether a vehicle came without papers, when and as this declaration expects it."""
        try:
            arrival = JournalReader(self.connection).body(one.seq)["arrival"]
        except ErasedError:
            return False
        crossing = Crossing.model_validate(arrival["crossing"], strict=False)
        lodged = self.lodged
        if arrival.get("declaration") is not None or crossing.declaration_id is not None:
            return False
        if lodged.direction not in (None, crossing.direction):
            return False
        if lodged.arrives_from is None and lodged.arrives_until is None:
            return one.known_at >= self.version.known_at - DAY
        return lodged.is_within(crossing.arrived_at)


_LAST = (1 << 63) - 1
_BY_KEY = (
    "SELECT d.seq, d.decision_id, d.crossing_id, d.post, d.known_at FROM decided_keys k"
    " JOIN decisions d ON d.seq = k.seq WHERE k.key = ? AND d.known_at >= ? AND k.seq <= ?"
    " ORDER BY d.seq DESC"
)


_V, _K, _U = VERSIONS.c, KEYS.c, USES.c
_Decision = tuple[Entry, Any]


def project_declarations(connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
    """Keep versions of declarations ahead, who used them, and what came too late."""
    decided: list[_Decision] = []
    for entry, draft in entries:
        if entry.kind == DECISION and COPIED not in draft.body:  # else its node keeps them
            decided.append((entry, draft.body))
        elif entry.kind in (DECLARATION_LODGED, DECLARATION_CANCELLED):
            _settle(connection, decided)
            decided = []
            _add_version(connection, entry, draft.body)
    _settle(connection, decided)


def _settle(connection: Connection, decided: Sequence[_Decision]) -> None:
    """Record under what decided vehicles are found, and which declarations they used.

    What was lodged between the snapshot of a decision and its record came after the decision.
    """
    if not decided:
        return
    cuts = [_cut(body) for _, body in decided]
    meanwhile: list[LodgedVersion] = []
    if has_lodgings(connection):
        insert_rows(connection, DECIDED, _list_keys((entry.seq, body) for entry, body in decided))
        meanwhile = read_since(connection, min(cuts))
    contents = read_contents(connection, [one.seq for one in meanwhile])
    for (entry, body), cut in zip(decided, cuts, strict=True):
        match = body["inputs"]["advance"]
        if match is not None and match["uses"]:
            _add_uses(connection, entry, body, match)
        for one in meanwhile:
            if one.known_at >= cut:
                raise_alerts(connection, one, contents.get(one.seq), upto=entry.seq)


def _list_keys(decided: Iterable[tuple[int, Any]]) -> list[tuple[int, int]]:
    return [(key, seq) for seq, body in decided for _, key in list_body_keys(body["arrival"])]


def _catch_up(connection: Connection, entry: Entry) -> None:
    """Record under what the vehicles of the last days are found, before the first declaration.

    A journal without declarations ahead pays nothing for them: until then nothing is kept.
    """
    column, since = DECISIONS.c, entry.known_at - LATE_WITHIN
    query = select(column.seq).where(column.known_at >= since, column.seq < entry.seq)
    seqs = connection.scalars(query).all()
    connection.execute(delete(DECIDED))  # what is left of declarations that were all erased
    insert_rows(connection, DECIDED, _list_keys(JournalReader(connection).bodies(seqs).items()))


def _cut(body: Any) -> int:
    """Return as of when a decision looked for a declaration ahead."""
    match = body["inputs"]["advance"]
    found: int = (body["inputs"] if match is None else match)["as_of"]
    return found


def _add_uses(connection: Connection, entry: Entry, body: Any, match: Any) -> None:
    """Take the vehicles of the declarations; those that the crossing had stay its own."""
    crossing_id, decision_id = body["crossing_id"], body["decision"]["decision_id"]
    query = select(_U.declaration_id).where(_U.crossing_id == crossing_id)
    own = set() if body["inputs"]["amends"] is None else set(connection.scalars(query))
    now = {"seq": entry.seq, "known_at": entry.known_at, "decision_id": decision_id}
    now["decision_seq"] = entry.seq
    again = [
        now | {"which": one["declaration_id"], "by": crossing_id, "version": one["version"]}
        for one in match["uses"]
        if one["declaration_id"] in own
    ]
    execute_rows(connection, _USED_AGAIN, again)
    rows = [
        (
            *(one["declaration_id"], one["vehicle"], entry.seq, entry.known_at, one["version"]),
            *(decision_id, crossing_id, match["matched_by"], entry.seq),
        )
        for one in match["uses"]
        if one["declaration_id"] not in own
    ]
    insert_rows(connection, USES, rows)


_RENEWED = ("seq", "known_at", "decision_id", "decision_seq", "version")
_USED_AGAIN = (
    update(USES)
    .where(_U.declaration_id == bindparam("which"), _U.crossing_id == bindparam("by"))
    .values({name: bindparam(name) for name in _RENEWED})
)


def _add_version(connection: Connection, entry: Entry, body: Any) -> None:
    """Add a version, or a cancellation: it keeps under what its declaration was expected."""
    if not has_lodgings(connection):
        _catch_up(connection, entry)
    name, before = entry.subject, None
    if body["version"] > 1:
        known = read_versions(connection, [name], before=entry.known_at)
        before = known.get(name)
    lodged = read_content(body) if entry.kind == DECLARATION_LODGED else None
    version = _version(entry, body, lodged, before)
    connection.execute(
        update(VERSIONS).where(_V.declaration_id == name, _V.is_current).values(is_current=False)
    )
    insert_rows(
        connection, VERSIONS, [(*(getattr(version, n) for n in LodgedVersion.__slots__), True)]
    )
    if lodged is not None:
        keys = list_lodged_keys(lodged)
    elif before is not None:
        query = select(_K.key, _K.vehicle).where(_K.seq == before.seq)
        keys = [(key, vehicle) for key, vehicle in connection.execute(query)]
    else:
        keys = []
    insert_rows(connection, KEYS, [(key, entry.seq, vehicle) for key, vehicle in keys])
    raise_alerts(connection, version, lodged)


def _version(
    entry: Entry, body: Any, lodged: AdvanceDeclaration | None, before: LodgedVersion | None
) -> LodgedVersion:
    if lodged is not None:
        due = due_at(lodged, entry.known_at)
        until, vehicles = expires_at(lodged, entry.known_at), len(lodged.expected_vehicles)
    elif before is not None:
        due, until, vehicles = before.due_at, before.expires_at, before.vehicles
    else:  # what it cancels is erased
        due = until = entry.known_at
        vehicles = 1
    return LodgedVersion(
        entry.seq,
        entry.subject,
        body["version"],
        entry.known_at,
        entry.post,
        body["by"],
        CANCELLED if lodged is None else LODGED,
        due,
        until,
        vehicles,
    )
