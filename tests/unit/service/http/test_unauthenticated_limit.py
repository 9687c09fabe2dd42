"""Threat: a flood of requests without a key. They wait for each other, and valid keys do not."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient
from starlette.types import Scope

from api.auth.accounts import Accounts
from api.auth.callers import Callers
from api.auth.credentials import new_key, open_pepper
from api.http.middleware import BURST, LONGEST_SECONDS, RATE, Pace
from api.service.assembly import open_store
from api.service.settings import Settings
from engine.audit.file_anchors import open_network
from engine.domain.rights import Role
from engine.errors import BusyError
from tests.support.people import Desk, user
from tests.support.running_service import FakeModels, World, arrival, make_home, open_world
from tests.unit.service.auth.test_refusals import is_problem
from tests.unit.service.auth.test_sign_in_limits import Clock

GATEWAY = "192.0.2.24"
POSTS = [f"P{number:02}" for number in range(24)]
COPIES, STRANGERS, SECONDS = 20, 100, 60
GARBAGE = {"Authorization": "Bearer dz_" + "A" * 43}


def at_address(world: World) -> Desk:
    """Return a browser that comes from an address."""
    desk = Desk(world)
    desk.client = TestClient(
        world.client.app,
        follow_redirects=False,
        client=("192.0.2.9", 50_000),
        raise_server_exceptions=False,
    )
    desk.client.portal = world.client.portal
    return desk


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let strangers have no turn; return from where they asked."""
    asked: list[str] = []

    def none(_: Pace, network: str) -> None:
        asked.append(network)

    monkeypatch.setattr(Pace, "turn", none)
    return asked


def test_strangers_have_a_burst_then_a_pace_then_a_refusal() -> None:
    clock = Clock()
    clock.now = 1000.0
    pace = Pace(clock)
    assert [pace.turn("a") for _ in range(BURST)] == [0.0] * BURST
    waits = [pace.turn("a") for _ in range(int(LONGEST_SECONDS * RATE))]
    assert waits == pytest.approx([at / RATE for at in range(len(waits))])
    assert [pace.turn("a") for _ in range(3)][-1] is None
    assert pace.turn("b") == 0.0, "another address waits for none of it"
    clock.now += LONGEST_SECONDS + BURST / RATE + 1
    assert [pace.turn("a") for _ in range(BURST)] == [0.0] * BURST


def test_few_addresses_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.http.middleware.MOST_KEPT", 10)
    pace = Pace()
    for at in range(100):
        pace.turn(f"a{at}")
    assert len(pace._next) == 10


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/login", {}),
        ("POST", "/login", {}),
        ("GET", "/nothing", {}),
        ("GET", "/readyz", {}),
        ("POST", "/v1/decisions", GARBAGE),
        ("GET", "/v1/posts/OYB/queue", {"Authorization": "Basic x"}),
        ("GET", "/", {"Cookie": "darvoza_session=garbage"}),
        ("GET", "/", {"Authorization": "Bearer \xff".encode("latin-1").decode("latin-1")}),
    ],
)
def test_strangers_wait_for_their_turn(
    world: World, busy: list[str], method: str, path: str, headers: dict[str, str]
) -> None:
    sent: Any = {name: value.encode("latin-1") for name, value in headers.items()}
    answer = at_address(world).client.request(method, path, headers=sent)
    assert is_problem(answer, 503) and int(answer.headers["retry-after"]) > 0
    assert answer.headers["cache-control"] == "no-store", "owed by every answer"
    assert busy == ["192.0.2.9"]


def send_known(world: World, desk: Desk, number: int) -> list[int]:
    """Ask with a key and with a session, again once a key is not believed without a look."""
    time.sleep(world.runtime.settings.key_seconds + 0.05)
    key, supervisor = world.headers(), world.headers(Role.SUPERVISOR)
    return [
        desk.client.post("/v1/decisions", json=arrival(number), headers=key).status_code,
        desk.client.get("/v1/posts/OYB/queue", headers=supervisor).status_code,
        desk.get("/posts/OYB/queue").status_code,
    ]


def test_known_senders_wait_for_no_stranger(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = at_address(world)
    assert desk.sign_in("paced", user(world, "paced", Role.SUPERVISOR)).status_code == 303
    assert send_known(world, desk, 93_000) == [201, 200, 200]
    with monkeypatch.context() as patched:
        patched.setattr(Pace, "turn", lambda *_: None)
        assert send_known(world, desk, 93_001) == [201, 200, 200]
        world.runtime.callers._known.clear()
        world.runtime.sessions._known.clear()  # as in another process, which reads their records
        assert send_known(world, desk, 93_003) == [201, 200, 200]
        assert at_address(world).get("/login").status_code == 503
        patched.setattr("api.http.middleware.find_test", lambda _: None)
        assert send_known(world, desk, 93_002) == [503] * 3, (
            "seeded bug: every sender is a stranger"
        )
    world.runtime.accounts.remove_user("paced")
    assert desk.get("/posts/OYB/queue").status_code == 303
    monkeypatch.setattr(Pace, "turn", lambda *_: None)
    assert desk.get("/posts/OYB/queue").status_code == 503, "an ended session is a stranger's"


@dataclass
class Gateway:
    """A service that has just started, and the keys of 24 posts that reach it from one address."""

    client: TestClient
    keys: Sequence[str]
    """One for each of ``POSTS``."""
    counted: Counter[str]
    """How often the service read keys, and looked one up."""
    awaited: int = 0
    """Requests that come before any read of keys is done, as at a store that is slow."""
    came: list[None] = field(default_factory=list)
    all_came: Event = field(default_factory=Event)

    def note_request(self) -> None:
        """Count a request that came."""
        self.came.append(None)
        if len(self.came) == self.awaited:
            self.all_came.set()

    def count_calls(self, work: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a read of keys: it is counted, and not done before all requests have come."""

        def count(*given: Any) -> Any:
            self.counted[work.__name__] += 1
            assert self.all_came.wait(SECONDS)
            return work(*given)

        return count

    def send(self, *more: str) -> Counter[int]:
        """Send a decision of each post many times at once, and once with other keys; statuses."""
        bodies = [arrival(number, post=post) for number, post in enumerate(POSTS)]
        wanted = [*list(enumerate(self.keys)) * COPIES, *((0, key) for key in more)]
        self.awaited = len(wanted)
        transport = httpx2.ASGITransport(self.client.app, client=(GATEWAY, 50_000))

        async def send_together() -> list[int]:
            address = "http://testserver"
            async with httpx2.AsyncClient(transport=transport, base_url=address) as sender:
                sent = (
                    sender.post(
                        "/v1/decisions",
                        headers={"Authorization": f"Bearer {key}"},
                        json=bodies[number],
                    )
                    for number, key in wanted
                )
                return [answer.status_code for answer in await asyncio.gather(*sent)]

        assert self.client.portal is not None
        return Counter(self.client.portal.call(send_together))


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    """Make a home with 24 posts and their keys, and start a service on it."""
    home = make_home(tmp_path)
    posts = (f'[[posts]]\ncode = "{code}"\nname = "{code}"\ncountry = "UZ"\n' for code in POSTS)
    home.network.write_text("".join(posts), "utf-8")
    with open_store(home) as store:
        accounts, pepper = Accounts(store, open_network(home, store)), open_pepper(home)
        keys = [accounts.create_key(Role.CHECKPOINT, one, pepper=pepper).secret for one in POSTS]
    client, _ = open_world(home, FakeModels(), Settings())
    made, admit = Gateway(client, keys, Counter()), Pace.admit

    async def note_and_admit(pace: Pace, scope: Scope) -> BusyError | None:
        made.note_request()
        return await admit(pace, scope)

    monkeypatch.setattr(Pace, "admit", note_and_admit)
    for name in ("read_new", "look_up"):
        monkeypatch.setattr(Callers, name, made.count_calls(getattr(Callers, name)))
    with client:
        yield made


def test_valid_keys_of_one_address_are_never_refused_after_a_restart(gateway: Gateway) -> None:
    assert gateway.send() == {201: len(POSTS) * COPIES}
    assert gateway.counted == {"read_new": 1, "look_up": len(POSTS)}, "one look-up a key"


def test_valid_keys_wait_for_no_stranger_of_their_address(
    gateway: Gateway, busy: list[str]
) -> None:
    statuses = gateway.send(*(new_key() for _ in range(STRANGERS)))
    assert statuses == {201: len(POSTS) * COPIES, 503: STRANGERS}
    assert len(busy) == STRANGERS, "strangers are paced as ever"
    assert gateway.counted["read_new"] <= 2, "however many keys strangers show"


def test_a_key_made_a_moment_ago_is_no_stranger(world: World) -> None:
    """What was read of keys before is not enough; the store is asked once more."""
    desk = at_address(world)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Pace, "turn", lambda *_: None)
        accounts = Accounts(world.runtime.store, world.runtime.network)
        made = accounts.create_key(Role.CHECKPOINT, "OYB", pepper=open_pepper(world.home))
        key = {"Authorization": f"Bearer {made.secret}"}
        assert desk.client.get("/v1/posts/OYB/queue", headers=key).status_code == 200
        accounts.revoke_key(made.name)
        time.sleep(world.runtime.settings.key_seconds + 0.05)
        assert desk.client.get("/v1/posts/OYB/queue", headers=key).status_code == 401
        assert desk.client.get("/v1/posts/OYB/queue", headers=key).status_code == 503


def test_keys_that_are_not_read_are_strangers(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: a key that this process has not looked up counts as a stranger's."""
    monkeypatch.setattr(Callers, "read_new", lambda _: None)
    assert gateway.send()[503] > 0
