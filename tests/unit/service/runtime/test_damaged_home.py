"""A damaged row or a lost key file: the service is not ready, and says which.

How it is put back or replaced: tests/integration/service/runtime/test_lost_keys.py.
"""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.audit.home_check import check_home
from api.cli.main import app
from api.service import readiness
from api.service.settings import Settings
from engine.domain.records import Arrival
from engine.storage.home import Home
from features.online import counter_log
from tests.support.running_service import (
    POST,
    FakeModels,
    World,
    arrival,
    make_home,
    open_world,
    serving,
)

MOVE = """
UPDATE counter_log SET known_at = 2000000000000000
WHERE known_at = (SELECT MIN(known_at) FROM counter_log)
"""
"""One integer: a time in 2033."""


@pytest.fixture
def live(tmp_path: Path) -> Iterator[World]:
    """Serve a home of this test's own."""
    yield from serving(tmp_path / "home")


@pytest.fixture(autouse=True)
def _each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "EVERY_SECONDS", -1)


def same_truck(number: int) -> dict[str, Any]:
    return arrival(number, plate="01A7777BC", carrier_id="k-77")


def decide(world: World, *numbers: int) -> None:
    for number in numbers:
        assert world.decide(same_truck(number)).status_code == 201


def count_crossings(world: World) -> float:
    """Return how often the carrier of the next crossing was counted, as a decision reads it."""
    one = Arrival.model_validate(same_truck(99), strict=False)
    with world.runtime.store.read() as connection:
        as_of = world.runtime.journal.head(connection).as_of
        found = world.runtime.features.read(connection, [one], as_of=[as_of])
    return float(found.values[0][world.runtime.plan.names.index("carrier_crossings_30d")])


def edit(world: World) -> None:
    with closing(sqlite3.connect(world.home.root / "darvoza.sqlite")) as raw, raw:
        assert raw.execute(MOVE).rowcount == 1


def refuse_all(world: World) -> None:
    for number in (11, 12):
        refused = world.decide(same_truck(number))
        assert refused.status_code == 503 and refused.headers["Retry-After"]
    ready = world.client.get("/readyz")
    assert ready.status_code == 503 and not ready.json()["ready"]
    assert "counter_log, known_at 2000000000000000" in ready.json()["store"]


def test_a_counter_row_under_another_key_stops_a_service_that_runs(
    live: World, caplog: pytest.LogCaptureFixture
) -> None:
    decide(live, 1, 2, 3)
    assert count_crossings(live) == 3
    edit(live)
    with caplog.at_level(logging.ERROR, "darvoza"):
        refuse_all(live)
    assert [one.message for one in caplog.records] == ["store_damaged"]


def test_a_counter_row_under_another_key_stops_a_service_that_starts(live: World) -> None:
    decide(live, 1, 2, 3)
    live.client.__exit__(None, None, None)
    edit(live)
    with live.runtime.store as store:
        (fault,) = check_home(live.home, store).faults
    assert (fault.table, fault.key) == ("counter_log", "known_at 2000000000000000")
    client, app = open_world(live.home, FakeModels(), Settings())
    with client:
        refuse_all(World(live.home, FakeModels(), client, app.state.runtime, live.keys, live.other))


def test_a_service_that_believes_the_key_is_blind_from_then_on(
    live: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: as it was found."""
    decide(live, 1, 2, 3)
    monkeypatch.setattr(counter_log, "_refuse_key", lambda _: None)
    edit(live)
    decide(live, 4, 5)
    assert live.client.get("/readyz").status_code == 200
    assert count_crossings(live) < 5


KEYS = ("pepper", "receipts.pem")


def stop(world: World) -> None:
    world.client.__exit__(None, None, None)


def start(world: World) -> Iterator[World]:
    """Serve the home again, with the keys that were made for it."""
    client, made = open_world(world.home, FakeModels(), Settings())
    with client:
        yield World(world.home, FakeModels(), client, made.state.runtime, world.keys, world.other)


def command(home: Home, *words: str) -> Any:
    return CliRunner().invoke(app, [*words, "--home", str(home.root), "--json"])


def test_a_home_without_records_gets_its_keys(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    command(home, "keys", "create", "--role", "checkpoint", "--post", POST)
    assert all((home.keys / name).exists() for name in KEYS)


def test_a_service_that_makes_what_it_misses_knows_no_key(
    live: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: as it was found."""
    stop(live)
    (live.home.keys / "pepper").unlink()
    monkeypatch.setattr(readiness, "require_keys", lambda _: None)
    monkeypatch.setattr("api.service.assembly.require_keys", lambda _: None)
    for again in start(live):
        assert again.client.get("/readyz").status_code == 200
        assert again.decide(arrival(1)).status_code == 401
