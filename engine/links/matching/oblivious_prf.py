"""Oblivious PRF over ristretto255 (RFC 9497, modes OPRF and VOPRF).

The client learns the PRF of its inputs under the server's key, and nothing of the key; the server
learns how many inputs there were, and nothing of them. In mode VOPRF a proof shows that one key
served all inputs. The group is libsodium's, by ``rbcl``; ``expand_message_xmd`` is that of RFC 9380
(5.3.1) and the hash to scalars that of RFC 9497 (4.1). Elements and scalars are their 32 bytes.

Assumes a batch of at most 65,535 inputs. The library is loaded at first use: it takes a third of a
second.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from hashlib import sha512
from types import ModuleType

from engine.errors import RecordError

ELEMENT_BYTES = 32
_BLOCK_BYTES = 128
_IDENTITY = bytes(ELEMENT_BYTES)
_SUITE = b"ristretto255-SHA512"
RECORD = "match"
"""Name of the exchange in errors."""


class PrfMode(IntEnum):
    """Modes of RFC 9497, section 3.1, as its context string has them."""

    OPRF = 0
    VOPRF = 1


@dataclass(frozen=True, slots=True)
class PrfKey:
    """The server's key pair."""

    secret: bytes
    public: bytes


@dataclass(frozen=True, slots=True)
class BlindedInput:
    """An input as the client keeps it until the answer comes."""

    value: bytes
    blind: bytes
    """A random scalar, used once."""
    element: bytes
    """What travels."""


@cache
def _group() -> ModuleType:
    import rbcl  # type: ignore[import-untyped]

    module: ModuleType = rbcl
    return module


def derive_key(mode: PrfMode, *, seed: bytes, info: bytes) -> PrfKey:
    """Return the key pair of a secret seed of 32 bytes and a public name (RFC 9497, 3.2.1)."""
    content = seed + _prefix(info)
    for counter in range(256):
        secret = hash_to_scalar(mode, content + bytes([counter]), tag=b"DeriveKeyPair")
        if secret != bytes(32):
            return PrfKey(secret, _group().crypto_scalarmult_ristretto255_base(secret))
    raise ValueError("no key follows from this seed")  # chance 2**-64000


def blind_input(mode: PrfMode, value: bytes, *, blind: bytes | None = None) -> BlindedInput:
    """Return an input under a scalar: random, or ``blind``, which is as secret and used once."""
    scalar = blind or _group().crypto_core_ristretto255_scalar_random()
    return BlindedInput(value, scalar, _multiply(scalar, hash_to_group(mode, value)))


def evaluate_elements(key: PrfKey, elements: Sequence[bytes]) -> list[bytes]:
    """Return each blinded element under the key; raises ``RecordError`` for what is no element."""
    return [_multiply(key.secret, read_element(element)) for element in elements]


def evaluate_value(mode: PrfMode, key: PrfKey, value: bytes) -> bytes:
    """Return the PRF of the server's own input, 64 bytes."""
    return _finish(value, _multiply(key.secret, hash_to_group(mode, value)))


def prove_evaluation(
    key: PrfKey,
    blinded: Sequence[bytes],
    evaluated: Sequence[bytes],
    *,
    scalar: bytes | None = None,
) -> bytes:
    """Return the proof, 64 bytes, that the key's secret made ``evaluated`` of ``blinded``.

    ``scalar`` is random; test vectors alone give one.
    """
    group = _group()
    combined, _ = _combine(key.public, blinded, evaluated)
    evaluation = _multiply(key.secret, combined)
    scalar = scalar or group.crypto_core_ristretto255_scalar_random()
    commitments = group.crypto_scalarmult_ristretto255_base(scalar), _multiply(scalar, combined)
    challenge = _challenge(key.public, combined, evaluation, *commitments)
    product = group.crypto_core_ristretto255_scalar_mul(challenge, key.secret)
    response: bytes = group.crypto_core_ristretto255_scalar_sub(scalar, product)
    return challenge + response


def is_proven(
    public: bytes, blinded: Sequence[bytes], evaluated: Sequence[bytes], *, proof: bytes
) -> bool:
    """Tell whether a proof shows that one secret made ``evaluated`` of ``blinded``.

    Raises ``RecordError`` for what is no element.
    """
    group = _group()
    challenge, response = proof[:32], proof[32:]
    if not (_is_scalar(challenge) and _is_scalar(response)) or len(blinded) != len(evaluated):
        return False
    combined, evaluation = _combine(read_element(public), blinded, evaluated)
    try:
        commitments = (
            group.crypto_core_ristretto255_add(
                group.crypto_scalarmult_ristretto255_base(response), _multiply(challenge, public)
            ),
            group.crypto_core_ristretto255_add(
                _multiply(response, combined), _multiply(challenge, evaluation)
            ),
        )
    except RuntimeError:  # a scalar of zero, which no honest proof has
        return False
    return challenge == _challenge(public, combined, evaluation, *commitments)


def finalize_input(blinded: BlindedInput, evaluated: bytes) -> bytes:
    """Return the PRF of an input, 64 bytes, from its evaluated element."""
    inverse = _group().crypto_core_ristretto255_scalar_invert(blinded.blind)
    return _finish(blinded.value, _multiply(inverse, read_element(evaluated)))


def read_element(raw: bytes) -> bytes:
    """Return the bytes of a group element; the identity and other bytes raise ``RecordError``."""
    is_element = len(raw) == ELEMENT_BYTES and raw != _IDENTITY
    if not is_element or not _group().crypto_core_ristretto255_is_valid_point(raw):
        raise RecordError(RECORD, "elements", "no_element", "is no element of ristretto255")
    return raw


def hash_to_group(mode: PrfMode, value: bytes) -> bytes:
    """Return the group element of an input (RFC 9497, 4.1)."""
    uniform = expand_message(value, tag=b"HashToGroup-" + _context(mode), length=64)
    element: bytes = _group().crypto_core_ristretto255_from_hash(uniform)
    return element


def hash_to_scalar(mode: PrfMode, value: bytes, *, tag: bytes = b"HashToScalar-") -> bytes:
    """Return the scalar of a message (RFC 9497, 4.1)."""
    uniform = expand_message(value, tag=tag + _context(mode), length=64)
    scalar: bytes = _group().crypto_core_ristretto255_scalar_reduce(uniform)
    return scalar


def expand_message(message: bytes, *, tag: bytes, length: int) -> bytes:
    """Return ``expand_message_xmd`` with SHA-512 (RFC 9380, 5.3.1).

    ``tag`` has at most 255 bytes, ``length`` is at most 65,535.
    """
    suffix = tag + bytes([len(tag)])
    lead = bytes(_BLOCK_BYTES) + message + length.to_bytes(2, "big") + b"\x00" + suffix
    first = sha512(lead).digest()
    block, made = bytes(len(first)), b""
    for counter in range(1, -(-length // len(first)) + 1):
        mixed = bytes(a ^ b for a, b in zip(first, block, strict=True))
        block = sha512(mixed + bytes([counter]) + suffix).digest()
        made += block
    return made[:length]


def _context(mode: PrfMode) -> bytes:
    return b"OPRFV1-" + bytes([mode]) + b"-" + _SUITE


def _prefix(content: bytes) -> bytes:
    return len(content).to_bytes(2, "big") + content


def _multiply(scalar: bytes, element: bytes) -> bytes:
    product: bytes = _group().crypto_scalarmult_ristretto255(scalar, element)
    return product


def _is_scalar(raw: bytes) -> bool:
    reduced: bytes = _group().crypto_core_ristretto255_scalar_reduce(raw.ljust(64, b"\x00"))
    return len(raw) == ELEMENT_BYTES and reduced == raw


def _finish(value: bytes, element: bytes) -> bytes:
    return sha512(_prefix(value) + _prefix(element) + b"Finalize").digest()


def _combine(
    public: bytes, blinded: Sequence[bytes], evaluated: Sequence[bytes]
) -> tuple[bytes, bytes]:
    """Return the weighted sums of both lists (``ComputeComposites``, RFC 9497, 2.2.1)."""
    add = _group().crypto_core_ristretto255_add
    tag = b"Seed-" + _context(PrfMode.VOPRF)
    seed = sha512(_prefix(public) + _prefix(tag)).digest()
    sums: tuple[bytes, bytes] = (_IDENTITY, _IDENTITY)
    for at, (before, after) in enumerate(zip(blinded, evaluated, strict=True)):
        content = _prefix(seed) + at.to_bytes(2, "big")
        content += _prefix(read_element(before)) + _prefix(read_element(after)) + b"Composite"
        weight = hash_to_scalar(PrfMode.VOPRF, content)
        sums = add(sums[0], _multiply(weight, before)), add(sums[1], _multiply(weight, after))
    return sums


def _challenge(public: bytes, *elements: bytes) -> bytes:
    content = _prefix(public) + b"".join(map(_prefix, elements)) + b"Challenge"
    return hash_to_scalar(PrfMode.VOPRF, content)
