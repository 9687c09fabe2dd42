"""Blocks of plain rows of a CSV file, as columns of cells.

A line is plain where each quote opens a cell at its beginning or closes it at its end, on the same
line: Arrow then splits it as the row-wise reader does. A block with any other line, or with bytes
that are not UTF-8, is left to that reader, with all that follows it.
"""

import csv
import re
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.csv
from numpy.typing import NDArray

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
    cells = _cells(text, names)
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


def _cells(data: bytes, names: Sequence[str]) -> pa.RecordBatch | None:
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
