"""The overview of all posts: counted by hand, for whom it is, as JSON, CSV and a page."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import TypeAdapter

from api.auth.accounts import Accounts
from api.auth.agencies import AgencyTable
from api.network import answers
from api.network.answers import NetworkOverview
from engine.domain.rights import Role
from engine.domain.time_units import HOUR
from engine.links.posts.linked_posts import LinkedPosts, describe_line
from models.statistics.intervals import share
from tests.support.people import Desk, at_desk, put_into_force, user
from tests.support.running_service import OTHER, POST, World, arrival
from tests.unit.service.auth.test_agencies import key_of
from tests.unit.service.reports.test_acts import act, find

START = 310_000


@pytest.fixture(autouse=True)
def _counted_afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "KEPT_SECONDS", 0.0)


@pytest.fixture(scope="module", autouse=True)
def state(world: World) -> dict[str, Any]:
    """Decide on vehicles, search three, override one, and leave one red vehicle waiting."""
    red = [find(world, "red", START + 500 * number) for number in range(3)]
    green = find(world, "green", START + 1_600)
    override = {"verdict": "override", "channel": "red", "reason_code": "other", "reason": "y"}
    world.post(f"/v1/decisions/{green['decision_id']}/reviews", override, Role.SUPERVISOR)
    outcomes = ((red[0], "seizure", "customs"), (red[1], "clear", None), (green, "clear", None))
    for number, (decision, outcome, agency) in enumerate(outcomes):
        body = act(START + number, decision["crossing_id"], outcome=outcome, agency=agency)
        assert world.post("/v1/inspections", body).status_code == 201
    seizure = {"seizure_id": "net-1", "crossing_id": red[0]["crossing_id"], "agency": "customs"}
    seizure |= {"substance_class": "narcotic", "quantity_g": 600, "place": "fuel.tank"}
    seizure |= {"recorded_at": datetime.now(UTC).isoformat()}
    assert world.post("/v1/seizures", seizure).status_code == 201
    body = arrival(START + 2_000)
    first = world.decide(body).json()["decision_id"]
    amended = body | {"crossing": body["crossing"] | {"weighed_mass_kg": 7_000.0}}
    assert world.post(f"/v1/decisions/{first}/amendments", amended).status_code == 201
    listed = world.get("/v1/decisions?limit=500").json()["decisions"]
    vehicles = {one["crossing_id"] for one in listed}
    assert len(vehicles) == len(listed) - 1, "one vehicle was decided on twice, and counts once"
    return {"red": red, "decisions": len(vehicles)}


def read(world: World, role: Role = Role.SUPERVISOR) -> dict[str, Any]:
    answer = world.get("/v1/network", role)
    assert answer.status_code == 200, answer.text
    TypeAdapter(NetworkOverview).validate_python(answer.json())
    found: dict[str, Any] = answer.json()
    return found


def post_of(found: dict[str, Any], code: str = POST) -> dict[str, Any]:
    return next(one for one in found["posts"] if one["post"] == code)


def test_numbers_are_those_counted_by_hand(world: World, state: dict[str, Any]) -> None:
    found = read(world, Role.ANALYST)
    one = post_of(found)
    waiting = world.get(f"/v1/posts/{POST}/queue").json()["waiting"]
    assert one["waiting_red"] == sum(each["channel"] == "red" for each in waiting) > 0
    assert one["waiting_yellow"] == sum(each["channel"] == "yellow" for each in waiting)
    assert one["decisions"] == state["decisions"]
    assert (one["inspected"], one["hits"], one["overrides"]) == (3, 1, 1)
    assert one["hit_rate"] == share(1, 3).as_dict() and not one["hit_rate"]["knowable"]
    assert (one["delay_of_lawful"]["n"], one["delay_of_lawful"]["knowable"]) == (2, False)
    (week,) = [each for each in found["weeks"] if each["post"] == POST and each["decisions"]]
    assert (week["week"], week["inspected"], week["seizures"]) == ("2026-10-12", 3, 1)
    hours = [each for each in found["hours"] if each["post"] == POST]
    assert sum(each["arrivals"] for each in hours) == state["decisions"]
    assert {(each["weekday"], each["hour"]) for each in hours} == {(3, 12)}, "noon in Tashkent"
    of_all = next(each for each in found["funnel"] if each["post"] is None)
    assert (of_all["arrivals"], of_all["inspected"], of_all["hits"]) == (state["decisions"], 3, 1)
    parts = [of_all[channel] for channel in ("green", "blue", "yellow", "red")]
    assert sum(parts) == state["decisions"]
    assert sum(one["searched"] for one in found["places"] if one["place"] == "cargo.among") == 3
    seized = [(one["place"], one["seizures"]) for one in found["places"] if one["seizures"]]
    assert seized == [("fuel.tank", 1)]
    assert (post_of(found, OTHER)["state"], one["state"]) == ("no_data", "open")


def test_the_shift_report_states_the_same_queue(world: World, state: dict[str, Any]) -> None:
    row = post_of(read(world))
    minutes = world.get(f"/v1/posts/{POST}/shift", Role.SUPERVISOR).json()["minutes"]
    waiting = {one["channel"]: one["waiting"] for one in minutes}
    assert (waiting["red"], waiting["yellow"]) == (row["waiting_red"], row["waiting_yellow"])
    assert sum(one["needed"] for one in minutes) == pytest.approx(row["needed_minutes"])
    assert row["needed_minutes"] > 0


def test_a_roster_that_is_used_up_is_a_state(world: World) -> None:
    def put(minutes: float) -> None:
        body = {"minutes": {"physical": minutes}}
        headers = world.headers(Role.SUPERVISOR)
        path = f"/v1/posts/{POST}/roster"
        assert world.client.put(path, json=body, headers=headers).status_code == 201

    put(1.0)
    found = read(world)
    red = next(one for one in found["minutes"] if (one["post"], one["channel"]) == (POST, "red"))
    assert (post_of(found)["state"], red["roster"]) == ("full", 1.0)
    assert red["left"] == pytest.approx(max(1.0 - red["used"], 0.0) - red["needed"])
    assert red["left"] < 0.0, "minutes are missing"
    put(100_000.0)
    assert post_of(read(world))["state"] == "open"


def test_acts_of_other_agencies_are_in_no_sum(world: World) -> None:
    rest = {"agencies": ["*"], "roles": ["*"], "matters": ["*"]}
    hidden = {"agencies": ["interior"], "roles": ["*"], "matters": ["acts", "seizures", "reviews"]}
    table = AgencyTable.model_validate(
        {
            "agencies": ["customs", "interior"],
            "rules": [
                hidden | {"see": "own", "act": "all", "approve": "all"},
                rest | {"see": "all", "act": "all", "approve": "all"},
            ],
        },
        strict=False,
    )
    accounts = Accounts(world.runtime.store, world.runtime.network)
    accounts.create_user("net-ann", Role.ADMINISTRATOR, agency="customs")
    accounts.create_user("net-bek", Role.SUPERVISOR, agency="customs")
    key = key_of(world, "interior", Role.SUPERVISOR)
    put_into_force(world.runtime, table, "net-ann", "net-bek")
    try:
        found = world.client.get("/v1/network", headers=key).json()
    finally:
        put_into_force(world.runtime, AgencyTable(), "net-bek", "net-ann")
    one = post_of(found)
    assert (one["inspected"], one["hits"], one["overrides"]) == (2, 0, None)
    assert not any(each["seizures"] for each in found["places"])


def test_a_node_that_is_silent_is_cut_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(phase: str) -> Any:
        agreement = SimpleNamespace(kind="post", name="oybek", posts=(POST,))
        return SimpleNamespace(name="line", agreement=agreement, phase=lambda _: phase)

    now = 50 * HOUR
    cases = (
        ("in_force", now - 2 * HOUR, True),  # nothing for two hours
        ("in_force", now, False),
        ("stopped", now, True),
        ("in_force", 0, True),  # never heard of
    )
    for phase, heard, is_cut_off in cases:
        made = describe_line(link(phase), heard=heard, newest=None, now=now)
        assert made.is_cut_off is is_cut_off, (phase, heard)
        monkeypatch.setattr(LinkedPosts, "read_lines", lambda *_, made=made, **__: {POST: made})
        assert (post_of(read(world))["state"] == "cut_off") is is_cut_off


def test_the_page_has_a_map_where_the_posts_have_coordinates(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = at_desk(world, "net-boss", Role.SUPERVISOR).get("/network").text
    assert "network-map" not in page
    assert "Synthetic data" in page and ">100.0%<" not in page, "three acts are no rate"
    network = world.runtime.network
    posts = {
        code: one.model_copy(update={"lat": 40.0 + at, "lon": 69.0})
        for at, (code, one) in enumerate(network.posts.items())
    }
    monkeypatch.setattr(world.runtime, "network", replace(network, posts=posts))
    page = at_desk(world, "net-map", Role.ANALYST).get("/network").text
    assert 'class="network-map broad"' in page and f'href="/posts/{POST}/shift"' in page
    outside = [one for one in re.findall(r'(?:src|href)="([^"]+)"', page) if "//" in one]
    assert outside == []


def test_who_is_bound_to_a_post_sees_it_alone(world: World) -> None:
    assert 'href="/network"' in at_desk(world, "net-free", Role.SUPERVISOR).get("/").text
    desk = Desk(world)
    desk.sign_in("net-bound", user(world, "net-bound", Role.SUPERVISOR, OTHER))
    page = desk.get("/network").text
    assert 'href="/network"' not in page, "the menu is for users of several posts"
    assert f"/posts/{OTHER}/shift" in page and f"/posts/{POST}/shift" not in page
    found = desk.get("/v1/network").json()
    assert {one["post"] for one in found["posts"]} == {OTHER}
    assert next(one for one in found["funnel"] if one["post"] is None)["arrivals"] == 0
