"""Validation of rows of cells into columns of records, row by row by the record models.

Stands on one definition of each record: a file accepts a cell exactly where HTTP would accept its
value, and refuses it under the same rule name.
"""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import ValidationError

from engine.domain.records import Record
from engine.domain.time_units import micros
from engine.domain.validation import bare, list_faults
from features.history.tables import MODELS, SCHEMAS
from features.intake.file_reader import FileRows, Progress, RowFault, layout

_UNDECODED = re.compile("[\udc80-\udcff]")


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

    def keep(
        self, mask: NDArray[np.bool_], field: str, *, rule: str, message: str
    ) -> "ValidatedTable":
        """Return the table without the rows whose ``mask`` (bool, shape (n_rows,)) is False.

        Each of them becomes a fault of this field, rule and message.
        """
        if mask.all():
            return self
        faults = tuple(
            RowFault(row["file"], row["line"], field, rule, message)
            for row in self.where.filter(pa.array(~mask)).to_pylist()
        )
        kept = pa.array(mask)
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


class TableBuilder:
    """Collects the valid records of one table into columns, chunk by chunk."""

    def __init__(self, name: str) -> None:
        model = MODELS[name]
        self.name = name
        self.validate: Callable[..., Record] = model.__pydantic_validator__.validate_python
        self._schema = pa.schema([SCHEMAS[name].field(column) for column in model.model_fields])
        fields = enumerate(model.model_fields.values())
        self._times = {at for at, info in fields if bare(info.annotation) is datetime}
        self._batches: list[Any] = []
        self._where: list[Any] = []

    def add(
        self, records: Sequence[Record], file: str | Sequence[str], *, lines: Sequence[int]
    ) -> None:
        """Take one chunk of valid records of one file, or each of its own; one line a record."""
        if not records:
            return
        # A validated record holds its fields in the order of the model; a test holds us to it.
        columns = zip(*[vars(record).values() for record in records], strict=True)
        arrays = [
            pa.array(_micros(column) if at in self._times else column, field.type)
            for at, (field, column) in enumerate(zip(self._schema, columns, strict=True))
        ]
        self._batches.append(pa.record_batch(arrays, schema=self._schema))
        self._where.append(_where(file, lines))

    def part(self, faults: Sequence[RowFault] = ()) -> ValidatedTable:
        """Return what was collected."""
        rows = pa.Table.from_batches(self._batches, self._schema).combine_chunks()
        where = pa.concat_tables([_where("", ()), *self._where])
        return ValidatedTable(self.name, rows, where, tuple(faults))


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
    validate = builder.validate
    found: list[RowFault] = []
    for lines, chunk in rows:
        valid: list[Record] = []
        kept: list[int] = []
        for line, cells in zip(lines, chunk, strict=True):
            try:
                valid.append(validate(cells, strict=False))
            except ValidationError as error:
                found.append(fault(path.name, line, error=error, cells=cells))
            else:
                kept.append(line)
        builder.add(valid, path.name, lines=kept)
    return builder.part([*rows.faults, *found]), rows.seen


def fault(file: str, line: int, *, error: ValidationError, cells: dict[str, Any]) -> RowFault:
    """Return the first fault of a row, in the order of the record's fields."""
    where, rule, message = list_faults(error)[0]
    field = str(where[0])
    if _UNDECODED.search(str(cells.get(field, ""))):
        return RowFault(file, line, field, "bad_encoding", "holds bytes that are not UTF-8")
    return RowFault(file, line, field, rule, message)


def _micros(column: Sequence[Any]) -> list[int | None]:
    return [None if time is None else micros(time) for time in column]


def _where(file: str | Sequence[str], lines: Sequence[int]) -> Any:
    is_one = isinstance(file, str)
    files = pa.repeat(file, len(lines)) if is_one else pa.array(file, pa.string())
    return pa.table({"file": files, "line": pa.array(lines, pa.int64())})
