"""Envelopes: one form of bytes, readable by the receiver alone, bound to head and sender."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import EnvelopeRefusedError, RecordError
from engine.journal.hash_chain import GENESIS
from engine.links.envelope import (
    MAX_BYTES,
    EnvelopeHead,
    LinkReceipt,
    Position,
    open_body,
    read_envelope,
    read_form,
    seal_envelope,
)
from engine.links.identity import LinkKeys, is_receiving_key
from tests.unit.engine.links.links import NOW, LinkSides, manifest_body

SIDES = LinkSides()
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**62), 2**62)
    | TEXTS
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
HEADS = st.builds(
    EnvelopeHead,
    link=TEXTS,
    sender=st.just(SIDES.uz.identity.fingerprint),
    receiver=st.just(SIDES.tj.identity.fingerprint),
    number=st.integers(1, 2**63 - 1),
    previous=st.binary(min_size=32, max_size=32),
    sent_at=st.integers(0, 2**63 - 1),
    expires=st.integers(0, 2**63 - 1),
    kind=TEXTS,
    handling=st.lists(st.sampled_from(["H1", "H2", "H3"]), max_size=3).map(tuple),
)


@settings(max_examples=80, deadline=None)
@given(HEADS, st.dictionaries(TEXTS, VALUES, max_size=5))
def test_an_envelope_reads_as_it_was_sealed(head: EnvelopeHead, body: dict[str, Any]) -> None:
    sent = seal_envelope(head, body, keys=SIDES.uz, receiver=SIDES.tj.identity)
    read = read_envelope(sent.raw)
    assert (read, read.digest) == (sent, sent.digest)
    assert read.is_signed_by(SIDES.uz.identity)
    assert open_body(read, SIDES.tj) == body


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_byte_can_be_changed(data: st.DataObject) -> None:
    raw = bytearray(ENVELOPE.raw)
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    try:
        changed = read_envelope(bytes(raw))
    except EnvelopeRefusedError:
        return
    assert not changed.is_signed_by(SIDES.uz.identity)


ENVELOPE = SIDES.seal(manifest_body())


def test_the_body_is_readable_to_the_receiver_alone() -> None:
    assert b"01A123BC" not in ENVELOPE.raw
    for keys in (SIDES.uz, LinkKeys.generate()):
        with pytest.raises(EnvelopeRefusedError) as refused:
            open_body(ENVELOPE, keys)
        assert refused.value.rule == "unreadable_body"


def test_an_envelope_names_no_member() -> None:
    """MISP: names of members leaked. Who holds the wire sees fingerprints and a digest."""
    raw = json.loads(SIDES.seal(manifest_body()).raw)
    numbers, kind = ("number", "sent_at", "expires"), "manifest"
    assert {raw.pop("from"), raw.pop("to")} == {
        side.identity.fingerprint for side in (SIDES.uz, SIDES.tj)
    }
    assert (raw.pop("link"), raw.pop("kind")) == (SIDES.agreement.link, kind)
    assert all(isinstance(raw.pop(name), int) for name in numbers)
    assert set(raw) == {"previous", "body", "signature"}


def test_a_body_is_bound_to_its_head() -> None:
    """A body under another head, signed again by the sender, still cannot be read."""
    moved = replace(ENVELOPE, number=2)
    with pytest.raises(EnvelopeRefusedError):
        open_body(moved, SIDES.tj)


def test_only_the_named_sender_signs() -> None:
    assert not ENVELOPE.is_signed_by(SIDES.tj.identity)
    other = LinkKeys.generate()
    forged = seal_envelope(ENVELOPE, {}, keys=other, receiver=SIDES.tj.identity)
    assert not forged.is_signed_by(SIDES.uz.identity)
    assert not forged.is_signed_by(other.identity)


def _envelope_with(**changes: Any) -> bytes:
    content = json.loads(ENVELOPE.raw) | changes
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b"", "envelope"),
        (b"[]", "envelope"),
        (b"[" * 100_000, "envelope"),
        (b"\xff", "envelope"),
        (b" " + ENVELOPE.raw, "envelope"),
        (_envelope_with(extra=1), "envelope"),
        (_envelope_with(number=0), "number"),
        (_envelope_with(number=2**63), "number"),
        (_envelope_with(number=True), "number"),
        (_envelope_with(number="1"), "number"),
        (_envelope_with(sent_at=-1), "sent_at"),
        (_envelope_with(previous="00"), "previous"),
        (_envelope_with(previous="AA" * 32), "envelope"),
        (_envelope_with(signature="zz" * 64), "signature"),
        (_envelope_with(body="%%"), "body"),
        (_envelope_with(body="QUJDRB=="), "envelope"),
        (_envelope_with(body=7), "body"),
        (_envelope_with(handling=[]), "envelope"),
        (_envelope_with(handling=["H9"]), "handling"),
        (_envelope_with(handling=[["H1"]]), "handling"),
        (_envelope_with(kind="\ud800"), "envelope"),
        (_envelope_with(replaces=7), "replaces"),
        (_envelope_with(replaces=[[0, "00" * 32]]), "replaces"),
        (_envelope_with(replaces=[[1, "00"]]), "replaces"),
        (_envelope_with(replaces=[[1, "00" * 32]] * 51), "replaces"),
        (_envelope_with(replaces=[]), "envelope"),
        (_envelope_with(body="A" * MAX_BYTES), "envelope"),
    ],
)
def test_what_has_another_form_is_refused_by_field(raw: bytes, field: str) -> None:
    with pytest.raises(EnvelopeRefusedError) as refused:
        read_envelope(raw)
    assert (refused.value.field, refused.value.rule) == (field, "malformed")


def test_a_body_that_is_too_long_is_refused_before_it_leaves() -> None:
    with pytest.raises(RecordError, match="too_long"):
        SIDES.seal({"body": "A" * MAX_BYTES})


def test_each_envelope_commits_to_the_one_before() -> None:
    first = SIDES.seal(manifest_body())
    second = SIDES.seal(manifest_body(), after=Position(1, first.digest))
    assert first.previous == GENESIS
    assert second.previous == first.digest != SIDES.seal(manifest_body()).digest


def test_a_key_of_low_order_receives_nothing() -> None:
    assert is_receiving_key(SIDES.tj.identity.receiving_key)
    assert not is_receiving_key(bytes(32))
    assert not is_receiving_key((1).to_bytes(32, "little"))


def _receipt() -> LinkReceipt:
    about = (SIDES.agreement.link, ENVELOPE.sender, ENVELOPE.receiver, 1)
    digest = ENVELOPE.digest.hex()
    receipt = LinkReceipt(*about, digest, "taken", "", "j-1", 7, NOW, "ab" * 32)
    return receipt.signed_by(SIDES.tj)


@pytest.mark.parametrize(
    "changes",
    [
        {"number": 2},
        {"envelope": "00" * 32},
        {"status": "refused"},
        {"sequence": 8},
        {"chain": "cd" * 32},
        {"journal_id": "j-2"},
        {"known_at": NOW + 1},
        {"signature": bytes(64)},
        {"signature": b"?"},
        {"rule": "\ud800"},
    ],
)
def test_a_receipt_is_bound_to_every_field(changes: dict[str, Any]) -> None:
    receipt = _receipt()
    assert receipt.is_signed_by(SIDES.tj.identity)
    assert read_form(LinkReceipt, json.loads(json.dumps(receipt.to_json()))) == receipt
    assert not replace(receipt, **changes).is_signed_by(SIDES.tj.identity)
    assert not receipt.is_signed_by(SIDES.uz.identity)


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (None, "receipt"),
        ({}, "link"),
        (_receipt().to_json() | {"number": "1"}, "number"),
        (_receipt().to_json() | {"status": "lost"}, "status"),
    ],
)
def test_a_receipt_of_another_form_is_refused(value: object, field: str) -> None:
    with pytest.raises(EnvelopeRefusedError) as refused:
        read_form(LinkReceipt, value)
    assert refused.value.field == field
