"""The inspections behind a rate are those that were known when the decision was made."""

from typing import Any

import numpy as np

from engine.ports import Evidence
from engine.queue.queue import read_decision
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.catalogue.spec import Read
from features.online.online_features import EvidenceReader
from tests.support.running_service import World, arrival
from tests.unit.service.reports.test_acts import act

START = 310_000
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
    first = decide(world, START)
    before = evidence(world, first, "consignee_hit_rate_ever")
    assert (before.finds, before.inspections) == (0, 0)
    found = act(START, first["crossing_id"], outcome="discrepancy")
    assert world.post("/v1/inspections", found).status_code == 201
    second = decide(world, START + 1)
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
