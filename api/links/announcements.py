"""Messages that this side's records make due on a link: movements, and outcomes of attentions.

The path of a decision or an act does nothing for them: what was recorded since the last message is
read when the link is exchanged. A message names the record that made it due, and all messages that
one record makes due are recorded in one transaction, in the journal's order: a process that is
killed at any time loses none and doubles none.

The entry of an accepted attention matches decisions under its own name. Once its vehicle has an
act, the outcome states what the act found; if the vehicle no longer waits and has none, that it was
not searched. The outcome closes the request on both sides. A vehicle at a post that the agreement
does not name is not told of.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection, func, select

from api.links.movements import list_departures, list_late_outcomes, list_outcomes
from engine.criteria.policy import read_goods_classes
from engine.domain.records import Inspection, Seizure
from engine.domain.time_units import HOUR, moment
from engine.errors import ConflictError, RecordError
from engine.journal.entries import Draft, Kind
from engine.journal.journal import JOURNAL, JournalReader
from engine.journal.kinds import (
    CROSSING,
    DECISION,
    FIND_CONFIRMED,
    INSPECTION,
    RELEASE,
    SEIZURE,
)
from engine.links.agreement import select_fields
from engine.links.exchange import LinkExchange
from engine.links.identity import LinkKeys
from engine.links.messages import OutcomeReport, band_of
from engine.links.movements import list_announced, read_last_sequence
from engine.links.outbox import OutgoingMessage, draft_messages
from engine.links.requests import HeldRequest, list_requests, take_step
from engine.links.state import Link
from engine.queue.match_outcomes import ACTS, MATCHES
from engine.queue.queue import last_of_crossing, waits

FIND_HOURS = 6
"""How long the report of a seizure waits for its find, which names class and quantity."""
MOST = 1_000
"""Requests that are looked through, the newest."""


def send_attention_outcomes(exchange: LinkExchange, link: Link) -> int:
    """Report on the accepted attentions of a link that are due; returns how many it reported."""
    if link.agreement.rule("outcome", link.us) is None:
        return 0
    with exchange.store.read() as connection:
        now = exchange.journal.now(connection)
        if link.phase(now) != "in_force":
            return 0
        due = list(_list_due(connection, link, now=now))
    reported = 0
    for name, message in due:
        with suppress(ConflictError, RecordError):  # another process came first; not agreed
            take_step(exchange, name, OutgoingMessage(message))
            reported += 1
    return reported


def _list_due(
    connection: Connection, link: Link, *, now: int
) -> Iterator[tuple[str, OutcomeReport]]:
    for held in list_requests(connection, most=MOST, ends_after=now):
        if _is_due(held, link, now=now):
            report = _find_attention_outcome(connection, held.opened.name, link, now=now)
            if report is not None:
                yield held.opened.name, report


def _is_due(held: HeldRequest, link: Link, *, now: int) -> bool:
    is_asked = held.link == link.name and not held.is_ours and held.request.kind == "attention"
    return is_asked and held.state(now) == "accepted"


def _find_attention_outcome(
    connection: Connection, name: str, link: Link, *, now: int
) -> OutcomeReport | None:
    """Return the report on the first vehicle of an attention that was acted upon."""
    posts = link.agreement.posts_of(link.us)
    query = select(MATCHES.c.crossing_id, func.min(MATCHES.c.seq)).where(MATCHES.c.code == name)
    query = query.group_by(MATCHES.c.crossing_id).order_by(func.min(MATCHES.c.seq))
    for crossing_id, since in connection.execute(query).all():
        decided = last_of_crossing(connection, crossing_id)
        if decided is None or decided.post not in posts:
            continue
        about: dict[str, Any] = {"outcome_of": name, "post": decided.post}
        act = _read_act(connection, crossing_id, since=since)
        if act is not None:
            return _state_act(connection, *act, about=about, now=now)
        if not waits(connection, decided.decision_id):
            return OutcomeReport(**about, recorded_at=moment(now), is_searched=False)
    return None


def _read_act(
    connection: Connection, crossing_id: str, *, since: int
) -> tuple[int, Inspection] | None:
    query = select(func.min(ACTS.c.seq)).where(ACTS.c.crossing_id == crossing_id)
    seq = connection.scalar(query.where(ACTS.c.seq > since))
    body = {} if seq is None else JournalReader(connection).bodies([seq]).get(seq, {})
    if seq is None or "inspection" not in body:
        return None
    return seq, Inspection.model_validate(body["inspection"], strict=False)


def _state_act(
    connection: Connection, seq: int, act: Inspection, *, about: Mapping[str, Any], now: int
) -> OutcomeReport | None:
    """Return the report of an act; None while the find of its seizure is still to come."""
    known_at = connection.scalar(select(JOURNAL.c.known_at).where(JOURNAL.c.seq == seq)) or 0
    find: Seizure | None = None
    if act.outcome == "seizure":
        find = _read_find(connection, act, since=seq)
        if find is None and now < known_at + FIND_HOURS * HOUR:
            return None
    grams = None if find is None else find.quantity_g
    return OutcomeReport(
        **about,
        recorded_at=moment(known_at),
        is_searched=True,
        methods=act.methods,
        outcome=act.outcome,
        substance_class=None if find is None else find.substance_class,
        goods_class=None if find is None else find.goods_class,
        quantity_band=None if grams is None else band_of(grams),
    )


def _read_find(connection: Connection, act: Inspection, *, since: int) -> Seizure | None:
    """Return a find of an act, or of its crossing after it: the first load, else the first find."""
    where, first = [JOURNAL.c.seq > since], None
    classes = read_goods_classes(connection)
    for record in JournalReader(connection).records(SEIZURE, FIND_CONFIRMED, where=where):
        find = Seizure.model_validate(record.body["seizure"], strict=False)
        linked = record.body.get("linked_crossing_id")
        if act.inspection_id == find.inspection_id or linked == act.crossing_id:
            if classes.teaches_load(find.goods_class):
                return find
            first = first or find
    return first


AT_ONCE = 50
"""Messages of one transaction: each is sealed under the writer's lock, in about a millisecond."""
ARRIVAL_KINDS = (DECISION, CROSSING)
ACT_KINDS = (INSPECTION, SEIZURE, FIND_CONFIRMED, RELEASE)


def announce_movements(exchange: LinkExchange, link: Link, *, after: int = 0) -> int:
    """Record the messages that are due on a link, and return the last record that was read.

    So are reports on accepted attentions.

    ``after`` is what an earlier call of this process returned: nothing before it is due. A link
    that is not in force gets none. Raises ``ConflictError`` where it ends meanwhile.
    """
    send_attention_outcomes(exchange, link)
    kinds = {"manifest", "outcome"}
    if not any(link.agreement.rule(kind, link.us) for kind in kinds):
        return after
    while True:
        with exchange.store.read() as connection:
            if link.phase(exchange.journal.now(connection)) != "in_force":
                return after
            upto = exchange.journal.head(connection).seq
            since = max(after, link.approval.sequence, read_last_sequence(connection, link.name))
            due: list[OutgoingMessage] = []
            for found in _list_records_due(connection, exchange.keys, link, since=since):
                due += found
                if len(due) >= AT_ONCE:
                    break
        if not due:
            return upto
        record_due(exchange, link.name, due)
        after = max(after, *(_sequence(one) for one in due))


def _list_records_due(
    connection: Connection, keys: LinkKeys, link: Link, *, since: int
) -> Iterator[Sequence[OutgoingMessage]]:
    """Yield what each record after a number makes due, and the agreement lets travel."""
    kinds: tuple[Kind[Any], ...] = (*ARRIVAL_KINDS, *ACT_KINDS)
    for record in JournalReader(connection).records(*kinds, where=[JOURNAL.c.seq > since]):
        if record.kind in ACT_KINDS:
            found = list_outcomes(connection, link, record)
        elif "message" in record.body:
            found = list_late_outcomes(connection, link, record)
        else:
            found = list_departures(keys, link, record)
        if due := [one for one in found if may_travel(link, one)]:
            yield due


def may_travel(link: Link, one: OutgoingMessage) -> bool:
    """Tell whether the agreement lets a message travel."""
    try:
        select_fields(link.agreement, sender=link.us, message=one.message)
    except RecordError:
        return False
    return True


def _sequence(one: OutgoingMessage) -> int:
    return one.about["sequence"] if one.about else 0


def record_due(
    exchange: LinkExchange, name: str, due: Sequence[OutgoingMessage], *, is_of_load: bool = False
) -> None:
    """Record what is still due under the writer's lock, because another process may be first.

    Messages of loads are known by their movements alone.
    """

    def find(connection: Connection, now: int) -> list[Draft]:
        link = exchange.read_links(connection)[name]
        last = 0 if is_of_load else read_last_sequence(connection, name)
        messages = _leave_out_announced(connection, name, [o for o in due if _sequence(o) > last])
        return draft_messages(connection, now, link, keys=exchange.keys, messages=messages)

    exchange.journal.append_found(find)


def _leave_out_announced(
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
