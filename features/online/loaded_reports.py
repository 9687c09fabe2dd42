"""Names of the acts and seizures in the loaded history: reported again, they would count twice.

Its crossings are found among the passages. Acts and seizures leave there only what they changed, so
their names have a table of their own, in the form in which the service takes them.
"""

from collections.abc import Sequence

from sqlalchemy import Column, Connection, String, Table, delete

from engine.storage.database import METADATA, fetch_rows, insert_rows

LOADED = Table("loaded_reports", METADATA, Column("name", String, primary_key=True))
"""The names of the acts and seizures that the counters started from."""


def keep(connection: Connection, names: Sequence[str]) -> None:
    """Replace the names by those of a history, inside one writer's transaction."""
    connection.execute(delete(LOADED))
    insert_rows(connection, LOADED, [(name,) for name in names])


def holds(connection: Connection, name: str) -> bool:
    """Tell whether the history that the counters started from holds this act or seizure."""
    return bool(fetch_rows(connection, "SELECT 1 FROM loaded_reports WHERE name = ?", [name]))
