"""Training homes, opened; a live home is refused, as any other opening refuses a training home."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import inspect

from api.migrations.upgrade import upgrade
from engine.errors import HomeError
from engine.journal.exercise_guard import is_training, require_sort
from engine.storage.database import Store
from engine.storage.home import DATABASE_VARIABLE, Home

EXERCISES = "exercises"
"""Folder of the home with what trainees see."""


def default_truth(home: Path) -> Path:
    """Return the folder of a training home's solutions: next to the home, never in it."""
    return home.parent / f"{home.name}.truth"


def require_file_store(home: Home) -> Path:
    """Return the file of a training home's store.

    Raises ``HomeError`` where the environment names a database: that is a live service's.
    """
    if (file := home.store_file) is None:
        why = f"a training home keeps its store in a file: unset {DATABASE_VARIABLE}"
        raise HomeError(str(home.root), why)
    return file


@contextmanager
def open_training(root: Path) -> Iterator[tuple[Home, Store]]:
    """Open a training home that is there; raises ``HomeError`` or ``NotAllowedError``."""
    home = Home(root.absolute())
    if not require_file_store(home).is_file():
        raise HomeError(str(root), "no such training home")
    with Store(home.database_url) as store:
        _require_training(home, store)
    with make_training_store(home) as opened:
        yield home, opened


def _require_training(home: Home, store: Store) -> None:
    """Refuse a store that is not a training home's, before anything of it is changed."""
    require_sort(store, training=True)
    with store.read() as connection:
        if not inspect(connection).has_table("journal") or is_training(connection) is None:
            raise HomeError(str(home.root), "not a training home")


@contextmanager
def make_training_store(home: Home) -> Iterator[Store]:
    """Open a store for training, its tables made where they are missing."""
    with Store(home.prepare().database_url) as store:
        upgrade(store, training=True)
        yield store
