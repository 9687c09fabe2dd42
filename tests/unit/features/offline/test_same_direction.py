"""What is new, or other than last time, is asked of one direction: the pair told of this movement.

The paired post recorded the exit hours before the entry, driver and all. Who asks for the last
crossing, whatever its direction, compares a movement with itself.
"""

import math
from dataclasses import replace
from typing import Any

import pytest

from engine.criteria.indicator_rules import find_firing_rules
from engine.domain.records import Crossing, Inspection
from engine.domain.time_units import DAY, HOUR, moment
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.event_streams import CROSSINGS
from features.catalogue.plan import Plan
from features.catalogue.spec import Feature, differs, first_seen
from features.offline.encoded_history import read_log
from features.offline.feature_matrix import matrix
from tests.unit.features.random_histories import START, History, tables

NAMES = (
    "new_driver_for_plate",
    "driver_changed",
    "vin_changed",
    "post_changed",
    "plate_same_way_365d",
    "plate_same_way_days_since",
    "plate_searched_here_60d",
)
PLAN = Plan({name: CATALOGUE[name] for name in NAMES})
VIN, OTHER_VIN = "1M8GDM9AXKP042788", "1M8GDM9AXKP042789"
Passage = tuple[int, Crossing, None]


def passage(number: int, at: int, post: str, direction: str, **fields: Any) -> Passage:
    known = {"plate": "01A123BC", "driver_ref": "d1", "vin": VIN, "carrier_id": "c1"} | fields
    crossing = Crossing(
        crossing_id=f"c{number:05d}",
        post=post,
        direction=direction,  # type: ignore[arg-type]
        arrived_at=moment(START + at),
        vehicle_class="truck",
        **known,
    )
    return START + at, crossing, None


def movement(number: int, at: int, **fields: Any) -> list[Passage]:
    """Return both records of one movement from Fotehobod to Oybek."""
    return [
        passage(number, at, "FOT", "exit", **fields),
        passage(number + 1, at + 4 * HOUR, "OYB", "entry", **fields),
    ]


def last(
    passages: list[Passage], acts: tuple[tuple[int, Inspection], ...] = (), plan: Plan = PLAN
) -> dict[str, float]:
    """Return the features of the last of some passages."""
    found = matrix(read_log(tables(History(passages, acts, ())), plan), plan)
    return dict(zip(plan.names, found.values[-1].tolist(), strict=True))


def test_the_exit_hours_ago_is_no_acquaintance() -> None:
    before = movement(0, 0)
    same = last(before + movement(2, 200 * DAY))
    assert (same["new_driver_for_plate"], same["driver_changed"], same["vin_changed"]) == (0, 0, 0)
    assert same["plate_same_way_days_since"] == pytest.approx(200.0)
    assert same["plate_same_way_365d"] == 1.0

    other = last(before + movement(2, 200 * DAY, driver_ref="d2", vin=OTHER_VIN))
    assert (other["new_driver_for_plate"], other["driver_changed"]) == (1, 1)
    assert other["vin_changed"] == 1


def test_a_first_movement_is_a_first() -> None:
    first = last(movement(0, 0))
    assert first["plate_same_way_365d"] == 0.0
    assert math.isnan(first["plate_same_way_days_since"])
    assert first["new_driver_for_plate"] == 1.0

    def codes(features: dict[str, float]) -> set[str]:
        return {rule.code for rule in find_firing_rules(features)}

    assert "first_crossing" in codes(first), "without a model, by rule"
    assert "first_crossing" not in codes(last(movement(0, 0) + movement(2, 200 * DAY)))


def test_both_posts_of_a_line_are_one_way_across() -> None:
    before = movement(0, 0)
    there_and_back = [
        passage(2, 2 * DAY, "OYB", "exit"),
        passage(3, 2 * DAY + 4 * HOUR, "FOT", "entry"),
    ]
    assert last(before + there_and_back + movement(4, 5 * DAY))["post_changed"] == 0.0
    elsewhere = [passage(4, 5 * DAY, "ALT", "entry")]
    assert last(before + there_and_back + elsewhere)["post_changed"] == 1.0
    assert last([*elsewhere, passage(5, 6 * DAY, "ALT", "entry")])["post_changed"] == 0.0


def test_who_was_searched_elsewhere_of_late_is_seen() -> None:
    before = movement(0, 0)
    at = START + 5 * HOUR
    act = Inspection(
        inspection_id="i1",
        crossing_id="c00001",
        basis="officer",
        recorded_at=moment(at),
        outcome="clear",
    )
    here = last(before + movement(2, 3 * DAY), ((at, act),))
    assert here["plate_searched_here_60d"] == 1.0
    there = last([*before, passage(2, 3 * DAY, "ALT", "entry")], ((at, act),))
    assert there["plate_searched_here_60d"] == 0.0
    assert math.isnan(last(before + movement(2, 90 * DAY), ((at, act),))["plate_searched_here_60d"])


CONTROLS: dict[str, Feature] = {
    "new_driver_for_plate": first_seen(CROSSINGS, ("plate", "driver")),
    "driver_changed": differs(CROSSINGS, "driver_key", "plate"),
    "post_changed": differs(CROSSINGS, "post_key", "plate"),
}


def test_negative_control_compares_a_movement_with_itself() -> None:
    """Asked without direction, a new driver is none, and every arrival has changed its post."""
    control = Plan({n: replace(one, family="links") for n, one in CONTROLS.items()})
    result = last(movement(0, 0) + movement(2, 200 * DAY, driver_ref="d2"), plan=control)
    assert result == {"new_driver_for_plate": 0.0, "driver_changed": 0.0, "post_changed": 1.0}
