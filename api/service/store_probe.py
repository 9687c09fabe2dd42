"""Probe of the store: a record tried every few seconds, however often it is asked."""

import time
from threading import Lock

from engine.errors import StoreUnavailableError
from engine.storage.database import Store

EVERY_SECONDS = 2.0
"""How old an answer may be: the route asks for no key, and each probe takes the writer's lock."""


class Probe:
    """Tries to write to one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = Lock()
        self._tried: float | None = None
        self._failed: StoreUnavailableError | None = None

    def run(self) -> None:
        """Raise ``StoreUnavailableError`` where the last probe failed; an old one is made again."""
        with self._lock:
            if self._tried is None or time.monotonic() - self._tried > EVERY_SECONDS:
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
