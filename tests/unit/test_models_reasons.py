"""A reason says a fact and what is usual, and never points the other way than its contribution."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.ports import Contribution
from engine.records import Arrival, Crossing
from features.catalogue import CATALOGUE
from models.reasons import FEWEST, MOST, Sentences, sentences
from models.scorer import BASE, CALIBRATION

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
    for reason in told:
        assert reason.text.startswith("Raises") <= (reason.contribution > 0)
        assert reason.text.startswith("Lowers") <= (reason.contribution < 0)
        assert "nan" not in reason.text.replace("finance", "").split()


def test_a_sentence_as_an_officer_reads_it() -> None:
    told = sentences(
        [
            Contribution("plate_crossings_30d", 14.0, 2.0, 0.9),
            Contribution("new_driver_for_plate", 1.0, 0.0, 0.5),
            Contribution(BASE, NAN, NAN, -3.0),
            Contribution(CALIBRATION, NAN, NAN, 0.4),
            Contribution("weighed_mass_kg", 31_000.0, NAN, -0.3),
        ],
        ARRIVAL,
    )
    assert told[0].text == (
        "Raises the risk strongly: crossings of the same plate within 30 days: 14 "
        "(usual for trucks found clear: 2)."
    )
    assert told[1].fact.endswith(": yes")
    assert told[1].comparison == "usual for trucks found clear: no"
    assert told[2].text.startswith("Lowers the risk: ")
    assert told[2].comparison == "nothing usual is known for trucks found clear"


@dataclass
class Told:
    unit: str
    meaning: str = "it"
    family: str = "one"


def test_one_family_does_not_take_all_the_room() -> None:
    catalogue = {f"a{place}": Told("", family="a") for place in range(9)}
    catalogue |= {f"b{place}": Told("", family="b") for place in range(2)}
    found = [Contribution(name, 1.0, 1.0, 1.0 - 0.01 * at) for at, name in enumerate(catalogue)]
    told = Sentences(catalogue)(found, ARRIVAL)
    assert [reason.code for reason in told] == ["a0", "a1", "b0", "b1"]


@pytest.mark.parametrize(
    ("unit", "value", "said"),
    [
        ("share", 0.123, "12.3%"),
        ("flag", 1.0, "yes"),
        ("kg", 31_250.4, "31,250 kg"),
        ("ratio", 1.2345, "1.23"),
        ("microseconds", 5.4e9, "1.5 hours"),
        ("days", NAN, "not known"),
    ],
)
def test_amounts_are_said_in_their_unit(unit: str, value: float, said: str) -> None:
    found = [Contribution(name, np.float32(value).item(), NAN, 1.0) for name in ("a", "b", "c")]
    catalogue = {name: Told(unit, family=name) for name in ("a", "b", "c")}
    assert Sentences(catalogue)(found, ARRIVAL)[0].fact == f"it: {said}"
