"""Entries of the watch list as JSON values."""

from typing import Any

from api.service.runtime import Runtime
from engine.criteria import watchlist
from engine.criteria.dual_control import read_approval_state, read_approval_states


def list_entries(runtime: Runtime) -> list[dict[str, Any]]:
    """Return every entry of the watch list, the newest first."""
    with runtime.store.read() as connection:
        as_of = runtime.journal.now(connection)
        found = read_approval_states(connection, "watchlist").values()
        return [watchlist.entry_as_json(one, as_of) for one in reversed(list(found))]


def read_entry(runtime: Runtime, entry_id: str) -> dict[str, Any]:
    """Return one entry; raises ``NotFoundError``."""
    with runtime.store.read() as connection:
        found = read_approval_state(connection, "watchlist", entry_id)
        return watchlist.entry_as_json(found, runtime.journal.now(connection))
