"""Figures of two processors are the same, an alteration is not."""

import math

import pytest

from engine.audit.decision_replay import are_same

STORED = {
    "channel": "red",
    "risk": {"p_seizure": 0.21924832516812692, "percentile": 0.5973350379892982},
    "reasons": [{"code": "profile", "contribution": 0.0}, {"code": "hour", "contribution": -0.2}],
    "rank": 3,
}


def test_the_last_bits_of_a_figure_do_not_count() -> None:
    again = STORED | {"risk": {"p_seizure": 0.2192483251681269, "percentile": 0.5973350379892962}}
    assert again != STORED and are_same(STORED, again)
    assert are_same(0.0, 1e-15) and are_same((1, [2.0]), [1, (2.0,)])


@pytest.mark.parametrize(
    "changed",
    [
        {"channel": "green"},
        {"risk": STORED["risk"] | {"p_seizure": 0.219249}},  # type: ignore[operator]
        {"risk": {"p_seizure": 0.21924832516812692}},
        {"reasons": STORED["reasons"][:1]},  # type: ignore[index]
        {"reasons": STORED["reasons"][::-1]},  # type: ignore[index]
        {"rank": 4},
        {"rank": 3.5},
        {"more": 1},
    ],
)
def test_everything_else_does(changed: dict[str, object]) -> None:
    assert not are_same(STORED, STORED | changed)
    assert not are_same(STORED | changed, STORED)


def test_what_a_sentence_is_said_of_counts_and_its_words_do_not() -> None:
    reason = {"code": "hour", "message": "usual", "parameters": {"hour": 3}, "text": "At 3."}
    again = reason | {"text": "At three o'clock."}
    assert are_same([reason], [again])
    assert not are_same([reason], [again | {"message": "rare"}])
    assert not are_same([reason], [again | {"parameters": {"hour": 4}}])
    assert not are_same({"text": "At 3."}, {"text": "At three."}), "without a message words count"


def test_no_figure_is_not_a_figure() -> None:
    assert not are_same(math.nan, 0.5) and not are_same(0.0, None) and not are_same("1", 1.0)
