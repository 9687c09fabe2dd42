"""Policy under two keys: who changes it, when it takes effect, and that nothing else changes it."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from api.http.problems import MEDIA_TYPE
from api.service.settings import Settings
from engine.audit.file_anchors import declare_network, open_network
from engine.audit.verification import verify
from engine.criteria.policy import PolicyHistory
from engine.domain.rights import Role
from engine.journal.journal import JournalReader
from engine.journal.kinds import DECISION, NETWORK_DECLARED, POLICY_DECLARED
from engine.selection import Policy
from tests.support.clocks import travel
from tests.support.people import at_desk, person, send
from tests.support.running_service import (
    NETWORK,
    OTHER,
    POST,
    World,
    arrival,
    open_world,
    serving,
)

PATH, PROPOSALS = "/v1/policy", "/v1/proposals"
SHIFT = timedelta(hours=12)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Serve a home of one test: a policy stays in force."""
    monkeypatch.setattr("engine.targeting.targeting.RECENT_SECONDS", -1)  # only the clock jumps
    yield from serving(tmp_path)


@pytest.fixture
def people(world: World) -> dict[str, dict[str, str]]:
    roles = {
        "ann": Role.ANALYST,
        "bob": Role.SUPERVISOR,
        "cem": Role.SUPERVISOR,
        "eve": Role.INTEGRITY,
        "joe": Role.ADMINISTRATOR,
    }
    return {name: person(world, role) for name, role in roles.items()}


def propose(world: World, by: dict[str, str], **content: Any) -> Any:
    body = {"matter": "policy", "content": {"reason": "as agreed"} | content}
    return send(world, PROPOSALS, body, by)


def approve(world: World, by: dict[str, str], subject: str) -> Any:
    listed = world.client.get(f"{PROPOSALS}?state=waiting", headers=by)
    numbers = {one["id"]: one["waiting"]["number"] for one in listed.json().get("proposals", ())}
    return send(world, f"{PROPOSALS}/{numbers.get(subject, 0) or 1}/approvals", {}, by)


def put_into_force(world: World, people: dict[str, dict[str, str]], **content: Any) -> None:
    made = propose(world, people["ann"], **content)
    assert made.status_code == 201, made.text
    done = approve(world, people["bob"], made.json()["id"])
    assert done.status_code == 201, done.text


def read_bodies(world: World, kind: Any = DECISION) -> list[Any]:
    with world.runtime.store.read() as connection:
        return [body for _, body in JournalReader(connection).bodies_of(kind)]


def decided_policy(world: World, number: int, post: str = POST) -> dict[str, Any]:
    """Decide on an arrival and return the shares that its record holds."""
    headers = {} if post == POST else {"Authorization": f"Bearer {world.other}"}
    answer = world.decide(arrival(number, post=post), **headers)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = read_bodies(world)[-1]["inputs"]["policy"]
    return found


def test_two_people_change_it_and_each_role_does_its_part(
    world: World, people: dict[str, dict[str, str]]
) -> None:
    made = propose(world, people["ann"], setting="shares", value={"random_share": 0.05})
    subject = made.json()["id"]
    assert approve(world, people["ann"], subject).status_code == 403, "an analyst approves nothing"
    own = propose(world, people["bob"], setting="shares", value={"random_share": 0.06})
    assert approve(world, people["bob"], own.json()["id"]).status_code == 403, "who proposed it"
    for who in ("eve", "joe"):
        refused = propose(world, people[who], setting="shares", value={"random_share": 0.07})
        assert refused.status_code == 403, who
    assert approve(world, people["joe"], subject).status_code in (403, 404)
    shown = world.client.get(PATH, headers=people["eve"]).json()
    assert {one["id"] for one in shown["waiting"]} == {subject, own.json()["id"]}
    assert approve(world, people["eve"], subject).json()["state"] == "in_force"
    (shares,) = [one for one in shown["settings"] if one["setting"] == "shares"]
    assert shares["values"][0]["value"]["random_share"] == 0.03 and shares["values"][0]["is_first"]
    (shares,) = world.client.get(PATH, headers=people["ann"]).json()["settings"][:1]
    (value,) = shares["values"]
    assert value["value"]["random_share"] == 0.05 and len(value["approvals"]) == 1
    again = approve(world, people["cem"], own.json()["id"])
    assert again.status_code == 404, "its effect was shown over another policy"


def test_shares_take_effect_with_the_next_shift_at_their_post_alone(
    world: World, people: dict[str, dict[str, str]]
) -> None:
    assert decided_policy(world, 1)["random_share"] == 0.03
    put_into_force(world, people, setting="shares", post=POST, value={"random_share": 0.07})
    put_into_force(world, people, setting="shares", value={"blur": 0.5})
    assert decided_policy(world, 2)["random_share"] == 0.03, "a running shift keeps its policy"
    with travel(datetime.now(UTC) + SHIFT):
        here, there = decided_policy(world, 3), decided_policy(world, 4, OTHER)
    assert (here["random_share"], here["blur"]) == (0.07, 0.25)
    assert (there["random_share"], there["blur"]) == (0.03, 0.5)
    with world.runtime.store.read() as connection:
        sequences = [seq for seq, _ in JournalReader(connection).bodies_of(DECISION)]
        again = [world.runtime.recompute.decision(connection, seq) for seq in sequences]
    assert all(one.is_identical for one in again), "old decisions keep their policy"
    assert verify(world.runtime.store).ok


def test_an_amendment_keeps_the_policy_of_the_shift_that_drew_for_it(
    world: World, people: dict[str, dict[str, str]]
) -> None:
    first = world.decide(arrival(1)).json()["decision_id"]
    put_into_force(world, people, setting="shares", value={"random_share": 0.1})
    with travel(datetime.now(UTC) + SHIFT):
        changed = arrival(1, weighed_mass_kg=9_000.0)
        was = read_bodies(world)[0]["arrival"]["crossing"]
        changed["crossing"]["arrived_at"] = was["arrived_at"]
        answer = world.post(f"/v1/decisions/{first}/amendments", changed)
        assert answer.status_code == 201, answer.text
        amended, after = read_bodies(world)[-1]["inputs"]["policy"], decided_policy(world, 2)
    assert (amended["random_share"], after["random_share"]) == (0.03, 0.1)
    assert verify(world.runtime.store).ok


def test_hours_of_shifts_change_when_the_running_one_ends(
    world: World, people: dict[str, dict[str, str]]
) -> None:
    now = world.runtime.present.now()
    running = world.runtime.shifts.shift(POST, now)
    put_into_force(world, people, setting="shift_times", value={"hours": 6})
    plan = world.runtime.shifts
    assert plan.shift(POST, now) == running
    following = plan.shift(POST, running.closes_at)
    assert following.opens_at == running.closes_at
    assert following.closes_at - following.opens_at == 6 * 3_600_000_000
    with travel(datetime.now(UTC) + SHIFT):
        assert world.decide(arrival(2)).status_code == 201
        assert read_bodies(world)[-1]["inputs"]["shift_id"] == following.shift_id


def test_the_environment_gives_first_values_alone(world: World) -> None:
    (declared,) = read_bodies(world, POLICY_DECLARED)
    assert declared["values"]["shares"]["random_share"] == 0.03
    edited = Settings(random_share=0.09, shift_hours=6, link_random_hours=48)
    client, app = open_world(world.home, world.models, edited)
    with client:
        answer = client.post("/v1/decisions", json=arrival(5), headers=world.headers())
        assert answer.status_code == 201
        shown = client.get(PATH, headers=world.headers(Role.ANALYST)).json()
    assert shown["ignored"] == ["shares.random_share", "shift_times.hours", "silence.random_hours"]
    assert read_bodies(world)[-1]["inputs"]["policy"]["random_share"] == 0.03
    assert len(read_bodies(world, POLICY_DECLARED)) == 1
    assert app.state.runtime.posts.limits == world.runtime.posts.limits


def test_negative_control_a_service_that_takes_shares_from_elsewhere_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.decide(arrival(1))
    assert verify(world.runtime.store).ok
    with monkeypatch.context() as bug:  # the environment wins
        bug.setattr(PolicyHistory, "find_shares", lambda *_, **__: Policy(random_share=0.09))
        world.decide(arrival(2))
    (fault,) = verify(world.runtime.store).faults
    assert fault.rule == "policy" and "random_share" in fault.message


def test_an_edited_network_file_changes_nothing_and_an_approved_one_does(
    world: World, people: dict[str, dict[str, str]]
) -> None:
    edited = NETWORK.replace("Oybek", "Elsewhere")
    world.home.network.write_text(edited, "utf-8")
    assert world.runtime.posts is not None
    assert open_network(world.home, world.runtime.store).posts[POST].name == "Oybek"
    client, app = open_world(world.home, world.models, Settings())
    with client:
        assert app.state.runtime.network.posts[POST].name == "Oybek"
        (note,) = client.get(PATH, headers=people["ann"]).json()["ignored"]
        assert "edited" in note
    approved = NETWORK.replace("Oybek", "Yangi Oybek").replace("weight = 20", "weight = 30")
    put_into_force(world, people, setting="network", value={"file": approved})
    shown = world.client.get(PATH, headers=people["ann"]).json()
    assert shown["awaits_start"] == ["network"]
    assert world.runtime.network.posts[POST].name == "Oybek", "until the next start"
    client, app = open_world(world.home, world.models, Settings())
    with client:
        network = app.state.runtime.network
        assert network.posts[POST].name == "Yangi Oybek"
        assert network.severity_of("narcotic", 2000) == 30
        assert client.get(PATH, headers=people["ann"]).json()["awaits_start"] == []
    assert world.home.network.read_text("utf-8") == edited, "an edited file is left as it is"
    assert [len(one["file"]) for one in read_bodies(world, NETWORK_DECLARED)] == [
        len(NETWORK),
        len(approved),
    ]
    assert verify(world.runtime.store).ok


def test_an_approved_network_is_written_where_its_predecessor_lies(
    world: World, people: dict[str, dict[str, str]]
) -> None:
    approved = NETWORK.replace("Oybek", "Yangi Oybek")
    put_into_force(world, people, setting="network", value={"file": approved})
    client, _ = open_world(world.home, world.models, Settings())
    with client:
        assert client.get(PATH, headers=people["ann"]).json()["ignored"] == []
    assert world.home.network.read_text("utf-8") == approved


NEW_POST = '[[posts]]\ncode = "{0}"\nname = "Post {0}"\ncountry = "UZ"\n'


def test_an_approved_network_keeps_the_posts_that_loads_added_meanwhile(
    world: World, people: dict[str, dict[str, str]]
) -> None:
    store, loaded = world.runtime.store, NETWORK
    approved = NETWORK.replace("Oybek", "Yangi Oybek") + NEW_POST.format("NEU")
    made = propose(world, people["ann"], setting="network", value={"file": approved})
    for code in ("AAA", "BBB"):  # a load between the two people, and one after both
        loaded += NEW_POST.format(code)
        world.home.network.write_text(loaded, "utf-8")
        declare_network(world.home, store, has_new_posts=True)
        if code == "AAA":
            assert approve(world, people["bob"], made.json()["id"]).status_code == 201
    for _ in range(2):
        client, app = open_world(world.home, world.models, Settings())
        with client:
            posts = app.state.runtime.network.posts
            assert set(posts) == {POST, OTHER, "NEU", "AAA", "BBB"}
            assert posts[POST].name == "Yangi Oybek"
            assert client.get(PATH, headers=people["ann"]).json()["awaits_start"] == []
    assert len(read_bodies(world, NETWORK_DECLARED)) == 4, "the second start declares nothing"
    removed = NETWORK + NEW_POST.format("AAA")
    put_into_force(world, people, setting="network", value={"file": removed})
    client, app = open_world(world.home, world.models, Settings())
    with client:
        assert set(app.state.runtime.network.posts) == {POST, OTHER, "AAA"}, "negative control"


def test_the_effect_is_that_of_the_recorded_draws(
    world: World, people: dict[str, dict[str, str]]
) -> None:
    world.decide_all([arrival(number) for number in range(1, 161)])
    bodies = read_bodies(world)
    draws = [body["inputs"]["draws"]["random"] for body in bodies]
    body = {"setting": "shares", "value": {"random_share": 0.10, "yellow_share": 0.2}}
    effect = send(world, f"{PATH}/previews", body, people["ann"]).json()
    was = sum(body["decision"]["is_random"] for body in bodies)
    assert effect["decisions"] == 160 and effect["without_model"] == 0
    assert effect["random_checks"] == {"was": was, "would": sum(one < 0.10 for one in draws)}
    counted = {
        code: sum(one["decision"]["channel"] == code for one in bodies)
        for code in ("green", "blue", "yellow", "red")
    }
    assert {code: change["was"] for code, change in effect["channels"].items()} == counted
    assert effect["channels"]["yellow"]["would"] > counted["yellow"]
    assert effect["milder"] == 0 < effect["stricter"], "larger shares make nothing milder"
    assert effect["minutes"]["would"] > effect["minutes"]["was"]
    elsewhere = send(world, f"{PATH}/previews", body | {"post": OTHER}, people["ann"]).json()
    assert elsewhere["decisions"] == 0
    same = send(world, f"{PATH}/previews", {"setting": "shares", "value": {}}, people["ann"]).json()
    assert (same["stricter"], same["milder"]) == (0, 0)
    # Decisions of before a change are compared by the value in force now, not by the one they had.
    put_into_force(world, people, setting="shares", value=body["value"])
    kept = send(world, f"{PATH}/previews", body, people["ann"]).json()
    assert (kept["stricter"], kept["milder"]) == (0, 0)
    assert kept["random_checks"]["was"] == kept["random_checks"]["would"] > was
    hours = {"setting": "shift_times", "value": {"hours": 6}}
    shifts = send(world, f"{PATH}/previews", hours, people["ann"]).json()["shifts"]
    assert shifts == {"was": 56, "would": 112}


def test_a_proposal_lapses_after_a_month(world: World, people: dict[str, dict[str, str]]) -> None:
    made = propose(world, people["ann"], setting="shares", value={"random_share": 0.05})
    with travel(datetime.now(UTC) + timedelta(days=31)):
        later = person(world, Role.SUPERVISOR)
        assert approve(world, later, made.json()["id"]).status_code == 404


def test_what_is_wrong_is_refused_by_field_and_rule(
    world: World, people: dict[str, dict[str, str]]
) -> None:
    for content, at, rule in (
        ({"setting": "weather", "value": {}}, "policy.setting", "unknown_enumeration"),
        ({"setting": "shares", "value": {"random_share": 0.2}}, "value.random_share", "too_large"),
        ({"setting": "shares", "value": {"random_share": 0}}, "value.random_share", "too_small"),
        ({"setting": "silence", "post": POST, "value": {}}, "policy.post", "not_by_post"),
        ({"setting": "shares"}, "policy.value", "missing_key"),
    ):
        answer = propose(world, people["ann"], **content)
        assert answer.status_code == 422 and answer.headers["content-type"] == MEDIA_TYPE
        (found,) = answer.json()["fields"]
        assert found["at"].endswith(at) and found["rule"] == rule, answer.text
    unknown = propose(world, people["ann"], setting="shares", post="NOWHERE", value={})
    assert unknown.status_code == 422
    leaves = {"matter": "policy", "leaves": "policy-1", "why": "it is over"}
    assert send(world, PROPOSALS, leaves, people["ann"]).status_code in (404, 409)


def test_times_of_shifts_are_typed_as_clocks_show_them(world: World) -> None:
    desk = at_desk(world, "clocks")
    page = "/policy?setting=shift_times"
    assert 'value="08:00"' in desk.get(page).text and "+05:00" in desk.get("/policy").text
    form = {"setting": "shift_times", "reason": "winter", "starts_minute": "07:30", "hours": "8"}
    for wrong in ("450", "7:60", "24:00"):
        sent = form | {"utc_offset_minutes": "+05:00", "starts_minute": wrong}
        assert desk.send(page, "/policy", sent).status_code == 422, wrong
    once = desk.get(page).text.partition('name="once" value="')[2][:24]
    sent = form | {"utc_offset_minutes": "-01:30", "once": once}
    assert desk.send(page, "/policy", sent).status_code == 303
    waiting = world.get(PATH, Role.SUPERVISOR).json()["waiting"]
    value = next(one["value"] for one in waiting if one["setting"] == "shift_times")
    assert (value["starts_minute"], value["utc_offset_minutes"]) == (450, -90)
    assert "08:00 → <strong>07:30" in desk.get("/policy").text


def test_the_page_shows_proposes_and_approves(
    world: World, people: dict[str, dict[str, str]]
) -> None:
    bob, cem = at_desk(world, "bob"), at_desk(world, "cem")
    assert "Shares of channels" in bob.get("/policy").text
    form = dict.fromkeys(("red_share", "yellow_share", "blue_share", "random_share"), "0.05")
    form |= {"random_yellow_share": "1", "random_blue_share": "1 %", "blur": "0.25"}
    form |= {"random_share": "6"}
    form |= {"setting": "shares", "post": POST, "reason": "the interval is too wide"}
    page = f"/policy?setting=shares&post={POST}"
    assert 'name="random_share" inputmode="decimal" value="3 %"' in bob.get(page).text
    once = bob.get(page).text.partition('name="once" value="')[2][:24]
    seen = bob.send(page, "/policy/previews", form)
    assert seen.status_code == 200 and "The last 28 days again" in seen.text
    wrong = bob.send(page, "/policy", form | {"once": once, "random_share": "50 %"})
    assert wrong.status_code == 422 and "The number is too large." in wrong.text
    assert bob.send(page, "/policy", form | {"once": once}).status_code == 303
    shown = bob.get("/policy").text
    assert re.search(r"3(\.0+)?% → <strong>6", shown), "what differs is marked"
    assert "another person approves" in shown and "/proposals/policy/" not in shown
    rest = cem.get("/policy").text.partition("/proposals/policy/")[2]
    to = f"/proposals/policy/{rest.partition(chr(34))[0]}"
    assert cem.send("/policy", to, {}).status_code == 303
    assert "bob, cem" in cem.get("/policy").text
    (shares,) = world.client.get(PATH, headers=people["ann"]).json()["settings"][:1]
    assert [one["post"] for one in shares["values"]] == [None, POST]
    value = shares["values"][1]["value"]
    assert (value["random_share"], value["random_yellow_share"], value["red_share"]) == (
        0.06,
        0.01,
        0.05,
    )
