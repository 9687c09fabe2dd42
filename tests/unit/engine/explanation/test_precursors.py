"""A declared precursor is named as a fact, and what is unusual of it comes first among reasons."""

import math
from typing import Any

import pytest

from engine.domain.precursors import PRECURSORS, main_precursor, neighbour_heading, precursor_of
from engine.domain.records import Arrival
from engine.explanation import reasons
from engine.explanation.facts import facts
from engine.explanation.reasons import Reason, add_precursor_reason

MODEL = Reason("night", "It came at night.", "night", "", 0.4, "night")
REGULAR = {
    "consignee_precursor_new": 0.0,
    "consignor_precursor_new": 0.0,
    "precursor_route_new": 0.0,
    "precursor_kg_over_usual": 1.1,
    "precursor_kg_over_usual_of_consignee": math.nan,
}


def declare(*codes: str, **more: Any) -> Arrival:
    crossing = {
        "crossing_id": "c",
        "post": "OYB",
        "direction": "entry",
        "arrived_at": "2026-03-01T10:00:00Z",
        "vehicle_class": "truck",
        "declaration_id": "d",
    }
    items = [{"item_no": at, "hs_code": code} | more for at, code in enumerate(codes, 1)]
    declaration = {"declaration_id": "d", "procedure": "import", "items": items}
    return Arrival.model_validate({"crossing": crossing, "declaration": declaration}, strict=False)


def list_reasons(arrival: Arrival, features: dict[str, float]) -> list[tuple[str, str]]:
    found = add_precursor_reason([MODEL], arrival, features)
    return [(reason.code, reason.text) for reason in found]


def test_acetic_anhydride_from_a_first_time_consignee_says_so() -> None:
    arrival = declare("070190", "2915240000")
    (fact,) = [one for one in facts(arrival, {}) if "HS 29" in one.text]
    assert fact.code == fact.message == "precursor_declared"
    assert fact.text == (
        "Declares acetic anhydride (HS 291524), a precursor under international control, Table I."
    )
    first, second = list_reasons(arrival, REGULAR | {"consignee_precursor_new": 1.0})
    assert second[0] == MODEL.code
    assert first[1] == (
        "Declares acetic anhydride, a precursor under international control (Table I): the first "
        "of it for this consignee in this direction."
    )


def test_the_statement_fails_where_nothing_is_unusual_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Negative control: without its signs the anhydride would stand behind the model's reasons."""
    monkeypatch.setattr(reasons, "unusual_signs", lambda _: [])
    found = list_reasons(declare("291524"), REGULAR | {"consignee_precursor_new": 1.0})
    assert found[0][0] == MODEL.code


def test_toluene_of_a_regular_importer_on_its_usual_route_does_not_come_first() -> None:
    found = list_reasons(declare("290230"), REGULAR)
    assert [code for code, _ in found] == [MODEL.code, "precursor_declared"]
    assert "toluene" in found[1][1]
    assert "nothing unusual" in found[1][1]


@pytest.mark.parametrize(
    ("feature", "value", "words"),
    [
        ("consignor_precursor_new", 1.0, "from this consignor"),
        ("precursor_route_new", 1.0, "on this route"),
        ("precursor_kg_over_usual", 3.0, "much more"),
        ("precursor_kg_over_usual_of_consignee", 8.0, "much more"),
    ],
)
def test_each_sign_comes_first(feature: str, value: float, words: str) -> None:
    first, _ = list_reasons(declare("290230"), REGULAR | {feature: value})
    assert first[0] == "precursor_declared"
    assert words in first[1]
    assert list_reasons(declare("290230"), REGULAR | {feature: math.nan})[0][0] == MODEL.code


def test_other_goods_say_nothing() -> None:
    arrival = declare("291521", "2915")
    assert list_reasons(arrival, dict.fromkeys(REGULAR, 1.0)) == [(MODEL.code, MODEL.text)]
    assert all(one.code != "precursor_declared" for one in facts(arrival, {}))


def test_the_strictest_substance_speaks_for_a_declaration() -> None:
    declaration = declare("290230", "291411", "293941", "291524", net_mass_kg=5.0).declaration
    assert declaration is not None
    found = main_precursor(declaration.items)
    assert found is not None
    assert found[0].name == "ephedrine"  # Table I, as heavy as the next and declared before it


def test_neighbours_share_the_heading_and_are_no_precursors() -> None:
    assert neighbour_heading("291521") == neighbour_heading("2915") == "2915"
    assert neighbour_heading("291524") is None
    assert neighbour_heading("070190") is neighbour_heading("29") is None


def test_the_list_has_substances_of_both_tables() -> None:
    assert {one.table for one in PRECURSORS.values()} == {1, 2}
    assert all(len(code) == 6 and code.isdigit() for code in PRECURSORS)
    assert [PRECURSORS[c].table for c in ("291524", "284161", "290230", "280610")] == [1, 1, 2, 2]
    assert precursor_of("29152400") is PRECURSORS["291524"]
    assert precursor_of("2915") is None
