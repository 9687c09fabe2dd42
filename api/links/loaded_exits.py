"""Manifests of exits that came as files: for commands alone, because a service reads no files.

The exits of a load have one record, so that what was announced is known by the movement alone.
"""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection

from api.links.announcements import AT_ONCE, announce_movements, may_travel, record_due
from api.links.movements import make_manifest
from engine.journal.journal import JOURNAL, JournalReader
from engine.journal.kinds import HISTORY_LOADED
from engine.links.exchange import LinkExchange
from engine.links.outbox import OutgoingMessage
from engine.links.state import Link
from engine.storage.database import split_in_slices
from engine.storage.home import Home
from features.history.tables import read_history
from features.partners.linked_history import read_consignments
from features.partners.movements import LONGEST


def announce_all(exchange: LinkExchange, link: Link, home: Home) -> None:
    """Record every message that is due on a link, those of loads too.

    What the journal's records make due comes first: the number of a load's record then passes none
    over. Raises ``ConflictError`` where the link ends meanwhile.
    """
    announce_movements(exchange, link)
    with exchange.store.read() as connection:
        now = exchange.journal.now(connection)
        if link.phase(now) != "in_force":
            return
        due = list(_list_due(connection, exchange, link, home=home, since=now - LONGEST))
    for some in split_in_slices(due, AT_ONCE):
        record_due(exchange, link.name, some, is_of_load=True)


def _list_due(
    connection: Connection, exchange: LinkExchange, link: Link, *, home: Home, since: int
) -> Iterator[OutgoingMessage]:
    """Yield manifests of exits that were loaded after the agreement, and left after an instant.

    An older one continues no arrival that is still to come: a load of years announces none of them.
    """
    posts = pa.array(sorted(link.agreement.posts_of(link.us)), pa.string())
    where = [JOURNAL.c.seq > link.approval.sequence, JOURNAL.c.known_at >= since]
    for record in JournalReader(connection).records(HISTORY_LOADED, where=where):
        load = record.body["load"]
        if load is None:
            continue
        found = read_history(home, only={load["digest"]})
        is_recent = pc.field("arrived_at") >= max(since, record.known_at - LONGEST)
        exits = found.crossings.filter(
            pc.field("post").isin(posts)
            & (pc.field("direction") == "exit")
            & is_recent
            & (pc.field("arrived_at") <= record.known_at)
        )
        for consignment in read_consignments(found, exits):
            manifest = make_manifest(exchange.keys, consignment, due=record)
            if may_travel(link, manifest):
                yield manifest
