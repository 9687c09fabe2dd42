"""A changed declaration gets a new decision: same draws, same past, three times a day at most."""

from copy import deepcopy
from typing import Any

from engine.criteria.indicator_rules import RULES_VERSION
from engine.domain.rights import Role
from tests.support.running_service import OTHER, POST, World, arrival
from tests.unit.service.reports.test_acts import find


def decide_arrival(world: World, number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    body = arrival(number)
    return body, world.decide(body).json()


def amend(world: World, decision: Any, body: Any, role: Role = Role.CHECKPOINT) -> Any:
    return world.post(f"/v1/decisions/{decision['decision_id']}/amendments", body, role)


def heavier(body: dict[str, Any], kg: float, **crossing: Any) -> dict[str, Any]:
    changed = deepcopy(body)
    changed["declaration"]["items"][0]["net_mass_kg"] = kg
    changed["crossing"] |= crossing
    return changed


def inputs(world: World, decision: dict[str, Any]) -> dict[str, Any]:
    with world.runtime.store.read() as connection:
        body = world.runtime.journal.body(connection, decision["receipt"]["sequence"])
    found: dict[str, Any] = body["inputs"]
    return found


def test_an_amendment_draws_the_same_numbers_from_the_same_past(world: World) -> None:
    body, first = decide_arrival(world, 85_000)
    changed = heavier(body, 9_999.0, plate="99Z999ZZ")
    second = amend(world, first, changed).json()
    third = amend(world, second, heavier(body, 1.0)).json()
    assert len({one["decision_id"] for one in (first, second, third)}) == 3
    once, twice, thrice = (inputs(world, one) for one in (first, second, third))
    assert once["draws"] == twice["draws"] == thrice["draws"]
    assert once["rules"] == RULES_VERSION
    assert once["as_of"] == twice["as_of"] == thrice["as_of"]
    assert (twice["amends"], thrice["amends"]) == (first["decision_id"],) * 2
    assert [one["amendment"] for one in (once, twice, thrice)] == [0, 1, 2]
    assert "amends" not in first and second["amends"] == third["amends"] == first["decision_id"]
    assert world.get(f"/v1/decisions/{third['decision_id']}").json()["amends"] == second["amends"]
    assert "amended" in [fact["code"] for fact in second["facts"]]
    assert amend(world, first, changed).json() == second
    with world.runtime.store.read() as connection:
        for one in (first, second, third):
            seq = one["receipt"]["sequence"]
            assert world.runtime.recompute.decision(connection, seq).is_identical


def test_three_times_is_enough(world: World) -> None:
    body, first = decide_arrival(world, 85_001)
    answers = [amend(world, first, heavier(body, 10.0 + n)).status_code for n in range(5)]
    assert answers == [201, 201, 201, 429, 429]
    assert amend(world, first, heavier(body, 10.0)).status_code == 201, "asked before"


def test_only_the_last_decision_of_a_vehicle_waits(world: World) -> None:
    red = find(world, "red", 86_000)
    with world.runtime.store.read() as connection:
        body = world.runtime.journal.body(connection, red["receipt"]["sequence"])["arrival"]
    again = amend(world, red, body | {"crossing": body["crossing"] | {"weighed_mass_kg": 1.0}})
    assert again.status_code == 201
    waiting = world.get(f"/v1/posts/{POST}/queue").json()["waiting"]
    ids = [one["decision_id"] for one in waiting if one["crossing_id"] == red["crossing_id"]]
    assert red["decision_id"] not in ids
    assert len(ids) == (again.json()["channel"] in ("yellow", "red"))


def test_another_movement_is_no_amendment(world: World) -> None:
    body, first = decide_arrival(world, 85_004)
    for wrong in ({"crossing_id": "other"}, {"direction": "exit"}):
        assert amend(world, first, heavier(body, 5.0, **wrong)).status_code == 422
    assert amend(world, first, heavier(body, 5.0, post=OTHER)).status_code == 403
    assert amend(world, {"decision_id": "dec-none"}, heavier(body, 5.0)).status_code == 404
    for role in Role:
        if role is not Role.CHECKPOINT:
            assert amend(world, first, heavier(body, 5.0), role).status_code == 403
