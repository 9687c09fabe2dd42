"""Teams are drawn at random, who deals with a vehicle is known, and integrity may ask."""

from collections import Counter
from typing import Any

import pytest

from engine.audit.verification import DrawVerifier
from engine.domain.rights import Role
from engine.selection import TEAM, assign_team
from tests.support.people import at_desk, person, send, user
from tests.support.running_service import POST, World, arrival
from tests.unit.service.reports.test_acts import act, find

TEAMS = ["alpha", "beta", "gamma"]
PATH = f"/v1/posts/{POST}/integrity"
START = 700_000


@pytest.fixture(scope="module", autouse=True)
def _roster(world: World) -> None:
    """Name the teams of the shift; canine minutes bound no channel."""
    body = {"minutes": {"canine": 60.0}, "teams": TEAMS}
    path = f"/v1/posts/{POST}/roster"
    put = world.client.put(path, json=body, headers=world.headers(Role.SUPERVISOR))
    assert put.status_code == 201
    twice = body | {"teams": ["alpha", "alpha"]}
    refused = world.client.put(path, json=twice, headers=world.headers(Role.SUPERVISOR))
    assert refused.status_code == 422


def read_body(world: World, decision: dict[str, Any]) -> dict[str, Any]:
    with world.runtime.store.read() as connection:
        return world.runtime.journal.body(connection, decision["receipt"]["sequence"])


def read_report(world: World) -> dict[str, Any]:
    found: dict[str, Any] = world.get(PATH, Role.INTEGRITY).json()
    return found


def test_a_referred_vehicle_is_assigned_the_team_that_its_number_draws(world: World) -> None:
    red, green = find(world, "red", START), find(world, "green", START + 500)
    assert green["team"] is None
    for decision in (red, green):
        inputs = read_body(world, decision)["inputs"]
        assert inputs["teams"] == TEAMS
        if decision is red:
            assert red["team"] == assign_team(TEAMS, inputs["draws"][TEAM])
        with world.runtime.store.read() as connection:
            seq = decision["receipt"]["sequence"]
            assert world.runtime.recompute.decision(connection, seq).is_identical
            assert list(DrawVerifier().faults(connection)) == []


def test_each_team_gets_its_share() -> None:
    drawn = Counter(assign_team(TEAMS, place / 3000) for place in range(3000))
    assert drawn == dict.fromkeys(TEAMS, 1000)
    assert assign_team([], 0.5) is None


def test_a_release_without_a_second_person_stands_first(world: World) -> None:
    one, two = find(world, "red", START + 1000), find(world, "red", START + 1500)
    for red in (one, two):
        path = f"/v1/crossings/{red['crossing_id']}/release"
        assert world.post(path, None).status_code == 201
    review = {"verdict": "uphold", "reason_code": "other", "reason": "its papers were in order"}
    path = f"/v1/decisions/{two['decision_id']}/reviews"
    assert world.post(path, review, Role.SUPERVISOR).status_code == 201
    found = {each["decision_id"]: each for each in read_report(world)["red_releases"]}
    assert list(found) == [one["decision_id"], two["decision_id"]]
    assert found[one["decision_id"]]["second_person"] is None
    assert found[two["decision_id"]]["second_person"] != found[two["decision_id"]]["by"]
    assert found[one["decision_id"]]["team"] == one["team"]
    page = at_desk(world, "looks", Role.INTEGRITY).get("/integrity").text
    said = page.partition('id="conclusions"')[2].partition("</ul>")[0]
    assert "No alarm" not in said, "one conclusion"
    assert ("Alarm at:" in said) != ("stands out; to look at:" in said)


def test_another_team_than_the_one_drawn_is_counted(world: World) -> None:
    before = read_report(world)["assignment"]
    one, two = find(world, "red", START + 2000), find(world, "red", START + 2500)
    other = next(team for team in TEAMS if team != one["team"])
    taken = world.post(f"/v1/inspections?team={other}", act(7001, one["crossing_id"]))
    assert taken.status_code == 201
    assert world.post("/v1/inspections", act(7002, two["crossing_id"])).status_code == 201
    after = read_report(world)["assignment"]
    gained = {name: after[name] - before[name] for name in after}
    assert gained == {"dealt_with": 2, "drawn": 2, "taken_over": 1}


def test_few_vehicles_say_nothing_and_who_takes_a_carriers_vehicles_is_found(world: World) -> None:
    assert not read_report(world)["test"]["knowable"]
    carriers = {START + 3000 + n: "sly" if n % 2 else f"k-{n % 8}" for n in range(900)}
    arrivals = [arrival(number, carrier_id=carrier) for number, carrier in carriers.items()]
    decided = world.post("/v1/decisions/batch", arrivals).json()
    for one, carrier in zip(decided, carriers.values(), strict=True):
        if one["team"] is not None:
            team = "beta" if carrier == "sly" else one["team"]
            body = act(one["receipt"]["sequence"], one["crossing_id"])
            assert world.post(f"/v1/inspections?team={team}", body).status_code == 201
    found = read_report(world)
    assert found["test"]["knowable"] and found["test"]["alarms"] >= 1
    first = found["findings"][0]
    assert (first["officer"], first["carrier"], first["alarm"]) == ("beta", "sly", True)
    assert read_report(world)["findings"] == found["findings"], "the same seed deals the same"


def test_a_milder_change_counts_for_who_began_it_and_for_who_confirmed_it(world: World) -> None:
    """A word that nobody confirmed sent no vehicle anywhere, and counts for nobody."""
    two, alone = find(world, "red", START + 7000), find(world, "red", START + 7500)
    let_go = {"verdict": "override", "channel": "green", "reason_code": "other", "reason": "x"}
    for name in ("begins-it", "confirms-it"):
        user(world, name, Role.SUPERVISOR)
    for name, red in (("begins-it", two), ("begins-it", alone), ("confirms-it", two)):
        by = person(world, Role.SUPERVISOR, name)
        answer = send(world, f"/v1/decisions/{red['decision_id']}/reviews", let_go, by)
        assert answer.status_code == 201, answer.text
    for found in (read_report(world), world.get("/v1/integrity", Role.INTEGRITY).json()):
        said = {one["person"]: (one["reviews"], one["milder"]) for one in found["reviewers"]}
        assert (said["begins-it"], said["confirms-it"]) == ((2, 1), (1, 1))


def test_another_post_and_no_days_are_refused(world: World) -> None:
    assert world.get("/v1/posts/NOPE/integrity", Role.INTEGRITY).status_code == 404
    assert world.get(PATH + "?days=0", Role.INTEGRITY).status_code == 422
