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

from engine.domain.network import open_time_zone
from engine.domain.records import is_nothing
from engine.domain.validation import bare
from engine.errors import InputError
from features.history.tables import MODELS
from features.intake.file_reader import CHUNK, Progress, RowFault, UnreadCell, read_flag
from features.intake.mapping import CellForm, MappedColumn, MappingFile, TableName
from features.intake.office_tables import OfficeTable, is_empty, open_tables

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
        self._mapping, self._table = mapping, getattr(mapping, name)
        self._kinds = {n: bare(f.annotation) for n, f in MODELS[name].model_fields.items()}
        self._source, self._progress = source, progress
        self._at = f"{name}.columns"

    def __iter__(self) -> Iterator[tuple[list[int], list[dict[str, Any]]]]:
        rows = iter(self._source.rows)
        names = [_name_column(cell) for cell in next(rows, (0, ()))[1]]
        fields = [
            (field, self._place(names, column.column, field), self._choose_reader(field, column))
            for field, column in self._table.fields()
        ]
        used = sorted({place for _, places, _ in fields for place in places})
        when = self._table.when and self._place(names, (self._table.when,), "when")[0]
        known: set[tuple[Any, ...]] = set()
        lines: list[int] = []
        chunk: list[dict[str, Any]] = []
        for line, row in rows:
            if when is not None and (when >= len(row) or is_empty(row[when])):
                continue
            if self._table.distinct:
                whole = tuple(str(row[place]) for place in used if place < len(row))
                if whole in known:
                    continue
                known.add(whole)
            self.seen += 1
            if self._source.is_ragged(row, len(names)):
                why = "fewer or more cells than the header" if row else "a quote is never closed"
                self.faults.append(RowFault(self.name, line, "", "ragged", why))
                continue
            found = (
                (field, read([row[place] for place in places if place < len(row)]))
                for field, places, read in fields
            )
            chunk.append({field: cell for field, cell in found if cell is not None})
            lines.append(line)
            if len(chunk) == CHUNK:
                yield lines, chunk
                self._tell()
                lines, chunk = [], []
        yield lines, chunk
        self._tell()

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(self.name, self.seen, self.seen)

    def _place(self, names: Sequence[str], wanted: Sequence[str], field: str) -> list[int]:
        wanted = [_name_column(column) for column in wanted]
        for column in wanted:
            if (times := names.count(column)) != 1:
                why = "is there twice" if times else "is not there"
                where = field if field == "when" else f"{self._at}.{field}"
                raise InputError(self.name, f"{where}: column {column!r} {why} (unknown_column)")
        return [names.index(column) for column in wanted]

    def _choose_reader(self, field: str, column: MappedColumn) -> Callable[[list[Any]], Any]:
        """Return what reads the cells of one field."""
        if column.constant is not None:
            value = str(column.constant)
            column = column.model_copy(update={"codes": {}, "digits": None})
        reader = CellReader(
            kind=self._kinds[field],
            column=column,
            codes=self._mapping.choose_codes(column),
            form=_settle(column, self._table, self._mapping),
        )
        return reader.read if column.constant is None else lambda _: reader.read([value])


def _settle(*forms: CellForm) -> CellForm:
    """Return the form of a column: what is stated first, from the column to the file."""
    stated: dict[str, Any] = {}
    for form in forms:
        for name in CellForm.model_fields:
            if (value := getattr(form, name)) is not None:
                stated.setdefault(name, value)
    return CellForm(**stated)


def _name_column(cell: Any) -> str:
    """Return the name of a column in one line, with single spaces."""
    return " ".join(str(cell).split()) if cell is not None else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellReader:
    """Reads the cells of one field as a file of the contract would hold its value."""

    kind: Any
    column: MappedColumn
    codes: Mapping[str, str]
    form: CellForm

    def read(self, cells: list[Any]) -> Any:
        """Return the value of one row, None where all its cells are empty."""
        cells = [cell.strip() if isinstance(cell, str) else cell for cell in cells]
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
        if self.kind in (int, float) and not isinstance(cell, UnreadCell):
            return read_number(cell, self.form, self.column.factor)
        return read_flag(cell) if self.kind is bool and isinstance(cell, str) else cell

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
