"""Loaded history and journal as one event log.

Loaded rows are known at the times in their files; a journal record is known at its journal time,
and a decision's features were cut at the decision's own ``as_of``. With both in one table, the
matrix of a home equals, to the bit, the features that its service computed at each decision.
"""

from collections.abc import Collection, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection

from engine.domain.records import Arrival, Inspection, Seizure
from engine.journal.entries import JournalRecord, Kind
from engine.journal.journal import JOURNAL, JournalReader
from engine.journal.kinds import (
    CROSSING,
    DECISION,
    FIND_CONFIRMED,
    INSPECTION,
    INSPECTION_CORRECTED,
    SEIZURE,
    SEIZURE_CORRECTED,
)
from engine.storage.home import Home
from features.history.record_rows import Row, to_row
from features.history.tables import ORDER, SCHEMAS, Tables, read_history

KINDS: tuple[Kind[Any], ...] = (
    DECISION,
    CROSSING,
    INSPECTION,
    INSPECTION_CORRECTED,
    SEIZURE,
    FIND_CONFIRMED,
    SEIZURE_CORRECTED,
)
"""Kinds of journal records about a conveyance."""
_AS_OF = pa.field("as_of", pa.int64(), nullable=False)


def read_event_log(
    home: Home,
    connection: Connection,
    *,
    only: Collection[str] | None = None,
    upto: int | None = None,
) -> Tables:
    """Read the loaded history and the journal of a home, sorted by ``known_at``.

    Only the loads with a digest in ``only`` are read, and records up to the number ``upto``;
    default: all. Crossings have a column ``as_of`` (int64, UTC microseconds), the cut of their
    features. One decided on again after an amendment appears once, as first declared. A later row
    with the identifier of an act or a seizure restates it: features follow it from when it was
    known, labels as of any later time.
    """
    loaded, recorded = read_history(home, only=only), _read_recorded(connection, upto)
    _drop_lost_crossings(recorded, loaded)
    crossings = loaded.crossings.append_column(_AS_OF, loaded.crossings["known_at"])
    made = {name: loaded.table(name) for name in SCHEMAS} | {"crossings": crossings}
    network, digest = loaded.network, loaded.digest
    del loaded, crossings
    for name, table in made.items():
        by = [(column, "ascending") for column in ORDER[name]]
        if recorded[name].num_rows:
            made[name] = pa.concat_tables([table, recorded[name]]).sort_by(by).combine_chunks()
    return Tables(**made, network=network, digest=digest)


def _drop_lost_crossings(recorded: dict[str, Any], loaded: Tables) -> None:
    """Leave out the acts of crossings that are in no load and no record, and unlink their finds.

    A load that was withdrawn, or rows that were erased, took those crossings with them. If they are
    loaded again, what was recorded of them counts again.
    """
    for name, column in (("inspections", "crossing_id"), ("seizures", "linked_crossing_id")):
        table = recorded[name]
        if not table.num_rows:
            continue
        named = table[column]
        known = pc.is_in(named, value_set=recorded["crossings"]["crossing_id"])
        left = named.filter(pc.invert(known)).unique()
        found = loaded.crossings["crossing_id"]
        known = pc.or_(known, pc.is_in(named, value_set=found.filter(pc.is_in(found, left))))
        if name == "inspections":
            recorded[name] = table.filter(known)
        else:
            place = table.column_names.index(column)
            links = pc.if_else(known, named, pa.scalar(None, pa.string()))
            recorded[name] = table.set_column(place, table.schema.field(place), links)


def records(
    connection: Connection, *, after: int = 0, upto: int | None = None
) -> Iterator[JournalRecord[Any]]:
    """Return every record about a conveyance after a number."""
    last = [] if upto is None else [JOURNAL.c.seq <= upto]
    return JournalReader(connection).records(*KINDS, where=[JOURNAL.c.seq > after, *last])


def _read_recorded(connection: Connection, upto: int | None = None) -> dict[str, Any]:
    rows: dict[str, list[Row]] = {name: [] for name in SCHEMAS}
    seen: set[str] = set()
    for record in records(connection, upto=upto):
        known_at, kind, body = record.known_at, record.kind, record.body
        if kind in (DECISION, CROSSING):
            arrival = Arrival.model_validate(body["arrival"], strict=False)
            if arrival.crossing.crossing_id not in seen:
                seen.add(arrival.crossing.crossing_id)
                as_of = body["inputs"]["as_of"] if kind == DECISION else known_at
                _add_arrival(rows, arrival, known_at, as_of=as_of, name=f"journal:{record.seq}")
        elif kind in (INSPECTION, INSPECTION_CORRECTED):
            act = Inspection.model_validate(body["inspection"], strict=False)
            rows["inspections"].append(to_row(act) | {"known_at": known_at})
        elif kind == SEIZURE_CORRECTED:
            rows["seizures"].append(_restate_seizure(body) | {"known_at": known_at})
        elif "pending_crossing_id" not in body:  # else it becomes known when it is confirmed
            found = Seizure.model_validate(body["seizure"], strict=False)
            link = {"known_at": known_at, "linked_crossing_id": body["linked_crossing_id"]}
            rows["seizures"].append(to_row(found) | link)
    schemas = dict(SCHEMAS) | {"crossings": SCHEMAS["crossings"].append(_AS_OF)}
    return {name: pa.Table.from_pylist(rows[name], schema) for name, schema in schemas.items()}


def _restate_seizure(body: Row) -> Row:
    """Return the row of a corrected seizure; one that is withdrawn belongs to no crossing."""
    stated = body["seizure"]
    found = Seizure.model_validate(stated or body["was"], strict=False)
    return to_row(found) | {"linked_crossing_id": None if stated is None else body["crossing_id"]}


def _add_arrival(
    rows: dict[str, list[Row]], arrival: Arrival, known_at: int, *, as_of: int, name: str
) -> None:
    """Add a crossing with the declaration that it came with, under a name of its own.

    The same declaration may come with the exit and with the entry, and differ: each crossing keeps
    the one it came with.
    """
    declared = arrival.declaration
    crossing = to_row(arrival.crossing) | {"known_at": known_at, "as_of": as_of}
    rows["crossings"].append(crossing | {"declaration_id": name if declared else None})
    if declared is not None:
        head = to_row(declared)
        items = head.pop("items")
        rows["declarations"].append(head | {"declaration_id": name})
        rows["goods_items"] += [item | {"declaration_id": name} for item in items]
