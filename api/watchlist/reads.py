"""Entries of the watch list as JSON values."""

from typing import Any

from api.profiles.reads import ProfileService
from engine.criteria import watchlist
from engine.criteria.dual_control import read_approval_state, read_approval_states


def list_entries(service: ProfileService) -> list[dict[str, Any]]:
    """Return every entry of the watch list, the newest first."""
    with service.store.read() as connection:
        as_of = service.journal.now(connection)
        found = read_approval_states(connection, "watchlist").values()
        return [watchlist.entry_as_json(one, as_of) for one in reversed(list(found))]


def read_entry(service: ProfileService, entry_id: str) -> dict[str, Any]:
    """Return one entry; raises ``NotFoundError``."""
    with service.store.read() as connection:
        found = read_approval_state(connection, "watchlist", entry_id)
        return watchlist.entry_as_json(found, service.journal.now(connection))
