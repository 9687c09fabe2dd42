"""The overview of all posts: counts of the weeks, and pictures in which no post covers another."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from api.network import answers
from api.network.answers import (
    ActCell,
    DecisionCell,
    NetworkMinutes,
    NetworkOverview,
    NetworkPost,
    PlaceCell,
    Slot,
    count_history,
)
from api.network.page import (
    MAP_HEIGHT,
    MAP_WIDTH,
    NARROW_HEIGHT,
    NARROW_WIDTH,
    draw_map,
    rank_posts,
)
from api.shifts.readers import median
from engine.domain.network import BorderPost, Network
from engine.domain.time_units import DAY, MINUTE, micros
from engine.journal.entries import Draft
from engine.journal.journal import Journal
from engine.journal.kinds import INSPECTION, SEIZURE
from engine.queue.queue import DECISIONS
from engine.queue.reviews import REVIEWS
from engine.selection import Channel, ChannelCode
from engine.storage.database import Store
from models.statistics.intervals import share

NOW = datetime(2026, 10, 14, 7, tzinfo=UTC)
"""A Wednesday."""
LATE = datetime(2026, 10, 11, 20, tzinfo=UTC)
"""Sunday evening in UTC, and already Monday, 00:30, in Kabul."""
THIS_WEEK, LAST_WEEK = date(2026, 10, 12), date(2026, 10, 5)


def make_post(code: str, country: str) -> BorderPost:
    return BorderPost.model_validate({"code": code, "name": code, "country": country})


NETWORK = Network({"HAI": make_post("HAI", "AF"), "LON": make_post("LON", "GB")})


class Clock:
    def now(self) -> int:
        return micros(NOW)


@pytest.fixture
def filled_store(store: Store) -> Store:
    """Fill a store: two posts, three acts, one seizure, one override."""
    acts = [
        ("c1", "seizure", ["physical"], "customs"),
        ("c2", "clear", ["physical", "xray"], None),
        ("c3", "discrepancy", ["documents"], None),  # papers prove nothing, and count apart
    ]
    entries = Journal(store, clock=Clock()).append(
        [draft_act(*one) for one in acts] + [draft_seizure()]
    )
    act_of = {f"c{number}": entry.seq for number, entry in enumerate(entries[:3], 1)}
    hour_ago = micros(NOW - timedelta(hours=1))
    rows = [
        row("c1", "HAI", micros(LATE), Channel.RED, basis="random", act=act_of["c1"]),
        row("c2", "HAI", hour_ago, Channel.RED, basis="score", act=act_of["c2"]),
        row("c3", "LON", micros(LATE), Channel.YELLOW, basis="score", act=act_of["c3"]),
        row("c4", "HAI", hour_ago, Channel.GREEN),
        row("c5", "HAI", hour_ago + MINUTE, Channel.GREEN),
        row("c6", "LON", hour_ago - 80 * DAY, Channel.GREEN),  # before all weeks
    ]
    known = {"decision_id": "d-c4", "post": "HAI", "known_at": hour_ago, "person": "x"}
    reviews = [
        known | {"seq": 90 + at, "verdict": verdict, "channel": 3, "reason_code": "x"}
        for at, verdict in enumerate(("override", "override", "uphold"))
    ]
    with store.write() as connection:
        connection.execute(insert(DECISIONS), rows)
        connection.execute(insert(REVIEWS), reviews)
    return store


def row(
    crossing: str, post: str, at: int, channel: Channel, *, basis: str = "", act: int | None = None
) -> dict[str, Any]:
    known = {"decision_id": f"d-{crossing}", "seq": 1000 + int(crossing[1:]), "post": post}
    known |= {"crossing_id": crossing, "known_at": at, "channel": int(channel), "place": 0}
    known |= {"vehicle_class": "truck", "waiting": False, "act_seq": act}
    known |= {"answered": 0, "left": False, "minutes": 0.0, "plate": ""}
    known |= {"sent": known["channel"], "arrived_at": 0, "corridor": "", "is_lawful": False}
    return known | {"basis": basis or None}


def draft_act(crossing: str, outcome: str, methods: list[str], agency: str | None) -> Draft[Any]:
    act: dict[str, Any] = {
        "inspection_id": f"i-{crossing}",
        "crossing_id": crossing,
        "outcome": outcome,
    }
    act |= {"recorded_at": NOW.isoformat(), "methods": methods, "basis": "score"}
    act |= {"places_searched": ["fuel.tank"], "agency": agency}
    return Draft(INSPECTION, crossing, "HAI", {"crossing_id": crossing, "inspection": act})


def draft_seizure() -> Draft[Any]:
    seizure = {"seizure_id": "s-1", "crossing_id": "c1", "recorded_at": NOW.isoformat()}
    seizure |= {"substance_class": "narcotic", "place": "fuel.tank", "agency": "customs"}
    return Draft(SEIZURE, "s-1", "HAI", {"seizure": seizure, "linked_crossing_id": "c1"})


def count(store: Store) -> answers.NetworkHistory:
    with store.read() as snapshot:
        return count_history(snapshot, NETWORK, now=micros(NOW))


KABUL_LATE = Slot(THIS_WEEK, 1, 0)
KABUL_NOON = Slot(THIS_WEEK, 3, 10)
LONDON_LATE = Slot(LAST_WEEK, 7, 21)


def test_counts_are_those_made_by_hand(filled_store: Store) -> None:
    found = count(filled_store)
    assert found.weeks[-2:] == (LAST_WEEK, THIS_WEEK) and len(found.weeks) == answers.WEEKS
    assert found.decisions == {
        DecisionCell("HAI", KABUL_LATE, Channel.RED): 1,
        DecisionCell("HAI", KABUL_NOON, Channel.RED): 1,
        DecisionCell("HAI", KABUL_NOON, Channel.GREEN): 2,
        DecisionCell("LON", LONDON_LATE, Channel.YELLOW): 1,
    }
    acts = {
        cell: (one.inspected, one.papers_only, one.hits, one.seizures)
        for cell, one in found.acts.items()
    }
    assert acts == {
        ActCell("HAI", "customs", KABUL_LATE, is_random=True): (1, 0, 1, 1),
        ActCell("HAI", None, KABUL_NOON, is_random=False): (1, 0, 0, 0),
        ActCell("LON", None, LONDON_LATE, is_random=False): (0, 1, 0, 0),
    }
    (delay,) = found.delays["HAI", None]
    assert delay == pytest.approx(60, abs=0.01) and set(found.delays) == {("HAI", None)}
    assert found.overrides == {"HAI": 1}, "two reviews of one decision"
    assert found.found == {PlaceCell("HAI", "customs", "truck", "fuel.tank"): 1}
    assert found.searched.total() == 3


def draw_row(
    code: str, lat: float | None, lon: float | None, *, waiting: int = 0, pair: str | None = None
) -> NetworkPost:
    return NetworkPost(
        post=code,
        name="",
        country=None,
        kind=None,
        lat=lat,
        lon=lon,
        pair=pair,
        timezone="UTC",
        state="open",
        waiting_red=waiting,
        waiting_yellow=0,
        waiting_since=None,
        roster_minutes=None,
        used_minutes=0.0,
        needed_minutes=0.0,
        decisions=0,
        inspected=0,
        hits=0,
        hit_rate=share(0, 0),
        random_hit_rate=share(0, 0),
        delay_of_lawful=median([]),
        overrides=None,
        last_decision_at=None,
        link=None,
        silent_minutes=None,
    )


NEAR = [
    draw_row("AAA", 40.0, 69.0, waiting=9, pair="BBB"),
    draw_row("BBB", 40.01, 69.0, pair="AAA"),
    draw_row("CCC", 40.01, 69.0),
    draw_row("DDD", 37.2, 67.3, waiting=40),
    draw_row("EEE", None, None),
]


@pytest.mark.parametrize(
    ("is_narrow", "width", "height"),
    [(False, MAP_WIDTH, MAP_HEIGHT), (True, NARROW_WIDTH, NARROW_HEIGHT)],
)
def test_the_map_is_as_the_land_lies(is_narrow: bool, width: int, height: int) -> None:
    made = draw_map(NEAR, is_narrow=is_narrow)
    assert (made.width, made.height) == (width, height)
    at = {one.row.post: one for one in made.posts}
    assert at["DDD"].x < at["AAA"].x and at["DDD"].y > at["AAA"].y, "west, and south"
    assert at["DDD"].radius > at["AAA"].radius > at["BBB"].radius
    assert all(0 < one.x < width and 0 < one.y < height for one in made.posts)
    assert all(12 < one.label_y < height for one in made.posts), "names are within it too"
    assert [(a.row.post, b.row.post) for a, b in made.lines] == [("AAA", "BBB")]
    assert made.without == ("EEE",)
    assert draw_map([]).posts == () and len(draw_map(NEAR[:1]).posts) == 1


def draw_minutes(post: str, channel: ChannelCode, *, needed: float) -> NetworkMinutes:
    return NetworkMinutes(
        post=post, channel=channel, roster=100.0, vehicles=1,
        used=0.0, needed=needed, lost=0.0, left=100.0 - needed,
    )  # fmt: skip


def test_posts_that_are_behind_come_first_and_the_worst_of_them() -> None:
    """By the minutes that vehicles that wait need, then by the longest wait."""
    since = "2026-10-14T02:00:00Z"
    rows = [
        draw_row("CALM", None, None),
        replace(draw_row("WAIT", None, None, waiting=1), waiting_since=since),
        draw_row("SHORT", None, None),
        replace(draw_row("FULL", None, None), state="full"),
        draw_row("ENOUGH", None, None),
    ]
    minutes = [
        draw_minutes("SHORT", "red", needed=140.0),
        draw_minutes("SHORT", "yellow", needed=0.0),  # free minutes that red cannot use
        draw_minutes("FULL", "red", needed=95.0),
        draw_minutes("ENOUGH", "red", needed=60.0),
    ]
    found = NetworkOverview(
        as_of="2026-10-14T07:00:00Z",
        counted_at="2026-10-14T07:00:00Z",
        since="2026-08-19",
        synthetic=True,
        posts=rows,
        weeks=[],
        hours=[],
        funnel=[],
        minutes=minutes,
        places=[],
    )
    ranked = rank_posts(found)
    assert [one.row.post for one in ranked if one.is_behind] == ["SHORT", "FULL"]
    assert [one.row.post for one in ranked if not one.is_behind] == ["ENOUGH", "WAIT", "CALM"]
    assert ranked[3].wait == 300.0 and ranked[0].needed == 1.4
