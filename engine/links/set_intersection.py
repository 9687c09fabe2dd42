"""Set intersection of two lists of identifiers, by an oblivious PRF over ristretto255.

The asking side blinds its identifiers; the answering side evaluates them under its key of the link,
proves that one key served all of them, and sends the tokens of its own list in an order that says
nothing. The asking side finds its own tokens among those: each is a hit. It learns of the other
list nothing but its size and the hits; the answering side learns how many were asked.

The PRF is that of RFC 9497 (mode VOPRF). The client learns the PRF of its inputs under the server's
key, and nothing of the key; the server learns how many inputs there were, and nothing of them. A
proof shows that one key served all inputs. The group is libsodium's, by
``rbcl``; ``expand_message_xmd`` is that of RFC 9380 (5.3.1) and the hash to scalars that of RFC
9497 (4.1). Elements and scalars are their 32 bytes. Assumes a batch of at most 65,535 inputs. The
library is loaded at first use.
"""

import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha512
from types import ModuleType

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from engine.errors import RecordError
from engine.links.identity import LinkKeys
from engine.links.messages import Match

ELEMENT_BYTES = 32
_BLOCK_BYTES = 128
_IDENTITY = bytes(ELEMENT_BYTES)
_CONTEXT = b"OPRFV1-\x01-ristretto255-SHA512"
"""Mode VOPRF of RFC 9497, section 3.1."""
RECORD = "match"
"""Name of the exchange in errors."""


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


def derive_key(*, seed: bytes, info: bytes) -> PrfKey:
    """Return the key pair of a secret seed of 32 bytes and a public name (RFC 9497, 3.2.1)."""
    content = seed + _prefix(info)
    for counter in range(256):
        secret = hash_to_scalar(content + bytes([counter]), tag=b"DeriveKeyPair")
        if secret != bytes(32):
            return PrfKey(secret, _group().crypto_scalarmult_ristretto255_base(secret))
    raise ValueError("no key follows from this seed")  # chance 2**-64000


def blind_input(value: bytes, *, blind: bytes | None = None) -> BlindedInput:
    """Return an input under a scalar: random, or ``blind``, which is as secret and used once."""
    scalar = blind or _group().crypto_core_ristretto255_scalar_random()
    return BlindedInput(value, scalar, _multiply(scalar, hash_to_group(value)))


def evaluate_elements(key: PrfKey, elements: Sequence[bytes]) -> list[bytes]:
    """Return each blinded element under the key; raises ``RecordError`` for what is no element."""
    return [_multiply(key.secret, read_element(element)) for element in elements]


def evaluate_value(key: PrfKey, value: bytes) -> bytes:
    """Return the PRF of the server's own input, 64 bytes."""
    return _finish(value, _multiply(key.secret, hash_to_group(value)))


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


def hash_to_group(value: bytes) -> bytes:
    """Return the group element of an input (RFC 9497, 4.1)."""
    uniform = expand_message(value, tag=b"HashToGroup-" + _CONTEXT, length=64)
    element: bytes = _group().crypto_core_ristretto255_from_hash(uniform)
    return element


def hash_to_scalar(value: bytes, *, tag: bytes = b"HashToScalar-") -> bytes:
    """Return the scalar of a message (RFC 9497, 4.1)."""
    uniform = expand_message(value, tag=tag + _CONTEXT, length=64)
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
    tag = b"Seed-" + _CONTEXT
    seed = sha512(_prefix(public) + _prefix(tag)).digest()
    sums: tuple[bytes, bytes] = (_IDENTITY, _IDENTITY)
    for at, (before, after) in enumerate(zip(blinded, evaluated, strict=True)):
        content = _prefix(seed) + at.to_bytes(2, "big")
        content += _prefix(read_element(before)) + _prefix(read_element(after)) + b"Composite"
        weight = hash_to_scalar(content)
        sums = add(sums[0], _multiply(weight, before)), add(sums[1], _multiply(weight, after))
    return sums


def _challenge(public: bytes, *elements: bytes) -> bytes:
    content = _prefix(public) + b"".join(map(_prefix, elements)) + b"Challenge"
    return hash_to_scalar(content)


TOKEN_BYTES = 32


def derive_link_key(keys: LinkKeys, *, link: str) -> PrfKey:
    """Return the answering side's key of a link, from the private half of its link identity.

    No file more has to be kept, and no secret stands in the journal. The key stays as long as the
    agreement, so an identifier is asked about once.
    """
    return derive_key(seed=_derive_secret(keys, b"key"), info=link.encode())


def _derive_secret(keys: LinkKeys, use: bytes) -> bytes:
    hkdf = HKDF(SHA256(), length=32, salt=None, info=b"darvoza match 1 " + use)
    return hkdf.derive(keys.receiving.private_bytes_raw())


def blind_values(exchange: str, values: Iterable[bytes], keys: LinkKeys) -> list[BlindedInput]:
    """Return what asks about values: the same again for the same exchange and values.

    Blinds follow from a secret and the name of the exchange, which is used once: so the answer can
    be read without a blind being kept.
    """
    seed, inputs = _derive_secret(keys, b"blind"), []
    for value in dict.fromkeys(values):
        mixed = hmac.digest(seed, f"{exchange}\x1f".encode() + value, sha512)
        inputs.append(blind_input(value, blind=hash_to_scalar(mixed, tag=b"MatchBlind-")))
    return inputs


def answer_request(request: Match, key: PrfKey) -> Match:
    """Return the evaluated elements, the key's public half first, with their proof.

    Assumes that :func:`engine.links.match_state.judge_request` permitted the request.
    Raises ``RecordError`` for what is no element.
    """
    if request.step != "blinded" or not request.elements:
        raise RecordError(RECORD, "step", "unexpected_step", "a request of blinded elements")
    blinded = [bytes.fromhex(element) for element in request.elements]
    evaluated = evaluate_elements(key, blinded)
    elements = tuple(one.hex() for one in (key.public, *evaluated))
    proof = prove_evaluation(key, blinded, evaluated).hex()
    return Match(exchange=request.exchange, step="evaluated", elements=elements, proof=proof)


def map_tokens(values: Iterable[bytes], key: PrfKey) -> dict[str, bytes]:
    """Return the answering side's own values by token, in the order of the tokens."""
    return dict(sorted((_token(evaluate_value(key, value)), value) for value in values))


def read_answer(
    inputs: Sequence[BlindedInput], answer: Match, *, public: bytes | None = None
) -> dict[str, bytes]:
    """Return the asked values by token; raises ``RecordError`` where the proof does not hold.

    ``public`` is the key that the other side showed earlier: another one would let it tell requests
    apart.
    """
    if answer.step != "evaluated":
        raise RecordError(RECORD, "step", "unexpected_step", "the evaluation of this request")
    shown, *evaluated = [bytes.fromhex(element) for element in answer.elements] or [b""]
    if public is not None and shown != public:
        raise RecordError(RECORD, "elements", "other_key", "another key than before on this link")
    blinded, proof = [one.element for one in inputs], bytes.fromhex(answer.proof or "")
    if not is_proven(shown, blinded, evaluated, proof=proof):
        raise RecordError(RECORD, "proof", "not_proven", "one key did not serve all elements")
    return {
        _token(finalize_input(one, element)): one.value
        for one, element in zip(inputs, evaluated, strict=True)
    }


def _token(output: bytes) -> str:
    return output[:TOKEN_BYTES].hex()
