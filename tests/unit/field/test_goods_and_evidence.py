"""Statements about the field: what goods say, what an act proves, and what no record holds."""

from itertools import chain
from math import nan
from typing import Any

import pytest
from pydantic import ValidationError

from engine.domain.goods import PRECURSORS, neighbour_heading, precursor_of
from engine.domain.network import Network, SeverityBand, TakenAmount, weigh_find
from engine.domain.records import (
    Arrival,
    Crossing,
    Declaration,
    GoodsItem,
    Inspection,
    Record,
    Seizure,
)
from engine.explanation.facts import data_gaps, facts
from engine.explanation.reasons import Reason, add_precursor_reason
from engine.selection import (
    COUNTERPART,
    PAPERS,
    RANDOM,
    RANDOM_PAPERS,
    SCORE,
    Chance,
    Channel,
    Levels,
    Policy,
    propensity,
    random_chances,
    score_chances,
    select,
)
from features.catalogue.encoder import encode
from models.statistics.intervals import clopper_pearson, share
from tests.unit.field.broken_statements import list_broken

TABLE_I = (
    "291524", "291431", "291634", "292423", "292640", "293291", "293292", "293293", "293294",
    "293941", "293942", "293944", "293961", "293962", "293963", "284161",
)  # fmt: skip
TABLE_II = ("291411", "291412", "290911", "280610", "280700", "290230", "292243", "293332")
MODEL = Reason("night", "It came at night.", "night", "", 0.4, "night")
REGULAR = {
    "consignee_precursor_new": 0.0,
    "consignor_precursor_new": 0.0,
    "precursor_route_new": 0.0,
    "precursor_kg_over_usual": 1.0,
    "precursor_kg_over_usual_of_consignee": nan,
}
PERSONAL = (
    "nationality", "citizenship", "ethnic", "religion", "sex", "gender", "age", "birth", "passport",
    "race", "surname", "first_name",
)  # fmt: skip
WEIGHED = Network(
    severity={"narcotic": 10.0, "other": 2.0},
    severity_bands=(SeverityBand(substance_class="narcotic", from_g=1_000.0, weight=40.0),),
)
"""A narcotic weighs 10 discrepancies, and 40 from a kilogram on."""
RECORDS: tuple[type[Record], ...] = (Crossing, Declaration, GoodsItem, Inspection, Seizure)


def declare(*codes: str, **crossing: Any) -> Arrival:
    """Return an arrival that declares goods of these HS codes."""
    known = {
        "crossing_id": "c",
        "post": "OYB",
        "direction": "entry",
        "arrived_at": "2026-03-01T10:00:00Z",
        "vehicle_class": "truck",
        "declaration_id": "d",
    }
    items = [{"item_no": at, "hs_code": code} for at, code in enumerate(codes, 1)]
    declared = {"declaration_id": "d", "procedure": "import", "items": items}
    body = {"crossing": known | crossing, "declaration": declared}
    return Arrival.model_validate(body, strict=False)


def explain(arrival: Arrival, features: dict[str, float]) -> list[str]:
    """Return the texts of the reasons of an arrival, one of which the model gave."""
    found = add_precursor_reason([MODEL], arrival, features)
    return [reason.text for reason in found]


def inspect(outcome: str, *methods: str) -> Inspection:
    """Return an act."""
    return Inspection.model_validate(
        {
            "inspection_id": "i",
            "crossing_id": "c",
            "recorded_at": "2026-03-01T10:00:00Z",
            "methods": list(methods),
            "outcome": outcome,
            "basis": "random",
        },
        strict=False,
    )


def test_every_listed_precursor_is_known_with_its_table() -> None:
    assert {code: one.table for code, one in PRECURSORS.items()} == {
        **dict.fromkeys(TABLE_I, 1),
        **dict.fromkeys(TABLE_II, 2),
    }
    assert all(one.name for one in PRECURSORS.values())


def test_a_national_code_declares_the_same_precursor() -> None:
    assert precursor_of("2915240000") is PRECURSORS["291524"]


def test_a_heading_alone_declares_no_precursor_and_is_a_neighbour() -> None:
    assert precursor_of("2915") is None
    assert neighbour_heading("2915") == neighbour_heading("291521") == "2915"


def test_acetic_anhydride_is_a_fact() -> None:
    texts = [fact.text for fact in facts(declare("291524"), {})]
    assert any(
        "acetic anhydride" in text and "a controlled precursor (Table I)." in text for text in texts
    )


def test_acetic_anhydride_of_a_new_consignee_comes_first() -> None:
    first, *_ = explain(declare("291524"), REGULAR | {"consignee_precursor_new": 1.0})
    assert "acetic anhydride" in first and "first for this consignee" in first


def test_acetic_anhydride_of_a_regular_consignee_comes_last() -> None:
    first, last = explain(declare("291524"), REGULAR)
    assert first == MODEL.text
    assert "acetic anhydride" in last and "nothing unusual" in last


def test_an_unusual_quantity_of_a_precursor_comes_first() -> None:
    first, *_ = explain(declare("290230"), REGULAR | {"precursor_kg_over_usual": 4.0})
    assert "toluene" in first and "much more" in first


def test_an_unknown_hs_code_is_scored() -> None:
    arrival = declare("9999999999")
    entities, found = encode(arrival.crossing, arrival.declaration, Network())
    assert found["items"] == 1.0 and entities
    assert "short_hs_code" not in data_gaps(arrival, {})


def test_a_short_hs_code_is_a_gap() -> None:
    assert "short_hs_code" in data_gaps(declare("29"), {})


def test_leading_zeros_of_an_hs_code_stay() -> None:
    declared = declare("0701900000").declaration
    assert declared is not None and declared.items[0].hs_code == "0701900000"


def test_a_seizure_weighs_by_class_and_quantity() -> None:
    grams: tuple[TakenAmount, ...] = (
        ("narcotic", 200.0, None),
        ("narcotic", 5_000.0, None),
        ("other", 5_000.0, None),
        ("precursor", None, None),
    )
    weights = [weigh_find(WEIGHED, "seizure", [amount]) for amount in grams]
    assert weights == [10.0, 40.0, 2.0, 5.0]


def test_one_load_in_four_packages_is_no_graver() -> None:
    packages = weigh_find(WEIGHED, "seizure", [("narcotic", 1_250.0, None)] * 4)
    assert packages == weigh_find(WEIGHED, "seizure", [("narcotic", 5_000.0, None)])


def test_a_clear_look_at_papers_is_no_evidence() -> None:
    assert not inspect("clear", "documents", "weighing").is_evidence
    assert inspect("clear", "documents", "canine").is_evidence
    assert inspect("discrepancy", "documents").is_evidence


def test_no_find_in_1100_checks_still_allows_27_in_10000() -> None:
    upper = clopper_pearson(0, 1_100, level=0.90)[1]  # one-sided 95 %
    assert round(1e4 * upper) == 27
    printed = share(0, 1_100)
    assert printed.knowable and printed.high is not None and 1e4 * printed.high > 27


def test_no_find_in_five_checks_says_nothing_yet() -> None:
    assert not share(0, 5).knowable


def test_random_checks_have_a_share_that_no_setting_removes() -> None:
    for share_of_all in (0.0, 0.02, 0.11):
        with pytest.raises(ValueError, match="random_share"):
            Policy(random_share=share_of_all)
    assert propensity(random_chances(Policy()), Channel.RED) >= 0.03


def test_a_random_check_counts_as_random_whatever_else_selects_it() -> None:
    chances = (
        *random_chances(Policy()),
        *score_chances(Policy(), Levels(1.0, 1.0)),
        Chance(COUNTERPART, Channel.RED, 1.0),
    )
    selected = select(
        chances, dict.fromkeys((RANDOM, RANDOM_PAPERS, SCORE, PAPERS, COUNTERPART), 0.0)
    )
    assert (selected.basis, selected.is_random) == ("random", True)


def test_a_counterparts_word_has_a_basis_of_its_own() -> None:
    chances = (*random_chances(Policy()), Chance(COUNTERPART, Channel.YELLOW, 1.0))
    selected = select(chances, {RANDOM: 0.9, RANDOM_PAPERS: 0.9, COUNTERPART: 0.0})
    assert (selected.basis, selected.is_random) == ("counterpart", False)


def test_a_counterparts_word_enters_no_propensity() -> None:
    alone = random_chances(Policy())
    with_notice = (*alone, Chance(COUNTERPART, Channel.YELLOW, 1.0))
    for channel in (Channel.YELLOW, Channel.RED):
        assert propensity(with_notice, channel) == propensity(alone, channel) < 1.0


def test_no_record_has_a_field_of_a_persons_origin() -> None:
    names = set(chain.from_iterable(record.model_fields for record in RECORDS))
    parts = {part for name in names for part in name.split("_")}
    assert not parts & set(PERSONAL) and not names & set(PERSONAL)
    for name in PERSONAL:
        with pytest.raises(ValidationError, match="Extra inputs"):
            declare("07", **{name: "x"})


def test_a_counterparts_word_that_measures_the_engine_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The seeded bug: a notice is a purpose like any other."""
    monkeypatch.setattr("engine.selection.COUNTERPART", "another")
    assert len(list_broken(test_a_counterparts_word_enters_no_propensity)) == 1


def test_a_personal_field_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The seeded bug: a record that asks for a nationality."""

    class Passenger(Record):
        driver_nationality: str

    monkeypatch.setitem(globals(), "RECORDS", (*RECORDS, Passenger))
    assert len(list_broken(test_no_record_has_a_field_of_a_persons_origin)) == 1
