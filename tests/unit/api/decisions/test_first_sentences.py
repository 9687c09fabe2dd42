"""What a decision's page begins with."""

from math import nan

import pytest

from api.decisions.page_data import ReasonBar, put_in_words
from api.decisions.panels import draw_price, find_usual_price
from engine.criteria.match import HARD_FACT
from engine.explanation.reasons import Reason


def bar(message: str, contribution: float, *, code: str = "", **parameters: object) -> ReasonBar:
    told = {"code": code or message, "message": message, "parameters": parameters}
    return ReasonBar(told, contribution, 0.0, 0.0)


def test_what_picked_the_vehicle_leads_and_three_sentences_are_the_most() -> None:
    picked, drawn = bar("fact_came_laden", 0.0), bar("random_check_and_more", 0.0)
    weak = bar("crossings_count", 0.05, strength="weak_sign")
    raising = [bar(f"other_{number}", 0.9 - number / 10) for number in range(4)]
    favour = bar("together", -0.4)
    told = put_in_words([drawn, picked, *raising, weak, favour])
    assert told.first == [picked, raising[0]], "a draw is a mark and no sentence"
    assert told.favour is favour
    assert put_in_words([*raising, weak]).first == raising[:3]
    assert put_in_words([*raising, favour], most=2).first == raising[:1], "a late report leads"
    assert put_in_words([drawn]).first == []
    assert put_in_words([bar("first_crossing_quiet", 0.0)]).first == [], "no rule fired"


def test_what_a_hard_fact_holds_against_a_vehicle_does_not_speak_for_it() -> None:
    fact = bar("fact_mass_lost", 0.0, code=HARD_FACT, opposite="Fotehobod")
    same, known = bar("paired_amounts", -0.4, opposite="Fotehobod"), bar("crossings_count", -0.1)
    assert put_in_words([fact, same, known]).favour is known
    assert put_in_words([fact, same]).favour is None
    assert put_in_words([same, known]).favour is same, "without a fact it may"


STATED = {"noun": "value_per_kg", "own": 0.3, "there": 2.4}
PRICE_REASONS: tuple[tuple[list[dict[str, object]], str, float], ...] = (
    ([], "price", 2.0),
    ([{"noun": "weighed_mass_kg", "whom": ["plate"], "there": 9.0}], "price", 2.0),
    ([{"noun": "value_per_kg", "opposite": "Fotehobod", "there": 9.0}], "price", 2.0),
    ([{}, STATED | {"whom": ["hs4", "origin"]}], "price", 2.4),
    ([{"figures": [{"parameters": STATED | {"whom": ["hs4", "origin"]}}]}], "price", 2.4),
    ([STATED | {"whom": ["consignee", "hs4"]}], "price_of_consignee", 2.4),
)


@pytest.mark.parametrize(("stated", "code", "usual"), PRICE_REASONS)
def test_a_page_states_one_usual_price(
    stated: list[dict[str, object]], code: str, usual: float
) -> None:
    features = {"value_per_kg": 0.3, "value_over_usual": 0.15}
    features |= {f"value_over_usual_of_{name}": nan for name in ("hs6_origin", "origin")}
    reasons = [Reason("", "", "", "", 0.0, "", parameters) for parameters in stated]
    strip = draw_price(features, find_usual_price(reasons))
    assert strip is not None and strip.code == code
    assert strip.usual[0] == pytest.approx(usual)
