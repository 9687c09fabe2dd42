"""Validation of rows of cells into columns of records.

There is one definition of each record: a file accepts a cell exactly if HTTP would accept its
value, and refuses it under the same rule name.

Whole columns are validated first. A row that passes there is a row that its record model accepts,
with the same values. A row that is not plain (an unusual time, a character beyond ASCII that is
rare) is not refused but left to the model, row by row, which alone says what is wrong. Values that
occur often are given to the model's own field once each.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache, reduce
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import ConfigDict, TypeAdapter, ValidationError

from engine.domain.field_types import (
    COMMA,
    FIRST_YEAR,
    NO_NAME,
    NOTHING,
    POWER,
    AnyIdentifier,
    AnyPost,
    AnyText,
    PrintableText,
    TextKind,
    is_nothing,
    is_placeholder,
)
from engine.domain.records import Record
from engine.domain.time_units import micros
from engine.domain.validation import bare, list_faults
from features.history.tables import MODELS, QUESTION, SCHEMAS
from features.intake.file_reader import (
    BETWEEN_MEMBERS,
    FileRows,
    PlainRows,
    Progress,
    RowFault,
    UnreadCell,
    layout,
)
from features.intake.mapped_rows import MappedRows

Mask = NDArray[np.bool_]
Prepare = Callable[[str], Any]
Check = Callable[[Any], tuple[Any, Mask]]
"""Takes cells, null where absent; returns their values, and which of them are accepted."""

_TIME = (
    r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[T ]([01]\d|2[0-3]):[0-5]\d:[0-5]\d"
    r"(\.\d{1,6})?(Z|[+-](0\d|1[0-4]):[0-5]\d)$"
)
_PLAUSIBLE = micros(datetime(FIRST_YEAR, 1, 2, tzinfo=UTC))
"""From here on a time has a plausible year, whatever its offset; the model looks at the rest."""
_LONGEST = ((AnyIdentifier, 64), (AnyPost, 16), (AnyText, 1000))
_NOTHING, _NO_NAME = pa.array(sorted(NOTHING)), pa.array(sorted(NO_NAME))
_NUMBER = r"^\d{1,12}(\.\d{1,12})?$"
_WHOLE = r"^(0|[1-9]\d{0,9})$"


@dataclass(frozen=True, slots=True)
class ValidatedRows:
    """Rows of one block: the values of those accepted, in the columns of the record."""

    rows: pa.RecordBatch
    accepted: Mask
    """Of the rows that were given."""
    gaps: Mapping[str, Mask] = field(default_factory=dict)
    """Of the rows that were given, those accepted whose cell is a placeholder, by field."""


class ColumnValidator:
    """Checks blocks of cells of one table, column by column."""

    def __init__(self, name: str, prepare: Mapping[str, Prepare]) -> None:
        """Take the table's name, and how cells of lists and truth values are read."""
        model = MODELS[name]
        hints = get_type_hints(model, include_extras=True)
        self._schema = pa.schema([SCHEMAS[name].field(column) for column in model.model_fields])
        self._checks = {
            column: _choose_check(
                hints[column], self._schema.field(column).type, prepare.get(column, str)
            )
            for column in model.model_fields
        }
        self._kinds: dict[str, TextKind] = {
            column: _find_kind(hints[column]) or "text" for column in model.model_fields
        }
        self._required = {n for n, info in model.model_fields.items() if info.is_required()}
        self._rules = [_BETWEEN[rule] for rule in model.__pydantic_decorators__.model_validators]

    def check(self, cells: pa.RecordBatch) -> ValidatedRows:
        """Return the rows of a block that are plainly valid; columns it lacks are absent."""
        n = cells.num_rows
        accepted = np.ones(n, np.bool_)
        columns = []
        gaps: dict[str, Mask] = {}
        for column in self._schema:
            given = cells.column(column.name) if column.name in cells.schema.names else None
            values, fits, missing = self._check_column(column, given, n)
            accepted &= fits
            columns.append(values)
            if missing is not None:
                gaps[column.name] = missing
        for rule in self._rules:
            accepted &= _mask(rule(dict(zip(self._schema.names, columns, strict=True))))
        gaps = {name: missing & accepted for name, missing in gaps.items()}
        if accepted.all():
            return ValidatedRows(pa.record_batch(columns, schema=self._schema), accepted, gaps)
        kept = pa.array(accepted)
        columns = [column.filter(kept) for column in columns]
        return ValidatedRows(pa.record_batch(columns, schema=self._schema), accepted, gaps)

    def _check_column(self, column: Any, cells: Any, n: int) -> tuple[Any, Mask, Mask | None]:
        """Return values, which are accepted, and which of those are missing by a placeholder."""
        is_list = pa.types.is_list(column.type)
        if cells is None and not is_list:
            fits = np.full(n, column.name not in self._required)
            return pa.nulls(n, column.type), fits, None
        cells = pa.nulls(n, pa.string()) if cells is None else cells  # an absent list is empty
        values, fits = self._checks[column.name](cells)
        if column.name in self._required:
            return values, fits & cells.is_valid().to_numpy(zero_copy_only=False), None
        if is_list or fits.all():
            return values, fits, None
        missing = _find_missing(cells, fits, self._kinds[column.name])
        values = pc.if_else(pa.array(missing), pa.scalar(None, column.type), values)
        return values, fits | missing, missing


@cache
def choose_validator(name: str) -> ColumnValidator | None:
    """Return the validator of a table; None where a rule between fields is unknown here."""
    if not _BETWEEN.keys() >= MODELS[name].__pydantic_decorators__.model_validators.keys():
        return None
    return ColumnValidator(name, layout(MODELS[name]).preparations)


def _choose_check(hint: Any, kind: Any, read: Prepare) -> Check:
    plain = bare(hint)
    adapter: TypeAdapter[Any] = TypeAdapter(hint, config=ConfigDict(strict=True))
    longest, text_kind = _find_longest(hint), _find_kind(hint)
    if longest is not None:
        return lambda cells: _check_text(cells, longest, text_kind)
    if plain is datetime:
        return _check_times
    bounds = _find_bounds(adapter) if plain in (float, int) else None
    if bounds is not None:
        shape = _NUMBER if plain is float else _WHOLE
        return lambda cells: _check_numbers(cells, shape, kind, bounds=bounds)
    if get_origin(plain) is tuple:
        member = _choose_check(_add(get_args(plain)[0], hint), pa.string(), str)
        most = adapter.json_schema()["maxItems"]
        return lambda cells: _check_lists(cells, member, most)
    return lambda cells: _check_distinct(cells, adapter, read, kind)


def _find_longest(hint: Any) -> int | None:
    """Return how long a printable text may be; None for any other type."""
    inner = get_args(hint)
    for text, longest in _LONGEST:
        if inner[: len(get_args(text))] == get_args(text):
            return longest
    return _find_longest(inner[0]) if inner and get_origin(hint) is not tuple else None


def _find_kind(hint: Any) -> TextKind | None:
    """Return of which kind the texts of a field are, None where it has no placeholders."""
    found = (one.kind for one in get_args(hint)[1:] if isinstance(one, PrintableText))
    return next(found, None)


def _add(member: Any, hint: Any) -> Any:
    """Return the type of a list's members with the placeholders of the list."""
    kind = _find_kind(hint)
    return member if kind is None else Annotated[member, PrintableText(kind)]


def _find_missing(cells: Any, fits: Mask, kind: TextKind) -> Mask:
    """Return which cells that do not fit are placeholders."""
    missing = ~fits
    at = np.flatnonzero(missing)
    distinct = cells.take(pa.array(at)).dictionary_encode()
    found = [is_placeholder(text, kind) for text in distinct.dictionary.to_pylist()]
    missing[at] = np.array(found)[distinct.indices.to_numpy()]
    return missing


def _find_bounds(adapter: TypeAdapter[Any]) -> tuple[float, float] | None:
    """Return between what a number lies, ends included; None where an end is not."""
    schema = adapter.json_schema()
    number = next(one for one in schema.get("anyOf", [schema]) if one["type"] != "null")
    if not number.keys() >= {"minimum", "maximum"}:
        return None
    return number["minimum"], number["maximum"]


def _check_text(cells: Any, longest: int, kind: TextKind | None) -> tuple[Any, Mask]:
    fits = pc.and_(pc.ascii_is_printable(cells), pc.less_equal(pc.binary_length(cells), longest))
    accepted = _mask(fits)
    if not accepted.all():
        rest = np.flatnonzero(~accepted)
        distinct = cells.take(pa.array(rest)).dictionary_encode()
        good = [t.isprintable() and len(t) <= longest for t in distinct.dictionary.to_pylist()]
        accepted[rest] = np.array(good)[distinct.indices.to_numpy()]
    if kind is not None:
        accepted &= ~_may_be_missing(cells, kind)
    return cells, accepted


def _may_be_missing(cells: Any, kind: TextKind) -> Mask:
    """Return which cells are placeholders, and some others that the model has to look at."""
    found = pc.is_in(cells, value_set=_NOTHING if kind == "text" else _NO_NAME)
    if kind != "text":
        found = pc.or_(found, pc.match_substring(cells, POWER))
    if kind == "member":
        found = pc.or_(found, pc.match_substring(cells, COMMA))
    return _mask(found, absent=False)


def _check_times(cells: Any) -> tuple[Any, Mask]:
    accepted = _mask(pc.match_substring_regex(cells, _TIME))
    plain = cells if accepted.all() else pc.if_else(pa.array(accepted), cells, None)
    try:
        times = plain.cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    except pa.ArrowInvalid:  # a day that its month does not have
        return pa.nulls(len(cells), pa.int64()), _mask(cells.is_null())
    return times, accepted & _mask(pc.greater_equal(times, _PLAUSIBLE))


def _check_numbers(
    cells: Any, shape: str, kind: Any, *, bounds: tuple[float, float]
) -> tuple[Any, Mask]:
    accepted = _mask(pc.match_substring_regex(cells, shape))
    plain = cells if accepted.all() else pc.if_else(pa.array(accepted), cells, None)
    values = plain.cast(kind)
    within = pc.and_(pc.greater_equal(values, bounds[0]), pc.less_equal(values, bounds[1]))
    return values, accepted & _mask(within)


def _check_lists(cells: Any, member: Check, most: int) -> tuple[Any, Mask]:
    """Check the members of lists as one column; an absent list is empty."""
    lists = pc.split_pattern(cells, BETWEEN_MEMBERS)
    sizes = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    flat = pc.list_flatten(lists)
    values, fits = member(flat)
    fits &= _mask(pc.greater(pc.binary_length(flat), 0))
    ends = np.r_[0, sizes.cumsum()]
    refused = np.r_[0, (~fits).cumsum()][ends]
    rows = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), values)
    return rows, (refused[1:] == refused[:-1]) & (sizes <= most)


def _check_distinct(
    cells: Any, adapter: TypeAdapter[Any], read: Prepare, kind: Any
) -> tuple[Any, Mask]:
    """Give each distinct cell to the field of the model."""
    coded = cells.dictionary_encode()
    absent = () if pa.types.is_list(kind) else None
    values: list[Any] = []
    good: list[bool] = []
    for cell in coded.dictionary.to_pylist():
        try:
            values.append(adapter.validate_python(read(cell), strict=False))
            good.append(True)
        except ValidationError:
            values.append(absent)
            good.append(False)
    which = coded.indices.fill_null(len(values))
    return (
        pa.array([*values, absent], kind).take(which),
        np.array([*good, True])[which.to_numpy()],
    )


def _is_recorded_after_start(columns: Mapping[str, Any]) -> Any:
    return pc.greater_equal(columns["recorded_at"], columns["started_at"])


def _names_vehicle(columns: Mapping[str, Any]) -> Any:
    return pc.or_(columns["crossing_id"].is_valid(), columns["plate"].is_valid())


def _names_no_class(columns: Mapping[str, Any]) -> Any:
    """Leave finds with a class or an amount to the model: their fields complete one another."""
    absent = (columns[name].is_null() for name in ("goods_class", "amount", "unit"))
    return reduce(pc.and_, absent)


def _assesses_nothing(columns: Mapping[str, Any]) -> Any:
    absent = pc.and_(columns["duty_assessed"].is_null(), columns["currency"].is_null())
    return pc.and_(absent, pc.equal(pc.list_value_length(columns["discrepancy_kinds"]), 0))


def _asks_until(columns: Mapping[str, Any]) -> Any:
    return pc.equal(pc.equal(columns["outcome"], QUESTION), columns["due_at"].is_valid())


_BETWEEN: Mapping[str, Callable[[Mapping[str, Any]], Any]] = MappingProxyType(
    {
        "_recorded_after_start": _is_recorded_after_start,
        "_assessed": _assesses_nothing,
        "_require_due_day": _asks_until,
        "_linked": _names_vehicle,
        "_classed": _names_no_class,
    }
)
"""Rules between the fields of a record, by the name of the model's own: which rows keep them."""


def _mask(fits: Any, *, absent: bool = True) -> Mask:
    """Return which cells fit; absent ones do unless ``absent`` is False."""
    found: Mask = pc.fill_null(fits, absent).to_numpy(zero_copy_only=False).astype(np.bool_)
    return found


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
            pa.array(
                [None if time is None else micros(time) for time in column]
                if at in self._times
                else column,
                field.type,
            )
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
    found += add_rows(builder, rows)
    return builder.part([*rows.faults, *found]), rows.seen


def add_rows(builder: TableBuilder, rows: FileRows | MappedRows) -> list[RowFault]:
    """Add the valid rows of a source that are left in it; return the faults of the others."""
    found: list[RowFault] = []
    for lines, chunk in rows:
        valid, kept, faults = _validate(builder, rows.name, chunk, lines=lines)
        builder.add(valid, rows.name, lines=kept)
        found += faults
    return found


def _add_block(
    builder: TableBuilder, columns: ColumnValidator, rows: FileRows, block: PlainRows
) -> list[RowFault]:
    """Add the valid rows of a block in the order of the file; return the faults of the others."""
    file, checked = rows.name, columns.check(block.cells)
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
        cell = cells.get(name, "")
        if isinstance(cell, UnreadCell):
            rule, message = cell.rule, cell.message
        elif _UNDECODED.search(str(cell)):
            rule, message = "bad_encoding", "holds bytes that are not UTF-8"
        found.append(RowFault(file, line, name, rule, message))
    return list(dict.fromkeys(found))


def _where(file: str | Sequence[str], lines: Sequence[int] | NDArray[np.int64]) -> Any:
    is_one = isinstance(file, str)
    files = pa.repeat(file, len(lines)) if is_one else pa.array(file, pa.string())
    return pa.table({"file": files, "line": pa.array(lines, pa.int64())})
