"""Rows of a watch list from a file or from pasted lines: each is checked, and nothing is guessed.

A file is CSV: its first line names columns, separated by commas, semicolons or tabs. Pasted lines
hold one identifier each, of a kind that the person names. A fault names its line, its field and its
rule and never repeats the text. What makes a file as a whole unreadable is raised.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from engine.criteria.watchlist import (
    MOST_ROWS,
    NAMED,
    WatchRow,
    list_entry_keys,
    list_identifiers,
)
from engine.domain.field_types import is_placeholder
from engine.domain.identifiers import fold
from engine.domain.validation import list_faults
from engine.errors import RecordError
from engine.storage.home import escape_cell

COLUMNS: Final = (*NAMED, "look_alikes", "reason", "note", "agency")
"""Columns that a file may have. ``look_alikes`` is 0 or 1; ``agency`` must be that of the list."""
_SEPARATORS = ",;\t"


@dataclass(frozen=True, slots=True)
class RowFault:
    """Why one row is not taken."""

    line: int
    """Where the row begins in the file, from 1."""
    field: str
    """A column, empty for the row as a whole."""
    rule: str
    why: str


@dataclass(frozen=True, slots=True)
class ListFile:
    """The rows of a file that can be taken, in its order, and the faults of the others."""

    rows: tuple[WatchRow, ...]
    faults: tuple[RowFault, ...]
    faulty: int
    """Rows that have a fault."""


class _FaultyRowError(Exception):
    """The faults of one row, as (field, rule, why)."""

    def __init__(self, *faults: tuple[str, str, str]) -> None:
        super().__init__(*faults)
        self.faults = faults


def read_list_file(text: str, *, kind: str = "", agency: str | None = None) -> ListFile:
    """Check the rows of a file.

    Parameters
    ----------
    text : str
        CSV with a header, or one identifier on each line where ``kind`` is given.
    kind : str
        What each line names, as in ``engine.criteria.watchlist.NAMED``; empty for CSV.
    agency : str, optional
        The agency of the list: a row of another one is faulty.

    Raises
    ------
    RecordError
        For a file without rows, with more than ``MOST_ROWS`` rows, with an unknown or doubled
        column, or that is no CSV.
    """
    text = text.removeprefix("\ufeff")
    rows, faults, known = list[WatchRow](), list[RowFault](), dict[int, int]()
    total = faulty = 0
    for line, cells in _read_lines(text, kind) if kind else _read_cells(text):
        total += 1
        if total > MOST_ROWS:
            raise _refuse("too_many_rows", f"a list has at most {MOST_ROWS:,} rows")
        try:
            row = _read_row(cells, agency)
            keys = _check_keys(row, known)
        except _FaultyRowError as error:
            faulty += 1
            faults += [RowFault(line, *fault) for fault in error.faults]
        else:
            known |= dict.fromkeys(keys, line)
            rows.append(row)
    if total == 0:
        raise _refuse("missing_key", "the file has no row")
    return ListFile(tuple(rows), tuple(faults), faulty)


def _refuse(rule: str, why: str) -> RecordError:
    return RecordError("watchlist", "lines", rule, why)


def _read_lines(text: str, kind: str) -> Iterator[tuple[int, dict[str | None, str]]]:
    if kind not in NAMED:
        raise RecordError("watchlist", "kind", "unknown_enumeration", f"one of {', '.join(NAMED)}")
    for number, line in enumerate(text.split("\n"), 1):
        if cell := line.strip():
            yield number, {kind: cell}


def _read_cells(text: str) -> Iterator[tuple[int, dict[str | None, str]]]:
    """Yield each row that is not empty by column; cells beyond the header stand under None."""
    separators = [sign for sign in _SEPARATORS if sign in text.partition("\n")[0]]
    if len(separators) > 1:
        raise _refuse("bad_header", "line 1 holds more than one of comma, semicolon and tab")
    lines = csv.reader(
        io.StringIO(text, newline=""), delimiter=(separators or [","])[0], strict=True
    )
    begins = 1
    header: list[str] = []
    try:
        for number, cells in enumerate(lines):
            line, begins = begins, lines.line_num + 1
            cells = [cell.strip() for cell in cells]
            if number == 0:
                header = _check_header(cells)
            elif any(cells):
                row: dict[str | None, str] = dict(zip(header, cells, strict=False))
                yield line, row | {None: "".join(cells[len(header) :])}
    except csv.Error:
        raise _refuse("not_csv", f"line {begins} and what follows cannot be read as CSV") from None


def _check_header(cells: list[str]) -> list[str]:
    header = [cell.lower() for cell in cells]
    if unknown := [place for place, name in enumerate(header, 1) if name not in COLUMNS]:
        why = f"column {unknown[0]} of line 1 is none of {', '.join(COLUMNS)}"
        raise _refuse("unknown_field", why)
    if len(set(header)) < len(header):
        raise _refuse("duplicate_id", "line 1 names a column twice")
    if not set(header) & set(NAMED):
        raise _refuse("missing_key", f"line 1 names none of {', '.join(NAMED)}")
    return header


def _read_row(cells: Mapping[str | None, str], agency: str | None) -> WatchRow:
    """Return one row; raises ``_FaultyRowError``."""
    filled = {name: cell for name, cell in cells.items() if cell}
    faults = [fault for name, cell in filled.items() if (fault := _check_cell(name, cell, agency))]
    if faults:
        raise _FaultyRowError(*faults)
    given = {name: cell for name, cell in filled.items() if name != "agency"}
    try:
        row = WatchRow.model_validate(
            {**given, "look_alikes": given.get("look_alikes") == "1"}, strict=False
        )
    except ValidationError as error:
        found = [(".".join(map(str, at)), rule, why) for at, rule, why in list_faults(error)]
        raise _FaultyRowError(*found) from None
    return row


def _check_cell(name: str | None, cell: str, agency: str | None) -> tuple[str, str, str] | None:
    """Return what is wrong with a cell before its record is made, None where nothing is."""
    if name is None:
        return "", "too_long", "more cells than columns"
    if "\ufffd" in cell:
        return name, "bad_encoding", "the file was read in another encoding than it has"
    if escape_cell(cell) != cell:
        return name, "formula", "a spreadsheet would take the cell for a formula"
    if name in NAMED and (is_placeholder(cell, "name") or not fold(cell)):
        return name, "placeholder", "stands for a missing value"
    if name == "look_alikes" and cell not in ("0", "1"):
        return name, "not_a_boolean", "0 or 1"
    if name == "agency" and cell != agency:
        return name, "other_agency", "the row is of another agency than the list"
    return None


def _check_keys(row: WatchRow, known: Mapping[int, int]) -> list[int]:
    """Return the lookup keys of a row; raises ``_FaultyRowError`` where it adds none."""
    content = row.model_dump(mode="json")
    keys = list(list_entry_keys(content))
    if not keys:
        raise _FaultyRowError(("", "missing_key", "names nothing"))
    if all(key in known for key in keys):
        (first, *_) = list_identifiers(content)
        raise _FaultyRowError((first, "duplicate_id", f"line {known[keys[0]]} names the same"))
    return keys
