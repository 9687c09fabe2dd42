"""Many arrivals in one request: each row stands or falls by itself."""

from typing import Any

from api.roles import Role
from tests.service.world import OTHER, World, arrival

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
    def keyed(rows: Any, key: str) -> Any:
        headers = world.headers() | {"Idempotency-Key": key}
        return world.client.post(PATH, json=rows, headers=headers).json()

    rows = [arrival(number) for number in (71_001, 71_002)]
    first = keyed(rows, "b-1")
    assert keyed(rows, "b-1") == first
    other = keyed([rows[0], arrival(71_003)], "b-1")
    assert other[0] == first[0] and other[1]["status"] == 409
    assert keyed([arrival(71_003)], "b-2")[0]["crossing_id"] == "c-71003", "nothing was kept of it"
    assert ask(world, rows).json() == first, "the crossing's own name serves as well"


def test_what_is_no_batch_is_refused_whole(world: World) -> None:
    wholes: list[Any] = [{}, [], {"crossing": {}}, [arrival(70_300)] * 1001]
    for body in wholes:
        assert ask(world, body).status_code == 422
    long = "x" * (9 * 1024 * 1024)
    assert ask(world, [long]).status_code == 413
    assert ask(world, [arrival(70_301)], Role.SUPERVISOR).status_code == 403
