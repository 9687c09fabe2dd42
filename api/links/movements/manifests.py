"""Manifests that arrive, as records of the other side's posts.

What follows is the crossing that a person of the other side could have reported here: features,
facts, alerts and bulk readers take it as any other, known from when the manifest arrived.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection

from api.links.movements.context import MovementContext
from engine.domain.network import Network
from engine.domain.plausibility import check_plausible
from engine.domain.records import Arrival, Record
from engine.errors import RecordError
from engine.journal.entries import Draft
from engine.journal.kinds import CROSSING
from engine.journal.payloads import CrossingBody, dump_arrival
from engine.links.agreement import Agreement, Party
from engine.links.inbox import ArrivedMessage
from engine.links.messages import Manifest
from engine.ports import Features
from features.partners.partner_records import to_exit


def name_partner(party: Party) -> str:
    """Return the name under which a partner's records are kept: of it alone, with any link."""
    return f"{party.administration[:8]}.{party.identity.fingerprint[:8]}"


def take_manifest(
    connection: Connection, arrived: ArrivedMessage, *, context: MovementContext
) -> Sequence[Draft]:
    """Return the record of a vehicle that left the other side; none for one that is known.

    Raises ``RecordError`` for a time that lies in the future.
    """
    manifest, link = arrived.message, arrived.link
    features, network = context.open()
    assert isinstance(manifest, Manifest)  # noqa: S101  # the kind has this type
    consignment = to_exit(manifest, partner=name_partner(link.them), known_at=arrived.now)
    arrival = _drop_foreign(consignment.arrival, link.agreement, network)
    check_time(arrival, "manifest", "left_at", now=arrived.now)
    crossing = arrival.crossing
    if is_known(connection, arrived, crossing.crossing_id, features=features):
        return []
    body: CrossingBody = {
        "arrival": dump_arrival(arrival),
        "message": {"link": link.name, "message": "manifest", "movement": manifest.movement},
    }
    event = features.record(crossing, arrival.declaration)
    return [CROSSING.draft(crossing.crossing_id, body, post=crossing.post, extra=event)]


def is_known(
    connection: Connection, arrived: ArrivedMessage, crossing_id: str, *, features: Features
) -> bool:
    """Tell whether a record of a message is there already, or comes with the same parcel."""
    if any(one.kind == CROSSING and one.subject == crossing_id for one in arrived.pending):
        return True
    return bool(features.known(connection, [crossing_id]))


def check_time(arrival: Arrival, kind: str, field: str, *, now: int) -> None:
    """Refuse a message of a time in the future; raises ``RecordError`` with the message's field."""
    try:
        check_plausible(arrival, now=now)
    except RecordError as error:
        raise RecordError(kind, field, error.rule, error.message) from None


def list_comparable(agreement: Agreement, network: Network) -> frozenset[str]:
    """Return the national identifiers that the agreement and the network file compare alike."""
    domains = network.identifiers
    agreed = agreement.identifiers.items()
    return frozenset(name for name, domain in agreed if domains.get(name, domain) == domain)


def _drop_foreign(arrival: Arrival, agreement: Agreement, network: Network) -> Arrival:
    """Leave out identifiers of which this network and the agreement name different domains."""
    foreign = agreement.identifiers.keys() - list_comparable(agreement, network)
    if not foreign:
        return arrival
    crossing, head = arrival.crossing, arrival.declaration
    crossing = crossing.model_copy(update=_fields(crossing, foreign))
    if head is not None:
        head = head.model_copy(update=_fields(head, foreign))
    return arrival.model_copy(update={"crossing": crossing, "declaration": head})


def _fields(record: Record, names: Iterable[str]) -> dict[str, Any]:
    return {name: None for name in names if name in type(record).model_fields}
