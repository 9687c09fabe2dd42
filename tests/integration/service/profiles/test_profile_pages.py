"""Profiles and the watch list at the desk: written, checked, tried, approved by another, let go."""

import re
import subprocess
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.service.executors import Backtests, Measurements
from engine.criteria.profiles.profile import BacktestSubject
from engine.domain.rights import Role
from engine.errors import NotEnoughDataError
from tests.support.backtest_figures import FIGURES
from tests.support.people import Desk, at_desk
from tests.support.running_service import World, arrival
from tests.unit.service.profiles.test_profiles import decide_arrival, sacks


@pytest.fixture(autouse=True)
def _small_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_model(*_: object, **__: object) -> None:
        raise NotEnoughDataError("the measurement", "no model is in force")

    monkeypatch.setattr(Backtests, "run", lambda *_, **__: FIGURES)
    monkeypatch.setattr(Measurements, "run", no_model)


@pytest.fixture(scope="module")
def ann(world: World) -> Desk:
    return at_desk(world, "ann", Role.ANALYST)


@pytest.fixture(scope="module")
def bob(world: World) -> Desk:
    return at_desk(world, "bob")


def make_form(code: str, **more: str) -> dict[str, str]:
    until = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    known = {"code": code, "expression": f'crossing.carrier_id == "k-{code}"', "channel": "red"}
    return known | {"percentage": "100", "valid_until": until} | more


def propose(desk: Desk, name: str, **more: str) -> Any:
    return desk.send("/profiles/new", "/profiles", make_form(name) | more)


def step(desk: Desk, code: str, what: str, **fields: str) -> Any:
    under = "profiles" if what == "backtests" else "proposals/profile"
    return desk.send(f"/profiles/{code}", f"/{under}/{code}/{what}", fields)


def test_written_approved_by_another_in_force_and_picking(
    world: World, ann: Desk, bob: Desk
) -> None:
    answer = propose(ann, "DESK-1", title="A carrier")
    assert answer.headers["location"] == "/profiles/DESK-1?done=proposed"
    own = ann.get("/profiles/DESK-1").text
    assert "You wrote it" in own and 'id="approve"' not in own
    assert step(ann, "DESK-1", "approvals").status_code == 403
    page = bob.get("/profiles/DESK-1").text
    assert 'id="approve"' in page and "synthetic" in page
    assert "between 10.8% and 38.5%" in page and "40" in page, "an interval and its population"
    assert page.count('class="unknown"') >= 2
    assert "their mean, 1.3 a day" in page, "the list's figure, whatever the last part of a day has"
    assert "120 matches among all 4,000 arrivals (3.0%)" in page.replace("\n", " ")
    assert step(bob, "DESK-1", "approvals").status_code == 303
    picked = world.decide(arrival(41, carrier_id="k-DESK-1")).json()
    seen = world.get(f"/v1/decisions/{picked['decision_id']}").json()
    assert seen["profiles"] == ["DESK-1"]
    values = [one["text"] for one in seen["reasons"] if one["code"] == "profile"]
    assert values == ["Profile DESK-1 «A carrier»: carrier id: k-DESK-1."]
    assert "reasons" not in picked, "a checkpoint is not told"
    listed = bob.get("/profiles").text
    assert "DESK-1" in listed and "in force" in listed and len(listed) < 150_000


def test_the_list_and_the_page_state_the_same_figures(ann: Desk) -> None:
    propose(ann, "SAME-1")
    page = ann.get("/profiles/SAME-1").text
    (row,) = (one for one in ann.get("/profiles").text.split("<tr data-row>") if "SAME-1" in one)
    matches, minutes = re.findall(r'<td class="n">([\d.,]+)</td>', row)[:2]
    assert f"their mean, {matches} a day" in page
    assert re.search(rf"<dt>Minutes a day</dt><dd>{minutes}\s*</dd>", page)
    last_days = f"{FIGURES['matches']} matches among all 4,000 arrivals (3.0%)"
    assert last_days in page and "1 Jan 2026 – 31 Mar 2026" in page, "the days it looked at"


def test_the_editor_says_where_and_keeps_what_was_typed(ann: Desk) -> None:
    bad = make_form("BAD-1", expression='features.night == 1 && features.nite == "<b>"')
    checked = ann.send("/profiles/new", "/profiles/checks", bad)
    assert checked.status_code == 200 and "Position 24" in checked.text
    assert "<mark>features.nite</mark>" in checked.text and "&lt;b&gt;" in checked.text
    part = ann.send("/profiles/new", "/profiles/checks?part=1", bad).text
    assert "Position 24" in part and "<form" not in part
    refused = ann.send("/profiles/new", "/profiles", bad)
    assert refused.status_code == 422 and 'value="BAD-1"' in refused.text
    for change in ({"valid_until": "2020-01-01"}, {"code": "low"}, {"percentage": "many"}):
        assert propose(ann, "BAD-2", **change).status_code == 422
    assert ann.get("/v1/profiles/BAD-1").status_code == 404
    assert len(checked.content) < 150_000
    assert propose(ann, "DESK-9").status_code == 303
    assert propose(ann, "DESK-9", percentage="5").status_code == 422, "a code is used once"


def test_a_shipped_profile_is_a_link_to_the_editor_and_selects_nothing(ann: Desk) -> None:
    assert "/profiles/new?template=precursors" in ann.get("/profiles").text
    shown = ann.get("/profiles/new?template=precursors").text
    assert 'value="PRECURSORS-1"' in shown and "features.consignee_precursor_new == 1" in shown
    assert ann.get("/profiles/new?template=no-such").status_code == 404
    assert ann.get("/v1/profiles/PRECURSORS-1").status_code == 404


def test_the_watch_list_is_written_by_two(world: World, ann: Desk, bob: Desk) -> None:
    until = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    entries = {"kind": "plate", "identifier": "01 А 777 ВС", "reason": "tip-off", "expiry": until}
    page = ann.get("/watchlist").text
    found = re.search(r'name="once" value="(\w+)"', page)
    assert found is not None
    fields = entries | {"once": found[1]}
    for _ in range(2):  # sent twice, it counts once
        assert ann.send("/watchlist", "/watchlist", fields).status_code == 303
    every = world.get("/v1/watchlist").json()["entries"]
    (entry,) = [one for one in every if one["reason"] == "tip-off"]
    path = f"/proposals/watchlist/{entry['id']}"
    assert "another person approves" in ann.get("/watchlist").text
    assert bob.send("/watchlist", f"{path}/approvals", {}).status_code == 303
    values = world.decide(arrival(77, plate="01a777bc")).json()
    assert values["channel"] == "red"
    assert bob.send("/watchlist", f"{path}/retirements", {"reason": "over"}).status_code == 303
    assert "over" in ann.get("/watchlist").text
    for change in ({"identifier": ""}, {"expiry": "2020-01-01"}, {"reason": ""}):
        bad = ann.send("/watchlist", "/watchlist", fields | {"once": "0" * 24} | change)
        assert (bad.status_code == 422 and "01 А 777 ВС" in bad.text) or not change["identifier"]


def test_a_backtest_runs_as_a_command_of_its_own(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        decide_arrival(world, sacks(9500 + number))
    monkeypatch.undo()  # the real runner
    trial = BacktestSubject('crossing.carrier_id.startsWith("first-")', "yellow", 10.0, "OYB")
    found = Backtests(world.home).run(trial, days=30)
    assert found["matches"] >= 6 and found["selected_per_day"] == pytest.approx(
        0.1 * found["matches_per_day"]
    )

    def late(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("darvoza", 1)

    from engine.errors import BusyError

    monkeypatch.setattr(subprocess, "run", late)
    with pytest.raises(BusyError):
        Backtests(world.home).run(trial, days=30)
