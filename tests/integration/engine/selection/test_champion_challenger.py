"""Two models share the picks: probabilities are exact, and what counts is a fair sample."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.criteria.match import Match
from engine.decision import decision as deciding
from engine.decision.decision import Decision, Inputs, ScoredArrival, decide
from engine.decision.record_codec import decode_decision, encode_decision
from engine.decision.role_views import outcome
from engine.domain.records import Arrival
from engine.journal.idempotency import claim
from engine.ports import Chances
from engine.selection import (
    CHALLENGER,
    CHAMPION,
    INSPECTED,
    LISTED,
    RANDOM,
    SCORE,
    TRIAL,
    Chance,
    Channel,
    Levels,
    Side,
    Trial,
    apply_trial,
    draw,
    draw_leader,
    movement_key,
    score_chances,
    select,
)
from engine.targeting.context import BY_MODEL, BY_RULES
from models.monitoring import shadow_scoring
from models.monitoring.trials import counts_for_leader
from models.statistics.intervals import clopper_pearson
from tests.support.sizes import PROOF
from tests.unit.engine.decision.test_decision import UNIFORM, arrival, inputs
from tests.unit.engine.selection.test_randomization import (
    CROSSINGS,
    FAIR_SHIFT,
    LEVEL,
    POLICY,
    World,
    outside,
)

MOVEMENTS = CROSSINGS if PROOF else CROSSINGS // 3
"""A decision by two models takes twice the time of a selection, and nine worlds are drawn."""

PURPOSES = tuple(dict.fromkeys((*BY_MODEL, *BY_RULES, TRIAL)))
number = st.floats(0, 1, exclude_max=True)
chance = st.floats(0, 1)
draws = st.fixed_dictionaries(dict.fromkeys(PURPOSES, number))
SHARE = 0.3
PROFILE = Match("profile", "sacks", 7, "red", 0.4)
Pair = tuple[float, float]
"""What the champion and the challenger say of one arrival, both chances equal."""


def trial_inputs(drawn: Mapping[str, float], *, share: float = SHARE, **more: Any) -> Inputs:
    """Return what an arrival stands on while a trial runs; the draws say who leads."""
    leader = draw_leader(share, drawn[TRIAL])
    versions = {CHAMPION: "m1", CHALLENGER: "m2"}
    other = versions[CHAMPION if leader == CHALLENGER else CHALLENGER]
    on = Trial(41, share, leader, other, table_sequence=4, tables=UNIFORM)
    return inputs(dict(drawn), trial=on, model_version=versions[leader], **more)


def trial_seen(given: Inputs, says: Pair, one: Arrival | None = None) -> ScoredArrival:
    assert given.trial is not None
    ours, theirs = says if given.trial.leader == CHAMPION else says[::-1]
    return ScoredArrival(one or arrival(), {}, Chances(ours, ours), other=Chances(theirs, theirs))


def decide_arrival(drawn: Mapping[str, float], says: Pair, **more: Any) -> Decision:
    given = trial_inputs(drawn, **more)
    return decide(given, trial_seen(given, says))


Drawer = Callable[[bytes, str, bytes], float]


def own(seed: bytes, purpose: str, movement: bytes) -> float:
    return draw(seed, purpose, movement=movement)


def as_drawn(says: Pair) -> Pair:
    return says


def challenger_higher(says: Pair) -> Pair:
    return min(says), max(says)


def champion_higher(says: Pair) -> Pair:
    return max(says), min(says)


def world(drawn: Drawer = own, order: Callable[[Pair], Pair] = as_drawn, *, seed: int = 1) -> World:
    """Decide on many movements of which two models that half agree say something."""
    rng, secret = Random(seed), hashlib.sha256(b"%d" % seed).digest()
    made = []
    for each in range(MOVEMENTS):
        one = arrival(crossing_id=f"c{each}", plate=f"01A{each:06d}")
        movement = movement_key(one.crossing, FAIR_SHIFT)
        purposes = (*PURPOSES, PROFILE.purpose)
        numbers = {p: drawn(secret, p, movement) for p in purposes}
        first = rng.random()
        says = order((first, first if rng.random() < 0.5 else rng.random()))
        matches = (PROFILE,) if rng.random() < 0.2 else ()
        given = trial_inputs(numbers, policy=POLICY, matches=matches)
        made.append(decide(given, trial_seen(given, says, one)).selection)
    return World(
        np.zeros(len(made), np.bool_),
        np.array([one.is_random for one in made]),
        {c: np.array([one.propensities[c] for one in made]) for c in LISTED},
        {c: np.array([one.channel >= c for one in made]) for c in LISTED},
    )


@pytest.mark.parametrize("order", [as_drawn, challenger_higher, champion_higher])
def test_inclusion_is_as_often_as_was_written_down(order: Callable[[Pair], Pair]) -> None:
    assert outside(world(order=order)) == []


@pytest.mark.parametrize("order", [challenger_higher, champion_higher])
def test_one_number_for_who_leads_and_for_the_score_is_caught(
    order: Callable[[Pair], Pair],
) -> None:
    """Seeded bug.

    The challenger leads where the score picks most, so it picks more than its share.
    """
    assert outside(world(lambda seed, p, m: own(seed, SCORE if p == TRIAL else p, m), order))


Tried = Callable[..., Any]


def reweigh_trial(weight: Callable[[float], float]) -> Tried:
    """Return a trial whose chances before the draw are weighed otherwise."""

    def seeded_bug(
        on: Trial, other: tuple[float, float], picked: Sequence[Chance], **more: Any
    ) -> tuple[Any, tuple[Chance, ...]]:
        found, _ = apply_trial(on, other, picked, **more)
        theirs = score_chances(more["policy"], Levels(found.percentile, found.percentile))
        ours = weight(on.share if on.leader == CHALLENGER else 1 - on.share)
        return found, tuple(
            replace(a, rival=b.probability, weight=ours)
            for a, b in zip(picked, theirs, strict=True)
        )

    return seeded_bug


@pytest.mark.parametrize(
    "wrong",
    [lambda _: 0.0, lambda weight: 1 - weight, lambda _: 0.5],
    ids=["the other alone", "shares mixed up", "always even"],
)
def test_a_wrong_weight_is_caught(
    wrong: Callable[[float], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deciding, "apply_trial", reweigh_trial(wrong))
    assert outside(world(order=champion_higher))


def by_leader(says: Pair) -> dict[str, Mapping[Channel, float]]:
    """Return what is written down of one arrival, by who leads it."""
    never = dict.fromkeys(PURPOSES, 0.999999)
    made = [decide_arrival(never | {TRIAL: drawn}, says) for drawn in (0.0, 0.999)]
    return {
        one.trial.leader: {c: round(p, 12) for c, p in one.selection.propensities.items()}
        for one in made
        if one.trial is not None
    }


def test_what_is_written_does_not_hang_on_who_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seeded bug: the leader's alone.

    Given who leads it is as often as it happens too, so no decile tells. But it is no probability
    of what the engine could have done, and tiny where only the other side wanted an arrival.
    """
    pairs = [(0.99, 0.2), (0.9, 0.97), (0.95, 0.95), (0.1, 1.0)]
    for says in pairs:
        found = by_leader(says)
        assert found[CHAMPION] == found[CHALLENGER]
    monkeypatch.setattr(deciding, "apply_trial", reweigh_trial(lambda weight: weight))
    assert by_leader(pairs[0])[CHAMPION] == by_leader(pairs[0])[CHALLENGER], "no plant as yet"
    monkeypatch.setattr(deciding, "apply_trial", reweigh_trial(lambda _: 1.0))
    assert outside(world()) == []
    assert [says for says in pairs if len({str(one) for one in by_leader(says).values()}) > 1]


@given(draws, st.tuples(chance, chance), chance, chance)
def test_a_higher_chance_by_who_leads_never_gets_a_milder_channel_or_a_later_place(
    drawn: dict[str, float], chances: tuple[float, float], other: float, share: float
) -> None:
    low, high = sorted(chances)
    given = trial_inputs(drawn, share=share)
    for says in ((low, other), (other, low)):
        risen = tuple(high if one == low else one for one in says)
        leads = 0 if given.trial is not None and given.trial.leader == CHAMPION else 1
        mild, severe = (decide(given, trial_seen(given, s)) for s in (says, (risen[0], risen[1])))
        if says[leads] == low:
            assert mild.channel <= severe.channel
            assert mild.place <= severe.place or mild.selection.is_random
        else:
            assert (mild.channel, mild.place) == (severe.channel, severe.place)


@given(draws, st.tuples(chance, chance), chance)
def test_who_leads_decides_as_if_it_were_alone(
    drawn: dict[str, float], says: Pair, share: float
) -> None:
    led = decide_arrival(drawn, says, share=share)
    assert led.trial is not None
    p = says[led.trial.leader == CHALLENGER]
    alone = decide(
        inputs(drawn, model_version=led.model_version), ScoredArrival(arrival(), {}, Chances(p, p))
    )
    kept = ("channel", "risk", "place", "model_version", "minutes")
    assert [getattr(led, name) for name in kept] == [getattr(alone, name) for name in kept]
    assert led.selection.fired == alone.selection.fired
    assert 0 <= led.selection.propensities[Channel.RED] <= led.propensity <= 1


def test_a_trial_says_which_model_wanted_an_arrival_whichever_led_it() -> None:
    never = dict.fromkeys(PURPOSES, 0.999999) | {SCORE: 0.5}
    for drawn, leader, channel in ((0.1, CHALLENGER, "green"), (0.9, CHAMPION, "red")):
        made = decide_arrival(never | {TRIAL: drawn}, (0.99, 0.2))
        value = outcome(made)["trial"]
        assert made.channel.code == channel
        assert (value["leader"], value["wanted"]) == (leader, [CHAMPION])
        assert value["other"] == ("m1" if leader == CHALLENGER else "m2")
        assert made.model_version == ("m2" if leader == CHALLENGER else "m1")
    both = decide_arrival(never | {TRIAL: 0.1, RANDOM: 0.0}, (1.0, 1.0)).trial
    assert both is not None and both.wanted == (CHAMPION, CHALLENGER)
    assert decide_arrival(never, (0.1, 0.1)).selection.channel is Channel.GREEN


@pytest.mark.parametrize("share", [0.1, 0.3, 1 / 3, 0.9])
def test_what_both_want_for_certain_is_certain(share: float) -> None:
    drawn = dict.fromkeys(PURPOSES, 0.5)
    assert decide_arrival(drawn, (1.0, 1.0), share=share).selection.propensities[Channel.RED] == 1.0


@given(draws, st.tuples(chance, chance))
def test_a_record_reads_back_as_it_was_written(drawn: dict[str, float], says: Pair) -> None:
    given = trial_inputs(drawn)
    one = trial_seen(given, says)
    decision = decide(given, one)
    asked = claim("decision", one.arrival, post="OYB", name="crossing:c1")
    row = np.array([1.0, np.nan], np.float32)
    body = json.loads(
        json.dumps(encode_decision(decision, given, arrival=one.arrival, row=row, claim=asked))
    )
    assert "tables" not in body["inputs"]["trial"]
    back = decode_decision(body).inputs
    assert back.trial is not None
    again = replace(back, tables=UNIFORM, trial=replace(back.trial, tables=UNIFORM))
    assert again == given and decide(again, one) == decision
    assert outcome(decision) == body["decision"]


@given(draws, st.tuples(chance, chance))
def test_a_shadow_is_held_against_the_model_in_force_whichever_model_led(
    drawn: dict[str, float], says: Pair
) -> None:
    given = trial_inputs(drawn)
    one = trial_seen(given, says)
    asked = claim("decision", one.arrival, post="OYB", name="crossing:c1")
    row = np.zeros(1, np.float32)
    body = encode_decision(decide(given, one), given, arrival=one.arrival, row=row, claim=asked)
    assert np.isclose(shadow_scoring._in_force(decode_decision(body)), says[0])


def test_without_a_trial_chances_are_written_as_they_are() -> None:
    plain = Chance(SCORE, Channel.RED, 0.25)
    assert select([plain], {SCORE: 0.3}).propensities[Channel.RED] == 0.25
    made = select([replace(plain, rival=0.75, weight=0.5)], {SCORE: 0.3})
    assert made.channel is Channel.GREEN and made.propensities[Channel.RED] == 0.5


KNOWING = Match("profile", "sacks", 7, "red", 0.9)


@dataclass(frozen=True)
class Vehicle:
    """A vehicle, decided on, and whether it carries."""

    decision: Decision
    carries: bool

    def wanted_by(self, side: Side) -> bool:
        trial = self.decision.trial
        return trial is not None and trial.wanted == (side,)

    @property
    def is_searched(self) -> bool:
        return self.decision.channel in INSPECTED

    @property
    def counts(self) -> bool:
        return counts_for_leader(outcome(self.decision)["trial"])


@pytest.fixture(scope="module")
def vehicles() -> list[Vehicle]:
    rng, secret = Random(5), hashlib.sha256(b"5").digest()
    made = []
    for each in range(CROSSINGS if PROOF else CROSSINGS // 2):
        one = arrival(crossing_id=f"c{each}", plate=f"01A{each:06d}")
        movement = movement_key(one.crossing, FAIR_SHIFT)
        purposes = (*PURPOSES, KNOWING.purpose)
        numbers = {p: draw(secret, p, movement=movement) for p in purposes}
        is_known = rng.random() < 0.3
        given = trial_inputs(numbers, policy=POLICY, matches=(KNOWING,) if is_known else ())
        decision = decide(given, trial_seen(given, (rng.random(), rng.random()), one))
        made.append(Vehicle(decision, rng.random() < (0.7 if is_known else 0.1)))
    return made


def covers(sample: list[Vehicle], truth: float) -> bool:
    """Tell whether a sample's hit rate covers the truth."""
    low, high = clopper_pearson(sum(one.carries for one in sample), len(sample), level=LEVEL)
    return bool(low <= truth <= high)


@pytest.mark.parametrize("side", [CHAMPION, CHALLENGER])
def test_what_a_side_led_is_a_fair_sample_of_what_it_alone_wanted(
    vehicles: list[Vehicle], side: Side
) -> None:
    wanted = [one for one in vehicles if one.wanted_by(side)]
    truth = sum(one.carries for one in wanted) / len(wanted)
    counted = [one for one in wanted if one.counts]
    assert all(one.is_searched for one in counted)
    assert covers(counted, truth)
    others = [one for one in wanted if one.is_searched and not one.counts]
    assert len(others) > 50 and not covers(others, truth), (
        "negative control: what something else picked"
    )


def test_what_both_wanted_or_neither_counts_for_neither(vehicles: list[Vehicle]) -> None:
    wanted = {(): 0, (CHAMPION, CHALLENGER): 0}
    for one in vehicles:
        trial = one.decision.trial
        assert trial is not None
        if trial.wanted in wanted:
            wanted[trial.wanted] += 1
            assert not one.counts
    assert min(wanted.values()) > 50
