"""Rows of an office's tables as cells of the contract, by a mapping.

A mapping reads rows and judges none. Each cell becomes what a file of the contract would hold
(docs/data.md) or is marked as unread; :mod:`features.intake.row_validation` alone accepts and
refuses. Nothing is guessed: decimal marks, orders of dates, time zones and codes hold as the
mapping states them, and a cell that is written otherwise is a fault of its row.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, get_origin

from engine.domain.field_types import is_nothing
from engine.domain.network import open_time_zone
from engine.domain.validation import bare
from engine.errors import InputError
from features.history.tables import MODELS
from features.intake.file_reader import (
    Progress,
    RowFault,
    UnreadCell,
    cut_chunks,
    name_width_fault,
    read_flag,
)
from features.intake.mapping import (
    NATIONAL_KINDS,
    CellForm,
    MappedColumn,
    MappedTable,
    MappingFile,
    TableName,
)
from features.intake.office_tables import OfficeTable, Row, is_empty, open_tables

MOST_DIGITS = 15
"""Digits of a number that a spreadsheet keeps."""
_LOCAL = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{1,6})?")
_SPACES = re.compile("[ \u00a0\u202f]")


class MappedRows:
    """Rows of one table of an office as cells of the contract, with the line of each.

    Iterate for chunks of (lines, cells), then ask ``faults`` and ``seen``; ``name`` is that of the
    file in faults and counts. Raises InputError for a column that the table does not have.
    """

    def __init__(
        self,
        mapping: MappingFile,
        name: TableName,
        source: OfficeTable,
        *,
        progress: Progress | None = None,
    ) -> None:
        self.name = source.name
        self.faults: list[RowFault] = []
        self.seen = 0
        self._mapping = mapping
        self._table: MappedTable = getattr(mapping, name)
        self._kinds = {n: bare(f.annotation) for n, f in MODELS[name].model_fields.items()}
        self._source, self._progress = source, progress
        self._at = name

    def __iter__(self) -> Iterator[tuple[list[int], list[dict[str, Any]]]]:
        rows = iter(self._source.rows)
        names = [self._name_column(cell) for cell in next(rows, (0, ()))[1]]
        table = self._table
        fields = [
            self._open(names, f"columns.{name}", self._kinds[name], column)
            for name, column in table.columns.items()
        ]
        fields += [
            self._open(names, f"national.{name}", NATIONAL_KINDS[column.type], column)
            for name, column in table.national.items()
        ]
        yield from cut_chunks(self._read_rows(names, rows, fields), self._tell)

    def _read_rows(
        self, names: Sequence[str], rows: Iterator[tuple[int, Row]], fields: Sequence["CellReader"]
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        is_of_table = self._choose_filter(names, fields)
        for line, row in rows:
            if self._source.is_ragged(row, len(names)):
                self.seen += 1
                self.faults.append(name_width_fault(self.name, line, row))
            elif is_of_table(row):
                self.seen += 1
                yield line, _read_cells(fields, row)

    def _choose_filter(
        self, names: Sequence[str], fields: Sequence["CellReader"]
    ) -> Callable[[Sequence[Any]], bool]:
        """Return what tells whether a row is one of the table: by ``when`` and ``distinct``."""
        table = self._table
        when = [] if table.when is None else self._place(names, (table.when,), "when")
        used = sorted({place for one in fields for place in one.places})
        known: set[tuple[Any, ...]] = set()

        def is_of_table(row: Sequence[Any]) -> bool:
            if any(place >= len(row) or is_empty(row[place]) for place in when):
                return False
            if not table.distinct:
                return True
            before = len(known)
            known.add(tuple(str(row[place]) for place in used if place < len(row)))
            return len(known) > before

        return is_of_table

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(self.name, self.seen, self.seen)

    def _place(self, names: Sequence[str], wanted: Sequence[str], at: str) -> list[int]:
        wanted = [self._name_column(column) for column in wanted]
        for column in wanted:
            if (times := names.count(column)) != 1:
                why = "is there twice" if times else "is not there"
                raise InputError(
                    self.name, f"{self._at}.{at}: column {column!r} {why} (unknown_column)"
                )
        return [names.index(column) for column in wanted]

    def _name_column(self, cell: Any) -> str:
        """Return the name of a column in one line, with single spaces."""
        name = " ".join(str(cell).split()) if cell is not None else ""
        return name.casefold() if self._source.is_query else name

    def _open(self, names: Sequence[str], at: str, kind: Any, column: MappedColumn) -> "CellReader":
        return CellReader(
            group=at.partition(".")[0],
            name=at.partition(".")[2],
            places=self._place(names, column.column, at),
            kind=kind,
            column=column,
            codes={} if column.constant is not None else self._mapping.choose_codes(column),
            form=_settle(column, self._table, self._mapping),
        )


def _read_cells(fields: Sequence["CellReader"], row: Sequence[Any]) -> dict[str, Any]:
    """Return the cells of a row as a file of the contract has them, national fields in one."""
    found: dict[str, dict[str, Any]] = {"columns": {}, "national": {}}
    for field in fields:
        if (cell := field.read(row)) is not None:
            found[field.group][field.name] = cell
    if not found["national"]:
        return found["columns"]
    for name, cell in found["national"].items():
        if isinstance(cell, UnreadCell):
            why = UnreadCell(cell.rule, f"{name} {cell.message}")
            return found["columns"] | {"national": why}
    return found["columns"] | {"national": found["national"]}


def _settle(*forms: CellForm) -> CellForm:
    """Return the form of a column: what is stated first, from the column to the file."""
    stated: dict[str, Any] = {}
    for form in forms:
        for name in CellForm.model_fields:
            if (value := getattr(form, name)) is not None:
                stated.setdefault(name, value)
    return CellForm(**stated)


@dataclass(frozen=True, slots=True, kw_only=True)
class CellReader:
    """Reads the cells of one field as a file of the contract would hold its value."""

    group: str
    """``columns`` or ``national``."""
    name: str
    places: Sequence[int]
    """Of its cells in a row."""
    kind: Any
    column: MappedColumn
    codes: Mapping[str, str]
    form: CellForm

    def read(self, row: Sequence[Any]) -> Any:
        """Return the value of one row, None where all its cells are empty."""
        if self.column.constant is not None:
            return self._read_cells([str(self.column.constant)])
        cells = [row[place] for place in self.places if place < len(row)]
        return self._read_cells([c.strip() if isinstance(c, str) else c for c in cells])

    def _read_cells(self, cells: list[Any]) -> Any:
        cells = [cell for cell in cells if not is_empty(cell)]
        if not cells:
            return None
        if get_origin(self.kind) is tuple:
            return self._read_list(cells)
        cell = cells[0] if len(cells) == 1 else self.column.join.join(map(read_text, cells))
        if self.kind is datetime:
            return read_time(cell, self.form)
        if self.codes or self.kind not in (int, float):
            cell = self._read_code(read_text(cell))
        if isinstance(cell, UnreadCell) or self.kind not in (int, float, bool):
            return cell
        if self.kind is not bool:
            cell = read_number(cell, self.form, self.column.factor)
        else:
            cell = read_flag(cell)
        return cell if self.group == "columns" else _settle_type(cell, self.kind)

    def _read_list(self, cells: list[Any]) -> Any:
        members: list[Any] = []
        for cell in cells:
            whole = cell if isinstance(cell, list) else read_text(cell).split(self.column.separator)
            members += [self._read_code(read_text(one).strip()) for one in whole]
        unread = (member for member in members if isinstance(member, UnreadCell))
        return next(unread, members)

    def _read_code(self, text: str) -> str | UnreadCell:
        if self.codes and not is_nothing(text):
            known = self.codes.get(text, text if self.column.keep else self.column.otherwise)
            if known is None:
                return UnreadCell("unknown_enumeration", "no code table of the mapping holds it")
            text = known
        if self.column.digits is not None and text.isdecimal():
            return text.zfill(self.column.digits)
        return text


def _settle_type(cell: Any, kind: type) -> Any:
    """Return a national field's number or truth value: no record says of which type it is."""
    if isinstance(cell, UnreadCell | bool) or is_nothing(cell):
        return cell
    try:
        return kind(cell) if kind is float else UnreadCell("not_a_boolean", "is not true or false")
    except ValueError:
        return None  # digits in groups are missing, as in the contract's numbers


def read_text(cell: Any) -> str:
    """Return a cell as text: whole numbers as their digits, if a spreadsheet keeps them all.

    >>> read_text(8062010.0), read_text(4e17), read_text(True), read_text("A 1")
    ('8062010', '4E+17', 'true', 'A 1')
    """
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, int | float | Decimal):
        number = Decimal(str(cell))
        if number.is_finite() and number == number.to_integral_value():
            # A longer number has lost digits: as in scientific notation, it is a placeholder.
            is_whole = isinstance(cell, int | Decimal) or abs(number) < 10**MOST_DIGITS
            return f"{number:.0f}" if is_whole else f"{number.normalize():E}"
        return str(cell)
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "surrogateescape")
    return str(cell)


def read_number(cell: Any, form: CellForm, factor: Decimal) -> Any:
    """Return a number as text with a decimal point, times the factor, computed in decimals.

    A text that is no such number is returned as it is where the validator refuses it or takes it
    for missing, else as an ``UnreadCell``.

    >>> read_number("18 220,5", CellForm(decimal=","), Decimal(1000))
    '18220500'
    """
    if isinstance(cell, str):
        mark, group = form.decimal or ".", form.grouping or " "
        text = _SPACES.sub(" ", cell)
        whole = rf"\d{{1,3}}(?:{re.escape(group)}\d{{3}})+|\d+"
        if re.fullmatch(rf"[+-]?(?:{whole})(?:{re.escape(mark)}\d+)?", text, re.ASCII) is None:
            if is_nothing(cell) or "_" in cell:
                return cell
            return UnreadCell("not_a_number", "is no number with the marks of the mapping")
        cell = text.replace(group, "").replace(mark, ".")
    elif isinstance(cell, bool) or not isinstance(cell, int | float | Decimal):
        return UnreadCell("not_a_number", "is no number")
    try:
        number = Decimal(str(cell)) * factor
        return f"{number.normalize():f}" if number.is_finite() else str(number)
    except InvalidOperation:
        return UnreadCell("not_a_number", "has too many digits")


def read_time(cell: Any, form: CellForm) -> Any:
    """Return a time with its offset; what the form does not read is left to the validator."""
    if isinstance(cell, datetime):
        found = cell
    elif isinstance(cell, date):
        found = datetime.combine(cell, time())
    elif (parsed := _parse_time(read_text(cell), form.time_format)) is not None:
        found = parsed
    else:
        return read_text(cell)
    if found.tzinfo is not None:
        return found
    if form.timezone is None:
        return found.isoformat()
    zone = open_time_zone(form.timezone)
    first, second = found.replace(tzinfo=zone), found.replace(tzinfo=zone, fold=1)
    if first.utcoffset() != second.utcoffset():
        why = "the clocks of the zone show this time twice, or never"
        return UnreadCell("time_without_offset", why)
    return first


def _parse_time(text: str, written: str | None) -> datetime | None:
    try:
        if written is not None:
            return datetime.strptime(text, written)
        return datetime.fromisoformat(text) if _LOCAL.fullmatch(text) else None
    except ValueError:
        return None


def open_mapped(
    folder: Path, mapping: MappingFile, *, progress: Progress | None = None
) -> Iterator[tuple[TableName, MappedRows]]:
    """Yield the rows of each file or query of each table, under names that are all different.

    Raises ``InputError`` for a file that is not there or cannot be read.
    """
    for name, _ in mapping.tables():
        for source in open_tables(folder, mapping, name):
            yield name, MappedRows(mapping, name, source, progress=progress)
