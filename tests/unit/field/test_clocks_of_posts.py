"""Statements about the field: what the clocks at each post show."""

from datetime import datetime

from api.web.i18n import ReaderLocale
from engine.domain.network import BorderPost, Network, local_time
from engine.domain.records import Crossing
from engine.domain.time_units import HOUR, micros, rfc3339
from engine.selection import ShiftPlan
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


def read_clock(post: str, at: str) -> tuple[float, float]:
    """Return hour and night of an arrival, as the features have them."""
    crossing = Crossing.model_validate(
        {
            "crossing_id": "c",
            "post": post,
            "direction": "entry",
            "arrived_at": at,
            "vehicle_class": "truck",
        }
    )
    facts = encode(crossing, None, NETWORK)[1]
    return facts["hour"], facts["night"]


def read_weekday(post: str, at: str) -> float:
    """Return the weekday of an arrival, Monday is 0."""
    crossing = Crossing.model_validate(
        {
            "crossing_id": "c",
            "post": post,
            "direction": "entry",
            "arrived_at": at,
            "vehicle_class": "car",
        }
    )
    return encode(crossing, None, NETWORK)[1]["weekday"]


def show_moment(post: str | None, at: str = AT, page: str | None = None) -> str:
    """Return a time as a page of one post shows it, in a row of another one."""
    locale = ReaderLocale("en", 300, NETWORK, page or post)
    return locale.at(post).moment(datetime.fromisoformat(at))


def open_shift(post: str, at: str) -> str:
    """Return the instant, in UTC, at which the shift of a post began."""
    plan = ShiftPlan(network=NETWORK)
    return rfc3339(plan.shift(post, micros(datetime.fromisoformat(at))).opens_at)[11:16]


def test_dostuk_has_night_at_2230() -> None:
    assert show_moment("KG-DOS") == "1 Mar 2026, 22:30"
    assert read_clock("KG-DOS", AT) == (22.0, 1.0)


def test_oybek_has_no_night_at_2130() -> None:
    assert show_moment("UZ-OYB") == "1 Mar 2026, 21:30"
    assert read_clock("UZ-OYB", AT) == (21.0, 0.0)


def test_hairatan_is_four_and_a_half_hours_ahead() -> None:
    assert show_moment("AF-HAI") == "1 Mar 2026, 21:00"
    assert read_clock("AF-HAI", "2026-03-01T17:29:00Z") == (21.0, 0.0)
    assert read_clock("AF-HAI", "2026-03-01T17:30:00Z") == (22.0, 1.0)


def test_kordai_had_six_hours_before_march_2024() -> None:
    assert read_clock("KZ-KOR", "2024-02-29T16:30:00Z") == (22.0, 1.0)


def test_kordai_has_five_hours_since() -> None:
    assert read_clock("KZ-KOR", "2024-03-01T16:30:00Z") == (21.0, 0.0)


def test_the_west_of_kazakhstan_had_five_hours_before() -> None:
    at = datetime.fromisoformat("2024-02-29T16:30Z")
    shown = {zone: local_time(at, zone).hour for zone in ("Asia/Aqtau", "Asia/Almaty")}
    assert shown == {"Asia/Aqtau": 21, "Asia/Almaty": 22}


def test_the_weekday_changes_at_the_posts_midnight() -> None:
    sunday, monday = "2026-03-01T18:59:00Z", "2026-03-01T19:00:00Z"
    assert [read_weekday("UZ-OYB", at) for at in (sunday, monday)] == [6.0, 0.0]
    assert [read_weekday("KG-DOS", at) for at in (sunday, monday)] == [0.0, 0.0]
    assert [read_weekday("AF-HAI", at) for at in (sunday, monday)] == [6.0, 6.0]


def test_shifts_change_by_the_posts_clock() -> None:
    opened = {post: open_shift(post, "2026-03-02T08:00:00Z") for post in NETWORK.posts}
    assert opened == {"KG-DOS": "02:00", "UZ-OYB": "03:00", "AF-HAI": "03:30", "KZ-KOR": "03:00"}
    assert ShiftPlan().starts == 8 * HOUR


def test_a_row_of_another_post_names_its_clock() -> None:
    assert show_moment("KG-DOS", page="UZ-OYB") == "1 Mar 2026, 22:30 (UTC+06:00)"
