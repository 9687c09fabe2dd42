"""Party, route and quantity of a declared precursor are compared with what was known before."""

from collections.abc import Mapping
from dataclasses import replace
from math import isnan
from typing import Any

import pytest

from engine.domain import precursors
from engine.domain.precursors import Precursor
from engine.domain.records import Crossing, Declaration
from engine.domain.time_units import DAY, micros, moment
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.plan import Plan
from features.offline.encoded_history import read_log
from features.offline.feature_matrix import matrix
from tests.unit.features.random_histories import START, History, tables

PLAN = Plan({name: one for name, one in CATALOGUE.items() if "precursor" in name})
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
    found = matrix(read_log(tables(History([*regular, *last], [], [])), PLAN), PLAN)
    rows = found.values[-len(last) :].tolist()
    return [dict(zip(PLAN.names, row, strict=True)) for row in rows]


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


def test_toluene_of_the_regular_importer_is_nothing_new() -> None:
    (found,) = feature_values(consign(WEEKS, "290230", 1_100.0))
    assert (found["declares_precursor"], found["declares_table_1_precursor"]) == (1.0, 0.0)
    for name in ("consignee_precursor_new", "consignor_precursor_new", "precursor_route_new"):
        assert found[name] == 0.0
    assert found["precursor_post_share"] == 1.0
    for name in ("precursor_kg_over_usual", "precursor_kg_over_usual_of_consignee"):
        assert found[name] == pytest.approx(1.1)


def test_an_unusual_quantity_or_route_of_the_same_importer_shows() -> None:
    (found,) = feature_values(consign(WEEKS, "290230", 20_000.0, dispatch_country="TR"))
    assert found["precursor_kg_over_usual_of_consignee"] == pytest.approx(20.0)
    assert (found["precursor_route_new"], found["consignee_precursor_new"]) == (1.0, 0.0)


def test_a_neighbour_in_the_nomenclature_is_one_once_it_is_no_precursor() -> None:
    (found,) = feature_values(consign(WEEKS, "290220", 1_000.0))  # benzene
    assert (found["near_precursor"], found["declares_precursor"]) == (1.0, 0.0)
    assert found["consignee_near_precursor_new"] == 1.0
    assert isnan(found["consignee_precursor_new"])


def test_a_record_known_at_the_same_time_or_later_is_not_seen() -> None:
    day = 7 * WEEKS
    first, same, later = feature_values(
        consign(WEEKS, "291524", 10.0),
        consign(WEEKS + 1, "291524", 10.0, day=day),
        consign(WEEKS + 2, "291524", 10.0, day=day + 1),
    )
    news = [one["consignee_precursor_new"] for one in (first, same, later)]
    assert news == [1.0, 1.0, 0.0]


def test_without_a_declaration_nothing_is_known() -> None:
    time, crossing, _ = consign(WEEKS, "291524", 10.0)
    bare = crossing.model_copy(update={"declaration_id": None})
    found = matrix(read_log(tables(History([(time, bare, None)], [], [])), PLAN), PLAN)
    assert all(map(isnan, found.values[0].tolist()))


def test_the_statements_fail_where_headings_are_matched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: benzene would be toluene if four digits were enough."""
    known = {
        code[:4]: replace(one, hs_code=code[:4]) for code, one in precursors.PRECURSORS.items()
    }

    def by_heading(hs_code: str) -> Precursor | None:
        return known.get(hs_code[:4])

    assert by_heading("290220") is not None
    monkeypatch.setattr(precursors, "precursor_of", by_heading)
    monkeypatch.setattr("features.catalogue.encoder.PRECURSORS", known)
    (found,) = feature_values(consign(WEEKS, "290220", 1_000.0))
    assert (found["near_precursor"], found["declares_precursor"]) == (0.0, 1.0)
