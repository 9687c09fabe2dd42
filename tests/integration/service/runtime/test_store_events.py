"""A store that fails is logged as an event with a name, a type and a cause."""

import json
import logging
import sqlite3
from collections.abc import Iterator
from functools import partial
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from api.service import readiness, structured_logging
from engine.errors import StoreUnavailableError
from engine.queue import projection
from engine.storage import database
from engine.storage.home import DATABASE_VARIABLE
from tests.support.clocks import wait_for
from tests.support.running_service import World, arrival, serving

if TYPE_CHECKING:
    from experiments.support.postgres import Cluster


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[StringIO]:
    """Take the structured log of a service, each fault of the store in it."""
    monkeypatch.setattr(database, "LOG_SECONDS", 0.0)
    monkeypatch.setattr(projection, "EXPIRY_SECONDS", 0.05)
    monkeypatch.setattr(readiness, "EVERY_SECONDS", -1)
    found = StringIO()
    ours = structured_logging.LibraryHandler(found)
    logging.getLogger(structured_logging.OURS).addHandler(ours)
    yield found
    logging.getLogger(structured_logging.OURS).removeHandler(ours)


def events(log: StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def find_events(log: StringIO, name: str) -> list[tuple[str, str]]:
    """Return type and cause of the events of a name."""
    return [(one["kind"], one["why"]) for one in events(log) if one["event"] == name]


def is_ready(world: World) -> bool:
    return bool(world.client.get("/readyz").status_code == 200)


def test_a_full_disk_is_an_event(
    tmp_path: Path, log: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite itself says that there is no room: a store may grow by a few pages only."""
    prepare, most = database._prepare_sqlite, 0

    def bound(raw: sqlite3.Connection, record: object) -> None:
        prepare(raw, record)
        raw.execute(f"PRAGMA max_page_count = {most}")

    monkeypatch.setattr(database, "_prepare_sqlite", bound)
    for world in serving(tmp_path / "home"):
        most = 1
        world.runtime.store.dispose()  # every connection is made again
        answers = [world.decide(arrival(number)).status_code for number in range(1, 60)]
        assert 503 in answers
        assert world.client.get("/readyz").status_code == 503
    assert set(find_events(log, "store_unavailable")) == {("StoreUnavailableError", "SQLITE_FULL")}


def test_a_server_that_is_stopped_is_an_event(
    tmp_path: Path, log: StringIO, cluster: "Cluster", monkeypatch: pytest.MonkeyPatch
) -> None:
    with cluster.database() as url:
        monkeypatch.setenv(DATABASE_VARIABLE, url)
        for world in serving(tmp_path / "home"):
            assert world.decide(arrival(1)).status_code == 201
            cluster.stop()
            try:
                assert world.decide(arrival(2)).status_code == 503
                assert world.client.get("/readyz").status_code == 503
                assert wait_for(lambda: bool(find_events(log, "clock_work_failed")), seconds=30)
            finally:
                cluster.start()
            assert wait_for(partial(is_ready, world), seconds=30)
            assert world.decide(arrival(2)).status_code == 201
    named = set(find_events(log, "store_unavailable"))
    assert named and {kind for kind, _ in named} == {"StoreUnavailableError"}
    assert all(why for _, why in named)
    assert not [
        one for one in events(log) if one["event"] == "library" and one["kind"] == "darvoza"
    ]


def test_it_is_logged_once_a_minute(
    world: World, log: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LOG_SECONDS", 60.0)
    for _ in range(3):
        with pytest.raises(StoreUnavailableError), world.runtime.store.write():
            raise StoreUnavailableError("SQLITE_IOERR")
    found = find_events(log, "store_unavailable")
    assert found == [("StoreUnavailableError", "SQLITE_IOERR")]
