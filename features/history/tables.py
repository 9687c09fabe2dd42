"""The history of a home in validated columns: what was loaded, and what its journal recorded.

A row is visible to features by its ``known_at`` alone. Loaded rows are known at the times in their
files, a journal record at its journal time, and nothing about a crossing is known before the
crossing itself. A decision's features were cut at the decision's own ``as_of``: with loaded rows
and records in one table, the matrix of a home equals, to the bit, the features that its service
computed at each decision.

A seizure made inland often has a plate alone. It is attributed to the last entry of that plate,
folded, in the 30 days before it, and to no crossing if there is no such entry.

Columns are derived from :mod:`engine.domain.records`: a field added to a record appears here by
itself. Times are int64 UTC microseconds, lists are list<string>, quantities float64, counts int64.
Rows were validated by the record models when they were loaded (:mod:`features.intake.load`) and are
not checked again.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as attribute
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType, NoneType
from typing import Any, Literal, get_args, get_origin

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import Connection, bindparam, func, select

from engine.audit.file_anchors import read_network_in_force
from engine.criteria.policy import PolicyHistory, read_goods_classes, read_policy
from engine.domain.goods import GoodsClasses, shipped_goods_classes
from engine.domain.identifiers import fold
from engine.domain.network import Network, read_home_network
from engine.domain.records import (
    Arrival,
    Crossing,
    DeclarationHead,
    GoodsItemRow,
    Inspection,
    InspectionRow,
    Record,
    Seizure,
)
from engine.domain.validation import bare
from engine.errors import HomeError
from engine.journal.entries import JournalRecord, Kind
from engine.journal.journal import JOURNAL, JournalReader
from engine.journal.kinds import (
    CROSSING,
    DECISION,
    FIND_CONFIRMED,
    HISTORY_LOADED,
    INSPECTION,
    INSPECTION_CORRECTED,
    SEIZURE,
    SEIZURE_CORRECTED,
)
from engine.storage.home import Home
from features.catalogue.event_streams import REACH
from features.history.record_rows import Row, to_row


def derive_known_times(
    rows: Mapping[str, Any], *, held: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the tables of a history from the columns of its records, in no particular order.

    The five tables have the fields of their records; ``known_at`` of crossings, inspections and
    seizures, and ``linked_crossing_id`` of seizures are computed, again where they are there.
    ``held`` has the crossings and inspections of earlier loads that rows may refer to.
    """
    found = dict(rows)
    late = pc.max_element_wise(found["crossings"]["arrived_at"], found["crossings"]["recorded_at"])
    found["crossings"] = _set_columns(found["crossings"], known_at=late)
    crossings, inspections = found["crossings"], found["inspections"]
    if held is not None:
        crossings = _both(crossings, held["crossings"])
        inspections = _both(inspections, held["inspections"])
    found["inspections"] = _not_before(found["inspections"], crossings, by="crossing_id")
    seizures = _set_columns(
        found["seizures"], linked_crossing_id=_attribute_seizures(found, crossings, inspections)
    )
    found["seizures"] = _not_before(seizures, crossings, by="linked_crossing_id")
    return found


def _both(new: Any, held: Any) -> Any:
    shared = [name for name in new.column_names if name in held.column_names]
    new = new.select(shared)
    return pa.concat_tables([new, held.select(shared).cast(new.schema)])


def _set_columns(table: Any, **columns: Any) -> Any:
    for name, values in columns.items():
        if name in table.column_names:
            table = table.drop_columns(name)
        table = table.append_column(name, values)
    return table


def _not_before(rows: Any, crossings: Any, *, by: str) -> Any:
    """Add ``known_at``: when recorded, or when its crossing was known, whichever is later."""
    crossing = _look_up(rows[by], crossings["crossing_id"], crossings["known_at"])
    return _set_columns(rows, known_at=pc.max_element_wise(rows["recorded_at"], crossing))


def _look_up(keys: Any, among: Any, values: Any) -> Any:
    if len(among) > len(keys):  # a table of those asked for is the smaller one
        is_asked = pc.is_in(among, value_set=pc.unique(keys))
        among, values = among.filter(is_asked), values.filter(is_asked)
    return values.combine_chunks().take(pc.index_in(keys, value_set=among).combine_chunks())


def _attribute_seizures(rows: Mapping[str, Any], crossings: Any, inspections: Any) -> Any:
    seizures = rows["seizures"]
    searched = _look_up(
        seizures["inspection_id"], inspections["inspection_id"], inspections["crossing_id"]
    )
    links = pc.coalesce(seizures["crossing_id"].combine_chunks(), searched)
    if links.null_count == 0:
        return links
    inland = seizures.filter(links.is_null())
    entries = iter(_last_entries(inland, crossings))
    return pa.array(
        [link if link is not None else next(entries) for link in links.to_pylist()], pa.string()
    )


def _last_entries(seizures: Any, crossings: Any) -> list[str | None]:
    """Return the last entry before each seizure of its folded plate, None where there is none."""
    plates = [fold(plate) for plate in seizures["plate"].to_pylist()]
    times = pc.coalesce(seizures["seized_at"], seizures["recorded_at"]).to_pylist()
    entries = _entries(crossings, set(plates) - {""}, since=min(times) - REACH, until=max(times))
    found: list[str | None] = []
    for plate, time in zip(plates, times, strict=True):
        before = entries.get(plate, [])
        at = bisect_left(before, (time, "")) - 1
        found.append(before[at][1] if at >= 0 and before[at][0] >= time - REACH else None)
    return found


def _entries(
    crossings: Any, plates: set[str], *, since: int, until: int
) -> dict[str, list[tuple[int, str]]]:
    """Return (arrived_at, crossing_id) of the entries of each of these folded plates, ordered."""
    arrived = crossings["arrived_at"]
    near = pc.and_(pc.greater_equal(arrived, since), pc.less(arrived, until))
    entries = crossings.filter(
        pc.and_(
            pc.and_(near, pc.equal(crossings["direction"], "entry")), crossings["plate"].is_valid()
        )
    )
    folded = {raw: fold(raw) for raw in entries["plate"].unique().to_pylist()}
    wanted = pa.array([raw for raw, plate in folded.items() if plate in plates], pa.string())
    entries = entries.filter(pc.is_in(entries["plate"], value_set=wanted))
    found: dict[str, list[tuple[int, str]]] = {plate: [] for plate in plates}
    for raw, time, crossing in zip(
        entries["plate"].to_pylist(),
        entries["arrived_at"].to_pylist(),
        entries["crossing_id"].to_pylist(),
        strict=True,
    ):
        found[folded[raw]].append((time, crossing))
    return {plate: sorted(times) for plate, times in found.items()}


MODELS: Mapping[str, type[Record]] = MappingProxyType(
    {
        "crossings": Crossing,
        "declarations": DeclarationHead,
        "goods_items": GoodsItemRow,
        "inspections": InspectionRow,
        "seizures": Seizure,
    }
)
"""The record of each table, in the order in which tables refer to each other's rows."""

KEYS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "crossings": ("crossing_id",),
        "declarations": ("declaration_id",),
        "goods_items": ("declaration_id", "item_no"),
        "inspections": ("inspection_id",),
        "seizures": ("seizure_id",),
    }
)
"""The columns whose values together are unique in each table."""

_SCALARS = {
    str: pa.string(),
    float: pa.float64(),
    int: pa.int64(),
    bool: pa.bool_(),
    datetime: pa.int64(),
}
_KNOWN_AT = pa.field("known_at", pa.int64(), nullable=False)


def _column(annotation: Any) -> Any:
    kind = bare(annotation)
    if get_origin(kind) is tuple:
        return pa.list_(pa.string())
    return pa.string() if get_origin(kind) is Literal else _SCALARS[kind]


def _schema(model: type[Record], *added: Any) -> Any:
    fields = [
        pa.field(name, _column(info.annotation), NoneType in get_args(info.annotation))
        for name, info in model.model_fields.items()
    ]
    return pa.schema([*fields, *added])


_DERIVED = {
    "crossings": (_KNOWN_AT,),
    "inspections": (_KNOWN_AT,),
    "seizures": (_KNOWN_AT, pa.field("linked_crossing_id", pa.string())),
}
SCHEMAS: Mapping[str, Any] = MappingProxyType(
    {name: _schema(model, *_DERIVED.get(name, ())) for name, model in MODELS.items()}
)
"""pyarrow schema of each table of :class:`Tables`."""
_OPTIONAL: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        name: frozenset(
            field for field, info in model.model_fields.items() if not info.is_required()
        )
        for name, model in MODELS.items()
    }
)
"""Columns of each table that a load may lack: their fields joined after it was written."""
ORDER: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        name: (("known_at",) if "known_at" in SCHEMAS[name].names else ()) + key
        for name, key in KEYS.items()
    }
)
"""The columns by which each table of a history is sorted."""


@dataclass(frozen=True, slots=True)
class Tables:
    """A validated history: five pyarrow tables with the columns of ``SCHEMAS``, and its network.

    Attributes
    ----------
    crossings : Table of shape (n_crossings, 22)
        Fields of ``Crossing``, and ``known_at`` = max(arrived_at, recorded_at). Sorted by known_at,
        then crossing_id, as every table with a ``known_at`` is.
    declarations : Table of shape (n_declarations, 23)
        Fields of ``DeclarationHead``, sorted by declaration_id, which is unique.
    goods_items : Table of shape (n_items, 14)
        Fields of ``GoodsItemRow``, sorted by declaration_id, then item_no.
    inspections : Table of shape (n_inspections, 19)
        Fields of ``InspectionRow``, and ``known_at`` = recorded_at, never before its crossing's.
    seizures : Table of shape (n_seizures, 17)
        Fields of ``Seizure``, ``known_at`` (never before its crossing's), and
        ``linked_crossing_id``: the crossing it belongs to, null for none.
    network : Network
        The posts; empty where no network file was given.
    digest : str
        Digest of the content; equal histories have equal digests whatever the order of their files.
    goods : GoodsClasses
        What each class of goods teaches and weighs; the shipped table without a journal.
    """

    crossings: Any
    declarations: Any
    goods_items: Any
    inspections: Any
    seizures: Any
    network: Network
    digest: str
    goods: GoodsClasses = attribute(default_factory=shipped_goods_classes)

    def table(self, name: str) -> Any:
        """Return one table by its name in ``SCHEMAS``."""
        if name not in SCHEMAS:
            raise KeyError(name)
        return getattr(self, name)


QUESTION = "documents_asked"
"""Outcome of a row that is no act: documents were asked for."""


def without_questions(tables: Tables) -> Tables:
    """Return a history without the rows of documents that were asked for: they are no acts."""
    acts = tables.inspections
    return replace(tables, inspections=acts.filter(pc.not_equal(acts["outcome"], QUESTION)))


def arrange_table(name: str, table: Any) -> Any:
    """Return a table with the columns and in the order of its history.

    Columns are copied one at a time: at most one is in memory twice, if the caller keeps no
    reference to the table that it passes.
    """
    table = table.select(SCHEMAS[name].names).cast(SCHEMAS[name])
    if not _is_sorted(table, ORDER[name]):
        table = table.sort_by([(column, "ascending") for column in ORDER[name]])
    columns = [table.select([place]) for place in range(table.num_columns)]
    del table
    for place, column in enumerate(columns):
        columns[place] = column.combine_chunks()
    return pa.table([one.column(0) for one in columns], SCHEMAS[name])


def _is_sorted(table: Any, by: Sequence[str]) -> bool:
    """Tell whether rows are in the order of some columns, as most files and each load have them.

    Sorting takes longer, and a copy of the table.
    """
    keys = table.select(by)
    before, after = keys.slice(0, max(len(keys) - 1, 0)), keys.slice(1)
    for name in by:
        in_order = pc.less_equal(before[name], after[name])
        if not pc.all(in_order, skip_nulls=False, min_count=0).as_py():  # of none: nothing is tied
            return False
        tied = pc.equal(before[name], after[name])
        before, after = before.filter(tied), after.filter(tied)
    return True


def content_digest(tables: Mapping[str, Any]) -> str:
    """Return the SHA-256 (hexadecimal) of the values of some tables, whatever their layout.

    Tables are hashed by name, then column by column; the order of rows counts. An optional column
    without a value is left out, so that a load keeps its digest if an optional field joins.
    """
    state = sha256()
    for name in sorted(tables):
        rows = tables[name].num_rows
        for field in tables[name].schema:
            if field.name in _OPTIONAL.get(name, ()) and _is_blank(tables[name][field.name]):
                continue
            state.update(f"{name}.{field.name}:{field.type}:{rows}\n".encode())
            for part in _buffers(tables[name][field.name].combine_chunks()):
                state.update(part)
    return state.hexdigest()


def _is_blank(column: Any) -> bool:
    """Tell whether no row has a value; a list without members is none."""
    if pa.types.is_list(column.type):
        return not pc.sum(pc.list_value_length(column)).as_py()
    return bool(column.null_count == len(column))


def _buffers(column: Any) -> list[Any]:
    """Return a column's validity and its values: text as lengths and UTF-8, else little-endian."""
    valid = np.packbits(column.is_valid().to_numpy(zero_copy_only=False)).tobytes()
    if pa.types.is_list(column.type):
        lengths = pc.fill_null(pc.list_value_length(column), 0)
        return [valid, _numbers(lengths), *_buffers(pc.list_flatten(column))]
    if pa.types.is_string(column.type):
        text = pc.fill_null(column, "")
        return [valid, _numbers(pc.binary_length(text)), _characters(text)]
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    return [valid, _numbers(pc.fill_null(column, 0))]


def _numbers(column: Any) -> bytes:
    values = column.to_numpy()
    little: bytes = values.astype(values.dtype.newbyteorder("<")).tobytes()
    return little


def _characters(text: Any) -> Any:
    """Return the bytes of a text column without copying them."""
    _, offsets, characters = text.buffers()
    if len(text) == 0 or characters is None:
        return b""
    ends = np.frombuffer(offsets, np.int32)[text.offset : text.offset + len(text) + 1]
    return memoryview(characters)[ends[0] : ends[-1]]


def loads(home: Home) -> tuple[str, ...]:
    """Return the digests of the loads that brought a row into a home, in alphabetical order."""
    if not home.history.is_dir():
        return ()
    found = sorted(path for path in home.history.iterdir() if not path.name.startswith("."))
    return tuple(p.name for p in found if any((p / name).is_dir() for name in SCHEMAS))


def read_history(home: Home, *, only: Collection[str] | None = None) -> Tables:
    """Read all loads of a home, or those with a digest in ``only``, as if all were loaded at once.

    Seizures with a plate alone are linked again where there are several loads, because a later load
    may bring the entry. Empty for an empty home; ``digest`` is the SHA-256 of the loads' digests.
    Raises HomeError where the home's network file cannot be read, or a load lacks a column that is
    not optional.
    """
    found = tuple(digest for digest in loads(home) if only is None or digest in only)
    rows = {name: read_table(home, found, name=name) for name in SCHEMAS}
    if len(found) > 1:
        rows = derive_known_times(rows)
    for name in SCHEMAS:
        rows[name] = arrange_table(name, rows.pop(name))
    return Tables(**rows, network=read_home_network(home.network), digest=epoch_of(found))


def epoch(home: Home) -> str:
    """Return the digest of all that was loaded into a home: the SHA-256 of the loads' digests."""
    return epoch_of(loads(home))


def epoch_of(digests: Sequence[str]) -> str:
    """Return the SHA-256 of the digests of some loads, which are in alphabetical order."""
    return sha256("\n".join(digests).encode()).hexdigest()


def read_table(home: Home, digests: tuple[str, ...], *, name: str) -> Any:
    """Return the rows of one table that some loads brought, in no particular order.

    Optional columns that a load lacks are without a value in all of its rows. Raises ``HomeError``,
    which names the column, where a load lacks another one.
    """
    files = [
        path
        for digest in digests
        for path in sorted((home.history / digest / name).glob("*.parquet"))
    ]
    return pa.concat_tables([SCHEMAS[name].empty_table(), *(_read_file(f, name) for f in files)])


def _read_file(path: Path, name: str) -> Any:
    table = pq.ParquetFile(path, memory_map=True).read()
    for field in SCHEMAS[name]:
        if field.name not in table.column_names:
            if field.name not in _OPTIONAL[name]:
                raise HomeError(str(path), f"the column {field.name} is missing")
            table = table.append_column(field, absent_column(field.type, table.num_rows))
    return table.select(SCHEMAS[name].names).cast(SCHEMAS[name])


def absent_column(kind: Any, rows: int) -> Any:
    """Return a column of rows without a value: nulls, or empty lists."""
    if pa.types.is_list(kind):
        offsets = pa.array(np.zeros(rows + 1, np.int32))
        return pa.ListArray.from_arrays(offsets, pa.array([], pa.string()))
    return pa.nulls(rows, kind)


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
IS_LOAD = pa.field("is_load", pa.bool_(), nullable=False)
"""Column of an event log: whether the goods of a seizure count as a load in features."""


def read_event_log(
    home: Home,
    connection: Connection,
    *,
    only: Collection[str] | None = None,
    upto: int | None = None,
    counts_again: bool = False,
) -> Tables:
    """Read the loaded history and the journal of a home, sorted by ``known_at``.

    Only the loads with a digest in ``only`` are read, and records up to the number ``upto``;
    default: all. Crossings have a column ``as_of`` (int64, UTC microseconds), the cut of their
    features. Seizures have a column ``is_load``, by the table of classes of goods that was in force
    when the seizure was recorded; of loaded ones, when the counters began from the loads, which is
    now where the caller ``counts_again``. If a crossing was decided on again after an amendment, it
    appears once, as first declared. If two rows have the identifier of one act or seizure, the
    later row corrects the earlier one: features use the correction from the time at which it was
    known, and labels use the last correction alone.
    """
    loaded, recorded = read_history(home, only=only), _read_recorded(connection, upto)
    _drop_lost_crossings(recorded, loaded)
    at = None if upto is None else _read_end(connection, upto)
    began_at = at if counts_again else read_beginning(connection)
    began_with = read_goods_classes(connection, at=began_at)
    codes = loaded.seizures["goods_class"].to_pylist()
    is_load = pa.array([began_with.teaches_load(code) for code in codes], IS_LOAD.type)
    crossings = loaded.crossings.append_column(_AS_OF, loaded.crossings["known_at"])
    acts = without_questions(loaded).inspections
    made = {name: loaded.table(name) for name in SCHEMAS}
    made |= {"crossings": crossings, "inspections": acts}
    made["seizures"] = loaded.seizures.append_column(IS_LOAD, is_load)
    network, digest = read_network_in_force(home, connection), loaded.digest
    del loaded, crossings, acts
    for name, table in made.items():
        by = [(column, "ascending") for column in ORDER[name]]
        if recorded[name].num_rows:
            made[name] = pa.concat_tables([table, recorded[name]]).sort_by(by).combine_chunks()
    goods = read_goods_classes(connection, at=at)
    return Tables(**made, network=network, digest=digest, goods=goods)


_LAST_KNOWN = select(func.max(JOURNAL.c.known_at)).where(JOURNAL.c.seq <= bindparam("upto"))


def _read_end(connection: Connection, upto: int) -> int:
    """Return the instant after which nothing of the records up to a number was known."""
    return (connection.scalar(_LAST_KNOWN, {"upto": upto}) or 0) + 1


def read_beginning(connection: Connection) -> int | None:
    """Return the instant from which on the counters count records; None without a load."""
    last = next(JournalReader(connection).records(HISTORY_LOADED, newest=1), None)
    return None if last is None else _read_end(connection, last.body["upto"])


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


def read_records(
    connection: Connection, *, after: int = 0, upto: int | None = None
) -> Iterator[JournalRecord[Any]]:
    """Return every record about a conveyance after a number."""
    last = [] if upto is None else [JOURNAL.c.seq <= upto]
    return JournalReader(connection).records(*KINDS, where=[JOURNAL.c.seq > after, *last])


def _read_recorded(connection: Connection, upto: int | None = None) -> dict[str, Any]:
    rows: dict[str, list[Row]] = {name: [] for name in SCHEMAS}
    seen: set[str] = set()
    policy = read_policy(connection)
    for record in read_records(connection, upto=upto):
        known_at, kind, body = record.known_at, record.kind, record.body
        if kind in (DECISION, CROSSING):
            arrival = Arrival.model_validate(body["arrival"], strict=False)
            if arrival.crossing.crossing_id not in seen:
                seen.add(arrival.crossing.crossing_id)
                as_of = body["inputs"]["as_of"] if kind == DECISION else known_at
                _add_arrival(rows, arrival, known_at, as_of=as_of, name=f"journal:{record.seq}")
        elif kind in (INSPECTION, INSPECTION_CORRECTED):
            act = Inspection.model_validate(body["inspection"], strict=False)
            rows["inspections"].append(to_row(act) | {"documents": [], "known_at": known_at})
        elif kind == SEIZURE_CORRECTED:
            stated = _restate_seizure(body) | {"known_at": known_at}
            rows["seizures"].append(stated | _judge_load(policy, stated))
        elif "pending_crossing_id" not in body:  # else it becomes known when it is confirmed
            found = Seizure.model_validate(body["seizure"], strict=False)
            link = {"known_at": known_at, "linked_crossing_id": body["linked_crossing_id"]}
            stated = to_row(found) | link
            rows["seizures"].append(stated | _judge_load(policy, stated))
    schemas = dict(SCHEMAS) | {
        "crossings": SCHEMAS["crossings"].append(_AS_OF),
        "seizures": SCHEMAS["seizures"].append(IS_LOAD),
    }
    return {name: pa.Table.from_pylist(rows[name], schema) for name, schema in schemas.items()}


def _judge_load(policy: PolicyHistory, stated: Row) -> Row:
    goods = policy.read_goods_classes(at=stated["known_at"])
    return {IS_LOAD.name: goods.teaches_load(stated["goods_class"])}


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
