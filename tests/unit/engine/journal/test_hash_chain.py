"""What a record commits to, and receipts that are signed for it."""

import json
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.errors import HomeError, RecordError
from engine.journal.entries import Entry
from engine.journal.hash_chain import (
    GENESIS,
    ChainedFields,
    canonical,
    chain_of,
    leaf_of,
    new_salt,
    write_plain,
)
from engine.journal.journal import parse_body
from engine.journal.receipts import (
    KEY_FILE,
    Signer,
    is_signed,
    key_id_of,
    open_signer,
    read_receipts,
)
from engine.storage.home import Home

characters = st.characters(exclude_categories=["Cs"])  # a lone surrogate has no UTF-8
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(characters),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(characters), inner),
    max_leaves=20,
)  # fmt: skip
bodies = st.dictionaries(st.text(characters), values)
numbers = st.integers(-(1 << 63), (1 << 63) - 1)
fields = st.fixed_dictionaries(
    {
        "previous": st.binary(min_size=32, max_size=32),
        "journal_id": st.text(characters),
        "seq": numbers,
        "known_at": numbers,
        "kind": st.text(characters),
        "subject": st.text(characters),
        "post": st.text(characters),
        "origin": st.text(characters),
        "origin_seq": st.none() | numbers,
        "leaf": st.binary(min_size=32, max_size=32),
    }
)


def link(record: dict[str, object]) -> bytes:
    values = [record[name] for name in ChainedFields._fields]
    return chain_of(record["previous"], record["journal_id"], ChainedFields(*values))  # type: ignore[arg-type]


@given(bodies)
def test_a_canonical_body_reads_back_and_has_one_spelling(body: dict[str, object]) -> None:
    written = canonical(body)

    for read in (json.loads, parse_body):
        assert read(written) == body
        assert canonical(read(written)) == written
    assert canonical(dict(reversed(body.items()))) == written


class Word(StrEnum):
    HIT = "hit"


class Number(IntEnum):
    ONE = 1


class Body(dict[str, object]):
    pass


SPELLED_APART = [
    {"a": value}
    for value in (
        *(1e-5, 9.9e-5, -1e-7, math.nan, math.inf, [math.nan], (1e-9,)),
        *(datetime(2026, 1, 1, tzinfo=UTC), UUID(int=1), {"b": [{"c": 1e-6}]}, Body(b=1e-6)),
    )
] + [Body(a=1e-5)]
"""Bodies that orjson writes otherwise, or that the standard writer refuses."""
extremes = st.sampled_from(
    [*SPELLED_APART, Word.HIT, Number.ONE, 1 << 64, "\ud800", b"", 1e-4, -0.0]
)
ties = st.integers(0, 1 << 20).map(lambda steps: 8.0 + steps / (1 << 16))
"""Two shortest decimals are as near to most of them."""
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ties | st.text() | extremes,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.integers() | st.just(Word.HIT), inner)
    ),
    max_leaves=20,
)


def write_standard(body: object) -> bytes | None:
    """Return the canonical form by the standard library's writer, None where it refuses."""
    try:
        return json.dumps(
            body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        ).encode()
    except (TypeError, ValueError):
        return None


@given(st.dictionaries(st.text(), anything))
def test_the_quick_writer_changes_no_byte(body: dict[str, object]) -> None:
    try:
        written = canonical(body)
    except RecordError:
        written = None
    assert written == write_standard(body)


@given(st.floats(1e-4, 1e16, exclude_max=True) | ties)
def test_numbers_without_a_power_have_one_shortest_spelling(number: float) -> None:
    for value in (number, -number):
        assert write_plain({"a": value}) == write_standard({"a": value}) == b'{"a":%a}' % value


def test_a_stored_body_is_read_as_by_the_standard_parser() -> None:
    for text in (
        b'["\\ud800"]',
        b"\xef\xbb\xbf[1]",
        b'{"a": -0.0, "a": 1e400}',
        b"[" * 300 + b"]" * 300,
    ):
        assert repr(parse_body(text)) == repr(json.loads(text))
    for unreadable in (b"", b"[1,]", b"\xff", b"{", None, 7):
        with pytest.raises((TypeError, ValueError)):
            parse_body(unreadable)


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, b"bytes", {1}, "\ud800", object(), [math.nan], {"a": -math.inf}]
)
def test_what_json_cannot_hold_is_refused_without_an_echo(value: object) -> None:
    with pytest.raises(RecordError, match="not_json") as caught:
        canonical({"field": value})

    assert repr(value) not in str(caught.value)


@given(fields, fields)
def test_the_chain_changes_with_any_field(
    record: dict[str, object], other: dict[str, object]
) -> None:
    for name in record:
        changed = record | {name: other[name]}
        assert (link(changed) == link(record)) == (changed == record), name


@given(st.text(characters), st.text(characters), st.integers(0, 20))
def test_nothing_moves_between_fields_unseen(kind: str, subject: str, cut: int) -> None:
    whole = kind + subject
    assume(whole[:cut] != kind)
    record: dict[str, object] = {
        "previous": GENESIS, "journal_id": "j", "seq": 1, "known_at": 1, "post": "p",
        "origin": "", "origin_seq": None, "leaf": bytes(32),
    }  # fmt: skip

    assert link(record | {"kind": kind, "subject": subject}) != link(
        record | {"kind": whole[:cut], "subject": whole[cut:]}
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [("known_at", 1.0), ("seq", "1"), ("kind", None), ("leaf", "text"), ("origin_seq", 0.5)],
)
def test_another_type_is_never_the_same_record(name: str, value: object) -> None:
    record: dict[str, object] = {
        "previous": GENESIS, "journal_id": "j", "seq": 1, "known_at": 1, "kind": "k",
        "subject": "s", "post": "p", "origin": "", "origin_seq": None, "leaf": bytes(32),
    }  # fmt: skip

    with pytest.raises(Exception, match=r".+"):
        link(record | {name: value})


def test_equal_bodies_have_unequal_leaves() -> None:
    body = canonical({"outcome": "clear"})

    assert leaf_of(new_salt(), body) != leaf_of(new_salt(), body)


SIGNER = Signer(Ed25519PrivateKey.generate())
ENTRY = Entry("journal", 7, 1, "decision", "c1", "OYB", bytes(range(32)), bytes(32))
RECEIPT = SIGNER.sign(ENTRY)
CONTRACT = {"journal_id", "sequence", "leaf", "chain", "signature", "key_id"}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path).prepare()


def test_a_receipt_has_the_fields_of_the_contract() -> None:
    assert set(RECEIPT.to_json()) == CONTRACT
    assert RECEIPT.sequence == 7
    assert bytes.fromhex(RECEIPT.leaf) == ENTRY.leaf
    assert RECEIPT.key_id == key_id_of(SIGNER.public_key)
    assert len(RECEIPT.key_id) == 16


def test_the_same_record_gets_the_same_receipt() -> None:
    assert SIGNER.sign(ENTRY) == RECEIPT


def test_no_field_can_change_under_a_signature() -> None:
    assert is_signed(RECEIPT, SIGNER.public_key)
    for name, value in {
        "journal_id": "journa1",
        "sequence": 8,
        "leaf": RECEIPT.chain,
        "chain": RECEIPT.leaf,
        "signature": "00" * 64,
    }.items():
        assert not is_signed(replace(RECEIPT, **{name: value}), SIGNER.public_key), name  # type: ignore[arg-type]


def test_nothing_moves_between_fields_of_a_receipt_unseen() -> None:
    moved = replace(RECEIPT, leaf=RECEIPT.leaf[:-2], chain=RECEIPT.leaf[-2:] + RECEIPT.chain)

    assert not is_signed(moved, SIGNER.public_key)


def test_the_key_is_made_once_and_closed_to_others(home: Home) -> None:
    first, again = open_signer(home), open_signer(home)

    assert first.key_id == again.key_id
    assert (home.keys / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in home.keys.iterdir()] == [KEY_FILE]


def test_processes_that_start_together_share_one_key(home: Home) -> None:
    with ThreadPoolExecutor(8) as pool:
        names = set(pool.map(lambda _: open_signer(home).key_id, range(8)))

    assert len(names) == 1


def test_a_key_that_others_can_read_is_refused(home: Home) -> None:
    open_signer(home)
    (home.keys / KEY_FILE).chmod(0o640)

    with pytest.raises(HomeError, match="chmod 600"):
        open_signer(home)


@pytest.mark.parametrize(
    "content",
    [
        b"not a key",
        X25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        ),
    ],
)
def test_a_file_that_holds_no_such_key_is_refused(home: Home, content: bytes) -> None:
    path = home.keys / KEY_FILE
    path.touch(0o600)
    path.write_bytes(content)

    with pytest.raises(HomeError):
        open_signer(home)


def write_receipts(folder: Path, text: str) -> Path:
    path = folder / "receipts.json"
    path.write_text(text, "utf-8")
    return path


def test_receipts_are_read_as_lines_as_a_list_and_out_of_answers(tmp_path: Path) -> None:
    kept = RECEIPT.to_json()
    for text in (
        "\n" + json.dumps(kept) + "\n\n" + json.dumps(kept) + "\n",
        json.dumps([kept, kept], indent=2),
        json.dumps({"decision_id": "d1", "receipt": kept}) + "\n" + json.dumps(kept),
    ):
        assert list(read_receipts(write_receipts(tmp_path, text))) == [RECEIPT, RECEIPT]
    assert list(read_receipts(write_receipts(tmp_path, ""))) == []
    assert list(read_receipts(write_receipts(tmp_path, " \n[]"))) == []


@pytest.mark.parametrize(
    "change", [{"sequence": "7"}, {"sequence": True}, {"leaf": None}, {"more": 1}]
)
def test_what_is_no_receipt_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    path = write_receipts(tmp_path, json.dumps(RECEIPT.to_json() | change))

    with pytest.raises(RecordError, match="malformed"):
        list(read_receipts(path))
