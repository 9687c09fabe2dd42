"""Expected duty beside the rank: learnt from acts, shown to reviewers, and ranking nothing."""

from typing import Any

import pytest

from engine.domain.rights import Role
from engine.queue.expected_duty import FEWEST, UsualDuties, find_chapter
from tests.support.people import at_desk
from tests.support.running_service import POST, World, arrival
from tests.unit.service.reports.test_acts import act, find

START = 720_000
QUEUE = f"/v1/posts/{POST}/queue"


def declare(hs_code: str) -> dict[str, Any]:
    return {"declaration": {"items": [{"hs_code": hs_code, "customs_value_usd": 5.0}]}}


def test_the_duty_of_a_chapter_leans_on_that_of_all_goods() -> None:
    usual = UsualDuties("UZS", 100.0, 40, {"24": (10, 10 * 300.0)})
    known, other = usual.expect(declare("240220"), 0.5), usual.expect(declare("0807"), 0.5)
    assert known is not None and other is not None
    assert (known.usual, known.amount, known.acts) == (200.0, 100.0, 10)
    assert (other.usual, other.amount, other.acts) == (100.0, 50.0, 0)
    assert usual.expect(declare("2402"), None) is None, "rules alone give no chance"
    few = UsualDuties("UZS", 100.0, FEWEST - 1)
    assert few.expect(declare("2402"), 0.5) is None


def test_the_chapter_is_that_of_the_item_of_most_value() -> None:
    items = [{"hs_code": "0807"}, {"hs_code": "2402", "customs_value_usd": 9.0}]
    assert find_chapter({"declaration": {"items": items}}) == "24"
    assert find_chapter({"declaration": None}) == find_chapter({}) == ""


def test_acts_teach_the_duty_that_reviewers_see(world: World) -> None:
    waiting = find(world, "yellow", START)
    boss, officer = world.headers(Role.SUPERVISOR), world.headers(Role.CHECKPOINT)

    def read_row(headers: dict[str, str]) -> dict[str, Any]:
        rows = world.client.get(QUEUE, headers=headers).json()["waiting"]
        row: dict[str, Any] = next(r for r in rows if r["decision_id"] == waiting["decision_id"])
        return row

    assert read_row(boss)["expected_duty"] is None, "nothing has taught it yet"
    before = read_row(boss)["rank"]
    for number in range(FEWEST + 1):
        known = world.decide(arrival(START + 1000 + number)).json()
        sums: dict[str, Any] = {"duty_assessed": 4500.0, "currency": "UZS"}
        if number == FEWEST:
            sums = {"duty_assessed": 5.0, "currency": "USD"}
        filed = act(900 + number, known["crossing_id"], inspection_id=f"duty-{number}")
        filed |= {"outcome": "discrepancy", "discrepancy_kinds": ["value"]} | sums
        assert world.post("/v1/inspections", filed).status_code == 201
    row = read_row(boss)
    duty, chance = row["expected_duty"], row["risk"]["p_discrepancy"]
    assert duty["currency"] == "UZS", "that of most acts"
    assert duty["usual"] == pytest.approx(4500.0)
    assert duty["amount"] == pytest.approx(chance * 4500.0)
    assert row["rank"]["position"] == before["position"], "it ranks nothing"
    assert "duty" not in world.client.get(QUEUE, headers=officer).text
    at = f"/posts/{POST}/queue?channel=yellow"
    assert "expected duty" in at_desk(world, "duty-boss").get(at).text
    blind = at_desk(world, "duty-officer", Role.CHECKPOINT)
    assert "expected duty" not in blind.get(at).text
    fixed: dict[str, Any] = {"outcome": "discrepancy", "methods": ["physical"]}
    fixed |= {"reason": "Assessed anew.", "duty_assessed": 11_000.0, "currency": "UZS"}
    path = "/v1/inspections/duty-1/corrections"
    assert world.post(path, fixed).status_code == 201
    assert read_row(boss)["expected_duty"]["usual"] > 5000.0


def test_less_duty_takes_a_second_person(world: World) -> None:
    known = world.decide(arrival(START + 2000)).json()
    filed = act(950, known["crossing_id"], inspection_id="duty-less", outcome="discrepancy")
    filed |= {"duty_assessed": 500.0, "currency": "EUR"}
    assert world.post("/v1/inspections", filed).status_code == 201
    path = "/v1/inspections/duty-less/corrections"
    said = {"outcome": "discrepancy", "methods": ["physical"], "reason": "Less."}
    less, other = {"duty_assessed": 5.0, "currency": "EUR"}, {"duty_assessed": 900.0}
    for change in (less, other | {"currency": "USD"}, {}):
        assert world.post(path, said | change).status_code == 403, change
    more = said | {"duty_assessed": 600.0, "currency": "EUR"}
    assert world.post(path, more).status_code == 201
