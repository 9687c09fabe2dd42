"""Clocks of posts: what they show, when they show it, and many at once."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain import network
from engine.domain.network import instant_of, local_time, utc_offsets, wall_time
from engine.domain.time_units import HOUR, MINUTE, SECOND, micros

ZONES = ("Asia/Tashkent", "Asia/Kabul", "Asia/Almaty", "Europe/Berlin", "Australia/Lord_Howe")
FIRST, LAST = (micros(datetime(year, 1, 1, tzinfo=UTC)) for year in (1995, 2035))


@pytest.mark.parametrize(
    ("zone", "utc", "shown"),
    [
        ("Asia/Bishkek", "2026-03-01T16:30Z", "22:30"),
        ("Asia/Tashkent", "2026-03-01T16:30Z", "21:30"),
        ("Asia/Dushanbe", "2026-03-01T16:30Z", "21:30"),
        ("Asia/Ashgabat", "2026-03-01T16:30Z", "21:30"),
        ("Asia/Kabul", "2026-03-01T16:30Z", "21:00"),
        ("Asia/Almaty", "2024-02-29T17:59Z", "23:59"),  # +6 in the east, until the end of February
        ("Asia/Almaty", "2024-02-29T18:00Z", "23:00"),  # +5 from then on
        ("Asia/Aqtau", "2024-02-01T16:30Z", "21:30"),  # the west had +5 before
        ("Europe/Berlin", "2026-03-29T00:59Z", "01:59"),
        ("Europe/Berlin", "2026-03-29T01:00Z", "03:00"),
    ],
)
def test_what_the_clocks_of_a_zone_show(zone: str, utc: str, shown: str) -> None:
    assert local_time(datetime.fromisoformat(utc), zone).strftime("%H:%M") == shown


@given(st.integers(FIRST, LAST), st.sampled_from(ZONES))
def test_an_instant_is_found_by_what_the_clocks_show(instant: int, zone: str) -> None:
    """But for the hour that they show twice, whose first instant is meant."""
    found = instant_of(wall_time(instant, zone), zone)
    assert found == instant or instant - found in (HOUR, 30 * MINUTE)
    assert wall_time(found, zone) == wall_time(instant, zone)


def check_offsets() -> bool:
    """Compare many offsets at once with one after the other, also around each change."""
    draw = np.random.default_rng(1).integers(FIRST, LAST, 400)
    change = micros(datetime(2026, 3, 29, 1, tzinfo=UTC))
    instants = np.concatenate((draw, [change - 1, change, change + SECOND]))
    one_by_one = {zone: [wall_time(at, zone) - at for at in instants.tolist()] for zone in ZONES}
    return all(utc_offsets(instants, zone).tolist() == one_by_one[zone] for zone in ZONES)


def test_offsets_of_many_instants_are_those_of_each() -> None:
    assert check_offsets()
    assert utc_offsets(np.zeros(0, np.int64), "Asia/Kabul").tolist() == []


def test_a_table_that_changes_offsets_at_midnight_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control."""
    monkeypatch.setattr(network, "_find_change", lambda before, _after, _zone: before)
    assert not check_offsets()
