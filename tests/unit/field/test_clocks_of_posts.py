"""Statements about the field: what the clocks at each post show."""

from datetime import datetime

import pytest

from api.web.i18n import ReaderLocale
from engine.domain.network import BorderPost, Network, ShiftHours, ShiftPlan, local_time
from engine.domain.records import Crossing
from engine.domain.time_units import HOUR, micros, rfc3339
from features.catalogue.encoder import encode

NETWORK = Network(
    {
        code: BorderPost(code=code, name=name, country=code[:2])
        for code, name in (
            ("KG-DOS", "Dostuk"),
            ("UZ-OYB", "Oybek"),
            ("AF-HAI", "Hairatan"),
            ("KZ-KOR", "Kordai"),
        )
    }
)
AT = "2026-03-01T16:30:00Z"


def read_facts(post: str, at: str, *names: str) -> tuple[float, ...]:
    """Return facts of the clock of an arrival, as the features have them; Monday is weekday 0."""
    known = {"crossing_id": "c", "direction": "entry", "vehicle_class": "truck"}
    crossing = Crossing.model_validate(known | {"post": post, "arrived_at": at})
    facts = encode(crossing, None, NETWORK)[1]
    return tuple(facts[name] for name in names)


def show_moment(post: str | None, at: str = AT, page: str | None = None) -> str:
    """Return a time as a page of one post shows it, in a row of another one."""
    locale = ReaderLocale("en", 300, NETWORK, page or post)
    return locale.at(post).moment(datetime.fromisoformat(at))


def open_shift(post: str, at: str) -> str:
    """Return the instant, in UTC, at which the shift of a post began."""
    plan = ShiftPlan(network=NETWORK)
    return rfc3339(plan.shift(post, micros(datetime.fromisoformat(at))).opens_at)[11:16]


NIGHTS = {
    "dostuk_has_night_at_2230": [("KG-DOS", AT, (22.0, 1.0))],
    "oybek_has_no_night_at_2130": [("UZ-OYB", AT, (21.0, 0.0))],
    "hairatan_is_four_and_a_half_hours_ahead": [
        ("AF-HAI", "2026-03-01T17:29:00Z", (21.0, 0.0)),
        ("AF-HAI", "2026-03-01T17:30:00Z", (22.0, 1.0)),
    ],
    "kordai_had_six_hours_before_march_2024": [("KZ-KOR", "2024-02-29T16:30:00Z", (22.0, 1.0))],
    "kordai_has_five_hours_since": [("KZ-KOR", "2024-03-01T16:30:00Z", (21.0, 0.0))],
}
"""Statements by name: the hour at a post, and whether it is night there."""


@pytest.mark.parametrize("statement", NIGHTS)
def test_the_clock_of_a_post(statement: str) -> None:
    for post, at, shown in NIGHTS[statement]:
        assert read_facts(post, at, "hour", "night") == shown


def test_a_page_shows_the_clock_of_its_post() -> None:
    shown = [show_moment(post) for post in ("KG-DOS", "UZ-OYB", "AF-HAI")]
    assert shown == [f"1 Mar 2026, {hour}" for hour in ("22:30", "21:30", "21:00")]


def test_the_west_of_kazakhstan_had_five_hours_before() -> None:
    at = datetime.fromisoformat("2024-02-29T16:30Z")
    shown = {zone: local_time(at, zone).hour for zone in ("Asia/Aqtau", "Asia/Almaty")}
    assert shown == {"Asia/Aqtau": 21, "Asia/Almaty": 22}


def test_the_weekday_changes_at_the_posts_midnight() -> None:
    sunday, monday = "2026-03-01T18:59:00Z", "2026-03-01T19:00:00Z"
    for post, days in (("UZ-OYB", (6.0, 0.0)), ("KG-DOS", (0.0, 0.0)), ("AF-HAI", (6.0, 6.0))):
        assert tuple(read_facts(post, at, "weekday")[0] for at in (sunday, monday)) == days


def test_shifts_change_by_the_posts_clock() -> None:
    opened = {post: open_shift(post, "2026-03-02T08:00:00Z") for post in NETWORK.posts}
    assert opened == {"KG-DOS": "02:00", "UZ-OYB": "03:00", "AF-HAI": "03:30", "KZ-KOR": "03:00"}
    assert ShiftHours().starts == 8 * HOUR


def test_a_row_of_another_post_names_its_clock() -> None:
    assert show_moment("KG-DOS", page="UZ-OYB") == "1 Mar 2026, 22:30 (UTC+06:00)"
