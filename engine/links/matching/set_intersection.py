"""Set intersection of two lists of identifiers, as messages of kind ``match``.

The asking side blinds its identifiers; the answering side evaluates them under its key of the
link, proves that one key served all of them, and sends the tokens of its own list in an order
that says nothing. The asking side finds its own tokens among those: each is a hit. It learns of the
other list nothing but its size and the hits; the answering side learns how many were asked.

Identifiers are compared folded. One that only one administration understands is compared within the
domain that the agreement names, or not at all.
"""

import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha512

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from engine.domain.identifiers import fold
from engine.errors import RecordError
from engine.links.agreement import NATIONAL_FIELDS
from engine.links.codes import AttentionIdentifier
from engine.links.identity import LinkKeys
from engine.links.matching.oblivious_prf import (
    RECORD,
    BlindedInput,
    PrfKey,
    PrfMode,
    blind_input,
    derive_key,
    evaluate_elements,
    evaluate_value,
    finalize_input,
    hash_to_scalar,
    is_proven,
    prove_evaluation,
)
from engine.links.messages import Match

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

    Assumes that :func:`engine.links.matching.match_limits.judge_request` permitted the request.
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
