"""Uses of keys: what an administrator sees of a sender that calls, is refused, or fell silent."""

import time
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import select

from api.auth.authority import KeyGrant
from api.auth.credentials import open_pepper
from api.auth.key_uses import MOST_REASONS, OTHER_REASONS, KeyUses, read_last_uses
from api.auth.tables import KEY_USES
from api.http.answers import reader
from api.people.answers import KeyUsage
from engine.domain.rights import Role
from engine.domain.time_units import DAY
from engine.errors import StoreUnavailableError
from tests.support.people import at_desk
from tests.support.running_service import POST, World

XML = {"Content-Type": "application/xml"}


@dataclass(frozen=True)
class Sender:
    world: World
    key_id: str
    headers: dict[str, str]

    def usage(self) -> dict[str, Any]:
        by = self.world.headers(Role.ADMINISTRATOR)
        answer = self.world.client.get(f"/v1/people/keys/{self.key_id}", headers=by)
        reader(KeyUsage).validate_python(answer.json())
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture
def sender(world: World) -> Sender:
    accounts, pepper = world.runtime.accounts, open_pepper(world.home)
    made = accounts.create_key(Role.CHECKPOINT, POST, pepper=pepper, label="Gate, lane 9")
    return Sender(world, made.name, {"Authorization": f"Bearer {made.secret}"})


def test_a_senders_calls_and_refusals_are_counted_with_their_reasons(sender: Sender) -> None:
    client, headers = sender.world.client, sender.headers
    unused = sender.usage()
    assert (unused["key"]["last_used_at"], unused["calls_today"], unused["refusals"]) == (
        None, 0, [],
    )  # fmt: skip
    statuses = [client.get(f"/v1/posts/{POST}/queue", headers=headers).status_code]
    for number in range(2):
        at = {"crossing_id": f"u-{number}", "post": POST, "direction": "entry"}
        at |= {"arrived_at": "2026-10-14", "vehicle_class": "truck"}
        for accept in ({}, {"Accept": "application/xml"}):  # refused in JSON, and in kind
            sent = headers | XML | accept
            data = b"<html/>" if number else b"<ASYCUDA/>"
            answer = client.post("/v1/decisions", params=at, content=data, headers=sent)
            statuses.append(answer.status_code)
    statuses.append(
        client.post("/v1/decisions", json={"crossing": {}}, headers=headers).status_code
    )
    statuses.append(client.get("/v1/people", headers=headers).status_code)
    assert statuses == [200, 422, 422, 415, 415, 422, 403]
    found = sender.usage()
    assert (found["calls_today"], found["refused_today"]) == (7, 6)
    minutes = [found["key"]["last_used_at"][:16], found["refusals"][0]["last_at"][:16]]
    assert found["last_taken_at"][:16] <= minutes[0] == minutes[1]
    assert {one["reason"]: one["calls"] for one in found["refusals"]} == {
        "MalformedBody crossing.arrived_at bad_time": 2,
        "UnsupportedMessage unsupported_message": 2,
        "MalformedBody crossing.crossing_id missing_key": 1,
        "NotAllowed": 1,
    }
    times = [one["last_at"] for one in found["refusals"]]
    assert times == sorted(times, reverse=True)
    page = (
        at_desk(sender.world, "sees-keys", Role.ADMINISTRATOR)
        .get(f"/people/keys/{sender.key_id}")
        .text
    )
    assert "Gate, lane 9" in page and "7 calls, 6 refused" in page and "bad_time" in page


def test_a_key_that_is_over_is_seen_to_call(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, queue = sender.world.client, f"/v1/posts/{POST}/queue"
    clock = count(1e9, 1e3)  # no key is believed from one request to the next
    with patch("api.auth.callers.time", SimpleNamespace(monotonic=clock.__next__)):
        assert client.get(queue, headers=sender.headers).status_code == 200
        with monkeypatch.context() as later:
            later.setattr(KeyGrant, "is_over", lambda one, _: one.key_id == sender.key_id)
            assert client.get(queue, headers=sender.headers).status_code == 401
    found = sender.usage()
    assert (found["calls_today"], found["refused_today"]) == (2, 1)
    assert found["refusals"][0]["reason"] == "NotAuthenticated"


def test_who_may_not_see_keys_sees_no_use(sender: Sender) -> None:
    path = f"/v1/people/keys/{sender.key_id}"
    for role in (Role.CHECKPOINT, Role.SUPERVISOR, Role.ANALYST, Role.INTEGRITY):
        headers = sender.world.headers(role)
        assert sender.world.client.get(path, headers=headers).status_code == 403
    by = sender.world.headers(Role.ADMINISTRATOR)
    assert sender.world.client.get("/v1/people/keys/key-none", headers=by).status_code == 404


@contextmanager
def moved(days: int) -> Any:
    now = time.time_ns()
    moved = SimpleNamespace(time_ns=lambda: now + days * DAY * 1000, monotonic=lambda: 0.0)
    with patch("api.auth.key_uses.time", moved):
        yield


def rows(world: World, key_id: str) -> dict[str, int]:
    with world.runtime.store.read() as connection:
        found = connection.execute(select(KEY_USES).where(KEY_USES.c.key_id == key_id))
        return {row.reason: row.calls for row in found}


def test_processes_add_up_and_a_row_holds_the_last_day_alone(world: World) -> None:
    one, other = (KeyUses(world.runtime.store, world.runtime.network) for _ in range(2))
    for day in (0, 1):
        with moved(day):
            for uses in (one, other):
                for reason in ("", "", "NotAllowed"):
                    uses.note("key-two-processes", POST, reason)
                uses.flush()
            assert rows(world, "key-two-processes") == {"": 4, "NotAllowed": 2}
    one.note("key-two-processes", POST, "")  # of a day that is over: it changes no count
    one.flush()
    assert rows(world, "key-two-processes") == {"": 4, "NotAllowed": 2}
    with world.runtime.store.read() as connection:
        assert read_last_uses(connection)["key-two-processes"] > time.time_ns() // 1000


def test_reasons_of_a_key_are_bounded(world: World) -> None:
    uses = KeyUses(world.runtime.store, world.runtime.network)
    for number in range(3 * MOST_REASONS):
        uses.note("key-many-reasons", None, f"reason {number:03}")
    uses.flush()
    kept = rows(world, "key-many-reasons")
    assert len(kept) <= MOST_REASONS + 1 and sum(kept.values()) == 3 * MOST_REASONS
    assert kept[OTHER_REASONS] == 2 * MOST_REASONS


def test_a_store_that_is_busy_gets_the_counts_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    uses = KeyUses(world.runtime.store, world.runtime.network)
    uses.note("key-busy", POST, "")

    def refuse() -> Any:
        raise StoreUnavailableError("busy")

    with monkeypatch.context() as busy:
        busy.setattr(uses, "_store", SimpleNamespace(write=refuse))
        uses.flush()
    assert rows(world, "key-busy") == {}
    uses.note("key-busy", POST, "")
    uses.flush()
    assert rows(world, "key-busy") == {"": 2}
