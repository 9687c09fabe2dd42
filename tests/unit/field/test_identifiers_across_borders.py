"""Statements about the field: what identifiers mean at two administrations, and what plates say."""

from collections.abc import Mapping
from dataclasses import replace
from math import isnan, nan
from typing import Any

import pytest

from engine.domain.identifiers import container_is_valid, fold, skeleton, vin_is_valid
from engine.domain.network import BorderPost, IdentifierField, Network
from engine.domain.records import Arrival
from engine.explanation.facts import data_gaps
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.encoder import encode
from features.catalogue.plan import Plan
from features.offline.encoded_history import read_log
from features.offline.feature_matrix import matrix
from tests.unit.features.catalogue.test_mirror_features import line, make_exit, passage
from tests.unit.features.random_histories import History, tables

NAMES = (
    "mirror_driver_differs", "mirror_consignee_differs", "mirror_days", "mirror_mass_ratio",
    "driver_crossings_365d", "consignee_crossings_365d", "transit_share",
)  # fmt: skip
PLAN = Plan({name: CATALOGUE[name] for name in NAMES})
POSTS = {
    code: BorderPost(code=code, name=name, country=country, pair=pair)
    for code, name, country, pair in (
        ("OYB", "Oybek", "UZ", "FOT"),
        ("FOT", "Fotehobod", "TJ", "OYB"),
    )
}
PLATE = {"plate": "01A123BC"}
Shared = Mapping[IdentifierField, str]


def last(*passages: Any, shared: Shared | None = None) -> dict[str, float]:
    """Return the features of the last passage."""
    network = Network(POSTS, identifiers=shared or {})
    found = replace(tables(History(passages, (), ())), network=network)
    values = matrix(read_log(found, PLAN), PLAN).values[-1]
    return dict(zip(PLAN.names, values.tolist(), strict=True))


def compare_drivers(there: str, here: str, shared: Shared) -> dict[str, float]:
    """Return the features of a vehicle whose driver has a name at each of two posts."""
    return last(
        make_exit(1, 0.0, driver_ref=there, **PLATE),
        passage(2, 5.0, driver_ref=here, **PLATE),
        shared=shared,
    )


def compare_consignees(there: str, here: str, shared: Shared) -> dict[str, float]:
    """Return the features of a vehicle whose consignee has a number at each of two posts."""
    journey = [make_exit(1, 0.0, goods={}, cmr_number="C-1"), passage(2, 5.0, cmr_number="C-1")]
    numbered = [
        (at, crossing, declared and declared.model_copy(update={"consignee_id": number}))
        for (at, crossing, declared), number in zip(journey, (there, here), strict=True)
    ]
    return last(*numbered, shared=shared)


def arrive(**crossing: Any) -> Arrival:
    """Return an arrival as a checkpoint sends it."""
    known = {
        "crossing_id": "c",
        "post": "OYB",
        "direction": "entry",
        "arrived_at": "2026-03-01T16:30:00Z",
        "vehicle_class": "truck",
    }
    return Arrival.model_validate({"crossing": known | crossing}, strict=False)


DRIVERS: Shared = {"driver_ref": "KEY"}
TRADERS: Shared = {"consignee_id": "EORI"}
COMPARED: Mapping[str, tuple[str, str, str, Shared, float, float]] = {
    "a_driver_of_two_administrations_raises_nothing": ("driver", "one", "two", {}, nan, 0.0),
    "equal_pseudonyms_of_two_keys_are_two_drivers": ("driver", "one", "one", {}, nan, 0.0),
    "a_driver_of_a_shared_key_is_compared": ("driver", "one", "two", DRIVERS, 1.0, 0.0),
    "a_driver_of_a_shared_key_is_known": ("driver", "one", "one", DRIVERS, 0.0, 1.0),
    "a_traders_number_of_two_administrations_raises_nothing": (
        "consignee", "123", "987", {}, nan, 0.0,
    ),
    "equal_numbers_of_two_registers_are_two_traders": ("consignee", "123", "123", {}, nan, 0.0),
    "a_traders_number_of_a_shared_register_is_compared": (
        "consignee", "123", "987", TRADERS, 1.0, 0.0,
    ),
    "a_trader_of_a_shared_register_is_known": ("consignee", "123", "123", TRADERS, 0.0, 1.0),
}  # fmt: skip
"""By statement: who has which name at each post, what is shared; a difference, earlier visits."""


@pytest.mark.parametrize("statement", COMPARED)
def test_a_name_of_two_posts(statement: str) -> None:
    who, there, here, shared, differs, crossings = COMPARED[statement]
    compare = compare_drivers if who == "driver" else compare_consignees
    seen = compare(there, here, shared)
    assert not isnan(seen["mirror_days"])
    assert seen[f"mirror_{who}_differs"] == pytest.approx(differs, nan_ok=True)
    assert seen[f"{who}_crossings_365d"] == crossings


def test_a_plate_is_common_to_all_administrations() -> None:
    seen = compare_drivers("a", "b", {})
    assert seen["mirror_days"] == pytest.approx(5 / 24)


def test_cyrillic_and_latin_letters_are_one_plate() -> None:
    cyrillic, latin = "АВЕКМНОРСТУХ", "ABEKMHOPCTYX"
    assert fold(cyrillic) == fold(latin) == latin
    assert fold("01 а-123 вс") == fold("01A123BC") == "01A123BC"


def test_the_raw_reading_of_a_plate_is_kept() -> None:
    assert arrive(plate="01 а 123 вс").crossing.plate == "01 а 123 вс"


def test_a_watch_list_forgives_what_plate_readers_confuse() -> None:
    assert skeleton(fold("O1S777BC")) == skeleton(fold("015777BC"))
    assert fold("O1S777BC") != fold("015777BC"), "counters keep them apart"


@pytest.mark.parametrize("plate", ["01A123BC", "01123ABC", "123ABC01", "01KG123ABC", "1234AB01"])
def test_plates_of_each_country_keep_their_characters(plate: str) -> None:
    assert fold(plate) == plate
    assert arrive(plate=plate.lower()).crossing.plate == plate.lower()


def test_a_container_that_fails_its_check_digit_is_a_signal() -> None:
    assert container_is_valid("CSQU3054383") and not container_is_valid("CSQU3054384")
    wrong = arrive(container_numbers=["CSQU3054384"])
    assert encode(wrong.crossing, None, Network(POSTS))[1]["bad_container"] == 1.0
    assert "container_check_digit" in data_gaps(wrong, {})
    right = arrive(container_numbers=["CSQU 305438-3"])
    assert encode(right.crossing, None, Network(POSTS))[1]["bad_container"] == 0.0


def test_a_vin_that_fails_its_check_digit_is_a_signal() -> None:
    assert vin_is_valid("1M8GDM9AXKP042788") and not vin_is_valid("1M8GDM9AXKP042789")
    wrong = arrive(vin="1M8GDM9AXKP042789")
    assert encode(wrong.crossing, None, Network(POSTS))[1]["bad_vin"] == 1.0


def test_a_vehicle_without_a_plate_is_a_gap() -> None:
    assert {"no_plate", "no_driver_ref", "not_weighed"} <= set(data_gaps(arrive(), {}))


def test_an_absent_exit_record_is_no_difference() -> None:
    seen = last(passage(1, 5.0, weighed_mass_kg=9_000.0, driver_ref="d", **PLATE))
    differences = ("mirror_days", "mirror_mass_ratio", "mirror_driver_differs", "transit_share")
    assert all(isnan(seen[name]) for name in differences)
    assert "no_mirror_record" in data_gaps(arrive(), seen)


def test_a_post_whose_pair_reports_elsewhere_waits_for_no_record() -> None:
    alat = BorderPost(code="ALA", name="Alat", country="UZ", pair="FAR")
    network = Network({"ALA": alat})
    assert network.pair("ALA") is None
    assert not network.are_comparable("driver_ref", "ALA", network.pair("ALA"))


def test_an_unusual_transit_time_stands_out() -> None:
    shares = [
        last(
            *sorted(line(4.0), key=lambda each: (each[0], each[1].crossing_id)),
            make_exit(900, 410.0, plate="X"),
            passage(901, 410.0 + hours, plate="X"),
        )["transit_share"]
        for hours in (0.5, 4.0, 5.9)
    ]
    assert shares[0] < 0.1 < shares[1] < 0.9 < shares[2]
