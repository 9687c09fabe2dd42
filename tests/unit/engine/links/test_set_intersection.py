"""Two lists are compared without being shown; the oblivious PRF gives the vectors of RFC 9497."""

from dataclasses import dataclass

import pytest

from engine.errors import RecordError
from engine.links import set_intersection
from engine.links.identity import LinkKeys
from engine.links.list_comparison import SharedIdentifier
from engine.links.messages import AttentionIdentifier, Match
from engine.links.set_intersection import (
    PrfKey,
    answer_request,
    blind_input,
    blind_values,
    derive_key,
    derive_link_key,
    evaluate_elements,
    evaluate_value,
    expand_message,
    finalize_input,
    is_proven,
    map_tokens,
    prove_evaluation,
    read_answer,
    read_element,
)

VECTOR_SEED, INFO = bytes.fromhex("a3" * 32), b"test key"
SHORT, LONG = b"\x00", b"\x5a" * 17
BLIND = "64d37aed22a27f5191de1c1d69fadb899d8862b58eb4220029e036ec4c1f6706"
SECOND_BLIND = "222a5e897cf59db8145db8d16e597e8facb80ae7d4e26d9881aa6f61d645fc0e"
SECRET = "e6f73f344b79b379f1a0dd37e07ff62e38d9f71345ce62ae3a9bc60b04ccd909"
PUBLIC = "c803e2cc6b05fc15064549b5920659ca4a77b2cca6f04f6b357009335476ad4e"


@dataclass(frozen=True)
class Vector:
    """One test vector, its texts as hexadecimal digits."""

    value: bytes
    blinded: str
    evaluated: str
    output: str
    blind: str = BLIND


VECTORS = (
    Vector(
        SHORT,
        "863f330cc1a1259ed5a5998a23acfd37fb4351a793a5b3c090b642ddc439b945",
        "aa8fa048764d5623868679402ff6108d2521884fa138cd7f9c7669a9a014267e",
        "b58cfbe118e0cb94d79b5fd6a6dafb98764dff49c14e1770b566e42402da1a7d"
        "a4d8527693914139caee5bd03903af43a491351d23b430948dd50cde10d32b3c",
    ),
    Vector(
        LONG,
        "cc0b2a350101881d8a4cba4c80241d74fb7dcbfde4a61fde2f91443c2bf9ef0c",
        "60a59a57208d48aca71e9e850d22674b611f752bed48b36f7a91b372bd7ad468",
        "8a9a2f3c7f085b65933594309041fc1898d42d0858e59f90814ae90571a6df60"
        "356f4610bf816f27afdd84f47719e480906d27ecd994985890e5f539e7ea74b6",
    ),
)
PROOFS = (
    (
        (VECTORS[0],),
        SECOND_BLIND,
        "ddef93772692e535d1a53903db24367355cc2cc78de93b3be5a8ffcc6985dd06"
        "6d4346421d17bf5117a2a1ff0fcb2a759f58a539dfbe857a40bce4cf49ec600d",
    ),
    (
        (VECTORS[1],),
        SECOND_BLIND,
        "401a0da6264f8cf45bb2f5264bc31e109155600babb3cd4e5af7d181a2c9dc0a"
        "67154fabf031fd936051dec80b0b6ae29c9503493dde7393b722eafdf5a50b02",
    ),
    (
        (
            VECTORS[0],
            Vector(
                LONG,
                "90a0145ea9da29254c3a56be4fe185465ebb3bf2a1801f7124bbbadac751e654",
                "cc5ac221950a49ceaa73c8db41b82c20372a4c8d63e5dded2db920b7eee36a2a",
                VECTORS[1].output,
                SECOND_BLIND,
            ),
        ),
        "419c4f4f5052c53c45f3da494d2b67b220d02118e0857cdbcf037f9ea84bbe0c",
        "cc203910175d786927eeb44ea847328047892ddf8590e723c37205cb74600b0a"
        "5ab5337c8eb4ceae0494c2cf89529dcf94572ed267473d567aeed6ab873dee08",
    ),
)
"""Vectors of one batch, the random scalar of the proof, the proof."""


def vector_key() -> PrfKey:
    """The key pair of the vectors."""
    return derive_key(seed=VECTOR_SEED, info=INFO)


def test_keys_are_derived_as_in_the_vectors() -> None:
    assert (vector_key().secret.hex(), vector_key().public.hex()) == (SECRET, PUBLIC)


@pytest.mark.parametrize("vector", VECTORS)
def test_each_step_gives_the_vectors(vector: Vector) -> None:
    check_vector(vector)


def check_vector(vector: Vector) -> None:
    """Compare each step with a vector."""
    key = vector_key()
    asked = blind_input(vector.value, blind=bytes.fromhex(vector.blind))
    assert asked.element.hex() == vector.blinded
    (evaluated,) = evaluate_elements(key, [asked.element])
    assert evaluated.hex() == vector.evaluated
    assert finalize_input(asked, evaluated).hex() == vector.output
    assert evaluate_value(key, vector.value).hex() == vector.output


def test_vectors_catch_another_domain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seeded bug: the context string names the mode without a proof."""
    monkeypatch.setattr(set_intersection, "_CONTEXT", b"OPRFV1-\x00-ristretto255-SHA512")
    with pytest.raises(AssertionError):
        check_vector(VECTORS[0])


@pytest.mark.parametrize(("vectors", "scalar", "proof"), PROOFS)
def test_proofs_are_those_of_the_vectors(
    vectors: tuple[Vector, ...], scalar: str, proof: str
) -> None:
    key = vector_key()
    blinded = [bytes.fromhex(vector.blinded) for vector in vectors]
    evaluated = evaluate_elements(key, blinded)
    assert [one.hex() for one in evaluated] == [vector.evaluated for vector in vectors]
    made = prove_evaluation(key, blinded, evaluated, scalar=bytes.fromhex(scalar))
    assert made.hex() == proof
    assert is_proven(key.public, blinded, evaluated, proof=made)


def test_a_second_key_for_one_element_is_not_proven() -> None:
    """A server that evaluates one client's element under a key of its own could tag that client."""
    key = vector_key()
    other = derive_key(seed=VECTOR_SEED, info=b"another")
    blinded = [blind_input(bytes([n])).element for n in range(4)]
    evaluated = evaluate_elements(key, blinded)
    assert is_proven(
        key.public, blinded, evaluated, proof=prove_evaluation(key, blinded, evaluated)
    )
    tagged = [*evaluated[:3], *evaluate_elements(other, blinded[3:])]
    proof = prove_evaluation(key, blinded, tagged)
    assert not is_proven(key.public, blinded, tagged, proof=proof)
    assert not is_proven(other.public, blinded, evaluated, proof=proof)


@pytest.mark.parametrize(
    "raw", [bytes(32), b"\xff" * 32, b"", bytes(31), (1).to_bytes(32, "little")]
)
def test_what_is_no_element_is_refused(raw: bytes) -> None:
    with pytest.raises(RecordError, match="elements"):
        read_element(raw)


def test_a_proof_of_other_bytes_is_refused() -> None:
    key = vector_key()
    blinded = [blind_input(SHORT).element]
    evaluated = evaluate_elements(key, blinded)
    for proof in (b"", bytes(64), b"\xff" * 64, bytes(63)):
        assert not is_proven(key.public, blinded, evaluated, proof=proof)


def test_expansion_is_that_of_the_hash_to_curve_vectors() -> None:
    """RFC 9380, appendix K.3: SHA-512, length 32, the empty message."""
    tag = b"QUUX-V01-CS02-with-expander-SHA512-256"
    expected = "6b9a7312411d92f921c6f68ca0b6380730a1a4d982c507211a90964c394179ba"
    assert expand_message(b"", tag=tag, length=32).hex() == expected


KEYS = LinkKeys.generate()
DOMAINS = {"carrier_id": "EORI"}


def link_key(number: int = 1) -> PrfKey:
    """The answering side's key of a link."""
    return derive_link_key(KEYS, link=f"{number:032x}")


def contents(entries: list[SharedIdentifier]) -> dict[bytes, str]:
    """What is compared of identifiers, with their values."""
    return {one.content(DOMAINS): one.value for one in entries}


def ask(exchange: str, *entries: SharedIdentifier, keys: LinkKeys = KEYS) -> Match:
    """A request of the asking side."""
    inputs = blind_values(exchange, contents([*entries]), keys)
    elements = tuple(one.element.hex() for one in inputs)
    return Match(exchange=exchange, step="blinded", elements=elements)


def plates(*values: str) -> list[SharedIdentifier]:
    """Entries of plates."""
    return [SharedIdentifier("plate", value) for value in values]


def hits(asked: list[SharedIdentifier], held: list[SharedIdentifier]) -> set[str]:
    """Values that a whole exchange finds."""
    named = contents(asked)
    answer = answer_request(ask("x-1", *asked), link_key())
    found = read_answer(blind_values("x-1", named, KEYS), answer)
    tokens = map_tokens(contents(held), link_key())
    return {named[value] for token, value in found.items() if token in tokens}


def test_the_common_entries_are_found_however_they_are_spelled() -> None:
    asked = [*plates("01 A 123 bc", "99X"), SharedIdentifier("carrier_id", "c-1")]
    held = [*plates("01А123ВС", "77Z"), SharedIdentifier("carrier_id", "c-1")]
    assert hits(asked, held) == {"01 A 123 bc", "c-1"}


def test_equal_values_of_different_identifiers_are_no_hit() -> None:
    assert hits(plates("AB1"), [SharedIdentifier("trailer_plate", "AB1")]) == set()


def test_without_a_common_domain_nothing_is_compared() -> None:
    kinds: tuple[AttentionIdentifier, ...] = ("driver_ref", "consignee_id", "consignor_id")
    for kind in kinds:
        with pytest.raises(RecordError, match="common domain"):
            SharedIdentifier(kind, "d-1").content(DOMAINS)


def test_no_identifier_and_nothing_constant_of_it_is_in_a_request() -> None:
    """Only the same exchange asks in the same way, so that its answer can be read."""
    one, other, again = (ask(name, *plates("01A123BC")) for name in ("x", "y", "x"))
    assert one.elements != other.elements
    assert one == again
    assert b"01A123BC".hex() not in one.elements[0]


def test_secrets_of_an_installation_are_its_own_and_apart() -> None:
    one, again, other = (ask("x", *plates("A"), keys=k) for k in (KEYS, KEYS, LinkKeys.generate()))
    assert one == again != other
    assert link_key() == link_key() != derive_link_key(LinkKeys.generate(), link=f"{1:032x}")
    assert set_intersection._derive_secret(KEYS, b"key") != set_intersection._derive_secret(
        KEYS, b"blind"
    )


def test_tokens_are_useless_on_another_link() -> None:
    one, other = (map_tokens([b"A", b"B"], link_key(n)) for n in (1, 2))
    assert not {*one} & {*other}


def test_the_order_of_tokens_says_nothing() -> None:
    one, other = (map_tokens(values, link_key()) for values in ([b"A", b"B"], [b"B", b"A"]))
    assert [*one] == [*other]


def test_an_answer_under_two_keys_or_another_key_is_refused() -> None:
    message, inputs = (
        ask("x", *plates("A", "B")),
        blind_values("x", contents(plates("A", "B")), KEYS),
    )
    one, other = (answer_request(message, link_key(n)) for n in (1, 2))
    mixed = one.model_copy(update={"elements": (*one.elements[:2], other.elements[2])})
    with pytest.raises(RecordError, match="one key"):
        read_answer(inputs, mixed)
    with pytest.raises(RecordError, match="another key"):
        read_answer(inputs, other, public=link_key(1).public)
    assert len(read_answer(inputs, one, public=link_key(1).public)) == 2


def test_an_unchecked_proof_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seeded bug: the asking side takes any proof."""
    monkeypatch.setattr(set_intersection, "is_proven", lambda *_, **__: True)
    with pytest.raises(pytest.fail.Exception):
        test_an_answer_under_two_keys_or_another_key_is_refused()


@pytest.mark.parametrize("step", ["evaluated", "tokens"])
def test_steps_out_of_order_are_refused(step: str) -> None:
    message = ask("x", *plates("A"))
    other = Match.model_validate(message.model_dump() | {"step": step})
    with pytest.raises(RecordError, match="step"):
        answer_request(other, link_key())
