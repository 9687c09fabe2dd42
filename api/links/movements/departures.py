"""Manifests of vehicles that left for the other side."""

import hmac
from collections.abc import Sequence
from hashlib import sha256

from engine.domain.records import Arrival
from engine.journal.entries import JournalRecord
from engine.links.identity import LinkKeys
from engine.links.outbox import OutgoingMessage
from engine.links.state import Link
from features.partners.partner_records import Consignment, to_manifest

_PURPOSE = b"darvoza link movement 1"


def name_movement(keys: LinkKeys, crossing_id: str) -> str:
    """Return the name of an own movement for the other side: it tells nothing of the crossing."""
    key = sha256(_PURPOSE + keys.signing.private_bytes_raw()).digest()
    return hmac.new(key, crossing_id.encode("utf-8", "surrogatepass"), sha256).hexdigest()[:32]


def list_departures(keys: LinkKeys, link: Link, record: JournalRecord) -> Sequence[OutgoingMessage]:
    """Return the manifest of a recorded crossing that is an exit at an agreed post."""
    body = record.body
    is_exit = body["arrival"]["crossing"]["direction"] == "exit"
    if not is_exit or record.post not in link.agreement.posts_of(link.us):
        return []
    arrival = Arrival.model_validate(body["arrival"], strict=False)
    consignment = Consignment.of_arrival(arrival, known_at=record.known_at)
    return [make_manifest(keys, consignment, due=record)]


def make_manifest(
    keys: LinkKeys, consignment: Consignment, *, due: JournalRecord
) -> OutgoingMessage:
    """Return the manifest of an exit, which a record made due."""
    crossing_id = consignment.crossing["crossing_id"]
    movement = name_movement(keys, crossing_id)
    return OutgoingMessage(
        "manifest",
        to_manifest(consignment, movement),
        about={"sequence": due.seq, "name": crossing_id, "movement": movement},
    )
