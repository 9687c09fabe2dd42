"""Validation of rows of cells into columns of records, row by row by the record models.

Stands on one definition of each record: a file accepts a cell exactly where HTTP would accept its
value, and refuses it under the same rule name.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, get_origin

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import ValidationError

from engine.domain.placeholders import is_nothing
from engine.domain.records import Record
from engine.domain.time_units import micros
from engine.domain.validation import bare, list_faults
from features.history.tables import MODELS, SCHEMAS
from features.intake.column_validation import ColumnValidator, choose_validator
from features.intake.file_reader import FileRows, Progress, RowFault, layout
from features.intake.plain_rows import PlainRows

_UNDECODED = re.compile("[\udc80-\udcff]")
_NO_NUMBER = object()


@dataclass(frozen=True, slots=True)
class DataGaps:
    """Lines of a file on which a field holds a placeholder: a value that is missing."""

    file: str
    field: str
    lines: Sequence[int] | NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ValidatedTable:
    """The rows of one table that are still valid, where each came from, and the faults of the rest.

    ``rows`` has the fields of the record (no ``known_at`` yet); ``where`` has one row for each of
    its rows, columns ``file`` and ``line``.
    """

    name: str
    rows: Any
    where: Any
    faults: tuple[RowFault, ...] = ()
    gaps: tuple[DataGaps, ...] = ()

    def keep(self, *rules: "RowRule") -> "ValidatedTable":
        """Return the table with the rows that keep all rules; each breach is a fault."""
        broken = [rule for rule in rules if not rule.kept.all()]
        if not broken:
            return self
        faults = tuple(
            RowFault(row["file"], row["line"], rule.field, rule.name, rule.message)
            for rule in broken
            for row in self.where.filter(pa.array(~rule.kept)).to_pylist()
        )
        kept = pa.array(np.logical_and.reduce([rule.kept for rule in broken]))
        return replace(
            self,
            rows=self.rows.filter(kept),
            where=self.where.filter(kept),
            faults=self.faults + faults,
        )

    def strings(self, *columns: str) -> Any:
        """Return one string column, or several joined by a character no identifier holds."""
        if len(columns) == 1:
            return self.rows[columns[0]].combine_chunks()
        cells = [self.rows[column].combine_chunks().cast(pa.string()) for column in columns]
        return pc.binary_join_element_wise(*cells, "\n")


@dataclass(frozen=True, slots=True)
class RowRule:
    """Which rows of a table keep a rule, bool of shape (n_rows,), and how a breach is named."""

    kept: NDArray[np.bool_]
    field: str
    name: str
    message: str


class CheckedRow(NamedTuple):
    """The cells of one row as a record, or every fault of them."""

    record: Record | None = None
    faults: Sequence[RowFault] = ()
    gaps: Sequence[str] = ()
    """Fields whose cell holds a placeholder."""


class TableBuilder:
    """Collects the valid records of one table into columns, chunk by chunk."""

    def __init__(self, name: str) -> None:
        model = MODELS[name]
        self.name = name
        self.validate: Callable[..., Record] = model.__pydantic_validator__.validate_python
        self._schema = pa.schema([SCHEMAS[name].field(column) for column in model.model_fields])
        fields = enumerate(model.model_fields.values())
        self._times = {at for at, info in fields if bare(info.annotation) is datetime}
        kinds = {name: bare(info.annotation) for name, info in model.model_fields.items()}
        self._numbers = tuple(name for name, kind in kinds.items() if kind in (int, float))
        self._lists = tuple(name for name, kind in kinds.items() if get_origin(kind) is tuple)
        self._optional = {n for n, info in model.model_fields.items() if not info.is_required()}
        self._batches: list[Any] = []
        self._where: list[Any] = []
        self._gaps: list[DataGaps] = []

    def read_whole(self, cells: Mapping[str, Any]) -> Record | None:
        """Return the record of a row that has no fault and no placeholder, as most rows have none.

        A check of each would take half as long again.
        """
        try:
            record = self.validate(cells, strict=False)
        except ValidationError:
            return None
        values = vars(record)
        if None in map(values.__getitem__, cells):
            return None
        for name in self._numbers:
            if _is_grouped(cells.get(name)):
                return None
        for name in self._lists:
            if name in cells and len(values[name]) < len(cells[name]):
                return None
        return record

    def check(self, file: str, line: int, cells: Mapping[str, Any]) -> CheckedRow:
        """Validate the cells of a row; a placeholder in an optional field is a missing value."""
        try:
            record = self.validate(cells, strict=False)
        except ValidationError as error:
            found = faults_of(file, line, error=error, cells=cells)
            dropped = {one.field for one in found if is_nothing(cells.get(one.field))}
            if dropped & self._optional:
                return self._check_without(file, line, cells, dropped=dropped & self._optional)
            return CheckedRow(faults=found)
        if grouped := {n for n in self._numbers if _is_grouped(cells.get(n))}:
            return self._check_without(file, line, cells, dropped=grouped)
        values = vars(record)
        gaps = [name for name in cells if values[name] is None and cells[name] is not None]
        gaps += [n for n in self._lists if n in cells and len(values[n]) < len(cells[n])]
        return CheckedRow(record, (), gaps)

    def _check_without(
        self, file: str, line: int, cells: Mapping[str, Any], *, dropped: Set[str]
    ) -> CheckedRow:
        rest = {name: cell for name, cell in cells.items() if name not in dropped}
        # A required number must not look as if it were absent.
        rest |= dict.fromkeys(dropped - self._optional, _NO_NUMBER)
        checked = self.check(file, line, rest)
        return checked._replace(gaps=[*checked.gaps, *(dropped & self._optional)])

    def note_gaps(self, file: str, gaps: Mapping[str, Sequence[int] | NDArray[np.int64]]) -> None:
        """Note on which lines, of shape (n,), the cells of these fields are placeholders."""
        self._gaps += [DataGaps(file, field, lines) for field, lines in gaps.items()]

    def add(
        self, records: Sequence[Record], file: str | Sequence[str], *, lines: Sequence[int]
    ) -> None:
        """Take one chunk of valid records of one file, or each of its own; one line a record."""
        if records:
            self._batches.append(self.to_columns(records))
            self._where.append(_where(file, lines))

    def add_columns(self, rows: pa.RecordBatch, file: str, *, lines: NDArray[np.int64]) -> None:
        """Take the rows of one block of one file as columns; ``lines`` has the shape (rows,)."""
        self._batches.append(rows)
        self._where.append(_where(file, lines))

    def to_columns(self, records: Sequence[Record]) -> pa.RecordBatch:
        """Return valid records as columns."""
        # A validated record holds its fields in the order of the model; a test holds us to it.
        rows = [vars(record).values() for record in records]
        columns = zip(*rows, strict=True) if rows else [()] * len(self._schema)
        arrays = [
            pa.array(_micros(column) if at in self._times else column, field.type)
            for at, (field, column) in enumerate(zip(self._schema, columns, strict=True))
        ]
        return pa.record_batch(arrays, schema=self._schema)

    def part(self, faults: Sequence[RowFault] = ()) -> ValidatedTable:
        """Return what was collected."""
        rows = pa.Table.from_batches(self._batches, self._schema).combine_chunks()
        where = pa.concat_tables([_where("", ()), *self._where])
        return ValidatedTable(self.name, rows, where, tuple(faults), tuple(self._gaps))


def read_part(
    name: str, path: Path, *, ignored: Collection[str] = (), progress: Progress | None = None
) -> tuple[ValidatedTable, int]:
    """Read and validate one contract file; return its table and how many rows were read.

    ``name`` is a key of ``features.history.tables.MODELS``, the file ``.csv`` or ``.parquet``.
    Columns in ``ignored`` may be there and are not read. ``progress`` is called with the file's
    name, the bytes or rows done and their total. The table has valid rows in file order, and one
    fault for each other row. Raises InputError where the header or the file as a whole cannot be
    read.
    """
    rows = FileRows(path, layout(MODELS[name]), ignored=ignored, progress=progress)
    builder = TableBuilder(name)
    found: list[RowFault] = []
    columns = choose_validator(name)
    if columns is not None:
        for block in rows.plain_rows():
            found += _add_block(builder, columns, rows, block)
    for lines, chunk in rows:
        valid, kept, faults = _validate(builder, path.name, chunk, lines=lines)
        builder.add(valid, path.name, lines=kept)
        found += faults
    return builder.part([*rows.faults, *found]), rows.seen


def _add_block(
    builder: TableBuilder, columns: ColumnValidator, rows: FileRows, block: PlainRows
) -> list[RowFault]:
    """Add the valid rows of a block in the order of the file; return the faults of the others."""
    file, checked = rows.path.name, columns.check(block.cells)
    builder.note_gaps(file, {name: block.lines[mask] for name, mask in checked.gaps.items()})
    if checked.accepted.all():
        builder.add_columns(checked.rows, file, lines=block.lines)
        return []
    left = pa.array(~checked.accepted)
    names = block.cells.schema.names
    chunk = [
        {name: cell for name, cell in zip(names, row, strict=True) if cell is not None}
        for row in zip(*(c.filter(left).to_pylist() for c in block.cells.columns), strict=True)
    ]
    rows.split(chunk)
    lines = block.lines[~checked.accepted].tolist()
    valid, kept, faults = _validate(builder, file, chunk, lines=lines)
    by_row = builder.to_columns(valid)
    at = np.r_[block.lines[checked.accepted], np.array(kept, np.int64)]
    order = np.argsort(at)
    joined = pa.Table.from_batches([checked.rows, by_row]).take(pa.array(order)).combine_chunks()
    for batch in joined.to_batches():
        builder.add_columns(batch, file, lines=at[order])
    return faults


def _validate(
    builder: TableBuilder, file: str, chunk: Sequence[dict[str, Any]], *, lines: Sequence[int]
) -> tuple[list[Record], list[int], list[RowFault]]:
    """Return the valid records of some rows with their lines, and the faults of the others."""
    valid: list[Record] = []
    kept: list[int] = []
    found: list[RowFault] = []
    gaps: dict[str, list[int]] = {}
    for line, cells in zip(lines, chunk, strict=True):
        record = builder.read_whole(cells)
        if record is None:
            record, faults, missing = builder.check(file, line, cells)
            found += faults
            for name in missing:
                gaps.setdefault(name, []).append(line)
        if record is not None:
            valid.append(record)
            kept.append(line)
    builder.note_gaps(file, gaps)
    return valid, kept, found


def _is_grouped(cell: Any) -> bool:
    """Tell whether digits of a number are in groups, which pydantic would read."""
    return cell.__class__ is str and "_" in cell


def faults_of(
    file: str, line: int, *, error: ValidationError, cells: Mapping[str, Any]
) -> list[RowFault]:
    """Return the faults of a row, one for each field and rule, in the order of the fields."""
    found = []
    for where, rule, message in list_faults(error):
        name = str(where[0])
        if _UNDECODED.search(str(cells.get(name, ""))):
            rule, message = "bad_encoding", "holds bytes that are not UTF-8"
        found.append(RowFault(file, line, name, rule, message))
    return list(dict.fromkeys(found))


def _micros(column: Sequence[Any]) -> list[int | None]:
    return [None if time is None else micros(time) for time in column]


def _where(file: str | Sequence[str], lines: Sequence[int] | NDArray[np.int64]) -> Any:
    is_one = isinstance(file, str)
    files = pa.repeat(file, len(lines)) if is_one else pa.array(file, pa.string())
    return pa.table({"file": files, "line": pa.array(lines, pa.int64())})
