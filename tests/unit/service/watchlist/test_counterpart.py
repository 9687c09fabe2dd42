"""A search on a counterpart's word counts as that, in acts, reports and estimates."""

from collections import Counter
from typing import Any

import pytest

from engine.criteria.match import Match
from engine.domain.rights import Role
from engine.domain.time_units import DAY
from models.data import propensity_log
from models.monitoring import drift_monitor, shadow_scoring
from tests.support.people import at_desk, person, send
from tests.support.running_service import POST, World
from tests.unit.service.reports.test_acts import act, find, read_basis
from tests.unit.service.watchlist.test_watchlist import ahead, decide_arrival

START = 8_600


def notice(world: World, party: str) -> str:
    body = {"party": party, "reason": "their officers' word", "expiry": ahead(20)}
    answer = world.post("/v1/notices", body, Role.COUNTERPART)
    assert answer.status_code == 201
    found: str = answer.json()["id"]
    return found


def find_yellow(world: World, party: str, start: int) -> dict[str, Any]:
    """Decide on vehicles of a party until one is no random check."""
    for number in range(start, start + 20):
        one = decide_arrival(world, number, carrier_id=party)
        if one["basis"] != "random" and one["channel"] == "yellow":
            return one
    raise AssertionError("only random checks and red vehicles in 20")


@pytest.fixture(scope="module")
def notice_decision(world: World) -> dict[str, Any]:
    notice(world, "party-8600")
    one = find_yellow(world, "party-8600", START)
    filed = act(START, one["crossing_id"], outcome="seizure")
    assert world.post("/v1/inspections", filed).status_code == 201
    return one


@pytest.fixture(scope="module")
def unmarked_decision(world: World) -> dict[str, Any]:
    """Decide with a match that does not say whose word it is: a seeded bug."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("engine.criteria.watchlist.Match", make_unmarked_match)
        notice(world, "party-8800")
        return find_yellow(world, "party-8800", 8_800)


def make_unmarked_match(**fields: Any) -> Match:
    return Match(**fields | {"is_of_counterpart": False})


def streams(world: World) -> Counter[str]:
    """Return how many full acts count in each stream of the running shift."""
    found = world.get(f"/v1/posts/{POST}/shift").json()["this_shift"]["streams"]
    return Counter({one["stream"]: one["inspected"] for one in found})


def test_a_notice_has_a_basis_of_its_own(world: World, notice_decision: dict[str, Any]) -> None:
    assert (notice_decision["basis"], notice_decision["watchlist"]) == ("counterpart", True)
    assert notice_decision["propensity"] < 1.0  # the engine's own: the notice's is unknown
    blind = world.get(f"/v1/decisions/{notice_decision['decision_id']}", Role.CHECKPOINT).json()
    assert not {"basis", "watchlist", "propensity"} & set(blind)


def test_the_page_states_the_chance_without_the_notice(
    world: World, notice_decision: dict[str, Any]
) -> None:
    """The propensity leaves the notice out; the page of another decision has no such words."""
    read = at_desk(world, "of-notices").get
    other = decide_arrival(world, 8_650)
    found = [
        "without the counterpart" in read(f"/decisions/{one['decision_id']}").text
        for one in (notice_decision, other)
    ]
    assert found == [True, False]


def test_a_confirmed_notice_stays_the_counterparts_word(world: World) -> None:
    entry_id = notice(world, "party-8630")
    boss = person(world, Role.SUPERVISOR)
    assert send(world, f"/v1/watchlist/{entry_id}/approvals", {}, boss).status_code == 201
    shown = world.get(f"/v1/watchlist/{entry_id}").json()
    assert (shown["is_notice"], shown["is_of_counterpart"]) == (False, True)
    one = decide_arrival(world, 8_630, carrier_id="party-8630")
    assert one["channel"] == "red" and one["basis"] in ("counterpart", "random")


def test_an_act_on_a_notice_counts_under_counterpart(world: World) -> None:
    notice(world, "party-8670")
    one, before = find_yellow(world, "party-8670", 8_670), streams(world)
    filed = world.post("/v1/inspections", act(8_603, one["crossing_id"]))
    assert read_basis(world, filed) == ("counterpart", None)
    green = find(world, "green", 8_640)
    answer = world.post("/v1/inspections", act(8_601, green["crossing_id"], basis="counterpart"))
    assert read_basis(world, answer) == ("counterpart", None)
    assert streams(world) - before == Counter({"counterpart": 2})


def test_a_match_that_does_not_say_whose_word_it_is_counts_under_the_watch_list(
    unmarked_decision: dict[str, Any],
) -> None:
    """Negative control of the basis."""
    assert (unmarked_decision["basis"], unmarked_decision["propensity"]) == ("watchlist", 1.0)


def measure(world: World, notice_decision: dict[str, Any]) -> tuple[bool, bool, bool]:
    """Tell where the search counts: as a draw, against the model in force, for a shadow."""
    with world.runtime.store.read() as connection:
        journal, seq = world.runtime.journal, notice_decision["receipt"]["sequence"]
        sent = propensity_log.read_sent(connection)
        now = journal.now(connection) + DAY
        tested = drift_monitor.searches(
            connection, notice_decision["model_version"], after=seq - 1, now=now
        )
        acts = shadow_scoring._acts(connection, journal, [seq])
        is_tested = any(one.is_hit and not one.is_random for one in tested)
        return notice_decision["crossing_id"] in sent, is_tested, seq in acts


def test_a_search_on_a_notice_stays_out_of_estimates(
    world: World, notice_decision: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert measure(world, notice_decision) == (False, False, False)
    for module in (propensity_log, drift_monitor, shadow_scoring):
        monkeypatch.setattr(module, "COUNTERPART", "no basis")
    assert measure(world, notice_decision) == (True, True, True)  # negative control


def test_decisions_on_notices_are_recomputed(
    world: World, notice_decision: dict[str, Any], unmarked_decision: dict[str, Any]
) -> None:
    with world.runtime.store.read() as connection:
        made = [
            world.runtime.recompute.decision(connection, one["receipt"]["sequence"])
            for one in (notice_decision, unmarked_decision)
        ]
    assert [one.again["basis"] for one in made] == ["counterpart", "watchlist"]
    assert all(one.is_identical for one in made)
