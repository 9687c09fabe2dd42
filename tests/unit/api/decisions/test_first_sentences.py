"""What a decision's page begins with."""

from api.decisions.page_data import ReasonBar, put_in_words
from engine.criteria.match import HARD_FACT


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
