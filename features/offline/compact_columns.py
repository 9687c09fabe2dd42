"""Texts, keys and facts of a long history in narrow columns, without loss.

A text is stored once, however many crossings have it: a history has far fewer plates, parties and
codes than crossings. A function of texts is therefore computed once for each distinct combination
of the texts that it reads. A key is computed on demand, because no consumer needs all keys of all
crossings at one time. Numbers are stored in the narrowest float that restores every one of them
exactly.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
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

    def texts(self, entity: str) -> Texts:
        """Return an entity of each crossing; raises ``KeyError`` of one that is not encoded."""
        return self._entities[entity]

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
    from features.offline.kernel import number_entities

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


Text = str | None
Rows = NDArray[np.intp]


def encode_texts(values: Sequence[Text]) -> Texts:
    """Return some texts, None where unknown, with each distinct one stored once."""
    return code_texts(pa.array(values, pa.string()).dictionary_encode())


def read_texts(column: Any) -> Texts:
    """Return a column of strings (pyarrow.ChunkedArray of n, null where unknown) as texts."""
    return code_texts(pc.dictionary_encode(column).combine_chunks())


def read_lists(column: Any) -> Texts:
    """Return a column of lists of strings as texts, unknown where empty.

    Members are joined by a character that no identifier holds.
    """
    joined = pc.binary_join(column, SEPARATOR)
    return read_texts(pc.if_else(pc.equal(joined, ""), pa.scalar(None, pa.string()), joined))


def split_list(text: Text) -> list[str]:
    """Return the members of a list that :func:`read_lists` joined."""
    return [] if text is None else text.split(SEPARATOR)


def read_representations(numbers: Floats) -> Texts:
    """Return numbers, NaN where unknown, as Python writes them; each distinct one is written once.

    ``numbers`` is a float64 array of shape (n,). Distinct are those with other bits: zero has two.
    """
    bits = pa.array(np.ascontiguousarray(numbers).view(np.int64), mask=np.isnan(numbers))
    coded = bits.dictionary_encode()
    written = map(repr, coded.dictionary.to_numpy().view(np.float64).tolist())
    return code_texts(pa.DictionaryArray.from_arrays(coded.indices, pa.array(written, pa.string())))


def map_texts(function: Callable[..., Text], *parts: Texts) -> Texts:
    """Return a function of some texts, each of n crossings; None stands for unknown."""
    which, values = _combine(parts)
    found = encode_texts([function(*each) for each in values])
    return Texts(found.codes[which], found.values)


def map_codes(function: Callable[[Text], Text], texts: Texts) -> Texts:
    """Return folded numbers of conveyances, as :func:`map_texts` with ``function`` returns them.

    ``function`` gives of a text what :func:`engine.domain.identifiers.fold` does, None where
    nothing is left of it, and of a list of several its own; it is called for these, and for texts
    beyond ASCII. Folding leaves of all others the letters, capital, and the digits.
    """
    values = texts.values
    is_simple = pc.and_not(
        pc.string_is_ascii(values), pc.match_substring(values, SEPARATOR)
    ).to_numpy(zero_copy_only=False)
    folded = pc.replace_substring_regex(pc.ascii_upper(values), "[^0-9A-Z]+", "")
    folded = pc.if_else(pc.equal(folded, ""), pa.scalar(None, pa.string()), folded)
    if not is_simple.all():
        others = values.filter(pa.array(~is_simple)).to_pylist()
        made = pa.array([function(text) for text in others], pa.string())
        folded = pc.replace_with_mask(folded, pa.array(~is_simple), made)
    found = code_texts(folded.dictionary_encode())
    return Texts(np.r_[found.codes.dtype.type(0), found.codes][texts.codes], found.values)


def map_numbers(function: Callable[..., float], *parts: Texts) -> Floats:
    """Return a function of some texts as a float64 array of shape (n,)."""
    which, values = _combine(parts)
    made: Floats = np.array([function(*each) for each in values], np.float64)[which]
    return made


def take_texts(texts: Texts, rows: Rows) -> Texts:
    """Return the texts of some rows, an integer array of shape (m,)."""
    return Texts(texts.codes[rows], texts.values)


def spread_texts(texts: Texts, rows: Rows, n: int) -> Texts:
    """Return texts of ``rows``, an array of shape (m,), as those of n rows; unknown elsewhere."""
    codes = np.zeros(n, texts.codes.dtype)
    codes[rows] = texts.codes
    return Texts(codes, texts.values)


def is_known(texts: Texts) -> NDArray[np.bool_]:
    """Tell of each row whether its text is known, as an array of shape (n,)."""
    known: NDArray[np.bool_] = texts.codes != 0
    return known


def _combine(parts: Sequence[Texts]) -> tuple[Rows, Iterator[tuple[Text, ...]]]:
    """Return which combination each row has, and the combinations."""
    which: NDArray[Any] = parts[0].codes
    table = [np.arange(parts[0].keys)]
    for part in parts[1:]:
        pairs = pa.array(which.astype(np.int64) * part.keys + part.codes).dictionary_encode()
        pair = pairs.dictionary.to_numpy()
        table = [*(codes[pair // part.keys] for codes in table), pair % part.keys]
        which = pairs.indices.to_numpy()
    columns = [_spell(part, codes) for part, codes in zip(parts, table, strict=True)]
    return which.astype(np.intp), zip(*columns, strict=True)


def _spell(texts: Texts, codes: NDArray[Any]) -> list[Text]:
    places = pa.array(codes - 1, mask=codes == 0)
    found: list[Text] = texts.values.take(places).to_pylist()
    return found
