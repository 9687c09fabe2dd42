"""What a decision rests on: verdict and reasons, inspections behind a rate, the search order."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from api.decisions import page_data
from engine.domain.rights import Role
from engine.ports import Evidence
from engine.queue.queue import list_decisions, read_decision
from engine.search_orders import order
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.catalogue.spec import Read
from features.online.online_features import EvidenceReader
from tests.support.people import at_desk
from tests.support.running_service import World, arrival, decide_until
from tests.unit.service.reports.test_acts import act, find

START = 108_000
BLIND_TO = ('class="dots"', 'class="told', 'class="strips"', "effect on the risk", "Propensity")
"""What a checkpoint's page never holds."""


def leaks(text: str) -> list[str]:
    return [one for one in BLIND_TO if one in text]


def test_the_page_leads_with_the_verdict_and_ends_with_the_receipt(world: World) -> None:
    red = find(world, "red", START)
    text = at_desk(world, "reading").get(f"/decisions/{red['decision_id']}").text
    parts = ('class="verdict red"', 'id="why"', 'id="act"', 'id="order"', 'id="part-facts"')
    places = [text.index(one) for one in (*parts, 'id="part-audit"', "Signature")]
    assert places == sorted(places)
    auditors = text[text.index('id="part-audit"') :]
    auditors = auditors[: auditors.index("</details>")]
    assert "Propensity" in auditors and "effect on the risk" in auditors
    assert text.count("Propensity") == 1, "figures of the engine are for auditors"


def test_a_checkpoint_reads_what_to_do_and_not_how_sure(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a seeded bug: the reader is taken for one who may see why."""
    red = find(world, "red", START + 300)
    path = f"/decisions/{red['decision_id']}"
    officer = at_desk(world, "reading-blind", Role.CHECKPOINT)
    text = officer.get(path).text
    assert 'id="order"' in text and 'id="part-audit"' in text and not leaks(text)
    assert leaks(at_desk(world, "reading-sees").get(path).text)
    monkeypatch.setattr(page_data, "is_blind", lambda _: False)
    monkeypatch.setattr("api.decisions.readers.is_blind", lambda _: False)
    assert leaks(officer.get(path).text)


RATE_START = 310_000
PARTY = "never-inspected-before"


def decide(world: World, number: int) -> dict[str, Any]:
    body = arrival(number, vehicle_class="truck")
    body["declaration"] = {
        "declaration_id": f"e-{number}",
        "procedure": "import",
        "consignee_id": PARTY,
        "items": [{"item_no": 1, "hs_code": "200190"}],
    }
    answer = world.decide(body)
    assert answer.status_code == 201
    decision: dict[str, Any] = answer.json()
    return decision


def evidence(world: World, decision: dict[str, Any], name: str) -> Evidence:
    with world.runtime.store.read() as connection:
        known = read_decision(connection, decision["decision_id"])
        _, rows = world.runtime.recompute.filed(connection, known.seq)
    return rows.evidence[0][name]


def test_a_firm_that_was_never_inspected_has_no_inspections_behind_its_rate(world: World) -> None:
    first = decide(world, RATE_START)
    before = evidence(world, first, "consignee_hit_rate_ever")
    assert (before.finds, before.inspections) == (0, 0)
    found = act(RATE_START, first["crossing_id"], outcome="discrepancy")
    assert world.post("/v1/inspections", found).status_code == 201
    second = decide(world, RATE_START + 1)
    for name in ("consignee_hit_rate_ever", "consignee_hit_rate"):
        now = evidence(world, second, name)
        assert (now.finds, now.inspections) == (1, 1)
    again = evidence(world, first, "consignee_hit_rate_ever")
    assert repr(again) == repr(before), "as of its own decision"  # the usual rate may be NaN
    assert evidence(world, second, "declarant_hit_rate").inspections == 0, "no declarant was named"


def test_the_usual_is_of_the_post_where_it_was_inspected_enough() -> None:
    plan = Plan(CATALOGUE)
    reads = np.zeros((1, len(plan.reads)))
    facts = len(plan.facts)

    def put(name: str, *counts: float) -> None:
        for item, count in zip(CATALOGUE[name].inputs, counts, strict=True):
            reads[0, plan.slot[item] - facts] = count

    put("post_hit_rate", 2, 49, 30, 600)
    put("carrier_hit_rate", 5, 16, 30, 600)
    (found,) = EvidenceReader(plan).of(reads)
    assert found["carrier_hit_rate"] == Evidence(5, 16, 0.05, is_of_post=False)
    put("post_hit_rate", 2, 50, 30, 600)
    (found,) = EvidenceReader(plan).of(reads)
    assert found["carrier_hit_rate"] == Evidence(5, 16, 0.04, is_of_post=True)
    assert set(found) == {n for n, f in CATALOGUE.items() if f.is_rate}


def test_the_party_behind_an_index_of_finds_is_the_one_whose_value_it_is() -> None:
    plan = Plan(CATALOGUE)
    reads = np.full((1, len(plan.reads)), np.nan)
    values = {"plate": 0.0, "driver": 3.0, "carrier": 9.0, "consignor": 9.0}
    for item in CATALOGUE["found_spread_1_largest"].inputs:
        party = item.by[-1] if isinstance(item, Read) else ""
        reads[0, plan.slot[item] - len(plan.facts)] = values.get(party, np.nan)
    (found,) = EvidenceReader(plan).of(reads)
    parties = {name: one.party for name, one in found.items() if one.party}
    assert parties == {
        "found_spread_1_largest": "carrier",
        "found_spread_1_second": "consignor",
    }, "none for sums, nor where nothing was found"


CARRIER = "carrier-of-hidden-loads"
ORDER_START = 90_000


def decide_red(world: World, start: int) -> dict[str, Any]:
    """Ask for decisions on vehicles of one carrier until one is red."""

    def make(number: int) -> dict[str, Any]:
        about = {"vehicle_class": "truck", "is_empty": False, "carrier_id": CARRIER}
        return arrival(number, **about, driver_ref=f"driver-{number}")

    return decide_until(world, "red", range(start, start + 500), make)


@pytest.fixture(scope="module")
def later_decision(world: World) -> dict[str, Any]:
    """Find something in one place, search others in vain, and ask for the next of its carrier."""
    first = decide_red(world, ORDER_START)
    searched = ["cargo.among", "trailer.floor", "chassis.axle"]
    body = act(ORDER_START, first["crossing_id"], places_searched=searched, outcome="seizure")
    assert world.post("/v1/inspections", body).status_code == 201
    seizure = {
        "seizure_id": "hidden-1",
        "inspection_id": f"i-{ORDER_START}",
        "crossing_id": first["crossing_id"],
        "recorded_at": datetime.now(UTC).isoformat(),
        "substance_class": "narcotic",
        "place": "chassis.axle",
    }
    assert world.post("/v1/seizures", seizure).status_code == 201
    return decide_red(world, ORDER_START + 500)


def test_the_next_order_looks_where_something_was_found(
    world: World, later_decision: dict[str, Any]
) -> None:
    assert "chassis.axle" in [step["place"] for step in later_decision["search_order"]]
    assert "search_figures" not in later_decision, "figures are the supervisors'"
    seen = world.get(f"/v1/decisions/{later_decision['decision_id']}").json()
    (figures,) = [one for one in seen["search_figures"] if one["place"] == "chassis.axle"]
    assert (figures["searched"], figures["found"]) == (1, 1)


def test_vehicles_that_go_to_officers_have_an_order_and_what_it_stands_on(
    world: World, later_decision: dict[str, Any]
) -> None:
    find(world, "yellow", ORDER_START + 1000)
    with world.runtime.store.read() as connection:
        for filed in list_decisions(connection, post=None, channel=None, since=0, most=1000):
            body = world.runtime.journal.body(connection, filed.seq)
            is_referred = body["decision"]["channel"] in ("red", "yellow")
            assert bool(body["decision"]["search_order"]) == is_referred
            assert (body["inputs"]["searches"] is not None) == is_referred


def again(world: World) -> list[bool]:
    """Tell of every red decision whether it comes out the same."""
    with world.runtime.store.read() as connection:
        filed = list_decisions(connection, post=None, channel=3, since=0, most=1000)
        return [world.runtime.recompute.decision(connection, f.seq).is_identical for f in filed]


def test_an_order_is_made_again_whatever_was_found_since(
    world: World, later_decision: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    same = again(world)
    assert len(same) >= 2 and all(same)
    monkeypatch.setattr(order, "SEARCHED_FIRST", 5)
    assert not any(again(world)), "another way of making orders is noticed"
