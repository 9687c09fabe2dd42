"""Features of the declaration: its optional fields, and declared precursors."""

from collections.abc import Mapping
from math import isnan
from typing import Any

import pytest

from engine.domain.records import Crossing, Declaration
from engine.domain.time_units import DAY, micros, moment
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.offline.encoded_history import read_log
from features.offline.feature_matrix import matrix
from tests.unit.features.random_histories import START, History, tables

NAMES = (
    "invoice_over_value", "invoice_over_usual", "invoice_over_usual_of_consignee",
    "route_countries", "undeclared_countries", "path_share", "office_share",
    "post_share_of_office", "package_kind_share", "previous_type_share",
    "package_kind_hit_rate", "previous_documents",
)  # fmt: skip
OPTIONAL_PLAN = Plan({name: CATALOGUE[name] for name in NAMES})
USUAL: dict[str, Any] = {
    "dispatch_country": "CN",
    "destination_country": "UZ",
    "consignee_id": "regular",
    "invoice_value": 7_000.0,
    "invoice_currency": "CNY",
    "office_of_entry": "UZ26004",
    "route_countries": ["KZ"],
    "previous_documents": ["N821:26CN1"],
}


def declare(
    day: int, *, post: str = "OYB", package: str | None = "CT", **head: Any
) -> tuple[int, Crossing, Declaration]:
    number = f"{day}-{post}"
    item = {"item_no": 1, "hs_code": "640399", "customs_value_usd": 1_000.0, "net_mass_kg": 50.0}
    declaration = Declaration.model_validate(
        {"declaration_id": f"d{number}", "procedure": "import"}
        | USUAL
        | head
        | {"items": [item | {"package_kind": package}]},
        strict=False,
    )
    crossing = Crossing(
        crossing_id=f"c{number}",
        post=post,
        direction="entry",
        arrived_at=moment(START + day * DAY),
        vehicle_class="truck",
        declaration_id=f"d{number}",
    )
    return micros(crossing.known_at), crossing, declaration


def last_features(*last: tuple[int, Crossing, Declaration]) -> Mapping[str, float]:
    """Return the features of the last of these, after nine usual declarations."""
    rows = [*(declare(day) for day in range(9)), *last]
    found = matrix(read_log(tables(History(rows, [], [])), OPTIONAL_PLAN), OPTIONAL_PLAN)
    return dict(zip(OPTIONAL_PLAN.names, found.values[-1].tolist(), strict=True))


def near(value: float) -> Any:
    return pytest.approx(value, rel=1e-6)


def test_what_is_usual_is_not_conspicuous() -> None:
    found = last_features(declare(20))
    assert {name for name, value in found.items() if value == near(1.0)} >= {
        "invoice_over_usual", "invoice_over_usual_of_consignee", "path_share", "office_share",
        "post_share_of_office", "package_kind_share", "previous_type_share",
    }  # fmt: skip


def test_an_invoice_is_compared_in_its_own_currency_and_no_rate_is_guessed() -> None:
    found = last_features(declare(20, invoice_value=21_000.0))
    assert found["invoice_over_usual"] == near(3.0)
    assert isnan(found["invoice_over_value"])  # yuan, and the value is in dollars
    dollars = last_features(declare(20, invoice_value=1_250.0, invoice_currency="USD"))
    assert dollars["invoice_over_value"] == near(1.25)
    assert isnan(dollars["invoice_over_usual"])  # the first in dollars: nothing is usual
    for nothing in ({"invoice_value": None}, {"invoice_currency": None}, {"invoice_value": 0.0}):
        found = last_features(declare(20, **nothing))
        assert isnan(found["invoice_over_usual"]) and isnan(found["invoice_over_value"])


def test_a_path_that_leaves_out_this_line_or_is_new_is_seen() -> None:
    found = last_features(declare(20, route_countries=["AF", "TM"]))
    assert found["path_share"] == 0.0
    # OYB in Uzbekistan faces FOT in Tajikistan, which neither the path nor its ends name.
    assert found["undeclared_countries"] == 1.0
    named = last_features(declare(20, route_countries=["KZ", "TJ"]))
    assert (named["undeclared_countries"], named["route_countries"]) == (0.0, 2.0)
    silent = last_features(declare(20, route_countries=[]))
    assert all(
        isnan(silent[name]) for name in ("path_share", "undeclared_countries", "route_countries")
    )


def test_another_office_or_another_post_than_usual_is_seen() -> None:
    other = last_features(declare(20, office_of_entry="UZ26099"))
    assert other["office_share"] == 0.0 and isnan(other["post_share_of_office"])
    elsewhere = last_features(declare(20, post="FOT"))
    assert (elsewhere["post_share_of_office"], elsewhere["office_share"]) == (0.0, 1.0)
    assert isnan(last_features(declare(20, office_of_entry=None))["office_share"])


def test_an_unusual_package_and_a_missing_previous_document_are_seen() -> None:
    found = last_features(declare(20, package="DR", previous_documents=[]))
    assert (found["package_kind_share"], found["previous_type_share"]) == (0.0, 0.0)
    assert found["previous_documents"] == 0.0
    same_type = last_features(declare(20, previous_documents=["N821:other"]))
    assert same_type["previous_type_share"] == 1.0
    assert isnan(last_features(declare(20, package=None))["package_kind_share"])


def test_senders_that_never_name_a_thing_do_not_make_it_rare() -> None:
    silent = [
        declare(day, office_of_entry=None, route_countries=[], package=None) for day in (9, 10)
    ]
    found = last_features(*silent, declare(20))
    assert [found[name] for name in ("path_share", "office_share", "package_kind_share")] == [
        1.0
    ] * 3


PRECURSOR_PLAN = Plan({name: one for name, one in CATALOGUE.items() if "precursor" in name})
WEEKS = 10


def consign(
    number: int, hs_code: str, kg: float, *, day: int | None = None, **head: Any
) -> tuple[int, Crossing, Declaration]:
    """Return an entry with two goods items, by default those of the regular importer of toluene."""
    known = {"consignee_id": "regular", "consignor_id": "plant"}
    route = {"dispatch_country": "CN", "destination_country": "UZ"}
    items = [
        {"item_no": 1, "hs_code": "070190", "customs_value_usd": 90_000.0, "net_mass_kg": 5.0},
        {"item_no": 2, "hs_code": hs_code, "customs_value_usd": 50.0, "net_mass_kg": kg},
    ]
    declaration = Declaration.model_validate(
        {"declaration_id": f"d{number}", "procedure": "import", "items": items}
        | known | route | head,
        strict=False,
    )  # fmt: skip
    crossing = Crossing(
        crossing_id=f"c{number}",
        post="OYB",
        direction="entry",
        arrived_at=moment(START + (7 * number if day is None else day) * DAY),
        vehicle_class="truck",
        declaration_id=f"d{number}",
    )
    return micros(crossing.known_at), crossing, declaration


def feature_values(*last: tuple[int, Crossing, Declaration]) -> list[Mapping[str, float]]:
    """Return the features of crossings after ten regular consignments of 1,000 kg of toluene."""
    regular = [consign(week, "2902300000", 1_000.0) for week in range(WEEKS)]
    found = matrix(
        read_log(tables(History([*regular, *last], [], [])), PRECURSOR_PLAN), PRECURSOR_PLAN
    )
    rows = found.values[-len(last) :].tolist()
    return [dict(zip(PRECURSOR_PLAN.names, row, strict=True)) for row in rows]


def test_acetic_anhydride_of_a_first_time_consignee_is_new_in_every_way() -> None:
    new: dict[str, Any] = {
        "consignee_id": "first",
        "consignor_id": "trader",
        "dispatch_country": "TR",
    }
    (found,) = feature_values(consign(WEEKS, "291524", 900.0, **new))
    for name in ("declares_precursor", "declares_table_1_precursor", "precursor_route_new"):
        assert found[name] == 1.0
    assert found["consignee_precursor_new"] == found["consignor_precursor_new"] == 1.0
    assert isnan(found["precursor_kg_over_usual"])  # nothing is usual of it yet
