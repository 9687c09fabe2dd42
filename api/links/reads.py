"""Links, their traffic and their delays, as JSON values for routes, pages and commands."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from api.links.match_reads import describe_matching
from api.service.runtime import Runtime
from engine.domain.time_units import SECOND, rfc3339
from engine.errors import NotFoundError, OtherSideError
from engine.journal.journal import Journal
from engine.storage.database import Store
from engine.storage.home import Home

if TYPE_CHECKING:
    from engine.links.ledger import EnvelopeRow, TrafficCount
    from engine.links.state import Link

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
    from api.links.post_records import describe_records
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
    from api.links.movements.missing import list_missing
    from engine.links.ledger import list_envelopes
    from engine.links.movements.outcome_counts import count_outcomes

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
