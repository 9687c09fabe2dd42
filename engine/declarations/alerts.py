"""Declarations ahead that became known, or were changed, after their vehicle was decided on.

Nothing is rewritten: an alert stands next to the decision, and the declaration counts as used, so
that it is not matched with the next crossing of the vehicle. Papers that a decided vehicle named
lead to it for three days. A plate alone leads to a vehicle that came without a declaration, within
the window that the declaration says, or else on the day before it was lodged.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Column, Connection, Table

from engine.declarations.keys import list_paper_keys, list_vehicle_keys
from engine.declarations.lodgings import ALERTS, USES, LodgedVersion, read_uses
from engine.domain.advance_declarations import AdvanceDeclaration, MatchKind
from engine.domain.records import Crossing
from engine.domain.time_units import DAY
from engine.errors import ErasedError
from engine.journal.journal import JournalReader
from engine.storage.database import METADATA, Int64, fetch_rows, insert_rows

LATE, AMENDED, CANCELLED = "late", "amended", "cancelled"
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
    code = CANCELLED if version.is_cancelled else AMENDED
    rows = [
        _alert(version, use.decision_id, use.decision_seq, code=code, matched_by=use.matched_by)
        for use in uses
        if use.version < version.version
    ]
    if not uses and lodged is not None:
        late = _LateSearch(connection, version, lodged, upto or _LAST).find()
        insert_rows(connection, USES, [_use(version, one) for one in late])
        rows += [
            _alert(version, *one.decided.decision, code=LATE, matched_by=one.kind) for one in late
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
