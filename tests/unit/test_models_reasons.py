"""A reason says a fact and what is usual, and never points the other way than its contribution."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.ports import Contribution
from engine.reasons import Reason
from engine.records import Arrival, Crossing
from features.catalogue import CATALOGUE
from features.definitions import Feature
from models import reasons
from models.contributions import BASE, CALIBRATION, SMALLEST
from models.reasons import FEWEST, MOST, Sentences, sentences
from models.wording import wording

NAN = float("nan")
ARRIVAL = Arrival(
    crossing=Crossing(
        crossing_id="x1",
        post="OYB",
        direction="entry",
        arrived_at=datetime(2026, 1, 1, tzinfo=UTC),
        vehicle_class="truck",
    ),
    declaration=None,
)

amount = st.one_of(st.just(NAN), st.floats(-1e6, 1e6))
contribution = st.builds(
    Contribution, st.sampled_from(sorted(CATALOGUE)), amount, amount, st.floats(-4, 4)
)


@given(st.lists(contribution, min_size=4, max_size=40, unique_by=lambda one: one.feature))
def test_a_reason_never_contradicts_its_sign(found: list[Contribution]) -> None:
    ordered = sorted(found, key=lambda one: -abs(one.log_odds))
    told = sentences(ordered, ARRIVAL)

    assert FEWEST <= len(told) <= MOST
    assert len({reason.code for reason in told}) == len(told)
    assert not contradictions(told, ordered)
    assert not any(re.search(r"\bnan\b", reason.text) for reason in told)
    assert sentences(ordered, ARRIVAL) == told


def contradictions(told: Sequence[Reason], given: Sequence[Contribution]) -> list[str]:
    """Return the reasons whose words, or whose number, point another way than what was given."""
    signs = {one.feature: one.log_odds for one in given}
    says = {"Raises": 1, "Lowers": -1, "Hardly": 0}
    return [
        one.code
        for one in told
        if one.contribution != signs[one.code]
        or says[one.text.split()[0]] * signs[one.code] < 0
        or (one.text.startswith("Hardly") != (abs(signs[one.code]) <= SMALLEST))
    ]


SOME = [Contribution("plate_crossings_30d", 14.0, 2.0, 0.9)] + [
    Contribution(name, 1.0, 0.1, log_odds)
    for name, log_odds in (("new_driver_for_plate", 0.5), ("weighed_mass_kg", -0.3))
]


@pytest.mark.parametrize("where", ["in the words", "in the number"])
def test_a_flipped_sign_is_found(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: a sentence that lost its sign, by the check that the honest code passes."""
    assert not contradictions(sentences(SOME, ARRIVAL), SOME)
    if where == "in the words":
        honest = reasons._direction
        monkeypatch.setattr(reasons, "_direction", lambda log_odds: honest(abs(log_odds)))
        told = sentences(SOME, ARRIVAL)
    else:
        flipped = [replace(one, log_odds=abs(one.log_odds)) for one in SOME]
        told = sentences(flipped, ARRIVAL)
    assert contradictions(told, SOME) == ["weighed_mass_kg"]


def test_a_sentence_as_an_officer_reads_it() -> None:
    told = sentences(
        [
            Contribution("plate_crossings_30d", 14.0, 2.0, 0.9, "trucks at OYB"),
            Contribution("new_driver_for_plate", 1.0, 0.12, 0.5),
            Contribution(BASE, NAN, NAN, -3.0),
            Contribution(CALIBRATION, NAN, NAN, 0.4),
            Contribution("weighed_mass_kg", 31_000.0, NAN, -0.3),
        ],
        ARRIVAL,
    )
    assert told[0].text == (
        "Raises the risk strongly: this vehicle crossed 14 times in 30 days (trucks at OYB: 2)."
    )
    assert told[1].fact == "vehicle and driver were never seen together in this direction before"
    assert told[1].comparison == "trucks: so for 12%"
    assert told[2].text.startswith("Lowers the risk: ")
    assert told[2].comparison == "trucks: nothing usual is known"


VALUES = (NAN, 0.0, 1.0, 2.0, 0.125, 31_250.4)


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_every_feature_of_the_catalogue_is_said_in_words(name: str) -> None:
    for value in VALUES:
        found = [Contribution(name, value, value, 0.5)]
        (reason,) = sentences(found, ARRIVAL)
        assert reason.code == name
        assert len(reason.text) <= 180
        assert not re.search(r"[_{}]|\bnan\b|None|\bplate\b.*\bplate\b|\b1 days\b", reason.text)
        assert not re.search(r"\b(us|ever, smoothed|hs\d)\b|\b(\w+) \2\b", reason.text)
        assert reason.text.endswith(").")


def test_no_two_features_are_said_alike() -> None:
    facts = {name: wording(feature).fact(3.0) for name, feature in CATALOGUE.items()}
    assert len(set(facts.values())) == len(facts)


def test_a_feature_of_an_unknown_kind_is_said_by_its_meaning() -> None:
    strange = Feature("entropy", (), (), "bits", "surprise_of the route", "route")
    assert wording(strange).fact(1.5) == "surprise of the route: 1.5 bits"


def test_the_planted_flaw_is_seen() -> None:
    """The twin: a definition's own words, unchanged, would not pass for a sentence."""
    raw = replace(CATALOGUE["hs4_hit_rate"], operator="entropy")
    assert "hs" not in wording(CATALOGUE["hs4_hit_rate"]).fact(1.0).split()
    assert re.search(r"HS heading", wording(CATALOGUE["hs4_hit_rate"]).fact(1.0))
    assert not re.search(r"HS heading", wording(raw).fact(1.0))


def plain(unit: str, family: str) -> Feature:
    return Feature("entropy", (), (), unit, "it", family)


def test_one_family_does_not_take_all_the_room() -> None:
    catalogue = {f"a{place}": plain("", "a") for place in range(9)}
    catalogue |= {f"b{place}": plain("", "b") for place in range(2)}
    found = [Contribution(name, 1.0, 1.0, 1.0 - 0.01 * at) for at, name in enumerate(catalogue)]
    told = Sentences(catalogue)(found, ARRIVAL)
    assert [reason.code for reason in told] == ["a0", "a1", "b0", "b1"]


def told_of(*families: tuple[str, float]) -> list[str]:
    """Return the codes that are told where contributions of these families and sizes are given."""
    catalogue = {f"{family}{at}": plain("", family) for at, (family, _) in enumerate(families)}
    sizes = (size for _, size in families)
    found = [Contribution(name, 1.0, 1.0, s) for name, s in zip(catalogue, sizes, strict=True)]
    return [reason.code for reason in Sentences(catalogue)(found, ARRIVAL)]


def test_what_fills_up_to_three_keeps_to_two_of_a_family() -> None:
    assert told_of(("a", 0.9), ("a", 0.8), ("a", 0.7), ("b", -0.2)) == ["a0", "a1", "b3"]
    assert told_of(("a", 0.9), ("b", -0.5), ("b", -0.4), ("b", -0.3)) == ["a0", "b1", "b2"]


def test_three_are_owed_though_one_family_speaks_alone() -> None:
    """It says more of itself before anything is told that hardly changes the risk."""
    assert told_of(("a", 0.9), ("a", 0.8), ("a", 0.7), ("b", 0.01)) == ["a0", "a1", "a2"]
    assert told_of(("a", 0.9), ("a", -0.8), ("a", 0.01), ("b", -0.01)) == ["a0", "a1", "a2"]
    assert told_of(("a", 0.9), ("b", 0.01)) == ["a0", "b1"]


@given(st.lists(contribution, min_size=4, max_size=40, unique_by=lambda one: one.feature))
def test_a_third_of_a_family_means_that_the_others_had_nothing_to_say(
    found: list[Contribution],
) -> None:
    ordered = sorted(found, key=lambda one: -abs(one.log_odds))
    told = {reason.code: reason.contribution for reason in sentences(ordered, ARRIVAL)}
    family = {name: CATALOGUE[name].family for name in told}
    left = [one for one in ordered if one.feature not in told and abs(one.log_odds) > SMALLEST]
    counts = Counter(family.values())
    if max(counts.values()) > 2:
        assert len(told) == FEWEST
        assert {CATALOGUE[one.feature].family for one in left} <= {
            name for name, count in counts.items() if count >= 2
        }
    if any(abs(size) <= SMALLEST for size in told.values()):
        assert len(told) == FEWEST and not left


def test_a_fact_that_reads_like_the_usual_comes_last() -> None:
    catalogue = {name: plain("kg", family=name) for name in ("same", "heavy", "light", "odd")}
    found = [
        Contribution("same", 20_000.1, 20_000.3, 0.9),
        Contribution("heavy", 30_000.0, 20_000.0, 0.6),
        Contribution("light", 100.0, 20_000.0, -0.5),
        Contribution("odd", NAN, NAN, 0.4),
    ]
    told = Sentences(catalogue)(found, ARRIVAL)
    assert [reason.code for reason in told] == ["heavy", "odd", "same"]


@pytest.mark.parametrize(
    ("unit", "value", "said"),
    [
        ("share", 0.123, "12.3%"),
        ("share", 0.0064, "0.64%"),
        ("share", 0.0, "0.0%"),
        ("flag", 1.0, "yes"),
        ("kg", 31_250.4, "31,250 kg"),
        ("ratio", 1.2345, "1.23"),
        ("microseconds", 5.4e9, "90 minutes"),
        ("days", 0.153, "3.67 hours"),
        ("0 is Monday", 5.0, "Saturday"),
        ("times", 2.0, "twice"),
        ("days", NAN, "not known"),
    ],
)
def test_amounts_are_said_in_their_unit(unit: str, value: float, said: str) -> None:
    found = [Contribution(name, np.float32(value).item(), NAN, 1.0) for name in ("a", "b", "c")]
    catalogue = {name: plain(unit, family=name) for name in ("a", "b", "c")}
    assert Sentences(catalogue)(found, ARRIVAL)[0].fact == f"it: {said}"
