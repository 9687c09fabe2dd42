"""The fast path of a decision answers as the documented route does, and takes nothing else."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from api.auth.callers import Caller
from api.decisions import fast_path
from api.decisions.routes import await_decision
from api.http.dependencies import LONGEST_IDEMPOTENCY_KEY
from api.http.request_bodies import parse_body
from engine.domain.rights import Role
from tests.support.running_service import OTHER, World, arrival

TWICE = [("X-Twice", "1"), ("X-Twice", "2")]
"""A request with a header given twice goes the long way."""


@dataclass
class Short:
    """How many requests went the fast path."""

    taken: int = 0


@pytest.fixture(autouse=True)
def _keys_are_believed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.runtime.callers, "_believed", 60.0)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Short:
    found = Short()

    def count_parse(*args: Any) -> Any:
        found.taken += 1
        return parse_body(*args)

    monkeypatch.setattr(fast_path, "parse_body", count_parse)
    return found


def bodies(first: int) -> Mapping[str, bytes]:
    """Return bodies that are taken, and bodies that are refused for every kind of reason."""
    good = json.dumps(arrival(first)).encode()
    return {
        "good": good,
        "again": good,
        "other content": json.dumps(arrival(first, weighed_mass_kg=1.0)).encode(),
        "no JSON": good[:-1],
        "no number": good.replace(b'"is_empty"', b'"weighed_mass_kg": NaN, "is_empty"'),
        "key twice": good.replace(b'"plate"', b'"plate": "X", "plate"'),
        "deep": b"[" * 40 + b"]" * 40,
        "field missing": b'{"crossing": {}}',
        "other post": json.dumps(arrival(first + 1, post=OTHER)).encode(),
        "no post": json.dumps(arrival(first + 2, post="NOWHERE")).encode(),
        "future": json.dumps(arrival(first + 3, arrived_at="2199-01-01T00:00:00Z")).encode(),
        "empty": b"",
    }


def ask(world: World, body: bytes, *more: tuple[str, str]) -> Any:
    headers = [*world.headers().items(), *more]
    return world.client.post("/v1/decisions", content=body, headers=headers)


def read_answer(answer: Any) -> tuple[Any, ...]:
    """Return all of an answer that depends on what was asked."""
    headers = {name: value for name, value in answer.headers.items() if name != "date"}
    return answer.status_code, answer.content, headers


def list_differing(world: World, first: int) -> set[str]:
    """Return which requests are answered in two ways, by the name of their body."""
    world.decide(arrival(first))  # from now on the key is known
    names = set()
    for key in ([], [("Idempotency-Key", f"k{first}")]):
        for name, body in bodies(first).items():
            if read_answer(ask(world, body, *key)) != read_answer(ask(world, body, *key, *TWICE)):
                names.add(name)
    return names


def test_both_ways_answer_alike(world: World, short: Short) -> None:
    assert list_differing(world, 81_000) == set()
    assert short.taken >= 2 * len(bodies(0))


def test_a_short_way_that_forgets_the_key_is_caught(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: the sender's idempotency key names nothing."""

    async def forgetful(runtime: Any, caller: Any, wanted: Any, _: Any) -> Any:
        return await await_decision(runtime, caller, wanted, None)

    monkeypatch.setattr(fast_path, "await_decision", forgetful)
    key = ("Idempotency-Key", "k82000")
    ask(world, json.dumps(arrival(82_000)).encode(), key, *TWICE)
    other = json.dumps(arrival(82_001)).encode()
    assert ask(world, other, key).status_code == 201
    assert ask(world, other, key, *TWICE).status_code == 409


def test_a_short_way_that_forgets_the_post_is_caught(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: the fast path's caller reaches every post."""

    async def lax(runtime: Any, caller: Caller, wanted: Any, key: Any) -> Any:
        return await await_decision(runtime, Caller(caller.name, caller.role, None), wanted, key)

    monkeypatch.setattr(fast_path, "await_decision", lax)
    assert "other post" in list_differing(world, 83_000)


def test_what_is_not_ordinary_goes_the_long_way(world: World, short: Short) -> None:
    world.decide(arrival(84_000))
    before, body = short.taken, json.dumps(arrival(84_001)).encode()
    long = b" " * (world.runtime.settings.body_limit_bytes + 1)
    supervisor = world.headers(Role.SUPERVISOR)["Authorization"]
    asked: list[tuple[int, bytes, dict[str, str]]] = [
        (401, body, {}),
        (401, body, {"Authorization": "Bearer dz_nobody"}),
        (401, body, {"Authorization": "Basic x"}),
        (403, body, {"Authorization": supervisor}),
        (413, long, world.headers()),
        (422, body, world.headers() | {"Idempotency-Key": ""}),
        (422, body, world.headers() | {"Idempotency-Key": "x" * (LONGEST_IDEMPOTENCY_KEY + 1)}),
    ]
    for status, sent, headers in asked:
        answer = world.client.post("/v1/decisions", content=sent, headers=headers)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
    assert short.taken == before
    chunked = world.client.post("/v1/decisions", content=iter([body]), headers=world.headers())
    assert chunked.status_code == 201 and short.taken == before


def test_a_body_is_as_long_as_it_was_said_to_be(world: World, short: Short) -> None:
    """Neither way takes an empty body for one whose bytes a server did not pass on."""
    world.decide(arrival(85_000))
    for twice in ([], TWICE):
        for content in (b"", json.dumps(arrival(85_001)).encode()):
            headers = [*world.headers().items(), ("Content-Length", "17"), *twice]
            answer = world.client.post("/v1/decisions", content=content, headers=headers)
            assert answer.status_code == 422
            assert "Content-Length" in answer.json()["detail"]
    optional = "/v1/models/m1/approvals"
    for size, status in (("17", 422), ("0", 404)):
        fields = world.headers(Role.SUPERVISOR) | {"Content-Length": size}
        answer = world.client.post(optional, content=b"", headers=fields)
        assert answer.status_code == status


def count_requests(world: World, route: str) -> float:
    """Return how many requests the metrics count by a route."""
    lines = world.client.get("/metrics").text.splitlines()
    found = [line for line in lines if line.startswith("darvoza_request_seconds_count{")]
    return sum(float(line.split()[-1]) for line in found if f'route="{route}"' in line)


def test_metrics_name_the_route_of_the_fast_path(world: World, short: Short) -> None:
    before = [count_requests(world, route) for route in ("/v1/decisions", "none")]
    assert [world.decide(arrival(number)).status_code for number in (8_001, 8_002)] == [201, 201]
    assert short.taken >= 1, "the second shows a key that was looked up a moment ago"
    after = [count_requests(world, route) for route in ("/v1/decisions", "none")]
    assert after == [before[0] + 2, before[1]]
