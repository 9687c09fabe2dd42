"""The paired post's record that comes late: an alert beside the decision, and a better place.

Where the exit is known before the vehicle is decided on, its differences are features and reasons.
Where it becomes known afterwards nothing is rewritten: the difference is set beside the decision,
and a vehicle that still waits comes forward within its channel. The alert is a projection of the
late record, made in the same transaction.
"""

import json
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
    insert,
    select,
    update,
)

from engine.identifiers import fold
from engine.journal import BODIES, Draft, Entry
from engine.network import Network
from engine.queue import DECISIONS
from engine.store import METADATA, Int64
from engine.times import DAY

CROSSING = "crossing"
TRANSIT = 3 * DAY
"""How long after a decision the paired post's record of the same vehicle is taken for its other
half."""
HEAVY = 0.15
"""Share by which two weighings of one vehicle may differ before anybody is told."""
FORWARD = 2 * 10**11
"""What an alert adds to a place: more than any risk per minute, less than a channel."""

ALERTS = Table(
    "mirror_alerts",
    METADATA,
    Column("seq", Int64, primary_key=True, autoincrement=False),
    Column("decision_id", String, primary_key=True),
    Column("post", String, nullable=False),
    Column("known_at", Int64, nullable=False),
    Column("code", String, primary_key=True),
    Column("decided", String, nullable=False),
    Column("told", String, nullable=False),
    Column("mass_ratio", Float(53)),
    Index("mirror_alerts_decision_ix", "decision_id"),
)
_A = ALERTS.c
_D = DECISIONS.c


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what two records of one vehicle do not agree on; what either lacks is no difference.

    Both are crossings as the journal keeps them.
    """
    found = []
    mass, told = ours.get("weighed_mass_kg"), theirs.get("weighed_mass_kg")
    if mass and told and not 1 - HEAVY <= mass / told <= 1 + HEAVY:
        weighed = {"decided": f"{mass:.0f} kg", "told": f"{told:.0f} kg"}
        found.append({"code": "mass", "mass_ratio": mass / told} | weighed)
    for code, name in (("trailer", "trailer_plate"), ("driver", "driver_ref"), ("vin", "vin")):
        one, other = ours.get(name), theirs.get(name)
        if one and other and fold(one) != fold(other):
            said = ("one", "another") if code == "driver" else (one, other)
            found.append({"code": code, "decided": said[0], "told": said[1]})
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

    def apply(self, connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
        """Hold recorded crossings against decisions of the paired post made before."""
        for entry, draft in entries:
            if entry.kind == CROSSING:
                self._hold(connection, entry, draft.body["arrival"]["crossing"])

    def _hold(self, connection: Connection, entry: Entry, told: Mapping[str, Any]) -> None:
        pair, plate = self._network.pair(entry.post), fold(told.get("plate") or "")
        if pair is None or not plate:
            return
        asked = {"post": pair, "plate": plate, "since": entry.known_at - TRANSIT}
        found = connection.execute(_DECIDED, asked).one_or_none()
        if found is None:
            return
        decided = json.loads(found.body)["arrival"]["crossing"]
        if decided["direction"] == told["direction"]:
            return  # both left, or both entered: two movements, not two halves of one
        rows = [
            {"seq": entry.seq, "decision_id": found.decision_id, "post": pair}
            | {"known_at": entry.known_at, "mass_ratio": None}
            | difference
            for difference in differences(decided, told)
        ]
        if rows:
            connection.execute(insert(ALERTS), rows)
            connection.execute(_FORWARD, {"which": found.decision_id})


_DECIDED = (
    select(_D.decision_id, BODIES.c.body)
    .join(BODIES, BODIES.c.seq == _D.seq)
    .where(_D.post == bindparam("post"), _D.plate == bindparam("plate"))
    .where(_D.known_at >= bindparam("since"))
    .order_by(_D.known_at.desc())
    .limit(1)
)
_FORWARD = (
    update(DECISIONS)
    .where(_D.decision_id == bindparam("which"), _D.place % (10**12) < FORWARD)
    .values(place=_D.place + FORWARD)
)


def alerts_of(connection: Connection, decision_id: str) -> list[dict[str, Any]]:
    """Return what the paired post's late record says otherwise, the newest record first."""
    query = (
        select(_A.code, _A.decided, _A.told, _A.known_at)
        .where(_A.decision_id == decision_id)
        .order_by(_A.seq.desc(), _A.code)
    )
    return [
        {"code": row.code, "decided": row.decided, "told": row.told, "known_at": row.known_at}
        for row in connection.execute(query)
    ]
