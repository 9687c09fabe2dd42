"""What a service needs of its home: the key files, and a store that takes records.

Two keys are made before the first record of a home, and none is ever made again unasked: a key that
was lost and made again in silence would void every API key or every receipt. So if records exist
without their key, nothing is opened to change it, and a service is not ready. The store is probed
with a record every few seconds, however often the probe is asked.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

from sqlalchemy import select

from api.auth.credentials import PEPPER_FILE, open_pepper
from engine.errors import HomeError, StoreUnavailableError
from engine.journal.areas import load_areas
from engine.journal.journal import JOURNAL
from engine.journal.receipts import KEY_FILE, open_signer
from engine.storage.database import Store
from engine.storage.home import Home

EVERY_HOME = (PEPPER_FILE, KEY_FILE)
LOST = (
    "is missing, and the home has records: put the home's keys/ back "
    "(docs/backup.md, section A key file is lost)"
)


def open_keys(home: Home, store: Store) -> None:
    """Make the keys of a home without records; raises ``HomeError`` for others if one is lost."""
    with store.read() as connection:
        is_new = connection.scalar(select(JOURNAL.c.seq).limit(1)) is None
    if is_new:
        open_pepper(home)
        open_signer(home)
    require_keys([home.keys / name for name in EVERY_HOME])


def list_used_keys(home: Home, store: Store) -> Sequence[Path]:
    """Return the key files that a service of this home needs, by what its journal holds."""
    used = {name: kind for area in load_areas() for name, kind in area.keys.items()}
    query = select(JOURNAL.c.kind).where(JOURNAL.c.kind.in_(used.values())).distinct()
    with store.read() as connection:
        found = set(connection.scalars(query))
    names = [*EVERY_HOME, *(name for name, kind in used.items() if kind in found)]
    return [home.keys / name for name in names]


def require_keys(paths: Sequence[Path]) -> None:
    """Raise ``HomeError`` for the first key file that is not there."""
    for path in paths:
        if not path.exists():
            raise HomeError(f"keys/{path.name}", LOST)


EVERY_SECONDS = 2.0
"""How old an answer may be: the route asks for no key, and each probe takes the writer's lock."""


class Probe:
    """Tries to write to one store, whose keys have to be there as well."""

    def __init__(self, store: Store, keys: Sequence[Path] = ()) -> None:
        self._store = store
        self._keys = keys
        self._lock = Lock()
        self._tried: float | None = None
        self._failed: StoreUnavailableError | None = None

    def run(self) -> None:
        """Raise ``StoreUnavailableError`` where the last probe failed.

        It is made again where it is old, and once the store was found damaged.

        Raises ``HomeError`` where a key file is gone: the next start would fail.
        """
        require_keys(self._keys)
        with self._lock:
            is_old = self._tried is None or time.monotonic() - self._tried > EVERY_SECONDS
            if is_old or self._store.is_damaged:
                self._failed = self._try()
                self._tried = time.monotonic()
            failed = self._failed
        if failed is not None:
            raise type(failed)(failed.why)

    def _try(self) -> StoreUnavailableError | None:
        try:
            self._store.probe()
        except StoreUnavailableError as error:
            return error
        return None
