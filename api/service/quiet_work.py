"""Work that waits for a pause between decisions: garbage, and the log of SQLite.

Either would take tens of milliseconds in front of a single decision, of some hundred each time.
"""

import gc
from contextlib import suppress

from engine.errors import StoreUnavailableError
from engine.storage.database import Store

YOUNG = 2_000
"""Objects made since the last look from which on the young ones are looked through, as some twenty
decisions make: a millisecond."""
LOOKS = 50
"""Looks at young objects after which all are looked through, those of the start apart."""


def do_quiet_work(store: Store) -> None:
    """Collect garbage and write SQLite's log back, as far as either is due."""
    if gc.isenabled():  # not while a service starts
        young, _, looks = gc.get_count()
        if looks > LOOKS:
            gc.collect()
        elif young > YOUNG:
            gc.collect(1)
    with suppress(StoreUnavailableError):  # the next commit says so
        store.write_back()
