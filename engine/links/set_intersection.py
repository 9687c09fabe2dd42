"""Set intersection of two lists of identifiers, by an oblivious PRF over ristretto255.

The asking side blinds its identifiers; the answering side evaluates them under its key of the link,
proves that one key served all of them, and sends the tokens of its own list in an order that says
nothing. The asking side finds its own tokens among those: each is a hit. It learns of the other
list nothing but its size and the hits; the answering side learns how many were asked. Identifiers
are compared folded. One that only one administration understands is compared within the domain that
the agreement names, or not at all.

The PRF is that of RFC 9497 (modes OPRF and VOPRF). The client learns the PRF of its inputs under
the server's key, and nothing of the key; the server learns how many inputs there were, and nothing
of them. In mode VOPRF a proof shows that one key served all inputs. The group is libsodium's, by
``rbcl``; ``expand_message_xmd`` is that of RFC 9380 (5.3.1) and the hash to scalars that of RFC
9497 (4.1). Elements and scalars are their 32 bytes. Assumes a batch of at most 65,535 inputs. The
library is loaded at first use.
"""

import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from hashlib import sha512
from types import ModuleType

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from engine.domain.identifiers import fold
from engine.errors import RecordError
from engine.links.agreement import NATIONAL_FIELDS
from engine.links.identity import LinkKeys
from engine.links.messages import AttentionIdentifier, Match

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


TOKEN_BYTES = 32
_MODE = PrfMode.VOPRF


@dataclass(frozen=True, slots=True)
class MatchSecrets:
    """Secrets of one installation, from the private half of its link identity."""

    key_seed: bytes
    """Of its keys as the answering side: 32 bytes."""
    blind_seed: bytes
    """Of its blinds as the asking side: 32 bytes."""


def derive_secrets(keys: LinkKeys) -> MatchSecrets:
    """Return the secrets of an installation: no file more to keep, and none in the journal."""
    private = keys.receiving.private_bytes_raw()
    return MatchSecrets(
        *(
            HKDF(SHA256(), length=32, salt=None, info=b"darvoza match 1 " + use).derive(private)
            for use in (b"key", b"blind")
        )
    )


@dataclass(frozen=True, slots=True)
class SharedIdentifier:
    """One identifier of a watch-list entry that is marked shareable."""

    identifier: AttentionIdentifier
    value: str
    entry: str = ""
    """The entry's name in this installation."""

    def content(self, domains: Mapping[str, str]) -> bytes:
        """Return the bytes that are compared; raises ``RecordError`` where they cannot be."""
        domain = domains.get(self.identifier, "")
        if self.identifier in NATIONAL_FIELDS and not domain:
            why = "the agreement names no common domain of this identifier"
            raise RecordError(RECORD, "identifier", "not_comparable", why)
        value = self.value if domain else fold(self.value)
        return "\x1f".join((self.identifier, domain, value)).encode()


@dataclass(frozen=True, slots=True)
class MatchRequest:
    """What the asking side keeps of a request until its answer comes."""

    exchange: str
    inputs: tuple[tuple[SharedIdentifier, BlindedInput], ...]

    def to_message(self) -> Match:
        """Return the message that asks."""
        elements = tuple(blinded.element.hex() for _, blinded in self.inputs)
        return Match(exchange=self.exchange, step="blinded", elements=elements)


def derive_link_key(seed: bytes, *, link: str) -> PrfKey:
    """Return the answering side's key of a link, from its secret of 32 bytes.

    It stays as long as the agreement, so an identifier is asked about once.
    """
    return derive_key(_MODE, seed=seed, info=link.encode())


def ask_matches(
    exchange: str,
    entries: Iterable[SharedIdentifier],
    *,
    domains: Mapping[str, str],
    blind_seed: bytes,
) -> MatchRequest:
    """Return a request about identifiers: the same again for the same exchange and identifiers.

    Blinds follow from a secret and the name of the exchange, which is used once: so the answer can
    be read without a blind being kept. Raises ``RecordError`` for an identifier without common
    domain.
    """
    unique = {entry.content(domains): entry for entry in entries}
    inputs = []
    for content, entry in unique.items():
        about = f"{exchange}\x1f".encode() + content
        blind = hash_to_scalar(_MODE, hmac.digest(blind_seed, about, sha512), tag=b"MatchBlind-")
        inputs.append((entry, blind_input(_MODE, content, blind=blind)))
    return MatchRequest(exchange, tuple(inputs))


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


def list_tokens(
    exchange: str,
    entries: Iterable[SharedIdentifier],
    key: PrfKey,
    *,
    domains: Mapping[str, str],
) -> Match:
    """Return the tokens of the answering side's own list, in their own order."""
    tokens = sorted(map_tokens(entries, key, domains=domains))
    return Match(exchange=exchange, step="tokens", elements=tuple(tokens))


def map_tokens(
    entries: Iterable[SharedIdentifier], key: PrfKey, *, domains: Mapping[str, str]
) -> dict[str, SharedIdentifier]:
    """Return the answering side's own identifiers by token."""
    contents = {entry.content(domains): entry for entry in entries}
    return {
        _token(evaluate_value(_MODE, key, content)): entry for content, entry in contents.items()
    }


def read_answer(
    request: MatchRequest, answer: Match, *, public: bytes | None = None
) -> dict[str, SharedIdentifier]:
    """Return the asked identifiers by token; raises ``RecordError`` where the proof does not hold.

    ``public`` is the key that the other side showed earlier: another one would let it tell requests
    apart.
    """
    if answer.step != "evaluated" or answer.exchange != request.exchange:
        raise RecordError(RECORD, "step", "unexpected_step", "the evaluation of this request")
    shown, *evaluated = [bytes.fromhex(element) for element in answer.elements] or [b""]
    if public is not None and shown != public:
        raise RecordError(RECORD, "elements", "other_key", "another key than before on this link")
    blinded = [one.element for _, one in request.inputs]
    proof = bytes.fromhex(answer.proof or "")
    if not is_proven(shown, blinded, evaluated, proof=proof):
        raise RecordError(RECORD, "proof", "not_proven", "one key did not serve all elements")
    return {
        _token(finalize_input(asked, element)): entry
        for (entry, asked), element in zip(request.inputs, evaluated, strict=True)
    }


def find_hits(
    asked: Mapping[str, SharedIdentifier], tokens: Match
) -> Sequence[tuple[str, SharedIdentifier]]:
    """Return the tokens that both lists have, with the asking side's identifiers."""
    if tokens.step != "tokens":
        raise RecordError(RECORD, "step", "unexpected_step", "the tokens of a list")
    return [(token, asked[token]) for token in tokens.elements if token in asked]


def _token(output: bytes) -> str:
    return output[:TOKEN_BYTES].hex()
