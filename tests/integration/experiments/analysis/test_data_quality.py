"""Faults of feeds, clocks and devices are found within a day's data, and clean data give none."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.audit.file_anchors import parse_network
from experiments.analysis.data_quality import QualityFinding, assess_quality
from tests.support.sizes import PROOF

NETWORK = """
[[posts]]
code = "UZ-OYB"
name = "Oybek"
country = "UZ"
pair = "TJ-FOT"
[[posts]]
code = "TJ-FOT"
name = "Fotehobod"
country = "TJ"
pair = "UZ-OYB"
"""
DAYS, A_DAY = 40, 40 if PROOF else 24
LAST = pd.Timestamp("2026-03-01", tz="UTC") + pd.Timedelta(days=DAYS - 2)
Frames = dict[str, Any]


class KnownFrames:
    """A home whose frames are given."""

    def __init__(self, frames: Mapping[str, Any]) -> None:
        self.frames_of = frames

    def frames(self, names: list[str]) -> dict[str, Any]:
        return {name: self.frames_of[name] for name in names}


def make_frames() -> Frames:
    """Vehicles that leave Fotehobod and enter at Oybek about forty minutes later."""
    random = np.random.default_rng(7)
    count = DAYS * A_DAY
    left = pd.Timestamp("2026-03-01", tz="UTC") + pd.to_timedelta(
        np.sort(random.integers(0, DAYS * 1440, count)), unit="min"
    )
    number = np.arange(count)
    crossing = pd.DataFrame(
        {
            "plate": [f"p{n % 900}" for n in number],
            "plate_country": "TJ",
            "trailer_plate": None,
            "vin": [f"v{n % 900}" for n in number],
            "driver_ref": [f"d{n % 700}" for n in number],
            "carrier_id": [f"c{n % 50}" for n in number],
            "container_numbers": [[] for _ in number],
            "seal_numbers": [[f"s{n}"] for n in number],
            "weighed_mass_kg": random.normal(20_000, 4_000, count).round(),
            "declaration_id": [f"x{n}" for n in number],
        }
    )
    there = crossing.assign(
        crossing_id=[f"e{n}" for n in number], post="TJ-FOT", direction="exit", arrived_at=left
    )
    transit = pd.to_timedelta(random.normal(40, 6, count), unit="min")
    here = crossing.assign(
        crossing_id=[f"i{n}" for n in number],
        post="UZ-OYB",
        direction="entry",
        arrived_at=left + transit,
        declaration_id=[f"y{n}" for n in number],
    )
    crossings = pd.concat([there, here], ignore_index=True)
    crossings["recorded_at"] = crossings["arrived_at"] + pd.Timedelta(minutes=1)
    items = pd.DataFrame(
        {
            "declaration_id": crossings["declaration_id"],
            "hs_code": "0806",
            "net_mass_kg": random.normal(15_000, 3_000, 2 * count).round(),
            "gross_mass_kg": random.normal(16_000, 3_000, 2 * count).round(),
            "customs_value_usd": random.normal(9_000, 3_000, 2 * count).round(),
            "packages": 400,
            "origin_country": "TJ",
            "description": "grapes",
        }
    )
    acts = pd.DataFrame(
        {
            "crossing_id": crossings["crossing_id"][::20],
            "recorded_at": crossings["arrived_at"][::20] + pd.Timedelta(hours=2),
            "completed_at": crossings["arrived_at"][::20] + pd.Timedelta(hours=1),
            "places_searched": [["fuel.tank"] for _ in range(0, 2 * count, 20)],
        }
    )
    return {
        "crossings": crossings,
        "declarations": crossings[["declaration_id"]],
        "goods_items": items,
        "inspections": acts,
    }


def assess(frames: Frames) -> list[QualityFinding]:
    network = parse_network(NETWORK)
    return assess_quality(KnownFrames(frames), network).findings  # type: ignore[arg-type]


def on_last_day(frames: Frames, post: str) -> Any:
    crossings = frames["crossings"]
    return (crossings["post"] == post) & (crossings["arrived_at"].dt.floor("D") == LAST)


def skew_clock(frames: Frames) -> None:
    rows = on_last_day(frames, "UZ-OYB")
    frames["crossings"].loc[rows, ["arrived_at", "recorded_at"]] += pd.Timedelta(hours=1)


def stick_scale(frames: Frames) -> None:
    frames["crossings"].loc[on_last_day(frames, "UZ-OYB"), "weighed_mass_kg"] = 21_480.0


def double_feed(frames: Frames) -> None:
    crossings = frames["crossings"]
    again = crossings[on_last_day(frames, "TJ-FOT")].copy()
    again["crossing_id"] += "-again"
    again["arrived_at"] += pd.Timedelta(seconds=20)
    frames["crossings"] = pd.concat([crossings, again], ignore_index=True)


def lose_seals(frames: Frames) -> None:
    rows = on_last_day(frames, "TJ-FOT")
    frames["crossings"].loc[rows, "driver_ref"] = None


def delay_records(frames: Frames) -> None:
    rows = on_last_day(frames, "TJ-FOT")
    frames["crossings"].loc[rows, "recorded_at"] += pd.Timedelta(days=3)


def send_unknown_codes(frames: Frames) -> None:
    frames["goods_items"].loc[frames["goods_items"].index[-30:], "hs_code"] = "9999"


def test_clean_data_give_no_finding() -> None:
    assert assess(make_frames()) == []


@pytest.mark.parametrize(
    ("fault", "kind", "post", "field"),
    [
        (skew_clock, "clock_skew", "UZ-OYB", "arrived_at"),
        (stick_scale, "stuck_field", "UZ-OYB", "weighed_mass_kg"),
        (double_feed, "duplicate", "TJ-FOT", "crossing_id"),
        (lose_seals, "missing", "TJ-FOT", "driver_ref"),
        (delay_records, "late", "TJ-FOT", "recorded_at"),
        (send_unknown_codes, "unknown_code", "UZ-OYB", "hs_code"),
    ],
)
def test_a_fault_of_one_day_is_found_and_said(
    fault: Callable[[Frames], None], kind: str, post: str, field: str
) -> None:
    frames = make_frames()
    fault(frames)
    found = assess(frames)
    assert {(one.kind, one.post, one.field) for one in found} >= {(kind, post, field)}
    first = next(one for one in found if one.kind == kind)
    assert first.text.startswith(f"At {post} ")
    assert first.rows > 0


def test_weeks_count_what_is_missing() -> None:
    frames = make_frames()
    lose_seals(frames)
    report = assess_quality(KnownFrames(frames), parse_network(NETWORK))  # type: ignore[arg-type]
    counts = [
        one for one in report.weeks if (one["post"], one["field"]) == ("TJ-FOT", "driver_ref")
    ]
    lost = int(on_last_day(frames, "TJ-FOT").sum())
    assert sum(one["missing"] for one in counts) == lost > 0
    assert sum(one["rows"] for one in counts) == DAYS * A_DAY
