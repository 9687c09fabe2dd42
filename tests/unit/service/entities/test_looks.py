"""Unusual looks reach the integrity officer: a seeded curious officer, and no ordinary one."""

from typing import Any

import pytest

from api.auth.accounts import Accounts
from api.auth.credentials import open_pepper
from engine.domain.rights import Role
from tests.support.people import at_desk
from tests.support.running_service import POST, World, arrival

START = 7_400
OFFICERS, VEHICLES = 4, 8


def make_key(world: World, name: str) -> dict[str, str]:
    accounts = Accounts(world.runtime.store, world.runtime.network)
    accounts.create_user(name, Role.CHECKPOINT, post=POST)
    pepper = open_pepper(world.home)
    made = accounts.create_key(Role.CHECKPOINT, POST, pepper=pepper, owner=name)
    return {"Authorization": f"Bearer {made.secret}"}


def search(world: World, by: dict[str, str], text: str, **asked: str) -> None:
    answer = world.client.get("/v1/search", params={"q": text} | asked, headers=by)
    assert answer.status_code == 200 and answer.json()["found"], answer.text


def inspect(world: World, by: dict[str, str], number: int) -> None:
    act = {
        "inspection_id": f"a-{number}", "crossing_id": f"c-{number}", "outcome": "clear",
        "recorded_at": "2026-10-14T07:00:00Z", "methods": ["physical"], "minutes": 9,
        "places_searched": ["cab"],
    }  # fmt: skip
    assert world.client.post("/v1/inspections", json=act, headers=by).status_code == 201


def report(world: World) -> dict[str, Any]:
    return dict(world.get("/v1/integrity?days=7", Role.INTEGRITY).json()["looks"])


def test_a_curious_officer_is_shown_and_an_ordinary_one_is_not(world: World) -> None:
    numbers = range(START, START + OFFICERS * VEHICLES)
    world.decide_all(arrival(number, plate=f"74L{number}") for number in numbers)
    officers = [make_key(world, f"officer-{one}") for one in range(OFFICERS)]
    for at, number in enumerate(numbers):
        by = officers[at % OFFICERS]
        search(world, by, f"74L{number}", purpose="inspection")
        inspect(world, by, number)
    quiet = report(world)
    assert (quiet["looks"], quiet["persons"], quiet["knowable"]) == (32, OFFICERS, True)
    assert quiet["alarms"] == 0
    curious = make_key(world, "curious")
    for _ in range(15):
        search(world, curious, f"74L{START}")
    found = report(world)
    loud = {(one["person"], one["measure"]) for one in found["findings"] if one["alarm"]}
    assert {person for person, _ in loud} == {"curious"}
    assert {measure for _, measure in loud} >= {"unfollowed", "idle", "no_purpose"}
    page = at_desk(world, "watches-looks", Role.INTEGRITY).get("/integrity").text
    assert "Unusual looks:" in page and "nothing done about what was shown" in page
    assert "officer-1" not in page
    # Negative control: a look that nobody marks.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("api.entities.looks.LOOKS", frozenset())
        assert report(world)["findings"] == []
