"""A verifier that knows only the page about the format agrees with our own on every attack."""

import ast
import random
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete

from engine.audit.verification import verify_snapshot
from engine.journal.journal import BODIES
from engine.storage.database import Store
from tests.unit.engine.audit import independent_verifier
from tests.unit.engine.audit.journal_forgery import (
    RECORDS,
    drop_body,
    edit,
    fill,
    forge,
    open_rolled_back,
    other_identity,
    remove,
    replace_salt,
)
from tests.unit.engine.audit.test_verification import KINDS, SIGNER, erase

PAGE = Path(__file__).parents[4] / "docs" / "journal-format.md"


def agree(connection: Connection, receipts: list[object]) -> bool:
    """Hold both verdicts against each other, and return whether all stands."""
    known = [receipt for receipt in receipts if receipt is not None]
    ours = verify_snapshot(connection, known, public_key=SIGNER.public_key)  # type: ignore[arg-type]
    raw = connection.connection.dbapi_connection
    as_json = [receipt.to_json() for receipt in known]  # type: ignore[attr-defined]
    theirs = independent_verifier.verify(raw, as_json, SIGNER.public_key.public_bytes_raw())
    assert {(fault.seq, fault.rule) for fault in ours.faults} == theirs
    return ours.ok


def test_both_verifiers_agree_on_every_attack(store: Store) -> None:
    entries = fill(store)
    receipts: list[object] = [SIGNER.sign(entry) for entry in entries[::3]]
    erase(store, 5, 12)
    erase(store, 6, signature="00" * 64)
    dice = random.Random(20_261_126)
    with open_rolled_back(store) as connection:
        connection.execute(delete(BODIES).where(BODIES.c.seq.in_((5, 12))))
        assert not agree(connection, receipts), "the second erasure is not signed"
    for kind in KINDS:
        for is_forged in (False, True):
            with open_rolled_back(store) as connection:
                edit(connection, kind, seq=dice.randint(7, RECORDS - 1), dice=dice)
                if is_forged:
                    forge(connection)
                assert not agree(connection, receipts), kind
    for attack in (replace_salt, other_identity, drop_body):
        with open_rolled_back(store) as connection:
            attack(connection)
            assert not agree(connection, receipts)
    with open_rolled_back(store) as connection:
        remove(connection, RECORDS // 2)
        assert not agree(connection, receipts)


def test_an_untouched_journal_stands_for_both(store: Store) -> None:
    entries = fill(store)
    erase(store, 5)
    with open_rolled_back(store) as connection:
        assert agree(connection, [SIGNER.sign(entry) for entry in entries])


def test_another_byte_order_would_be_found(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: a verifier that reads the page wrongly agrees with nothing."""
    fill(store)
    plain = independent_verifier.struct.pack  # type: ignore[attr-defined]
    monkeypatch.setattr(
        independent_verifier.struct,  # type: ignore[attr-defined]
        "pack",
        lambda form, *values: plain(form.replace(">", "<"), *values),
    )
    with open_rolled_back(store) as connection, pytest.raises(AssertionError):
        agree(connection, [])


def test_the_verifier_imports_nothing_of_ours_and_the_page_names_its_messages() -> None:
    source = Path(independent_verifier.__file__).read_text("utf-8")
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name) or ""
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert not {name for name in imported if name.partition(".")[0] in ("engine", "api", "tests")}
    page = PAGE.read_text("utf-8")
    for text in ("darvoza receipt 1", "darvoza erasure 1", "darvoza/credential"):
        assert text in page
