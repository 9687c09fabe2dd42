"""Party, route and quantity of a declared precursor are compared with what was known before."""

from collections.abc import Mapping
from math import isnan
from typing import Any

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
