"""A receipt is signed by a key that only its owner can read, and survives being kept as JSON."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from engine.errors import HomeError, RecordError
from engine.journal.entries import Entry
from engine.journal.receipts import (
    KEY_FILE,
    Receipt,
    Signer,
    is_signed,
    key_id_of,
    open_signer,
    read_receipts,
)
from engine.storage.home import Home

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


def test_nothing_moves_between_fields_unseen() -> None:
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


def test_a_receipt_survives_json() -> None:
    assert Receipt.from_json(json.loads(json.dumps(RECEIPT.to_json()))) == RECEIPT
