"""Bring a store's tables to the newest version, or leave them as they are."""

from pathlib import Path

from alembic import command
from alembic.config import Config

from engine.store import Store


def upgrade(store: Store) -> None:
    """Run what is missing in one transaction under the writer's lock; safe to call from many."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with store.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
