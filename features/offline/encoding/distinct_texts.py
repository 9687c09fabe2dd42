"""Functions of texts, computed once for each distinct combination of the texts that they read.

Assumes that texts come back: a history has far fewer plates, parties and codes than crossings.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from features.catalogue.encoder import SEPARATOR
from features.catalogue.spec import Floats
from features.offline.compact_columns import Texts, code_texts

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
