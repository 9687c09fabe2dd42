"""Keys and facts of a long history in narrow columns, without loss.

A text is stored once, however many crossings have it. A key is computed once for each distinct
combination, on demand, because no consumer needs all keys of all crossings at one time. Numbers are
stored in the narrowest float that restores every one of them exactly.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from features.catalogue.encoder import KEY_BYTES, SEPARATOR, key
from features.catalogue.plan import Lookup
from features.catalogue.spec import Floats
from features.offline.column_file import ScratchFile, StoredColumn

Ints = NDArray[np.int64]
_CODES = (np.uint8, np.uint16, np.int32)
FLOATS = (np.float16, np.float32)
WHOLE = (np.int8, np.int16, np.int32)
_KEYS_KEPT = 5_000_000
"""Keys that stay in memory once computed, 8 bytes each; at least two columns do."""
_AT_ONCE = 65_536
_SLOTS = 1 << 16
"""Of the table of pairs at first; a power of two."""


class Names:
    """Texts of n crossings as Arrow holds them; indexes as an object array of shape (n,).

    ``column`` (pyarrow.ChunkedArray) has no nulls. As objects of Python they would take five times
    the memory.
    """

    def __init__(self, column: Any) -> None:
        self._column = column

    def __len__(self) -> int:
        return len(self._column)

    def __getitem__(self, rows: Any) -> Any:
        if isinstance(rows, slice):
            return self._column[rows].to_numpy(zero_copy_only=False)
        if isinstance(rows, np.ndarray):
            return self._column.take(pa.array(rows)).to_numpy(zero_copy_only=False)
        return self._column[int(rows)].as_py()


@dataclass(frozen=True, slots=True)
class Texts:
    """One entity of n crossings: ``values[codes - 1]``, unknown where a code is 0."""

    codes: NDArray[Any]
    """Integers of shape (n,); of a long history a column of a file, which is read as one."""
    values: Any

    @property
    def keys(self) -> int:
        """Number of codes, including that of the unknown."""
        return len(self.values) + 1


def code_texts(coded: Any) -> Texts:
    """Return a dictionary-encoded column of strings (pyarrow.DictionaryArray) as texts."""
    most = len(coded.dictionary)
    kind = next(kind for kind in _CODES if most <= np.iinfo(kind).max)
    return Texts(_codes(coded.indices).astype(kind), coded.dictionary)


def _codes(indices: Any) -> NDArray[np.int32]:
    """Return Arrow's codes plus one, 0 for null."""
    codes: NDArray[np.int32] = indices.fill_null(-1).to_numpy() + 1
    return codes


class Keys:
    """Keys of n crossings for each look-up; indexes as an int64 array of shape (n_lookups, n).

    ``lookups`` has the look-up of each row (:meth:`features.catalogue.plan.Plan.keys`),
    ``entities`` every entity that is looked up. A column is computed once: what does not fit into
    memory goes to the file ``scratch``, which costs a hundredth of hashing it again; without one,
    to a file in the system's folder for temporary files.
    """

    def __init__(
        self,
        lookups: Sequence[Lookup],
        entities: Mapping[str, Texts],
        n: int,
        *,
        scratch: ScratchFile | None = None,
    ) -> None:
        self._lookups, self._entities, self._n = lookups, entities, n
        self._made: dict[int, Ints] = {}
        self._spilled: dict[int, StoredColumn] = {}
        self._file = scratch

    def __len__(self) -> int:
        return len(self._lookups)

    def __getitem__(self, at: Any) -> Ints:
        """Return one look-up's keys; or as an array does, ``[:, rows]`` and ``[place, rows]``."""
        place, rows = at if isinstance(at, tuple) else (at, slice(None))
        if isinstance(place, slice):
            return np.array([self[each, rows] for each in range(len(self))[place]], np.int64)
        column = self._made.get(place, self._spilled.get(place))
        found: Ints = (self._make(place) if column is None else column)[rows]
        return found

    def _make(self, place: int) -> Ints:
        of, by = self._lookups[place]
        column = keys([self._entities[name] for name in of], "+".join(by), self._n)
        while self._made and (len(self._made) + 1) * self._n > max(_KEYS_KEPT, 2 * self._n):
            self._spill(next(iter(self._made)))
        self._made[place] = column
        return column

    def _spill(self, place: int) -> None:
        self._file = self._file or ScratchFile()
        self._spilled[place] = self._file.store(self._made.pop(place))


def keys(of: Sequence[Texts], kind: str, n: int) -> Ints:
    """Return the keys of a combination of entities, each of n crossings.

    ``kind`` is the names of the entities joined by ``+``, and part of the hash. The int64 array of
    shape (n,) has 63-bit keys, 0 where a part of the combination is not known.
    """
    if not of:
        return np.full(n, key(kind), np.int64)
    codes: NDArray[Any] = of[0].codes[:]
    parts = [np.arange(of[0].keys)]
    for text in of[1:]:
        codes, pair = _number_pairs(codes, text.codes[:], text.keys)
        parts = [*(part[pair // text.keys] for part in parts), pair % text.keys]
    table = np.zeros(len(parts[0]), np.int64)
    for begin in range(1, len(table), _AT_ONCE):
        rows = slice(begin, begin + _AT_ONCE)
        table[rows] = _hash_texts(
            kind,
            [text.values.take(pa.array(p[rows] - 1)) for text, p in zip(of, parts, strict=True)],
        )
    found = np.empty(n, np.int64)
    for begin in range(0, n, _AT_ONCE):
        rows = slice(begin, begin + _AT_ONCE)
        found[rows] = table[codes[rows]]
    return found


def _number_pairs(
    codes: NDArray[Any], others: NDArray[Any], width: int
) -> tuple[NDArray[Any], Ints]:
    """Number the distinct pairs of two columns of codes from 1 on; 0 where a part is not known.

    ``codes`` and ``others`` have the shape (n,), ``others`` below ``width``. Returned are the
    numbers, of shape (n,), and by number ``code * width + other``, of shape (pairs + 1,).
    """
    from features.offline.hash_index import number_entities

    pairs = np.empty(len(codes), np.int64)
    for begin in range(0, len(codes), _AT_ONCE):
        rows = slice(begin, begin + _AT_ONCE)
        first, second = codes[rows].astype(np.int64), others[rows]
        pairs[rows] = np.where((first == 0) | (second == 0), 0, first * width + second)
    numbers = np.empty(len(codes), np.uint32)
    slots, count = number_entities(pairs, numbers, np.zeros((_SLOTS, 2), np.int64))
    pair = np.zeros(count, np.int64)
    pair[slots[:, 1]] = slots[:, 0]  # free ones have the number 0, and no key
    return numbers, pair


def _hash_texts(kind: str, values: Sequence[Any]) -> Ints:
    """Return :func:`features.catalogue.encoder.key` of many combinations, all of them known."""
    joined = pc.binary_join_element_wise(kind, *values, SEPARATOR).cast(pa.binary()).to_pylist()
    digests = b"".join([blake2b(text, digest_size=KEY_BYTES).digest() for text in joined])
    hashed = (np.frombuffer(digests, ">u8") >> np.uint64(1)).astype(np.int64)
    return np.maximum(hashed, 1)


class Facts:
    """Facts of n crossings; indexes as a float64 array of shape (n_facts, n).

    ``columns`` has one narrow column a fact, in memory or in a file.
    """

    def __init__(self, columns: Sequence[NDArray[Any] | StoredColumn]) -> None:
        self._columns = columns

    def __len__(self) -> int:
        return len(self._columns)

    def __getitem__(self, at: Any) -> Floats:
        """Return one fact; or as an array does, ``[:, rows]`` and ``[place, rows]``."""
        place, rows = at if isinstance(at, tuple) else (at, slice(None))
        if isinstance(place, slice):
            return np.array([column[rows] for column in self._columns[place]], np.float64)
        return np.asarray(self._columns[place][rows], np.float64)


class Measures(Mapping[str, Ints]):
    """Amounts that events add to their counters, by name: int64 arrays of shape (m,).

    ``columns`` has one narrow column a measure, in memory or in a file.
    """

    def __init__(self, columns: Mapping[str, NDArray[Any] | StoredColumn]) -> None:
        self._columns = columns

    def __getitem__(self, name: str) -> Ints:
        return self.pick(name, slice(None))

    def pick(self, name: str, rows: Ints | slice) -> Ints:
        """Return the amounts of some events alone: an int64 array of the shape of ``rows``."""
        return np.asarray(self._columns[name][rows]).astype(np.int64)

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)


def narrowest(values: NDArray[Any], kinds: Sequence[Any]) -> NDArray[Any]:
    """Return values in the narrowest of some types that holds each of them exactly.

    ``values`` are float64 (NaN where unknown) or int64 of shape (n,), ``kinds`` is ``FLOATS`` or
    ``WHOLE``, the narrowest first. Returned is a copy, in the dtype of ``values`` where no narrower
    one holds them.

    Examples
    --------
    >>> narrowest(np.array([0, 127]), WHOLE).dtype.name
    'int8'
    >>> narrowest(np.array([0.5, np.nan]), FLOATS).dtype.name
    'float16'
    """
    for kind in kinds:
        if _narrow(values[:_AT_ONCE], kind) is not None:  # most that do not fit show it at once
            narrow = _narrow(values, kind)
            if narrow is not None:
                return narrow
    return values.copy()


def _narrow(values: NDArray[Any], kind: Any) -> NDArray[Any] | None:
    """Return values as a type, None where it does not hold the bits of each."""
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = values.astype(kind)
    restored = narrow.astype(values.dtype)
    return narrow if np.array_equal(restored.view(np.int64), values.view(np.int64)) else None
