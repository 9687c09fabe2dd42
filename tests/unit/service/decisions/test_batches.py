"""Many arrivals in one request: each row stands or falls by itself."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from engine.domain.rights import Role
from tests.support.running_service import OTHER, World, arrival

PATH = "/v1/decisions/batch"


def ask(world: World, rows: Any, role: Role = Role.CHECKPOINT) -> Any:
    return world.post(PATH, rows, role)


def test_each_row_gets_its_decision_or_its_problem_in_order(world: World) -> None:
    bad = arrival(70_003, vehicle_class="zeppelin")
    elsewhere = arrival(70_004, post=OTHER)
    rows = [arrival(70_001), bad, arrival(70_002), elsewhere, {"crossing": 1}, 7]
    answered = ask(world, rows)
    assert answered.status_code == 200
    found = answered.json()
    assert [row.get("crossing_id") for row in found] == [
        "c-70001",
        None,
        "c-70002",
        None,
        None,
        None,
    ]
    assert [row.get("status") for row in found] == [None, 422, None, 403, 422, 422]
    assert found[1]["fields"][0]["at"] == "crossing.vehicle_class"
    assert "zeppelin" not in answered.text


def test_a_batch_answers_as_one_by_one(world: World) -> None:
    rows = [arrival(number) for number in range(70_100, 70_130)]
    alone = world.decide(rows[3]).json()
    first, again = ask(world, rows).json(), ask(world, rows).json()
    assert first == again
    assert first[3] == alone
    one, other = arrival(70_200, is_empty=False), arrival(70_200, is_empty=True)
    twice = ask(world, [one, one, other]).json()
    assert twice[0] == twice[1]
    assert twice[2]["status"] == 409


def test_a_key_names_every_row_by_its_place(world: World) -> None:
    def send_keyed(rows: Any, key: str) -> Any:
        headers = world.headers() | {"Idempotency-Key": key}
        return world.client.post(PATH, json=rows, headers=headers).json()

    rows = [arrival(number) for number in (71_001, 71_002)]
    first = send_keyed(rows, "b-1")
    assert send_keyed(rows, "b-1") == first
    other = send_keyed([rows[0], arrival(71_003)], "b-1")
    assert other[0] == first[0] and other[1]["status"] == 409
    assert send_keyed([arrival(71_003)], "b-2")[0]["crossing_id"] == "c-71003", (
        "nothing was kept of it"
    )
    assert ask(world, rows).json() == first, "the crossing's own name serves as well"


def test_what_is_no_batch_is_refused_whole(world: World) -> None:
    wholes: list[Any] = [{}, [], {"crossing": {}}, [arrival(70_300)] * 1001]
    for body in wholes:
        assert ask(world, body).status_code == 422
    long = "x" * (9 * 1024 * 1024)
    assert ask(world, [long]).status_code == 413


UNREADABLE: dict[str, Callable[[str], bytes]] = {
    "1e999": lambda good: good.replace("8851.0", "1e999").encode(),
    "-1e999": lambda good: good.replace("8851.0", "-1e999").encode(),
    "NaN": lambda good: good.replace("8851.0", "NaN").encode(),
    "long number": lambda good: good.replace("8851.0", "9" * 5000).encode(),
    "doubled key": lambda good: good.replace('"plate":', '"plate": "X", "plate":').encode(),
    "escaped key": lambda good: good.replace('"plate":', '"pl\\u0061te": "X", "plate":').encode(),
    "lone surrogate": lambda good: good.replace("01A", "\\ud800").encode(),
    "raw surrogate": lambda good: good.encode().replace(b"01A", b"\xed\xa0\x80"),
    "deep": lambda good: good.replace("8851.0", "[" * 40 + "]" * 40).encode(),
    "trailing comma": lambda good: good.encode()[:-1] + b",}",
    "two values": lambda good: good.encode() * 2,
    "byte order mark": lambda good: b"\xef\xbb\xbf" + good.encode(),
    "UTF-16": lambda good: good.encode("utf-16"),
    "UTF-16 without a mark": lambda good: good.encode("utf-16-le"),
    "UTF-32": lambda good: good.encode("utf-32"),
}
"""What the route for one arrival refuses, made of a body that it takes."""
ENCODED = ("byte order mark", "UTF-16", "UTF-16 without a mark", "UTF-32")
"""Of these, the ones that concern the whole of a batch."""


def body(number: int) -> str:
    """Return a body that is taken."""
    return json.dumps(arrival(number, weighed_mass_kg=8851.0, plate=f"01A{number}"))


def batch(name: str, number: int) -> bytes:
    """Return the batch that holds such a row, or is encoded so."""
    spoil = UNREADABLE[name]
    return spoil(f"[{body(number)}]") if name in ENCODED else b"[" + spoil(body(number)) + b"]"


def statuses(world: World, content: bytes) -> list[int]:
    answer = world.client.post(PATH, content=content, headers=world.headers())
    if answer.status_code == 200:
        return [row.get("status", 201) for row in answer.json()]
    return [answer.status_code]


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_batch_refuses_what_a_single_body_is_refused_for(world: World, name: str) -> None:
    number = 73_000 + list(UNREADABLE).index(name)
    alone = UNREADABLE[name](body(number))
    answer = world.client.post("/v1/decisions", content=alone, headers=world.headers())
    assert answer.status_code == 422
    assert statuses(world, batch(name, number)) == [422]
    assert statuses(world, f"[{body(number)}]".encode()) == [201], "nothing was recorded of it"


def test_one_bad_row_does_not_refuse_the_others(world: World) -> None:
    for number, name in enumerate(("1e999", "NaN", "long number", "doubled key"), 72_100):
        spoiled, good = UNREADABLE[name](body(number)), body(number + 10).encode()
        assert statuses(world, b" [" + spoiled + b" ,\n" + good + b"]\n") == [422, 201], name
