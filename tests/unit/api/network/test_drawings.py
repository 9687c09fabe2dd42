"""Pictures of the overview: no post covers another, and what is not knowable has no mark."""

import math
from itertools import combinations
from random import Random
from typing import Any

import pytest

from api.network import page
from api.network.page import (
    MAP_HEIGHT,
    MAP_WIDTH,
    NARROW_HEIGHT,
    NARROW_WIDTH,
    draw_hours,
    draw_map,
    draw_places,
    draw_weeks,
)
from experiments.synthetic.posts import PAIRS, PLACES, POSTS
from models.statistics.intervals import share


def row(
    code: str, lat: float | None, lon: float | None, *, waiting: int = 0, pair: str | None = None
) -> dict[str, Any]:
    place = {"post": code, "lat": lat, "lon": lon, "pair": pair}
    return place | {"waiting_red": waiting, "waiting_yellow": 0}


NEAR = [
    row("AAA", 40.0, 69.0, waiting=9, pair="BBB"),
    row("BBB", 40.01, 69.0, pair="AAA"),
    row("CCC", 40.01, 69.0),
    row("DDD", 37.2, 67.3, waiting=40),
    row("EEE", None, None),
]


def overlaps(*, is_narrow: bool) -> list[tuple[str, str]]:
    posts = draw_map(NEAR, is_narrow=is_narrow).posts
    return [
        (one.row["post"], other.row["post"])
        for one, other in combinations(posts, 2)
        if math.hypot(one.x - other.x, one.y - other.y) < one.radius + other.radius
    ]


@pytest.mark.parametrize("is_narrow", [False, True])
def test_no_post_covers_another(monkeypatch: pytest.MonkeyPatch, is_narrow: bool) -> None:
    assert overlaps(is_narrow=is_narrow) == []
    monkeypatch.setattr(page, "_move_apart", lambda *_: None)  # a seeded bug
    assert ("AAA", "BBB") in overlaps(is_narrow=is_narrow)


@pytest.mark.parametrize(
    ("is_narrow", "width", "height"),
    [(False, MAP_WIDTH, MAP_HEIGHT), (True, NARROW_WIDTH, NARROW_HEIGHT)],
)
def test_the_map_is_as_the_land_lies(is_narrow: bool, width: int, height: int) -> None:
    made = draw_map(NEAR, is_narrow=is_narrow)
    assert (made.width, made.height) == (width, height)
    at = {one.row["post"]: one for one in made.posts}
    assert at["DDD"].x < at["AAA"].x and at["DDD"].y > at["AAA"].y, "west, and south"
    assert at["DDD"].radius > at["AAA"].radius > at["BBB"].radius
    assert all(0 < one.x < width and 0 < one.y < height for one in made.posts)
    assert all(12 < one.label_y < height for one in made.posts), "names are within it too"
    assert [(a.row["post"], b.row["post"]) for a, b in made.lines] == [("AAA", "BBB")]
    assert made.without == ("EEE",)
    assert draw_map([]).posts == () and len(draw_map(NEAR[:1]).posts) == 1


def names_that_touch() -> list[tuple[str, str]]:
    """Names that share more than a hair's breadth, on maps of the synthetic network's posts."""
    pairs = {POSTS[one.a].code: POSTS[one.b].code for one in PAIRS if one.b >= 0}
    found = []
    for is_narrow in (False, True):
        waiting = Random(1)
        rows = [
            row(code, *place, waiting=waiting.randrange(30), pair=pairs.get(code))
            for code, place in PLACES.items()
        ]
        made = draw_map(rows, is_narrow=is_narrow)
        sizes = (made.width, made.height)
        boxes = [
            (one.row["post"], page._box_of(one, (one.label_x, one.label_y, one.anchor)))
            for one in made.posts
        ]
        found += [
            (one, other)
            for (one, box), (other, second) in combinations(boxes, 2)
            if page._cover(box, second, sizes) > 20
        ]
    return found


def test_no_name_covers_another(monkeypatch: pytest.MonkeyPatch) -> None:
    assert names_that_touch() == []
    places = page._choices
    monkeypatch.setattr(page, "_choices", lambda one: places(one)[:1])  # a seeded bug
    assert names_that_touch()


def week(post: str | None, name: str, hits: int, n: int, random: tuple[int, int]) -> dict[str, Any]:
    rates = {"hit_rate": share(hits, n).as_dict(), "random_hit_rate": share(*random).as_dict()}
    return {"post": post, "week": name, "inspected": n} | rates


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


def test_hours_add_up_over_posts() -> None:
    one = {"weekday": 7, "hour": 23, "arrivals": 3, "hits": 1}
    days = draw_hours([one, one | {"hits": 0}, one | {"weekday": 1, "hour": 0, "arrivals": 1}])
    assert (days[6][23].arrivals, days[6][23].hits, days[6][23].shade) == (6, 1, 4)
    assert days[0][0].shade == 1 and days[3][3].shade == 0


def test_outlines_have_a_circle_where_things_were_seized() -> None:
    rows = [
        {"vehicle_class": "truck", "place": "fuel.tank", "searched": 9, "seizures": 4},
        {"vehicle_class": "truck", "place": "cab.dash", "searched": 2, "seizures": 0},
        {"vehicle_class": "car", "place": "cab.dash", "searched": 2, "seizures": 0},
    ]
    (one,) = draw_places(rows)
    assert [circle[:2] + circle[3:] for circle in one.circles] == [(128, 168, 4)]
