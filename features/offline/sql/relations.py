"""A history as relations for SQL engines: their columns and what fills them.

``crossings`` numbers the crossings in the order in which they became known and holds for each the
cut of its features (``as_of``), the keys it looks up and is counted under (0 where not known), what
it adds to each counter and the facts it carries. Every other stream is a relation of its own, one
row an event, under the keys of its crossing. Nothing else is needed to read features as of a time.

Assumes that all acts and seizures of a crossing are in the same part as the crossing. A history can
then be encoded part by part, in the memory of one part.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from engine.errors import ConflictError
from features.catalogue.encoder import FACTS
from features.catalogue.event_streams import CROSSINGS, FINDS, INSPECTIONS, SPREAD, STREAMS
from features.catalogue.plan import Plan
from features.catalogue.spec import Read, Stream, window_name
from features.history.tables import Tables
from features.offline.encoded_history import (
    EncodedHistory,
    Events,
    hit_times,
    read_log,
    spread_inputs,
    to_spread_events,
)
from features.offline.spread_events import join_parts, spread_finds

RELATIONS = (CROSSINGS.name, INSPECTIONS.name, FINDS.name, SPREAD.name)
ENCODED = "encoded"
"""The relation that says in one row what was encoded, and that all of it was."""


def key_column(of: tuple[str, ...], by: tuple[str, ...]) -> str:
    """Return the column that holds the key of ``of``, to be looked up among those of ``by``."""
    counted = "by_" + ("__".join(by) or "all")
    return counted if of == by else "of_" + "__".join(of) + "_" + counted


def read_column(read: Read) -> str:
    """Return the column in which a query answers a read."""
    if read.is_last:
        return f"last_{read.measure}"
    return f"{read.measure}_{window_name(read.window)}"


def relations(log: EncodedHistory, plan: Plan, *, first: int = 0) -> dict[str, pa.Table]:
    """Lay out an encoded history of n crossings as relations, by name.

    ``crossings`` has n rows: ``crossing`` (int64, ascending from ``first``: how many there are in
    earlier parts), ``crossing_id``, ``known_at``, ``as_of`` (int64, UTC microseconds), ``by_*`` and
    ``of_*`` (int64 keys), ``add_*`` (int64) and ``fact_*`` (float64, NaN where unknown).
    Inspections and finds: ``crossing``, ``known_at``, ``by_*`` and ``add_*``. What is derived from
    them SQL makes itself, but for ``spread``: each step of a snapshot stands on the one before.
    """
    keys = {key_column(*lookup): log.keys[place] for lookup, place in plan.column.items()}
    crossings = {
        "crossing": np.arange(first, first + len(log)),
        "crossing_id": pa.array(log.crossing_id[:], pa.string()),
        "known_at": log.known_at,
        "as_of": log.as_of,
        **keys,
        **_measure_columns(CROSSINGS, log.streams[CROSSINGS.name]),
        **{f"fact_{name}": log.facts[place] for place, name in enumerate(FACTS)},
    }
    out = {CROSSINGS.name: pa.table(crossings)}
    for name in (INSPECTIONS.name, FINDS.name):
        events = log.streams[name]
        counted = {group.by for group in plan.groups if group.stream == name}
        if name == INSPECTIONS.name:
            counted |= {(end,) for link in plan.links for end in (link.via, link.to)}
        columns = sorted(key_column(by, by) for by in counted)
        fields = {"crossing": first + events.row, "known_at": events.known_at}
        under = {column: keys[column][events.row] for column in columns}
        if name == INSPECTIONS.name:
            fields["hit_at"] = _read_hit_times(events)
        out[name] = pa.table(fields | under | _measure_columns(STREAMS[name], events))
    return out | {SPREAD.name: _spread_relation(log.streams[SPREAD.name])}


def _spread_relation(events: Events) -> pa.Table:
    under = {key_column(by, by): key for by, key in (events.keys or {}).items()}
    added = {f"add_{name}": events.measures[name] for name in SPREAD.measures}
    return pa.table({"known_at": events.known_at, **under, **added})


def _read_hit_times(events: Events) -> NDArray[np.int64]:
    """Return as of when the links of each event's hit are followed; its own time without one."""
    hit = np.asarray(events.measures["hit"])
    changed, found = np.flatnonzero(hit), events.known_at.copy()
    found[changed] = hit_times(events.row[changed], events.known_at[changed], hit[changed])
    return found


def _measure_columns(stream: Stream, events: Events) -> dict[str, NDArray[np.int64]]:
    amounts = {"n": np.ones(len(events.row), np.int64)} | dict(events.measures)
    return {f"add_{name}": amounts[name] for name in ("n", *stream.measures)}


def encode(tables: Tables, plan: Plan, folder: Path, *, rows: int = 1_000_000) -> int:
    """Write a history's relations as Parquet, part by part; return the number of crossings.

    The folder gets one folder a relation, one file a part in each; a part has ``rows`` crossings,
    of which about 1.6 kB each are held in memory, and 60 bytes each of all parts: snapshots of
    finds spread along links are made of the whole. The relation ``encoded`` comes last: what was
    encoded, in one row. Raises ConflictError if the folder holds anything: parts of two histories
    would be read as one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise ConflictError("folder", folder.name, "it is not empty")
    inputs, ends = [], 0
    for first, part in parts(tables, rows):
        log = read_log(part, plan, before=0)
        made = relations(log, plan, first=first)
        del made[SPREAD.name]  # of one part it would say nothing
        for name, relation in made.items():
            _write(relation, folder / name / f"part-{first:012d}.parquet")
        inputs.append(spread_inputs(log, plan, first=first))
        ends = max(ends, log.ends)
    spread = to_spread_events(*spread_finds(join_parts(inputs), before=ends))
    _write(_spread_relation(spread), folder / SPREAD.name / "part-0.parquet")
    about = {
        "definitions": [plan.digest],
        "history": [tables.digest],
        "synthetic": [str(tables.network.synthetic).lower()],
        "crossings": [int(tables.crossings.num_rows)],
    }
    _write(pa.table(about), folder / ENCODED / "part-0.parquet")
    return int(tables.crossings.num_rows)


def _write(relation: pa.Table, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    pq.write_table(relation, path, compression="zstd")


def parts(tables: Tables, rows: int) -> Iterator[tuple[int, Tables]]:
    """Yield (number of the first crossing, part): some crossings and whatever happened to them."""
    for first in range(0, max(tables.crossings.num_rows, 1), rows):
        crossings = tables.crossings.slice(first, rows)
        owners = {"inspections": "crossing_id", "seizures": "linked_crossing_id"}
        theirs = {
            name: tables.table(name).filter(
                pc.is_in(tables.table(name)[owner], crossings["crossing_id"])
            )
            for name, owner in owners.items()
        }
        yield first, replace(tables, crossings=crossings, **theirs)
