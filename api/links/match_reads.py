"""Compared watch lists of a link, as JSON values: limits, enquiries, and common entries."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from engine.domain.time_units import rfc3339

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from engine.links.matching.match_state import CommonEntry, Enquiry, MatchState
    from engine.links.state import Link

LISTED = 100
"""Newest enquiries and common entries that one answer lists."""


def describe_matching(connection: "Connection", link: "Link", *, now: int) -> dict[str, Any] | None:
    """Return what was asked, answered and found on a link; None where it carries no such thing."""
    from engine.links.matching.match_exchange import is_agreed
    from engine.links.matching.match_limits import MatchLimits
    from engine.links.matching.match_state import read_match_state
    from engine.links.matching.shared_entries import list_shared

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
        "alarm": _describe_alarm(state),
        "unreadable": list(state.unreadable[-LISTED:]),
        "enquiries": _describe_enquiries(state.enquiries[-LISTED:]),
        "common": _describe_common(state, now=now)[:LISTED],
    }


def _describe_alarm(state: "MatchState") -> dict[str, Any] | None:
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
    from engine.links.matching.detail_release import expire_release

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
