"""Tables that were edited, made again from the journal: the service then answers as before."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, text
from typer.testing import CliRunner

import api.audit.home_check
from api.audit.home_check import check_home, open_check, rebuild_home, rebuild_into
from api.audit.home_verification import NOT_COMPARED
from api.cli.main import app
from api.migrations.upgrade import upgrade
from api.service.assembly import open_store
from engine.audit.erasures import erasure_draft
from engine.errors import HomeError, StoreUnavailableError
from engine.journal.entries import Draft
from engine.journal.journal import Journal
from engine.journal.receipts import open_signer
from engine.storage import database
from engine.storage.database import METADATA, Store
from engine.storage.home import DATABASE_VARIABLE, Home
from features.online.backfill import Recount
from tests.support.running_service import POST
from tests.unit.service.audit.eventful_home import ENTRIES, copy_eventful, serve
from tests.unit.service.audit.test_projections import EDITS

pytestmark = pytest.mark.machine_clock

READS = (
    f"/v1/posts/{POST}/queue",
    "/v1/decisions?limit=50",
    "/v1/watchlist",
    "/v1/profiles",
    f"/v1/posts/{POST}/roster",
)
HOLD_SECRETS = ("access_keys", "sessions", "shifts", "users")
"""Tables whose secrets stand in no record: they come back with what the edited rows still hold."""
LOST_SECRETS = (
    "UPDATE access_keys SET digest = (SELECT leaf FROM journal WHERE seq = 1) WHERE owner = 'ada'",
    "UPDATE users SET password = '$argon2id$x', role = 'integrity' WHERE name = 'ada'",
)


def answers(home: Home, keys: Any, other: str) -> list[Any]:
    """Serve a home and return what it answers."""
    with serve(home, keys, other) as world:
        found = [world.get(path) for path in READS]
        assert {one.status_code for one in found} == {200}
        return [_timeless(one.json()) for one in found]


def _timeless(value: Any) -> Any:
    """Return an answer without what the clock moves on its own."""
    if isinstance(value, dict):
        return {k: _timeless(v) for k, v in value.items() if k not in ("as_of", "since")}
    return [_timeless(one) for one in value] if isinstance(value, list) else value


Lived = tuple[Home, Any, str]
"""A home that was lived in, and its keys."""


@pytest.fixture
def store(eventful_home: Lived) -> Iterator[Store]:
    with open_store(eventful_home[0]) as store:
        yield store


def edit(store: Store, *statements: str) -> None:
    with store.write() as connection:
        for statement in statements:
            connection.execute(text(statement.replace(":", "\\:")))


def empty_tables(store: Store) -> None:
    """Delete every row that the records alone say."""
    with store.write() as connection:
        for name, table in METADATA.tables.items():
            if name not in {*NOT_COMPARED, *HOLD_SECRETS}:
                connection.execute(delete(table))


def test_edited_tables_are_made_again_and_the_service_answers_as_before(
    eventful_home: Lived, store: Store
) -> None:
    home, keys, other = eventful_home
    before = answers(home, keys, other)  # of this shift
    edit(store, *EDITS.values())
    empty_tables(store)
    assert not check_home(home, store).ok
    result = CliRunner().invoke(app, ["rebuild", "--home", str(home.root), "--json"])
    assert result.exit_code == 0, result.output
    dropped = [row for row in json.loads(result.stdout)["dropped"] if row["table"] == "shifts"]
    assert dropped == [{"table": "shifts", "key": key} for key in _lost_shifts(store)]
    verdict = check_home(home, store)
    assert verdict.faults == ()
    assert [note for note in verdict.notes if "amcheck" not in note] == []
    assert answers(home, keys, other) == before


def test_a_rebuild_that_reads_what_was_lost_is_caught(
    eventful_home: Lived, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: how far snapshots are made is asked of the emptied tables themselves."""
    home = eventful_home[0]
    edit(store, "DELETE FROM spread_head", "DELETE FROM spread_crossings")
    with monkeypatch.context() as patched:
        patched.setattr(Recount, "_snapshots_before", lambda *_: 0)
        rebuild_home(home, store)
    assert "spread_head" in {fault.table for fault in check_home(home, store).faults}
    rebuild_home(home, store)
    assert check_home(home, store).ok


def _lost_shifts(store: Store) -> list[str]:
    with store.read() as connection:
        rows = connection.execute(text("SELECT shift_id FROM shifts ORDER BY shift_id"))
        return [str(shift) for (shift,) in rows]


def test_a_secret_that_does_not_fit_is_dropped_by_name(eventful_home: Lived, store: Store) -> None:
    home = eventful_home[0]
    edit(store, *LOST_SECRETS)
    rebuilt = rebuild_home(home, store)
    assert {"access_keys", "users"} <= {table for table, _ in rebuilt.dropped}
    assert ("users", "ada") in rebuilt.dropped
    assert check_home(home, store).ok, "a record names what was dropped"
    query = text("UPDATE users SET password = :password WHERE name = 'ben'")
    with store.write() as connection:
        kept = connection.scalar(text("SELECT password FROM users WHERE name = 'ben'"))
        connection.execute(query, {"password": "!ben"})
    faults = check_home(home, store).faults
    assert [(fault.table, fault.rule) for fault in faults] == [("users", "differs")]
    with store.write() as connection:
        connection.execute(query, {"password": kept})


def test_a_crash_leaves_the_old_tables(
    eventful_home: Lived, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(store, "DELETE FROM reviews")
    before = check_home(eventful_home[0], store).faults

    def crash(*_: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(api.audit.home_check, "_restore_indexes", crash)
        with pytest.raises(RuntimeError):
            rebuild_home(eventful_home[0], store)
    assert check_home(eventful_home[0], store).faults == before != ()
    rebuild_home(eventful_home[0], store)
    assert check_home(eventful_home[0], store).ok


def test_it_refuses_while_another_writer_holds_the_store(
    eventful_home: Lived, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = eventful_home[0]
    monkeypatch.setattr(database, "PATIENCE_SECONDS", 1)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with store.write() as connection:
            connection.execute(text("SELECT 1"))
            held.set()
            done.wait(30)

    writer = threading.Thread(target=hold)
    writer.start()
    held.wait(30)
    try:
        with pytest.raises(StoreUnavailableError):
            rebuild_home(home, store)
    finally:
        done.set()
        writer.join()

    def record_check(home: Home, live_: Any) -> Any:
        Journal(store).append([Draft("tick", "", "", {})])
        return open_check(home, live_)

    monkeypatch.setattr(api.audit.home_check, "open_check", record_check)
    with pytest.raises(HomeError, match="stop the service"):
        rebuild_home(home, store)


def test_it_makes_nothing_of_a_journal_that_was_changed(eventful_home: Lived, store: Store) -> None:
    changed = "UPDATE journal SET subject = :s WHERE seq = 3"
    with store.write() as connection:
        subject = connection.scalar(text("SELECT subject FROM journal WHERE seq = 3"))
        connection.execute(text(changed), {"s": "x"})
    try:
        with pytest.raises(HomeError, match="record 3: chain"):
            rebuild_home(eventful_home[0], store)
    finally:
        with store.write() as connection:
            connection.execute(text(changed), {"s": subject})


UNREADABLE = (
    "UPDATE decisions SET post = CAST(post AS BLOB)",
    "UPDATE users SET role = CAST(X'ff' AS TEXT) WHERE name = 'ada'",
    "UPDATE shifts SET seed = CAST(seed AS TEXT)",
    "UPDATE spread_head SET cut = 'none'",
    "UPDATE counter_log SET known_at = 2000000000000000 "
    "WHERE known_at = (SELECT MIN(known_at) FROM counter_log)",
    "INSERT INTO counter_merge VALUES (1, 7, 2000000000000000, 0, -1, 0, 0)",
)


def test_values_that_cannot_be_read_are_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(DATABASE_VARIABLE, raising=False)
    home = copy_eventful(tmp_path / "home")[0]
    with open_store(home) as store:
        with store.write() as connection:
            for statement in UNREADABLE:
                assert connection.exec_driver_sql(statement).rowcount > 0
        assert not check_home(home, store).ok
        rebuilt = rebuild_home(home, store)
        assert {table for table, _ in rebuilt.dropped} == {"shifts"}
        assert check_home(home, store).faults == ()


def test_rows_of_erased_records_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DATABASE_VARIABLE, raising=False)
    home = copy_eventful(tmp_path / "home")[0]
    store = open_store(home)
    with store.read() as connection:
        query = "SELECT max(seq) FROM journal WHERE kind = 'decision'"
        seq = connection.execute(text(query)).scalar_one()
        before = connection.execute(text("SELECT count(*) FROM decisions")).scalar_one()
        entry = Journal(store).entry(connection, seq)
    assert before >= ENTRIES
    draft = erasure_draft(open_signer(home), entry.journal_id, {seq: entry.leaf}, by="a", why="b")
    Journal(store).append([draft])
    with store.write() as connection:
        connection.execute(text("DELETE FROM journal_bodies WHERE seq = :s"), {"s": seq})
    verdict = check_home(home, store)
    assert verdict.faults == () and verdict.journal.erased == 1
    assert any("erased" in note for note in verdict.notes)
    edit(store, "DELETE FROM reviews")
    rebuild_home(home, store)
    assert check_home(home, store).faults == ()
    with store.read() as connection:
        rows = connection.execute(text("SELECT count(*) FROM decisions")).scalar_one()
        assert rows == before, "the row of the erased record stays as it was"
    with Store(f"sqlite:///{tmp_path / 'new.sqlite'}") as made:
        upgrade(made)
        rebuild_into(home, store, made)
        assert check_home(home, made).faults == ()
        with made.read() as connection:
            rows = connection.execute(text("SELECT count(*) FROM decisions")).scalar_one()
            assert rows == before, "it is in a new store, too"
    store.dispose()
