"""The register: each rule with its figures, its owner and its date, and reviews by one person."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from typer.testing import CliRunner

from api.cli.main import app
from api.criteria.register import Register
from api.http.answers import Acknowledged
from engine.criteria.dual_control import draft_backtest
from engine.domain.rights import Role
from engine.queue import match_outcomes
from features.catalogue.catalogue import CATALOGUE, read_families
from tests.support.backtest_figures import FIGURES
from tests.support.people import at_desk, person, send
from tests.support.running_service import POST, World, arrival, serving
from tests.unit.service.policy.test_policy import put_into_force
from tests.unit.service.reports.test_acts import act
from tests.unit.service.watchlist.test_known_lawful import put_on

PATH = "/v1/register"
People = dict[str, dict[str, str]]


def ahead(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Serve a home of this test's own: figures are of all that it decided."""
    yield from serving(tmp_path / "home")


@pytest.fixture
def people(world: World) -> People:
    return {"ann": person(world, Role.ANALYST), "bob": person(world, Role.SUPERVISOR)}


def put_profile(world: World, people: People, code: str, expression: str) -> None:
    body = {"code": code, "title": "Heavy", "expression": expression, "channel": "red"}
    body |= {"valid_until": ahead(60), "owner": "Analysis", "review_by": ahead(30)}
    assert send(world, "/v1/profiles", body, people["ann"]).status_code == 201
    made = draft_backtest("profile", code, by="ann", state="proposed", figures=FIGURES)
    world.runtime.writer.submit(made).result()
    answer = send(world, f"/v1/profiles/{code}/approvals", {}, people["bob"])
    assert answer.status_code == 201, answer.text


def put_list(world: World, people: People, name: str, *plates: str) -> None:
    body = {"list": name, "owner": "Analysis", "reason": "x", "threat": "tanks", "kind": "plate"}
    body |= {"expiry": ahead(60), "lines": "\n".join(plates)}
    entry = send(world, "/v1/watchlist/lists", body, people["ann"]).json()["id"]
    answer = send(world, f"/v1/watchlist/{entry}/approvals", {}, people["bob"])
    assert answer.status_code == 201, answer.text


def read_rules(world: World, who: Role = Role.ANALYST) -> dict[tuple[str, str], dict[str, Any]]:
    answer = world.get(PATH, who)
    assert answer.status_code == 200, answer.text
    TypeAdapter(Register).validate_python(answer.json())
    return {(one["kind"], one["code"]): one for one in answer.json()["rules"]}


def fill(world: World, people: People) -> None:
    """Decide four vehicles: of the profile alone, of the list alone, of both, of neither."""
    put_profile(world, people, "P-1", "crossing.weighed_mass_kg > 30000.0")
    put_list(world, people, "Spring", "90K0002", "90K0003")
    for number, mass in ((1, 31_000.0), (2, 9_000.0), (3, 31_000.0), (4, 9_000.0)):
        made = arrival(9000 + number, plate=f"90K000{number}", weighed_mass_kg=mass)
        assert world.decide(made).status_code == 201
        if number in (1, 3):
            filed = act(9000 + number, made["crossing"]["crossing_id"], outcome="seizure")
            assert world.post("/v1/inspections", filed).status_code == 201


def test_rules_are_counted_alone_and_with_others(world: World, people: People) -> None:
    fill(world, people)
    rules = read_rules(world)
    profile, listed = rules["profile", "P-1"]["figures"], rules["list", "Spring"]["figures"]
    both = {"matches": 2, "alone": 1, "shared": 1}
    assert profile == both | {
        "searches": 2, "finds": 2, "finds_alone": 1, "missed": 0, "minutes": 80.0
    }  # fmt: skip
    assert listed == both | {
        "searches": 1, "finds": 1, "finds_alone": 0, "missed": 0, "minutes": 40.0
    }  # fmt: skip
    assert rules["profile", "P-1"]["owner"] == "Analysis"
    assert rules["list", "Spring"]["threat"] == "tanks"
    families = {code for kind, code in rules if kind == "family"}
    assert families == {one.family for one in CATALOGUE.values()}
    mirror = rules["family", "mirror"]
    assert mirror["figures"] is None and not mirror["is_overdue"]
    assert (mirror["owner"], mirror["threat"]) == (
        "Feature engineering", "Loads that change between the two posts"
    )  # fmt: skip


def test_a_count_that_forgets_the_others_would_be_noticed(
    world: World, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: every rule is taken to be the only one."""
    right = match_outcomes._sum_up

    def one_by_one(vehicles: Any, gravity: Any, lanes: Any) -> Any:
        found: dict[str, Any] = {}
        for rule in {rule for rules in vehicles.values() for rule in rules}:
            alone = {
                crossing: {rule: rules[rule]}
                for crossing, rules in vehicles.items()
                if rule in rules
            }
            found |= right(alone, gravity, lanes)
        return found

    monkeypatch.setattr(match_outcomes, "_sum_up", one_by_one)
    with pytest.raises(AssertionError):
        test_rules_are_counted_alone_and_with_others(world, people)


def test_known_lawful_trade_is_a_rule_that_selects_nothing(world: World, people: People) -> None:
    """Of the two vehicles that it fits, the profile matched one, which stays the profile's own."""
    entry = put_on(world, people, plate="90K0001")
    other = put_on(world, people, plate="90K0004")
    fill(world, people)
    rules = read_rules(world)
    assert rules["profile", "P-1"]["figures"]["alone"] == 1
    shared, alone = (rules["known_lawful", code]["figures"] for code in (entry, other))
    assert (shared["matches"], shared["alone"], shared["finds"]) == (1, 0, 1)
    assert (alone["matches"], alone["alone"], alone["finds"]) == (1, 1, 0)
    stated = rules["known_lawful", entry]
    assert (stated["title"], stated["reason"]) == ("plate 90K0001", "audited")
    answer = send(world, f"{PATH}/reviews", review(entry, "known_lawful"), people["ann"])
    assert answer.status_code == 201, answer.text
    assert read_rules(world)["known_lawful", entry]["owner"] == "Centre"


def test_a_lane_that_makes_a_rule_shared_would_be_noticed(
    world: World, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: known lawful trade counts as a rule that selects."""
    right = match_outcomes._sum_up
    monkeypatch.setattr(
        match_outcomes,
        "_sum_up",
        lambda vehicles, gravity, _: right(vehicles, gravity, frozenset()),
    )
    with pytest.raises(AssertionError):
        test_known_lawful_trade_is_a_rule_that_selects_nothing(world, people)


def test_settings_are_rules_for_all_posts_and_for_one(world: World, people: People) -> None:
    shares = {"setting": "shares", "post": POST, "value": {"random_share": 0.05}}
    put_into_force(world, people, **shares)
    rules = read_rules(world)
    assert rules["policy", "shares"]["reason"] is None and rules["policy", "shares"]["post"] is None
    own = rules["policy", f"shares@{POST}"]
    assert (own["reason"], own["post"], own["figures"]) == ("as agreed", POST, None)
    assert own["owner"] is None, "nobody reviewed it"
    answer = send(world, f"{PATH}/reviews", review(f"shares@{POST}", "policy"), people["ann"])
    assert answer.status_code == 201, answer.text
    assert read_rules(world)["policy", f"shares@{POST}"]["owner"] == "Centre"
    assert read_rules(world)["policy", "shares"]["owner"] is None


def review(code: str = "mirror", kind: str = "family", days: float = 90) -> dict[str, Any]:
    about = {"owner": "Centre", "threat": "loads", "reason": "it finds", "review_by": ahead(days)}
    return {"kind": kind, "code": code} | about


def test_the_last_review_holds(world: World, people: People) -> None:
    put_profile(world, people, "P-1", "crossing.weighed_mass_kg > 30000.0")
    for kind, code in (("family", "mirror"), ("profile", "P-1"), ("score", "score")):
        for days in (30, 200):
            answer = send(world, f"{PATH}/reviews", review(code, kind, days), people["ann"])
            assert answer.status_code == 201, answer.text
            TypeAdapter(Acknowledged).validate_python(answer.json())
        found = read_rules(world)[kind, code]
        assert (found["owner"], found["threat"]) == ("Centre", "loads")
        due = datetime.fromisoformat(found["review_by"]) - datetime.now(UTC)
        assert 199 < due / timedelta(days=1) < 201
        assert found["reviewed_at"] is not None and not found["is_overdue"]


def test_a_review_is_refused_by_field(world: World, people: People) -> None:
    for body, status in (
        (review("nothing"), 404),
        (review(kind="colour"), 422),
        (review(days=-1), 422),
        (review(days=400), 422),
        (review() | {"owner": ""}, 422),
        (review() | {"agency": "interior"}, 404),
    ):
        answer = send(world, f"{PATH}/reviews", body, people["ann"])
        assert answer.status_code == status, answer.text
    assert world.get(PATH, Role.CHECKPOINT).status_code == 403
    assert (
        send(world, f"{PATH}/reviews", review(), person(world, Role.INTEGRITY)).status_code == 403
    )
    assert read_rules(world, Role.INTEGRITY)


def test_the_page_shows_and_records(world: World, people: People) -> None:
    fill(world, people)
    desk = at_desk(world, "vera")
    shown = desk.get("/register")
    assert shown.status_code == 200
    assert "P-1" in shown.text and "Spring" in shown.text
    fields = {"rule": "list - Spring", "owner": "Centre", "threat": "tanks", "reason": "finds"}
    fields |= {"once": "a" * 24, "review_by": "2099-01-01"}
    late = desk.send("/register", "/register/reviews", fields)
    assert late.status_code == 422
    fields["review_by"] = (datetime.now(UTC) + timedelta(days=9)).date().isoformat()
    answer = desk.send("/register", "/register/reviews", fields)
    assert answer.status_code == 303, answer.text
    assert read_rules(world)["list", "Spring"]["owner"] == "Centre"


def test_the_public_statement_names_nothing_that_could_be_planned_around(
    world: World, people: People
) -> None:
    fill(world, people)
    done = CliRunner().invoke(app, ["impact", "--home", str(world.home.root), "--json"])
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert facts["rules"] == {
        "profile": 1,
        "list": 1,
        "policy": 5,
        "score": 1,
        "family": len(read_families()),
    }
    assert (facts["with_owner"], facts["overdue"]) == (2 + len(read_families()), 0)
    assert sum(facts["decisions"].values()) == 4 and facts["searched"]["found"] == 2
    text = CliRunner().invoke(app, ["impact", "--home", str(world.home.root)]).stdout
    assert "Decisions: 4" in text and "Vehicles searched: 2" in text
    for name in ("P-1", "Spring", "Heavy", "30000", "90K", "Analysis"):
        assert name not in text


def test_an_empty_home_has_a_statement(world: World) -> None:
    text = CliRunner().invoke(app, ["impact", "--home", str(world.home.root)]).stdout
    assert "Decisions: 0 (none)" in text and "the share is not known yet" in text
