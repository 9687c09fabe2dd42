"""What decisions, acts, releases, reviews and the passing of a day change in the queue's table."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, case, select, update

from engine.criteria.match import KNOWN_LAWFUL
from engine.decision.inspection_minutes import CHANNEL_STEP, FORWARD, Minutes
from engine.domain.time_units import micros
from engine.journal.copies import find_local_number
from engine.journal.entries import Draft, Entry, list_bodies
from engine.journal.journal import JournalReader
from engine.journal.kinds import (
    DECISION,
    INSPECTION,
    INSPECTION_CORRECTED,
    QUEUE_EXPIRED,
    RELEASE,
    DecisionBody,
)
from engine.queue.queue import DECISIONS, answered_by
from engine.selection import INSPECTED, Channel
from engine.storage.database import execute_rows, insert_rows

_D = DECISIONS.c


def project_queue(connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
    """Let decisions join the queue, then acts, releases and the passing of a day end it.

    A record acts on decisions of its own post alone, whatever it names: it may be a copy.
    """
    decided = list_bodies(entries, DECISION)
    insert_rows(connection, DECISIONS, [_row(entry, body) for entry, body in decided])
    again = [
        {"crossing": body["crossing_id"], "at_post": entry.post, "newest": entry.seq}
        for entry, body in decided
        if body["queue"].get("amends") is not None
    ]
    execute_rows(connection, _REPLACED, again)
    acts = [_read_act(connection, *one) for one in entries if one[0].kind in _ACTS]
    execute_rows(connection, _ACT, acts)
    left = [
        {"crossing": body["crossing_id"], "at_post": entry.post, "at": entry.known_at}
        for entry, body in list_bodies(entries, RELEASE)
    ]
    execute_rows(connection, _RELEASE, left)
    over = [
        {"which": entry.subject, "at_post": entry.post}
        for entry, _ in list_bodies(entries, QUEUE_EXPIRED)
    ]
    execute_rows(connection, _OVER, over)


_ACTS = frozenset({INSPECTION, INSPECTION_CORRECTED})


def _read_act(connection: Connection, entry: Entry, draft: Draft) -> dict[str, object]:
    """Return which referrals an act answers; one that is stated again, those it does now."""
    body: Any = draft.body
    act = entry.seq
    if entry.kind == INSPECTION_CORRECTED:
        act = find_local_number(connection, draft, body["of"])
    about = {"crossing": body["crossing_id"], "at_post": entry.post}
    return about | {"act": act, "answers": int(answered_by(body))}


def redirect(
    connection: Connection,
    decision_id: str,
    channel: Channel | None,
    *,
    post: str,
    place: int | None = None,
) -> Channel | None:
    """Let a decision of a post wait where a supervisor sent it, and return where that is.

    ``None`` leaves it where it is, and is returned where the post has no such decision. A vehicle
    that has left waits nowhere again, nor does one whose act answers where it is sent; an act of
    papers does not answer for a search. ``place`` is the one drawn there; without one it takes
    along what it had. Its minutes are then those of the channel where it stands, so that all who
    add up what waits get one sum.
    """
    found = connection.execute(_STANDS, {"which": decision_id, "at_post": post}).one_or_none()
    if found is None:
        return None
    if channel is None or channel == found.channel:
        return Channel(found.channel)
    is_answered = found.act_seq is not None and found.answered >= channel
    within = found.place % CHANNEL_STEP
    if place is None:
        place = int(channel) * CHANNEL_STEP + within
    elif within >= FORWARD:
        place += FORWARD
    connection.execute(
        update(DECISIONS)
        .where(_D.decision_id == decision_id)
        .values(
            channel=int(channel),
            place=place,
            minutes=_expected_minutes(connection, found.seq, channel, otherwise=found.minutes),
            waiting=channel in INSPECTED and not (is_answered or found.left),
            act_seq=found.act_seq if is_answered else None,
        )
    )
    return channel


def _expected_minutes(
    connection: Connection, seq: int, channel: Channel, *, otherwise: float
) -> float:
    """Return the minutes that a recorded decision expects in a channel."""
    body = JournalReader(connection).bodies([seq]).get(seq)
    return otherwise if body is None else Minutes(**body["inputs"]["minutes"]).of(channel)


_OF_POST = _D.post == bindparam("at_post")
_STANDS = select(_D.seq, _D.channel, _D.place, _D.minutes, _D.act_seq, _D.answered, _D.left).where(
    _D.decision_id == bindparam("which"), _OF_POST
)
_OF_CROSSING = update(DECISIONS).where(_D.crossing_id == bindparam("crossing"), _OF_POST)
_ACT = _OF_CROSSING.where(_D.channel <= bindparam("answers")).values(
    waiting=False,
    act_seq=case(
        (_D.act_seq.is_(None), bindparam("act")),
        (_D.answered < bindparam("answers"), bindparam("act")),
        else_=_D.act_seq,
    ),
    answered=case((_D.answered < bindparam("answers"), bindparam("answers")), else_=_D.answered),
)
_REPLACED = _OF_CROSSING.where(_D.seq < bindparam("newest")).values(waiting=False)
_RELEASE = _OF_CROSSING.values(waiting=False, left=True, released_at=bindparam("at"))
_OVER = (
    update(DECISIONS).where(_D.decision_id == bindparam("which"), _OF_POST).values(waiting=False)
)


_COLUMNS = tuple(column.name for column in DECISIONS.columns)


def _row(entry: Entry, body: DecisionBody) -> list[Any]:
    arrival, where = body["arrival"], body["queue"]
    declaration = arrival.get("declaration") or {}
    named = declaration.get("dispatch_country"), declaration.get("destination_country")
    ends = [one for one in named if one is not None]
    arrived_at = datetime.fromisoformat(arrival["crossing"]["arrived_at"])
    known: dict[str, Any] = {
        "seq": entry.seq,
        "post": entry.post,
        "known_at": entry.known_at,
        "act_seq": None,
        "answered": 0,
        "left": False,
        "sent": where["channel"],
        "arrived_at": micros(arrived_at),
        "corridor": ">".join(ends) if len(ends) == len(named) else "",
        "is_lawful": any(one["source"] == KNOWN_LAWFUL for one in body["inputs"]["matches"]),
        "released_at": None,
    }
    known = where | known
    return [known[name] for name in _COLUMNS]
