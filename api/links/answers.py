"""Answers about links: their traffic, their delays, and compared watch lists."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from sqlalchemy import Connection

from api.http.answers import Answer, Time
from api.links.exchanges import open_exchange
from api.links.movements import list_missing
from api.service.runtime import Runtime
from engine.domain.time_units import SECOND, rfc3339
from engine.errors import NotFoundError, OtherSideError
from engine.journal.copies import find_newest
from engine.journal.journal import Journal
from engine.links.agreement import MatchLimits
from engine.links.ledger import (
    Direction,
    EnvelopeRow,
    Status,
    TrafficCount,
    count_traffic,
    list_envelopes,
)
from engine.links.list_comparison import is_agreed, list_shared
from engine.links.match_state import (
    CommonEntry,
    MatchState,
    ReleaseSide,
    ReleaseState,
    expire_release,
    read_match_state,
)
from engine.links.movements import count_outcomes
from engine.links.posts.record_outbox import read_unsent
from engine.links.state import AlarmRule, Link, Phase
from engine.storage.database import Store
from engine.storage.home import Home


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkAlarmView(Answer):
    """Why a link stopped."""

    sequence: int
    at: Time
    rule: AlarmRule
    number: int
    """The envelope that it is about."""
    resumption_by: str | None
    """Who proposed to resume the link; a second person decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkEndView(Answer):
    """Who ended a link."""

    at: Time
    by: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficView(Answer):
    """Envelopes of one direction, kind and status."""

    direction: Direction
    kind: str
    status: Status
    envelopes: int
    newest: Time
    slowest_seconds: int
    """Longest time from the sender's journal to the receipt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchAlarmView(Answer):
    """Why watch lists are not compared now: an enquiry of the other side went beyond a limit."""

    sequence: int
    at: Time
    rule: Literal["too_many_elements", "too_often", "budget_spent"]
    resumption_by: str | None
    """Who proposed to go on; a second person decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnquiryView(Answer):
    """One enquiry of the other side; which identifiers it asks about is not known here."""

    sequence: int
    at: Time
    elements: int
    rule: str
    """Why it was refused; empty where it was answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonEntryView(Answer):
    """An entry that both watch lists have."""

    token: str
    side: ReleaseSide
    """``asker``: this side can ask for the details of the other side's entry."""
    entry: str
    """The entry of this installation."""
    identifier: str
    found_at: Time
    state: ReleaseState
    next: ReleaseSide | None
    """The side that owns the next step."""
    person: str
    """Who of this side took the last step."""
    deadline: Time
    details: int | None
    """The record of the details, once they were released to this side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingView(Answer):
    """What was asked, answered and found by comparing watch lists."""

    limits: MatchLimits
    """As both sides signed them."""
    shareable: int
    """Identifiers of marked entries in force that can be compared."""
    not_comparable: int
    """Identifiers of marked entries that only this administration understands."""
    unasked: int
    asked: int
    """Elements that this side used of its limit."""
    last_asked: Time | None
    last_rule: str
    """Why the last request was refused."""
    answered: int
    """Elements that the other side used of its limit."""
    alarm: MatchAlarmView | None
    unreadable: list[int]
    """Records of messages of the other side that are gone, erased or altered, the newest last."""
    enquiries: list[EnquiryView]
    """Newest first."""
    common: list[CommonEntryView]
    """Newest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostRecordsView(Answer):
    """Which records a post's node and its centre lack of each other."""

    unsent: int | None
    """Records of this node for which the centre has not signed yet; None at the centre."""
    unsent_since: Time | None
    """When the first of them was recorded."""
    newest: int | None
    """Number of the last record of the other side that is here, in its own journal."""
    newest_recorded_at: Time | None
    """When it was recorded there."""
    newest_arrived_at: Time | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkFailureView(Answer):
    """Why the last exchange of this process with the other side failed."""

    cause: Literal[
        "answer",
        "certificate_early",
        "certificate_expired",
        "certificate_name",
        "certificate_unknown",
        "network",
        "no_address",
        "refused",
        "timeout",
        "tls",
    ]
    why: str
    at: Time | None
    """When the validity of its certificate ended, or begins, where that is the cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkView(Answer):
    """One link with its traffic."""

    link: str
    """Its name in envelopes: a digest of the agreement."""
    name: str
    kind: Literal["post", "partner"]
    phase: Phase
    us: str
    them: str
    administration: str
    their_fingerprint: str
    address: str | None
    ground: str
    purposes: list[str]
    expires: Time
    proposed_by: str
    approved_by: list[str]
    alarm: LinkAlarmView | None
    ended: LinkEndView | None
    waiting: int
    """Own envelopes without a receipt."""
    oldest_waiting_seconds: int | None
    last_arrival: Time | None
    traffic: list[TrafficView]
    matching: MatchingView | None
    """None where the agreement does not let both sides compare their watch lists."""
    records: PostRecordsView | None
    """None for a link between partners."""
    failure: LinkFailureView | None
    """None where the last exchange succeeded, or this process made none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Links(Answer):
    """Links of this installation, and its identity."""

    tables = ("links",)
    fingerprint: str | None
    """None where it has no link identity."""
    links: list[LinkView]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopeView(Answer):
    """One envelope; what it says stands in the record of this number."""

    sequence: int
    direction: Direction
    number: int
    kind: str
    status: Status
    rule: str
    recorded_at: Time
    late_seconds: int | None
    """From the sender's journal to the receipt; None without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeCount(Answer):
    """Outcomes of one direction that say the same; each act and each find is one."""

    direction: Direction
    outcome: Literal["not_searched", "clear", "discrepancy", "seizure"]
    outcomes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingVehicle(Answer):
    """A vehicle that the other side announced and that no entry here continues."""

    movement: str
    """As the other side names it."""
    crossing_id: str
    """Its exit, as it is recorded here."""
    post: str
    """The post it left."""
    left_at: Time
    known_at: Time
    """When its manifest arrived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkTraffic(LinkView):
    """One link with its newest envelopes, the newest first."""

    tables = ("envelopes", "traffic", "outcomes", "missing")
    missing: list[MissingVehicle]
    """Announced 3 to 14 days ago and not arrived since, at most 100, the newest first."""
    missing_count: int
    outcomes: list[OutcomeCount]
    """What both sides told each other of movements and requests."""
    envelopes: list[EnvelopeView]


MATCHES_LISTED = 100
"""Newest enquiries and common entries that one answer lists."""
LISTED = 100
"""Envelopes of each direction that one answer lists."""
Described = TypeVar("Described", bound=LinkView)


def list_links(
    home: Home,
    store: Store,
    journal: Journal,
    *,
    failing: Mapping[str, OtherSideError] = MappingProxyType({}),
) -> Links:
    """Return this installation's identity, None without one, and its links, the newest first.

    ``failing`` says, by link, why the last exchange of this process failed.
    """
    if not home.link_keys.exists():
        return Links(fingerprint=None, links=[])
    exchange = open_exchange(home, store, journal)
    with store.read() as connection:
        now, counts = journal.now(connection), count_traffic(connection)
        links = [
            _describe(LinkView, connection, link, counts, failing.get(link.name), now=now)
            for link in exchange.read_links(connection).values()
        ]
    return Links(fingerprint=exchange.fingerprint, links=links[::-1])


def list_links_of(service: Runtime) -> Links:
    """Return the same of a running service, with what failed in its last exchanges."""
    about = service.home, service.store, service.journal
    return list_links(*about, failing=service.metrics.links_failing)


def describe_traffic(service: Runtime, name: str) -> LinkTraffic:
    """Return one link with its newest envelopes; raises ``NotFoundError``."""
    if not service.home.link_keys.exists():
        raise NotFoundError("link", name)
    exchange = open_exchange(service.home, service.store, service.journal)
    with service.store.read() as connection:
        link = exchange.read_links(connection).get(name)
        if link is None:
            raise NotFoundError("link", name)
        now, counts = service.journal.now(connection), count_traffic(connection)
        failure = service.metrics.links_failing.get(name)
        sent = list_envelopes(connection, name, "sent", most=LISTED)
        received = list_envelopes(connection, name, "received", most=LISTED)
        missing = list_missing(connection, link, now=now)
        outcomes: Any = sorted(count_outcomes(connection, name).items())
        return _describe(
            LinkTraffic,
            connection,
            link,
            counts,
            failure,
            now=now,
            outcomes=[
                OutcomeCount(direction=direction, outcome=outcome, outcomes=number)
                for (direction, outcome), number in outcomes
            ],
            missing=[
                MissingVehicle(
                    movement=one.movement,
                    crossing_id=one.crossing_id,
                    post=one.post,
                    left_at=rfc3339(one.passed_at),
                    known_at=rfc3339(one.known_at),
                )
                for one in missing[:LISTED]
            ],
            missing_count=len(missing),
            envelopes=[
                _describe_row(row) for row in sorted((*sent, *received), key=lambda one: -one.seq)
            ],
        )


def _describe(
    kind: type[Described],
    connection: Connection,
    link: Link,
    every: Sequence[TrafficCount],
    failure: OtherSideError | None,
    *,
    now: int,
    **more: Any,
) -> Described:
    """Return one link with its traffic among ``every`` count."""
    counts = [one for one in every if one.link == link.name]
    waiting = [one for one in counts if one.status == "waiting"]
    oldest = min((one.oldest for one in waiting), default=None)
    arrived = [one.newest for one in counts if one.direction == "received"]
    alarm, end, resumption = link.alarm, link.end, link.resumption
    cause: Any = None if failure is None else failure.cause
    return kind(
        link=link.name,
        name=link.agreement.name,
        kind=link.agreement.kind,
        phase=link.phase(now),
        us=link.us.name,
        them=link.them.name,
        administration=link.them.administration,
        their_fingerprint=link.them.identity.fingerprint,
        address=link.them.url,
        ground=link.agreement.ground,
        purposes=list(link.agreement.purposes),
        expires=rfc3339(link.agreement.expires_at),
        proposed_by=link.approval.author,
        approved_by=list(link.approval.approvals),
        alarm=None
        if alarm is None
        else LinkAlarmView(
            sequence=alarm.sequence,
            at=rfc3339(alarm.known_at),
            rule=alarm.rule,
            number=alarm.number,
            resumption_by=None if resumption is None else resumption.author,
        ),
        ended=None
        if end is None
        else LinkEndView(at=rfc3339(end.known_at), by=end.by, why=end.why),
        waiting=sum(one.envelopes for one in waiting),
        oldest_waiting_seconds=None if oldest is None else (now - oldest) // SECOND,
        last_arrival=rfc3339(max(arrived)) if arrived else None,
        traffic=[
            TrafficView(
                direction=one.direction,
                kind=one.kind,
                status=one.status,
                envelopes=one.envelopes,
                newest=rfc3339(one.newest),
                slowest_seconds=max(0, one.slowest) // SECOND,
            )
            for one in counts
        ],
        matching=_describe_matching(connection, link, now=now),
        records=_describe_records(connection, link),
        failure=None
        if failure is None
        else LinkFailureView(cause=cause, why=failure.why, at=failure.at or None),
        **more,
    )


def _describe_matching(connection: Connection, link: Link, *, now: int) -> MatchingView | None:
    """Return what was asked, answered and found on a link; None where it carries no such thing."""
    limits = link.agreement.matching
    if limits is None or not is_agreed(link):
        return None
    state = read_match_state(connection, link.name)
    shared = list_shared(connection, link.agreement, now=now)
    known = set(state.tokens.values())
    last = state.asked[-1] if state.asked else None
    return MatchingView(
        limits=limits,
        shareable=len(shared.identifiers),
        not_comparable=shared.left_out,
        unasked=sum(
            (one.entry, one.identifier) not in known for one in shared.identifiers.values()
        ),
        asked=state.count_asked(limits, at=now),
        last_asked=None if last is None else rfc3339(last.asked_at),
        last_rule="" if last is None else last.rule,
        answered=state.count_answered(limits, at=now),
        alarm=_describe_match_alarm(state),
        unreadable=list(state.unreadable[-MATCHES_LISTED:]),
        enquiries=[
            EnquiryView(
                sequence=one.sequence,
                at=rfc3339(one.asked_at),
                elements=one.elements,
                rule=one.rule,
            )
            for one in reversed(state.enquiries[-MATCHES_LISTED:])
        ],
        common=[_describe_hit(one, now=now) for one in state.hits.values()][::-1][:MATCHES_LISTED],
    )


def _describe_match_alarm(state: MatchState) -> MatchAlarmView | None:
    if state.alarm is None:
        return None
    rule: Any = state.alarm.rule
    return MatchAlarmView(
        sequence=state.alarm.sequence,
        at=rfc3339(state.alarm.asked_at),
        rule=rule,
        resumption_by=None if state.resumption is None else state.resumption.author,
    )


def _describe_hit(hit: CommonEntry, *, now: int) -> CommonEntryView:
    release = expire_release(hit.release, at=now)
    return CommonEntryView(
        token=release.token,
        side=hit.side,
        entry=hit.entry,
        identifier=hit.identifier,
        found_at=rfc3339(hit.found_at),
        state=release.state,
        next=release.owner,
        person=release.person,
        deadline=rfc3339(release.deadline),
        details=hit.details,
    )


def _describe_records(connection: Connection, link: Link) -> PostRecordsView | None:
    """Return which records a post's node and its centre lack of each other; None for partners."""
    if link.agreement.kind != "post":
        return None
    unsent = read_unsent(connection, link) if link.us.role == "node" else None
    newest = find_newest(connection, link.them.identity.fingerprint)
    return PostRecordsView(
        unsent=None if unsent is None else unsent.records,
        unsent_since=rfc3339(unsent.since) if unsent is not None and unsent.records else None,
        newest=None if newest is None else newest.number,
        newest_recorded_at=None if newest is None else rfc3339(newest.recorded_at),
        newest_arrived_at=None if newest is None else rfc3339(newest.known_at),
    )


def _describe_row(row: EnvelopeRow) -> EnvelopeView:
    is_late = row.settled_at and row.sent_at
    return EnvelopeView(
        sequence=row.seq,
        direction=row.direction,
        number=row.number,
        kind=row.kind,
        status=row.status,
        rule=row.rule,
        recorded_at=rfc3339(row.known_at),
        late_seconds=max(0, row.settled_at - row.sent_at) // SECOND if is_late else None,
    )
