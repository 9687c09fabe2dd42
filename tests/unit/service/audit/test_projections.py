"""Tables made from the journal, edited by SQL with a service running on them, and found.

Every edit is made in a transaction that is undone, on SQLite and on PostgreSQL, and checked by what
``darvoza verify`` runs. Negative control: a check that skips the edited table finds nothing.
"""

import json
from collections.abc import Collection, Mapping
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import Boolean, Connection, LargeBinary, Numeric, Table, select, text, update
from sqlalchemy.types import Float, Integer
from typer.testing import CliRunner

from api.audit.home_check import check_home
from api.audit.home_verification import NOT_COMPARED, PACKED, ProjectionCheck, version_faults
from api.auth.tables import StoredSecrets
from api.cli.main import app
from api.service.assembly import projections
from engine.audit.projection_replay import Comparison, identity_of, open_scratch_store
from engine.audit.store_check import find_structure_faults
from engine.domain.rights import Role
from engine.journal import kinds
from engine.journal.areas import check_body, load_areas
from engine.journal.entries import JournalFault, JournalRecord
from engine.journal.journal import JournalReader
from engine.storage.database import METADATA
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.online.backfill import Recount
from features.online.counter_log import settle_log
from features.online.counter_store import insert_states
from tests.support.people import at_desk
from tests.support.running_service import World
from tests.unit.engine.audit.journal_forgery import open_rolled_back

pytestmark = pytest.mark.machine_clock

PLAN = Plan(CATALOGUE)


def check(
    world: World, connection: Connection, *, skip: Collection[str] = ()
) -> list[JournalFault]:
    """Run the check of projections that ``darvoza verify`` runs, on one connection.

    Where tables are skipped, the structure of the tables is not read again: only rows were edited.
    """
    recount = Recount(world.home, connection, PLAN)
    network = world.runtime.network
    skipped = dict(NOT_COMPARED) | dict.fromkeys(skip, "negative control")
    checked = ProjectionCheck(
        connection,
        network,
        projections(PLAN, network),
        history=recount,
        fill=recount.fill,
        skipped=skipped,
    )
    if not skip:
        return list(checked.faults())
    with patch("api.audit.home_verification.find_structure_faults", lambda *_: ()):
        return list(checked.faults())


EDITS = {
    ("access_keys", "extra"): (
        "INSERT INTO access_keys (key_id, digest, role, created_at) "
        "SELECT 'key-0', journal.leaf, 'administrator', 1 FROM journal WHERE seq = 1"
    ),
    ("users", "extra"): (
        "INSERT INTO users (name, password, role, created_at) VALUES ('ghost', 'x', 'integrity', 1)"
    ),
    ("sessions", "extra"): (
        "INSERT INTO sessions (digest, name, signed_in_at, until) "
        "SELECT leaf, 'ada', 1, 9000000000000000 FROM journal WHERE seq = 1"
    ),
    ("decisions", "missing"): (
        "DELETE FROM decisions WHERE seq = (SELECT min(seq) FROM decisions WHERE waiting)"
    ),
    ("shifts", "differs"): "UPDATE shifts SET seed = (SELECT leaf FROM journal WHERE seq = 1)",
    ("counter_epoch", "extra"): (
        "INSERT INTO counter_epoch (one, epoch, definitions) VALUES (1, 'e', 'd')"
    ),
    ("loaded_reports", "extra"): "INSERT INTO loaded_reports (name) VALUES ('inspection:x')",
}
"""Rows that never were, one that is gone and one of all that differ; below, any column."""


def test_an_untouched_home_stands(eventful_world: World) -> None:
    verdict = check_home(eventful_world.home, eventful_world.runtime.store)
    assert verdict.faults == () and verdict.ok
    assert [note for note in verdict.notes if "amcheck" not in note] == []
    assert {name for name, rows in verdict.tables.items() if not rows} <= {
        "counter_epoch",
        "loaded_parties",
        "loaded_reports",
        "profile_counts",
    }, "a table without a row compares nothing"


BODIES = {
    str(kind): kind.body_type
    for area in load_areas()
    for kind in area.records
    if hasattr(kind.body_type, "__required_keys__")
}
"""The type of a body that each kind of record states."""


def misfit(kind: str, body: Mapping[str, Any]) -> str:
    """Return the keys of a body that its kind requires and it lacks, or does not know."""
    required, optional = BODIES[kind].__required_keys__, BODIES[kind].__optional_keys__
    missing, unknown = required - body.keys(), body.keys() - required - optional
    return f"{kind}: {sorted(missing)} {sorted(unknown)}" if missing or unknown else ""


def test_every_record_has_the_body_that_its_kind_states(eventful_world: World) -> None:
    with eventful_world.runtime.store.read() as connection:
        records: list[JournalRecord[Any]] = list(JournalReader(connection).records())
    known = [record for record in records if record.kind in BODIES]
    assert len({record.kind for record in known}) > 20
    assert {misfit(record.kind, record.body) for record in known} == {""}
    for record in records:
        if kinds.COPIED not in record.body:
            check_body(record.kind, record.body)


def test_a_body_without_a_key_or_with_another_is_found() -> None:
    """Negative control."""
    body = {"crossing_id": "c-1", "decision": 7, "decided_at": "2026-03-01T10:00:00Z"}
    assert misfit("queue_expired", body) == ""
    assert misfit("queue_expired", body | {"at": 1}) == "queue_expired: [] ['at']"
    del body["decision"]
    assert misfit("queue_expired", body) == "queue_expired: ['decision'] []"


def test_edits_of_projections_are_found_each_in_its_table(eventful_world: World) -> None:
    with open_rolled_back(eventful_world.runtime.store) as connection:
        settle_log(connection, insert_states)  # some rows of counters wait in the log
        for (table, _), sql in EDITS.items():
            assert connection.execute(text(sql.replace(":", "\\:"))).rowcount > 0, table
        found = {(one.table, one.rule) for one in check(eventful_world, connection)}
        assert found == EDITS.keys()
        skipped = {table for table, _ in EDITS}
        assert check(eventful_world, connection, skip=skipped) == [], "what is skipped is missed"


TRIGGERS = {
    "sqlite": (
        "CREATE TRIGGER quiet AFTER INSERT ON decisions BEGIN "
        "UPDATE decisions SET waiting = 0; END",
        "CREATE VIEW people AS SELECT * FROM users",
        "DROP INDEX decisions_waiting_ix",
    ),
    "postgresql": (
        "CREATE RULE quiet AS ON INSERT TO reviews DO INSTEAD NOTHING",
        "CREATE VIEW people AS SELECT * FROM users",
        "DROP INDEX decisions_waiting_ix",
    ),
}


def test_objects_that_are_not_ours_are_found(eventful_world: World) -> None:
    store = eventful_world.runtime.store
    for statement in TRIGGERS[store.dialect]:
        with open_rolled_back(store) as connection:
            connection.execute(text(statement))
            (fault,) = check(eventful_world, connection)
            assert fault.rule in ("foreign_object", "missing_object")
            assert any(name in fault.message for name in ("quiet", "people", "decisions_waiting"))


ALTERATIONS = (
    "ALTER TABLE users ADD COLUMN extra VARCHAR DEFAULT 'x'",
    "UPDATE alembic_version SET version_num = '0018'",
    "DELETE FROM alembic_version",
    "INSERT INTO alembic_version VALUES ('9999')",
    "DROP INDEX decisions_waiting_ix; CREATE INDEX decisions_waiting_ix ON decisions (seq)",
)
ALTERATIONS_OF = {
    "sqlite": (
        "ALTER TABLE users ADD COLUMN g VARCHAR GENERATED ALWAYS AS (upper(name)) VIRTUAL",
        "CREATE TABLE other (seq BIGINT PRIMARY KEY ON CONFLICT REPLACE, post VARCHAR NOT NULL, "
        "crossing_id VARCHAR NOT NULL, known_at BIGINT NOT NULL, confirmed_seq BIGINT); "
        "INSERT INTO other SELECT * FROM pending_finds; DROP TABLE pending_finds; "
        "ALTER TABLE other RENAME TO pending_finds",
        "CREATE TABLE other (method VARCHAR, post VARCHAR COLLATE NOCASE, minutes FLOAT NOT NULL, "
        "seq BIGINT NOT NULL, teams VARCHAR DEFAULT '[]' NOT NULL, PRIMARY KEY (post, method)); "
        "INSERT INTO other (method, post, minutes, seq, teams) "
        "SELECT method, post, minutes, seq, teams FROM rosters; DROP TABLE rosters; "
        "ALTER TABLE other RENAME TO rosters",
    ),
    "postgresql": (
        "ALTER TABLE users ALTER COLUMN post SET DEFAULT 'OYB'",
        "ALTER TABLE users ADD COLUMN g VARCHAR GENERATED ALWAYS AS (upper(name)) STORED",
        "ALTER TABLE journal ADD CONSTRAINT quiet CHECK (kind <> 'key_revoked') NOT VALID",
        "ALTER TABLE profile_matches DROP CONSTRAINT profile_matches_pk",
        "ALTER TABLE journal DROP CONSTRAINT journal_known_at_uq",
        "ALTER TABLE access_keys DROP CONSTRAINT access_keys_digest_uq; "
        "CREATE UNIQUE INDEX access_keys_digest_uq ON access_keys (role, key_id)",
        "ALTER TABLE users ALTER COLUMN password DROP NOT NULL",
        "ALTER TABLE users ALTER COLUMN name TYPE VARCHAR(300)",
        'ALTER TABLE users ALTER COLUMN name TYPE VARCHAR COLLATE "C"',
        "ALTER TABLE reviews ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE access_keys SET UNLOGGED",
        "ALTER TABLE reviews ADD CONSTRAINT quiet FOREIGN KEY (decision_id) "
        "REFERENCES decisions (decision_id) ON DELETE CASCADE",
    ),
}
"""Tables of ours that were altered, without a row that differs."""


def test_an_altered_table_is_found(eventful_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    store = eventful_world.runtime.store
    for alteration in (*ALTERATIONS, *ALTERATIONS_OF[store.dialect]):
        with open_rolled_back(store) as connection:
            for statement in alteration.split("; "):
                connection.execute(text(statement))
            rules = {
                fault.rule
                for fault in (
                    *find_structure_faults(connection, METADATA),
                    *version_faults(connection),
                )
            }
            assert rules == {"altered_table"}, alteration
    with open_rolled_back(store) as connection:
        connection.execute(text(ALTERATIONS[0]))
        assert [fault.rule for fault in check(eventful_world, connection)] == ["altered_table"]
        monkeypatch.setattr("api.audit.home_verification.find_structure_faults", lambda *_: ())
        assert check(eventful_world, connection) == [], "negative control: names alone do not tell"


def other(column: Any, value: Any) -> Any:
    """Return a value of a column's type that is not its own."""
    if isinstance(column.type, LargeBinary):
        return b"\1" + (value or b"")
    if isinstance(column.type, Boolean):
        return not value
    if isinstance(column.type, Integer | Float | Numeric):
        return 7 if value is None else value + 9_999
    return "other" if value is None else f"{value}x"


def columns_missed(world: World, table: Table, replayed: Connection) -> list[str]:
    """Change each column of one row, and return those whose change is not found."""
    missed = []
    with open_rolled_back(world.runtime.store) as connection:
        settle_log(connection, insert_states)
        row = connection.execute(select(table).limit(1)).mappings().one_or_none()
        if row is None:
            return []
        where = [table.c[column.name] == row[column.name] for column in table.primary_key]
        for column in table.columns:
            nested = connection.begin_nested()
            changed = other(column, row[column.name])
            connection.execute(update(table).where(*where).values({column.name: changed}))
            if not list(Comparison(connection, replayed, packed=PACKED).faults(table)):
                missed.append(column.name)
            nested.rollback()
    return missed


def test_every_column_of_every_table_is_compared(eventful_world: World) -> None:
    with eventful_world.runtime.store.read() as live_, open_scratch_store() as replayed:
        recount = Recount(eventful_world.home, live_, PLAN)
        checked = ProjectionCheck(
            live_,
            eventful_world.runtime.network,
            projections(PLAN, eventful_world.runtime.network),
            history=recount,
        )
        replay = checked.replay(StoredSecrets(live_).restorers())
        assert list(replay.advance(live_, replayed)) == []
        assert recount.fill(replayed)
        tables = [t for name, t in METADATA.tables.items() if name not in NOT_COMPARED]
        assert {t.name: columns_missed(eventful_world, t, replayed) for t in tables} == {
            t.name: [] for t in tables
        }


def test_every_table_is_compared_or_has_a_reason() -> None:
    """A table that is added later is compared, unless a reason why not is written down."""
    assert set(NOT_COMPARED) <= set(METADATA.tables)
    assert all(len(why) > 10 for why in NOT_COMPARED.values())
    assert all(identity_of(table).by for table in METADATA.tables.values())


def test_the_command_names_table_row_and_columns_and_no_secret(eventful_world: World) -> None:
    store = eventful_world.runtime.store
    with store.write() as connection:
        connection.execute(text("UPDATE users SET role = 'integrity' WHERE name = 'ada'"))
    try:
        result = CliRunner().invoke(app, ["verify", "--home", str(eventful_world.home.root)])
        as_json = CliRunner().invoke(
            app, ["verify", "--home", str(eventful_world.home.root), "--json"]
        )
    finally:
        with store.write() as connection:
            connection.execute(text("UPDATE users SET role = 'supervisor' WHERE name = 'ada'"))
    assert result.exit_code == as_json.exit_code == 1
    assert "users, name ada: role" in result.stdout and "argon2" not in result.stdout
    (fault,) = json.loads(as_json.stdout)["faults"]
    assert (fault["table"], fault["key"], fault["rule"]) == ("users", "name ada", "differs")


def test_the_page_of_the_journal_shows_it_too(eventful_world: World) -> None:
    auditor = at_desk(eventful_world, "auditor", Role.INTEGRITY)
    store = eventful_world.runtime.store
    stands = eventful_world.post("/v1/journal/verifications", None, Role.INTEGRITY).json()
    assert stands["found"] == 0 and stands["compared"] > 100
    with store.write() as connection:
        connection.execute(text("UPDATE users SET role = 'integrity' WHERE name = 'ada'"))
    try:
        assert auditor.send("/journal", "/journal/verifications", {}).status_code == 303
        page = auditor.get("/journal").text
    finally:
        with store.write() as connection:
            connection.execute(text("UPDATE users SET role = 'supervisor' WHERE name = 'ada'"))
    assert "users, name ada: role" in page and "compared with a replay" in page
