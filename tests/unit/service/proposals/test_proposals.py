"""Everything that needs two people, under one address: who proposes, who approves, what is seen."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import TypeAdapter

from api.auth.accounts import Accounts
from api.auth.permissions import MAY
from api.http.answers import AcknowledgedStep, reader
from api.proposals.matters import list_matters
from api.proposals.routes import Proposals
from engine.domain.rights import Right, Role
from engine.journal.areas import kinds_of, list_steps
from tests.support.people import at_desk, desk_of, person, send
from tests.support.running_service import POST, World
from tests.unit.service.watchlist.test_watchlist import ahead

PATH = "/v1/proposals"
GOVERNORS = frozenset({Role.ADMINISTRATOR, Role.SUPERVISOR})
RIGHTS: dict[str, tuple[str, frozenset[Role], frozenset[Role]]] = {
    "profile": ("/v1/profiles", MAY["POST", "/v1/profiles"], frozenset({Role.SUPERVISOR})),
    "policy": (
        "/v1/policy",
        frozenset({Role.ANALYST, Role.SUPERVISOR}),
        frozenset({Role.SUPERVISOR, Role.INTEGRITY}),
    ),
    "watchlist": ("/v1/watchlist", MAY["POST", "/v1/watchlist"], frozenset({Role.SUPERVISOR})),
    "known_lawful": (
        "/v1/known-lawful",
        MAY["POST", "/v1/known-lawful"],
        frozenset({Role.SUPERVISOR}),
    ),
    "model": ("/v1/models", frozenset(), MAY["POST", "/v1/models/{version}/approvals"]),
    "account": ("/v1/people", MAY["GET", "/v1/people"], MAY["GET", "/v1/people"]),
    "load": ("/v1/jobs", frozenset({Role.ANALYST, Role.SUPERVISOR}), GOVERNORS),
} | dict.fromkeys(
    ("agencies", "oidc", "erasure", "load_withdrawal", "link", "link_resumption"),
    ("/v1/people", GOVERNORS, GOVERNORS),
)
"""By matter: where it is seen, who proposes, who approves; as before proposals had one address."""
BY_COMMAND = frozenset(name for name, (_, act, _see) in RIGHTS.items() if act == GOVERNORS)


def test_rights_are_those_of_the_routes_and_commands_of_before() -> None:
    found = {
        name: (matter.shown[1].partition("/{")[0], *map(matter.may.get, (Right.ACT, Right.APPROVE)))
        for name, matter in list_matters().items()
    }
    assert found == {
        name: (seen, act or None, approve) for name, (seen, act, approve) in RIGHTS.items()
    }
    is_command = {name for name, matter in list_matters().items() if matter.is_by_command}
    assert is_command == BY_COMMAND


def test_every_matter_of_two_people_is_declared() -> None:
    by_rule = {matter for matter, _ in list_steps().values()}
    assert by_rule | {"model"} == list_matters().keys()
    assert all(kinds_of(name) for name in by_rule)


def list_proposals(world: World, who: dict[str, str], state: str = "") -> list[dict[str, Any]]:
    answer = world.client.get(f"{PATH}?state={state}" if state else PATH, headers=who)
    assert answer.status_code == 200, answer.text
    TypeAdapter(Proposals).validate_python(answer.json())
    found: list[dict[str, Any]] = answer.json()["proposals"]
    return found


def find_number(world: World, who: dict[str, str], name: str) -> int:
    waiting = {one["id"]: one["waiting"] for one in list_proposals(world, who, "waiting")}
    number: int = waiting[name]["number"]
    return number


@pytest.fixture
def people(world: World) -> dict[str, dict[str, str]]:
    roles = {"ann": Role.ANALYST, "bob": Role.SUPERVISOR, "cem": Role.SUPERVISOR}
    return {name: person(world, role) for name, role in roles.items()}


def test_an_entry_comes_and_goes_by_two_people(
    world: World, people: dict[str, dict[str, str]]
) -> None:
    entry = {"plate": "01P100AA", "reason": "seen", "expiry": ahead(60)}
    asked = {"matter": "watchlist", "content": entry}
    name = send(world, PATH, asked, people["bob"]).json()["id"]
    number = find_number(world, people["ann"], name)
    path = f"{PATH}/{number}/approvals"
    assert send(world, path, {}, people["bob"]).status_code == 403, "who proposed it"
    assert send(world, path, {}, people["ann"]).status_code == 403, "an analyst approves nothing"
    done = send(world, path, {}, people["cem"]).json()
    assert reader(AcknowledgedStep).validate_python(done).state == "in_force"
    assert send(world, path, {}, people["cem"]).status_code == 404, "nothing waits by this number"
    leaving = {"matter": "watchlist", "leaves": name, "why": "it is over"}
    assert send(world, PATH, leaving, people["ann"]).status_code == 201
    last = f"{PATH}/{find_number(world, people['bob'], name)}/approvals"
    assert send(world, last, {}, people["cem"]).json()["state"] == "retired"
    (one,) = [one for one in list_proposals(world, people["bob"]) if one["id"] == name]
    assert (one["state"], one["waiting"], len(one["approvals"])) == ("retired", None, 1)


def test_an_account_is_granted_by_number_with_both_codes(world: World) -> None:
    first, second = person(world, Role.ADMINISTRATOR), person(world, Role.ADMINISTRATOR)
    grant = {"grant": "person", "name": "proposed-one", "role": "analyst"}
    proposed = send(world, PATH, {"matter": "account", "content": grant}, first).json()
    number = find_number(world, second, proposed["id"])
    approved = send(world, f"{PATH}/{number}/approvals", {}, second).json()
    assert {proposed["code"], approved["code"]}.isdisjoint({None, ""})
    assert proposed["code"] != approved["code"]


def test_an_administrator_of_one_post_sees_the_accounts_of_that_post_alone(world: World) -> None:
    first = person(world, Role.ADMINISTRATOR)
    made = [
        send(world, PATH, {"matter": "account", "content": grant}, first).json()["id"]
        for grant in (
            {"grant": "person", "name": "everywhere", "role": "supervisor"},
            {"grant": "person", "name": "here-alone", "role": "supervisor", "post": POST},
        )
    ]
    accounts = Accounts(world.runtime.store, world.runtime.network)
    accounts.create_user("of-one-post", Role.ADMINISTRATOR, post=POST)
    listed = desk_of(world.runtime, "of-one-post")
    seen = {one.state.subject for one in replace(listed, is_command=False).list()}
    assert seen & {*made} == {made[1]}


@pytest.mark.parametrize("matter", sorted(BY_COMMAND))
def test_what_a_password_decides_is_no_step_of_a_key(world: World, matter: str) -> None:
    by = person(world, Role.ADMINISTRATOR)
    contents: dict[str, Any] = {
        "agencies": {},
        "erasure": {"criteria": {"subject": "x"}},
        "load_withdrawal": {"load": "0" * 8},
        "link_resumption": {"link": "oybek"},
    }
    answer = send(world, PATH, {"matter": matter, "content": contents.get(matter, {})}, by)
    assert answer.status_code == (403 if matter in contents else 422), answer.text


def test_bad_proposals_name_the_field_and_the_rule(
    world: World, people: dict[str, dict[str, str]]
) -> None:
    for body, at in (
        ({"matter": "weather"}, "proposal.matter"),
        ({"matter": "watchlist", "content": {"plate": "01 A", "reason": "x"}}, "expiry"),
        ({"matter": "profile", "leaves": "NO-SUCH"}, "reason"),
    ):
        answer = send(world, PATH, body, people["bob"])
        assert answer.status_code == 422, answer.text
        assert [one["at"] for one in answer.json()["fields"]] == [at]
    gone = {"matter": "profile", "leaves": "NO-SUCH", "why": "x"}
    assert send(world, PATH, gone, people["bob"]).status_code == 404
    huge = {"setting": "shares", "value": {"red_share": 10**400}, "reason": "x"}
    refused = send(world, PATH, {"matter": "policy", "content": huge}, people["bob"])
    assert refused.status_code == 422 and "red_share" in refused.text
    past = send(world, f"{PATH}/{1 << 63}/approvals", {}, people["bob"])
    assert past.status_code == 422, "a number that no journal has"


def test_the_page_lists_what_waits_and_approves(
    world: World, people: dict[str, dict[str, str]]
) -> None:
    entry = {"plate": "01P200AA", "reason": "seen", "expiry": ahead(60)}
    asked = {"matter": "watchlist", "content": entry}
    name = send(world, PATH, asked, people["bob"]).json()["id"]
    desk = at_desk(world, "approves-here")
    shown = desk.get("/proposals").text
    form = f"/proposals/watchlist/{name}/approvals"
    assert f"/watchlist#{name}" in shown and form in shown
    done = desk.send("/proposals", form, {})
    assert (done.status_code, done.headers["location"]) == (303, f"/watchlist?done=approved#{name}")
    assert form not in desk.get("/proposals").text
    assert desk.send("/proposals", "/proposals/weather/x/approvals", {}).status_code == 404
