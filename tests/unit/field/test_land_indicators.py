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


def travel(there: dict[str, Any], here: dict[str, Any]) -> dict[str, float]:
    """Return the features of a vehicle that left at Fotehobod and enters at Oybek."""
    return last(make_exit(1, 0.0, **PLATE, **there), passage(2, 5.0, **PLATE, **here))


def come_again(before: dict[str, Any], now: dict[str, Any]) -> dict[str, float]:
    """Return the features of a vehicle that entered thirty days before."""
    return last(passage(1, 0.0, **PLATE | before), passage(2, 720.0, **PLATE | now))


def test_a_seal_changed_since_exit_shows() -> None:
    seals: dict[str, Any] = {"seal_numbers": ("S1",)}
    assert travel(seals, {"seal_numbers": ("S2",)})["mirror_seals_differ"] == 1.0
    assert travel(seals, seals)["mirror_seals_differ"] == 0.0


def test_a_trailer_swapped_since_exit_shows() -> None:
    trailer = {"trailer_plate": "T1"}
    assert travel(trailer, {"trailer_plate": "T2"})["mirror_trailer_differs"] == 1.0
    assert travel(trailer, {"trailer_plate": "т-1"})["mirror_trailer_differs"] == 0.0


def test_a_mass_unlike_the_exit_record_shows() -> None:
    seen = travel({"weighed_mass_kg": 10_000.0}, {"weighed_mass_kg": 12_000.0})
    assert seen["mirror_mass_ratio"] == pytest.approx(1.2)


def test_a_vehicle_that_left_empty_and_came_laden_shows() -> None:
    seen = travel({"is_empty": True}, {"is_empty": False})
    assert (seen["mirror_was_empty"], seen["is_empty"]) == (1.0, 0.0)


def test_goods_that_changed_on_the_way_show() -> None:
    seen = travel({"goods": {"hs_code": "070190"}}, {"goods": {"hs_code": "340510"}})
    assert seen["mirror_goods_differ"] == 1.0


def test_an_empty_vehicle_with_a_declaration_shows() -> None:
    seen = last(passage(1, 0.0, **PLATE, is_empty=True, goods={"hs_code": "07"}))
    assert seen["empty_but_declared"] == 1.0


def test_a_plate_with_another_vin_shows() -> None:
    vin = {"vin": "1M8GDM9AXKP042788"}
    assert come_again(vin, {"vin": "1M8GDM9AXKP042789"})["vin_changed"] == 1.0
    assert come_again(vin, vin)["vin_changed"] == 0.0


def test_a_new_driver_of_a_known_vehicle_shows() -> None:
    driver = {"driver_ref": "d1"}
    assert come_again(driver, {"driver_ref": "d2"})["new_driver_for_plate"] == 1.0
    assert come_again(driver, driver)["new_driver_for_plate"] == 0.0


def test_a_first_crossing_and_a_long_gap_show() -> None:
    first = last(passage(1, 0.0, **PLATE))
    assert first["plate_crossings_365d"] == 0.0 and isnan(first["plate_days_since"])
    assert come_again({}, {})["plate_days_since"] == pytest.approx(30.0)


def test_a_vehicle_that_switches_its_post_shows() -> None:
    assert come_again({"post": "SAR"}, {})["post_changed"] == 1.0
    assert come_again({}, {})["post_changed"] == 0.0


def test_a_mass_unlike_the_vehicles_own_shows() -> None:
    seen = come_again({"weighed_mass_kg": 10_000.0}, {"weighed_mass_kg": 13_000.0})
    assert seen["mass_over_usual"] == pytest.approx(1.3)


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
