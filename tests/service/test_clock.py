"""A machine whose clock jumps by two days, and back: nothing is refused, and the order stands.

Senders' clocks are right all the while. Tried on SQLite, where the service's own clock gives the
times; PostgreSQL's journal takes the database's in the same way.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from sqlalchemy import select

import engine.journal
from engine.journal import JOURNAL
from engine.queue import listed
from engine.verify import verify
from tests.service.conftest import serving
from tests.service.test_acts import act
from tests.service.world import World, arrival

JUMPS = (timedelta(0), timedelta(days=2), timedelta(0), timedelta(days=-2), timedelta(0))
EACH = 4


@pytest.fixture
def own(tmp_path: Path) -> Iterator[World]:
    """Serve a home of this test's own: its journal ends up two days ahead."""
    yield from serving(tmp_path / "home")


def lived(world: World) -> list[int]:
    """Decide and file acts while the clock jumps; return every status."""
    statuses = []
    for at, jump in enumerate(JUMPS):
        bodies = [arrival(70_000 + at * EACH + number) for number in range(EACH)]
        recorded = datetime.now(UTC).isoformat()
        with time_machine.travel(datetime.now(UTC) + jump):
            answers = [world.decide(body) for body in bodies]
            crossing = bodies[0]["crossing"]["crossing_id"]
            answers.append(world.post("/v1/crossings", exit_of(bodies[1])))
            answers.append(
                world.post("/v1/inspections", act(70_000 + at, crossing, recorded_at=recorded))
            )
        statuses += [answer.status_code for answer in answers]
    return statuses


def exit_of(body: dict[str, Any]) -> dict[str, Any]:
    known = body["crossing"]
    gone = {"crossing_id": f"{known['crossing_id']}-x", "direction": "exit"}
    return {"crossing": known | gone, "declaration": None}


def times(world: World) -> list[int]:
    with world.runtime.store.read() as connection:
        return list(connection.scalars(select(JOURNAL.c.known_at).order_by(JOURNAL.c.seq)))


def test_a_clock_that_jumps_refuses_nothing_and_keeps_the_order(own: World) -> None:
    assert set(lived(own)) == {201}
    known = times(own)
    assert known == sorted(set(known))
    assert known[-1] - known[0] > timedelta(days=1) // timedelta(microseconds=1)
    assert verify(own.runtime.store, [], public_key=own.runtime.signer.public_key).ok
    with own.runtime.store.read() as connection:
        filed = listed(connection, post=None, channel=None, since=0, most=100)
        assert len(filed) == len(JUMPS) * EACH
        assert all(own.runtime.recompute.decision(connection, f.seq).is_identical for f in filed)


def test_a_journal_that_took_the_clock_at_its_word_would_be_out_of_order(
    own: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: times as the clock has them, whatever the head says."""
    monkeypatch.setattr(engine.journal, "max", lambda now, head: now, raising=False)
    statuses, known = lived(own), times(own)
    assert set(statuses) != {201} or known != sorted(set(known))
