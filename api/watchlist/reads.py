"""Entries of the watch list as JSON values."""

from typing import Any

from api.auth.callers import Caller
from api.auth.permissions import Matter
from api.profiles.reads import ProfileService
from engine.criteria import watchlist
from engine.criteria.dual_control import ApprovalState, read_approval_state, read_approval_states
from engine.errors import NotFoundError


def list_entries(service: ProfileService, caller: Caller) -> list[dict[str, Any]]:
    """Return every entry of the watch list, the newest first."""
    with service.store.read() as connection:
        as_of = service.journal.now(connection)
        found = read_approval_states(connection, "watchlist").values()
        return [watchlist.entry_as_json(one, as_of) for one in found if _sees(caller, one)][::-1]


def read_entry(service: ProfileService, entry_id: str, caller: Caller) -> dict[str, Any]:
    """Return one entry; raises ``NotFoundError``."""
    with service.store.read() as connection:
        found = read_approval_state(connection, "watchlist", entry_id)
        if not _sees(caller, found):
            raise NotFoundError("watchlist", entry_id)
        return watchlist.entry_as_json(found, service.journal.now(connection))


def _sees(caller: Caller, entry: ApprovalState) -> bool:
    return caller.sees(Matter.WATCHLIST, entry.content.get("agency"))
