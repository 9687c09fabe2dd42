"""Tables of an office as they stand: texts in any encoding, sheets, Parquet files, SQL queries.

Yields rows of plain cells; :mod:`features.intake.mapped_rows` reads them. A database is read in one
transaction that is rolled back. The address of a database may hold a password: it is in no error,
and no record holds an address.
"""

import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zipfile import BadZipFile

from sqlalchemy import Engine, NullPool, create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from engine.errors import InputError
from features.intake.file_reader import CHUNK, is_there, read_parquet, read_physical_rows
from features.intake.mapping import MappedTable, MappingFile, TableName

Row = Sequence[Any]
Rows = Iterator[tuple[int, Row]]
_WORKBOOKS, _OTHER_WORKBOOKS = (".xlsx", ".xlsm"), (".xls", ".xlsb", ".ods")
SHORT = 5
"""Characters of an option of an address that hides nothing."""


@dataclass(frozen=True, slots=True)
class OfficeTable:
    """Rows of one file, sheet or query: first the header, each with its line."""

    name: str
    """In faults and counts."""
    rows: Rows
    is_text: bool = False
    is_query: bool = False
    """Names of its columns are then compared without case, as SQL does."""

    def is_ragged(self, row: Row, width: int) -> bool:
        """Tell whether a row has more or fewer cells than the header, so that cells may be off."""
        return self.is_text and len(row) != width


def is_empty(cell: Any) -> bool:
    """Tell whether a cell holds nothing, or spaces."""
    return cell is None or (isinstance(cell, str) and not cell.strip())


def open_tables(folder: Path, mapping: MappingFile, name: TableName) -> Iterator[OfficeTable]:
    """Yield the sources of a table of a mapping, by the names of files.

    Two tables may be read from one file: their names are then told apart. Raises ``InputError`` for
    a file, a sheet or a database that is not there or cannot be read.
    """
    table: MappedTable = getattr(mapping, name)
    if table.query is not None:
        address = table.database or mapping.database or ""
        rows = _read_query(name, table.query, _read_address(name, address))
        yield OfficeTable(name, rows, is_query=True)
        return
    pattern = table.file or ""
    is_pattern = any(sign in pattern for sign in "*?[")
    paths = sorted(folder.glob(pattern)) if is_pattern else [folder / pattern]
    paths = [path for path in paths if is_there(path)]
    if not paths:
        raise InputError(pattern, f"{name}.file: no such file in the folder (unknown_file)")
    files = [(one.file, one.sheet) for _, one in mapping.tables()]
    is_shared = files.count((table.file, table.sheet)) > 1
    for path in paths:
        said = path.name if table.sheet is None else f"{path.name} {table.sheet}"
        said = f"{said} ({name})" if is_shared else said
        is_text = path.suffix.lower() not in (*_WORKBOOKS, ".parquet")
        form = {"encoding": table.encoding or mapping.encoding}
        form["delimiter"] = table.delimiter or mapping.delimiter
        yield OfficeTable(said, open_file(path, table.model_copy(update=form), name), is_text)


def open_file(path: Path, table: MappedTable, name: TableName) -> Rows:
    """Yield the rows of a file from its header on, each with its line."""
    if path.suffix.lower() in _OTHER_WORKBOOKS:
        why = f"{name}.file: a workbook of another form: save it as .xlsx (bad_file)"
        raise InputError(path.name, why)
    if path.suffix.lower() in _WORKBOOKS:
        return _read_sheet(path, table, name)
    return read_parquet(path) if path.suffix.lower() == ".parquet" else _read_text(path, table)


def _read_text(path: Path, table: MappedTable) -> Rows:
    encoding, delimiter = table.encoding or "utf-8", table.delimiter or ","
    encoding = "utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding
    with path.open(encoding=encoding, errors="surrogateescape", newline="") as text:
        try:
            for _ in range(table.header - 1):
                text.readline()
            yield from read_physical_rows(text, number=table.header, delimiter=delimiter)
        except UnicodeError:
            raise InputError(path.name, f"is no text in {encoding} (bad_encoding)") from None


@contextmanager
def _name_damage(path: Path) -> Iterator[None]:
    """Refuse a workbook that is damaged, wherever that shows: sheets are read as they are used."""
    from openpyxl.utils.exceptions import InvalidFileException

    broken = (BadZipFile, KeyError, ValueError, OSError, SyntaxError, EOFError, zlib.error)
    try:
        yield
    except (InvalidFileException, *broken) as error:  # XML that cannot be read is a SyntaxError
        why = f"not a workbook we can read: {type(error).__name__} (bad_file)"
        raise InputError(path.name, why) from None


def _open_book(path: Path) -> Any:
    from openpyxl import load_workbook

    with _name_damage(path):
        return load_workbook(path, read_only=True, data_only=True)


def list_sheets(path: Path) -> list[str]:
    """Return the titles of a workbook's sheets; none of any other file."""
    if path.suffix.lower() not in _WORKBOOKS:
        return []
    book = _open_book(path)
    titles = [sheet.title for sheet in book.worksheets]
    book.close()
    return titles


def _read_sheet(path: Path, table: MappedTable, name: TableName) -> Rows:
    book = _open_book(path)
    try:
        sheet = _choose_sheet(book, path, table.sheet, name)
        sheet.reset_dimensions()  # some programs state a wrong size
        rows = sheet.iter_rows(min_row=table.header, values_only=True)
        with _name_damage(path):
            for line, row in enumerate(rows, table.header):
                if line == table.header or not all(map(is_empty, row)):
                    yield line, row
    finally:
        book.close()


def _choose_sheet(book: Any, path: Path, wanted: str | None, name: TableName) -> Any:
    titles = [sheet.title for sheet in book.worksheets]
    if wanted is None and len(titles) == 1:
        return book.worksheets[0]
    if wanted not in titles:
        why = "there are several, name one" if wanted is None else "no such sheet"
        shown = ", ".join(map(repr, titles))
        raise InputError(path.name, f"{name}.sheet: {why}: {shown} (unknown_sheet)")
    return book.worksheets[titles.index(wanted)]


def _read_address(name: TableName, address: str) -> URL:
    """Return the address of a database; raises ``InputError`` without its text."""
    where = f"{name}.database"
    if address.startswith("$"):
        variable, address = address, os.environ.get(address[1:], "")
        if not address:
            raise InputError(where, f"the variable {variable[1:]} is not set (missing_key)")
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        raise InputError(where, "is no address of a database (malformed_address)") from None
    if url.get_backend_name() != "sqlite":
        return url
    path = Path(url.database or "")
    if not path.is_file():
        raise InputError(where, "no such SQLite file (unknown_file)")  # SQLite would make it
    return url.set(database=f"file:{quote(str(path))}", query={"mode": "ro", "uri": "true"})


def _read_query(name: TableName, query: str, url: URL) -> Rows:
    engine = _open_engine(name, url)
    try:
        with engine.connect() as connection:
            found = connection.execution_options(stream_results=True).exec_driver_sql(query)
            yield 1, list(found.keys())
            for line, row in enumerate(found.yield_per(CHUNK), 2):
                yield line, tuple(row)
            connection.rollback()
    except SQLAlchemyError as error:
        raise InputError(f"{name}.query", _explain(error, url)) from None


def _open_engine(name: TableName, url: URL) -> Engine:
    try:
        return create_engine(url, poolclass=NullPool)  # closed however the reading ends
    except NoSuchModuleError:
        why = f"no driver for {url.drivername} (unknown_database)"
    except ModuleNotFoundError as error:
        why = f"needs the Python package {error.name} (unknown_database)"
    raise InputError(f"{name}.database", why)


def _explain(error: SQLAlchemyError, url: URL) -> str:
    """Return what a database said, in one line without the query or a part of its address."""
    said = " ".join(str(getattr(error, "orig", None) or type(error).__name__).split())
    password = str(url.password or "")
    parts = [text for text in map(str, url.query.values()) if len(text) > SHORT]
    for hidden in filter(None, (password, quote(password, safe=""), *parts)):
        said = said.replace(hidden, "***")
    return f"the database refused it: {said[:300]} (refused_query)"
