"""The queue's page: who waits in which order, and where the minutes end."""

import re
from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import Any

import pytest

from api import queue as queue_page
from api.auth.callers import Caller
from api.auth.sessions import COOKIE
from api.decisions.summary import Cargo
from api.queue import (
    WaitingVehicle,
    WhyWaiting,
    _cut,
    find_swap,
    mark,
    mark_short,
    read_queue,
)
from engine.decision.inspection_minutes import Minutes
from engine.domain.network import ShiftPeriod
from engine.domain.rights import Role
from engine.domain.time_units import HOUR, MINUTE
from engine.journal.kinds import DECISION
from engine.selection import Channel
from engine.shifts.period_counts import ChannelMinutes, Span, bound_workable, sum_used_minutes
from tests.support.people import Desk, at_desk
from tests.support.running_service import OTHER, POST, World, arrival
from tests.unit.service.reports.test_acts import act, find

START = 90_000
PAGE = f"/posts/{POST}/queue"
ROW = re.compile(r'<(?:tr|section)[^>]* data-row id="(dec-[0-9a-f]+)"')


def ids(text: str) -> list[str]:
    return ROW.findall(text)


def test_the_page_shows_what_its_route_answers(world: World) -> None:
    for number in range(START, START + 40):
        world.decide(arrival(number))
    boss = at_desk(world, "queue-boss")
    answer = boss.get(f"/v1{PAGE}").json()["waiting"]
    page = boss.get(PAGE)
    assert page.status_code == 200 and len(page.content) < 150_000
    assert ids(page.text) == [one["decision_id"] for one in answer] and answer
    assert "matters." in page.text
    for channel in ("red", "yellow"):
        shown = ids(boss.get(f"{PAGE}?channel={channel}").text)
        assert shown == [one["decision_id"] for one in answer if one["channel"] == channel]
    lanes = [ids(boss.get(f"{PAGE}?lane={lane}").text) for lane in ("truck", "van", "car")]
    assert sorted(one for lane in lanes for one in lane) == sorted(
        one["decision_id"] for one in answer
    )
    assert boss.get(f"{PAGE}?lane=ship").status_code == 422
    view = read_queue(world.runtime, POST, Caller("reader", Role.SUPERVISOR, None), is_blind=False)
    for one in view.vehicles:
        arrived = datetime.fromisoformat(one.crossing["arrived_at"])
        since = (view.as_of - arrived).total_seconds() / 60.0
        assert one.waited == max(since, 0.0), "since arrival, not since the decision"


HEAD = re.compile(
    r'data-glance.*?<span class="channel (\w+)">.*?id="state">([a-z ]+)(?:[^№<]*№ (\d+) / (\d+))?',
    re.DOTALL,
)


def read_state(desk: Desk, decision_id: str) -> tuple[str, str, tuple[str, ...]]:
    """Return the channel, the state, and the place in the queue that a decision's page shows."""
    (found,) = HEAD.findall(desk.get(f"/decisions/{decision_id}").text)
    return found[0], found[1].strip(), found[2:]


def test_the_queue_and_a_decisions_page_agree(world: World) -> None:
    """B17: channel, place and state of a vehicle are the same on the list and its own page."""
    first = [find(world, one, START + n) for one, n in (("red", 2000), ("yellow", 2500))]
    boss = at_desk(world, "queue-same")
    waiting = {one["decision_id"]: one for one in boss.get(f"/v1{PAGE}").json()["waiting"]}
    rows = boss.get(PAGE).text
    for known in [waiting[one["decision_id"]] for one in first] + list(waiting.values())[:5]:
        decision_id, rank = known["decision_id"], known["rank"]
        seen = (known["channel"], "waits", (str(rank["position"]), str(rank["of"])))
        assert read_state(boss, decision_id) == seen
        (row,) = re.findall(rf' data-row id="{decision_id}".*?</(?:tr|section)>', rows, re.DOTALL)
        position = known["rank"]["position"]
        assert f'class="n">{position}<' in row
        assert f"channel {known['channel']}" in row
    red, yellow = first
    path = f"/v1/decisions/{red['decision_id']}"
    override = {"verdict": "override", "channel": "yellow", "reason_code": "other", "reason": "y"}
    world.post(f"{path}/reviews", override, Role.SUPERVISOR)
    for role in (Role.SUPERVISOR, Role.CHECKPOINT):
        listed = world.get(f"/v1{PAGE}", role).json()["waiting"]
        (now,) = (one for one in listed if one["decision_id"] == red["decision_id"])
        assert now["channel"] == "yellow" == read_state(boss, red["decision_id"])[0]
    assert world.get(path).json()["channel"] == "red", "the record says what the engine decided"
    world.post("/v1/inspections", act(92_001, red["crossing_id"]))
    world.post(f"/v1/crossings/{yellow['crossing_id']}/release", {})
    left = {one["decision_id"] for one in boss.get(f"/v1{PAGE}").json()["waiting"]}
    assert left.isdisjoint(one["decision_id"] for one in first)
    assert [read_state(boss, one["decision_id"])[1] for one in first] == ["inspected", "has left"]


def test_the_mark_follows_decisions_acts_reviews_and_rosters(world: World) -> None:
    reader = Caller("reader", Role.SUPERVISOR, None)
    seen = [mark(world.runtime, POST, reader)]

    def has_moved() -> bool:
        seen.append(mark(world.runtime, POST, reader))
        return seen[-1] != seen[-2]

    assert not has_moved()
    red = find(world, "red", START + 1200)
    assert has_moved()
    override = {"verdict": "override", "channel": "yellow", "reason_code": "other", "reason": "y"}
    world.post(f"/v1/decisions/{red['decision_id']}/reviews", override, Role.SUPERVISOR)
    assert has_moved()
    world.post("/v1/inspections", act(90_100, red["crossing_id"]))
    assert has_moved()
    headers = world.headers(Role.SUPERVISOR)
    world.client.put(f"/v1{PAGE[:-5]}roster", json={"minutes": {"physical": 90}}, headers=headers)
    assert has_moved()
    shown = read_queue(world.runtime, POST, reader, is_blind=False)
    assert shown.mark == seen[-1]
    known = {one.channel: one.side and one.side.minutes for one in shown.meters}
    assert known == {"red": 90, "yellow": None}
    plenty = {"minutes": {"physical": 9_000}}  # other tests want red vehicles
    world.client.put(f"/v1{PAGE[:-5]}roster", json=plenty, headers=headers)


def make_waiting(position: int, channel: str, minutes: float) -> WaitingVehicle:
    return WaitingVehicle(
        position=position,
        decision_id=f"d{position}",
        channel=channel,
        is_sent=False,
        crossing={},
        cargo=Cargo("", "", "", "", ("", "")),
        waited=0.0,
        minutes=minutes,
        place=None,
        is_amended=False,
        why=None,
    )


def test_the_cut_lies_where_the_minutes_end() -> None:
    waits = [make_waiting(1, "red", 40), make_waiting(2, "red", 40), make_waiting(3, "red", 40)]
    waits += [make_waiting(4, "yellow", 1000), make_waiting(5, "blue", 1)]
    red, yellow = ChannelMinutes(100.0, 10.0, 120.0), ChannelMinutes(None, 0.0, 1000.0)
    found = _cut(waits, {"red": red.free, "yellow": yellow.free})
    assert [one.fits for one in found] == [True, True, False, True, True]
    assert (red.free, red.left, red.lost) == (90.0, -30.0, 0.0), "30 minutes are missing"
    assert (yellow.left, yellow.lost) == (None, 0.0)


def test_minutes_end_with_the_shift() -> None:
    waits = [make_waiting(number, "red", 40) for number in (1, 2, 3)]
    red = ChannelMinutes(100.0, 10.0, 40.0, workable=54.0)
    assert [one.fits for one in _cut(waits, {"red": red.free})] == [True, False, False]
    assert (red.used, red.needed, red.left, red.lost) == (10.0, 40.0, 14.0, 36.0)
    shift = ShiftPeriod(POST, 0, 12 * HOUR)
    now = shift.closes_at - 54 * MINUTE
    known = [(200.0, 0), (200.0, 3), (1_400.0, 0)]
    shown = [bound_workable(least, shift, teams=n, now=now) for least, n in known]
    assert shown == [54.0, 162.0, 108.0]


def test_a_short_check_before_a_riskier_vehicle_says_so() -> None:
    ranked = [make_ranked(1, "red", 0.7), make_ranked(2, "red", 0.9), make_ranked(3, "yellow", 1.0)]
    ranked[0] = replace(ranked[0], minutes=10.0)
    assert [one.is_short for one in mark_short(ranked)] == [True, False, False]
    ranked[0] = replace(ranked[0], minutes=90.0)
    assert not any(one.is_short for one in mark_short(ranked)), "it is no shorter"


def test_minutes_used_are_those_that_acts_state(world: World) -> None:
    def read_used() -> float:
        with world.runtime.store.read() as snapshot:
            now = world.runtime.journal.now(snapshot)
            return sum_used_minutes(snapshot, Span(POST, 0, now + HOUR)).get(Channel.RED, 0.0)

    red, unstated = (find(world, "red", START + at) for at in (7000, 7400))
    before = read_used()
    world.post("/v1/inspections", act(97_001, red["crossing_id"], minutes=17.0))
    assert (stated := read_used()) - before == 17.0
    world.post("/v1/inspections", act(97_002, unstated["crossing_id"], minutes=None))
    with world.runtime.store.read() as snapshot:
        body = world.runtime.journal.body(snapshot, unstated["receipt"]["sequence"], of=DECISION)
    expected = Minutes(**body["inputs"]["minutes"]).red
    assert read_used() - stated == pytest.approx(expected), "as long as it was expected to take"


def test_events_need_a_session_and_their_post(world: World) -> None:
    assert Desk(world).get(f"{PAGE}/events").status_code == 303
    officer = at_desk(world, "events-officer", Role.CHECKPOINT)
    assert officer.get(f"/posts/{OTHER}/queue/events").status_code == 403


async def line(world: World, cookie: str, leave: Any) -> list[str]:
    """Read a page's line, at a post where something changes all the time; leave on the way."""
    caller = world.runtime.sessions.caller(cookie)
    values: list[str] = []
    async for event in queue_page._changes(world.runtime, POST, cookie, caller):
        values.append(event)
        if len(values) == 3:
            leave()
        if len(values) == 100:
            break
    return values


@pytest.mark.parametrize("how", ["removed", "signed out", "new password"])
def test_a_line_ends_with_its_session_however_busy_the_post(
    world: World, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, news = f"line-{how[:3]}", count()
    cookie = at_desk(world, name, Role.CHECKPOINT).client.cookies[COOKIE]
    accounts, sessions = world.runtime.accounts, world.runtime.sessions
    leave = {
        "removed": lambda: accounts.remove_user(name),
        "signed out": lambda: sessions.end(cookie),
        "new password": lambda: accounts.change_password(name),
    }[how]
    monkeypatch.setattr(queue_page, "mark", lambda *_: str(next(news)))
    monkeypatch.setattr(queue_page, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(queue_page, "SESSION_SECONDS", 0.0)
    assert world.client.portal is not None
    assert len(world.client.portal.call(line, world, cookie, leave)) == 3


def test_a_line_that_looks_at_its_session_when_it_is_quiet_is_caught(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: as long as there is news, no session is looked at."""
    news = count()
    cookie = at_desk(world, "line-on", Role.CHECKPOINT).client.cookies[COOKIE]
    monkeypatch.setattr(queue_page, "mark", lambda *_: str(next(news)))
    monkeypatch.setattr(queue_page, "LOOK_SECONDS", 0.001)
    assert world.client.portal is not None
    leave = lambda: world.runtime.accounts.remove_user("line-on")  # noqa: E731
    assert len(world.client.portal.call(line, world, cookie, leave)) == 100


NEVER_BLIND = ('class="risk"', 'class="dots"', 'class="pick"', "; usual", "#verdict-title")
"""What tells a checkpoint why a vehicle waits, or how risky it is."""


def leaks(text: str) -> list[str]:
    return [one for one in NEVER_BLIND if one in text]


def test_a_checkpoints_queue_says_neither_why_nor_how_risky(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a seeded bug: the reader is taken for one who may see why."""
    find(world, "red", START + 6000)
    officer = at_desk(world, "queue-blind", Role.CHECKPOINT)
    assert leaks(at_desk(world, "queue-sees").get(PAGE).text)
    for order in ("rank", "risk"):
        text = officer.get(f"{PAGE}?order={order}").text
        assert ids(text) == ids(officer.get(PAGE).text) and not leaks(text)
        assert "matters." not in text
    kinds = {
        re.sub(r">[^<]*<|dec-[0-9a-f]+|datetime=\"[^\"]*\"", "", row)
        for row in re.findall(
            r"<tr data-row.*?</tr>", officer.get(f"{PAGE}?channel=red").text, re.DOTALL
        )
    }
    assert len(kinds) <= 2, "rows differ in their cells' contents alone, and in what a record is"
    monkeypatch.setattr(
        queue_page, "read_queue", lambda *given, **_: read_queue(*given, is_blind=False)
    )
    assert leaks(officer.get(PAGE).text)


def make_ranked(
    position: int, channel: str, percentile: float | None, **more: Any
) -> WaitingVehicle:
    picks, is_sent = more.get("picks", True), more.get("is_sent", False)
    why = WhyWaiting(percentile, "high", (), (), is_exchangeable=picks)
    return replace(make_waiting(position, channel, 30.0), why=why, is_sent=is_sent)


def test_a_riskier_yellow_could_take_the_minutes_of_a_red_that_the_score_picked() -> None:
    drawn = make_ranked(1, "red", 0.10, picks=False)
    sent = make_ranked(2, "red", 0.20, is_sent=True)
    high, low = make_ranked(3, "red", 0.99), make_ranked(4, "red", 0.70)
    yellow, risky = make_ranked(5, "yellow", 0.60), make_ranked(6, "yellow", 0.95)
    assert find_swap([drawn, sent, high, low, yellow, risky]) == (risky, low)
    assert find_swap([drawn, sent, high, low, yellow]) is None, "none is riskier"
    assert find_swap([drawn, sent, risky]) is None, "chance and a person are not given up"
    blind = make_waiting(7, "red", 30.0)
    assert find_swap([blind, make_waiting(8, "yellow", 30.0)]) is None
    assert find_swap([make_ranked(9, "red", None), risky]) is None, "rules know no risk"
