"""Heads that could be read in two ways are refused; every answer says that no cache keeps it."""

from typing import Any

import pytest

from api.http import connection_limits
from engine.domain.rights import Role
from tests.support.running_service import World, arrival
from tests.unit.service.auth.test_refusals import is_problem

TWO_KEYS = ("dz_" + "A" * 43, "dz_" + "B" * 43)


def send_doubled(world: World, name: str, number: int) -> Any:
    """Ask for a decision with a header of this name given twice."""
    good = world.headers() | {"Idempotency-Key": f"once-{number}", "Host": "testserver"}
    more = {"Authorization": f"Bearer {TWO_KEYS[0]}", "Idempotency-Key": "other", "Host": "other"}
    sent = [*good.items(), (name, more[name])]
    return world.client.post("/v1/decisions", json=arrival(number), headers=sent)


@pytest.mark.parametrize("name", ["Authorization", "Idempotency-Key", "Host"])
def test_a_header_that_must_be_given_once_is_refused_twice(world: World, name: str) -> None:
    world.decide(arrival(91_000))  # the key is remembered: the fast path would be open
    answer = send_doubled(world, name, 91_001)
    assert is_problem(answer, 400) and name in answer.json()["detail"]


def test_without_the_check_the_first_of_two_keys_counts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: the service before the check."""
    monkeypatch.setattr(connection_limits, "ambiguity", lambda *_: None)
    assert send_doubled(world, "Authorization", 91_002).status_code == 201


def test_a_request_of_http_1_1_names_its_host() -> None:
    assert connection_limits.ambiguity([], "1.1") == "the header Host is missing"
    assert connection_limits.ambiguity([], "1.0") is None
    assert connection_limits.ambiguity([(b"host", b"x")], "1.1") is None


@pytest.mark.parametrize("path", ["/v1/decisions/", "/healthz/", "/login/", "/v1/posts/OYB/queue/"])
def test_a_trailing_slash_names_nothing(world: World, path: str) -> None:
    for method in ("GET", "POST"):
        answer = world.client.request(
            method, path, headers=world.headers(Role.SUPERVISOR), follow_redirects=False
        )
        assert is_problem(answer, 404)


def answers(world: World) -> list[Any]:
    """Return an answer of every kind: long and fast path, refusals, what no route knows."""
    return [
        world.decide(arrival(91_003)),
        world.decide(arrival(91_003)),
        world.get("/v1/posts/OYB/queue"),
        world.get("/v1/decisions/none"),
        world.get("/v1/nothing"),
        world.client.get("/v1/decisions"),
        world.client.put("/v1/decisions"),
        world.client.get("/readyz"),
        world.client.get("/openapi.json"),
        send_doubled(world, "Host", 91_004),
    ]


def test_no_cache_keeps_an_answer_and_no_browser_guesses_its_type(world: World) -> None:
    for answer in answers(world):
        assert answer.headers.get_list("cache-control") == ["no-store"], answer.url
        assert answer.headers.get_list("x-content-type-options") == ["nosniff"], answer.url
    kept = world.client.get("/static/desk.css?v=1").headers
    assert kept.get_list("cache-control") == ["public, max-age=31536000, immutable"]


def test_an_answer_that_owes_nothing_is_caught(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: no header is added."""
    monkeypatch.setattr(connection_limits, "OWED", ())
    assert all("cache-control" not in answer.headers for answer in answers(world))


async def abandon_request(world: World) -> list[Any]:
    """Send half a body, then go away; return what was answered."""
    messages = [{"type": "http.request", "body": b"{", "more_body": True}]
    answered: list[Any] = []

    async def receive() -> Any:
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        answered.append(message)

    headers = [(name.lower().encode(), value.encode()) for name, value in world.headers().items()]
    scope = {"type": "http", "method": "POST", "path": "/v1/seizures", "headers": headers}
    more = {"query_string": b"", "root_path": "", "scheme": "http", "server": ("here", 80)}
    await world.client.app(scope | more, receive, send)
    return answered


def test_a_sender_who_goes_away_is_no_fault_of_ours(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert world.client.portal is not None
    assert world.client.portal.call(abandon_request, world) == []
    logged = capsys.readouterr()
    assert "ClientDisconnect" not in logged.out + logged.err
