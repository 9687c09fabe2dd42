"""A decision is a pure function of its inputs, and never milder as a probability rises."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.criteria.match import Match
from engine.decision.decision import AMENDED, Inputs, Rank, ScoredArrival, attach_reasons, decide
from engine.decision.inspection_minutes import Minutes
from engine.decision.record_codec import decode_decision, encode_decision
from engine.decision.role_views import BLIND, outcome, view
from engine.domain.records import Arrival
from engine.explanation.messages import Message
from engine.explanation.reasons import Reason, make_whole_reason
from engine.ports import Chances
from engine.selection import (
    PLACE,
    PLACE_AMENDED,
    RANDOM,
    RANDOM_PAPERS,
    SCORE,
    Channel,
    Policy,
    RiskTables,
)
from engine.targeting.context import BY_MODEL, BY_RULES
from tests.unit.engine.journal.example_receipt import RECEIPT

PURPOSES = tuple(dict.fromkeys((*BY_MODEL, *BY_RULES)))
EVEN = tuple(level / 100 for level in range(101))
UNIFORM = RiskTables(EVEN, EVEN)
number = st.floats(0, 1, exclude_max=True)
chance = st.floats(0, 1)
draws = st.fixed_dictionaries(dict.fromkeys(PURPOSES, number))
NEVER = dict.fromkeys(PURPOSES, 0.999999)


def arrival(**crossing: Any) -> Arrival:
    known = {
        "crossing_id": "c1",
        "post": "OYB",
        "direction": "entry",
        "arrived_at": "2026-03-01T10:00:00+05:00",
        "vehicle_class": "truck",
        "plate": "01A123BC",
    }
    return Arrival.model_validate({"crossing": known | crossing})


def inputs(drawn: dict[str, float], **more: Any) -> Inputs:
    known: dict[str, Any] = {
        "decision_id": "dec-1",
        "as_of": 1_700_000_000_000_000,
        "epoch": "e",
        "shift_id": "OYB@2026-03-01T03:00:00Z",
        "draws": drawn,
        "policy": Policy(),
        "mode": "model",
        "model_version": "m1",
        "definitions": "d",
        "table_sequence": 3,
        "tables": UNIFORM,
        "minutes": Minutes(red=40.0, yellow=15.0),
    }
    return Inputs(**known | more)


def make_scored_arrival(
    p_seizure: float | None, p_discrepancy: float | None, **features: float
) -> ScoredArrival:
    if p_seizure is None or p_discrepancy is None:
        return ScoredArrival(arrival(), dict(features))
    ends = (p_seizure / 2, p_seizure), None
    return ScoredArrival(arrival(), dict(features), Chances(p_seizure, p_discrepancy, *ends))


WITHOUT = {
    "mode": "rules_only",
    "model_version": None,
    "table_sequence": None,
    "tables": RiskTables(),
}


@given(draws, st.tuples(chance, chance), chance)
def test_a_higher_chance_never_gets_a_milder_channel_or_a_later_place(
    drawn: dict[str, float], chances: tuple[float, float], other: float
) -> None:
    low, high = sorted(chances)
    for mild, severe in (
        (make_scored_arrival(low, other), make_scored_arrival(high, other)),
        (make_scored_arrival(other, low), make_scored_arrival(other, high)),
    ):
        before, after = decide(inputs(drawn), mild), decide(inputs(drawn), severe)
        assert before.channel <= after.channel
        # What a random check alone sends is placed among scored picks; risen, it has its own.
        assert before.place <= after.place or before.selection.basis in (RANDOM, RANDOM_PAPERS)


@given(draws, chance, chance)
def test_the_same_inputs_give_the_same_decision(
    drawn: dict[str, float], p_seizure: float, p_discrepancy: float
) -> None:
    one = make_scored_arrival(p_seizure, p_discrepancy)
    assert decide(inputs(drawn), one) == decide(inputs(dict(drawn)), one)


def test_a_random_check_sends_anybody_to_a_search_and_hides_it() -> None:
    scored = decide(inputs(NEVER | {SCORE: 0.0}), make_scored_arrival(1.0, 1.0))
    drawn = decide(inputs(NEVER | {RANDOM: 0.0, PLACE: 0.5}), make_scored_arrival(0.0, 0.0))
    assert scored.channel is drawn.channel is Channel.RED
    assert (scored.selection.basis, drawn.selection.basis) == ("score", "random")
    views = [
        view(outcome(replace(d, rank=Rank(1, 1))), decided_at=0, receipt=RECEIPT, is_blind=True)
        for d in (scored, drawn)
    ]
    assert views[0] == views[1], "a checkpoint cannot tell the two apart"
    assert set(views[0]) == {*BLIND, "decided_at", "receipt"}


def test_a_random_pick_queues_among_the_scored_picks() -> None:
    red = Policy().red_share
    reds = [
        decide(inputs(NEVER | {SCORE: 0.0}), make_scored_arrival(p, p)).place
        for p in (1 - 1.25 * red, 1.0)
    ]
    for drawn in (0.0, 0.3, 0.7, 0.99):
        random_pick = decide(
            inputs(NEVER | {RANDOM: 0.0, PLACE: drawn}), make_scored_arrival(0.0, 0.0)
        )
        assert reds[0] <= random_pick.place <= reds[1]


def test_whatever_is_not_picked_by_score_alone_takes_a_drawn_place() -> None:
    listed = Match("watchlist", "w-1", 8, "red", 1.0)
    drawn = NEVER | {PLACE: 0.4, listed.purpose: 0.5}
    more: dict[str, Any] = {"peers": (0.975, 0.98, 0.99)}
    own = decide(inputs(drawn | {SCORE: 0.0}, **more), make_scored_arrival(1.0, 1.0))
    others = [
        decide(inputs(drawn | {RANDOM: 0.0}, **more), make_scored_arrival(0.0, 0.0)),
        decide(inputs(drawn | {RANDOM: 0.0, SCORE: 0.0}, **more), make_scored_arrival(1.0, 1.0)),
        decide(inputs(drawn, matches=(listed,), **more), make_scored_arrival(0.5, 0.5)),
        decide(
            inputs(drawn | {SCORE: 0.0}, matches=(listed,), **more), make_scored_arrival(1.0, 1.0)
        ),
    ]
    assert len({one.place for one in others}) == 1 and own.place > others[0].place
    assert {one.channel for one in others} == {Channel.RED}


def test_a_changed_declaration_moves_every_place_alike() -> None:
    """A sender who amends to see whether a place moves learns nothing: it always does, as drawn."""
    drawn = NEVER | {PLACE: 0.4, PLACE_AMENDED: 0.7, AMENDED: 0.9}
    more: dict[str, Any] = {"amendment": 1}
    scored = decide(inputs(drawn | {SCORE: 0.0}, **more), make_scored_arrival(1.0, 1.0))
    random_pick = decide(inputs(drawn | {RANDOM: 0.0}, **more), make_scored_arrival(0.0, 0.0))
    again = decide(
        inputs(drawn | {SCORE: 0.0}, **more | {"amendment": 2}), make_scored_arrival(0.99, 0.99)
    )
    assert scored.place == random_pick.place == again.place
    assert (
        random_pick.place != decide(inputs(drawn | {RANDOM: 0.0}), make_scored_arrival(0, 0)).place
    )


def test_a_scored_pick_that_is_drawn_too_counts_as_random() -> None:
    both = decide(inputs(NEVER | {RANDOM: 0.0, SCORE: 0.0}), make_scored_arrival(1.0, 1.0))
    assert both.selection.is_random and both.selection.basis == "random"
    assert both.propensity == 1.0
    first, *rest = attach_reasons(both, [REASON]).reasons
    assert first.code == "random_check" and "another reason" in first.text and rest == [REASON]


REASON = Reason("x", "x", "x", "x", 0.1, "x")


def test_a_random_check_alone_says_so_first() -> None:
    random_pick = decide(inputs(NEVER | {RANDOM: 0.0}), make_scored_arrival(0.0, 0.0))
    assert [reason.code for reason in attach_reasons(random_pick, [REASON]).reasons] == [
        "random_check",
        "x",
    ]


SMALL = {
    "signs": 2,
    "figures": [{"message": "nothing_earlier", "parameters": {"whom": ["driver"]}}],
}
FREE = "No sign of risk: checked because there was time."


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (Message("no_single_circumstance"), FREE),
        (Message("small_signs_led", SMALL | {"is_outweighed": True}), FREE),
        (Message("small_signs_led", SMALL | {"is_outweighed": False}), ""),
    ],
)
def test_a_vehicle_that_fills_a_free_place_is_said_to(message: Message, text: str) -> None:
    """Where its score alone picked it and no more speaks against it than for it.

    A random pick, or a vehicle of a profile, fills no place that was left.
    """
    reason = make_whole_reason(message, 0.2, code="as it was")
    scored = decide(inputs(NEVER | {SCORE: 0.0}), make_scored_arrival(1.0, 1.0))
    (found,) = attach_reasons(scored, [reason]).reasons
    assert found.text == (text or reason.text)
    assert (found.code, found.contribution) == ("as it was", 0.2)
    both = decide(inputs(NEVER | {RANDOM: 0.0, SCORE: 0.0}), make_scored_arrival(1.0, 1.0))
    assert attach_reasons(both, [reason]).reasons[1] == reason


def test_a_profile_that_selected_is_a_reason_and_one_that_did_not_is_none() -> None:
    some = Match("profile", "night-potatoes", 7, "yellow", 0.5, "Sacks", "net mass declared: 50 kg")
    listed = Match("watchlist", "w-1", 8, "red", 1.0, words="plate A1; reason: x; by ann; until y")
    for drawn, codes in ((0.4, ["profile", "watchlist", "x"]), (0.6, ["watchlist", "x"])):
        draws = NEVER | {some.purpose: drawn, listed.purpose: 0.9}
        decision = decide(inputs(draws, matches=(some, listed)), make_scored_arrival(0.0, 0.0))
        found = attach_reasons(decision, [REASON], (some, listed))
        assert [reason.code for reason in found.reasons] == codes
        assert decision.selection.basis == "watchlist"
        value = [reason.text for reason in found.reasons][:-1]
        assert value[-1] == "Watch list: plate A1; reason: x; by ann; until y."
        assert value[:-1] in ([], ["Profile night-potatoes «Sacks»: net mass declared: 50 kg."])
    drawn_too = decide(
        inputs(NEVER | {RANDOM: 0.0, some.purpose: 0.1}, matches=(some,)), make_scored_arrival(0, 0)
    )
    codes = [reason.code for reason in attach_reasons(drawn_too, [REASON], (some,)).reasons]
    assert codes == ["random_check", "profile", "x"], "a random pick says so before all"


def test_without_a_model_rules_and_random_checks_decide() -> None:
    quiet = decide(inputs(NEVER, **WITHOUT), make_scored_arrival(None, None))
    assert quiet.channel is Channel.GREEN and quiet.risk.percentile is None
    fired = decide(
        inputs(NEVER | {"rule:seal_changed": 0.1}, **WITHOUT),
        make_scored_arrival(None, None, mirror_seals_differ=1.0),
    )
    assert fired.channel is Channel.RED and fired.selection.basis == "profile"
    assert fired.selection.propensities[Channel.RED] == pytest.approx(1 - 0.7 * 0.97)
    assert outcome(fired)["profiles"] == ["seal_changed"]
    unknown = make_scored_arrival(None, None, mirror_seals_differ=float("nan"))
    assert decide(inputs(NEVER | {"rule:seal_changed": 0.1}, **WITHOUT), unknown).channel == 0
    random_pick = decide(inputs(NEVER | {RANDOM: 0.0}, **WITHOUT), make_scored_arrival(None, None))
    assert random_pick.channel is Channel.RED


@given(draws, chance, chance)
def test_a_record_reads_back_as_it_was_written(
    drawn: dict[str, float], p_seizure: float, p_discrepancy: float
) -> None:
    import numpy as np

    from engine.journal.idempotency import claim

    given_, one = inputs(drawn), make_scored_arrival(p_seizure, p_discrepancy)
    decision = decide(given_, one)
    asked = claim("decision", one.arrival, post="OYB", name="crossing:c1")
    row = np.array([1.0, np.nan], np.float32)
    body = encode_decision(decision, given_, arrival=one.arrival, row=row, claim=asked)
    back = decode_decision(json.loads(json.dumps(body)))
    assert back.arrival == one.arrival
    assert replace(back.inputs, tables=UNIFORM) == given_
    assert decide(replace(back.inputs, tables=UNIFORM), one) == decision
