"""Manifests of vehicles that left for the other side, from the journal's tail.

The decision path does nothing for them: what left since the last manifest is read from the journal
when the link is exchanged, and a movement that has a manifest gets no second one. So a process
that is killed at any time loses none and doubles none.
"""

import hmac
from collections.abc import Iterator, Sequence
from functools import partial
from hashlib import sha256
from itertools import islice

from sqlalchemy import Connection

from engine.domain.records import Arrival
from engine.errors import RecordError
from engine.journal.entries import Draft
from engine.journal.journal import JOURNAL, JournalReader
from engine.journal.kinds import CROSSING, DECISION
from engine.links.disclosure import select_fields
from engine.links.exchange import LinkExchange
from engine.links.identity import LinkKeys
from engine.links.movements.movement_ledger import list_announced, read_last_sequence
from engine.links.outbox import OutgoingMessage, draft_messages
from engine.links.state import Link
from features.partners.partner_records import Consignment, to_manifest

AT_ONCE = 50
"""Messages of one transaction: each is sealed under the writer's lock, in about a millisecond."""
_PURPOSE = b"darvoza link movement 1"


def name_movement(keys: LinkKeys, crossing_id: str) -> str:
    """Return the name of an own movement for the other side: it tells nothing of the crossing."""
    key = sha256(_PURPOSE + keys.signing.private_bytes_raw()).digest()
    return hmac.new(key, crossing_id.encode("utf-8", "surrogatepass"), sha256).hexdigest()[:32]


def announce_departures(exchange: LinkExchange, link: Link, *, after: int = 0) -> int:
    """Record the manifests that are due on a link, and return the last record that was read.

    ``after`` is what an earlier call of this process returned: nothing before it is due. A link
    that is not in force, or carries no manifests of this side, gets none. Raises ``ConflictError``
    where it ends meanwhile.
    """
    while True:
        with exchange.store.read() as connection:
            is_live = link.phase(exchange.journal.now(connection)) == "in_force"
            if not is_live or link.agreement.rule("manifest", link.us) is None:
                return after
            upto = exchange.journal.head(connection).seq
            since = max(after, link.approval.sequence, read_last_sequence(connection, link.name))
            due = list(islice(_list_due(connection, exchange.keys, link, since=since), AT_ONCE))
        if not due:
            return upto
        exchange.journal.append_found(partial(_draft, exchange=exchange, name=link.name, due=due))
        after = max(after, *(one.about["sequence"] for one in due if one.about))


def _list_due(
    connection: Connection, keys: LinkKeys, link: Link, *, since: int
) -> Iterator[OutgoingMessage]:
    """Yield a manifest of each vehicle that left after a record, and has none."""
    posts = sorted(link.agreement.posts_of(link.us))
    where = [JOURNAL.c.seq > since, JOURNAL.c.post.in_(posts)]
    seen: set[str] = set()
    for record in JournalReader(connection).records(DECISION, CROSSING, where=where):
        body = record.body
        if body["arrival"]["crossing"]["direction"] != "exit" or "message" in body:
            continue
        arrival = Arrival.model_validate(body["arrival"], strict=False)
        crossing_id = arrival.crossing.crossing_id
        movement = name_movement(keys, crossing_id)
        if movement in seen or list_announced(connection, link.name, [movement]):
            continue  # it was decided on again
        seen.add(movement)
        consignment = Consignment.of_arrival(arrival, known_at=record.known_at)
        yield OutgoingMessage(
            "manifest",
            to_manifest(consignment, movement),
            about={"sequence": record.seq, "name": crossing_id, "movement": movement},
        )


def _draft(
    connection: Connection,
    now: int,
    *,
    exchange: LinkExchange,
    name: str,
    due: Sequence[OutgoingMessage],
) -> list[Draft]:
    """Return the records of what is still due under the writer's lock, and may travel."""
    link = exchange.read_links(connection)[name]
    movements = [one.about["movement"] for one in due if one.about]
    done = list_announced(connection, link.name, movements)
    left = [one for one in due if one.about and one.about["movement"] not in done]
    left = [one for one in left if _may_travel(link, one)]
    return draft_messages(connection, now, link, keys=exchange.keys, messages=left)


def _may_travel(link: Link, one: OutgoingMessage) -> bool:
    try:
        select_fields(link.agreement, kind=one.kind, sender=link.us, message=one.message)
    except RecordError:
        return False
    return True
