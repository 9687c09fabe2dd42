"""Messages that this side's records make due on a link, from the journal's tail.

The path of a decision or a report does nothing for them: what was recorded since the last message
is read when the link is exchanged. A message names the record that made it due, and what one record
makes due is recorded in one transaction, in the journal's order: a process that is killed at any
time loses none and doubles none.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection

from api.links.movements.departures import list_departures
from api.links.movements.outcomes import list_late_outcomes, list_outcomes
from api.links.reports import report_attentions
from engine.errors import RecordError
from engine.journal.entries import Draft, JournalRecord, Kind
from engine.journal.journal import JOURNAL, JournalReader
from engine.journal.kinds import (
    CROSSING,
    DECISION,
    FIND_CONFIRMED,
    INSPECTION,
    RELEASE,
    SEIZURE,
)
from engine.links.disclosure import select_fields
from engine.links.exchange import LinkExchange
from engine.links.identity import LinkKeys
from engine.links.movements.movement_ledger import list_announced, read_last_sequence
from engine.links.outbox import OutgoingMessage, draft_messages
from engine.links.state import Link

AT_ONCE = 50
"""Messages of one transaction: each is sealed under the writer's lock, in about a millisecond."""
ARRIVALS = (DECISION, CROSSING)
ACTS = (INSPECTION, SEIZURE, FIND_CONFIRMED, RELEASE)


def announce_movements(exchange: LinkExchange, link: Link, *, after: int = 0) -> int:
    """Record the messages that are due on a link, and return the last record that was read.

    So are reports on accepted attentions.

    ``after`` is what an earlier call of this process returned: nothing before it is due. A link
    that is not in force gets none. Raises ``ConflictError`` where it ends meanwhile.
    """
    report_attentions(exchange, link)
    kinds = {"manifest", "outcome"}
    if not any(link.agreement.rule(kind, link.us) for kind in kinds):
        return after
    while True:
        with exchange.store.read() as connection:
            if link.phase(exchange.journal.now(connection)) != "in_force":
                return after
            upto = exchange.journal.head(connection).seq
            since = max(after, link.approval.sequence, read_last_sequence(connection, link.name))
            due = _take_some(_Finder(connection, exchange.keys, link).list_due(since))
        if not due:
            return upto
        exchange.journal.append_found(partial(_draft, exchange=exchange, name=link.name, due=due))
        after = max(after, *(_sequence(one) for one in due))


@dataclass(frozen=True, slots=True)
class _Finder:
    """Finds the messages that records make due on a link."""

    connection: Connection
    keys: LinkKeys
    link: Link

    def list_due(self, since: int) -> Iterator[Sequence[OutgoingMessage]]:
        """Yield what each record after a number makes due, and the agreement lets travel."""
        kinds: tuple[Kind[Any], ...] = (*ARRIVALS, *ACTS)
        where = [JOURNAL.c.seq > since]
        for record in JournalReader(self.connection).records(*kinds, where=where):
            found = self._find(record)
            if due := [one for one in found if may_travel(self.link, one)]:
                yield due

    def _find(self, record: JournalRecord[Any]) -> Sequence[OutgoingMessage]:
        if record.kind in ACTS:
            return list_outcomes(self.connection, self.link, record)
        if "message" in record.body:
            return list_late_outcomes(self.connection, self.link, record)
        return list_departures(self.keys, self.link, record)


def _take_some(found: Iterator[Sequence[OutgoingMessage]]) -> list[OutgoingMessage]:
    taken: list[OutgoingMessage] = []
    for due in found:
        taken += due
        if len(taken) >= AT_ONCE:
            break
    return taken


def may_travel(link: Link, one: OutgoingMessage) -> bool:
    """Tell whether the agreement lets a message travel."""
    try:
        select_fields(link.agreement, kind=one.kind, sender=link.us, message=one.message)
    except RecordError:
        return False
    return True


def _sequence(one: OutgoingMessage) -> int:
    return one.about["sequence"] if one.about else 0


def _draft(
    connection: Connection,
    now: int,
    *,
    exchange: LinkExchange,
    name: str,
    due: Sequence[OutgoingMessage],
) -> list[Draft]:
    """Return the records of what is still due under the writer's lock."""
    link = exchange.read_links(connection)[name]
    last = read_last_sequence(connection, name)  # another process may have come first
    left = [one for one in due if _sequence(one) > last]
    messages = leave_out_announced(connection, name, left)
    return draft_messages(connection, now, link, keys=exchange.keys, messages=messages)


def leave_out_announced(
    connection: Connection, name: str, due: Sequence[OutgoingMessage]
) -> list[OutgoingMessage]:
    """Return messages without manifests of movements that have one on this link.

    Of several manifests of one movement the first stays: the vehicle was decided on again.
    """
    seen = set(list_announced(connection, name, list(filter(None, map(_movement, due)))))
    left = []
    for one in due:
        movement = _movement(one)
        if movement not in seen:
            left.append(one)
        if movement is not None:
            seen.add(movement)
    return left


def _movement(one: OutgoingMessage) -> str | None:
    """Return the movement of a manifest, None for another message."""
    return one.about["movement"] if one.kind == "manifest" and one.about else None
