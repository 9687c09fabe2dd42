"""The loaded history of a home, in validated columns.

Stands on one assumption: a row is visible to features by its ``known_at`` alone. Everything here
was validated by the record models on its way in (:mod:`features.intake.load`): no need to check
again.

Columns are derived from :mod:`engine.domain.records`: a field added to a record appears here by
itself. Times are int64 UTC microseconds, lists are list<string>, quantities float64, counts int64.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from types import MappingProxyType, NoneType
from typing import Any, Literal, get_args, get_origin

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.domain.network import Network, read_home_network
from engine.domain.records import (
    Crossing,
    DeclarationHead,
    GoodsItemRow,
    Inspection,
    Record,
    Seizure,
)
from engine.domain.validation import bare
from engine.storage.home import Home
from features.history.linking import derive_known_times

MODELS: Mapping[str, type[Record]] = MappingProxyType(
    {
        "crossings": Crossing,
        "declarations": DeclarationHead,
        "goods_items": GoodsItemRow,
        "inspections": Inspection,
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


_ADDED = {
    "crossings": (_KNOWN_AT,),
    "inspections": (_KNOWN_AT,),
    "seizures": (_KNOWN_AT, pa.field("linked_crossing_id", pa.string())),
}
SCHEMAS: Mapping[str, Any] = MappingProxyType(
    {name: _schema(model, *_ADDED.get(name, ())) for name, model in MODELS.items()}
)
"""pyarrow schema of each table of :class:`Tables`."""
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
    crossings : Table of shape (n_crossings, 21)
        Fields of ``Crossing``, and ``known_at`` = max(arrived_at, recorded_at). Sorted by known_at,
        then crossing_id, as every table with a ``known_at`` is.
    declarations : Table of shape (n_declarations, 22)
        Fields of ``DeclarationHead``, sorted by declaration_id, which is unique.
    goods_items : Table of shape (n_items, 13)
        Fields of ``GoodsItemRow``, sorted by declaration_id, then item_no.
    inspections : Table of shape (n_inspections, 13)
        Fields of ``Inspection``, and ``known_at`` = recorded_at, never before its crossing's.
    seizures : Table of shape (n_seizures, 14)
        Fields of ``Seizure``, ``known_at`` (never before its crossing's), and
        ``linked_crossing_id``: the crossing it belongs to, null for none.
    network : Network
        The posts; empty where no network file was given.
    digest : str
        Digest of the content; equal histories have equal digests whatever the order of their files.
    """

    crossings: Any
    declarations: Any
    goods_items: Any
    inspections: Any
    seizures: Any
    network: Network
    digest: str

    def table(self, name: str) -> Any:
        """Return one table by its name in ``SCHEMAS``."""
        if name not in SCHEMAS:
            raise KeyError(name)
        return getattr(self, name)


def arrange_table(name: str, table: Any) -> Any:
    """Return a table with the columns and in the order of its history.

    A caller that keeps no table of its own has none of its columns in memory twice but one.
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

    Tables are hashed by name, then column by column; the order of rows counts.
    """
    state = sha256()
    for name in sorted(tables):
        rows = tables[name].num_rows
        for field in tables[name].schema:
            state.update(f"{name}.{field.name}:{field.type}:{rows}\n".encode())
            for part in _buffers(tables[name][field.name].combine_chunks()):
                state.update(part)
    return state.hexdigest()


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
    Raises HomeError where the home's network file cannot be read.
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
    """Return the rows of one table that some loads brought, in no particular order."""
    files = [
        path
        for digest in digests
        for path in sorted((home.history / digest / name).glob("*.parquet"))
    ]
    read = [
        pq.ParquetFile(path, memory_map=True).read().select(SCHEMAS[name].names).cast(SCHEMAS[name])
        for path in files
    ]
    return pa.concat_tables([SCHEMAS[name].empty_table(), *read])


def absent_column(kind: Any, rows: int) -> Any:
    """Return a column of rows without a value: nulls, or empty lists."""
    if pa.types.is_list(kind):
        offsets = pa.array(np.zeros(rows + 1, np.int32))
        return pa.ListArray.from_arrays(offsets, pa.array([], pa.string()))
    return pa.nulls(rows, kind)
