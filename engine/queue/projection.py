"""What decisions, acts, releases, reviews and the passing of a day change in the queue's table.

A thread of the service records that vehicles left after a day. No decision waits for it. Each
process of the service may look; the store's lock lets one of them write, and the others find
nothing left. Other work that comes due by the clock is done on the same thread.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection, bindparam, case, select, update

from engine.criteria.match import KNOWN_LAWFUL
from engine.decision.inspection_minutes import CHANNEL_STEP, FORWARD, Minutes
from engine.domain.time_units import DAY, micros, rfc3339
from engine.journal.copies import find_local_number
from engine.journal.entries import Draft, Entry, list_bodies
from engine.journal.journal import JOURNAL, Journal, JournalReader
from engine.journal.kinds import (
    COPIED,
    DECISION,
    INSPECTION,
    INSPECTION_CORRECTED,
    QUEUE_EXPIRED,
    RELEASE,
    DecisionBody,
)
from engine.journal.power_records import read_record
from engine.queue.queue import DECISIONS, WAITS, answered_by
from engine.selection import INSPECTED, Channel
from engine.storage.database import Store, execute_rows, insert_rows
from engine.storage.worker_process import PeriodicWorker

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


def draft_expiries(connection: Connection, *, as_of: int, most: int) -> list[Draft]:
    """Return the records of vehicles that have waited for a day, the first to arrive first.

    Since when one waits is what the journal proves: a record of the service must not come of an
    edit of a table, which could be taken back afterwards.
    """
    query = (
        select(_D.decision_id, _D.seq, _D.crossing_id, _D.post, JOURNAL.c.known_at)
        .join(JOURNAL, (JOURNAL.c.seq == _D.seq) & (JOURNAL.c.known_at == _D.known_at))
        .where(WAITS, _D.known_at < as_of - DAY)
        .order_by(_D.seq)
    )
    drafts = (
        QUEUE_EXPIRED.draft(
            decision_id,
            {"crossing_id": crossing_id, "decision": seq, "decided_at": rfc3339(known_at)},
            post=post,
        )
        for decision_id, seq, crossing_id, post, known_at in connection.execute(query)
        if _is_proven(connection, seq, decision_id)
    )
    return list(islice(drafts, most))


def _is_proven(connection: Connection, seq: int, decision_id: str) -> bool:
    record = read_record(connection, seq)
    return (
        record is not None
        and record.body is not None
        and (record.kind, record.subject) == (DECISION, decision_id)
        and COPIED not in record.body  # its own node says when the day has passed
    )


EXPIRY_SECONDS = 60.0
MOST_EXPIRIES = 512
"""Bounds how long the lock is held; further ones follow at once."""
_LOG = logging.getLogger("darvoza")


class QueueExpiry(PeriodicWorker):
    """Ends the wait of vehicles that were referred over a day ago."""

    def __init__(
        self,
        store: Store,
        journal: Journal,
        *,
        also: Sequence[Callable[[], object]] = (),
    ) -> None:
        """``also`` is done after each look."""
        super().__init__("queue-expiry", EXPIRY_SECONDS, first_after=0.0)
        self._also = also
        self._store = store
        self._journal = journal

    def expire(self) -> int:
        """Record every vehicle whose day has passed; return how many there were."""
        number = 0
        while not self._stop.is_set():
            with self._store.read() as connection:
                as_of = self._journal.now(connection)
                if not draft_expiries(connection, as_of=as_of, most=1):
                    break
            number += len(
                self._journal.append_found(
                    lambda connection, now: draft_expiries(
                        connection, as_of=now, most=MOST_EXPIRIES
                    )
                )
            )
        return number

    def run_turn(self) -> None:
        """End what is over, then do the other work that comes due by the clock."""
        self.expire()
        for work in self._also:
            work()

    def note_failure(self, error: Exception) -> None:
        """Log it; the next look finds what is due."""
        _LOG.warning("clock_work_failed", exc_info=error)
