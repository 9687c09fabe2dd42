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
        self._why: str | None = None

    def run(self) -> None:
        """Raise ``StoreUnavailableError`` where the last probe failed; an old one is made again."""
        with self._lock:
            if self._tried is None or time.monotonic() - self._tried > EVERY_SECONDS:
                self._why = self._try()
                self._tried = time.monotonic()
            why = self._why
        if why is not None:
            raise StoreUnavailableError(why)

    def _try(self) -> str | None:
        try:
            self._store.probe()
        except StoreUnavailableError as error:
            return error.why
        return None
