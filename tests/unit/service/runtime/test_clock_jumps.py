"""A clock that jumps by two days, and back: nothing is refused, nothing leaves, the order stands.

Senders' clocks are right all the while, and so is the time since boot. On SQLite the machine's
clock jumps, on PostgreSQL the database's.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import time_machine
from sqlalchemy import Connection, delete, insert, select, text
from typer.testing import CliRunner

import engine.journal.clock
from api.auth.accounts import Accounts
from api.cli.main import app
from engine.audit.verification import verify
from engine.domain.rights import Role
from engine.errors import NotAuthenticatedError
from engine.journal.clock import Reading
from engine.journal.entries import Head
from engine.journal.journal import JOURNAL, Journal
from engine.journal.kinds import CLOCK_ACCEPTED, QUEUE_EXPIRED, SHIFT_CLOSED
from engine.queue.queue import DECISIONS, list_decisions, list_waiting
from engine.storage.home import DATABASE_VARIABLE
from tests.support.clocks import travel
from tests.support.emptied_database import empty_database
from tests.support.running_service import POST, World, arrival, serving
from tests.unit.service.reports.test_acts import act

FAR = timedelta(days=2)
JUMPS = (timedelta(0), FAR, timedelta(0), -FAR, timedelta(0))
EACH = 6


@pytest.fixture
def own(server_url: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Serve a home of this test's own."""
    monkeypatch.setattr(
        "engine.targeting.targeting.RECENT_SECONDS", -1
    )  # each batch looks at the clock
    if server_url:
        empty_database(server_url)
        monkeypatch.setenv(DATABASE_VARIABLE, server_url)
    yield from serving(tmp_path / "home")


@contextmanager
def jump_clock(world: World, by: timedelta) -> Iterator[None]:
    """Let the clock that gives the journal its time jump, and nothing else."""
    if world.runtime.store.dialect == "sqlite":
        with time_machine.travel(datetime.now(UTC) + by, tick=True):
            yield
        return
    read, micros = Journal._head, by // timedelta(microseconds=1)

    def ahead(journal: Journal, connection: Connection) -> tuple[Head, int]:
        head, wall = read(journal, connection)
        return head, wall + micros

    with patch.object(Journal, "_head", ahead):
        yield


def in_queue(world: World) -> set[str]:
    """Return the crossings that wait, as the queue is shown now."""
    with world.runtime.store.read() as connection:
        now = world.runtime.journal.now(connection)
        return {one.crossing_id for one in list_waiting(connection, POST, as_of=now)}


def records(world: World, kind: str | None = None) -> list[Any]:
    query = select(JOURNAL.c.known_at, JOURNAL.c.kind).order_by(JOURNAL.c.seq)
    with world.runtime.store.read() as connection:
        found = connection.execute(query).all()
    return [one for one in found if kind in (None, one.kind)]


def harms(world: World) -> set[str]:
    """Decide and file acts while the clock jumps; return what went wrong."""
    found, stayed = set(), set[str]()
    for at, jump in enumerate(JUMPS):
        bodies = [arrival(70_000 + at * EACH + number) for number in range(EACH)]
        recorded = datetime.now(UTC).isoformat()
        with jump_clock(world, jump):
            answers = [world.decide(body) for body in bodies]
            done = bodies[0]["crossing"]["crossing_id"]
            answers.append(world.post("/v1/crossings", exit_of(bodies[1])))
            answers.append(
                world.post("/v1/inspections", act(70_000 + at, done, recorded_at=recorded))
            )
            world.runtime.expiry.expire()
            now = in_queue(world)
        if {answer.status_code for answer in answers} != {201}:
            found.add("refused")
        if stayed - now:
            found.add("left the queue")
        stayed |= now
    known = [one.known_at for one in records(world)]
    if known != sorted(set(known)) or known[-1] - known[0] > timedelta(hours=1) / MICRO:
        found.add("time")
    if records(world, SHIFT_CLOSED):
        found.add("seed revealed")
    if records(world, QUEUE_EXPIRED):
        found.add("expired")
    assert stayed, "vehicles have to wait"
    return found


MICRO = timedelta(microseconds=1)


def exit_of(body: dict[str, Any]) -> dict[str, Any]:
    known = body["crossing"]
    gone = {"crossing_id": f"{known['crossing_id']}-x", "direction": "exit"}
    return {"crossing": known | gone, "declaration": None}


def test_a_clock_that_jumps_harms_nothing(own: World) -> None:
    assert harms(own) == set()
    assert verify(own.runtime.store, [], public_key=own.runtime.signer.public_key).ok
    with own.runtime.store.read() as connection:
        filed = list_decisions(connection, post=None, channel=None, since=0, most=100)
        assert len(filed) == len(JUMPS) * EACH
        assert all(own.runtime.recompute.decision(connection, f.seq).is_identical for f in filed)


def test_a_clock_that_is_followed_empties_the_queue_and_reveals_seeds(
    own: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: the wall clock is believed, whatever the time since boot says."""
    monkeypatch.setattr(engine.journal.clock, "_judge", lambda anchor, wall, passed: Reading(wall))
    assert harms(own) >= {"left the queue", "seed revealed", "expired", "time"}


def test_a_day_that_truly_passed_is_recorded(own: World) -> None:
    if own.runtime.store.dialect != "sqlite":  # PostgreSQL keeps its own time
        return
    for number in range(4 * EACH):
        own.decide(arrival(71_000 + number))
    waited = in_queue(own)
    with travel(datetime.now(UTC) + timedelta(days=1, minutes=1)):
        assert in_queue(own) == set()
        assert own.runtime.expiry.expire() == len(waited) > 0
        assert own.runtime.expiry.expire() == 0, "once"
    assert len(records(own, QUEUE_EXPIRED)) == len(waited)


def test_an_edit_of_the_queues_table_becomes_no_record(own: World) -> None:
    """Taken back after the service has recorded what it says, it would leave nothing to find."""
    for number in range(4 * EACH):
        own.decide(arrival(72_000 + number))
    waited = in_queue(own)
    assert waited
    for edit in (
        "UPDATE decisions SET known_at = 1",
        "UPDATE decisions SET seq = -seq, known_at = 1",
        "UPDATE journal SET known_at = -seq",
    ):
        with undone_after(own, edit):
            assert own.runtime.expiry.expire() == 0, edit
    assert in_queue(own) == waited and not records(own, QUEUE_EXPIRED)


@contextmanager
def undone_after(world: World, edit: str) -> Iterator[None]:
    """Edit the tables, and put both back afterwards."""
    tables = (DECISIONS, JOURNAL)
    with world.runtime.store.read() as connection:
        kept = {table: connection.execute(select(table)).mappings().all() for table in tables}
    with world.runtime.store.write() as connection:
        connection.execute(text(edit))
        if "journal" in edit:
            connection.execute(text("UPDATE decisions SET known_at = -seq"))
    yield
    with world.runtime.store.write() as connection:
        for table in tables:
            connection.execute(delete(table))
            connection.execute(insert(table), [dict(row) for row in kept[table]])


@pytest.mark.parametrize("server_url", ["sqlite"], indirect=True)
def test_sessions_neither_end_nor_last_longer_by_a_jump(own: World) -> None:
    sessions = own.runtime.sessions
    Accounts(own.runtime.store, own.runtime.network).create_user("ann", Role.SUPERVISOR)
    before = sessions.begin("ann", Role.SUPERVISOR).token
    with jump_clock(own, FAR):
        within = sessions.begin("ann", Role.SUPERVISOR).token
        assert {sessions.caller(token).person for token in (before, within)} == {"ann"}
    with travel(datetime.now(UTC) + timedelta(hours=12.1)):
        for token in (before, within):
            with pytest.raises(NotAuthenticatedError):
                sessions.caller(token)


@pytest.mark.parametrize("server_url", ["sqlite"], indirect=True)
def test_a_person_accepts_a_jump_and_every_process_follows(
    own: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = str(own.home.root)
    accounts = Accounts(own.runtime.store, own.runtime.network)
    secrets = {
        role: accounts.create_user(role.value, role).secret
        for role in (Role.ANALYST, Role.INTEGRITY)
    }

    def accept(role: Role) -> int:
        monkeypatch.setenv("DARVOZA_PASSWORD", secrets[role])
        asked = ["clock", "accept", "--as", role.value, "--why", "set right", "--home", root]
        return CliRunner().invoke(app, asked).exit_code

    for number in range(4 * EACH):
        own.decide(arrival(72_000 + number))
    waited = in_queue(own)
    with jump_clock(own, FAR):
        shown = CliRunner().invoke(app, ["clock", "show", "--home", root, "--json"])
        fields = json.loads(shown.stdout)
        assert fields["is_held"] and fields["ahead_seconds"] == pytest.approx(172_800, abs=60)
        ready = own.client.get("/readyz").json()
        assert ready["ready"] and ready["clock"] == "held"
        assert accept(Role.ANALYST) == 1 and in_queue(own) == waited
        assert accept(Role.INTEGRITY) == 0
        assert in_queue(own) == set() and own.client.get("/readyz").json()["clock"] == "ok"
        assert accept(Role.INTEGRITY) == 1, "there is nothing to accept any more"
        assert own.decide(arrival(72_100)).status_code == 201
    kinds = [one.kind for one in records(own)]
    times = [one.known_at for one in records(own)]
    assert times[kinds.index(CLOCK_ACCEPTED) + 1] - times[0] >= FAR / MICRO
