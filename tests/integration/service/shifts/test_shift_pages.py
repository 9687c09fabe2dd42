"""Pages of the shift: its roster, and its report by what sent each vehicle."""

import re
from datetime import UTC, datetime
from math import comb
from typing import Any

import pytest

from api.shifts.readers import ReportedDecision, count_hours, median
from engine.domain.records import Inspection
from engine.domain.rights import Role
from engine.journal.journal import JournalReader
from engine.journal.kinds import ROSTER
from engine.selection import Channel
from tests.support.people import Desk, at_desk
from tests.support.running_service import POST, World
from tests.unit.service.reports.test_acts import act, find

ROSTER_PAGE = f"/posts/{POST}/roster"
ONCE = re.compile(r'name="once" value="(\w+)"')


@pytest.fixture
def desk(world: World) -> Any:
    """Open a supervisor's desk; the roster is taken back, as the world is shared."""
    yield at_desk(world, f"roster-{len(list_rosters(world))}")
    body = {"minutes": {"canine": 60.0}}
    put = world.client.put(f"/v1{ROSTER_PAGE}", json=body, headers=world.headers(Role.SUPERVISOR))
    assert put.status_code == 201


def list_rosters(world: World) -> list[dict[str, Any]]:
    with world.runtime.store.read() as snapshot:
        return [dict(one.body) for one in JournalReader(snapshot).records(ROSTER)]


def send(desk: Desk, language: str = "en", **fields: str) -> Any:
    desk.get(f"/language/{language}?back=/")
    once = ONCE.search(desk.get(ROSTER_PAGE).text)
    assert once is not None
    named = {name.replace("_", "-"): text for name, text in fields.items()}
    return desk.send(ROSTER_PAGE, ROSTER_PAGE, {"once": once[1]} | named)


@pytest.mark.parametrize(("language", "typed"), [("en", "2,300"), ("ru", "2 300"), ("tg", "2300")])
def test_a_roster_is_recorded_as_it_was_typed(
    world: World, desk: Desk, language: str, typed: str
) -> None:
    fields = {"minutes_physical": typed, "minutes_canine": "40,5", "equipment_xray": "0"}
    assert send(desk, language, **fields, teams="T-1, T-2").status_code == 303
    stated = list_rosters(world)[-1]
    assert stated["minutes"] == {"physical": 2300.0, "canine": 40.5}
    assert (stated["equipment"], stated["teams"]) == ({"xray": 0}, ["T-1", "T-2"])
    shown = desk.get(ROSTER_PAGE).text
    assert 'value="2300"' in shown and 'value="T-1, T-2"' in shown


@pytest.mark.parametrize(
    ("fields", "at"),
    [
        ({"minutes_physical": "2.300"}, "minutes-physical"),
        ({"minutes_xray": "-1"}, "minutes-xray"),
        ({"minutes_xray": "100001"}, "minutes-xray"),
        ({"minutes_xray": "5", "equipment_canine": "1,5"}, "equipment-canine"),
        ({"minutes_xray": "5", "teams": "T-1,T-1"}, "teams"),
        ({}, "minutes-physical"),
    ],
)
def test_a_mistake_stands_at_its_field_and_nothing_is_recorded(
    world: World, desk: Desk, fields: dict[str, str], at: str
) -> None:
    before = len(list_rosters(world))
    answer = send(desk, **fields)
    assert answer.status_code == 422
    assert f'id="{at}-wrong"' in answer.text and f'href="#{at}"' in answer.text
    assert all(f'value="{typed}"' in answer.text for typed in fields.values())
    assert len(list_rosters(world)) == before


START = 120_000
SHIFT_PAGE = f"/posts/{POST}/shift"


def streams(world: World, **at: str) -> dict[str, Any]:
    query = "".join(f"?at={value}" for value in at.values())
    found = world.get(f"/v1{SHIFT_PAGE}{query}").json()
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
    scanner = world.get(f"/v1{SHIFT_PAGE}").json()["this_shift"]["equipment"][0]
    assert (scanner["method"], scanner["stream"], scanner["hits"]) == ("xray", "all", 1)
    text = at_desk(world, "hours").get(SHIFT_PAGE).text
    assert "What an hour of a scanner and of a dog found" in text
    assert text.count("Minutes per find") == 2
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


def test_the_page_counts_where_a_rate_is_not_yet_known(world: World) -> None:
    for role in (Role.SUPERVISOR, Role.ANALYST, Role.INTEGRITY):
        text = at_desk(world, f"shift-{role}", role).get(SHIFT_PAGE).text
        assert re.search(r'class="unknown"[^>]*>\d+ of \d+<', text) and "Synthetic data" in text
    boss = at_desk(world, "shift-boss")
    assert boss.get("/posts/NOPE/shift").status_code == 404
    assert boss.get(f"{SHIFT_PAGE}?at=yesterday").status_code == 422


def test_the_interval_of_a_median_covers_as_often_as_it_says() -> None:
    for n in range(6, 60):
        found = median([float(value) for value in range(n)])
        assert found.low is not None
        rank = int(found.low) + 1
        missed = 2 * sum(comb(n, below) for below in range(rank)) / 2**n
        assert missed <= 0.05 < missed + 2 * comb(n, rank) / 2**n
    assert not median([1.0] * 5).knowable
