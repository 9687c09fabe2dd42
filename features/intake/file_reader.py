"""Rows of one bulk file as present cells, each with the line where it starts.

The header is one row, and an empty cell means missing. A line that cannot be read as a row (too few
cells, broken quotes) becomes a fault of that line; only a header that cannot be trusted stops a
load, because then every row would be wrong.

Blocks of plain lines are split by Arrow, as the row-wise reader would split them. A line is plain
if each quote opens a cell at its beginning or closes it at its end, on the same line. A block with
any other line, or with bytes that are not UTF-8, is left to the row-wise reader, with all that
follows it.

A file in another form than that of docs/data.md (a workbook, UTF-16, other separators, decimal
commas) is recognised at its beginning and named, so that it can be exported again or converted. It
is not read: a date or a number that is read otherwise than it was meant is worse than a refusal.
"""

import csv
import re
import stat
from codecs import BOM_UTF8
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from io import StringIO, TextIOWrapper
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any, BinaryIO, get_origin

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from engine.domain.records import Record
from engine.domain.validation import bare
from engine.errors import InputError

SAMPLE = 1 << 16
"""Bytes that are looked at."""
ROWS = 50
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_UTF_16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_CLOCK = r"([ T]\d{1,2}:\d\d(:\d\d(\.\d+)?)?)?"
_TIME = "not as 2025-12-31T14:05:00+05:00"
_VALUES = {
    f"dates are written as 31.12.2025 14:05, {_TIME}": rf"\d{{1,2}}\.\d{{1,2}}\.\d{{4}}{_CLOCK}",
    f"dates are written as 31/12/2025 or 12/31/2025, {_TIME}": (
        rf"\d{{1,2}}/\d{{1,2}}/\d{{4}}{_CLOCK}"
    ),
    f"times have no offset from UTC: {_TIME}": rf"\d{{4}}-\d\d-\d\d(?=[ T]){_CLOCK}",
    "decimals have a comma, not a point": r"[+-]?\d{1,3}([ \xa0]?\d{3})*,\d+",
}
"""What a column is said to hold, by the expression that most of its cells match."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the beginning of a file differs from the contract's form, in words."""

    form: Sequence[str]
    """What keeps its header from being read."""
    values: Sequence[str]
    """What most cells of some column have in common."""
    encoding: str = "utf-8"
    delimiter: str = ","

    def __str__(self) -> str:
        """Return all of it as one sentence without its end; empty where nothing differs."""
        return "; ".join((*self.form, *self.values))


def read_dialect(path: Path) -> Dialect:
    """Return in which form a CSV file is written, by its first lines."""
    with path.open("rb") as file:
        sample = file.read(SAMPLE)
        if len(sample) == SAMPLE:
            sample = sample[: sample.rfind(b"\n") + 1] or sample
    if sample.startswith(_WORKBOOKS):
        why = "is a workbook, not text: save each of its sheets as CSV (UTF-8, commas)"
        return Dialect([why], [])
    text, encoding, form = _decode(sample)
    rows = text.splitlines()
    between = max(_SEPARATORS, key=rows[0].count) if rows else ","
    if between != "," and rows[0].count(between):
        form.append(f"its cells are parted by {_SEPARATORS[between]}: commas are needed")
    cells = islice(csv.reader(StringIO(text, newline=""), delimiter=between), 1, 1 + ROWS)
    return Dialect(form, list(_name_values(cells)), encoding, between)


def _decode(sample: bytes) -> tuple[str, str, list[str]]:
    """Return the text of a sample, its encoding, and the encoding in words where not UTF-8."""
    wide = _UTF_16.get(sample[:2])
    if wide is not None:
        form = ["its text is UTF-16: UTF-8 is needed"]
        return sample[2:].decode(wide, "replace"), "utf-16", form
    try:
        return sample.decode("utf-8-sig"), "utf-8", []
    except UnicodeDecodeError:
        high = [byte for byte in sample if byte >= 0x80]
        # There letters lie at the end of the table; in code page 866 most lie before.
        is_windows = sum(byte >= 0xC0 for byte in high) * 2 >= len(high)
        name, codec = ("Windows-1251", "cp1251") if is_windows else ("code page 866", "cp866")
        why = f"its text is not UTF-8, which is needed: it reads as {name}"
        return sample.decode(codec, "replace"), codec, [why]


def _name_values(rows: Iterator[list[str]]) -> Iterator[str]:
    try:
        columns = [[cell.strip() for cell in one if cell] for one in zip_longest(*rows)]
    except csv.Error:
        return
    for sentence, pattern in _VALUES.items():
        for cells in columns:
            fitting = sum(re.fullmatch(pattern, cell) is not None for cell in cells)
            if fitting * 2 > len(cells):
                yield sentence
                break


BLOCK = 1 << 20
"""Bytes read at a time."""
_NEWLINE, _COMMA, _QUOTE = b'\n,"'
_BLANK = -1
"""In the place of the commas of a line without characters."""
_QUOTED = re.compile(rb'"(?:[^"]|"")*"')
_PLAIN = re.compile(rb'(?:[^",]*|%b)(?:,(?:[^",]*|%b))*' % (_QUOTED.pattern, _QUOTED.pattern))


@dataclass(frozen=True, slots=True)
class PlainRows:
    """Rows of one block."""

    lines: NDArray[np.int64]
    """Physical line of each row."""
    cells: pa.RecordBatch
    """One string column a name of the header; null where the cell is empty."""
    ragged: Sequence[int]
    """Lines with fewer or more cells than the header."""
    next_line: int
    """The physical line behind the block."""


def read_plain_rows(raw: BinaryIO, names: Sequence[str], *, line: int) -> Iterator[PlainRows]:
    """Yield the rows of a file up to the first block that is not plain.

    ``raw`` stands at the beginning of the physical line ``line``, behind the header with ``names``.
    Afterwards it stands at the end, or at the first block that is left.
    """
    while True:
        begin = raw.tell()
        data = raw.read(BLOCK) + raw.readline()
        found = _split(data, names, line) if data else None
        if found is None:
            raw.seek(begin)
            return
        yield found
        line = found.next_line


def read_plain_header(line: bytes) -> list[str] | None:
    """Return the names of a header in ASCII; None where it is not plain."""
    text = line.removeprefix(BOM_UTF8).removesuffix(b"\n").removesuffix(b"\r")
    is_plain = text.isascii() and _PLAIN.fullmatch(text) is not None
    if not text or not is_plain or b"\r" in text or b"\0" in text:
        return None
    return next(csv.reader([text.decode("ascii")]))


def _split(data: bytes, names: Sequence[str], line: int) -> PlainRows | None:
    text = _end_lines(data)
    commas = None if text is None else _count_commas(text)
    if text is None or commas is None:
        return None
    is_good = commas == len(names) - 1
    lines = np.arange(line, line + len(commas))
    if not is_good.all():
        parts = text.split(b"\n")
        text = b"".join(parts[at] + b"\n" for at in np.flatnonzero(is_good).tolist())
    cells = _split_columns(text, names)
    if cells is None:
        return None
    ragged = lines[~is_good & (commas != _BLANK)].tolist()
    return PlainRows(lines[is_good], cells, ragged, line + len(commas))


def _end_lines(data: bytes) -> bytes | None:
    """Return a block with each of its lines ended by a newline; None where lines end otherwise."""
    if b"\r" in data:
        if not data.count(b"\r") == data.count(b"\r\n") == data.count(b"\n"):
            return None
        data = data.replace(b"\r\n", b"\n")
    if b"\0" in data:
        return None
    return data if data.endswith(b"\n") else data + b"\n"


def _count_commas(text: bytes) -> NDArray[np.intp] | None:
    """Return the commas between the cells of each line; None where a line is not plain."""
    characters = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(characters == _NEWLINE)
    begins = np.append(0, ends[:-1] + 1)
    if (ends - begins).max() > csv.field_size_limit():
        return None
    commas = np.diff(np.searchsorted(np.flatnonzero(characters == _COMMA), ends), prepend=0)
    quoted = np.unique(np.searchsorted(ends, np.flatnonzero(characters == _QUOTE)))
    for at in quoted.tolist():
        row = text[begins[at] : ends[at]]
        if _PLAIN.fullmatch(row) is None:
            return None
        commas[at] = _QUOTED.sub(b"", row).count(b",")
    commas[ends == begins] = _BLANK
    return commas


def _split_columns(data: bytes, names: Sequence[str]) -> pa.RecordBatch | None:
    schema = pa.schema([(name, pa.string()) for name in names])
    if not data:
        return pa.RecordBatch.from_pylist([], schema)
    try:
        found = pa.csv.read_csv(
            pa.BufferReader(data),
            pa.csv.ReadOptions(column_names=names, use_threads=False, block_size=len(data) + 1),
            pa.csv.ParseOptions(ignore_empty_lines=False),
            pa.csv.ConvertOptions(column_types=schema, null_values=[""], strings_can_be_null=True),
        )
    except pa.ArrowInvalid:
        return None
    return pa.record_batch([column.combine_chunks() for column in found.columns], schema=schema)


CHUNK = 256
"""Rows held as Python objects at a time: few enough to stay in the cache (a third off)."""

LONGEST_NAME = 64
"""Characters of a column's name that an error repeats."""
MOST_NAMES = 5

BETWEEN_MEMBERS = ";"
"""In a cell of a list."""

Progress = Callable[[str, int, int], None]
"""Called with the stage, the amount done and the total (bytes to read, tables to write)."""

_FLAGS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class UnreadCell:
    """A cell that its reader could not read: no field takes it, and its fault has this rule."""

    rule: str
    message: str


def is_there(path: Path) -> bool:
    """Return whether a file exists; raises ``InputError`` where it is a link or no regular file.

    A load runs with the rights of the account that owns the home; the folder may be another
    account's.
    """
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    if stat.S_ISLNK(mode):
        raise InputError(path.name, "is a symbolic link: put the file itself into the folder")
    if not stat.S_ISREG(mode):
        raise InputError(path.name, "is not a regular file")
    return True


@dataclass(frozen=True, slots=True)
class RowFault:
    """Why one row of one file was quarantined: one of its faults; never repeats the value."""

    file: str
    line: int
    """Physical line where the row starts; the header is line 1."""
    field: str
    rule: str
    message: str


@dataclass(frozen=True, slots=True)
class ColumnLayout:
    """The columns a file may and must have, and how its cells are read."""

    columns: tuple[str, ...]
    required: frozenset[str]
    lists: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()

    @property
    def preparations(self) -> Mapping[str, Callable[[str], Any]]:
        """How cells of lists and booleans, which text cannot hold, are read, by column."""
        lists = dict.fromkeys(self.lists, _split_list)
        return lists | dict.fromkeys(self.flags, read_flag)


def name_width_fault(file: str, line: int, row: Sequence[Any]) -> RowFault:
    """Return the fault of a row that has not as many cells as the header, or none."""
    why = "fewer or more cells than the header" if row else "a quote is never closed"
    return RowFault(file, line, "", "ragged", why)


def cut_chunks(
    rows: Iterator[tuple[int, dict[str, Any]]], tell: Callable[[], None]
) -> Iterator[tuple[list[int], list[dict[str, Any]]]]:
    """Yield rows in chunks of lines and cells, and call ``tell`` after each."""
    while some := list(islice(rows, CHUNK)):
        yield [line for line, _ in some], [cells for _, cells in some]
        tell()


def layout(model: type[Record]) -> ColumnLayout:
    """Return the layout of a contract file from its record."""
    kinds = {name: bare(info.annotation) for name, info in model.model_fields.items()}
    return ColumnLayout(
        columns=tuple(kinds),
        required=frozenset(n for n, info in model.model_fields.items() if info.is_required()),
        lists=tuple(name for name, kind in kinds.items() if get_origin(kind) is tuple),
        flags=tuple(name for name, kind in kinds.items() if kind is bool),
    )


class FileRows:
    """The rows of one file: iterate for chunks of (lines, cells), then ask ``faults`` and ``seen``.

    The file is ``.csv`` or ``.parquet``; the line of a Parquet row is its index + 2. A cell of a
    list column is split at ``;``. Columns in ``ignored`` may be there and are not read.
    ``progress`` is called after each chunk with the file's name, bytes (or rows) done, and their
    total. Raises InputError where the header misses a column, repeats one or has one too many, or
    where a Parquet file cannot be read.
    """

    def __init__(
        self,
        path: Path,
        layout: ColumnLayout,
        *,
        ignored: Collection[str] = (),
        progress: Progress | None = None,
    ) -> None:
        self.path, self.name = path, path.name
        self.layout = layout
        self.faults: list[RowFault] = []
        self.seen = 0
        self._ignored = frozenset(ignored)
        self._progress = progress
        self._rest: tuple[int, int, Sequence[str]] = (0, 1, ())
        """Where reading goes on behind plain rows: byte of the file, line, names of the header."""

    def __iter__(self) -> Iterator[tuple[list[int], list[dict[str, Any]]]]:
        source = self._parquet() if self.path.suffix == ".parquet" else self._csv()
        for lines, chunk in source:
            self.split(chunk)
            yield lines, chunk

    def plain_rows(self) -> Iterator[PlainRows]:
        """Yield blocks of columns for as long as rows are plain; iterating then gives the rest.

        None of a Parquet file are.
        """
        if self.path.suffix == ".parquet":
            return
        with self.path.open("rb") as raw:
            names = read_plain_header(raw.readline())
            if names is None:
                return
            extra = set(self._header(names)).difference(self.layout.columns)
            self._rest = (raw.tell(), 2, names)
            for block in read_plain_rows(raw, names, line=2):
                self.seen += len(block.lines) + len(block.ragged)
                self.faults += [
                    name_width_fault(self.name, line, ["ragged"]) for line in block.ragged
                ]
                self._rest = (raw.tell(), block.next_line, names)
                yield replace(block, cells=block.cells.drop_columns(list(extra)))
                self._tell(raw.tell(), self.path.stat().st_size)

    def _csv(self) -> Iterator[tuple[list[int], list[dict[str, Any]]]]:
        with self.path.open("rb") as raw:
            size = self.path.stat().st_size
            begin, line, names = self._rest
            raw.seek(begin)
            text = TextIOWrapper(
                raw, "utf-8" if begin else "utf-8-sig", errors="surrogateescape", newline=""
            )
            table = read_physical_rows(text, number=line, width=len(names))
            names = names or self._header(next(table, (1, []))[1])
            rows = self._read_rows(names, table)
            yield from cut_chunks(rows, lambda: self._tell(raw.tell(), size))

    def _parquet(self) -> Iterator[tuple[list[int], list[dict[str, Any]]]]:
        def choose(names: Sequence[str]) -> list[str]:
            return [name for name in self._header(names) if name in self.layout.columns]

        table = read_parquet(self.path, choose)
        _, names = next(table)
        total = pq.read_metadata(self.path).num_rows
        rows = self._read_rows(names, table)
        yield from cut_chunks(rows, lambda: self._tell(self.seen, total))

    def _read_rows(
        self, names: Sequence[str], table: Iterator[tuple[int, Sequence[Any]]]
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        known = frozenset(self.layout.columns)
        for line, row in table:
            self.seen += 1
            if len(row) != len(names):
                self.faults.append(name_width_fault(self.name, line, row))
                continue
            cells = zip(names, row, strict=True)
            yield line, {n: c for n, c in cells if n in known and c is not None and c != ""}

    def _header(self, names: Sequence[str]) -> Sequence[str]:
        why = self._find_header_fault(names)
        if why is None:
            return names
        if self.path.suffix == ".csv" and str(dialect := read_dialect(self.path)):
            why = str(dialect) if dialect.form else f"{why}; {dialect}"
        raise InputError(self.name, why)

    def _find_header_fault(self, names: Sequence[str]) -> str | None:
        """Return why a header cannot be trusted, None where it can."""
        absent = self.layout.required.difference(names)
        missing = [name for name in self.layout.columns if name in absent]
        known = self._ignored.union(self.layout.columns)
        other = [repr(name[:LONGEST_NAME]) for name in names if name not in known]
        if missing:  # to pass over columns would not help
            why = f"required columns are missing: {', '.join(missing)}"
            return (
                f"{why}; no part of the record: {', '.join(other[:MOST_NAMES])}" if other else why
            )
        if other:
            return (
                f"column {other[0]} is not part of the record; "
                "name it in --ignore-columns to load without it"
            )
        twice = [name for at, name in enumerate(names) if name in names[:at]]
        return f"column {twice[0][:LONGEST_NAME]!r} is there twice" if twice else None

    def split(self, chunk: list[dict[str, Any]]) -> None:
        """Read lists and booleans as the records want them."""
        for name, read in self.layout.preparations.items():
            for cells in chunk:
                if isinstance(cells.get(name), str):
                    cells[name] = read(cells[name])

    def _tell(self, done: int, total: int) -> None:
        if self._progress is not None:
            self._progress(self.name, done, total)


def _split_list(cell: str) -> list[str]:
    return cell.split(BETWEEN_MEMBERS)


def read_flag(cell: str) -> bool | tuple[str]:
    """Return a truth value; of any other text a tuple, which no field takes."""
    # pydantic would also take yes, on and t, which the contract does not name.
    return _FLAGS.get(cell.lower(), (cell,))


class _Lines:
    """Physical lines of a text; those taken since the last row can be handed out again."""

    def __init__(self, text: Iterator[str]) -> None:
        self.taken: list[str] = []
        self._text = text
        self._again: deque[str] = deque()

    def __iter__(self) -> Iterator[str]:
        while True:
            line = self._again.popleft() if self._again else next(self._text, None)
            if line is None:
                return
            self.taken.append(line)
            yield line

    def rewind(self) -> None:
        """Hand out again all but the first line."""
        self._again.extendleft(reversed(self.taken[1:]))
        del self.taken[1:]


def read_physical_rows(
    text: Iterator[str], *, number: int = 1, width: int = 0, delimiter: str = ","
) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, cells); an unclosed quote costs its own line only, not all that it swallows.

    A row over several lines is taken for an unclosed quote where it has not as many cells as the
    header, or where one of its further lines is a row by itself: its first line is yielded without
    cells, and reading resumes on the next line.
    """
    lines = _Lines(text)
    reader = csv.reader(iter(lines), delimiter=delimiter)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:  # a cell beyond the reader's limit of 131,072 characters
            row = []
        width = width or len(row)
        if _is_broken(row, width, taken=lines.taken, delimiter=delimiter):
            lines.rewind()
            reader = csv.reader(iter(lines), delimiter=delimiter)
            yield number, []
        elif row:
            yield number, row
        number += len(lines.taken)
        lines.taken.clear()


def _is_broken(row: Sequence[str], width: int, *, taken: Sequence[str], delimiter: str) -> bool:
    if len(taken) == 1:
        return not row and bool(taken[0].strip())
    # A line within a cell that is quoted as it should be seldom has the commas of a whole row; its
    # last line has the closing quote.
    return len(row) != width or any(
        '"' not in line and _count_cells(line, delimiter) == width for line in taken[1:]
    )


def _count_cells(line: str, delimiter: str) -> int:
    try:
        return len(next(csv.reader([line], delimiter=delimiter), ()))
    except csv.Error:
        return 0


def read_parquet(
    path: Path, choose: Callable[[Sequence[str]], Sequence[str]] | None = None
) -> Iterator[tuple[int, Sequence[Any]]]:
    """Yield the names of the columns that ``choose`` leaves, then their rows, each with its line.

    ``choose`` keeps the order of the names; by default no column is left out. The line of a row is
    its index + 2. Raises ``InputError`` for a file that cannot be read.
    """
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            wanted = None if choose is None else choose(names)
            yield 1, names if wanted is None else wanted
            line = 2
            for batch in file.iter_batches(CHUNK, columns=wanted):
                yield from enumerate(zip(*map(_read_cells, batch.columns), strict=True), line)
                line += batch.num_rows
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise InputError(path.name, f"not a Parquet file we can read: {error}") from None


def _read_cells(column: Any) -> list[Any]:
    """Return a Parquet column as Python values; bad UTF-8 stays recognisable, as in a CSV file."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
    if pa.types.is_timestamp(kind):
        column = column.cast(pa.timestamp("us", kind.tz), safe=False)
    if pa.types.is_list(kind) and pa.types.is_string(kind.value_type):
        cells = column.cast(pa.list_(pa.binary())).to_pylist()
        return [None if cell is None else [_text(part) for part in cell] for cell in cells]
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return [_text(cell) for cell in column.cast(pa.large_binary()).to_pylist()]
    return list(column.to_pylist())


def _text(cell: bytes | None) -> str | None:
    return None if cell is None else cell.decode("utf-8", "surrogateescape")
