"""Threat: a flood of requests without a key. They wait for each other, and known senders do not."""

import time
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.auth.permissions import Role
from api.http.unauthenticated_limit import BURST, LONGEST_SECONDS, RATE, Pace
from tests.service.auth.test_refusals import is_problem
from tests.service.auth.test_sign_in_limits import Clock
from tests.service.page_session import Desk, user
from tests.service.running_service import World, arrival

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
    desk.client._portal_factory = world.client._portal_factory  # type: ignore[method-assign]
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
    monkeypatch.setattr("api.http.unauthenticated_limit.MOST_KEPT", 10)
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
        assert at_address(world).get("/login").status_code == 503
        patched.setattr("api.http.unauthenticated_limit.is_known", lambda _: False)
        assert send_known(world, desk, 93_002) == [503] * 3, (
            "seeded bug: every sender is a stranger"
        )
    world.runtime.accounts.remove_user("paced")
    assert desk.get("/posts/OYB/queue").status_code == 303
    monkeypatch.setattr(Pace, "turn", lambda *_: None)
    assert desk.get("/posts/OYB/queue").status_code == 503, "an ended session is a stranger's"
