"""Decisions of a post and the vehicles that still wait there, in their order.

A referred vehicle waits until an act that answers its channel is filed, it is released, or a day
has passed: by then it has left, and a record of its own says so. The order is
:func:`engine.decision.inspection_minutes.place_of`, highest first; of equal ones the earlier comes
first.

Every act counts for labels and features. An act answers a referral only if it is what the channel
asks for: on red one that could find goods, on yellow at least the papers. An act of no minutes
answers neither, so that a form cannot take a vehicle off the queue.

The records of vehicles that have left are written by a thread of its own: no decision waits for it.
Each process of the service may look; the store's lock lets one of them write, and the others find
nothing left. Other work that comes due by the clock is done on the same thread.
"""

import logging
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from threading import Event, Thread
from typing import Any, cast

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Float,
    Index,
    SmallInteger,
    String,
    Table,
    bindparam,
    case,
    func,
    literal_column,
    select,
    text,
    update,
)

from engine.criteria.match import KNOWN_LAWFUL
from engine.decision.decision import Decision, Rank
from engine.decision.inspection_minutes import CHANNEL_STEP, FORWARD, Minutes
from engine.domain.records import InspectionAct, is_papers_only
from engine.domain.time_units import DAY, NEVER, micros, rfc3339
from engine.errors import NotFoundError, RiskError
from engine.journal.copies import find_local_number
from engine.journal.entries import Draft, Entry, list_bodies
from engine.journal.idempotency import find_holders
from engine.journal.journal import JOURNAL, Journal, JournalReader
from engine.journal.kinds import (
    COPIED,
    DECISION,
    INSPECTION,
    INSPECTION_CORRECTED,
    QUEUE_EXPIRED,
    RELEASE,
    DecisionBody,
    InspectionBody,
)
from engine.journal.power_records import read_record
from engine.selection import INSPECTED, Channel
from engine.storage.database import (
    METADATA,
    Int64,
    Store,
    declare_columns,
    execute_rows,
    fetch_rows,
    insert_rows,
    split_in_slices,
)


def strictest_answered(act: InspectionAct) -> Channel:
    """Return the strictest channel whose referral this act answers."""
    if act.minutes == 0:
        return Channel.BLUE
    return Channel.YELLOW if is_papers_only(act.methods) else Channel.RED


def answered_by(body: InspectionBody) -> Channel:
    """Return the same of an act's record."""
    return Channel.of(body["answers"])


def answers(kind: str, body: Mapping[str, Any], channel: Channel) -> bool:
    """Tell whether a record is of an act that answers a channel's referral."""
    return kind == INSPECTION and answered_by(cast("InspectionBody", body)) >= channel


def list_opening_conditions(act: InspectionAct | None, channel: Channel) -> dict[str, bool]:
    """Return what opens the reasons' words of a referral to the checkpoint, and what an act meets.

    Stricter than an answer: the act names its methods and its minutes, and on red it was a physical
    search that says where it searched.
    """
    methods = () if act is None else act.methods
    minutes = {"minutes": act is not None and bool(act.minutes)}
    if channel is Channel.RED:
        places = act is not None and bool(act.places_searched)
        return {"search": "physical" in methods, "places": places} | minutes
    return {"check": bool(methods) and not is_papers_only(methods)} | minutes


def opens_decision(act: InspectionAct, channel: Channel) -> bool:
    """Tell whether an act opens the reasons' words of a referral to the checkpoint."""
    is_referred = channel in (Channel.RED, Channel.YELLOW)
    return is_referred and all(list_opening_conditions(act, channel).values())


DECISIONS = Table(
    "decisions",
    METADATA,
    Column("decision_id", String, primary_key=True),
    Column("seq", Int64, nullable=False, unique=True),
    Column("crossing_id", String, nullable=False, index=True),
    *declare_columns(String, "post"),
    *declare_columns(Int64, "known_at"),
    *declare_columns(SmallInteger, "channel"),
    *declare_columns(Int64, "place"),
    Column("p_seizure", Float(53)),
    Column("p_discrepancy", Float(53)),
    Column("basis", String),
    *declare_columns(Float(53), "minutes"),
    Column("model_version", String),
    Column("waiting", Boolean, nullable=False),
    Column("act_seq", Int64),
    *declare_columns(SmallInteger, "answered"),
    *declare_columns(String, "vehicle_class"),
    Column("amends", String),
    *declare_columns(String, "plate"),
    *declare_columns(Boolean, "left"),
    *declare_columns(SmallInteger, "sent"),
    *declare_columns(Int64, "arrived_at"),
    *declare_columns(String, "corridor"),
    *declare_columns(Boolean, "is_lawful"),
    Column("released_at", Int64),
)
"""``sent`` is where the engine sent it, ``channel`` where it stands; ``corridor`` the countries
that the declaration names, as ``TJ>UZ``, empty without both; ``is_lawful`` tells whether an entry
of known lawful trade fitted."""
_D = DECISIONS.c
Index(  # known_at with it, so that counting who waits reads the index alone
    "decisions_waiting_ix",
    _D.post,
    _D.place,
    _D.known_at,
    sqlite_where=_D.waiting,
    postgresql_where=_D.waiting,
)
Index(  # all that the cut asks about a shift, so that it reads the index alone
    "decisions_recent_ix", _D.post, _D.known_at, _D.channel, _D.basis, _D.minutes
)
Index("decisions_plate_ix", _D.post, _D.plate, _D.known_at)
_TO_AUDIT = text("channel = 1 AND act_seq IS NULL")
Index(  # blue vehicles that were not audited yet
    "decisions_audits_ix",
    _D.post,
    _D.known_at,
    sqlite_where=_TO_AUDIT,
    postgresql_where=_TO_AUDIT,
)
_BY_SCORE = text("basis = 'score'")
Index(  # the last scored picks of a class, whose places others draw
    "decisions_scored_ix",
    _D.post,
    _D.channel,
    _D.vehicle_class,
    _D.model_version,
    _D.known_at,
    sqlite_where=_BY_SCORE,
    postgresql_where=_BY_SCORE,
)

_WAITS = text("decisions.waiting")
"""As the index says it: SQLite takes a partial index only for the very words of its condition."""


@dataclass(frozen=True, slots=True)
class QueuedDecision:
    """A decision as the queue knows it."""

    decision_id: str
    seq: int
    crossing_id: str
    post: str
    known_at: int
    place: int
    act_seq: int | None
    """The first act that answered its referral most strictly, by its record; None while there is
    none."""
    amends: str | None
    """The first decision of its movement, where the declaration was changed since."""

    @property
    def channel(self) -> Channel:
        """Where it stands now: sent by the engine, or by a supervisor."""
        return Channel(self.place // CHANNEL_STEP)


_FILED = select(
    _D.decision_id,
    _D.seq,
    _D.crossing_id,
    _D.post,
    _D.known_at,
    _D.place,
    _D.act_seq,
    _D.amends,
)
_RECORDED = _FILED.join(
    JOURNAL,
    (JOURNAL.c.seq == _D.seq)
    & (JOURNAL.c.post == _D.post)
    & (JOURNAL.c.known_at == _D.known_at)
    & (JOURNAL.c.subject == _D.decision_id)
    & (JOURNAL.c.kind == DECISION),
)
"""Decisions whose rows say what their records say: an edit of the table moves none to a post."""


def ranks(decisions: Sequence[Decision], waiting: Callable[[str], Sequence[int]]) -> list[Rank]:
    """Return each decision's place among those waiting at its post, earlier ones of the batch too.

    ``waiting`` says the places of those at a post, ascending. A vehicle that is not referred gets
    the place behind all of them.
    """
    joined: dict[str, list[int]] = defaultdict(list)
    found = []
    for decision in decisions:
        before, there = joined[decision.post], waiting(decision.post)
        ahead = of = len(there) + len(before)
        if decision.is_referred:
            ahead = len(there) - bisect_left(there, decision.place)
            ahead += sum(place >= decision.place for place in before)
            before.append(decision.place)
        found.append(Rank(ahead + 1, of + 1))
    return found


def waiting_at_posts(connection: Connection, *, as_of: int) -> dict[str, int]:
    """Return how many vehicles wait at each post where any does."""
    return dict(fetch_rows(connection, _WAITING_ANYWHERE, [as_of - DAY]))


_WAITING_ANYWHERE = (
    "SELECT post, count(*) FROM decisions WHERE decisions.waiting AND known_at >= ? GROUP BY post"
)


@dataclass(frozen=True, slots=True)
class WaitingCount:
    """The vehicles that wait at a post in one channel."""

    vehicles: int
    oldest: int
    """When the first of them was decided on, UTC microseconds."""
    minutes: float
    """Expected of all of them."""


def count_waiting(
    connection: Connection, *, as_of: int, post: str | None = None
) -> dict[str, dict[Channel, WaitingCount]]:
    """Return the vehicles that wait, by post and channel; ``post`` None means all."""
    channel: ColumnElement[int] = literal_column(f"place / {CHANNEL_STEP}")
    query = (
        select(_D.post, channel, func.count(), func.min(_D.known_at), func.sum(_D.minutes))
        .where(literal_column("decisions.waiting"), _D.known_at >= as_of - DAY)
        .group_by(_D.post, channel)
    )
    if post is not None:
        query = query.where(_D.post == post)
    found: dict[str, dict[Channel, WaitingCount]] = {}
    for code, at, vehicles, oldest, minutes in connection.execute(query):
        found.setdefault(code, {})[Channel(at)] = WaitingCount(vehicles, oldest, minutes or 0.0)
    return found


def read_plates(connection: Connection, decisions: Sequence[str]) -> dict[str, str]:
    """Return the plates of decisions, as far as they were read."""
    found: dict[str, str] = {}
    query = select(_D.decision_id, _D.plate).where(_D.plate != "")
    for some in split_in_slices(decisions, 500):
        rows = connection.execute(query.where(_D.decision_id.in_(some)))
        found.update((decision_id, plate) for decision_id, plate in rows)
    return found


def list_replacements(
    connection: Connection, decisions: Sequence[QueuedDecision]
) -> dict[str, list[QueuedDecision]]:
    """Return the decisions that replaced each of these, the newest last, where any did."""
    made: dict[tuple[str, str], list[QueuedDecision]] = {}
    crossings = sorted({one.crossing_id for one in decisions})
    for some in split_in_slices(crossings, 500):
        query = _FILED.where(_D.crossing_id.in_(some)).order_by(_D.seq)
        for row in connection.execute(query):
            one = QueuedDecision(*row)
            made.setdefault((one.post, one.crossing_id), []).append(one)
    found = {
        one.decision_id: [
            newer for newer in made.get((one.post, one.crossing_id), ()) if newer.seq > one.seq
        ]
        for one in decisions
    }
    return {decision_id: newer for decision_id, newer in found.items() if newer}


def list_waiting(connection: Connection, post: str, *, as_of: int) -> list[QueuedDecision]:
    """Return what waits at a post, in the order of the search."""
    query = _RECORDED.where(_D.post == post, _WAITS, _D.known_at >= as_of - DAY).order_by(
        _D.place.desc(), _D.seq
    )
    return [QueuedDecision(*row) for row in connection.execute(query)]


def list_decisions(
    connection: Connection,
    *where: ColumnElement[bool],
    post: str | None,
    channel: int | None,
    since: int,
    until: int = NEVER,
    before: int | None = None,
    hidden: Collection[str] = (),
    most: int,
) -> list[QueuedDecision]:
    """Return the newest decisions first; ``post`` None means all, but for ``hidden`` posts.

    ``before`` is a record's number: those recorded earlier. ``where`` has further conditions on
    ``DECISIONS``.
    """
    query = _RECORDED.where(_D.known_at >= since, _D.known_at < until, *where)
    query = query.order_by(_D.known_at.desc()).limit(most)
    if before is not None:
        query = query.where(_D.seq < before)
    if post is not None:
        query = query.where(_D.post == post)
    if hidden:
        query = query.where(_D.post.not_in(hidden))
    if channel is not None:
        query = query.where(_D.channel == channel)
    return [QueuedDecision(*row) for row in connection.execute(query)]


def read_decision(connection: Connection, decision_id: str) -> QueuedDecision:
    """Return one decision, at the post that its record states; raises ``NotFoundError``."""
    row = connection.execute(_FILED.where(_D.decision_id == decision_id)).one_or_none()
    found = None if row is None else _prove(connection, QueuedDecision(*row))
    if found is None:
        raise NotFoundError("decision", decision_id)
    return found


def _prove(connection: Connection, row: QueuedDecision) -> QueuedDecision | None:
    """Return a decision with what its record states; None for one that its record does not prove.

    Of an erased one the journal keeps post and time.
    """
    record = read_record(connection, row.seq)
    if record is None or (record.kind, record.subject) != (DECISION, row.decision_id):
        return None
    if record.body is None and JournalReader(connection).bodies([row.seq]):
        return None
    crossing_id = row.crossing_id if record.body is None else record.body["crossing_id"]
    return replace(row, post=record.post, known_at=record.known_at, crossing_id=crossing_id)


def waits(connection: Connection, decision_id: str) -> bool:
    """Tell whether a decision's vehicle still waits for officers, as far as is recorded."""
    query = select(_D.waiting).where(_D.decision_id == decision_id)
    return bool(connection.scalar(query))


def last_of_crossing(connection: Connection, crossing_id: str) -> QueuedDecision | None:
    """Return the last decision on a crossing, None where it was only recorded."""
    query = _FILED.where(_D.crossing_id == crossing_id).order_by(_D.seq.desc())
    rows = (QueuedDecision(*row) for row in connection.execute(query).all())
    known = (one for row in rows if (one := _prove(connection, row)) is not None)
    return next((one for one in known if one.crossing_id == crossing_id), None)


def may_wait(
    connection: Connection, decision: QueuedDecision, channel: Channel, *, as_of: int
) -> bool:
    """Tell whether a vehicle waits for officers, or no record shows that it does not.

    ``channel`` is where it stands by its records. What lets one supervisor act alone must not come
    of an edit of the table: a day has passed, the vehicle was decided on again, it was released, or
    an act answered.
    """
    if channel not in INSPECTED or decision.known_at < as_of - DAY:
        return False
    if waits(connection, decision.decision_id):
        return True
    last = last_of_crossing(connection, decision.crossing_id)
    if last is not None and last.seq > decision.seq:
        return False
    name = f"{RELEASE}:{decision.crossing_id}"
    release = find_holders(connection, [name]).get(name)
    numbers = (decision.act_seq, None if release is None else release.seq)
    records = [read_record(connection, seq) for seq in numbers if seq is not None]
    return not any(
        record is not None
        and record.body is not None
        and record.post == decision.post
        and record.body.get("crossing_id") == decision.crossing_id
        and (record.kind == RELEASE or answers(record.kind, record.body, channel))
        for record in records
    )


def recent_chances(
    connection: Connection, post: str, *, model_version: str, since: int, most: int = 20_000
) -> list[tuple[float, float]]:
    """Return the chances of a post's last decisions under one model.

    They are of a seizure and of a discrepancy.
    """
    query = (
        select(_D.p_seizure, _D.p_discrepancy)
        .where(_D.post == post, _D.known_at >= since, _D.model_version == model_version)
        .order_by(_D.known_at.desc())
        .limit(most)
    )
    return [(seizure, discrepancy) for seizure, discrepancy in connection.execute(query)]


def draft_expiries(connection: Connection, *, as_of: int, most: int) -> list[Draft]:
    """Return the records of vehicles that have waited for a day, the first to arrive first.

    Since when one waits is what the journal proves: a record of the service must not come of an
    edit of a table, which could be taken back afterwards.
    """
    query = (
        select(_D.decision_id, _D.seq, _D.crossing_id, _D.post, JOURNAL.c.known_at)
        .join(JOURNAL, (JOURNAL.c.seq == _D.seq) & (JOURNAL.c.known_at == _D.known_at))
        .where(_WAITS, _D.known_at < as_of - DAY)
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


def merits_of_scored(
    connection: Connection,
    post: str,
    *,
    channel: Channel,
    vehicle_class: str,
    model_version: str | None,
    most: int,
) -> tuple[float, ...]:
    """Return the merits of the last scored picks of a class by one model, ascending.

    A merit is the chance that the channel ranks by.
    """
    if model_version is None:
        return ()
    asked = [post, int(channel), vehicle_class, model_version, most]
    found = fetch_rows(connection, _LAST_SCORED, asked)
    return tuple(sorted(one[channel.ranked_by != "seizure"] for one in found))


_LAST_SCORED = (
    "SELECT p_seizure, p_discrepancy FROM decisions WHERE basis = 'score' AND post = ? "
    "AND channel = ? AND vehicle_class = ? AND model_version = ? ORDER BY known_at DESC LIMIT ?"
)


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


EXPIRY_SECONDS = 60.0
MOST_EXPIRIES = 512
"""Bounds how long the lock is held; further ones follow at once."""
_LOG = logging.getLogger("darvoza")


class QueueExpiry:
    """Ends the wait of vehicles that were referred over a day ago."""

    def __init__(
        self,
        store: Store,
        journal: Journal,
        *,
        also: Sequence[Callable[[], object]] = (),
    ) -> None:
        """``also`` is done after each look."""
        self._also = also
        self._store = store
        self._journal = journal
        self._stop = Event()
        self._thread = Thread(target=self._run, name="queue-expiry", daemon=True)

    def start(self) -> None:
        """Look at once, then at intervals."""
        self._thread.start()

    def close(self) -> None:
        """Stop looking."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

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

    def _run(self) -> None:
        while True:
            try:
                self.expire()
                for work in self._also:
                    work()
            except RiskError as error:  # the next look finds them
                _LOG.warning("clock_work_failed", exc_info=error)
            if self._stop.wait(EXPIRY_SECONDS):
                return
