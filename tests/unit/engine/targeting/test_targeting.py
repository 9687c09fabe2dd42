"""Several services on one store: one decision an arrival, one seed a shift."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import select

from api.service.assembly import open_runtime
from api.service.runtime import Runtime
from api.service.settings import Settings
from engine.criteria.policy import read_policy
from engine.domain.network import Network
from engine.domain.records import Arrival
from engine.domain.time_units import HOUR, SystemClock, moment
from engine.journal.batch_worker import StoredRecord
from engine.journal.idempotency import claim, crossing_name
from engine.journal.journal import JOURNAL
from engine.journal.kinds import DECISION, SHIFT_CLOSED, SHIFT_OPENED
from engine.queue.queue import list_decisions
from engine.selection import RANDOM, commitment, draw, movement_key
from engine.shifts.shift_state import SHIFTS
from engine.storage.home import DATABASE_VARIABLE, Home
from tests.support.clocks import travel
from tests.support.running_service import FakeModels, arrival, make_home

Two = tuple[Runtime, Runtime]


@pytest.fixture
def two(store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Two]:
    """Open two services on one store, as two processes would."""
    monkeypatch.setenv(DATABASE_VARIABLE, store_url)
    home = make_home(tmp_path / "home")
    both = open_service(home), open_service(home)
    yield both
    for runtime in both:
        runtime.close()


def open_service(home: Home) -> Runtime:
    return open_runtime(home, Settings(), FakeModels())


def ask(runtime: Runtime, number: int) -> "Future[StoredRecord]":
    wanted = Arrival.model_validate(
        arrival(number, arrived_at="2026-03-01T10:00:00Z"), strict=False
    )
    name = crossing_name(wanted.crossing.crossing_id)
    return runtime.targeting.decide(wanted, claim(DECISION, wanted, post="OYB", name=name))


def records(runtime: Runtime, kind: str) -> list[dict[str, object]]:
    query = select(JOURNAL.c.seq).where(JOURNAL.c.kind == kind).order_by(JOURNAL.c.seq)
    with runtime.store.read() as connection:
        return [runtime.journal.body(connection, seq) for seq in connection.scalars(query)]


def test_the_same_arrivals_at_two_services_are_decided_once(two: Two) -> None:
    with ThreadPoolExecutor(8) as threads:
        asked = list(threads.map(lambda n: ask(two[n % 2], n // 2), range(120)))
    answers = [one.result(30) for one in asked]
    for first, second in zip(answers[::2], answers[1::2], strict=True):
        assert first.entry == second.entry
        assert first.body["decision"]["decision_id"] == second.body["decision"]["decision_id"]
    with two[0].store.read() as connection:
        filed = list_decisions(connection, post=None, channel=None, since=0, most=1000)
    assert len(filed) == 60
    assert len(records(two[0], SHIFT_OPENED)) == 1, "one shift, one seed"


def test_every_stored_decision_is_computed_again(two: Two) -> None:
    for asked in [ask(two[n % 2], n) for n in range(60)]:
        asked.result(30)
    with two[1].store.read() as connection:
        filed = list_decisions(connection, post=None, channel=None, since=0, most=1000)
        again = [two[1].recompute.decision(connection, one.seq) for one in filed]
    assert len(again) == 60 and all(one.is_identical for one in again)


def test_draws_come_from_the_committed_seed(two: Two) -> None:
    found = ask(two[0], 1).result(30)
    (opened,) = records(two[0], SHIFT_OPENED)
    with two[0].store.read() as connection:
        seed = bytes(connection.scalars(select(SHIFTS.c.seed)).one())
    head = bytes.fromhex(str(opened["head_chain"]))
    assert opened["commitment"] == commitment(seed, head)
    assert seed.hex() not in str(records(two[0], DECISION)) + str(opened), "kept secret"
    known = Arrival.model_validate(found.body["arrival"], strict=False)
    with two[0].store.read() as connection:
        plan = read_policy(connection).plan_shifts(Network())
    shift = plan.shift("OYB", found.body["inputs"]["as_of"])
    assert found.body["inputs"]["shift_id"] == opened["shift"] == shift.shift_id
    movement = movement_key(known.crossing, shift)
    assert found.body["inputs"]["draws"][RANDOM] == draw(seed, RANDOM, movement=movement)


def test_a_seed_is_revealed_once_its_acts_had_time(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "engine.targeting.targeting.RECENT_SECONDS", -1
    )  # only the clock jumps below
    first = ask(two[0], 1).result(30)
    if two[0].store.dialect != "sqlite":  # PostgreSQL keeps its own time
        return
    now = SystemClock().now()
    with travel(moment(now + 48 * HOUR)):
        ask(two[0], 2).result(30)
    (closed,) = records(two[0], SHIFT_CLOSED)
    opened = records(two[0], SHIFT_OPENED)
    assert len(opened) == 2 and closed["shift"] == first.body["inputs"]["shift_id"]
    head = bytes.fromhex(str(opened[0]["head_chain"]))
    assert opened[0]["commitment"] == commitment(bytes.fromhex(str(closed["seed"])), head)
