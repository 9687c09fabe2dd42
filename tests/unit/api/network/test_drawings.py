"""Pictures of the overview: no post covers another, and what is not knowable has no mark."""

import pytest

from api.network import page
from api.network.answers import NetworkPost, NetworkWeek
from api.network.page import (
    MAP_HEIGHT,
    MAP_WIDTH,
    NARROW_HEIGHT,
    NARROW_WIDTH,
    draw_map,
    draw_weeks,
)
from api.shifts.answers import median
from models.statistics.intervals import share


def row(
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
    row("AAA", 40.0, 69.0, waiting=9, pair="BBB"),
    row("BBB", 40.01, 69.0, pair="AAA"),
    row("CCC", 40.01, 69.0),
    row("DDD", 37.2, 67.3, waiting=40),
    row("EEE", None, None),
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


def week(post: str | None, name: str, hits: int, n: int, random: tuple[int, int]) -> NetworkWeek:
    return NetworkWeek(
        post=post,
        week=name,
        decisions=n,
        inspected=n,
        hits=hits,
        seizures=0,
        hit_rate=share(hits, n),
        random_inspected=random[1],
        random_hits=random[0],
        random_hit_rate=share(*random),
    )


def test_few_inspections_have_no_mark() -> None:
    rows = [week("A", "1", 30, 100, (0, 4)), week("A", "2", 3, 5, (9, 90))]
    rows += [week("B", "1", 0, 0, (0, 0)), week(None, "1", 30, 100, (0, 4))]
    pictures, top = draw_weeks(rows)
    assert [one.post for one in pictures] == [None, "A"], "all posts first, none without an act"
    assert [len(one.overall) for one in pictures] == [1, 1]
    assert [len(one.random) for one in pictures] == [0, 1]
    assert top == pytest.approx(share(30, 100).high)
    (mark,) = pictures[1].overall
    assert mark.high < mark.y < mark.low, "y runs downwards"
    assert draw_weeks([]) == ([], page.LEAST_SCALE)
