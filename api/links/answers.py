"""Answers about links: their traffic, their delays, and compared watch lists."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from api.http.answers import AnswerSchema
from api.service.runtime import Runtime
from engine.domain.time_units import SECOND, rfc3339
from engine.errors import NotFoundError, OtherSideError
from engine.journal.journal import Journal
from engine.storage.database import Store
from engine.storage.home import Home

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from engine.links.ledger import EnvelopeRow, TrafficCount
    from engine.links.matching.match_state import CommonEntry, Enquiry, MatchState
    from engine.links.state import Link


class LinkAlarmView(AnswerSchema):
    """Why a link stopped."""

    sequence: int
    at: datetime
    rule: Literal["other_content", "other_history", "other_receipt", "receiver_behind"]
    number: int
    """The envelope that it is about."""
    resumption_by: str | None
    """Who proposed to resume the link; a second person decides."""


class LinkEndView(AnswerSchema):
    """Who ended a link."""

    at: datetime
    by: str
    why: str


class TrafficView(AnswerSchema):
    """Envelopes of one direction, kind and status."""

    direction: Literal["sent", "received"]
    kind: str
    status: Literal["waiting", "taken", "refused", "replaced", "lost"]
    envelopes: int
    newest: datetime
    slowest_seconds: int
    """Longest time from the sender's journal to the receipt."""


class MatchLimitsView(AnswerSchema):
    """Limits of comparing watch lists; both sides hold the same."""

    elements_per_request: int
    requests_per_day: int
    elements_per_period: int
    entries: int
    """Identifiers of the answering side that take part."""
    period_days: int
    refusals: int


class MatchAlarmView(AnswerSchema):
    """Why watch lists are not compared now: an enquiry of the other side went beyond a limit."""

    sequence: int
    at: datetime
    rule: Literal["too_many_elements", "too_often", "budget_spent"]
    resumption_by: str | None
    """Who proposed to go on; a second person decides."""


class EnquiryView(AnswerSchema):
    """One enquiry of the other side; which identifiers it asks about is not known here."""

    sequence: int
    at: datetime
    elements: int
    rule: str
    """Why it was refused; empty where it was answered."""


class CommonEntryView(AnswerSchema):
    """An entry that both watch lists have."""

    token: str
    side: Literal["asker", "owner"]
    """``asker``: this side can ask for the details of the other side's entry."""
    entry: str
    """The entry of this installation."""
    identifier: str
    found_at: datetime
    state: Literal[
        "hit",
        "asked_once",
        "asked",
        "released_once",
        "released",
        "declined",
        "withdrawn",
        "expired",
    ]
    next: Literal["asker", "owner"] | None
    """The side that owns the next step."""
    person: str
    """Who of this side took the last step."""
    deadline: datetime
    details: int | None
    """The record of the details, once they were released to this side."""


class MatchingView(AnswerSchema):
    """What was asked, answered and found by comparing watch lists."""

    limits: MatchLimitsView
    shareable: int
    """Identifiers of marked entries in force that can be compared."""
    not_comparable: int
    """Identifiers of marked entries that only this administration understands."""
    unasked: int
    asked: int
    """Elements that this side used of its limit."""
    last_asked: datetime | None
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


class PostRecordsView(AnswerSchema):
    """Which records a post's node and its centre lack of each other."""

    unsent: int | None
    """Records of this node for which the centre has not signed yet; None at the centre."""
    unsent_since: datetime | None
    """When the first of them was recorded."""
    newest: int | None
    """Number of the last record of the other side that is here, in its own journal."""
    newest_recorded_at: datetime | None
    """When it was recorded there."""
    newest_arrived_at: datetime | None


class LinkFailureView(AnswerSchema):
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
    at: datetime | None
    """When the validity of its certificate ended, or begins, where that is the cause."""


class LinkView(AnswerSchema):
    """One link with its traffic."""

    link: str
    """Its name in envelopes: a digest of the agreement."""
    name: str
    kind: Literal["post", "partner"]
    phase: Literal["proposed", "in_force", "stopped", "ended", "expired"]
    us: str
    them: str
    administration: str
    their_fingerprint: str
    address: str | None
    ground: str
    purposes: list[str]
    expires: datetime
    proposed_by: str
    approved_by: list[str]
    alarm: LinkAlarmView | None
    ended: LinkEndView | None
    waiting: int
    """Own envelopes without a receipt."""
    oldest_waiting_seconds: int | None
    last_arrival: datetime | None
    traffic: list[TrafficView]
    matching: MatchingView | None
    """None where the agreement does not let both sides compare their watch lists."""
    records: PostRecordsView | None
    """None for a link between partners."""
    failure: LinkFailureView | None
    """None where the last exchange succeeded, or this process made none."""


class Links(AnswerSchema):
    """Links of this installation, and its identity."""

    tables = ("links",)
    fingerprint: str | None
    """None where it has no link identity."""
    links: list[LinkView]


class EnvelopeView(AnswerSchema):
    """One envelope; what it says stands in the record of this number."""

    sequence: int
    direction: Literal["sent", "received"]
    number: int
    kind: str
    status: Literal["waiting", "taken", "refused", "replaced", "lost"]
    rule: str
    recorded_at: datetime
    late_seconds: int | None
    """From the sender's journal to the receipt; None without one."""


class OutcomeCount(AnswerSchema):
    """Outcomes of one direction that say the same; each act and each find is one."""

    direction: Literal["sent", "received"]
    outcome: Literal["not_searched", "clear", "discrepancy", "seizure"]
    outcomes: int


class MissingVehicle(AnswerSchema):
    """A vehicle that the other side announced and that no entry here continues."""

    movement: str
    """As the other side names it."""
    crossing_id: str
    """Its exit, as it is recorded here."""
    post: str
    """The post it left."""
    left_at: datetime
    known_at: datetime
    """When its manifest arrived."""


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


def describe_matching(connection: "Connection", link: "Link", *, now: int) -> dict[str, Any] | None:
    """Return what was asked, answered and found on a link; None where it carries no such thing."""
    from engine.links.matching.list_comparison import is_agreed, list_shared
    from engine.links.matching.match_state import MatchLimits, read_match_state

    if not is_agreed(link):
        return None
    state, limits = read_match_state(connection, link.name), MatchLimits()
    shared = list_shared(connection, link.agreement, now=now)
    known = set(state.tokens.values())
    last = state.asked[-1] if state.asked else None
    return {
        "limits": limits.to_json(),
        "shareable": len(shared.identifiers),
        "not_comparable": shared.left_out,
        "unasked": sum((one.entry, one.identifier) not in known for one in shared.identifiers),
        "asked": state.count_asked(limits, at=now),
        "last_asked": None if last is None else rfc3339(last.asked_at),
        "last_rule": "" if last is None else last.rule,
        "answered": state.count_answered(limits, at=now),
        "alarm": _describe_match_alarm(state),
        "unreadable": list(state.unreadable[-MATCHES_LISTED:]),
        "enquiries": _describe_enquiries(state.enquiries[-MATCHES_LISTED:]),
        "common": _describe_common(state, now=now)[:MATCHES_LISTED],
    }


def _describe_match_alarm(state: "MatchState") -> dict[str, Any] | None:
    if state.alarm is None:
        return None
    return {
        "sequence": state.alarm.sequence,
        "at": rfc3339(state.alarm.asked_at),
        "rule": state.alarm.rule,
        "resumption_by": None if state.resumption is None else state.resumption.author,
    }


def _describe_enquiries(enquiries: "Iterable[Enquiry]") -> list[dict[str, Any]]:
    return [
        {
            "sequence": one.sequence,
            "at": rfc3339(one.asked_at),
            "elements": one.elements,
            "rule": one.rule,
        }
        for one in enquiries
    ][::-1]


def _describe_common(state: "MatchState", *, now: int) -> list[dict[str, Any]]:
    return [describe_hit(one, now=now) for one in state.hits.values()][::-1]


def describe_hit(hit: "CommonEntry", *, now: int) -> dict[str, Any]:
    """Return one common entry at UTC microseconds."""
    from engine.links.matching.match_state import expire_release

    release = expire_release(hit.release, at=now)
    return {
        "token": release.token,
        "side": hit.side,
        "entry": hit.entry,
        "identifier": hit.identifier,
        "found_at": rfc3339(hit.found_at),
        "state": release.state,
        "next": release.owner,
        "person": release.person,
        "deadline": rfc3339(release.deadline),
        "details": hit.details,
    }


LISTED = 100
"""Envelopes of each direction that one answer lists."""


def list_links(
    home: Home,
    store: Store,
    journal: Journal,
    *,
    failing: Mapping[str, OtherSideError] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return this installation's identity, None without one, and its links, the newest first.

    ``failing`` says, by link, why the last exchange of this process failed.
    """
    if not home.link_keys.exists():
        return {"fingerprint": None, "links": []}
    from api.links.exchanges import open_exchange
    from api.links.post_nodes import describe_records
    from engine.links.ledger import count_traffic

    exchange = open_exchange(home, store, journal)
    with store.read() as connection:
        now = journal.now(connection)
        counts = count_traffic(connection)
        links = [
            describe_link(link, [c for c in counts if c.link == link.name], now=now)
            | {"matching": describe_matching(connection, link, now=now)}
            | {"records": describe_records(connection, link)}
            | {"failure": _describe_failure(failing.get(link.name))}
            for link in exchange.read_links(connection).values()
        ]
    return {"fingerprint": exchange.fingerprint, "links": links[::-1]}


def list_links_of(service: Runtime) -> dict[str, Any]:
    """Return the same of a running service, with what failed in its last exchanges."""
    about = service.home, service.store, service.journal
    return list_links(*about, failing=service.metrics.links_failing)


def describe_link(link: "Link", counts: "Sequence[TrafficCount]", *, now: int) -> dict[str, Any]:
    """Return one link with its traffic."""
    waiting = [one for one in counts if one.status == "waiting"]
    oldest = min((one.oldest for one in waiting), default=None)
    arrived = [one.newest for one in counts if one.direction == "received"]
    return {
        "link": link.name,
        "name": link.agreement.name,
        "kind": link.agreement.kind,
        "phase": link.phase(now),
        "us": link.us.name,
        "them": link.them.name,
        "administration": link.them.administration,
        "their_fingerprint": link.them.identity.fingerprint,
        "address": link.them.url,
        "ground": link.agreement.ground,
        "purposes": list(link.agreement.purposes),
        "expires": rfc3339(link.agreement.expires_at),
        "proposed_by": link.approval.author,
        "approved_by": list(link.approval.approvals),
        "alarm": _describe_alarm(link),
        "ended": _describe_end(link),
        "waiting": sum(one.envelopes for one in waiting),
        "oldest_waiting_seconds": None if oldest is None else (now - oldest) // SECOND,
        "last_arrival": rfc3339(max(arrived)) if arrived else None,
        "traffic": [
            {
                "direction": one.direction,
                "kind": one.kind,
                "status": one.status,
                "envelopes": one.envelopes,
                "newest": rfc3339(one.newest),
                "slowest_seconds": max(0, one.slowest) // SECOND,
            }
            for one in counts
        ],
    }


def _describe_alarm(link: "Link") -> dict[str, Any] | None:
    if link.alarm is None:
        return None
    return {
        "sequence": link.alarm.sequence,
        "at": rfc3339(link.alarm.known_at),
        "rule": link.alarm.rule,
        "number": link.alarm.number,
        "resumption_by": None if link.resumption is None else link.resumption.author,
    }


def _describe_failure(failure: OtherSideError | None) -> dict[str, Any] | None:
    if failure is None:
        return None
    return {"cause": failure.cause, "why": failure.why, "at": failure.at or None}


def _describe_end(link: "Link") -> dict[str, Any] | None:
    if link.end is None:
        return None
    return {"at": rfc3339(link.end.known_at), "by": link.end.by, "why": link.end.why}


def describe_traffic(service: Runtime, name: str) -> dict[str, Any]:
    """Return one link with its newest envelopes; raises ``NotFoundError``."""
    from api.links.exchanges import open_exchange
    from api.links.movements import list_missing
    from engine.links.ledger import list_envelopes
    from engine.links.movements import count_outcomes

    listed = list_links_of(service)["links"]
    link = next((one for one in listed if one["link"] == name), None)
    if link is None:
        raise NotFoundError("link", name)
    with service.store.read() as connection:
        sent = list_envelopes(connection, name, "sent", most=LISTED)
        received = list_envelopes(connection, name, "received", most=LISTED)
        outcomes = count_outcomes(connection, name)
        exchange = open_exchange(service.home, service.store, service.journal)
        held = exchange.read_links(connection)[name]
        missing = list_missing(connection, held, now=service.journal.now(connection))
    rows = sorted((*sent, *received), key=lambda one: -one.seq)
    found = [
        {"direction": direction, "outcome": outcome, "outcomes": number}
        for (direction, outcome), number in sorted(outcomes.items())
    ]
    return {
        **link,
        "outcomes": found,
        "missing": [
            {
                "movement": one.movement,
                "crossing_id": one.crossing_id,
                "post": one.post,
                "left_at": rfc3339(one.passed_at),
                "known_at": rfc3339(one.known_at),
            }
            for one in missing[:LISTED]
        ],
        "missing_count": len(missing),
        "envelopes": [_describe_row(row) for row in rows],
    }


def _describe_row(row: "EnvelopeRow") -> dict[str, Any]:
    is_late = row.settled_at and row.sent_at
    return {
        "sequence": row.seq,
        "direction": row.direction,
        "number": row.number,
        "kind": row.kind,
        "status": row.status,
        "rule": row.rule,
        "recorded_at": rfc3339(row.known_at),
        "late_seconds": max(0, row.settled_at - row.sent_at) // SECOND if is_late else None,
    }
