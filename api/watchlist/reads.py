"""Entries of the watch list as JSON values."""

from collections.abc import Mapping
from typing import Any

from api.auth.callers import Caller
from api.profiles.reads import filter_of, find_gravity, outcome_as_json, weigh_matches
from api.service.runtime import Runtime
from engine.criteria import watchlist
from engine.criteria.dual_control import ApprovalState, read_approval_state, read_approval_states
from engine.domain.rights import Matter
from engine.errors import NotFoundError
from engine.queue.match_outcomes import Months, read_outcomes


def list_entries(service: Runtime, caller: Caller) -> list[dict[str, Any]]:
    """Return every entry of the watch list, the newest first."""
    with service.store.read() as connection:
        as_of = service.journal.now(connection)
        states = read_approval_states(connection, "watchlist").values()
        found = [one for one in states if _sees(caller, one)][::-1]
        seen, gravity = filter_of(caller), find_gravity(service, connection, caller)
        months = read_outcomes(connection, [one.subject for one in found], seen)
        weights = weigh_matches(months, gravity, seen)
        return [_entry_as_json(one, as_of, months, weights[one.subject]) for one in found]


def read_entry(service: Runtime, entry_id: str, caller: Caller) -> dict[str, Any]:
    """Return one entry; raises ``NotFoundError``."""
    with service.store.read() as connection:
        found = read_approval_state(connection, "watchlist", entry_id)
        if not _sees(caller, found):
            raise NotFoundError("watchlist", entry_id)
        seen = filter_of(caller)
        months = read_outcomes(connection, [entry_id], seen)
        weights = weigh_matches(months, find_gravity(service, connection, caller), seen)
        return _entry_as_json(found, service.journal.now(connection), months, weights[entry_id])


def _entry_as_json(
    entry: ApprovalState, as_of: int, months: Mapping[str, Months], gravity: float
) -> dict[str, Any]:
    outcome = outcome_as_json(months[entry.subject], gravity)
    return watchlist.entry_as_json(entry, as_of) | {"outcome": outcome}


def _sees(caller: Caller, entry: ApprovalState) -> bool:
    """Requests of partners that select nothing are at their own page."""
    if not watchlist.is_selecting(entry.content):
        return False
    return caller.sees(Matter.WATCHLIST, entry.content.get("agency"))
