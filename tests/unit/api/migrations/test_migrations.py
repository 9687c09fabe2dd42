"""One set of versions makes, on both stores, exactly the tables that the layers declare."""

import re
from importlib import import_module
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, column, table, update

from api.migrations.upgrade import newest, read_version, upgrade
from engine.errors import HomeError
from engine.journal.journal import Journal
from engine.storage.database import METADATA, Store

ROOT = Path(__file__).parents[4]
LAYERS = ("engine", "features", "models", "experiments", "api")


def declare_all() -> MetaData:
    """Import every module that speaks of the metadata, so that no layer's tables are forgotten."""
    for layer in LAYERS:
        for path in sorted((ROOT / layer).rglob("*.py")):
            if re.search(r"\b(METADATA|record_table)\b", path.read_text("utf-8")):
                import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    return METADATA


def differences(store: Store, metadata: MetaData) -> list[object]:
    with store.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))


def test_migrated_tables_are_the_declared_ones(store: Store) -> None:
    assert differences(store, declare_all()) == []


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("bug", ["", "CREATE INDEX bug ON counters (grp) INCLUDE (state)"])
def test_keys_hold_no_second_copy_of_what_the_table_has(store: Store, bug: str) -> None:
    more = "SELECT indexrelid::regclass::text FROM pg_index WHERE indnatts > indnkeyatts"
    with store.engine.connect() as connection:
        connection.exec_driver_sql(bug or "SELECT 1")  # undone at the end
        found = connection.exec_driver_sql(more).scalars().all()
    assert found == (["bug"] if bug else [])


@pytest.mark.parametrize("looked_at", [True, False])
def test_migrating_again_changes_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, *, looked_at: bool
) -> None:
    def identity() -> str:
        with store.read() as connection:
            return Journal(store).head(connection).journal_id

    before = identity()
    if not looked_at:  # Alembic itself finds out that there is nothing to do
        monkeypatch.setattr("api.migrations.upgrade.read_version", lambda _: None)
    upgrade(store)

    assert identity() == before


def test_the_newest_version_is_the_one_that_alembic_would_bring(store: Store) -> None:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "api" / "migrations"))
    config.set_main_option("path_separator", "os")
    assert newest() == ScriptDirectory.from_config(config).get_current_head()
    assert read_version(store) == newest()


def test_a_store_that_lags_behind_is_brought_up(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr("alembic.command.upgrade", lambda _, to: asked.append(to))
    upgrade(store)
    assert asked == []
    standing = newest()
    monkeypatch.setattr("api.migrations.upgrade.newest", lambda: f"{standing}-and-one")
    upgrade(store)
    assert asked == ["head"]


def set_version(store: Store, version: str) -> None:
    versions = table("alembic_version", column("version_num"))
    with store.write() as connection:
        connection.execute(update(versions).values(version_num=version))


@pytest.mark.parametrize("version", ["0000", "0047", "9999"])
def test_tables_of_a_version_that_is_not_known_are_refused(store: Store, version: str) -> None:
    set_version(store, version)
    try:
        with pytest.raises(HomeError, match=f"of version {version}, which this program does not"):
            upgrade(store)
    finally:
        set_version(store, newest())
