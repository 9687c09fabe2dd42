"""Counts of a period at one post, and the minutes of its running shift.

A period is a span of the journal's time, ``since`` included and ``until`` not, in UTC microseconds.
Vehicles count in the period in which they were decided on, acts in the one in which they were
filed, as in the shift report. All of it is read from tables that are kept as records come, by the
indexes of time and number: the time that it takes follows from the period and not from the history.

Rows have the agency of their act, so that a caller adds up what it may see.

Minutes of a running shift: used are those of the acts filed in the shift, as corrections state them
now, or the expected minutes of a vehicle whose act states none. Needed are those expected of what
waits. Minutes that nobody can work before the shift ends are lost. The three and what is left add
up to the roster, if the acts took no more than that.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    case,
    false,
    func,
    literal_column,
    null,
    or_,
    select,
)

from engine.domain.network import Network, ShiftPeriod
from engine.domain.time_units import DAY, MINUTE
from engine.journal.journal import JOURNAL
from engine.queue.match_outcomes import ACTS, SEIZED_GOODS
from engine.queue.queue import DECISIONS, WaitingCount
from engine.selection import COUNTERPART, INSPECTED, Channel
from engine.shifts.workload import METHODS, read_roster

Stage = Literal["decision", "act", "release", "whole"]
"""From the arrival to the decision, from there to the act, from there to the release where one was
recorded, and from the arrival to the end: the release, else the act, else a decision of green or
blue that none of the period replaced."""
_D, _A, _S, _J = DECISIONS.c, ACTS.c, SEIZED_GOODS.c, JOURNAL.c
_LAST = DECISIONS.alias("last").c


class Span(NamedTuple):
    """A period at a post."""

    post: str
    since: int
    until: int


class VehicleGroup(NamedTuple):
    """Vehicles that were decided on and are alike in all that figures ask."""

    sent: int
    """The channel that the engine chose."""
    channel: int
    """The channel where they stand."""
    basis: str | None
    vehicle_class: str
    agency: str | None
    """Of the act that answered the referral, as the next three; None where there is none."""
    outcome: str | None
    methods: str | None
    act_basis: str | None
    vehicles: int

    @property
    def stream(self) -> str | None:
        """What sent them to officers, None where nothing did."""
        return name_stream(
            Channel(self.sent), Channel(self.channel), self.basis, act_basis=self.act_basis
        )


def name_stream(
    sent: Channel, channel: Channel, basis: str | None, *, act_basis: str | None
) -> str | None:
    """Return what sent a vehicle to officers: the engine, a supervisor, or who searched it."""
    if sent in INSPECTED:
        return basis
    if channel in INSPECTED:
        return "override"
    if act_basis is None:
        return None
    return COUNTERPART if act_basis == COUNTERPART else "officer"


_ALIKE: tuple[ColumnElement[Any], ...] = (
    _D.sent, _D.channel, _D.basis, _D.vehicle_class, _A.agency, _A.outcome, _A.methods,
    _A.basis.label("act_basis"),
)  # fmt: skip


_ANSWERED = DECISIONS.outerjoin(ACTS, _A.seq == _D.act_seq)


def _within(span: Span) -> ColumnElement[bool]:
    return and_(_D.post == span.post, _D.known_at >= span.since, _D.known_at < span.until)


def count_vehicles(connection: Connection, span: Span) -> Iterator[VehicleGroup]:
    """Yield the vehicles that were decided on.

    A vehicle that is decided on again counts once: its other decisions follow as groups of minus
    one (:func:`read_repeats`).
    """
    each = select(*_ALIKE, func.count()).select_from(_ANSWERED).where(_within(span))
    for row in connection.execute(each.group_by(*_ALIKE)):
        yield VehicleGroup._make(row)
    for group, _, _ in read_repeats(connection, _within(span)):
        yield group


def read_repeats(
    connection: Connection, within: ColumnElement[bool]
) -> Iterator[tuple[VehicleGroup, str, int]]:
    """Yield the decisions of a period by which no vehicle counts, with their post and time.

    A vehicle counts by the decision that first sent it to officers, else by its last one.
    """
    again = select(_D.crossing_id).where(within, _D.amends.is_not(None))
    query = select(*_ALIKE, _D.crossing_id, _D.post, _D.known_at).select_from(_ANSWERED)
    query = query.where(within, _D.crossing_id.in_(again)).order_by(_D.known_at)
    decided: dict[str, list[tuple[VehicleGroup, str, int]]] = defaultdict(list)
    for *alike, crossing_id, post, known_at in connection.execute(query):
        decided[crossing_id].append((VehicleGroup._make([*alike, -1]), post, known_at))
    for some in decided.values():
        kept = next((at for at, (one, _, _) in enumerate(some) if one.stream), len(some) - 1)
        yield from (one for at, one in enumerate(some) if at != kept)


class StageGroup(NamedTuple):
    """Vehicles that took a stage of their way in the same whole minutes."""

    channel: int
    vehicle_class: str
    is_lawful: bool
    """An entry of known lawful trade fitted."""
    agency: str | None
    """Of the act that ends the stage; None where none does, or it names none."""
    is_act: bool
    """An act has a part in the stage."""
    waits: bool
    """They wait at ``as_of``, as the queue says."""
    minutes: int | None
    """None where officers were to search them and neither an act nor a release is recorded."""
    began: int
    """When the stage of the first of them began."""
    vehicles: int


def count_stage(
    connection: Connection, span: Span, stage: Stage, *, as_of: int
) -> Iterator[StageGroup]:
    """Yield how long vehicles took for a stage, and how many did not end it.

    The whole way is that of their last decisions in the period, a stage that of their first ones.
    """
    acted = _J.known_at
    is_released_late = _D.released_at > acted
    let_go = case((_D.channel <= int(Channel.BLUE), _D.known_at))
    begin, end = {
        "decision": (_D.arrived_at, _D.known_at),
        "act": (_D.known_at, acted),
        "release": (acted, case((is_released_late, _D.released_at))),
        "whole": (_D.arrived_at, func.coalesce(_D.released_at, acted, let_go)),
    }[stage]
    is_of_act = stage != "decision"
    is_replaced = _D.decision_id.in_(select(_D.amends).where(_within(span), _D.amends.is_not(None)))
    is_counted = ~is_replaced if stage == "whole" else _D.amends.is_(None)
    is_open = and_(
        _D.channel > int(Channel.BLUE), acted.is_(None), _D.released_at.is_(None), ~is_replaced
    )
    has_end = end.is_not(None)
    waits = case((and_(is_open, _D.waiting, _D.known_at >= as_of - DAY), 1), else_=0)
    alike: tuple[ColumnElement[Any], ...] = (
        _D.channel,
        _D.vehicle_class,
        _D.is_lawful,
        (_A.agency if is_of_act else null()).label("owner"),
        (acted.is_not(None) if is_of_act else false()).label("has_act"),
        (waits if stage in ("act", "whole") else literal_column("0")).label("stands"),
        case((has_end, (end - begin) // literal_column(str(MINUTE)))).label("taken"),
    )
    query = (
        select(*alike, func.min(begin).label("began"), func.count())
        .select_from(DECISIONS)
        .outerjoin(JOURNAL, _J.seq == _D.act_seq)
        .outerjoin(ACTS, _A.seq == _D.act_seq)
        .where(_within(span), is_counted, begin.is_not(None))
        .where(or_(has_end, is_open) if stage in ("act", "whole") else has_end)
        .group_by(*(one.name for one in alike))
    )
    for row in connection.execute(query):
        taken = None if row.taken is None else max(row.taken, 0)
        yield StageGroup._make(row)._replace(minutes=taken, waits=bool(row.stands))


def find_number(connection: Connection, at: int) -> int:
    """Return the number of the first record at or after an instant, or the next one to come."""
    first = select(_J.seq).where(_J.known_at >= at).order_by(_J.known_at).limit(1)
    if (found := connection.scalar(first)) is None:
        found = 1 + (connection.scalar(select(func.max(_J.seq))) or 0)
    return int(found)


def list_acts(connection: Connection, span: Span) -> Sequence[Row[Any]]:
    """Return the acts that were filed and answered a referral, in their order.

    Each has the columns of :data:`engine.queue.match_outcomes.ACTS`, and of the last decision that
    it answered ``corridor`` and ``vehicle_class``.
    """
    query = select(ACTS, _D.corridor, _D.vehicle_class).select_from(ACTS)
    return connection.execute(join_decisions(connection, query, span).order_by(_A.seq)).all()


def list_goods(connection: Connection, span: Span) -> Sequence[Row[Any]]:
    """Return the goods of the seizures that these acts state, in the order of their reports.

    Each has the columns of :data:`engine.queue.match_outcomes.SEIZED_GOODS`, and the agency of its
    act as ``act_agency``.
    """
    stated = SEIZED_GOODS.join(ACTS, _A.crossing_id == _S.crossing_id)
    query = select(SEIZED_GOODS, _A.agency.label("act_agency")).select_from(stated)
    query = query.where(_A.outcome == "seizure")
    return connection.execute(join_decisions(connection, query, span).order_by(_S.seq)).all()


def join_decisions(connection: Connection, query: Select[Any], span: Span) -> Select[Any]:
    """Return a query of the acts filed in a period with the last decision that each answered."""
    first, after = (find_number(connection, at) for at in (span.since, span.until))
    last = (
        select(_LAST.decision_id)
        .where(_LAST.crossing_id == _A.crossing_id, _LAST.act_seq == _A.seq)
        .order_by(_LAST.seq.desc())
        .limit(1)
        .scalar_subquery()
    )
    filed = (_A.post == span.post, _A.seq >= first, _A.seq < after)
    return query.join(DECISIONS, _D.decision_id == last).where(*filed)


def list_posts(connection: Connection) -> Iterator[str]:
    """Yield the posts at which anything was decided, by the index of posts alone."""
    post = connection.scalar(select(func.min(_D.post)))
    while post is not None:
        yield post
        post = connection.scalar(select(func.min(_D.post)).where(_D.post > post))


@dataclass(frozen=True, slots=True)
class ChannelMinutes:
    """Minutes of one channel of officers in a running shift."""

    roster: float | None
    """None if no roster bounds them."""
    used: float
    needed: float
    """Expected of all vehicles that wait, also of those for which no time is left."""
    workable: float = math.inf
    """Minutes that can be worked before the shift ends."""

    @property
    def free(self) -> float:
        """Minutes for what waits and what will come; infinite without a roster."""
        return math.inf if self.roster is None else min(self._unused, self.workable)

    @property
    def lost(self) -> float:
        """Minutes of the roster that are not used when the shift ends."""
        return max(self._unused - self.workable, 0.0)

    @property
    def left(self) -> float | None:
        """Minutes for arrivals to come; negative where they are missing, None without a roster."""
        return None if self.roster is None else self.free - self.needed

    @property
    def _unused(self) -> float:
        return 0.0 if self.roster is None else max(self.roster - self.used, 0.0)


def read_minutes(
    connection: Connection,
    shift: ShiftPeriod,
    network: Network,
    waiting: Mapping[Channel, WaitingCount],
    *,
    now: int,
) -> dict[Channel, ChannelMinutes]:
    """Return the minutes of a running shift, of red first; ``waiting`` is its post's queue."""
    hands = read_roster(connection, shift.post, network)
    used = sum_used_minutes(connection, Span(shift.post, shift.opens_at, shift.closes_at))
    found = {}
    for channel in reversed(INSPECTED):
        known = [hands.minutes[method] for method in METHODS[channel] if method in hands.minutes]
        roster = sum(known) if known else None
        found[channel] = ChannelMinutes(
            roster,
            used.get(channel, 0.0),
            waiting[channel].minutes if channel in waiting else 0.0,
            bound_workable(roster or 0.0, shift, teams=len(hands.teams), now=now),
        )
    return found


def bound_workable(roster: float, shift: ShiftPeriod, *, teams: int, now: int) -> float:
    """Return how many minutes of a channel can be worked before its shift ends.

    Whole minutes of the clock, so that two readers of one minute state the same. As many people
    work at once as the minutes of the roster need, or as there are teams.
    """
    at_once = max(teams, math.ceil(roster * MINUTE / (shift.closes_at - shift.opens_at)), 1)
    return float(at_once * (max(shift.closes_at - now, 0) // MINUTE))


def sum_used_minutes(connection: Connection, span: Span) -> dict[Channel, float]:
    """Return the minutes of the acts filed in a period at a post, by the channel they answered."""
    minutes = func.coalesce(func.nullif(ACTS.c.minutes, 0.0), DECISIONS.c.minutes)
    query: Select[Any] = select(DECISIONS.c.channel, func.sum(minutes)).select_from(ACTS)
    query = join_decisions(connection, query, span).group_by(DECISIONS.c.channel)
    return {Channel(code): total for code, total in connection.execute(query)}
