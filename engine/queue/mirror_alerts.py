"""Late record of the paired post: an alert next to the decision, and a better place.

Where the exit is known before the vehicle is decided on, its differences are features and reasons.
Where it becomes known afterwards nothing is rewritten: the difference stands next to the decision,
and a vehicle that still waits comes forward within its channel and is decided on again
(:mod:`engine.targeting.targeting`). A record that agrees raises no alert; it is kept beside the
alerts, because its time alone may be impossible, so that the vehicle is judged by it as well. The
alert is a projection of the late record, made in the same transaction.

The decision is looked for by plate, VIN, TIR carnet, CMR note and trailer, in this order: the first
that leads to one decides. The alert says what led to it and what else agrees.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Index,
    String,
    Table,
    bindparam,
    func,
    insert,
    select,
    text,
    update,
)

from engine.decision.inspection_minutes import FORWARD
from engine.domain.identifiers import fold
from engine.domain.network import Network
from engine.domain.time_units import DAY
from engine.journal.entries import Draft, Entry, list_bodies
from engine.journal.journal import JOURNAL, JournalReader
from engine.journal.kinds import CROSSING, DECISION, ArrivalBody
from engine.queue.queue import DECISIONS
from engine.storage.database import METADATA, Int64, declare_columns, insert_rows, record_table

TRANSIT = 3 * DAY
"""How long after a decision the paired post's record of the same vehicle is taken for its other
half."""
HEAVY, HEAVY_KG = 0.15, 1_500.0
"""Share, and kilograms, by which two weighings of one vehicle may differ before anybody is told."""

AGREES = "agrees"
"""In the place of what differs: nothing does but, perhaps, the time."""

ALERTS = record_table(
    "mirror_alerts",
    Column("decision_id", String, primary_key=True),
    *declare_columns(String, "post"),
    *declare_columns(Int64, "known_at"),
    Column("code", String, primary_key=True),
    *declare_columns(String, "decided", "told"),
    Column("mass_ratio", Float(53)),
    *declare_columns(String, "matched"),
    Index("mirror_alerts_decision_ix", "decision_id"),
)
MATCHES = Table(
    "mirror_keys",
    METADATA,
    Column("post", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("value", String, primary_key=True),
    Column("known_at", Int64, primary_key=True, autoincrement=False),
    *declare_columns(String, "decision_id"),
)
"""By what a decided vehicle is found, next to its plate."""
_A, _K = ALERTS.c, MATCHES.c
_D = DECISIONS.c


def fold_arrival_keys(arrival: ArrivalBody) -> dict[str, str]:
    """Return by what an arrival's other half is found, folded, the surest first."""
    crossing, declaration = arrival["crossing"], arrival.get("declaration") or {}
    fields = {
        "plate": crossing.get("plate"),
        "vin": crossing.get("vin"),
        "tir": declaration.get("tir_carnet") or crossing.get("tir_carnet"),
        "cmr": declaration.get("cmr_number") or crossing.get("cmr_number"),
        "trailer": crossing.get("trailer_plate"),
    }
    return {kind: folded for kind, value in fields.items() if value and (folded := fold(value))}


_NAMED = {"plate": "plate", "trailer": "trailer_plate", "driver": "driver_ref", "vin": "vin"}


def differences(
    ours: Mapping[str, Any], theirs: Mapping[str, Any], *, has_same_drivers: bool = True
) -> list[dict[str, Any]]:
    """Return what two records of one vehicle do not agree on; what either lacks is no difference.

    Both are crossings as the journal keeps them. ``has_same_drivers`` tells whether both posts name
    drivers alike: else these are not compared.
    """
    found = []
    mass, other_mass = ours.get("weighed_mass_kg"), theirs.get("weighed_mass_kg")
    if mass and other_mass and abs(mass - other_mass) > min(HEAVY * other_mass, HEAVY_KG):
        weighed = {"decided": f"{mass:.0f} kg", "told": f"{other_mass:.0f} kg"}
        found.append({"code": "mass", "mass_ratio": mass / other_mass} | weighed)
    for code, name in _NAMED.items():
        one, other = ours.get(name), theirs.get(name)
        if code == "driver" and not has_same_drivers:
            continue
        if one and other and fold(one) != fold(other):
            value = ("one", "another") if code == "driver" else (one, other)
            found.append({"code": code, "decided": value[0], "told": value[1]})
    one, other = (sorted(map(fold, each.get("seal_numbers") or ())) for each in (ours, theirs))
    if one and other and one != other:
        found.append({"code": "seals", "decided": ";".join(one), "told": ";".join(other)})
    empty = ours.get("is_empty"), theirs.get("is_empty")
    if None not in empty and empty[0] != empty[1]:
        words = ["empty" if each else "laden" for each in empty]
        found.append({"code": "load", "decided": words[0], "told": words[1]})
    return found


class MirrorProjection:
    """Keeps alerts, and brings forward the vehicles they are about."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def __call__(self, connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
        """Hold recorded crossings against decisions of the paired post made before."""
        rows = [
            (entry.post, kind, value, entry.known_at, entry.subject)
            for entry, body in list_bodies(entries, DECISION)
            if self._network.pair(entry.post) is not None
            for kind, value in fold_arrival_keys(body["arrival"]).items()
            if kind != "plate"  # the queue knows it by that
        ]
        insert_rows(connection, MATCHES, rows)
        for entry, body in list_bodies(entries, CROSSING):
            self._hold(connection, entry, body["arrival"])

    def _find_decision(
        self, connection: Connection, post: str, arrival: ArrivalBody, known_at: int
    ) -> tuple[str, dict[str, Any]] | None:
        """Return the last decision before that a key of the arrival leads to, and its record."""
        for kind, value in fold_arrival_keys(arrival).items():
            query = _BY_PLATE if kind == "plate" else _BY_KEY
            asked = {"post": post, "value": value, "since": known_at - TRANSIT, "until": known_at}
            asked |= {} if kind == "plate" else {"kind": kind}
            found = connection.execute(query, asked).one_or_none()
            if found is None:
                continue
            body = JournalReader(connection).body(found.seq)
            if body["arrival"]["crossing"]["direction"] != arrival["crossing"]["direction"]:
                return found.decision_id, body
            # both left, or both entered: two movements, not two halves of one
        return None

    def _hold(self, connection: Connection, entry: Entry, arrival: ArrivalBody) -> None:
        pair = self._network.pair(entry.post)
        if pair is None:
            return
        decided = self._find_decision(connection, pair, arrival, entry.known_at)
        if decided is None:
            return
        decision_id, theirs = decided[0], decided[1]["arrival"]
        has_same_drivers = self._network.are_comparable("driver_ref", pair, entry.post)
        one, other = fold_arrival_keys(arrival), fold_arrival_keys(theirs)
        agreed = "+".join(kind for kind in one if one[kind] == other.get(kind))
        about = {"seq": entry.seq, "decision_id": decision_id, "post": pair}
        about |= {"known_at": entry.known_at, "mass_ratio": None, "matched": agreed}
        rows = [
            about | difference
            for difference in differences(
                theirs["crossing"], arrival["crossing"], has_same_drivers=has_same_drivers
            )
        ]
        agrees = {"code": AGREES, "decided": "", "told": ""}
        connection.execute(insert(ALERTS), rows or [about | agrees])
        if rows:
            connection.execute(_FORWARD, {"which": decision_id})


_DECISION = select(_D.decision_id, _D.seq)
_BY_PLATE = (
    _DECISION.where(_D.post == bindparam("post"), _D.plate == bindparam("value"))
    .where(_D.known_at >= bindparam("since"), _D.known_at < bindparam("until"))
    .order_by(_D.known_at.desc())
    .limit(1)
)
_BY_KEY = (
    _DECISION.join(MATCHES, _K.decision_id == _D.decision_id)
    .where(_K.post == bindparam("post"), _K.kind == bindparam("kind"))
    .where(_K.value == bindparam("value"), _K.known_at >= bindparam("since"))
    .where(_K.known_at < bindparam("until"))
    .order_by(_K.known_at.desc())
    .limit(1)
)
_FORWARD = (
    update(DECISIONS)
    .where(_D.decision_id == bindparam("which"), _D.place % (10**12) < FORWARD)
    .values(place=_D.place + FORWARD)
)


def alerts_of(connection: Connection, decision_id: str) -> list[dict[str, Any]]:
    """Return what late records of the paired post say otherwise of a vehicle, the newest first."""
    return [
        {"code": row.code, "decided": row.decided, "told": row.told, "known_at": row.known_at}
        | {"matched_by": row.matched.split("+")}
        for row in connection.execute(_select_alerts(decision_id).where(_A.code != AGREES))
    ]


def late_crossings(connection: Connection, decision_id: str) -> list[tuple[int, dict[str, Any]]]:
    """Return when each late record became known, and its crossing, in that order."""
    numbers = sorted({row.seq for row in connection.execute(_select_alerts(decision_id))})
    records = JournalReader(connection).records(CROSSING, where=[JOURNAL.c.seq.in_(numbers)])
    return [(one.known_at, one.body["arrival"]["crossing"]) for one in records]


def _select_alerts(decision_id: str) -> Any:
    """Select the alerts next to a decision and to those before it on the same movement."""
    movement = select(_D.crossing_id, _D.post).where(_D.decision_id == decision_id).subquery()
    own = (_D.crossing_id == movement.c.crossing_id) & (_D.post == movement.c.post)
    return (
        select(_A.seq, _A.code, _A.decided, _A.told, _A.known_at, _A.matched)
        .join(DECISIONS, _D.decision_id == _A.decision_id)
        .join(movement, own)
        .order_by(_A.seq.desc(), _A.code)
    )


_TO_JUDGE = (
    select(_A.seq, _A.decision_id, func.min(_A.code) != AGREES)
    .join(DECISIONS, _D.decision_id == _A.decision_id)
    .where(text("decisions.waiting"), _A.seq > _D.seq)
    .group_by(_A.seq, _A.decision_id)
    .order_by(_A.seq)
)
"""Late records of vehicles that wait and were not decided on again: a new decision waits instead of
the one that the alert stands next to."""


def list_to_judge(connection: Connection) -> list[tuple[int, str, bool]]:
    """Return the late records of vehicles that wait.

    With each, the decision that it came after and whether anything but the time differs.
    """
    return [(seq, which, bool(differs)) for seq, which, differs in connection.execute(_TO_JUDGE)]
