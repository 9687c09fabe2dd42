"""Index of all crossings: their keys, the ties between their entities, the events of records.

A later act or find names a crossing alone; it is counted under the keys of the crossing as first
recorded. Two entities are tied by the first crossing of both. Ties are stored in the order of their
time, so that the entities that receive a hit are one seek; hits are rare, and each seeks once a
kind of tie.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from struct import pack, unpack
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    bindparam,
    delete,
    select,
)

from engine.domain.identifiers import fold
from engine.domain.records import Arrival, Inspection, Seizure
from engine.domain.time_units import micros
from engine.errors import StoreUnavailableError
from engine.journal.entries import ProjectionInput
from engine.journal.kinds import (
    CROSSING,
    DECISION,
    FIND_CONFIRMED,
    INSPECTION,
    INSPECTION_CORRECTED,
    SEIZURE,
    SEIZURE_CORRECTED,
)
from engine.ports import CorrectionEvent, CrossingEvent, Features, FindEvent
from engine.storage.database import METADATA, Int64, declare_columns, fetch_rows, insert_rows
from features.catalogue.encoder import key
from features.catalogue.event_streams import GRAMS_MOST, REACH, Label, vehicle
from features.catalogue.plan import Plan
from features.catalogue.spec import FAN_OUT, Tie

Ints = NDArray[np.int64]

PASSAGES = Table(
    "passages",
    METADATA,
    Column("crossing_id", String, primary_key=True),
    Column("post", String, nullable=False),
    Column("plate_key", Int64, nullable=False),
    Column("is_entry", Boolean, nullable=False),
    Column("arrived_at", Int64, nullable=False),
    Column("known_at", Int64, nullable=False),
    Column("entity_keys", LargeBinary, nullable=False),
    Column("inspected", SmallInteger, nullable=False),
    Column("hit", SmallInteger, nullable=False),
    Column("seizure", SmallInteger, nullable=False),
    Column("taught", SmallInteger, nullable=False),
    Column("vehicle", String, nullable=False),
    Index("passages_plate_ix", "plate_key", "arrived_at"),
    Index("passages_post_ix", "post", "arrived_at"),
)
"""Every crossing known: under which keys later acts and finds are counted, what acts say that they
found, and what the finds of its acts teach (``features.catalogue.event_streams.LOAD``)."""


TIES = Table(
    "links",
    METADATA,
    Column("way", Integer, primary_key=True, autoincrement=False),
    Column("via", Int64, primary_key=True, autoincrement=False),
    Column("known_at", Int64, primary_key=True, autoincrement=False),
    Column("other", Int64, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)
"""Which entities are linked since when: on which ways a hit will be passed on."""


EPOCH = Table(
    "counter_epoch",
    METADATA,
    Column("one", SmallInteger, primary_key=True, autoincrement=False),
    Column("epoch", String, nullable=False),
    Column("definitions", String, nullable=False),
)
"""One row: which history the counters started from, and whose definitions they serve."""


def find_event(seizure: Seizure, crossing_id: str | None) -> FindEvent | None:
    """Return the event of a seizure linked to a crossing, None for one that is linked to none."""
    if crossing_id is None:
        return None
    grams = min(seizure.quantity_g or 0.0, float(GRAMS_MOST))
    is_elsewhere = seizure.inspection_id is None
    whole = int(np.rint(grams))
    return FindEvent(crossing_id, whole, seizure.place, is_elsewhere, seizure.goods_class)


def pack_keys(keys: Sequence[int]) -> bytes:
    """Return a crossing's keys as the index holds them: which are known, then these alone.

    A byte with the number of bytes of the bits, the bits (the first key's lowest), and the keys
    that are not 0, each 8 bytes; little-endian. Two in three are 0.
    """
    known = [key for key in keys if key]
    size = _count_bytes(len(keys))
    bits = int("".join(["1" if key else "0" for key in reversed(keys)]) or "0", 2)
    return bytes((size,)) + bits.to_bytes(size, "little") + pack(f"<{len(known)}q", *known)


def pack_many_keys(keys: Ints) -> list[bytes]:
    """Return what :func:`pack_keys` does for n crossings, of an int64 array of shape (n, k)."""
    is_known, size = keys != 0, _count_bytes(keys.shape[1])
    bits = np.packbits(is_known, axis=1, bitorder="little").tobytes()
    known = keys[is_known].astype("<i8").tobytes()
    ends = np.append(0, 8 * is_known.sum(axis=1).cumsum()).tolist()
    head = bytes((size,))
    return [
        head + bits[at * size : (at + 1) * size] + known[begin:end]
        for at, (begin, end) in enumerate(pairwise(ends))
    ]


def unpack_keys(packed: bytes) -> list[int]:
    """Return the keys of a crossing in their order, 0 where not known; some zeros may follow."""
    begin = 1 + packed[0]
    bits = int.from_bytes(packed[1:begin], "little")
    known = iter(unpack(f"<{(len(packed) - begin) // 8}q", packed[begin:]))
    return [next(known) if bits >> place & 1 else 0 for place in range(8 * packed[0])]


def _count_bytes(bits: int) -> int:
    return -(-bits // 8)


def passage_row(
    event: CrossingEvent, known_at: int, label: Label, taught: int
) -> tuple[object, ...]:
    """Return the row that remembers a crossing, in the order of the columns."""
    return (
        event.crossing_id,
        event.post,
        event.plate_key,
        event.is_entry,
        event.arrived_at,
        known_at,
        pack_keys(event.keys),
        *label,
        taught,
        vehicle(event.facts),
    )


def find_last_entry(connection: Connection, seizure: Seizure) -> str | None:
    """Return the last entry of the seizure's plate within 30 days before it, or None."""
    folded = fold(seizure.plate or "")
    if not folded:
        return None
    at = micros(seizure.seized_at or seizure.recorded_at)
    passage = PASSAGES.c
    query = (
        select(passage.crossing_id)
        .where(passage.plate_key == key("plate", folded), passage.is_entry)
        .where(passage.arrived_at < at, passage.arrived_at >= at - REACH)
        .order_by(passage.arrived_at.desc(), passage.crossing_id.desc())
        .limit(1)
    )
    return connection.scalar(query)


_LOOK = "SELECT epoch, definitions FROM counter_epoch"
_STANDING = (
    "SELECT (SELECT epoch FROM counter_epoch), (SELECT definitions FROM counter_epoch), "
    "(SELECT cut FROM spread_head), (SELECT MAX(known_at) FROM journal)"
)


@dataclass(frozen=True, slots=True)
class CounterStanding:
    """Where the counters stand in one snapshot of the store."""

    epoch: str
    """Empty before any load."""
    cut: int | None
    """Up to where snapshots of finds spread along links are made, None before any."""
    head: int
    """When the last record became known; both in UTC microseconds."""


def read_standing(connection: Connection, definitions: str) -> CounterStanding:
    """Return the epoch of the counters, and up to where they are made.

    Raises ``StoreUnavailableError`` where they were filled for other definitions.
    """
    ((found, serves, cut, head),) = fetch_rows(connection, _STANDING)
    if serves not in (None, definitions):
        raise StoreUnavailableError("its counters serve other feature definitions")
    return CounterStanding(found or "", cut, head or 0)


def is_current(connection: Connection, history: str, definitions: str) -> bool:
    """Tell whether the counters started from this history and serve these definitions."""
    return fetch_rows(connection, _LOOK) == [(history, definitions)]


LOADED = Table("loaded_reports", METADATA, Column("name", String, primary_key=True))
"""The names of the acts and seizures that the counters started from."""


LOADED_PARTIES = Table(
    "loaded_parties",
    METADATA,
    Column("entity", Int64, primary_key=True, autoincrement=False),
    Column("last", Int64, primary_key=True, autoincrement=False),
    *declare_columns(SmallInteger, "role"),
    *declare_columns(LargeBinary, "text"),
    *declare_columns(String, "name"),
    *declare_columns(Int64, "total"),
    *declare_columns(Text, "crossings"),
    Index("loaded_parties_text_ix", "text", "role"),
)
"""Crossings of each party by its key and by when the last of the row became known; ``total`` counts
the party's crossings up to that one, ``text`` is its name folded."""


def keep_loaded_names(connection: Connection, names: Sequence[str]) -> None:
    """Replace the names by those of a history, inside one writer's transaction."""
    connection.execute(delete(LOADED))
    insert_rows(connection, LOADED, [(name,) for name in names])


def was_loaded(connection: Connection, name: str) -> bool:
    """Tell whether the history that the counters started from holds this act or seizure."""
    return bool(fetch_rows(connection, "SELECT 1 FROM loaded_reports WHERE name = ?", [name]))


TieRow = tuple[int, int, int, int]
"""(number of the way, key of ``via``, known_at, key of ``to``)."""


@dataclass(frozen=True, slots=True)
class TieLookup:
    """Kind of link, and the positions of its keys among those of a crossing."""

    number: int
    link: Tie
    via: int
    to: int
    pair: int


def list_ways(plan: Plan) -> list[TieLookup]:
    """Return the ways on which hits are passed on by the features of a plan."""
    return [
        TieLookup(
            number,
            link,
            via=plan.column[(link.via,), (link.via,)],
            to=plan.column[(link.to,), (link.to,)],
            pair=plan.column[link.pair, link.pair],
        )
        for number, link in enumerate(plan.links)
    ]


_FOLLOWED = (
    select(TIES.c.other, TIES.c.known_at)
    .where(TIES.c.way == bindparam("way"), TIES.c.via == bindparam("via"))
    .where(TIES.c.known_at < bindparam("before"), TIES.c.other != bindparam("own"))
    .order_by(TIES.c.known_at.desc(), TIES.c.other.desc())
    .limit(FAN_OUT)
)


def follow_tie(
    connection: Connection, way: TieLookup, keys: Sequence[int], *, before: int
) -> list[tuple[int, int]]:
    """Return (key, since) of what a hit on a crossing with these keys is passed on to by one link.

    At most ``FAN_OUT`` keys, those linked last first, linked strictly before; not its own.
    """
    if not keys[way.via]:
        return []
    asked = {"way": way.number, "via": keys[way.via], "before": before, "own": keys[way.to]}
    return [(row.other, row.known_at) for row in connection.execute(_FOLLOWED, asked)]


def keep_ties(connection: Connection, rows: Iterable[TieRow]) -> None:
    """Keep new links."""
    pending = iter(rows)
    while chunk := list(islice(pending, 50_000)):
        insert_rows(connection, TIES, chunk)


def read_event(features: Features, kind: str, body: Mapping[str, Any]) -> ProjectionInput | None:
    """Return what the counters get of a record; None of one that they do not count."""
    if kind == INSPECTION:
        return features.act(Inspection.model_validate(body["inspection"], strict=False))
    if kind in (INSPECTION_CORRECTED, SEIZURE_CORRECTED):
        return None if body["crossing_id"] is None else CorrectionEvent(body["crossing_id"])
    if kind in (SEIZURE, FIND_CONFIRMED):
        seizure = Seizure.model_validate(body["seizure"], strict=False)
        return find_event(seizure, body["linked_crossing_id"])
    if kind not in (DECISION, CROSSING):
        return None
    arrival = Arrival.model_validate(body["arrival"], strict=False)
    return features.record(arrival.crossing, arrival.declaration)
