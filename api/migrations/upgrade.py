"""Bring a store's tables to the newest version, or leave them as they are."""

from pathlib import Path

from sqlalchemy import inspect

from engine.errors import HomeError
from engine.journal.journal import require_sort
from engine.storage.database import Store, fetch_rows

_VERSIONS = Path(__file__).parent / "versions"
_TABLE = "alembic_version"


def upgrade(store: Store, *, training: bool = False) -> None:
    """Run what is missing in one transaction under the writer's lock; safe to call from many.

    Every opening of a store comes here, so here a training store is refused as a live one, and a
    live store for training; raises ``NotAllowedError``, and ``HomeError`` for tables of a version
    that is not known here: of a later program, or of one before version 0.1.0.
    """
    require_sort(store, training=training)
    version = read_version(store)
    if version == newest():
        return
    if version is not None and version not in _list_versions():
        why = f"its tables are of version {version}, which this program does not know"
        raise HomeError("the store", why)
    # Alembic takes longer to load than a store that needs nothing takes to open.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_VERSIONS.parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with store.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def newest() -> str:
    """Return the newest version: each is a file, and its name begins with its number."""
    return max(_list_versions())


def _list_versions() -> list[str]:
    return [path.stem.partition("_")[0] for path in _VERSIONS.glob("[0-9]*.py")]


def read_version(store: Store) -> str | None:
    """Return the version of a store's tables, None where there are none yet."""
    with store.read() as connection:
        if not inspect(connection).has_table(_TABLE):
            return None
        rows = fetch_rows(connection, f"SELECT version_num FROM {_TABLE}")  # noqa: S608
        return rows[0][0] if len(rows) == 1 else None
