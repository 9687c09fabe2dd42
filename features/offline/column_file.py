"""Features and columns of a long history in temporary files.

Features are computed a column at a time and read a row at a time; in a file neither needs them
whole in memory. It is read and not mapped: pages of a mapped file count as memory of the process.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from itertools import pairwise
from os import SEEK_END
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Self, cast
from weakref import finalize

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]
_AT_ONCE = 16_384
"""Rows of the file that are looked at together."""


class ScratchFile:
    """Arrays of one dimension and any kind in an unnamed file, gone with the last of them.

    ``folder`` is where it lies; None is the system's folder for temporary files.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.raw = TemporaryFile(dir=folder)  # noqa: SIM115 - open for as long as it is read
        finalize(self, self.raw.close)

    def store(self, column: NDArray[Any]) -> "StoredColumn":
        """Write an array of shape (n,) and return what reads it."""
        begin = self.raw.seek(0, SEEK_END)
        column.tofile(self.raw)
        return StoredColumn(self, begin, column.dtype, len(column))

    def read(self, begin: int, dtype: Any, count: int) -> NDArray[Any]:
        """Return an array of shape (count,) that begins at a byte of the file."""
        self.raw.seek(begin)
        return np.fromfile(self.raw, dtype, count)


@dataclass(frozen=True, slots=True)
class StoredColumn:
    """An array of shape (n,) in a file; indexes as an array does, by copies in memory."""

    file: ScratchFile
    begin: int
    dtype: Any
    size: int

    def __len__(self) -> int:
        return self.size

    def cut(self, begin: int, end: int) -> "StoredColumn":
        """Return the rows from one to before another, without reading them."""
        at = self.begin + self.dtype.itemsize * begin
        return StoredColumn(self.file, at, self.dtype, end - begin)

    def __getitem__(self, rows: Any) -> Any:
        if isinstance(rows, slice) and rows.step in (None, 1):
            first, end, _ = rows.indices(self.size)
            at = self.begin + self.dtype.itemsize * first
            return self.file.read(at, self.dtype, max(end - first, 0))
        if isinstance(rows, np.ndarray) and rows.dtype != np.bool_ and len(rows):
            first, last = int(rows.min()), int(rows.max())
            if first >= 0:  # rows near each other, as those of acts that follow each other are
                return self[first : last + 1][rows - first]
        return self[:][rows]


class StoredParts:
    """One array of shape (n,) that was stored in parts; indexes as an array does, by copies."""

    def __init__(self, dtype: Any) -> None:
        self._dtype = np.dtype(dtype)
        self._parts: list[StoredColumn] = []

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def append(self, part: StoredColumn) -> None:
        """Add what comes behind; it must be of the array's type."""
        self._parts.append(part)

    def __getitem__(self, rows: Any) -> Any:
        whole = np.empty(len(self), self._dtype)
        begin = 0
        for part in self._parts:
            whole[begin : begin + len(part)] = part[:]
            begin += len(part)
        return whole[rows]


class ColumnFile:
    """A float32 array of shape (n, f) in a file; indexes as an array does, by rows and columns.

    ``[rows]`` and ``[rows, columns]`` are copies in memory, in the order of rows; ``rows`` is a
    slice, a mask of shape (n,) or positions in any order, ``columns`` a slice or one place. Only
    what was written can be read.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, shape: tuple[int, int], folder: Path) -> None:
        self.shape = shape
        self._stored = shape[0]
        self._rows: NDArray[np.intp] | None = None
        self._scratch = ScratchFile(folder)  # selections share it, and the last of them closes it

    def __len__(self) -> int:
        return self.shape[0]

    def write(self, places: Sequence[int], rows: slice, values: Rows) -> None:
        """Write some columns of adjacent rows; ``values`` has the shape (columns, rows)."""
        for place, column in zip(places, values, strict=True):
            self._seek(place, rows.start)
            self._scratch.raw.write(column.data)

    def select(self, rows: NDArray[Any] | slice) -> Self:
        """Return some rows, or all in another order, without reading them.

        They are a slice, a mask of shape (n,) or positions of shape (m,); the result has (m, f).
        """
        made = copy(self)
        made._rows = self._positions(rows)
        made.shape = len(made._rows), self.shape[1]
        return made

    def read_columns(self, rows: slice, columns: Sequence[int]) -> Rows:
        """Return columns of adjacent rows as they were written: shape (columns, rows)."""
        out = np.empty((len(columns), rows.stop - rows.start), np.float32)
        for place, column in zip(columns, out, strict=True):
            self._seek(place, rows.start)
            self._scratch.raw.readinto(column.data)
        return out

    def __getitem__(self, at: Any) -> Rows:
        rows, columns = at if isinstance(at, tuple) else (at, slice(None))
        places = range(self.shape[1])[columns]
        if isinstance(places, int):
            return self._gather(self._positions(rows), [places])[:, 0]
        return self._gather(self._positions(rows), places)

    def _positions(self, rows: NDArray[Any] | slice) -> NDArray[np.intp]:
        """Return the rows of the file that are meant."""
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        elif rows.dtype == np.bool_:
            rows = np.flatnonzero(rows)
        return rows if self._rows is None else self._rows[rows]

    def _gather(self, rows: NDArray[np.intp], columns: Sequence[int]) -> Rows:
        out = np.empty((len(rows), len(columns)), np.float32)
        if len(rows) and (np.diff(rows) == 1).all():  # nothing to sort, and to look up
            for begin in range(0, len(rows), _AT_ONCE):
                part = rows[begin : begin + _AT_ONCE]
                found = self.read_columns(slice(part[0], part[-1] + 1), columns)
                out[begin : begin + _AT_ONCE] = found.T
            return out
        order = np.argsort(rows, kind="stable")
        wanted = rows[order]
        parts = np.searchsorted(wanted, np.arange(0, self._stored + _AT_ONCE, _AT_ONCE))
        for begin, end in pairwise(parts.tolist()):
            near = wanted[begin:end]
            if len(near):
                found = self.read_columns(slice(near[0], near[-1] + 1), columns)
                out[order[begin:end]] = found[:, near - near[0]].T
        return out

    def _seek(self, place: int, row: int) -> None:
        self._scratch.raw.seek(self.dtype.itemsize * (place * self._stored + int(row)))


def select_rows(values: Any, rows: NDArray[Any] | slice) -> Rows:
    """Return some rows of features of shape (n, f): a copy of those in memory, none of a file's."""
    if isinstance(values, ColumnFile):
        return cast("Rows", values.select(rows))
    found: Rows = values[rows]
    return found
