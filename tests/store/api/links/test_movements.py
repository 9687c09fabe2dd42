"""Manifests over a live link: announced once, known from when they arrived, read alike by all.

``west`` stands on SQLite, then on PostgreSQL; ``east`` on SQLite.
"""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.domain.records import Arrival
from engine.domain.time_units import HOUR, MINUTE
from engine.journal.journal import JournalReader
from engine.journal.kinds import CROSSING, LINK_RECEIVED, LINK_SENT
from features.history import journal_history
from tests.store.api.links.movement_sides import MovementSide, open_movement_sides
from tests.support.facing_posts import draw_records

Sides = tuple[MovementSide, MovementSide]
TRIPS = 40


@pytest.fixture
def sides(store_url: str, sqlite_template: Path, tmp_path: Path) -> Iterator[Sides]:
    """Open both sides, with a link in force."""
    copy = tmp_path / "east.sqlite"
    shutil.copy(sqlite_template, copy)
    west, east = open_movement_sides(store_url, f"sqlite:///{copy}", tmp_path)
    yield west, east
    for side in (west, east):
        side.store.dispose()


def draw_arrivals(trips: int = TRIPS) -> list[tuple[int, Arrival]]:
    """Crossings of both sides, in the order in which they became known."""
    found = draw_records(5, trips, vehicles=8, days=40).crossings
    return [(at, Arrival(crossing=crossing, declaration=head)) for at, crossing, head in found]


def play(sides: Sides, *, trips: int = TRIPS) -> None:
    """Report everything at its side; manifests arrive a minute later."""
    west, east = sides
    for at, arrival in draw_arrivals(trips):
        side, other = (west, east) if arrival.crossing.post[0] == "W" else (east, west)
        side.report(arrival, at=max(at, side.clock.time + 1))
        side.announce()
        west.clock.time = east.clock.time = side.clock.time + MINUTE
        side.sync(other)


def test_an_exit_is_a_record_at_the_other_side_once(sides: Sides) -> None:
    west, east = sides
    play(sides, trips=12)
    for side, other, mark in ((west, east, "W"), (east, west, "E")):
        sent = side.bodies(LINK_SENT)
        exits = [
            body["arrival"]["crossing"]
            for body in side.bodies(CROSSING)
            if body["arrival"]["crossing"]["direction"] == "exit" and "message" not in body
        ]
        assert [one["about"]["name"] for one in sent] == [one["crossing_id"] for one in exits]
        arrived = [body["arrival"]["crossing"] for body in other.partner_crossings()]
        assert [one["plate"] for one in arrived] == [one["plate"] for one in exits]
        assert {one["post"][0] for one in arrived} == {mark}
        assert len(other.bodies(LINK_RECEIVED)) == len(exits) > 2
        kinds = [kind for kind, _, _ in other.origins()]
        assert kinds == ["link_received", "crossing"] * len(exits)
        origins = {origin for kind, origin, _ in other.origins() if kind == "crossing"}
        assert len(origins) == 1
        assert origins.pop().endswith(":1")


def test_features_online_and_in_bulk_have_equal_bits(sides: Sides) -> None:
    play(sides)
    for side in sides:
        assert len(side.partner_crossings()) > 10
        assert side.count_unlike() == 0


def test_a_manifest_known_before_it_arrived_is_caught(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: bulk readers know what a partner told of from when its vehicle left."""
    play(sides)
    west = sides[0]

    def read_early(connection: Any, **cut: Any) -> Iterator[Any]:
        for record in JournalReader(connection).records(*journal_history.KINDS):
            is_of_partner = "message" in record.body
            yield replace(record, known_at=record.known_at - HOUR) if is_of_partner else record

    assert west.count_unlike() == 0
    monkeypatch.setattr(journal_history, "records", read_early)
    assert west.count_unlike() > 0
