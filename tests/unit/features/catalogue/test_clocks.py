"""Hour, weekday and night of an arrival are those of the clocks at its post."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from engine.domain.network import Network, read_network
from engine.domain.records import Crossing
from experiments.synthetic.posts import network_toml
from features.catalogue.encoder import encode

NETWORK = read_network(Path("network.toml"), text=network_toml())
SUMMER = read_network(
    Path("network.toml"),
    text='[[posts]]\ncode = "BER"\nname = "Berlin"\ncountry = "DE"\n',
)
Shown = tuple[float, float, float]
SHOWN: Mapping[tuple[str, str], Shown] = {
    ("KG-DOS", "2026-03-01T16:30:00Z"): (22.0, 6.0, 1.0),
    ("UZ-OYB", "2026-03-01T16:30:00Z"): (21.0, 6.0, 0.0),
    ("TJ-FOT", "2026-03-01T17:00:00Z"): (22.0, 6.0, 1.0),
    ("AF-HAI", "2026-03-01T17:29:00Z"): (21.0, 6.0, 0.0),
    ("AF-HAI", "2026-03-01T17:30:00Z"): (22.0, 6.0, 1.0),
    ("AF-SHB", "2026-03-01T01:29:00Z"): (5.0, 6.0, 1.0),
    ("KZ-KOR", "2024-02-29T16:00:00Z"): (22.0, 3.0, 1.0),  # +6 until the end of that day
    ("KZ-KOR", "2024-03-01T16:30:00Z"): (21.0, 4.0, 0.0),  # +5 since
    ("UZ-OYB", "2026-03-01T19:30:00Z"): (0.0, 0.0, 1.0),  # Sunday in UTC, Monday at the post
    ("NOWHERE", "2026-03-01T16:30:00Z"): (21.0, 6.0, 0.0),
}


def show(post: str, at: str, network: Network) -> Shown:
    crossing = Crossing.model_validate(
        {
            "crossing_id": "c",
            "post": post,
            "direction": "entry",
            "arrived_at": at,
            "vehicle_class": "truck",
        }
    )
    entities, facts = encode(crossing, None, network)
    assert entities["day_part"] == str(int(facts["hour"]) // 4)
    return facts["hour"], facts["weekday"], facts["night"]


@pytest.mark.parametrize(("post", "at"), SHOWN)
def test_each_post_has_its_own_clock(post: str, at: str) -> None:
    assert show(post, at, NETWORK) == SHOWN[post, at]


def test_a_zone_with_summer_time_follows_it() -> None:
    hours = [show("BER", f"2026-{day}T20:30:00Z", SUMMER)[0] for day in ("03-28", "03-29")]
    assert hours == [21.0, 22.0]


def test_one_clock_for_all_posts_is_found() -> None:
    """Negative control: without a network, the statements above do not hold."""
    assert show("KG-DOS", "2026-03-01T16:30:00Z", Network()) == (21.0, 6.0, 0.0)
    assert sum(show(*key, Network()) != shown for key, shown in SHOWN.items()) == 4


def test_the_calendar_ends_without_an_error() -> None:
    assert show("UZ-OYB", "9999-12-31T23:30:00Z", NETWORK)[0] == 23.0
