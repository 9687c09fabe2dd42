"""Notes of other installations on a decided vehicle: a manifest, and late withdrawals."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from engine.domain.network import Network
from engine.domain.time_units import rfc3339
from engine.journal.journal import JournalReader
from engine.journal.payloads import ArrivalBody
from engine.links.movements.movement_ledger import find_received_manifest
from engine.links.posts.late_withdrawals import LateWithdrawal, list_late_withdrawals
from features.partners.movements import LONGEST

_SHOWN = (
    "vehicle_class", "plate", "plate_country", "trailer_plate", "vin", "container_numbers",
    "seal_numbers", "weighed_mass_kg", "is_empty", "tir_carnet", "cmr_number", "carrier_id",
)  # fmt: skip


def read_partner_manifest(
    connection: Connection, network: Network, decided: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Return the manifest that had arrived before a decision, None where none had.

    ``decided`` is the decision's record. Of what the agreement does not name nothing arrived.
    """
    arrival: ArrivalBody = decided["arrival"]
    opposite = network.pair(arrival["crossing"]["post"])
    if opposite is None or arrival["crossing"]["direction"] != "entry":
        return None
    as_of = decided["inputs"]["as_of"]
    row = find_received_manifest(connection, arrival, opposite, longest=LONGEST, before=as_of)
    bodies = {} if row is None else JournalReader(connection).bodies([row.seq])
    if row is None or row.seq not in bodies:
        return None
    found: ArrivalBody = bodies[row.seq]["arrival"]
    crossing, head = found["crossing"], found.get("declaration") or {}
    goods = [
        {"hs_code": item["hs_code"], "net_mass_kg": item.get("net_mass_kg")}
        for item in head.get("items", ())
    ]
    named = {name: crossing[name] for name in _SHOWN if crossing.get(name)}
    if crossing.get("is_empty") is not None:
        named["is_empty"] = crossing["is_empty"]
    return {
        "link": row.link,
        "post": row.post,
        "left_at": crossing["arrived_at"],
        "arrived_at": rfc3339(row.known_at),
        "sequence": row.seq,
        **named,
        "goods": goods,
    }


def read_notes(
    connection: Connection, network: Network, decided: Mapping[str, Any], *, known_at: int
) -> dict[str, Any]:
    """Return the fields that links add to a decision for those who see all of it.

    ``known_at`` is when the decision was recorded: UTC microseconds.
    """
    manifest = read_partner_manifest(connection, network, decided)
    found: dict[str, Any] = {} if manifest is None else {"partner_manifest": manifest}
    late = list_late_withdrawals(connection, decided, known_at=known_at)
    return found | ({"withdrawn": list(map(_describe_late, late))} if late else {})


def _describe_late(one: LateWithdrawal) -> dict[str, Any]:
    """Return a withdrawal; an entry of the watch list has no name in a decision."""
    return {
        "source": one.source,
        "profile": one.code if one.source == "profile" else None,
        "withdrawn_at": rfc3339(one.withdrawn_at),
        "arrived_at": rfc3339(one.arrived_at),
    }
