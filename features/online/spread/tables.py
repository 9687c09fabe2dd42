"""Tables of what snapshots of finds spread along links are made of."""

from collections.abc import Mapping, Sequence
from struct import Struct

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    delete,
    insert,
)

from engine.storage.database import METADATA, Int64, fetch_rows, insert_rows
from features.catalogue.event_streams import FINDS, INSPECTIONS
from features.catalogue.find_spread import CROSSINGS_FOR, ENTITIES, EVERY, KINDS, last_cut
from features.online.counter_updates import measures

Ints = NDArray[np.int64]

SPREAD_CROSSINGS = Table(
    "spread_crossings",
    METADATA,
    Column("known_at", Int64, autoincrement=False),
    Column("crossing_id", String),
    Column("entities", LargeBinary, nullable=False),
    PrimaryKeyConstraint("known_at", "crossing_id"),
    sqlite_with_rowid=False,
)
"""Every crossing with the keys of the entities that finds spread between, in order of time."""
SPREAD_FINDS = Table(
    "spread_finds",
    METADATA,
    Column("known_at", Int64, autoincrement=False),
    Column("crossing_id", String),
    Column("step", SmallInteger, autoincrement=False),
    Column("is_elsewhere", Boolean, nullable=False),
    *(Column(kind, SmallInteger, nullable=False) for kind in KINDS),
    Column("entities", LargeBinary, nullable=False),
    PrimaryKeyConstraint("known_at", "crossing_id", "step"),
)
"""Every find, and every one taken back; ``step`` orders those of one crossing at one time."""
SPREAD_HEAD = Table(
    "spread_head",
    METADATA,
    Column("one", SmallInteger, primary_key=True, autoincrement=False),
    Column("cut", Int64, nullable=False),
)
"""One row: the cut up to which snapshots are made."""
FILLED = SPREAD_CROSSINGS, SPREAD_FINDS
"""Those that a load fills."""

_KEYS = Struct(f"<{len(ENTITIES)}q")
_HEAD = "SELECT cut FROM spread_head"


def pack_keys(keys: Sequence[int]) -> bytes:
    """Return the keys of a crossing's entities as the tables hold them."""
    return _KEYS.pack(*keys)


def find_amounts(stream: str, amounts: Ints) -> tuple[int, ...]:
    """Return by kind of find how many an event adds, 0 of a stream that counts none.

    Parameters
    ----------
    stream : str
        Name of the event's stream.
    amounts : array of shape (measures,)
        What the event adds to each measure of its stream.
    """
    if stream not in _PLACES:
        return (0,) * len(KINDS)
    return tuple(int(amounts[place]) for place in _PLACES[stream])


def _places() -> Mapping[str, tuple[int, ...]]:
    """Return by stream the place of each kind's measure among the amounts of an event."""
    return {
        stream.name: tuple(measures(stream).index(dict(KINDS[kind])[stream.name]) for kind in KINDS)
        for stream in (INSPECTIONS, FINDS)
    }


_PLACES = _places()


def keep(
    connection: Connection,
    crossings: Sequence[tuple[object, ...]],
    finds: Sequence[tuple[object, ...]],
) -> None:
    """Insert rows of both tables, in the order of their columns."""
    for table, rows in ((SPREAD_CROSSINGS, crossings), (SPREAD_FINDS, finds)):
        if rows:
            insert_rows(connection, table, rows)


def forget(connection: Connection) -> None:
    """Delete everything that snapshots are made of."""
    for table in (SPREAD_CROSSINGS, SPREAD_FINDS, SPREAD_HEAD):
        connection.execute(delete(table))


def oldest_crossing(reads_from: int | None) -> int:
    """Return from when on crossings are needed where nothing is read as of an earlier time.

    All are where ``reads_from`` is None; both are in UTC microseconds.
    """
    if reads_from is None:
        return 0
    return last_cut(reads_from) - EVERY - CROSSINGS_FOR


def read_head(connection: Connection) -> int | None:
    """Return the cut up to which snapshots are made, None before the first record."""
    return next((int(cut) for (cut,) in fetch_rows(connection, _HEAD)), None)


def write_head(connection: Connection, cut: int) -> None:
    """Keep the cut up to which snapshots are made."""
    connection.execute(delete(SPREAD_HEAD))
    connection.execute(insert(SPREAD_HEAD), [{"one": 1, "cut": cut}])


def unpack_keys(entities: Sequence[bytes]) -> Ints:
    """Return keys of n crossings, an int64 array of shape (len(ENTITIES), n)."""
    keys = np.frombuffer(b"".join(entities), "<i8").astype(np.int64)
    return keys.reshape(-1, len(ENTITIES)).T
