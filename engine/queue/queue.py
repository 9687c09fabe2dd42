"""Decisions of a post and the vehicles that still wait there, in their order.

A referred vehicle waits until an act that answers its channel is filed, it is released, or a day
has passed: by then it has left, and a record of its own says so. The order is
:func:`engine.decision.inspection_minutes.place_of`, highest first; of equal ones the earlier comes
first.

Every act counts for labels and features. An act answers a referral only if it is what the channel
asks for: on red one that could find goods, on yellow at least the papers. An act of no minutes
answers neither, so that a form cannot take a vehicle off the queue.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
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
    TextClause,
    func,
    literal_column,
    select,
    text,
)

from engine.decision.decision import Decision, Rank
from engine.decision.inspection_minutes import CHANNEL_STEP
from engine.domain.records import InspectionAct, is_papers_only
from engine.domain.time_units import DAY, NEVER
from engine.errors import NotFoundError
from engine.journal.idempotency import find_holders
from engine.journal.journal import JOURNAL, JournalReader
from engine.journal.kinds import DECISION, INSPECTION, RELEASE, InspectionBody
from engine.journal.power_records import read_record
from engine.selection import INSPECTED, Channel
from engine.storage.database import (
    METADATA,
    Int64,
    at_posts,
    declare_columns,
    fetch_rows,
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

WAITS = text("decisions.waiting")
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
    query = _RECORDED.where(_D.post == post, WAITS, _D.known_at >= as_of - DAY).order_by(
        _D.place.desc(), _D.seq
    )
    return [QueuedDecision(*row) for row in connection.execute(query)]


def list_decisions(
    connection: Connection,
    *where: ColumnElement[bool] | TextClause,
    post: str | None,
    channel: int | None,
    since: int,
    until: int = NEVER,
    before: int | None = None,
    hidden: Collection[str] = (),
    most: int | None,
) -> list[QueuedDecision]:
    """Return the newest decisions first; ``post`` None means all, but for ``hidden`` posts.

    ``before`` is a record's number: those recorded earlier. ``where`` has further conditions on
    ``DECISIONS``; ``most`` None sets no bound.
    """
    query = _RECORDED.where(_D.known_at >= since, _D.known_at < until, *where)
    query = query.order_by(_D.known_at.desc()).limit(most)
    if before is not None:
        query = query.where(_D.seq < before)
    query = query.where(*at_posts(_D.post, post, hidden))
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
