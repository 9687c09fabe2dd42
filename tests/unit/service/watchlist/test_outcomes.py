"""What became of each entry, notice and profile, over HTTP and on their pages."""

from typing import Any

import pytest
from pydantic import TypeAdapter

from api.watchlist import WatchEntryView, WatchList
from engine.domain.rights import Role
from engine.queue import match_outcomes
from tests.support.page_session import at_desk
from tests.support.running_service import World, arrival
from tests.unit.service.decisions.test_amendments import amend
from tests.unit.service.reports.test_acts import act
from tests.unit.service.watchlist.test_watchlist import ahead

START = 8_900


@pytest.fixture(scope="module")
def entry_id(world: World) -> str:
    """Return a notice that matched three vehicles: one with a find, one with papers alone."""
    body = {"party": "party-8900", "reason": "x", "expiry": ahead(20)}
    made: str = world.post("/v1/notices", body, Role.COUNTERPART).json()["id"]
    bodies = [arrival(START + 3 * n, carrier_id="party-8900") for n in range(3)]
    decided = [world.decide(one).json() for one in bodies]
    assert amend(world, decided[0], bodies[0] | {"declaration": DECLARED}).status_code == 201
    for number, methods, outcome in ((0, ["physical"], "seizure"), (1, ["documents"], "clear")):
        crossing = decided[number]["crossing_id"]
        filed = act(START + number, crossing, methods=methods, outcome=outcome, places_searched=[])
        assert world.post("/v1/inspections", filed).status_code == 201
    return made


DECLARED = {
    "declaration_id": "e-8900",
    "procedure": "import",
    "items": [{"item_no": 1, "hs_code": "100190"}],
}


def outcome_of(world: World, entry_id: str) -> Any:
    found = world.get(f"/v1/watchlist/{entry_id}").json()
    TypeAdapter(WatchEntryView).validate_python(found)
    return found["outcome"]


def test_an_entry_says_what_became_of_it(world: World, entry_id: str) -> None:
    outcome = outcome_of(world, entry_id)
    months, gravity = outcome.pop("months"), outcome.pop("gravity")
    assert gravity == 5.0  # one seizure, of which no record tells more
    assert outcome == {"matches": 3, "searches": 1, "finds": 1, "minutes": 80.0}
    assert [{k: v for k, v in one.items() if k != "month"} for one in months] == [outcome]
    listed = world.get("/v1/watchlist", Role.ANALYST).json()
    TypeAdapter(WatchList).validate_python(listed)
    (same,) = (one for one in listed["entries"] if one["id"] == entry_id)
    assert same["outcome"] == outcome | {"gravity": gravity, "months": months}


def test_its_page_says_so(world: World, entry_id: str) -> None:
    text = at_desk(world, "outcomes", Role.SUPERVISOR).get("/watchlist").text
    row = text.partition(f'id="{entry_id}"')[2].partition("</tr>\n<tr")[0]
    assert "matched: 3 · searched: 1 · finds: 1 · minutes: 80" in row and "2026" in row


def test_an_outcome_that_loses_its_last_month_is_found(
    world: World, entry_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control."""
    read = match_outcomes.read_outcomes

    def without_last(*asked: Any) -> Any:
        return {code: dict(list(found.items())[:-1]) for code, found in read(*asked).items()}

    monkeypatch.setattr("api.watchlist.read_outcomes", without_last)
    with pytest.raises(AssertionError):
        test_an_entry_says_what_became_of_it(world, entry_id)
