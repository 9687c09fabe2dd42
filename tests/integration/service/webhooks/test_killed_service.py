"""A service that is killed between the commit and the delivery of events loses none.

A real service in a process of its own, on SQLite and on PostgreSQL, killed with SIGKILL while a
receiver has an event and has not answered yet, and while others are recorded and not sent.
"""

import json
import os
import threading
from collections import defaultdict
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from engine.domain.rights import Role
from engine.storage.home import DATABASE_VARIABLE, VARIABLE
from experiments.support.processes import Forker, find_free_port, wait_until_ready
from experiments.support.processes import Service as ForkedService
from tests.support.clocks import wait_for
from tests.support.emptied_database import empty_database
from tests.support.running_service import POST, arrival, make_home, make_keys
from tests.unit.api.webhooks.webhook_receiver import Receiver

pytestmark = pytest.mark.machine_clock

if TYPE_CHECKING:
    from engine.storage.home import Home

VEHICLES, AMENDMENTS = 4, 3
PATIENCE_SECONDS = 120.0


class Service:
    """A process that serves a home."""

    def __init__(self, home: "Home", forker: Forker) -> None:
        self.port = find_free_port()
        known = {name: os.environ[name] for name in os.environ if name.startswith("DARVOZA_")}
        self._process = ForkedService(forker, known | {VARIABLE: str(home.root)}, self.port)

    def start(self) -> None:
        self._process.start()
        wait_until_ready(self.port)

    def kill(self) -> None:
        self._process.kill()


@pytest.fixture(params=["sqlite", "postgresql"])
def home(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Home":
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql_database")
        empty_database(url)
        monkeypatch.setenv(DATABASE_VARIABLE, url)
    monkeypatch.setenv("DARVOZA_WEBHOOK_NETWORKS", "127.0.0.0/8")
    monkeypatch.setenv("DARVOZA_WEBHOOK_TIMEOUT_SECONDS", "3")
    return make_home(tmp_path / "home")


def post(service: Service, path: str, body: Any, key: str) -> Any:
    headers = {"Authorization": f"Bearer {key}"}
    address = f"http://127.0.0.1:{service.port}{path}"
    answer = httpx2.post(address, json=body, headers=headers, timeout=PATIENCE_SECONDS)
    assert answer.status_code == 201, answer.text
    return answer.json()


def amend_vehicles(service: Service, key: str) -> dict[str, list[str]]:
    """Amend decisions in turn; return the decisions of each crossing in their order."""
    found: dict[str, list[str]] = defaultdict(list)
    arrivals = [arrival(3 * number + 1) for number in range(VEHICLES)]
    first = [post(service, "/v1/decisions", body, key)["decision_id"] for body in arrivals]
    for number in range(AMENDMENTS):
        for decision, body in zip(first, arrivals, strict=True):
            changed = deepcopy(body)
            changed["declaration"]["items"][0]["net_mass_kg"] = 1000.0 + number
            made = post(service, f"/v1/decisions/{decision}/amendments", changed, key)
            found[made["crossing_id"]].append(made["decision_id"])
    return found


def test_no_event_is_lost_where_the_service_is_killed(home: "Home", forker: Forker) -> None:
    keys, _ = make_keys(home)
    service, receiver, killed = Service(home, forker), Receiver(), threading.Event()
    turn = threading.Lock()  # events of several vehicles come at the same time
    with receiver.listen():
        pass  # so that it has a port; then it is down
    service.start()
    wanted = {"url": receiver.url, "events": ["decision.changed"], "role": "checkpoint"}
    made = post(service, "/v1/webhooks", wanted | {"post": POST}, keys[Role.ADMINISTRATOR])
    expected = amend_vehicles(service, keys[Role.CHECKPOINT])
    total = VEHICLES * AMENDMENTS

    def kill_at_the_fifth(_: Any) -> int | None:
        if len(receiver.tried) < 5:
            return 200
        with turn:
            if not killed.is_set():
                service.kill()
                killed.set()  # once it has ended: it is started again as soon as this is seen
        return None

    receiver.answer = kill_at_the_fifth
    # On a busy machine each has failed twice by now, and would be tried in minutes, not seconds.
    post(service, f"/v1/webhooks/{made['webhook_id']}/retries", {}, keys[Role.ADMINISTRATOR])
    with receiver.listen():
        assert wait_for(killed.is_set, seconds=PATIENCE_SECONDS, pause=0.05)
        assert len({one.event_id for one in receiver.accepted}) < total
        receiver.answer = lambda _: 200
        service.start()
        try:
            assert wait_for(
                lambda: len({one.event_id for one in receiver.accepted}) == total,
                seconds=PATIENCE_SECONDS,
                pause=0.05,
            )
        finally:
            service.kill()
    events = {one.event_id: one.verify(made["secret"]) for one in receiver.accepted}
    found: dict[str, list[str]] = defaultdict(list)
    for one in events.values():
        found[one["data"]["crossing_id"]].append(one["data"]["decision_id"])
    assert found == expected, json.dumps(found)
