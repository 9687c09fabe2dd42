"""Drivers and parties are compared within the domain of their identifiers, and nowhere else."""

from collections.abc import Mapping
from dataclasses import replace
from math import isnan, nan
from typing import Any

import pytest

from engine.domain.network import BorderPost, IdentifierField, Network
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.offline import column_encoder
from features.offline.encoded_history import read_log
from features.offline.feature_matrix import matrix
from tests.unit.features.catalogue.test_mirror_features import make_exit, passage
from tests.unit.features.random_histories import History, tables

NAMES = (
    "mirror_driver_differs", "mirror_consignee_differs", "driver_changed", "new_driver_for_plate",
    "plate_new_drivers_90d", "driver_crossings_365d", "consignee_crossings_365d",
    "carrier_new_drivers_90d", "new_driver_for_carrier", "carrier_crossings_365d",
)  # fmt: skip
PLAN = Plan({name: CATALOGUE[name] for name in NAMES})
Shared = Mapping[IdentifierField, str]


def network(shared: Shared) -> Network:
    posts = (("OYB", "UZ", "FOT"), ("FOT", "TJ", "OYB"), ("SAR", "UZ", None), ("DUS", "TJ", None))
    made = {
        code: BorderPost(code=code, name=code, country=country, pair=pair)
        for code, country, pair in posts
    }
    return Network(made, identifiers=shared)


def last(*passages: Any, shared: Shared | None = None) -> dict[str, float]:
    """Return the features of the last of some passages."""
    found = replace(tables(History(passages, (), ())), network=network(shared or {}))
    values = matrix(read_log(found, PLAN), PLAN).values[-1]
    return dict(zip(PLAN.names, values.tolist(), strict=True))


def journey(there: str, here: str) -> tuple[Any, ...]:
    """Return one vehicle that leaves at FOT and enters at OYB, each with its name of the driver."""
    known = {"plate": "01A123BC", "goods": {}, "carrier_id": "K"}
    return make_exit(1, 0.0, driver_ref=there, **known), passage(2, 5.0, driver_ref=here, **known)


def test_a_driver_under_two_administrations_raises_nothing() -> None:
    seen = last(*journey("their-name", "our-name"))
    assert isnan(seen["mirror_driver_differs"])
    assert seen["driver_crossings_365d"] == 0.0
    assert last(*journey("name", "name"))["driver_crossings_365d"] == 0.0, "not one driver"


def test_a_domain_that_both_share_compares() -> None:
    shared: Shared = {"driver_ref": "KEY"}
    assert last(*journey("one", "another"), shared=shared)["mirror_driver_differs"] == 1.0
    same = last(*journey("name", "name"), shared=shared)
    assert (same["mirror_driver_differs"], same["driver_crossings_365d"]) == (0.0, 1.0)


def entries(*posts_and_drivers: tuple[str, str]) -> list[Any]:
    """Return entries of one vehicle of one carrier."""
    return [
        passage(n, 24.0 * n, post=post, driver_ref=driver, plate="01A123BC", carrier_id="K")
        for n, (post, driver) in enumerate(posts_and_drivers)
    ]


@pytest.mark.parametrize(
    ("before", "changed", "is_first", "new_drivers"),
    [
        ((), nan, 1.0, 0.0),  # a vehicle never seen: as before
        ((("FOT", "theirs"),), nan, nan, 0.0),  # seen where drivers have other names
        ((("SAR", "d1"), ("FOT", "theirs")), 0.0, 0.0, 1.0),  # the last one here counts
        ((("SAR", "d2"), ("FOT", "theirs")), 1.0, 1.0, 1.0),
        ((("SAR", "d1"), ("SAR", "d2"), ("DUS", "x")), 1.0, 0.0, 2.0),
    ],
)
def test_the_vehicles_last_driver_is_that_of_the_same_domain(
    before: tuple[tuple[str, str], ...], changed: float, is_first: float, new_drivers: float
) -> None:
    seen = last(*entries(*before, ("OYB", "d1")))
    found = [seen[n] for n in ("driver_changed", "new_driver_for_plate", "plate_new_drivers_90d")]
    assert found == pytest.approx([changed, is_first, new_drivers], nan_ok=True)


def test_a_carrier_that_all_share_has_no_count_of_drivers_that_they_do_not() -> None:
    rows = entries(("FOT", "theirs"), ("OYB", "d1"), ("OYB", "d1"))
    seen = last(*rows, shared={"carrier_id": "TIR"})
    assert seen["carrier_crossings_365d"] == 2.0
    assert isnan(seen["carrier_new_drivers_90d"])
    assert isnan(seen["new_driver_for_carrier"])
    both = last(*rows, shared={"carrier_id": "TIR", "driver_ref": "KEY"})
    assert (both["carrier_new_drivers_90d"], both["new_driver_for_carrier"]) == (2.0, 0.0)
    own = last(*rows)
    assert (own["carrier_crossings_365d"], own["carrier_new_drivers_90d"]) == (1.0, 1.0)


def test_an_encoder_that_drops_the_domain_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control."""
    monkeypatch.setattr(column_encoder, "qualify", lambda value, *_: value)
    assert last(*journey("name", "name"))["driver_crossings_365d"] == 1.0


def test_posts_of_no_network_are_of_one_administration() -> None:
    rows = entries(("X", "d1"), ("Y", "d2"))
    seen = last(*rows)
    assert (seen["driver_changed"], seen["new_driver_for_plate"]) == (1.0, 1.0)
