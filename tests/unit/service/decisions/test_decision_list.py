"""The list of decisions: by period, post, channel and outcome, on its page and as CSV."""

import csv
import io
from types import SimpleNamespace
from typing import Any

import pytest

from engine.domain.rights import Role
from tests.support.people import at_desk
from tests.support.running_service import OTHER, POST, World, arrival
from tests.unit.service.decisions.test_decisions import amend, heavier
from tests.unit.service.reports.test_acts import act

START = 670_000


@pytest.fixture(scope="module")
def listed(world: World) -> SimpleNamespace:
    """Decide on sixty vehicles, and search the referred ones with every outcome."""
    made = world.decide_all([arrival(START + number) for number in range(60)])
    referred = [one for one in made if one["channel"] in ("red", "yellow")]
    outcomes = {}
    for number, one in enumerate(referred[:6]):
        outcome = ("clear", "discrepancy", "seizure")[number % 3]
        body = act(START + number, one["crossing_id"], outcome=outcome)
        assert world.post("/v1/inspections", body).status_code == 201
        outcomes[one["decision_id"]] = outcome
    return SimpleNamespace(made=made, outcomes=outcomes)


def read(world: World, query: str) -> list[dict[str, Any]]:
    answer = world.get(f"/v1/decisions?limit=500&{query}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["decisions"]
    return found


def test_decisions_are_listed_by_what_their_acts_found(
    world: World, listed: SimpleNamespace
) -> None:
    for outcome in ("clear", "discrepancy", "seizure"):
        found = read(world, f"outcome={outcome}")
        wanted = {one for one, of in listed.outcomes.items() if of == outcome}
        assert wanted <= {one["decision_id"] for one in found}
        assert {one["outcome"] for one in found} == {outcome}
    unsearched = [one for one in read(world, "") if one["outcome"] is None]
    assert len(unsearched) >= len(listed.made) - len(listed.outcomes)
    assert world.get("/v1/decisions?outcome=lost").status_code == 422


def test_a_decision_is_listed_where_it_stands_and_a_find_once(
    world: World, listed: SimpleNamespace
) -> None:
    """Seeded bug, in its form of old: a find read "green, selected by nobody", and stood twice."""
    bodies = [
        body
        for body in (arrival(START + number) for number in range(200, 320))
        if body["declaration"] is not None
    ]
    made = world.decide_all(bodies)
    both = list(zip(bodies, made, strict=True))
    body, first = next(pair for pair in both if pair[1]["channel"] == "red")
    newer = amend(world, first, heavier(body, 4321.0)).json()
    sent = next(one for one in made if one["channel"] == "green")
    override = {"verdict": "override", "channel": "red", "reason_code": "other", "reason": "y"}
    path = f"/v1/decisions/{sent['decision_id']}/reviews"
    assert world.post(path, override, Role.SUPERVISOR).status_code == 201
    for number, one in enumerate((first, sent), 200):
        filed = act(START + number, one["crossing_id"], outcome="seizure")
        assert world.post("/v1/inspections", filed).status_code == 201
    found = {one["decision_id"]: one for one in read(world, "")}
    of_sent = found[sent["decision_id"]]
    assert (of_sent["channel"], of_sent["selected_by"]) == ("red", "supervisor")
    old, new = found[first["decision_id"]], found[newer["decision_id"]]
    assert (old["replaced_by"], new["replaced_by"]) == (newer["decision_id"], None)
    assert (old["outcome"], new["outcome"]) == (None, "seizure")
    seized = [one["crossing_id"] for one in read(world, "outcome=seizure")]
    assert seized.count(first["crossing_id"]) == seized.count(sent["crossing_id"]) == 1
    assert all(one["channel"] == "red" for one in read(world, "channel=red"))
    page = at_desk(world, "lists-replaced").get("/decisions?channel=red").text
    assert "replaced by a newer decision" in page and "<td>supervisor" in page


def test_a_period_ends_before_its_second_time(world: World, listed: SimpleNamespace) -> None:
    found = read(world, "")
    middle = found[len(found) // 2]["decided_at"]
    earlier, later = read(world, f"until={middle}"), read(world, f"since={middle}")
    assert earlier and later and len(earlier) + len(later) == len(found)
    assert all(one["decided_at"] < middle for one in earlier)


def test_the_page_filters_and_its_file_has_the_same_rows(
    world: World, listed: SimpleNamespace
) -> None:
    desk = at_desk(world, "lists")
    page = desk.get("/decisions?from=2026-10-14&to=2026-10-14&outcome=seizure&post=&channel=")
    rows = read(world, "outcome=seizure")
    assert page.status_code == 200 and page.text.count("<tr data-row>") == len(rows)
    assert all(f"/decisions/{one['decision_id']}" in page.text for one in rows)
    empty = desk.get("/decisions?from=2026-10-13&to=2026-10-13")
    assert "<tr data-row>" not in empty.text and "None." in empty.text
    assert desk.get("/decisions?channel=red").text.count('class="channel red"') > 0
    file = desk.get("/v1/decisions?outcome=seizure&spreadsheet=comma")
    cells = list(csv.DictReader(io.StringIO(file.text.removeprefix("\ufeff"))))
    assert {one["outcome"] for one in cells} == {"seizure"} and len(cells) == len(rows)
    assert desk.get(f"/decisions?post={OTHER}").status_code == 200
    assert at_desk(world, "lists-none", Role.ADMINISTRATOR).get("/decisions").status_code == 403
    assert POST in page.text
