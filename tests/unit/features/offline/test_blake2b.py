"""BLAKE2b compiled: the digests of the standard library, and keys those of the encoder."""

from hashlib import blake2b

import numpy as np
import pyarrow as pa

from features.catalogue.encoder import KEY_BYTES, key
from features.offline.blake2b import BLOCK, hash_short
from features.offline.compact_columns import Texts, keys

RNG = np.random.default_rng(7693)


def hash_all(texts: list[bytes]) -> list[int]:
    ends = np.cumsum([0, *map(len, texts)]).astype(np.int32)
    out = np.zeros(len(texts), np.uint64)
    hash_short(np.frombuffer(b"".join(texts), np.uint8), ends, out)
    digests: list[int] = out.tolist()
    return digests


def test_digests_are_those_of_the_standard_library() -> None:
    texts = [RNG.integers(0, 256, size, np.uint8).tobytes() for size in range(BLOCK + 1)]
    expected = [
        int.from_bytes(blake2b(text, digest_size=KEY_BYTES).digest(), "big") for text in texts
    ]
    assert hash_all(texts) == expected
    assert len(set(expected)) == len(texts)


def test_a_text_longer_than_a_block_is_passed_over() -> None:
    assert hash_all([b"a", bytes(BLOCK + 1), b"a"])[1] == 0


def test_keys_are_those_of_the_encoder_whatever_the_length() -> None:
    """Texts up to, at and beyond a block, some of them no ASCII."""
    values = ["x" * size for size in (1, 100, 118, 119, 120, 121, 300)] + ["Тошкент", "й" * 70]
    codes = np.arange(len(values) + 1)
    for kind, count in (("plate", 1), ("plate+driver", 2)):
        texts = [Texts(codes, pa.array(values))] * count
        expected = [0, *(key(kind, *[value] * count) for value in values)]
        assert keys(texts, kind, len(codes)).tolist() == expected
