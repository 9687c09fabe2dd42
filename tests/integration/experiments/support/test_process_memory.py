"""What tells memory that goes on growing from memory that fills up."""

import json
from collections.abc import Callable
from itertools import islice

import pytest

from experiments.support.arrivals import repeat_arrivals
from experiments.support.processes import (
    MOST_BYTES,
    TELLING,
    MemorySample,
    find_growth,
    measure_steepness,
)

MB = 1 << 20
TRIALS = 50_000


def list_weights(held: Callable[[int], int], trials: int = TRIALS) -> list[MemorySample]:
    return [MemorySample(n, 150 * MB + held(n)) for n in range(0, trials + 1, 250)]


def full_at(requests: int, *, megabytes: int) -> Callable[[int], int]:
    """Grow in proportion until a cache is full."""
    return lambda n: megabytes * MB * min(n, requests) // requests


@pytest.mark.parametrize(
    "held",
    [
        lambda _: 0,
        full_at(TRIALS // 5, megabytes=90),  # while it warms up, whatever it takes
        full_at(TRIALS // 2, megabytes=30),
        lambda n: 8 * MB * (n > TRIALS * 0.7),  # one more connection
        lambda n: (n // 250 % 2) * MB,  # what a moment needs
    ],
    ids=["even", "warming up", "filling", "a step", "coming and going"],
)
def test_what_fills_up_or_comes_and_goes_is_no_leak(held: Callable[[int], int]) -> None:
    assert not list(find_growth(list_weights(held), TRIALS))


def test_half_a_kilobyte_with_each_request_is_a_leak() -> None:
    """Over these many it comes to less than what may be grown by altogether."""
    leaking = list_weights(lambda n: 512 * n)
    assert leaking[-1].resident - leaking[0].resident < 1.1 * MOST_BYTES
    assert list(find_growth(leaking, TRIALS)) == [
        "memory that grows by 512 bytes with each request"
    ]


def test_what_grew_at_once_is_no_less_grown() -> None:
    found = list_weights(lambda n: 25 * MB * (n > TRIALS * 0.3))
    assert list(find_growth(found, TRIALS)) == ["memory that grew by 25.0 MB once warm"]


def test_a_short_run_is_not_asked_for_its_slope() -> None:
    few = TELLING
    assert not list(find_growth(list_weights(lambda n: 512 * n, few), few))
    many = 2 * TELLING
    assert list(find_growth(list_weights(lambda n: 512 * n, many), many))


def test_a_step_does_not_make_a_slope() -> None:
    """Control: the two ends alone would call it one."""
    found = list_weights(lambda n: 8 * MB * (n > TRIALS * 0.9))
    assert measure_steepness(found) == 0
    grown = found[-1].resident - found[0].resident
    assert grown / TRIALS > 150


def test_strangers_are_new_in_every_request_and_nothing_else_of_it() -> None:
    crossing = {"post": "OYB", "direction": "entry", "plate": "01A777BC", "carrier_id": "c"}
    fields = {"crossing": crossing | {"driver_ref": None}, "declaration": None}
    plain, new = (
        [
            json.loads(one.body)
            for one in islice(repeat_arrivals([fields], prefix="a", strangers=strange), 3)
        ]
        for strange in (False, True)
    )
    assert {body["crossing"]["plate"] for body in plain} == {"01A777BC"}
    assert len({body["crossing"]["plate"] for body in new}) == 3
    for one, other in zip(plain, new, strict=True):
        arrived = one["crossing"]["arrived_at"]
        same = other["crossing"] | {"plate": "01A777BC", "arrived_at": arrived}
        assert other | {"crossing": same} == one
