"""Messages that this side's records make due on a link, from the journal's tail.

The path of a decision or a report does nothing for them: what was recorded since the last message
is read when the link is exchanged. A message names the record that made it due, and what one record
makes due is recorded in one transaction, in the journal's order: a process that is killed at any
time loses none and doubles none.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

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
Finder = Callable[[Connection, LinkKeys, Link, JournalRecord], Sequence[OutgoingMessage]]
"""Returns the messages that a record makes due."""


def _find_after_crossing(
    connection: Connection, keys: LinkKeys, link: Link, record: JournalRecord
) -> Sequence[OutgoingMessage]:
    if "message" in record.body:
        return list_late_outcomes(connection, link, record)
    return list_departures(keys, link, record)


def _find_after_decision(
    _: Connection, keys: LinkKeys, link: Link, record: JournalRecord
) -> Sequence[OutgoingMessage]:
    return list_departures(keys, link, record)


def _find_after_act(
    connection: Connection, _: LinkKeys, link: Link, record: JournalRecord
) -> Sequence[OutgoingMessage]:
    return list_outcomes(connection, link, record)


FINDERS: Mapping[Kind, Finder] = {
    DECISION: _find_after_decision,
    CROSSING: _find_after_crossing,
    INSPECTION: _find_after_act,
    SEIZURE: _find_after_act,
    FIND_CONFIRMED: _find_after_act,
    RELEASE: _find_after_act,
}
"""By kind of record: what makes messages due."""


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
            due = _take_some(_list_due(connection, exchange.keys, link, since=since))
        if not due:
            return upto
        exchange.journal.append_found(partial(_draft, exchange=exchange, name=link.name, due=due))
        after = max(after, *(_sequence(one) for one in due))


def _list_due(
    connection: Connection, keys: LinkKeys, link: Link, *, since: int
) -> Iterator[Sequence[OutgoingMessage]]:
    """Yield what each record after a number makes due, and the agreement lets travel."""
    for record in JournalReader(connection).records(*FINDERS, where=[JOURNAL.c.seq > since]):
        found = FINDERS[Kind(record.kind)](connection, keys, link, record)
        if due := [one for one in found if _may_travel(link, one)]:
            yield due


def _take_some(found: Iterator[Sequence[OutgoingMessage]]) -> list[OutgoingMessage]:
    taken: list[OutgoingMessage] = []
    for due in found:
        taken += due
        if len(taken) >= AT_ONCE:
            break
    return taken


def _may_travel(link: Link, one: OutgoingMessage) -> bool:
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
    seen = set(list_announced(connection, name, _movements(left)))
    messages = []
    for one in left:
        movement = one.about["movement"] if one.about else ""
        if one.kind == "manifest" and movement in seen:
            continue  # the vehicle was decided on again
        seen.add(movement)
        messages.append(one)
    return draft_messages(connection, now, link, keys=exchange.keys, messages=messages)


def _movements(due: Sequence[OutgoingMessage]) -> list[str]:
    return [one.about["movement"] for one in due if one.kind == "manifest" and one.about]
