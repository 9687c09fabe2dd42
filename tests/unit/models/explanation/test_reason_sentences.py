"""A reason is strong, known, unusual and evidenced, and never points against its contribution."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.records import Arrival, Crossing
from engine.explanation.messages import render
from engine.explanation.reasons import Reason
from engine.ports import Contribution, Evidence
from features.catalogue.catalogue import CATALOGUE
from features.catalogue.spec import Feature
from models.explanation.feature_wording import word_feature
from models.explanation.reason_sentences import FEWEST, MOST, sentences, topic
from tests.proof.models.reason_audit import RecordedReasons, audit

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
RATES = sorted(name for name, feature in CATALOGUE.items() if feature.is_rate)
OTHERS = sorted(CATALOGUE.keys() - set(RATES))
FLAGS = sorted(name for name in OTHERS if CATALOGUE[name].unit == "flag" and topic(CATALOGUE[name]))

amount = st.one_of(st.just(NAN), st.floats(-1e6, 1e6), st.floats(0, 1))
added = st.one_of(st.floats(-4, 4), st.floats(-0.2, 0.2))
counts = st.tuples(st.integers(0, 40), st.integers(0, 400)).map(lambda p: (p[0], sum(p)))
evidence = st.builds(
    lambda pair, usual, here: Evidence(pair[0], pair[1], usual, is_of_post=here),
    counts,
    st.one_of(st.just(NAN), st.floats(0, 0.5)),
    st.booleans(),
)
contribution = st.one_of(
    st.builds(Contribution, st.sampled_from(OTHERS), amount, amount, added),
    st.builds(
        lambda name, value, size, behind: Contribution(name, value, 0.03, size, "", behind),
        st.sampled_from(RATES),
        st.floats(0, 1),
        added,
        evidence,
    ),
)
many = st.lists(contribution, min_size=4, max_size=60, unique_by=lambda one: one.feature)


def sort_by_size(found: Sequence[Contribution]) -> list[Contribution]:
    return sorted(found, key=lambda one: -abs(one.log_odds))


def make_reasons(found: Sequence[Contribution], reasons: Sequence[Reason]) -> RecordedReasons:
    return RecordedReasons(tuple(reasons), {one.feature: one for one in found})


@given(many)
def test_every_first_reason_is_strong_known_and_unusual(found: list[Contribution]) -> None:
    result = sentences(sort_by_size(found), ARRIVAL)
    tally = audit([make_reasons(found, result)])
    assert not tally.rates_without_inspections
    assert tally.poor_first == (result[0].code == "no_single_circumstance")
    assert sentences(sort_by_size(found), ARRIVAL) == result


def test_where_a_vehicle_always_comes_or_was_searched_is_no_reason() -> None:
    searched = {word_feature(one).known: name for name, one in CATALOGUE.items()}
    searched_here = searched["inspected_at_this_post_share"]
    for name, value in (("post_share_of_plate", 0.6), (searched_here, 1.0), (searched_here, 0.0)):
        found = [Contribution(name, value, 0.33, 0.9)]
        assert sentences(found, ARRIVAL)[0].code == "no_single_circumstance", name
    rare = Contribution("post_share_of_plate", 0.02, 0.33, 0.9)
    assert sentences([rare], ARRIVAL)[0].code == "post_share_of_plate", "it comes elsewhere"
    common = Contribution(next(flag for flag in FLAGS), 1.0, 0.4, 0.9)
    assert sentences([common], ARRIVAL)[0].code == "no_single_circumstance", "two in five"


@given(many)
def test_a_reason_never_contradicts_its_sign(found: list[Contribution]) -> None:
    result = sentences(sort_by_size(found), ARRIVAL)
    assert FEWEST <= len(result) <= MOST or len(result) == 1 + len(candidates(found))
    assert len({reason.code for reason in result}) == len(result)
    assert not contradictions(result, found)
    assert not any(re.search(r"\bnan\b", reason.text) for reason in result)


def candidates(found: Sequence[Contribution]) -> set[str]:
    return {topic(CATALOGUE[one.feature]) for one in found} - {""}


def contradictions(reasons: Sequence[Reason], given: Sequence[Contribution]) -> list[str]:
    """Return the reasons whose words, or whose number, point another way than what was given."""
    sums: dict[str, float] = {}
    for one in given:
        of = topic(CATALOGUE[one.feature])
        sums[of] = sums.get(of, 0.0) + one.log_odds
    return [
        one.code
        for one in reasons
        if one.code in CATALOGUE
        and (
            one.contribution != pytest.approx(sums[topic(CATALOGUE[one.code])])
            or direction(one.text) * one.contribution < 0
        )
    ]


def direction(text: str) -> int:
    """Return what a sentence says of the risk: 1 raises it, -1 lowers it, 0 neither."""
    if text.startswith(("In its favour: ", "Strongly in its favour: ")):
        return -1
    return (
        0 if text.startswith(("Weak sign: ", "No information: ", "No single ", "Nothing ")) else 1
    )


def test_a_rate_is_stated_as_a_count_of_inspections() -> None:
    behind = Evidence(5, 16, 0.034, is_of_post=True)
    found = [Contribution("consignee_hit_rate", 0.21, 0.034, 0.5, "", behind)]
    first = sentences(found, ARRIVAL)[0]
    assert first.text == (
        "This consignee: finds in 5 of 16 inspections in a year; usual at this post: 0.54."
    )
    assert first.message == "inspections_hit"
    assert first.parameters == {
        "whom": ["consignee"],
        "within_minutes": 365 * 24 * 60,
        "finds": 5,
        "inspections": 16,
        "usual": 0.034,
        "comparison": "usual_finds_at_post",
        "strength": "raises",
    }


def test_what_was_never_inspected_has_no_rate_and_raises_nothing() -> None:
    nothing = Evidence(0, 0, 0.034, is_of_post=True)
    found = [Contribution("consignee_hit_rate_ever", 0.045, 0.03, 2.0, "", nothing)]
    result = sentences(found, ARRIVAL)
    assert [reason.code for reason in result] == [
        "no_single_circumstance",
        "consignee_hit_rate_ever",
    ]
    assert result[1].text == "No information: no inspection of this consignee so far."
    assert "finds" not in result[1].parameters and not re.search(r"\d", result[1].fact)


@pytest.mark.parametrize(
    ("finds", "inspections", "usual", "log_odds", "may"),
    [
        (5, 16, 0.034, 0.5, True),
        (0, 16, 0.034, 0.5, False),  # nothing was found: no reason that raises
        (1, 30, 0.034, 0.5, False),  # at what is usual
        (0, 46, 0.034, -0.5, True),  # speaks for the trader
        (0, 14, 0.034, -0.5, False),  # half a find would not be usual: too few to speak
        (5, 16, 0.034, -0.5, False),
        (1, 3, NAN, 0.5, False),  # nothing to compare with
        (5, 16, 0.034, 0.05, False),  # weak
    ],
)
def test_what_may_be_a_reason(
    finds: int, inspections: int, usual: float, log_odds: float, may: bool
) -> None:
    behind = Evidence(finds, inspections, usual, is_of_post=False)
    found = [Contribution("carrier_hit_rate", 0.1, 0.03, log_odds, "", behind)]
    result = sentences(found, ARRIVAL)
    assert any(direction(one.text) for one in result) is may


def test_searches_alone_and_more_finds_than_usual_speak_for_nobody() -> None:
    favour = Contribution("carrier_finds_elsewhere", 0.0, 2.0, -0.9)
    assert direction(sentences([favour], ARRIVAL)[1].text) == -1, "fewer than usual may"
    for name in ("terms_inspections", "carrier_finds_elsewhere"):
        made = sentences([Contribution(name, 4.0, 0.0, -0.9)], ARRIVAL)
        assert not any(direction(one.text) for one in made), name


def test_what_is_true_of_most_or_of_all_by_definition_is_no_reason() -> None:
    found = [
        Contribution("class_bus", 1.0, 1.0, 2.0),
        Contribution(
            "post_day_part_hit_rate", 0.06, 0.04, 1.5, "", Evidence(60, 900, 0.04, is_of_post=True)
        ),
        Contribution("night", 1.0, 0.2, 1.0),
        Contribution("new_driver_for_plate", 1.0, 0.61, 0.9),
        Contribution("has_tir", 1.0, 0.2, 0.3),
    ]
    result = sentences(found, ARRIVAL)
    assert [reason.code for reason in result] == [
        "has_tir", "nothing_else_stands_out", "new_driver_for_plate",
    ]  # fmt: skip
    assert result[2].text.startswith("Weak sign: ")


def test_one_subject_is_one_reason() -> None:
    behind = Evidence(8, 11, 0.03, is_of_post=True)
    found = [
        Contribution("consignee_hit_rate_ever", 0.6, 0.03, 0.08, "", behind),
        Contribution("consignee_hit_rate", 0.5, 0.03, 0.07, "", behind),
        Contribution(
            "consignee_recent_seizure_rate", 0.3, 0.01, 0.06, "", replace(behind, finds=4)
        ),
    ]
    values = [one for one in sentences(found, ARRIVAL) if direction(one.text) == 1]
    assert [one.code for one in values] == ["consignee_hit_rate_ever"]
    assert values[0].contribution == pytest.approx(0.21), "together they are strong"


def test_something_in_favour_is_shown_where_there_is_any() -> None:
    names = ("plate", "driver", "carrier", "consignee", "consignor", "declarant", "trailer")
    found = [Contribution(f"{who}_crossings_30d", 9.0, 2.0, 0.5) for who in names]
    found += [Contribution("has_tir", 1.0, 0.1, -0.2), Contribution("seals", 3.0, 1.0, -0.2)]
    result = sentences(found, ARRIVAL)
    assert len(result) == MOST and [one.contribution > 0 for one in result] == [True] * 5 + [False]


@pytest.mark.parametrize(
    ("name", "party", "text"),
    [
        ("found_spread_0_largest", "driver",
         "Recent finds with this driver: 12% of crossings; usual for trucks here: 0.8%."),
        ("seized_spread_1_largest", "carrier",
         "Recent seizures one link from this carrier: 12% of crossings;"
         " usual for trucks here: 0.8%."),
        ("seized_spread_2_second", "consignor",
         "Recent seizures two links from this consignor: 12% of crossings;"
         " usual for trucks here: 0.8%."),
        ("found_spread_0_sum", "",
         "Recent finds with its parties: 12% of crossings;"
         " usual for trucks here: 0.8%."),
    ],
)  # fmt: skip
def test_an_index_of_finds_names_the_party_whose_it_is(name: str, party: str, text: str) -> None:
    behind = Evidence(0, 0, NAN, is_of_post=False, party=party) if party else None
    found = [Contribution(name, 0.12, 0.008, 0.5, "truck OYB", behind)]
    first = sentences(found, ARRIVAL)[0]
    assert first.text == text
    assert first.parameters.get("whom", []) == [party] * bool(party)


FLAGS = sorted(name for name, one in CATALOGUE.items() if one.unit == "flag" and topic(one))


@pytest.mark.parametrize("name", FLAGS)
def test_the_share_next_to_a_flag_is_of_vehicles_of_which_the_fact_is_true(name: str) -> None:
    """The two facts of one flag cannot both be true of nine in ten."""
    shares = {}
    for value in (0.0, 1.0):
        result = sentences([Contribution(name, value, 0.9, 0.5)], ARRIVAL)
        shares[value] = next(one.comparison for one in result if one.code == name)
    assert shares == {0.0: "so with 10% of trucks", 1.0: "so with 90% of trucks"}


def fact(feature: Feature, value: float) -> str:
    """Return the fact of a feature in English; of a rate, ``value`` finds in ten inspections."""
    wording = word_feature(feature)
    is_rate = feature.is_rate
    return render(wording.count_message(int(value), 10) if is_rate else wording.message(value))
