"""Loads that leave a home, as a whole or for what is left of their rows; the lock of all loads.

A record of the journal puts an erasure or a withdrawal into force, then folders are moved and
removed. What a kill left undone is done by the next start of the service, erasure, withdrawal or
load.
"""

import fcntl
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from engine.audit.file_anchors import (
    read_load_anchors,
    read_replaced_loads,
    read_withdrawn_loads,
)
from engine.storage.database import Store
from engine.storage.home import Home

STAGE = ".erasure"
"""Folder of a home with what is left of loads, until a record puts it into force."""


@contextmanager
def lock_loads(home: Home) -> Iterator[None]:
    """Let one process at a time load into a home; clear what a killed one left."""
    home.history.mkdir(parents=True, exist_ok=True)
    with (home.history / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in home.history.glob(".load-*"):
            shutil.rmtree(left)
        yield


def resume_removals(home: Home, store: Store) -> None:
    """Finish what erasures and withdrawals left to do when their process was killed."""
    with store.read() as connection:
        gone = [*read_replaced_loads(connection), *_list_withdrawn(connection)]
    if any((home.history / load).is_dir() for load in gone):
        with lock_loads(home), store.read() as connection:
            finish_removals(home, connection)


def _list_withdrawn(connection: Connection) -> Collection[str]:
    return read_withdrawn_loads(connection).keys() - read_load_anchors(connection).keys()


def finish_removals(home: Home, connection: Connection) -> None:
    """Put what is left of erased loads into their place; remove erased and withdrawn loads.

    May be repeated.

    Under :func:`lock_loads`.
    """
    for load, (_, instead) in read_replaced_loads(connection).items():
        staged, place = home.root / STAGE / "history" / instead, home.history / instead
        if staged.is_dir() and not place.exists():
            staged.rename(place)
        if place.is_dir() and (home.history / load).is_dir():
            shutil.rmtree(home.history / load)
    for load in _list_withdrawn(connection):
        if (home.history / load).is_dir():
            shutil.rmtree(home.history / load)
    shutil.rmtree(home.root / STAGE, ignore_errors=True)
