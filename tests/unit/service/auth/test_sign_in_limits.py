"""Threat: strangers at sign-in who hold decisions up, try names out, or keep a person out."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import pytest
from pydantic import ValidationError
from sqlalchemy import func, select

import api.auth.accounts
from api.auth import credentials, throttles
from api.auth.credentials import hash_password, is_password, stand_in
from api.auth.tables import USERS
from api.auth.throttles import BURST, FORGOTTEN, FREE, LONGEST_WAIT, Attempts, network_of
from api.service.executors import SIGN_INS, BoundedExecutor, Executors
from api.service.settings import Settings
from api.web import sign_in_page
from engine.domain.rights import Role
from engine.errors import NotAuthenticatedError
from engine.storage.database import METADATA, Store
from tests.support.people import Desk, user
from tests.support.running_service import World, arrival

HERE, THERE = "192.0.2.1", "198.51.100.7"


class Clock:
    """A clock that stands still until it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def _no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_in_page, "HELD_SECONDS", 0.0)


@pytest.fixture
def closed_door(monkeypatch: pytest.MonkeyPatch, world: World) -> Iterator[Callable[[], int]]:
    """Let every password that is looked at wait; return how many wait."""
    door, taken = threading.Event(), [0]

    def slow(_: Any, name: str, password: str) -> Role:
        taken[0] += 1
        door.wait(20)
        raise NotAuthenticatedError

    monkeypatch.setattr(type(world.runtime.accounts), "sign_in", slow)
    try:
        yield lambda: taken[0]
    finally:
        door.set()


async def flood(world: World, number: int) -> list[int]:
    """Send sign-ins side by side, each by its own name; return what is answered at once."""
    runtime, held = world.runtime, []

    async def sign_in_once(name: str) -> None:
        if runtime.executors.sign_in.is_full:
            held.append(503)
            return
        await runtime.executors.sign_in.run(runtime.accounts.sign_in, name, "guess")

    tasks = [asyncio.create_task(sign_in_once(f"name-{at}")) for at in range(number)]
    await asyncio.sleep(0.05)
    for task in tasks:
        task.cancel()
    return held


def answered_under_a_flood(world: World, number: int) -> tuple[list[int], int, int]:
    """Return statuses of decisions, of a queue read with a new key, and of one more sign-in."""
    assert world.client.portal is not None
    desk = Desk(world)
    form = {"form_token": "", "name": "x", "password": "y"}
    form["form_token"] = signing_token(desk)
    waiting = world.client.portal.start_task_soon(kept_busy, world, number)
    try:
        decided = [world.decide(arrival(60_000 + at)).status_code for at in range(3)]
        world.runtime.callers._known.clear()  # each key must be looked up
        queue = world.get("/v1/posts/OYB/queue").status_code
        refused = desk.client.post("/login", data=form).status_code
    finally:
        waiting.cancel()
    return decided, queue, refused


def signing_token(desk: Desk) -> str:
    from tests.support.people import TOKEN

    found = TOKEN.search(desk.get("/login").text)
    assert found is not None
    return found[1]


async def kept_busy(world: World, number: int) -> None:
    run, work = world.runtime.executors.sign_in.run, world.runtime.accounts.sign_in
    await asyncio.gather(
        *(run(work, f"name-{at}", "guess") for at in range(number)), return_exceptions=True
    )


def test_a_flood_of_sign_ins_holds_up_nothing_else(
    world: World, closed_door: Callable[[], int]
) -> None:
    decided, queue, refused = answered_under_a_flood(world, 40)
    assert (decided, queue, refused) == ([201] * 3, 200, 503)
    assert closed_door() == SIGN_INS.at_once, "the others wait, or were refused"


def test_look_ups_on_the_threads_of_sign_in_are_caught(
    world: World, closed_door: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: keys wait behind passwords, as they did."""

    async def behind(apart: Executors, work: Callable[..., Any], *given: object) -> Any:
        return await apart.sign_in.run(work, *given)

    monkeypatch.setattr(Executors, "look_up", behind)
    assert answered_under_a_flood(world, 40)[1] == 503
    assert closed_door() == SIGN_INS.at_once


def test_what_waits_for_a_password_is_bounded(world: World, closed_door: Callable[[], int]) -> None:
    assert world.client.portal is not None
    held = world.client.portal.call(flood, world, 40)
    assert len(held) == 40 - SIGN_INS.at_once - SIGN_INS.waiting


def test_a_refusal_says_when_to_try_again(world: World) -> None:
    with patch.object(BoundedExecutor, "is_full", property(lambda _: True)):
        answer = Desk(world).sign_in("x", "y")
    assert answer.status_code == 503 and int(answer.headers["retry-after"]) > 0
    assert "Many people are signing in" in answer.text


def test_a_wrong_password_writes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    user(world, "unwritten", Role.SUPERVISOR)

    def never(*_: Any) -> Any:
        raise AssertionError("the writer's lock was asked for")

    monkeypatch.setattr(Store, "write", never)
    monkeypatch.setattr(type(world.runtime.writer), "submit", never)
    assert Desk(world).sign_in("unwritten", "guess").status_code == 401
    assert Desk(world).sign_in("no one", "guess").status_code == 401
    assert "sign_in_attempts" not in METADATA.tables


def looked_at(world: World, name: str, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Return how many passwords are looked at, and made, for one attempt."""
    looks, made = [0], [0]

    def look(password: str, kept: str) -> bool:
        looks[0] += 1
        return is_password(password, kept)

    def make(password: str) -> str:
        made[0] += 1
        return hash_password(password)

    monkeypatch.setattr(api.auth.accounts, "is_password", look)
    monkeypatch.setattr(credentials, "hash_password", make)
    assert Desk(world).sign_in(name, "guess").status_code == 401
    return looks[0], made[0]


def test_an_unknown_name_costs_what_a_wrong_password_costs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    user(world, "known", Role.SUPERVISOR)
    user(world, "removed", Role.SUPERVISOR)
    world.runtime.accounts.remove_user("removed")
    stand_in()  # as when a service starts
    costs = {looked_at(world, name, monkeypatch) for name in ("known", "unknown", "removed")}
    assert costs == {(1, 0)}
    monkeypatch.setattr(api.auth.accounts, "stand_in", lambda: credentials.hash_password("x"))
    assert looked_at(world, "unknown", monkeypatch) == (1, 1), "seeded bug: one made each time"


def test_the_stand_in_costs_as_much_as_any_password_and_opens_nothing(world: World) -> None:
    with world.runtime.store.read() as connection:
        assert connection.scalar(select(func.count()).where(USERS.c.password == stand_in())) == 0
    cost = stand_in().rsplit("$", 2)[0]
    assert cost == hash_password("another").rsplit("$", 2)[0]
    assert stand_in() is stand_in()


def test_no_one_is_kept_out_from_elsewhere() -> None:
    """A stranger who tries after each wait makes this address wait, and no other."""
    clock = Clock()
    counts, waits = Attempts(clock), []
    for _ in range(40):
        waits.append(counts.begin(HERE, "rustam"))
        clock.now += waits[-1]
        assert counts.begin(THERE, "rustam") == 0
        counts.record_success(THERE, "rustam")
    assert max(waits) == LONGEST_WAIT, "the stranger does wait"


def test_a_limit_by_name_alone_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seeded bug: all addresses count as one."""
    monkeypatch.setattr(throttles, "network_of", lambda _: "")
    counts = Attempts(Clock())
    for _ in range(FREE):
        counts.begin(HERE, "rustam")
    assert counts.begin(THERE, "rustam") > 0


def test_an_address_has_a_burst_and_a_rate() -> None:
    clock = Clock()
    counts = Attempts(clock)
    assert [counts.begin(HERE, f"n{at}") for at in range(BURST)] == [0] * BURST
    assert counts.begin(HERE, "another") == 2 and counts.begin(THERE, "another") == 0
    clock.now += 2
    assert counts.begin(HERE, "another") == 0 and counts.begin(HERE, "one more") == 2
    clock.now += 600
    assert [counts.begin(HERE, f"m{at}") for at in range(BURST)] == [0] * BURST


def test_a_right_password_costs_an_address_nothing() -> None:
    counts = Attempts(Clock())
    for at in range(10 * BURST):
        assert counts.begin(HERE, f"officer-{at}") == 0
        counts.record_success(HERE, f"officer-{at}")


def test_attempts_are_forgotten_and_few_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    counts = Attempts(clock)
    for at in range(100):
        counts.begin(f"10.0.{at}.1", "rustam")
    assert len(counts) == 200
    clock.now += FORGOTTEN + 1
    counts.begin(HERE, "rustam")
    assert len(counts) == 2
    monkeypatch.setattr(throttles, "MOST_KEPT", 50)
    for at in range(1000):
        counts.begin(f"10.{at % 250}.{at}.1", f"n{at}")
    assert len(counts) <= 100


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8::1", "2001:db8::ffff:1"),
        ("192.0.2.1", "::ffff:192.0.2.1"),
        ("no address", "x" * 60_000),
    ],
)
def test_what_one_subscriber_can_choose_counts_as_one(one: str, other: str) -> None:
    assert network_of(one) == network_of(other)
    assert network_of("2001:db8:0:1::1") != network_of("2001:db8::1")


@pytest.mark.parametrize("proxies", ["*", "anyone", "10.0.0.0/33"])
def test_only_a_named_proxy_says_who_asks(proxies: str) -> None:
    with pytest.raises(ValidationError):
        Settings(trusted_proxies=proxies)
    assert Settings(trusted_proxies="10.0.0.0/8, ::1").trusted_proxies
