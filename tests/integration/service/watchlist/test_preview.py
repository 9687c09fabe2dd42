"""An entry is previewed before it is proposed: counted on what is known, and nothing recorded."""

from typing import Any

import pytest
from sqlalchemy import func, select

from api.criteria import watchlist as entry_preview
from api.criteria.watchlist import WatchPreview
from api.http.answers import reader
from engine.criteria.profiles.checker import program
from engine.criteria.watchlist import NAMED
from engine.domain.rights import Role
from engine.journal.journal import JOURNAL
from tests.support.people import Desk, at_desk
from tests.support.running_service import World, arrival
from tests.unit.service.reports.test_acts import act

PATH = "/v1/watchlist/previews"


def count_records(world: World) -> int:
    with world.runtime.store.read() as connection:
        return int(connection.scalar(select(func.count()).select_from(JOURNAL)) or 0)


def preview(world: World, role: Role = Role.ANALYST, **names: Any) -> dict[str, Any]:
    answer = world.post(PATH, names, role)
    assert answer.status_code == 200, answer.text
    reader(WatchPreview).validate_json(answer.content)
    return dict(answer.json())


@pytest.fixture(scope="module")
def decisions(world: World) -> list[str]:
    """Decide three crossings of one vehicle, read in three spellings, and search the first."""
    found = []
    for number, plate in enumerate(("80 O 777 ZZ", "80O777ZZ", "8OO777ZZ")):
        body = arrival(31_000 + 3 * number, plate=plate, carrier_id=f"pre-{number}")
        body["declaration"]["consignee_id"] = "pre-consignee"
        answer = world.decide(body)
        assert answer.status_code == 201
        found.append(answer.json()["decision_id"])
    first = world.get(f"/v1/decisions/{found[0]}").json()["crossing_id"]
    filed = act(31_000, first, outcome="discrepancy")
    assert world.post("/v1/inspections", filed).status_code == 201
    return found


def test_what_it_would_have_matched_is_counted(world: World, decisions: list[str]) -> None:
    found = preview(world, plate="80о777zz")
    assert (found["matches"], found["inspected"], found["hits"]) == (2, 1, 1)
    assert found["minutes"] > 0 and found["arrivals"] >= 3
    assert [one["decision_id"] for one in found["examples"]] == decisions[1::-1]
    shapes = preview(world, plate="80O777ZZ", look_alikes=True)
    assert (shapes["matches"], shapes["is_by_shape"]) == (3, True)
    many = preview(world, plate="0000000", look_alikes=True)
    assert many["is_by_shape"] is False and many["matches"] == 0
    party = preview(world, Role.SUPERVISOR, party="pre-consignee")
    assert party["matches"] == 3 == preview(world, consignee="pre-consignee")["matches"]
    assert preview(world, consignor="pre-consignee")["matches"] == 0


def test_every_kind_of_identifier_makes_an_expression_that_may_run(world: World) -> None:
    for kind in NAMED:
        for value in ('A"B\\C-1', "Ж" * 64, "80O777ZZ", "OOB1OOB1OOB", "1OOOO0"):
            for shape in (False, True):
                written = entry_preview._conditions({kind: value}, is_by_shape=shape)
                program(" || ".join(written), features=world.runtime.plan.names)
    for bad in ({}, {"plate": "--"}, {"plate": ""}):
        assert world.post(PATH, bad, Role.ANALYST).status_code == 422


def test_a_preview_records_nothing(world: World, decisions: list[str]) -> None:
    ann = at_desk(world, "ann-previews", Role.ANALYST)
    assert not records_of_previews(world, ann)


def records_of_previews(world: World, desk: Desk) -> int:
    """Return how many records a preview on the page and one over HTTP leave together."""
    fields = {"kind": "plate", "identifier": "80O777ZZ", "reason": "", "expiry": ""}
    page = desk.get("/watchlist?kind=plate&identifier=80O777ZZ")
    assert 'value="80O777ZZ"' in page.text
    before = count_records(world)
    whole = desk.send("/watchlist", "/watchlist/previews", fields)
    assert whole.status_code == 200 and 'id="preview"' in whole.text and "<form" in whole.text
    assert "2 crossings in" in whole.text and "Finds: 1" in whole.text
    part = desk.send("/watchlist", "/watchlist/previews?part=1", fields)
    assert 'id="preview"' in part.text and "<form" not in part.text
    preview(world, plate="80O777ZZ")
    return count_records(world) - before


def test_a_decision_leads_to_the_form_filled_in(world: World, decisions: list[str]) -> None:
    boss = at_desk(world, "boss-previews")
    shown = boss.get(f"/decisions/{decisions[0]}").text
    assert "/watchlist?kind=plate&amp;identifier=80%20O%20777%20ZZ#entry" in shown
    assert "/watchlist?kind=consignee&amp;identifier=pre-consignee#entry" in shown
    officer = at_desk(world, "officer-previews", Role.CHECKPOINT)
    assert "/watchlist" not in officer.get(f"/decisions/{decisions[0]}").text
