"""The shift's report: every act counts once, for what sent the vehicle there."""

from datetime import UTC, datetime
from math import comb
from typing import Any

from api.shifts.answers import ReportedDecision, count_hours, median
from engine.domain.records import Inspection
from engine.domain.rights import Role
from engine.selection import Channel
from tests.support.page_session import at_desk
from tests.support.running_service import POST, World
from tests.unit.service.reports.test_acts import act, find

START = 120_000
PATH = f"/posts/{POST}/shift"


def streams(world: World, **at: str) -> dict[str, Any]:
    query = "".join(f"?at={value}" for value in at.values())
    found = world.get(f"/v1{PATH}{query}").json()
    return {one["stream"]: one for one in found["this_shift"]["streams"]}


def test_acts_count_for_what_sent_the_vehicle(world: World) -> None:
    red, green = find(world, "red", START), find(world, "green", START + 500)
    other = find(world, "green", START + 1000)
    override = {"verdict": "override", "channel": "red", "reason_code": "other", "reason": "y"}
    world.post(f"/v1/decisions/{green['decision_id']}/reviews", override, Role.SUPERVISOR)
    basis = world.get(f"/v1/decisions/{red['decision_id']}").json()["basis"]
    acts = (
        (red, "seizure", "physical"),
        (green, "discrepancy", "xray"),
        (other, "clear", "documents"),
    )
    for number, (decision, outcome, method) in enumerate(acts):
        fields = {"outcome": outcome, "methods": [method]}
        body = act(120_000 + number, decision["crossing_id"], **fields)
        assert world.post("/v1/inspections", body).status_code == 201
    found = streams(world)
    assert (found[basis]["hits"], found[basis]["seizures"]) == (1, 1)
    assert found[basis]["gravity"] == 5.0  # nothing tells of what was seized yet
    seizure = {"crossing_id": red["crossing_id"], "recorded_at": datetime.now(UTC).isoformat()}
    for part in (1, 2):  # together they reach the band of a kilogram, and are one find
        parts = {"seizure_id": f"s-{part}", "substance_class": "narcotic", "quantity_g": 600}
        assert world.post("/v1/seizures", seizure | parts).status_code == 201
        assert streams(world)[basis]["gravity"] == 10.0 * part
    assert found["override"]["gravity"] == 1.0
    assert (found["override"]["sent"], found["override"]["hits"]) == (1, 1)
    assert (found["override"]["seizures"], found["override"]["minutes"]) == (0, 40)
    assert (found["officer"]["inspected"], found["officer"]["papers_only"]) == (0, 1)
    assert not found["officer"]["hit_rate"]["knowable"]
    assert found["override"]["hit_rate"]["n"] == 1
    scanner = world.get(f"/v1{PATH}").json()["this_shift"]["equipment"][0]
    assert (scanner["method"], scanner["stream"], scanner["hits"]) == ("xray", "all", 1)
    text = at_desk(world, "hours").get(PATH).text
    assert "What an hour of a scanner and of a dog found" in text
    assert text.count("Gravity of the finds") == 2
    assert not found["override"]["hit_rate"]["knowable"]


def make_decision(
    basis: str, methods: tuple[str, ...], outcome: str, minutes: float | None
) -> ReportedDecision:
    body = act(1, "c-1", methods=methods, outcome=outcome, minutes=minutes) | {"basis": basis}
    one = Inspection.model_validate(body, strict=False)
    return ReportedDecision(Channel.RED, Channel.RED, basis, 0, 30.0, one, 1)


def test_an_hour_of_a_scanner_counts_what_acts_with_one_found() -> None:
    decided = [
        *[make_decision("score", ("xray", "physical"), "seizure", 30.0)] * 6,
        *[make_decision("random", ("xray",), "clear", 60.0)] * 3,
        make_decision("random", ("canine",), "discrepancy", 30.0),
        make_decision("random", ("xray",), "discrepancy", None),
    ]
    found = {(one.method, one.stream): one for one in count_hours(decided)}
    scanner, by_chance = found["xray", "all"], found["xray", "random"]
    assert (scanner.acts, scanner.acts_with_minutes, scanner.hours) == (10, 9, 6.0)
    assert scanner.hits_per_hour.value == 1.0 and scanner.hits_per_hour.knowable
    low, high = scanner.hits_per_hour.low, scanner.hits_per_hour.high
    assert low and high and 0.3 < low < 1.0 < high < 2.3
    assert (by_chance.hours, by_chance.hits) == (3.0, 0)
    assert by_chance.seizures_per_hour.low == 0 and not by_chance.hits_per_hour.knowable
    most = by_chance.seizures_per_hour.high
    assert most and 0.9 < most < 1.3, "what no find in three hours allows"
    assert (found["canine", "all"].hours, found["canine", "random"].hits) == (0.5, 1)
    assert count_hours([])[0].hits_per_hour.high is None


def test_the_page_says_what_is_not_yet_knowable(world: World) -> None:
    for role in (Role.SUPERVISOR, Role.ANALYST, Role.INTEGRITY):
        text = at_desk(world, f"shift-{role}", role).get(PATH).text
        assert "not yet knowable" in text and "Synthetic data" in text
    officer = at_desk(world, "shift-officer", Role.CHECKPOINT)
    assert officer.get(PATH).status_code == 403
    boss = at_desk(world, "shift-boss")
    assert boss.get("/posts/NOPE/shift").status_code == 404
    assert boss.get(f"{PATH}?at=yesterday").status_code == 422


def test_the_interval_of_a_median_covers_as_often_as_it_says() -> None:
    for n in range(6, 60):
        found = median([float(value) for value in range(n)])
        assert found.low is not None
        rank = int(found.low) + 1
        missed = 2 * sum(comb(n, below) for below in range(rank)) / 2**n
        assert missed <= 0.05 < missed + 2 * comb(n, rank) / 2**n
    assert not median([1.0] * 5).knowable
