"""Tables of declarations ahead, from the journal's records, in their own transactions."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, update

from engine.declarations.alerts import DECIDED, LATE_WITHIN, raise_alerts
from engine.declarations.keys import list_body_keys, list_lodged_keys
from engine.declarations.lodgings import (
    CANCELLED,
    KEYS,
    LODGED,
    USES,
    VERSIONS,
    LodgedVersion,
    due_at,
    expires_at,
    has_lodgings,
    read_content,
    read_contents,
    read_since,
    read_versions,
)
from engine.domain.advance_declarations import AdvanceDeclaration
from engine.journal.entries import Draft, Entry
from engine.journal.journal import JournalReader
from engine.journal.kinds import DECISION, DECLARATION_CANCELLED, DECLARATION_LODGED
from engine.journal.payloads import COPIED
from engine.queue.queue import DECISIONS
from engine.storage.database import execute_rows, insert_rows

_V, _K, _U = VERSIONS.c, KEYS.c, USES.c
_Decision = tuple[Entry, Any]


class AdvanceProjection:
    """Keeps versions of declarations ahead, who used them, and what came too late."""

    def apply(self, connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
        """Write what these records say, in their order."""
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
