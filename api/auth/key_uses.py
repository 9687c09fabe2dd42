"""Uses of keys: how often each called on its last day, what was refused, and why.

Each process counts in memory and adds its counts to the table a few times a minute: a decision
costs no write more, and a process that ends at once loses seconds. One row a key and reason, so the
table does not grow with time. Nothing but the pages of keys reads it.
"""

import re
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from threading import Lock
from typing import Any

import orjson
from sqlalchemy import Connection, delete, func, insert, select

from api.auth.tables import KEY_USES
from engine.domain.network import DEFAULT_TIME_ZONE, Network, wall_time
from engine.domain.time_units import DAY, MINUTE
from engine.errors import StoreUnavailableError
from engine.storage.database import Store

FLUSH_SECONDS = 10.0
"""How long counts wait in a process."""
MOST_REASONS = 20
"""Reasons that are kept of one key; further ones count together."""
OTHER_REASONS = "Other"
TAKEN = ""
"""The reason of a call that was not refused."""
_QUARTER = 15 * MINUTE
_PLACE = re.compile(r"\.\d+")
_Noted = dict[tuple[str, str, int], tuple[int, int]]
"""Calls and the time of the last one, by key, reason and local day."""


def name_reason(status: int, problem: bytes | None) -> str:
    """Return the title of a problem, with the first field and rule that it names.

    Places in a list are left out: one fault of many items is one reason.
    """
    found: dict[str, Any] = orjson.loads(problem) if problem else {"title": str(status)}
    fields = found.get("fields") or [{}]
    parts = (found["title"], _PLACE.sub("", fields[0].get("at", "")), fields[0].get("rule", ""))
    return " ".join(part for part in parts if part)[:128]


class KeyUses:
    """Counts the calls of each key."""

    def __init__(self, store: Store, network: Network) -> None:
        self._store = store
        self._network = network
        self._lock = Lock()
        self._noted: _Noted = {}
        self._met: set[str] = set()
        """Keys that this process met: the first call of one is added at once."""
        self._due = 0.0

    def note(self, key_id: str, post: str | None, reason: str) -> None:
        """Count a call that was answered now."""
        now = time.time_ns() // 1000
        key = key_id, reason, self.day(now, post)
        with self._lock:
            self._noted[key] = self._noted.get(key, (0, 0))[0] + 1, now
            if key_id not in self._met:
                self._met.add(key_id)
                self._due = 0.0

    def day(self, instant: int, post: str | None) -> int:
        """Return the number of the local day of a post, in UTC without one."""
        known = self._network.posts.get(post or "")
        return _find_day(instant // _QUARTER, known.timezone if known else DEFAULT_TIME_ZONE)

    def is_due(self) -> bool:
        """Tell whether counts wait that were to be added by now."""
        return bool(self._noted) and time.monotonic() >= self._due

    def flush(self) -> None:
        """Add what was counted; a store that is busy or gone gets it later."""
        with self._lock:
            noted, self._noted = self._noted, {}
            self._due = time.monotonic() + FLUSH_SECONDS
        if not noted:
            return
        with suppress(StoreUnavailableError), self._store.write() as connection:
            _add(connection, noted)
            noted = {}
        with self._lock:
            for key, (calls, last) in noted.items():
                now, later = self._noted.get(key, (0, 0))
                self._noted[key] = now + calls, max(last, later)


@lru_cache(maxsize=256)
def _find_day(quarter: int, zone: str) -> int:
    """Return the local day of a quarter of an hour: no zone begins a day within one."""
    return wall_time(quarter * _QUARTER, zone) // DAY


def _add(connection: Connection, noted: Mapping[tuple[str, str, int], tuple[int, int]]) -> None:
    for (key_id, reason, day), (calls, last) in sorted(noted.items()):
        of_key = KEY_USES.c.key_id == key_id
        known = {
            row.reason: row for row in connection.execute(select(KEY_USES).where(of_key)).all()
        }
        kept = reason if reason in known or len(known) < MOST_REASONS else OTHER_REASONS
        before = known.get(kept)
        if before is not None:
            connection.execute(delete(KEY_USES).where(of_key, KEY_USES.c.reason == kept))
            if before.day > day:
                day, calls = before.day, before.calls
            elif before.day == day:
                calls += before.calls
            last = max(last, before.used_at)
        row = {"key_id": key_id, "reason": kept, "day": day, "calls": calls, "used_at": last}
        connection.execute(insert(KEY_USES), [row])


def read_last_uses(connection: Connection) -> dict[str, int]:
    """Return when each key was last used: UTC microseconds."""
    last = select(KEY_USES.c.key_id, func.max(KEY_USES.c.used_at)).group_by(KEY_USES.c.key_id)
    return {row[0]: row[1] for row in connection.execute(last)}
