"""Statements about the field: public indicators of risk on land routes are features."""

from dataclasses import replace
from math import isnan
from typing import Any

import pytest

from engine.domain.network import BorderPost, Network
from engine.queue.mirror_alerts import differences
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.offline.encoded_history import read_log
from features.offline.feature_matrix import matrix
from tests.unit.features.catalogue.test_mirror_features import make_exit, passage
from tests.unit.features.random_histories import History, tables

NAMES = (
    "mirror_seals_differ", "mirror_trailer_differs", "mirror_mass_ratio", "mirror_was_empty",
    "mirror_goods_differ", "vin_changed", "new_driver_for_plate", "plate_crossings_365d",
    "plate_days_since", "post_changed", "mass_over_usual", "empty_but_declared", "is_empty",
    "carrier_beside_30min",
)  # fmt: skip
PLAN = Plan({name: CATALOGUE[name] for name in NAMES})
NETWORK = Network(
    {
        code: BorderPost(code=code, name=code, country=code[:2], administration="one", pair=pair)
        for code, pair in (("OYB", "FOT"), ("FOT", "OYB"), ("SAR", None))
    }
)
PLATE = {"plate": "01A123BC"}


def last(*passages: Any) -> dict[str, float]:
    """Return the features of the last passage."""
    found = replace(tables(History(passages, (), ())), network=NETWORK)
    values = matrix(read_log(found, PLAN), PLAN).values[-1]
    return dict(zip(PLAN.names, values.tolist(), strict=True))


SEALS: dict[str, Any] = {"seal_numbers": ("S1",)}
TRAILER, VIN, DRIVER = {"trailer_plate": "T1"}, {"vin": "1M8GDM9AXKP042788"}, {"driver_ref": "d1"}
SINCE_EXIT: dict[str, Any] = {
    "a_seal_changed_since_exit_shows": (
        "mirror_seals_differ", (SEALS, {"seal_numbers": ("S2",)}, 1.0), (SEALS, SEALS, 0.0),
    ),
    "a_trailer_swapped_since_exit_shows": (
        "mirror_trailer_differs",
        (TRAILER, {"trailer_plate": "T2"}, 1.0), (TRAILER, {"trailer_plate": "т-1"}, 0.0),
    ),
    "a_mass_unlike_the_exit_record_shows": (
        "mirror_mass_ratio", ({"weighed_mass_kg": 10_000.0}, {"weighed_mass_kg": 12_000.0}, 1.2),
    ),
    "a_vehicle_that_left_empty_and_came_laden_shows": (
        "mirror_was_empty", ({"is_empty": True}, {"is_empty": False}, 1.0),
    ),
    "goods_that_changed_on_the_way_show": (
        "mirror_goods_differ",
        ({"goods": {"hs_code": "070190"}}, {"goods": {"hs_code": "340510"}}, 1.0),
    ),
}  # fmt: skip
"""By statement: a feature, and its value for what the exit and the entry state."""
SINCE_ENTRY: dict[str, Any] = {
    "a_plate_with_another_vin_shows": (
        "vin_changed", (VIN, {"vin": "1M8GDM9AXKP042789"}, 1.0), (VIN, VIN, 0.0),
    ),
    "a_new_driver_of_a_known_vehicle_shows": (
        "new_driver_for_plate", (DRIVER, {"driver_ref": "d2"}, 1.0), (DRIVER, DRIVER, 0.0),
    ),
    "a_vehicle_that_switches_its_post_shows": (
        "post_changed", ({"post": "SAR"}, {}, 1.0), ({}, {}, 0.0),
    ),
    "a_mass_unlike_the_vehicles_own_shows": (
        "mass_over_usual", ({"weighed_mass_kg": 10_000.0}, {"weighed_mass_kg": 13_000.0}, 1.3),
    ),
}  # fmt: skip
"""The same, for what its entry of thirty days before and this one state."""


@pytest.mark.parametrize("statement", SINCE_EXIT)
def test_what_differs_from_the_exit(statement: str) -> None:
    name, *journeys = SINCE_EXIT[statement]
    for there, here, value in journeys:
        seen = last(make_exit(1, 0.0, **PLATE, **there), passage(2, 5.0, **PLATE, **here))
        assert seen[name] == pytest.approx(value)


@pytest.mark.parametrize("statement", SINCE_ENTRY)
def test_what_differs_from_the_entry_before(statement: str) -> None:
    name, *journeys = SINCE_ENTRY[statement]
    for before, now, value in journeys:
        seen = last(passage(1, 0.0, **PLATE | before), passage(2, 720.0, **PLATE | now))
        assert seen[name] == pytest.approx(value)


def test_an_empty_vehicle_with_a_declaration_shows() -> None:
    seen = last(passage(1, 0.0, **PLATE, is_empty=True, goods={"hs_code": "07"}))
    assert (seen["empty_but_declared"], seen["is_empty"]) == (1.0, 1.0)


def test_a_first_crossing_and_a_long_gap_show() -> None:
    first = passage(1, 0.0, **PLATE)
    seen = last(first)
    assert seen["plate_crossings_365d"] == 0.0 and isnan(seen["plate_days_since"])
    assert last(first, passage(2, 720.0, **PLATE))["plate_days_since"] == pytest.approx(30.0)


def test_another_vehicle_of_the_carrier_minutes_ahead_shows() -> None:
    ahead = passage(1, 0.0, plate="01B999BB", carrier_id="K")
    near, far = (
        last(ahead, passage(2, hours, **PLATE, carrier_id="K"))["carrier_beside_30min"]
        for hours in (0.3, 0.7)
    )
    assert (near, far) == (1.0, 0.0)


def test_two_scales_that_differ_by_a_few_per_cent_raise_no_alert() -> None:
    ours = {"weighed_mass_kg": 20_000.0}
    assert differences(ours, {"weighed_mass_kg": 20_400.0}) == []
    (alert,) = differences(ours, {"weighed_mass_kg": 26_000.0})
    assert alert["code"] == "mass"


def test_what_one_record_lacks_is_no_difference() -> None:
    whole = {"weighed_mass_kg": 1.0, "plate": "A", "driver_ref": "d", "seal_numbers": ["S"]}
    assert differences(whole, {}) == differences({}, whole) == []
